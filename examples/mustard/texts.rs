//! Utterances and what was said before them, as token ids, and the vectors of their words.

use std::fs;
use std::path::{Path, PathBuf};

use m2sn::data::mustard::Mustard;
use m2sn::data::text::{self, Vocabulary};
use m2sn::data::{Dataset, npy};
use m2sn::plan::{Names, Weights};
use m2sn::prelude::*;
use m2sn::tch::{Kind, Tensor};
use m2sn::{Error, Result};

use crate::{MustardText, mustard_text};

/// As in the spec: the most words, and those that are read of what was said before.
const WORDS: usize = 3000;
const CONTEXT: i64 = 48;

/// The words of all texts.
///
/// Those of the folds that are reported belong to them: a word is known by its vector, which no text here has changed.
/// Where vectors are learned, a word that no text to learn from has keeps what was drawn for it.
pub(crate) fn vocabulary(data: &Mustard) -> Vocabulary {
    let texts = data.utterances.iter().flat_map(|utterance| utterance.context.iter().chain([&utterance.text]));
    Vocabulary::of(texts, 1).truncated(WORDS)
}

/// The samples as the network takes them. Of a long context the end is read, which is what the utterance answers.
pub(crate) fn dataset(data: &Mustard, vocabulary: &Vocabulary) -> Result<Dataset<mustard_text::Input>> {
    let before: Vec<Vec<i64>> = data
        .utterances
        .iter()
        .map(|utterance| {
            let ids: Vec<i64> = utterance.context.iter().flat_map(|sentence| vocabulary.ids(sentence)).collect();
            ids[ids.len().saturating_sub(CONTEXT as usize)..].to_vec()
        })
        .collect();
    let input = mustard_text::Input {
        utterance: vocabulary.encode(data.utterances.iter().map(|utterance| &utterance.text))?,
        context: text::batch(&before, Vocabulary::PADDING)?,
    };
    Dataset::new(input, data.target(), MustardText::description().task)
}

/// The file of word vectors: the given one, or what lies as arrays beside the data, written into the run's folder as a text
/// like GloVe's.
pub(crate) fn vectors(given: Option<&Path>, data: &Path, run: &Path) -> Result<Option<PathBuf>> {
    let (table, words) = (data.join("glove300_f32.npy"), data.join("vocab.txt"));
    if given.is_some() || !table.exists() {
        return Ok(given.map(Path::to_path_buf));
    }
    let words = Vocabulary::load(&words)?;
    let table = npy::read(&table, Kind::Float, &[words.words().len() as i64, 300])?;
    let path = run.join("glove.txt");
    fs::write(&path, glove(&words, &table)?).map_err(|source| Error::Io { path: path.clone(), source })?;
    Ok(Some(path))
}

/// A word a line, and its values; a row of zeros is no vector.
fn glove(words: &Vocabulary, table: &Tensor) -> Result<String> {
    let mut text = String::new();
    for (word, row) in words.words().iter().zip(0..) {
        let values = Vec::<f32>::try_from(table.get(row))?;
        if values.iter().any(|value| *value != 0.0) {
            text += word;
            values.iter().for_each(|value| text += &format!(" {value}"));
            text.push('\n');
        }
    }
    Ok(text)
}

/// The weights of the spec, from these files; none where there are no vectors.
pub(crate) fn weights(weights: Vec<Weights>, vectors: Option<&Path>, words: &Path) -> Vec<Weights> {
    let Some(file) = vectors else { return Vec::new() };
    let from = |weights: Weights| {
        let names = match weights.names {
            Names::Glove { layer, .. } => Names::Glove { layer, vocabulary: words.to_path_buf() },
            names => names,
        };
        Weights { file: file.to_path_buf(), names, ..weights }
    };
    weights.into_iter().map(from).collect()
}

#[cfg(test)]
mod tests {
    use m2sn::data::text::Vectors;

    use super::*;

    #[test]
    fn arrays_are_written_as_a_text_of_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("vocab.txt"), "<pad>\n<unk>\nno\nyes\n").unwrap();
        let table = Tensor::zeros([4, 300], (Kind::Float, m2sn::tch::Device::Cpu));
        _ = table.get(3).fill_(0.1);
        table.write_npy(at("glove300_f32.npy")).unwrap();
        let file = vectors(None, folder.path(), folder.path()).unwrap().unwrap();
        let read = Vectors::read(file, &Vocabulary::load(at("vocab.txt")).unwrap(), 300).unwrap();
        assert_eq!(read.coverage(), (1, 2));

        assert_eq!(vectors(Some(&at("x")), folder.path(), folder.path()).unwrap(), Some(at("x")));
        assert_eq!(vectors(None, &at("elsewhere"), folder.path()).unwrap(), None);
    }
}
