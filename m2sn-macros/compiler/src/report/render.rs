use super::Position;

/// The longest excerpt of a line, in characters.
const WIDTH: usize = 140;

/// Renders a fault as rustc would: message, place, excerpt with carets, help.
pub(crate) fn render(message: &str, path: &str, text: &str, position: Position, help: Option<&str>) -> String {
    let Position { line, column } = position;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let mut report = format!("{message}\n{margin}--> {path}:{line}:{column}\n");
    if let Some(excerpt) = text.lines().nth(line - 1) {
        let (excerpt, padding, carets) = window(excerpt, column);
        let (padding, carets) = (" ".repeat(padding), "^".repeat(carets));
        report += &format!("{margin} |\n{number} | {excerpt}\n{margin} | {padding}{carets}\n");
    }
    if let Some(help) = help {
        report += &format!("{margin} = help: {help}\n");
    }
    report.truncate(report.trim_end().len());
    report
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

    #[test]
    fn carets_stand_under_key_or_value() {
        let text = "model: Tiny\nnet:\n    shortcuts: [stem, stage9]   # comment\n";
        let report =
            render("no layer `stage9`", "a.yaml", text, Position { line: 3, column: 23 }, Some("write `stem`"));
        assert_eq!(
            report,
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
}
