//! Names and descriptions are the user's words, and mean nothing where they are written.

use crate::svg::{escaped, printable};

/// Text as Markdown shows it: in one line, without formatting, and as one cell of a table.
pub(super) fn markdown(text: &str) -> String {
    let letters: Vec<char> = printable(&text.replace(['\n', '\r', '\t'], " ")).chars().collect();
    let mut escaped = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let next = letters.get(index + 1);
        let within_word = || {
            let beside = [index.checked_sub(1), index.checked_add(1)];
            beside.into_iter().all(|at| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric()))
        };
        let is_special = match letter {
            '_' => !within_word(),
            // Only so a bracket ends the words of a link.
            ']' => next.is_some_and(|next| matches!(next, '(' | '[' | ':')),
            _ => matches!(letter, '\\' | '`' | '*' | '<' | '>' | '|' | '&' | '~'),
        };
        if is_special {
            escaped.push('\\');
        }
        escaped.push(*letter);
    }
    escaped
}

/// Sentences as Markdown shows them, in which what stands between backticks is code.
pub(super) fn markdown_words(text: &str) -> String {
    let code = |code: &str| format!("`{}`", printable(&code.replace(['\n', '\r', '\t'], " ")));
    words(text, markdown, code)
}

/// Sentences as HTML shows them, in which what stands between backticks is code.
pub(super) fn html_words(text: &str) -> String {
    words(text, escaped, |code| format!("<code>{}</code>", escaped(code)))
}

/// Text with what stands between a pair of backticks written otherwise than what does not; without pairs they are letters.
fn words(text: &str, plain: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) || pieces.iter().skip(1).step_by(2).any(|code| code.trim().is_empty()) {
        return plain(text);
    }
    pieces.iter().enumerate().map(|(index, piece)| if index % 2 == 0 { plain(piece) } else { code(piece) }).collect()
}

/// Text as a cell of CSV. A spreadsheet would compute what begins like a formula, so an apostrophe goes before it.
pub(super) fn csv(text: &str) -> String {
    let text = printable(&text.replace(['\n', '\r', '\t'], " "));
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_markup() {
        assert_eq!(
            markdown("a|b\n<c> *d* _e_ f_g [h](i) `j` \\ & k"),
            "a\\|b \\<c\\> \\*d\\* \\_e\\_ f_g [h\\](i) \\`j\\` \\\\ \\& k"
        );
        assert_eq!(markdown_words("`a*b` is *c*"), "`a*b` is \\*c\\*");
        assert_eq!(html_words("`<a>` is <b>"), "<code>&lt;a&gt;</code> is &lt;b&gt;");
        assert_eq!(html_words("`<a> is ``"), "`&lt;a&gt; is ``");
        assert_eq!(markdown_words("`a` `b"), "\\`a\\` \\`b");
        assert_eq!(csv("a, \"b\"\nc"), "\"a, \"\"b\"\" c\"");
        assert_eq!(csv("=1+1"), "'=1+1");
    }
}
