/// A name of the spec and what becomes of it in Rust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// As the user wrote it; of a part of what the user wrote, with that after a dot.
    pub(crate) text: String,
    /// For fields, functions and modules.
    pub(crate) snake: String,
    /// For types and variants.
    pub(crate) pascal: String,
    /// The line of the spec that bears the name, counted from 1.
    pub(crate) line: usize,
}

impl Name {
    /// A name that the spec bears in this line. Whatever is no letter or digit parts words.
    pub(crate) fn new(text: &str, line: usize) -> Self {
        let words: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        Self { text: text.to_owned(), snake: snake(&words), pascal: pascal(&words), line }
    }

    /// Whether Rust takes the name, in both casings.
    pub(crate) fn is_identifier(&self) -> bool {
        is_identifier(&self.snake) && is_identifier(&self.pascal)
    }
}

/// `AvDigits`, `avDigits` and `av_digits` are `av_digits`; a digit begins no word.
fn snake(text: &str) -> String {
    let chars: Vec<_> = text.chars().collect();
    let mut snake = String::new();
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let ends_acronym =
            before.is_some_and(char::is_uppercase) && chars.get(index + 1).is_some_and(|c| c.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_acronym) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// `av_digits` is `AvDigits`. Numbers stay apart: `a_1_1` is `A1_1`, since `A11` is `a_11`.
fn pascal(text: &str) -> String {
    let mut pascal = String::new();
    for word in text.split('_') {
        if word.starts_with(|c: char| c.is_ascii_digit()) && pascal.ends_with(|c: char| c.is_ascii_digit()) {
            pascal.push('_');
        }
        let mut letters = word.chars();
        pascal.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        pascal.extend(letters);
    }
    pascal
}

fn is_identifier(text: &str) -> bool {
    // syn knows the keywords of all editions but the youngest.
    syn::parse_str::<syn::Ident>(text).is_ok() && text != "gen"
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn keywords_are_no_identifiers() {
        for keyword in ["match", "type", "self", "Self", "gen", "_", "1st", ""] {
            assert!(!Name::new(keyword, 1).is_identifier(), "{keyword}");
        }
        assert!(Name::new("stage1", 1).is_identifier());
    }

    #[test]
    fn casing() {
        for (text, snake, pascal) in [
            ("AvDigits", "av_digits", "AvDigits"),
            ("av_digits", "av_digits", "AvDigits"),
            ("stage1", "stage1", "Stage1"),
            ("MMImdb", "mm_imdb", "MMImdb"),
            ("Imdb5000", "imdb5000", "Imdb5000"),
            ("audio_2", "audio_2", "Audio2"),
            ("body.1.11", "body_1_11", "Body1_11"),
            ("resnet.layer1", "resnet_layer1", "ResnetLayer1"),
            ("left-eye", "left_eye", "LeftEye"),
        ] {
            let name = Name::new(text, 1);
            assert_eq!((name.snake.as_str(), name.pascal.as_str()), (snake, pascal));
        }
    }
}
