//! How sure an answer is of itself, and thresholds on it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use crate::task::Task;
use crate::{Error, Result};

/// How sure answers are of themselves.
///
/// * Classes: one less their entropy by that of all being equal.
/// * Labels: the mean distance of their probabilities from a half, doubled.
/// * Values, which say nothing of themselves: how little the answer has moved since the last exit, negative; nothing is sure at
///   the first one.
#[derive(Debug)]
pub(crate) struct Sure {
    task: Task,
    /// Of values, the last answer by the place of the sample in the batch.
    last: RefCell<BTreeMap<usize, Vec<f64>>>,
}

impl Sure {
    pub(crate) fn new(task: Task) -> Self {
        Self { task, last: RefCell::default() }
    }

    /// Samples at `rows` begin.
    pub(crate) fn forget(&self, rows: &[usize]) {
        let mut last = self.last.borrow_mut();
        rows.iter().for_each(|row| _ = last.remove(row));
    }

    /// How sure the answers to the samples at `rows` are, the surest highest.
    ///
    /// # Errors
    /// [`Error::Invalid`] where one is not finite: it decides nothing.
    pub(crate) fn of(&self, rows: &[usize], logits: &Tensor) -> Result<Vec<f64>> {
        let width = self.task.outputs().unsigned_abs() as usize;
        let logits = logits.to_device(Device::Cpu).to_kind(Kind::Double).contiguous().view(-1);
        let logits = Vec::<f64>::try_from(&logits)?;
        let logits = logits.chunks_exact(width.max(1));
        let sure: Vec<f64> = match self.task {
            Task::Classification { .. } => logits.map(less_entropy).collect(),
            Task::Multilabel { .. } => {
                logits.map(|logits| mean(logits.iter().map(|l| (l / 2.0).tanh().abs()))).collect()
            }
            Task::Regression { .. } => {
                let mut last = self.last.borrow_mut();
                let of = |(row, values): (&usize, &[f64])| {
                    let last = last.insert(*row, values.to_vec());
                    let moved =
                        |last: Vec<f64>| mean(last.iter().zip(values).map(|(last, value)| (last - value).abs()));
                    last.map_or(f64::MIN, |last| -moved(last))
                };
                rows.iter().zip(logits).map(of).collect()
            }
        };
        match sure.iter().position(|sure| !sure.is_finite()) {
            Some(row) => Err(Error::invalid(format!(
                "confidence: the answer to row {} is not finite, and decides nothing; look for values that are not finite \
                 in its inputs, and else in the parameters",
                rows.get(row).copied().unwrap_or(row)
            ))),
            None => Ok(sure),
        }
    }
}

/// One less the entropy of classes by that of all being equal.
fn less_entropy(logits: &[f64]) -> f64 {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    // What is impossible adds nothing to an entropy.
    let term = |logit: &f64| ((logit - highest).exp() / sum) * (logit - highest - sum.ln()).max(-1e4);
    1.0 + logits.iter().map(term).sum::<f64>() / (logits.len().max(2) as f64).ln()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Thresholds that ever fewer of the values reach, from all of them to the highest. They lie in the middle between two values
/// where these differ, since a sample in another batch may differ in its last bit.
pub(crate) fn quantiles(mut values: Vec<f64>, count: usize) -> Vec<f32> {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |step: usize| {
        let place = step * last / (count - 1).max(1);
        let Some(value) = values.get(place) else { return 0.0 };
        let neighbour = place.checked_sub(1).unwrap_or(last.min(1));
        below(value - (value - values[neighbour]).abs() / 2.0)
    };
    (0..count).map(at).collect()
}

/// The threshold that is kept for a value: rounded down, so that whoever sets it reaches it.
pub(crate) fn below(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sure_by_hand() {
        let logits = |values: &[f64]| Tensor::from_slice(values).unsqueeze(0);
        let sure = |task, values: &[f64]| Sure::new(task).of(&[0], &logits(values)).unwrap()[0];
        let classes = Task::Classification { classes: 2 };
        assert!(sure(classes, &[0.0, 0.0]).abs() < 1e-9 && (sure(classes, &[900.0, 0.0]) - 1.0).abs() < 1e-9);
        // Entropy of 3/4 and 1/4 in bits: .8113.
        assert!((sure(classes, &[3f64.ln(), 0.0]) - (1.0 - 0.8112781)).abs() < 1e-6);
        let labels = Task::Multilabel { labels: 2 };
        assert!((sure(labels, &[3f64.ln(), 0.0]) - 0.25).abs() < 1e-9);
        let values = Sure::new(Task::Regression { targets: 2 });
        assert_eq!(values.of(&[3], &logits(&[1.0, 2.0])).unwrap(), [f64::MIN]);
        assert_eq!(values.of(&[3], &logits(&[1.5, 1.5])).unwrap(), [-0.5]);
        values.forget(&[3]);
        assert_eq!(values.of(&[3], &logits(&[1.5, 1.5])).unwrap(), [f64::MIN]);
        let message = Sure::new(classes).of(&[7], &logits(&[f64::NAN, 0.0])).unwrap_err().to_string();
        assert!(message.starts_with("confidence: the answer to row 7 is not finite"), "{message}");
    }

    #[test]
    fn quantiles_run_from_all_to_one() {
        assert_eq!(quantiles(vec![3.0, 1.0, 2.0, 5.0, 4.0], 3), [0.5, 2.5, 4.5]);
        assert_eq!(quantiles(vec![1.0, 1.0, 3.0], 3), [1.0, 1.0, 2.0]);
        assert_eq!(quantiles(vec![2.0], 2), [2.0, 2.0]);
        assert_eq!(quantiles(Vec::new(), 2), [0.0, 0.0]);
        for value in [0.1, 0.3, -0.1, 1.0] {
            let kept = f64::from(below(value));
            assert!(kept <= value && value - kept < 1e-7, "{value}");
        }
    }
}
