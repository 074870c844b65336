//! Pre-trained word vectors.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tch::{Kind, Tensor};

use super::Vocabulary;
use crate::{Error, Result};

/// Pre-trained vectors of the words of a vocabulary, such as GloVe's.
#[derive(Debug)]
pub struct Vectors {
    /// `[words, size]`, zero where a word has none.
    table: Tensor,
    /// Whether each word of the vocabulary has a vector.
    found: Vec<bool>,
}

impl Vectors {
    /// Reads the vectors of a vocabulary's words, `size` values each, from a text file: a word a line, and its values.
    ///
    /// That is the format of GloVe, and of fastText and word2vec where they are saved as text, with a first line that
    /// counts words and values. The file is read line by line, and kept of it is what the vocabulary asks for. A word may
    /// hold spaces, as some of GloVe's do: the last `size` parts of a line are its values.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] with the line where it has too few values, or where a
    /// word of the vocabulary has a value that is no finite number, or is there twice; and where no word of the vocabulary
    /// is there.
    pub fn read(path: impl AsRef<Path>, vocabulary: &Vocabulary, size: usize) -> Result<Self> {
        let path = path.as_ref();
        let mut reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
        let mut lines = vec![0; vocabulary.words().len()];
        let mut values = vec![0_f32; lines.len() * size];
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(Error::io(path))? == 0 {
                break;
            }
            let fault = |message: String| Error::file(path, format!("line {number}: {message}"));
            if line.len() as u64 == LONGEST {
                return Err(fault(format!("longer than {LONGEST} bytes: this is no text file of word vectors")));
            }
            let text = line.trim_ascii_end();
            if number == 1 && is_header(text) {
                continue;
            }
            let (word, parts) = split(text, size, number == 1).map_err(fault)?;
            let Some(id) = std::str::from_utf8(word).ok().and_then(|word| vocabulary.find(word)) else { continue };
            if id == Vocabulary::PADDING as usize {
                continue;
            }
            if lines[id] > 0 {
                let word = &vocabulary.words()[id];
                return Err(fault(format!("the word `{word}` has a vector in line {} already", lines[id])));
            }
            lines[id] = number;
            for (place, part) in values[id * size..][..size].iter_mut().zip(parts) {
                *place = number_of(part).ok_or_else(|| {
                    let (word, part) = (&vocabulary.words()[id], String::from_utf8_lossy(part));
                    fault(format!("expected {size} finite numbers after the word `{word}`, found `{part}` among them"))
                })?;
            }
        }
        let found: Vec<_> = lines.iter().map(|line| *line > 0).collect();
        if !found.contains(&true) {
            let message = "holds no word of the vocabulary; is it in another language, or in capital letters?";
            return Err(Error::file(path, message));
        }
        let table = Tensor::f_from_slice(&values)?.f_view([found.len() as i64, size as i64])?;
        Ok(Self { table, found })
    }

    /// How many words have a vector, and how many there are, without padding and the unknown word.
    pub fn coverage(&self) -> (usize, usize) {
        let words = &self.found[SPECIAL.min(self.found.len())..];
        (words.iter().filter(|found| **found).count(), words.len())
    }

    /// Puts the vectors into the rows of an embedding's table, `[at least the words, size]`.
    ///
    /// Words without a vector, the unknown word and rows beyond the vocabulary keep what was drawn for them, brought from
    /// the standard normal distribution to mean and deviation of the vectors that were found: they are told apart, and do
    /// not outweigh the others (Kim, 2014). The row of padding stays as it is.
    ///
    /// # Errors
    /// [`Error::Shape`] where the table does not fit.
    pub fn assign(&self, table: &Tensor) -> Result<()> {
        let (words, size) = (self.table.size()[0], self.table.size()[1]);
        let fits = matches!(table.size()[..], [rows, columns] if rows >= words && columns == size);
        if !fits || table.kind() != Kind::Float {
            return Err(Error::Shape {
                what: "the table of an embedding, for pre-trained word vectors".into(),
                expected: format!("[{words} or more, {size}] of Float"),
                found: crate::batch::describe(table),
            });
        }
        let found = Tensor::from_slice(&self.found).to_device(table.device());
        let vectors = self.table.to_device(table.device());
        let known = vectors.index_select(0, &found.nonzero().view(-1));
        let mean = known.mean_dim([0].as_slice(), true, None);
        // Of a single vector there is no deviation.
        let deviation = (&known - &mean).square().mean_dim([0].as_slice(), true, None).sqrt();
        tch::no_grad(|| {
            let mut drawn = table.narrow(0, Vocabulary::PADDING + 1, table.size()[0] - 1);
            drawn.copy_(&(&drawn * deviation + mean));
            let mut rows = table.narrow(0, 0, words);
            rows.copy_(&vectors.where_self(&found.unsqueeze(1), &rows));
        });
        Ok(())
    }
}

