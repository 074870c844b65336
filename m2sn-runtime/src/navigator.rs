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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_modality_decides_among_its_own_exits() {
        let logits = Tensor::from_slice(&[0.1f32, 0.7, -3.0, -1.0, -2.0, 2.0, 1.0, 0.0, 0.5, 0.9]).view([2, 5]);
        let scores = split(&logits, &[2, 3]);
        assert_eq!(scores[1], Tensor::from_slice(&[-3f32, -1.0, -2.0, 0.0, 0.5, 0.9]).view([2, 3]));
        let decision = decide(&scores);
        assert_eq!(decision, [Tensor::from_slice(&[1i64, 0]), Tensor::from_slice(&[1i64, 2])]);
    }
}
