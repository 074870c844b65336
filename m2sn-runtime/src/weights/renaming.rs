//! From the names of a file to those of an encoder, and back.

/// What names begin with in a file, and what the same begin with in an encoder.
#[derive(Debug)]
pub(super) struct Renaming {
    pairs: Vec<(String, String)>,
}

impl Renaming {
    /// Of pairs, theirs first; an empty text stands for every name.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// What a name of the file is in the encoder, by the longest beginning that is known.
    pub(super) fn ours(&self, theirs: &str) -> Option<String> {
        renamed(theirs, self.pairs.iter().map(|(theirs, ours)| (&**theirs, &**ours)))
    }

    /// What a name of the encoder is in the file.
    pub(super) fn theirs(&self, ours: &str) -> Option<String> {
        renamed(ours, self.pairs.iter().map(|(theirs, ours)| (&**ours, &**theirs)))
    }
}

/// Whether a name is `prefix`, or goes on after it with a dot; every name is below the empty one.
pub(super) fn is_below(name: &str, prefix: &str) -> bool {
    rest(name, prefix).is_some()
}

fn renamed<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let rests = pairs.filter_map(|(from, to)| Some((from, to, rest(name, from)?)));
    let (_, to, rest) = rests.max_by_key(|(from, ..)| from.len())?;
    Some([to, rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
}

/// What follows a beginning and its dot.
fn rest<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    match name.strip_prefix(prefix)? {
        rest if prefix.is_empty() => Some(rest),
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::{Renaming, is_below};

    #[test]
    fn the_longest_beginning_counts() {
        let pairs = [("", "rest"), ("features", "stem"), ("features.1", "norm"), ("head.weight", "last.w")];
        let renaming = Renaming::new(pairs.map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())).to_vec());
        for (theirs, ours) in [
            ("features.0.weight", "stem.0.weight"),
            ("features.1.weight", "norm.weight"),
            ("features.10.weight", "stem.10.weight"),
            ("features", "stem"),
            ("head.weight", "last.w"),
            ("head.bias", "rest.head.bias"),
        ] {
            assert_eq!(renaming.ours(theirs).as_deref(), Some(ours));
            assert_eq!(renaming.theirs(ours).as_deref(), Some(theirs));
        }
        assert_eq!(renaming.theirs("other.weight"), None);
    }

    #[test]
    fn names_are_parted_by_dots() {
        assert!(is_below("fc.weight", "fc") && is_below("fc", "fc") && is_below("fc", ""));
        assert!(!is_below("fcn.weight", "fc") && !is_below("fc", "fc.weight"));
    }
}
