//! Where a text breaks into lines: one notion for what reads it and for what shows it.

/// A text by its lines, which end in a line feed, a carriage return, or both, as YAML 1.2 has it.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// The offset of each line's first byte.
    starts: Vec<usize>,
}

/// A line and a column, both counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let after = |pattern| text.match_indices(pattern).map(|(at, _)| at + 1);
        let lone = |at: &usize| text.as_bytes().get(*at) != Some(&b'\n');
        let mut starts: Vec<_> = std::iter::once(0).chain(after('\n')).chain(after('\r').filter(lone)).collect();
        starts.sort_unstable();
        Self { text, starts }
    }

    /// The number of the line that holds a byte.
    pub(crate) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Where a byte stands; past the end of the text, where the text ends.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.number(offset);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// A line by its number, without its end; `None` for the empty one that a last line's end leads to.
    pub(crate) fn line(&self, number: usize) -> Option<&'a str> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        (start < self.text.len()).then(|| self.text[start..end].trim_end_matches(['\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Position};

    #[test]
    fn lines_end_as_yaml_has_it() {
        let lines = Lines::new("a\nb\r\nc\rd\u{85}\u{2028}e\n\nü: f\n");
        let shown: Vec<_> = (0..9).map(|number| lines.line(number)).collect();
        let expected =
            [None, Some("a"), Some("b"), Some("c"), Some("d\u{85}\u{2028}e"), Some(""), Some("ü: f"), None, None];
        assert_eq!(shown, expected);
        let position = |offset| {
            let Position { line, column } = lines.position(offset);
            (line, column)
        };
        assert_eq!(position(0), (1, 1));
        assert_eq!(position(5), (3, 1));
        assert_eq!(position(7), (4, 1));
        assert_eq!(position(13), (4, 4), "columns are characters");
        assert_eq!(position(19), (6, 3));
        assert_eq!(position(900), (7, 1));
    }

    #[test]
    fn an_empty_text_has_a_place() {
        assert_eq!(Lines::new("").position(0), Position { line: 1, column: 1 });
        assert_eq!(Lines::new("").line(1), None);
    }
}