/// The most bytes of a line.
const LONGEST: u64 = 1 << 20;

/// Padding and the unknown word.
const SPECIAL: usize = 2;

/// Whether a line is the first of fastText and word2vec: two counts.
fn is_header(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ');
    let mut count = || parts.next().is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    count() && count() && parts.next().is_none()
}

/// The word of a line, and its values; a message where there are fewer than `size`, or more in the first line, whose word
/// has no spaces in any file.
fn split(line: &[u8], size: usize, first: bool) -> Result<(&[u8], impl Iterator<Item = &[u8]>), String> {
    let parts = line.iter().filter(|byte| **byte == b' ').count();
    if parts < size || (first && parts > size) {
        return Err(format!(
            "expected a word and {size} values, found {parts} values; is the embedding of another size?"
        ));
    }
    let mut spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
    let end = spaces.nth(parts - size).unwrap_or(line.len());
    Ok((&line[..end], line[(end + 1).min(line.len())..].split(|byte| *byte == b' ')))
}

fn number_of(part: &[u8]) -> Option<f32> {
    std::str::from_utf8(part).ok()?.parse().ok().filter(|value: &f32| value.is_finite())
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::of(["cat cat cat cat", "dog dog dog", ". .", "bird"], 1)
    }

    fn read(text: &[u8]) -> Result<Vectors> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.txt");
        std::fs::write(&path, text).unwrap();
        Vectors::read(path, &vocabulary(), 2)
    }

    fn message(text: &[u8]) -> String {
        read(text).unwrap_err().to_string().split_once(".txt: ").unwrap().1.to_owned()
    }

    #[test]
    fn vectors_are_found_by_their_words() {
        let glove = b"the 9 9\n. 1 2\n. . . 7 7\ndog -3e-1 4\r\n\xff 8 8\ncat 5.5 6 \n<pad> 3 3";
        let vectors = read(glove).unwrap();
        let expected = [0f32, 0.0, 0.0, 0.0, 5.5, 6.0, -0.3, 4.0, 1.0, 2.0, 0.0, 0.0];
        assert_eq!(vocabulary().words(), ["<pad>", "<unk>", "cat", "dog", ".", "bird"]);
        assert_eq!(vectors.table, Tensor::from_slice(&expected).view([6, 2]));
        assert_eq!(vectors.coverage(), (3, 4));
        let vectors = read(b"2 2\ncat 1 2\n<unk> 3 4\n").unwrap();
        assert_eq!(vectors.coverage(), (1, 4));
        assert_eq!(vectors.found, [false, true, true, false, false, false]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let other = "is the embedding of another size?";
        assert_eq!(message(b"cat 1\n"), format!("line 1: expected a word and 2 values, found 1 values; {other}"));
        assert_eq!(message(b"cat 1 2 3\n"), format!("line 1: expected a word and 2 values, found 3 values; {other}"));
        assert_eq!(
            message(b"a 1 2\n\ncat 1 2"),
            format!("line 2: expected a word and 2 values, found 0 values; {other}")
        );
        let wrong = "expected 2 finite numbers after the word `cat`, found";
        assert_eq!(message(b"a 1 2\ncat 1 x\n"), format!("line 2: {wrong} `x` among them"));
        assert_eq!(message(b"cat NaN 2\n"), format!("line 1: {wrong} `NaN` among them"));
        assert_eq!(message(b"cat 1 2\na 3 4\ncat 1 2\n"), "line 3: the word `cat` has a vector in line 1 already");
        let none = "holds no word of the vocabulary; is it in another language, or in capital letters?";
        assert_eq!(message(b""), none);
        assert_eq!(message(b"Cat 1 2\n"), none);
        let long = vec![b'a'; LONGEST as usize + 10];
        assert!(message(&long).starts_with("line 1: longer than 1048576 bytes"));
    }

    #[test]
    fn words_without_a_vector_are_drawn_like_those_with_one() {
        let vectors = read(b"cat 10 -1\ndog 14 -1\n").unwrap();
        let table = Tensor::from_slice(&[0f32, 0.0, 1.0, 1.0, 7.0, 7.0, 7.0, 7.0, -0.5, 1.0, 0.0, 2.0, 2.0, 2.0]);
        let table = table.view([7, 2]).set_requires_grad(true);
        vectors.assign(&table).unwrap();
        // Mean 12 and deviation 2, mean -1 and none.
        let expected = [0f32, 0.0, 14.0, -1.0, 10.0, -1.0, 14.0, -1.0, 11.0, -1.0, 12.0, -1.0, 16.0, -1.0];
        assert_eq!(table.detach(), Tensor::from_slice(&expected).view([7, 2]));

        let message = vectors.assign(&Tensor::zeros([5, 2], FLOAT_CPU)).unwrap_err().to_string();
        let expected = "expected [6 or more, 2] of Float, found [5, 2] of Float";
        assert!(message.ends_with(expected), "{message}");
    }
}
