//! The navigator (Section III-C): embeddings of the raw inputs side by side, a linear decision, a softmax a modality.
//!
//! Its embedding layers and its decision layer are ordinary layers of [`crate::nn`]; here is what lies between them.

use tch::Tensor;

pub use crate::fusion::concat;

/// Cuts the decision layer's output into the scores of each modality's exits.
///
/// `logits` is `[batch, total]`, `exits` the number of exits of each modality, `total` in all;
/// the result is `[batch, exits]` a modality.
pub fn split(logits: &Tensor, exits: &[i64]) -> Vec<Tensor> {
    logits.split_with_sizes(exits, 1)
}

/// The exit of each modality with the highest probability, `[batch]` of `i64` a modality.
///
/// The softmax of a modality keeps the order of its scores, so their maximum is that of the probabilities.
pub fn decide(scores: &[Tensor]) -> Vec<Tensor> {
    scores.iter().map(|scores| scores.argmax(1, false)).collect()
}
