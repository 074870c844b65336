//! The navigator (Section III-C): embeddings of the raw inputs side by side, a linear decision, a softmax a modality.
//!
//! Its embedding layers and its decision layer are ordinary layers of [`crate::nn`]; here is what lies between them. One that
//! reads what the first blocks leave instead is a policy of its own, [`crate::policy::Paper`], by the same decision.

use tch::Tensor;

pub use crate::fusion::concat;
use crate::{Error, Result};

/// Cuts the decision layer's output into the scores of each modality's exits.
///
/// `logits` is `[batch, total]`, `exits` the number of exits of each modality, `total` in all;
/// the result is `[batch, exits]` a modality.
pub fn split(logits: &Tensor, exits: &[i64]) -> Vec<Tensor> {
    logits.split_with_sizes(exits, 1)
}

/// The exit of each modality with the highest probability, one a sample; of equals the first.
///
/// The softmax of a modality keeps the order of its scores, so their maximum is that of the probabilities.
/// `scores` is `[batch, exits]` a modality.
///
/// # Errors
/// [`Error::Invalid`] with the first sample whose scores are not finite: they decide nothing.
/// [`Error::Torch`] where there are no such scores.
pub fn decide(scores: &[Tensor]) -> Result<Vec<Vec<usize>>> {
    scores
        .iter()
        .enumerate()
        .map(|(modality, scores)| {
            let (highest, exits) = scores.f_max_dim(1, false)?;
            let highest = Vec::<f64>::try_from(highest)?;
            match highest.iter().position(|score| !score.is_finite()) {
                Some(row) => Err(Error::invalid(format!(
                    "navigator: row {row} has the score {} for modality {modality}, expected finite numbers; look for \
                     values that are not finite in the inputs of that sample, and else in the parameters",
                    highest[row]
                ))),
                None => Ok(Vec::<i64>::try_from(exits)?.into_iter().map(|exit| exit as usize).collect()),
            }
        })
        .collect()
}

/// As [`decide`] for one sample and modality, in plain numbers, which are finite.
pub(crate) fn highest(scores: &[f32]) -> usize {
    let better = |best: usize, exit: usize| if scores[exit] > scores[best] { exit } else { best };
    (0..scores.len()).fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_modality_decides_among_its_own_exits() {
        let logits = Tensor::from_slice(&[0.1f32, 0.7, -3.0, -1.0, -2.0, 2.0, 1.0, 0.0, 0.5, 0.9]).view([2, 5]);
        let scores = split(&logits, &[2, 3]);
        assert_eq!(scores[1], Tensor::from_slice(&[-3f32, -1.0, -2.0, 0.0, 0.5, 0.9]).view([2, 3]));
        assert_eq!(decide(&scores).unwrap(), [[1, 0], [1, 2]]);
        assert_eq!([highest(&[0.1, 0.7]), highest(&[2.0, 1.0]), highest(&[0.0, 0.5, 0.5])], [1, 0, 1]);
    }

    #[test]
    fn scores_that_are_not_finite_decide_nothing() {
        let fine = Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0]).view([2, 2]);
        let broken = Tensor::from_slice(&[0.0f32, 1.0, 1.0, f32::NAN]).view([2, 2]);
        let message = decide(&[fine, broken]).unwrap_err().to_string();
        assert!(message.starts_with("navigator: row 1 has the score NaN for modality 1, expected finite"), "{message}");
        assert!(decide(&[Tensor::new()]).is_err());
        assert!(decide(&[Tensor::from(1.0)]).is_err());
    }
}
