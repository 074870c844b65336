//! The tokenizers of pre-trained models.

use std::path::Path;

use rayon::prelude::*;
use tokenizers::{PostProcessor, TruncationDirection};

use super::batch;
use crate::shape::Tokens;
use crate::{Batch, Error, Result};

/// A tokenizer of Hugging Face's, read from its `tokenizer.json`.
///
/// A pre-trained encoder knows the ids of its own tokenizer alone. The spec's input is as that has it:
/// `tokens: { length: 64, vocabulary: 30522, padding: 0 }` for BERT in English, with any length up to the model's.
///
/// ```no_run
/// use m2sn_runtime::{Batch, data::text::Tokenizer, shape::Tokens};
///
/// let tokenizer = Tokenizer::load("minilm/tokenizer.json")?;
/// let input: Batch<Tokens<64>> = tokenizer.encode(&["A text.", "Another one."])?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    padding: i64,
    /// The side that long texts lose tokens on.
    cut: TruncationDirection,
    /// How many tokens each text is given beside its own, such as `[CLS]` and `[SEP]`.
    added: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// Its padding and the length that it cuts texts to are of no account: those of the input count.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is no tokenizer, or names no token for padding.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = std::fs::read(path).map_err(Error::io(path))?;
        let fault = |message: String| Error::file(path, message);
        let mut inner = tokenizers::Tokenizer::from_bytes(json)
            .map_err(|error| fault(format!("expected a `tokenizer.json`: {error}")))?;
        let named = inner.get_padding().map(|padding| padding.pad_id);
        let padding = named.or_else(|| ["[PAD]", "<pad>"].iter().find_map(|token| inner.token_to_id(token)));
        let Some(padding) = padding else {
            return Err(fault("names no token for padding, and has neither `[PAD]` nor `<pad>`".into()));
        };
        let cut = inner.get_truncation().map_or(TruncationDirection::Right, |truncation| truncation.direction);
        let added = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| fault(error.to_string()))?;
        Ok(Self { inner, padding: padding.into(), cut, added })
    }

    /// The number of different tokens: the spec's `vocabulary`.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of padding: the spec's `padding`.
    pub fn padding(&self) -> i64 {
        self.padding
    }

    /// The ids of texts, each with the tokens that the tokenizer adds, cut to `L` of them or padded.
    ///
    /// # Errors
    /// [`Error::Invalid`] where `L` has no room for the tokens that are added, or with the first text that has no tokens of
    /// this tokenizer.
    pub fn encode<const L: i64>(&self, texts: &[impl AsRef<str> + Sync]) -> Result<Batch<Tokens<L>>> {
        let room = usize::try_from(L).ok().and_then(|length| length.checked_sub(self.added)).filter(|room| *room > 0);
        let Some(room) = room else {
            return Err(Error::invalid(format!(
                "a tokenizer that adds {} tokens to each text, for an input of {L}: make the input longer",
                self.added
            )));
        };
        let row = |(row, text): (usize, &_)| {
            let text: &str = AsRef::as_ref(text);
            self.ids(text, room).map_err(|error| Error::invalid(format!("text {row} cannot be tokenized: {error}")))
        };
        let rows: Vec<Vec<i64>> = texts.par_iter().enumerate().map(row).collect::<Result<_>>()?;
        batch(&rows, self.padding)
    }

    fn ids(&self, text: &str, room: usize) -> tokenizers::Result<Vec<i64>> {
        let mut encoding = self.inner.encode_fast(text, false)?;
        encoding.truncate(room, 0, self.cut);
        let encoding = self.inner.post_process(encoding, None, true)?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::Tensor;

    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer").join(name)
    }

    /// By what Python's `tokenizers` and `transformers` say; see `tests/fixtures/tokenizer.py`.
    #[test]
    fn ids_are_those_of_transformers() {
        let expected = std::fs::read_to_string(fixture("expected.json")).unwrap();
        let expected: BTreeMap<String, serde_json::Value> = serde_json::from_str(&expected).unwrap();
        let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
        let tokenizer = Tokenizer::load(fixture("tokenizer.json")).unwrap();
        assert_eq!(expected["vocabulary"], tokenizer.vocabulary());
        assert_eq!(expected["padding"], tokenizer.padding());
        let rows = |name: &str| {
            let rows: Vec<Vec<i64>> = serde_json::from_value(expected[name].clone()).unwrap();
            Tensor::from_slice2(&rows)
        };
        let batch = tokenizer.encode::<8>(&texts).unwrap();
        assert_eq!(*batch.tensor(), rows("input_ids"));
        assert_eq!(batch.mask().unwrap().to_kind(tch::Kind::Int64), rows("attention_mask"));
    }

    #[test]
    fn an_input_too_short_for_what_is_added_is_refused() {
        let tokenizer = Tokenizer::load(fixture("tokenizer.json")).unwrap();
        assert!(tokenizer.encode::<3>(&["a"]).is_ok());
        let message = tokenizer.encode::<2>(&["a"]).unwrap_err().to_string();
        assert_eq!(message, "a tokenizer that adds 2 tokens to each text, for an input of 2: make the input longer");
    }

    #[test]
    fn files_that_are_no_tokenizer_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let whole = std::fs::read_to_string(fixture("tokenizer.json")).unwrap();
        for text in ["", "{}", "[1, 2]", &whole[..whole.len() / 2]] {
            std::fs::write(&path, text).unwrap();
            let message = Tokenizer::load(&path).unwrap_err().to_string();
            assert!(message.contains("expected a `tokenizer.json`: "), "{message}");
        }
        std::fs::write(&path, whole.replace("[PAD]", "[FILL]")).unwrap();
        let message = Tokenizer::load(&path).unwrap_err().to_string();
        assert!(message.ends_with("names no token for padding, and has neither `[PAD]` nor `<pad>`"), "{message}");
    }
}
