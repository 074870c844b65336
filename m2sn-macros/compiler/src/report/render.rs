use super::{Diagnostic, Fault};
use crate::lines::{Lines, Position};

/// The longest excerpt of a line, in characters.
const WIDTH: usize = 140;

/// The longest part of a message between two backticks, in characters: longer than any example.
const QUOTE: usize = 160;

/// The longest message or help, in characters.
const MESSAGE: usize = 2000;

impl Diagnostic {
    /// Renders a fault as rustc would: message, place, excerpt with carets, help.
    pub(crate) fn new(fault: &Fault, path: &str, lines: &Lines<'_>, offset: usize) -> Self {
        let Position { line, column } = lines.position(offset);
        let (message, help) = (readable(&fault.message), fault.help.as_deref().map(readable));
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let mut rendered = format!("{message}\n{margin}--> {path}:{line}:{column}\n");
        let mut width = 1;
        if let Some(excerpt) = lines.line(line) {
            let (excerpt, padding, carets) = window(excerpt, column);
            width = carets;
            let (padding, carets) = (" ".repeat(padding), "^".repeat(carets));
            rendered += &format!("{margin} |\n{number} | {excerpt}\n{margin} | {padding}{carets}\n");
        }
        if let Some(help) = &help {
            rendered += &format!("{margin} = help: {help}\n");
        }
        rendered.truncate(rendered.trim_end().len());
        let (severity, path, end_column) = (fault.severity, path.to_owned(), column + width);
        Self { severity, path, line, column, end_column, message, help, rendered }
    }
}

/// A message in which nothing is too long to read, and nothing that it quotes moves the cursor.
fn readable(message: &str) -> String {
    let parts = message.split('`').enumerate();
    let parts: Vec<_> = parts.map(|(at, part)| if at % 2 == 1 { cut(part, QUOTE) } else { part.to_owned() }).collect();
    cut(&parts.join("`"), MESSAGE).chars().flat_map(visible).collect()
}

/// The beginning of a text that is longer than this.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The character, or how it is escaped where it would not show.
fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// The part of a line around a column, the characters before the carets, and the number of carets.
fn window(line: &str, column: usize) -> (String, usize, usize) {
    // Tabs and control characters are one character wide here, as the columns count them.
    let line: Vec<_> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let start = (column - 1).min(line.len());
    let carets = token(&line[start..]);
    if line.len() <= WIDTH {
        return (String::from_iter(&line).trim_end().to_owned(), start, carets);
    }
    let first = start.saturating_sub(WIDTH / 2);
    let last = line.len().min(first + WIDTH);
    let before = if first > 0 { "…" } else { "" };
    let after = if last < line.len() { "…" } else { "" };
    let shown = format!("{before}{}{after}", String::from_iter(&line[first..last]));
    (shown, start - first + before.chars().count(), carets.min(last - start).max(1))
}

/// The length of the key or value that a line goes on with, at least 1.
fn token(rest: &[char]) -> usize {
    let length = match rest.first() {
        Some(quote @ ('"' | '\'')) => rest[1..].iter().position(|c| c == quote).map_or(rest.len(), |end| end + 2),
        Some('[' | '{') => 1,
        _ => {
            let ends = |at: usize, c: char| match c {
                ',' | ']' | '}' => true,
                ':' => rest.get(at + 1).is_none_or(|next| *next == ' '),
                '#' => at > 0 && rest[at - 1] == ' ',
                _ => false,
            };
            let end = rest.iter().enumerate().position(|(at, c)| ends(at, *c)).unwrap_or(rest.len());
            rest[..end].iter().rposition(|c| *c != ' ').map_or(0, |last| last + 1)
        }
    };
    length.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::At;

    #[test]
    fn carets_stand_under_key_or_value() {
        let text = "model: Tiny\nnet:\n    shortcuts: [stem, stage9]   # comment\n";
        let mut fault = Fault::new(At::Offset(39), "no layer `stage9`");
        fault.help("write `stem`");
        let diagnostic = Diagnostic::new(&fault, "a.yaml", &Lines::new(text), 39);
        assert_eq!((diagnostic.line, diagnostic.column, diagnostic.end_column), (3, 23, 29));
        assert_eq!(
            diagnostic.rendered,
            "no layer `stage9`\n --> a.yaml:3:23\n  |\n3 |     shortcuts: [stem, stage9]   # comment\n  \
             |                       ^^^^^^\n  = help: write `stem`"
        );
        let lengths = |text: &str| token(&text.chars().collect::<Vec<_>>());
        assert_eq!(lengths("stem: { conv }"), 4);
        assert_eq!(lengths("a::b, c"), 4);
        assert_eq!(lengths("two words   # comment"), 9);
        assert_eq!(lengths("'quoted: text' }"), 14);
        assert_eq!(lengths("{ a: 1 }"), 1);
        assert_eq!(lengths(""), 1);
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let line = format!("{}fault{}", "a".repeat(500), "b".repeat(500));
        let (shown, padding, carets) = window(&line, 501);
        assert_eq!(shown.chars().count(), WIDTH + 2);
        assert_eq!(shown.chars().nth(padding), Some('f'));
        assert!(padding + carets <= shown.chars().count());
    }

    #[test]
    fn nothing_is_quoted_beyond_reading() {
        assert_eq!(readable("no `a` here"), "no `a` here");
        let cut = readable(&format!("no `{}` here", "ü".repeat(1_000_000)));
        assert_eq!(cut, format!("no `{}…` here", "ü".repeat(QUOTE)));
        let cut = readable(&format!("no `{}`", "`a".repeat(1_000_000)));
        assert!(cut.chars().count() <= MESSAGE + 1 && cut.ends_with('…'), "{}", cut.len());
        assert_eq!(readable("no `a\n\u{1b}[1mb`"), "no `a\\n\\u{1b}[1mb`");
    }
}
