//! What is no YAML: the parser's errors in the words of a spec, with what to do.

use granit_parser::{ErrorKind, ScanError};

use super::read::MAX_DEPTH;
use crate::report::{At, Fault};

/// The fault for an error that the parser marks at a byte.
pub(super) fn fault(text: &str, at: usize, error: &ScanError) -> Fault {
    let kind = error.kind();
    let (at, message) = match kind {
        ErrorKind::RecursionLimitExceeded => return too_deep(at),
        // The mark stands at the word that the character is in, or past it.
        ErrorKind::UnexpectedCharacter { character } if is_forbidden(*character) => {
            let message = format!("the character U+{:04X}, which YAML does not allow", u32::from(*character));
            (text.find(*character).unwrap_or(at), message)
        }
        ErrorKind::UnexpectedCharacter { character } => (at, format!("a text that begins with {character}")),
        ErrorKind::BomInsideDocument => (at, "a byte order mark amid the text".to_owned()),
        // The mark stands past the tab.
        kind if is_tab(kind) => {
            (text[..at].strip_suffix('\t').map_or(at, str::len), "a tab in the indentation".to_owned())
        }
        _ => {
            // What the parser was at, the excerpt shows better.
            let info = error.info();
            let message = match info.split_once(", ") {
                Some((way, message)) if way.starts_with("while ") => message,
                _ => &info,
            };
            (at, message.to_owned())
        }
    };
    let mut fault = Fault::new(At::Offset(at), message);
    if let Some(help) = help(kind) {
        fault.help(help);
    }
    fault
}

pub(super) fn too_deep(at: usize) -> Fault {
    let mut fault = Fault::new(At::Offset(at), format!("more than {MAX_DEPTH} values inside each other"));
    fault.help("no setting stands as deep as this");
    fault
}

/// What is most often meant or forgotten where the parser stops so.
fn help(kind: &ErrorKind) -> Option<&'static str> {
    Some(match kind {
        kind if is_tab(kind) => "YAML indents with spaces, not with tabs",
        ErrorKind::UnexpectedCharacter { character } if is_forbidden(*character) => {
            "remove it, or write it as an escape between double quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => "put the text between quotes",
        ErrorKind::BomInsideDocument => "remove it: it can stand at the start of the file alone",
        ErrorKind::InvalidColonPlacement
        | ErrorKind::BlockEntryInFlowCollection
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "a bracket before it is still open, or a comma is missing",
        ErrorKind::UnclosedFlowCollection { .. } => "close it; a text with a bracket in it goes between quotes",
        ErrorKind::MismatchedFlowCollectionEnd { .. } | ErrorKind::MisplacedFlowCollectionEnd => {
            "close each bracket by its own kind, and none that is not open"
        }
        ErrorKind::UnclosedQuotedScalar => "close it by the quote that it begins with",
        ErrorKind::UnknownQuotedScalarEscape => "between single quotes a backslash is a backslash",
        ErrorKind::MappingValueNotAllowed => {
            "a text with `: ` in it goes between quotes, and a key of its own in a line of its own"
        }
        ErrorKind::SimpleKeyExpected => "a key is followed by `: `",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::InvalidIndentation => {
            "what belongs together begins in the same column"
        }
        ErrorKind::BlockSequenceEntryNotAllowed => "begin the entry in a line of its own",
        _ => return None,
    })
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInIndentation
    )
}

/// Whether YAML lets a character stand nowhere in a file.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}
