//! The words of English text.

/// The words of a text in lower case, with numbers and the marks `.`, `,`, `!` and `?` between them.
///
/// A word is a run of letters of any script. The endings `n't`, `'s`, `'re`, `'ve`, `'ll`, `'d` and `'m` are words of their
/// own, as in the vocabularies of GloVe; a number is a run of the digits 0 to 9. All else only parts words.
///
/// ```
/// use m2sn_runtime::data::text::words;
///
/// let text = "It's 20 degrees, and you don't care?!";
/// assert_eq!(words(text), ["it", "'s", "20", "degrees", ",", "and", "you", "do", "n't", "care", "?", "!"]);
/// ```
pub fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '.' | ',' | '!' | '?' => 1,
            '\'' => ending(rest),
            c if c.is_ascii_digit() => run(rest, |c| c.is_ascii_digit()),
            c if c.is_alphabetic() => letters(rest),
            _ => 0,
        };
        let (word, after) = rest.split_at(if length > 0 { length } else { first.len_utf8() });
        if length > 0 {
            words.push(word.to_owned());
        }
        rest = after;
    }
    words
}

/// The ending that `rest` begins with; 0 bytes where the apostrophe is only a quotation mark.
fn ending(rest: &str) -> usize {
    let letters = run(&rest[1..], char::is_alphabetic);
    match &rest[1..=letters] {
        "s" | "re" | "ve" | "ll" | "d" | "m" => 1 + letters,
        _ => 0,
    }
}

/// The word that `rest` begins with: `do` of `don't`, and then `n't`.
fn letters(rest: &str) -> usize {
    const NOT: &str = "n't";
    let letters = run(rest, char::is_alphabetic);
    match letters.checked_sub(1) {
        Some(0) if rest.starts_with(NOT) => NOT.len(),
        Some(stem) if rest.get(stem..).is_some_and(|end| end.starts_with(NOT)) => stem,
        _ => letters,
    }
}

/// The bytes of the characters at the front that are such.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn endings_are_words_of_their_own() {
        assert_eq!(
            words("Can't we've they\u{2019}re I'm she'll he'd"),
            ["ca", "n't", "we", "'ve", "they", "'re", "i", "'m", "she", "'ll", "he", "'d"]
        );
        assert_eq!(
            words("'Cause the girls' night's rock 'n' roll, y'know"),
            ["cause", "the", "girls", "night", "'s", "rock", "n", "roll", ",", "y", "know"]
        );
        assert_eq!(words("n't isn'tx"), ["n't", "is", "n't", "x"]);
    }

    #[test]
    fn all_else_parts_words() {
        assert_eq!(
            words("12th <i>Größe</i>-3.5, \"日本\"…"),
            ["12", "th", "i", "größe", "i", "3", ".", "5", ",", "日本"]
        );
        assert!(words(" '' -- (:").is_empty());
        assert!(words("").is_empty());
    }
}
