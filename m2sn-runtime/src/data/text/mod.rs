//! Texts as token ids: words of a vocabulary of one's own, or the tokenizer of a pre-trained model.
//!
//! ```no_run
//! use m2sn_runtime::{Batch, data::text::Vocabulary, shape::Tokens};
//!
//! # let (train, test): (Vec<String>, Vec<String>) = Default::default();
//! // What the training texts have at least twice; the spec says `{ tokens: { length: 50, vocabulary: 2000, padding: 0 } }`.
//! let vocabulary = Vocabulary::of(&train, 2).truncated(2000);
//! vocabulary.save("vocabulary.txt")?;
//! let input: Batch<Tokens<50>> = vocabulary.encode(&test)?;
//! # Ok::<(), m2sn_runtime::Error>(())
//! ```

#[cfg(feature = "tokenizers")]
mod tokenizer;
mod vectors;
mod vocabulary;
mod words;

use tch::{Kind, Tensor};

use crate::Batch;
use crate::Result;
use crate::shape::Tokens;

#[cfg(feature = "tokenizers")]
pub use tokenizer::Tokenizer;
pub use vectors::Vectors;
pub use vocabulary::Vocabulary;
pub use words::words;

/// Rows of token ids as one batch: cut after `L` ids, and filled with `padding` where they are shorter.
///
/// The batch carries the lengths. A row without any id becomes one step of padding.
///
/// # Errors
/// Where LibTorch has no memory for it.
pub fn batch<const L: i64>(rows: &[impl AsRef<[i64]>], padding: i64) -> Result<Batch<Tokens<L>>> {
    let length = usize::try_from(L).unwrap_or(0);
    let (mut ids, mut lengths) = (Vec::with_capacity(rows.len() * length), Vec::with_capacity(rows.len()));
    for row in rows {
        let row = &row.as_ref()[..row.as_ref().len().min(length)];
        ids.extend(row);
        ids.resize(lengths.len() * length + length, padding);
        lengths.push(row.len().max(1) as i64);
    }
    let ids = Tensor::f_from_slice(&ids)?.f_view([rows.len() as i64, L])?;
    Batch::with_lengths(ids, &Tensor::f_from_slice(&lengths)?.to_kind(Kind::Int64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_or_filled_and_carry_their_lengths() {
        let batch = batch::<3>(&[vec![5, 6], vec![7, 8, 9, 10], vec![]], 2).unwrap();
        assert_eq!(*batch.tensor(), Tensor::from_slice(&[5i64, 6, 2, 7, 8, 9, 2, 2, 2]).view([3, 3]));
        let mask = [true, true, false, true, true, true, true, false, false];
        assert_eq!(batch.mask(), Some(&Tensor::from_slice(&mask).view([3, 3])));
    }

    #[test]
    fn no_rows_are_no_samples() {
        assert!(batch::<3>(&[] as &[Vec<i64>], 0).unwrap().is_empty());
    }
}
