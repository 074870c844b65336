//! Words as SVG and HTML hold them.

/// A line cut to so many letters.
pub(crate) fn fitted(line: &str, letters: usize) -> String {
    if line.chars().count() <= letters {
        return line.into();
    }
    let start: String = line.chars().take(letters.saturating_sub(1)).collect();
    start.trim_end().to_owned() + "…"
}

/// Text in which nothing is a tag.
pub(crate) fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text without the characters that XML cannot hold.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}
