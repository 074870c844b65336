//! The words that a model knows.

use std::collections::HashMap;
use std::path::Path;

use super::{batch, words};
use crate::shape::Tokens;
use crate::{Batch, Error, Result, file};

/// The words that a model knows, by their ids: id 0 is padding, id 1 stands for every word that is none of them.
///
/// As a file it is a text with one word a line; the line's number, counted from 0, is the id. The first two lines are
/// `<pad>` and `<unk>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    ids: HashMap<String, i64>,
}

impl Vocabulary {
    /// The id of padding: `padding: 0` in the spec's input.
    pub const PADDING: i64 = 0;
    /// The id of a word that is not in the vocabulary.
    pub const UNKNOWN: i64 = 1;

    /// The [`words`] that these texts hold at least `least` times, the most frequent first; of equally frequent words the
    /// first in the order of the alphabet.
    ///
    /// Give it the training texts alone: what a test text says is then met as it will be in use.
    pub fn of(texts: impl IntoIterator<Item = impl AsRef<str>>, least: usize) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for text in texts {
            for word in words(text.as_ref()) {
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count >= least).collect();
        counts.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        let special = [PAD, UNK].map(str::to_owned);
        Self::trusted(special.into_iter().chain(counts.into_iter().map(|(word, _)| word)).collect())
    }

    /// The first words, `most` in all, with padding and the unknown word: of [`Vocabulary::of`], the most frequent.
    pub fn truncated(mut self, most: usize) -> Self {
        self.words.truncate(most.max(2));
        Self::trusted(self.words)
    }

    /// Reads a file of one word a line.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] with the line where it does not begin with `<pad>` and
    /// `<unk>`, or where a line is empty or there twice.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(Error::io(path))?;
        let text = String::from_utf8(text).map_err(|error| {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
            Error::file(path, format!("line {line}: expected text in UTF-8; convert the file"))
        })?;
        Self::parse(&text).map_err(|message| Error::file(path, message))
    }

    /// Writes a file of one word a line; the folder is made where it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), &self.to_text())
    }

    /// What [`Vocabulary::save`] writes.
    pub fn to_text(&self) -> String {
        self.words.iter().flat_map(|word| [word, "\n"]).collect()
    }

    /// Reads what [`Vocabulary::to_text`] has written; a message with the line where it cannot be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.lines().map(str::to_owned).collect();
        for (line, expected) in [PAD, UNK].into_iter().enumerate() {
            match words.get(line) {
                Some(word) if word == expected => {}
                found => {
                    let found = found.map_or("the end of the file".to_owned(), |word| format!("`{word}`"));
                    return Err(format!(
                        "line {}: expected `{expected}`, found {found}; a vocabulary begins with `{PAD}` and `{UNK}`",
                        line + 1
                    ));
                }
            }
        }
        let mut lines = HashMap::with_capacity(words.len());
        for (line, word) in words.iter().enumerate() {
            if word.is_empty() {
                return Err(format!("line {} is empty; each line is one word, and its number the id", line + 1));
            }
            if let Some(first) = lines.insert(word, line) {
                return Err(format!("line {}: the word `{word}` stands in line {} already", line + 1, first + 1));
            }
        }
        Ok(Self::trusted(words))
    }

    fn trusted(words: Vec<String>) -> Self {
        let ids = words.iter().cloned().zip(0..).collect();
        Self { words, ids }
    }

    /// The words by id, with padding and the unknown word.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The id of a word; [`Vocabulary::UNKNOWN`] where it has none.
    pub fn id(&self, word: &str) -> i64 {
        self.ids.get(word).copied().unwrap_or(Self::UNKNOWN)
    }

    /// The place of a word among [`Vocabulary::words`].
    pub(super) fn find(&self, word: &str) -> Option<usize> {
        self.ids.get(word).and_then(|id| usize::try_from(*id).ok())
    }

    /// The ids of the [`words`] of a text.
    ///
    /// For other rules than those of [`words`], look up words of your own by [`Vocabulary::id`], and for the last words of
    /// long texts instead of the first, cut the ids; [`batch`] makes a batch of them.
    pub fn ids(&self, text: &str) -> Vec<i64> {
        words(text).iter().map(|word| self.id(word)).collect()
    }

    /// The ids of texts, cut after `L` words or padded, as what a network takes.
    ///
    /// A text without a word is one unknown word.
    ///
    /// # Errors
    /// Where LibTorch has no memory for it.
    pub fn encode<const L: i64>(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Batch<Tokens<L>>> {
        let ids = |text: &str| match self.ids(text) {
            ids if ids.is_empty() => vec![Self::UNKNOWN],
            ids => ids,
        };
        let rows: Vec<_> = texts.into_iter().map(|text| ids(text.as_ref())).collect();
        batch(&rows, Self::PADDING)
    }
}

const PAD: &str = "<pad>";
const UNK: &str = "<unk>";

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::of(["A cat, a dog.", "The dog isn't a cat.", "Ein Hund"], 2)
    }

    #[test]
    fn frequent_words_come_first_and_rare_ones_not_at_all() {
        assert_eq!(vocabulary().words(), ["<pad>", "<unk>", "a", ".", "cat", "dog"]);
        assert_eq!(vocabulary().truncated(3).words(), ["<pad>", "<unk>", "a"]);
        assert_eq!(vocabulary().truncated(0).words(), ["<pad>", "<unk>"]);
        assert_eq!(vocabulary().truncated(3).ids("a cat"), [2, 1]);
    }

    #[test]
    fn texts_become_batches() {
        let batch = vocabulary().encode::<4>(["Dog? A cat. Dog", "", "cat"]).unwrap();
        assert_eq!(*batch.tensor(), Tensor::from_slice(&[5i64, 1, 2, 4, 1, 0, 0, 0, 4, 0, 0, 0]).view([3, 4]));
        let lengths = batch.mask().unwrap().sum_dim_intlist([1].as_slice(), false, tch::Kind::Int64);
        assert_eq!(lengths, Tensor::from_slice(&[4i64, 1, 1]));
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/vocabulary.txt");
        vocabulary().save(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "<pad>\n<unk>\na\n.\ncat\ndog\n");
        assert_eq!(Vocabulary::load(&path).unwrap(), vocabulary());
        std::fs::write(&path, vocabulary().to_text().replace('\n', "\r\n")).unwrap();
        assert_eq!(Vocabulary::load(&path).unwrap(), vocabulary());
    }

    #[test]
    fn files_that_are_no_vocabulary_are_refused_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vocabulary.txt");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Vocabulary::load(&path).unwrap_err().to_string().split_once(".txt: ").unwrap().1.to_owned()
        };
        let begins = "a vocabulary begins with `<pad>` and `<unk>`";
        assert_eq!(message(b""), format!("line 1: expected `<pad>`, found the end of the file; {begins}"));
        assert_eq!(message(b"<pad>\nthe\n"), format!("line 2: expected `<unk>`, found `the`; {begins}"));
        assert_eq!(message(b"<pad>\n<unk>\na\nb\na\n"), "line 5: the word `a` stands in line 3 already");
        assert_eq!(message(b"<pad>\n<unk>\n\nb\n"), "line 3 is empty; each line is one word, and its number the id");
        assert_eq!(message(b"<pad>\n<unk>\n\xff\n"), "line 3: expected text in UTF-8; convert the file");
        assert!(matches!(Vocabulary::load(folder.path().join("none.txt")), Err(Error::Io { .. })));
    }
}
