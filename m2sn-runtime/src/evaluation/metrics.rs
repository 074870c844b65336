//! Metrics on plain values, equal to those of scikit-learn with `zero_division=0`.
//!
//! All return [`Error::Shape`] where predictions and targets differ in number, and [`Error::Invalid`] where there
//! are none, or one is not finite.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// How F1 scores of several classes or labels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// From the counts of all classes together.
    Micro,
    /// The mean over the classes.
    Macro,
    /// The mean over the classes, each weighted by how often it occurs among the targets.
    Weighted,
}

/// What becomes of targets that are neither positive nor negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are left out, as by `eval_affect` of MultiBench with its default `exclude_zero=True`.
    Exclude,
    /// They count as not positive, as with `exclude_zero=False`.
    Include,
}

/// The share of samples whose class is predicted.
///
/// ```
/// use m2sn_runtime::evaluation::metrics::accuracy;
///
/// assert_eq!(accuracy(&[0, 1, 2, 2], &[0, 1, 1, 2])?, 0.75);
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
///
/// # Errors
/// See the [module](self).
pub fn accuracy(predicted: &[i64], target: &[i64]) -> Result<f64> {
    check(predicted.len(), target.len())?;
    Ok(share(predicted.iter().zip(target).map(|(predicted, target)| predicted == target)))
}

/// The F1 score of predicted classes.
///
/// Classes that occur neither among the predictions nor among the targets do not count.
///
/// # Errors
/// See the [module](self).
pub fn f1(predicted: &[i64], target: &[i64], average: Average) -> Result<f64> {
    check(predicted.len(), target.len())?;
    let mut classes: BTreeMap<i64, Counts> = BTreeMap::new();
    for (predicted, target) in predicted.iter().zip(target) {
        if predicted == target {
            classes.entry(*target).or_default().hits += 1;
        } else {
            classes.entry(*predicted).or_default().false_alarms += 1;
            classes.entry(*target).or_default().misses += 1;
        }
    }
    let classes: Vec<Counts> = classes.into_values().collect();
    Ok(average.of(&classes))
}

/// The F1 score of predicted labels, one row a sample and one column a label; every label counts.
///
/// # Errors
/// See the [module](self).
pub fn multilabel_f1(predicted: &[Vec<bool>], target: &[Vec<bool>], average: Average) -> Result<f64> {
    check_rows(predicted, target)?;
    let mut labels = vec![Counts::default(); target[0].len()];
    for (predicted, target) in predicted.iter().zip(target) {
        for ((counts, predicted), target) in labels.iter_mut().zip(predicted).zip(target) {
            match (predicted, target) {
                (true, true) => counts.hits += 1,
                (true, false) => counts.false_alarms += 1,
                (false, true) => counts.misses += 1,
                (false, false) => {}
            }
        }
    }
    Ok(average.of(&labels))
}

/// The share of samples all of whose labels are predicted and no other.
///
/// # Errors
/// See the [module](self).
pub fn subset_accuracy(predicted: &[Vec<bool>], target: &[Vec<bool>]) -> Result<f64> {
    check_rows(predicted, target)?;
    Ok(share(predicted.iter().zip(target).map(|(predicted, target)| predicted == target)))
}

/// The mean of the absolute differences.
///
/// # Errors
/// See the [module](self).
pub fn mean_absolute_error(predicted: &[f64], target: &[f64]) -> Result<f64> {
    check_values(predicted, target)?;
    let total: f64 = predicted.iter().zip(target).map(|(predicted, target)| (predicted - target).abs()).sum();
    Ok(total / target.len() as f64)
}

/// Pearson's correlation of predictions and targets, as numpy's `corrcoef`; `None` where either are all the same.
///
/// # Errors
/// See the [module](self).
pub fn correlation(predicted: &[f64], target: &[f64]) -> Result<Option<f64>> {
    check_values(predicted, target)?;
    let deviations = |values: &[f64]| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| value - mean).collect()
    };
    let (left, right) = (deviations(predicted), deviations(target));
    let product = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(left, right)| left * right).sum::<f64>();
    let by = (product(&left, &left) * product(&right, &right)).sqrt();
    // What is all the same may differ from its mean by rounding alone.
    let is_constant = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
    let exists = by > 0.0 && by.is_finite() && !is_constant(predicted) && !is_constant(target);
    Ok(exists.then(|| (product(&left, &right) / by).clamp(-1.0, 1.0)))
}

/// The share of samples for which prediction and target agree on being positive (sentiment, for one).
///
/// # Errors
/// See the [module](self); [`Error::Invalid`] also where [`Zeros::Exclude`] leaves no target.
pub fn binary_accuracy(predicted: &[f64], target: &[f64], zeros: Zeros) -> Result<f64> {
    check_values(predicted, target)?;
    let counted: Vec<(f64, f64)> = predicted
        .iter()
        .copied()
        .zip(target.iter().copied())
        .filter(|(_, target)| zeros == Zeros::Include || *target != 0.0)
        .collect();
    if counted.is_empty() {
        return Err(Error::invalid("binary accuracy: all targets are zero; include zeros"));
    }
    Ok(share(counted.into_iter().map(|(predicted, target)| (predicted > 0.0) == (target > 0.0))))
}

/// What the F1 score of one class is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    hits: usize,
    false_alarms: usize,
    misses: usize,
}

impl Counts {
    /// Twice the hits by all that were predicted and all that were there; zero where there is nothing to divide by.
    fn f1(self) -> f64 {
        let all = 2 * self.hits + self.false_alarms + self.misses;
        if all == 0 { 0.0 } else { 2.0 * self.hits as f64 / all as f64 }
    }

    fn support(self) -> usize {
        self.hits + self.misses
    }
}

impl Average {
    fn of(self, classes: &[Counts]) -> f64 {
        match self {
            Self::Micro => classes
                .iter()
                .fold(Counts::default(), |sum, class| Counts {
                    hits: sum.hits + class.hits,
                    false_alarms: sum.false_alarms + class.false_alarms,
                    misses: sum.misses + class.misses,
                })
                .f1(),
            Self::Macro => classes.iter().map(|class| class.f1()).sum::<f64>() / classes.len() as f64,
            Self::Weighted => {
                let support: usize = classes.iter().map(|class| class.support()).sum();
                let total: f64 = classes.iter().map(|class| class.support() as f64 * class.f1()).sum();
                if support == 0 { 0.0 } else { total / support as f64 }
            }
        }
    }
}

fn share(hits: impl ExactSizeIterator<Item = bool>) -> f64 {
    let total = hits.len();
    hits.filter(|hit| *hit).count() as f64 / total as f64
}

fn check(predicted: usize, target: usize) -> Result<()> {
    if predicted != target {
        return Err(Error::Shape {
            what: "predictions".into(),
            expected: format!("{target}, as many as targets"),
            found: predicted.to_string(),
        });
    }
    if target == 0 {
        return Err(Error::invalid("metrics: there are no samples"));
    }
    Ok(())
}

fn check_values(predicted: &[f64], target: &[f64]) -> Result<()> {
    check(predicted.len(), target.len())?;
    for (what, values) in [("prediction", predicted), ("target", target)] {
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid(format!("metrics: {what} {row} is {}, expected a finite number", values[row])));
        }
    }
    Ok(())
}

fn check_rows(predicted: &[Vec<bool>], target: &[Vec<bool>]) -> Result<()> {
    check(predicted.len(), target.len())?;
    let labels = target[0].len();
    if labels == 0 {
        return Err(Error::invalid("metrics: there are no labels"));
    }
    match predicted.iter().chain(target).position(|row| row.len() != labels) {
        None => Ok(()),
        Some(row) => Err(Error::Shape {
            what: format!("labels, row {}", row % target.len()),
            expected: format!("{labels} labels, as in row 0 of the targets"),
            found: predicted.iter().chain(target).nth(row).map_or(0, Vec::len).to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        classification: Vec<Classification>,
        multilabel: Vec<Multilabel>,
        regression: Vec<Regression>,
    }

    #[derive(Deserialize)]
    struct Classification {
        name: String,
        predicted: Vec<i64>,
        target: Vec<i64>,
        accuracy: f64,
        micro: f64,
        r#macro: f64,
        weighted: f64,
    }

    #[derive(Deserialize)]
    struct Multilabel {
        name: String,
        predicted: Vec<Vec<u8>>,
        target: Vec<Vec<u8>>,
        subset_accuracy: f64,
        micro: f64,
        r#macro: f64,
        weighted: f64,
    }

    #[derive(Deserialize)]
    struct Regression {
        name: String,
        predicted: Vec<f64>,
        target: Vec<f64>,
        mean_absolute_error: f64,
        correlation: Option<f64>,
        with_zeros: f64,
        without_zeros: f64,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap()
    }

    #[track_caller]
    fn close(name: &str, found: Result<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{name}: expected {expected}, found {found}");
    }

    #[test]
    fn classification_equals_scikit_learn() {
        let cases = fixture().classification;
        assert!(cases.len() >= 4);
        for case in cases {
            let Classification { name, predicted, target, .. } = &case;
            close(name, accuracy(predicted, target), case.accuracy);
            close(name, f1(predicted, target, Average::Micro), case.micro);
            close(name, f1(predicted, target, Average::Macro), case.r#macro);
            close(name, f1(predicted, target, Average::Weighted), case.weighted);
        }
    }

    #[test]
    fn multilabel_equals_scikit_learn() {
        let cases = fixture().multilabel;
        assert!(cases.len() >= 3);
        for case in cases {
            let bools = |rows: &[Vec<u8>]| -> Vec<Vec<bool>> {
                rows.iter().map(|row| row.iter().map(|label| *label == 1).collect()).collect()
            };
            let (name, predicted, target) = (&case.name, bools(&case.predicted), bools(&case.target));
            close(name, subset_accuracy(&predicted, &target), case.subset_accuracy);
            close(name, multilabel_f1(&predicted, &target, Average::Micro), case.micro);
            close(name, multilabel_f1(&predicted, &target, Average::Macro), case.r#macro);
            close(name, multilabel_f1(&predicted, &target, Average::Weighted), case.weighted);
        }
    }

    #[test]
    fn regression_equals_scikit_learn() {
        for case in fixture().regression {
            let Regression { name, predicted, target, .. } = &case;
            close(name, mean_absolute_error(predicted, target), case.mean_absolute_error);
            match case.correlation {
                Some(expected) => {
                    close(name, correlation(predicted, target).map(|found| found.unwrap_or(f64::NAN)), expected)
                }
                None => assert_eq!(correlation(predicted, target).unwrap(), None, "{name}"),
            }
            close(name, binary_accuracy(predicted, target, Zeros::Include), case.with_zeros);
            close(name, binary_accuracy(predicted, target, Zeros::Exclude), case.without_zeros);
        }
    }

    #[test]
    fn unusable_samples_are_errors() {
        let message = |result: Result<f64>| result.unwrap_err().to_string();
        assert_eq!(message(accuracy(&[1], &[1, 2])), "predictions: expected 2, as many as targets, found 1");
        assert_eq!(message(f1(&[], &[], Average::Macro)), "metrics: there are no samples");
        assert_eq!(
            message(subset_accuracy(&[vec![true, false], vec![true]], &[vec![true, false], vec![true, true]])),
            "labels, row 1: expected 2 labels, as in row 0 of the targets, found 1"
        );
        assert_eq!(
            message(binary_accuracy(&[1.0], &[0.0], Zeros::Exclude)),
            "binary accuracy: all targets are zero; include zeros"
        );
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let expected = |what: &str| format!("metrics: {what} 1 is {wrong}, expected a finite number");
            let (fine, broken) = ([0.5, 1.0], [0.5, wrong]);
            assert_eq!(message(mean_absolute_error(&broken, &fine)), expected("prediction"));
            assert_eq!(message(mean_absolute_error(&fine, &broken)), expected("target"));
            for zeros in [Zeros::Include, Zeros::Exclude] {
                assert_eq!(message(binary_accuracy(&broken, &fine, zeros)), expected("prediction"));
                assert_eq!(message(binary_accuracy(&fine, &broken, zeros)), expected("target"));
            }
        }
        assert_eq!(message(multilabel_f1(&[vec![]], &[vec![]], Average::Macro)), "metrics: there are no labels");
    }
}
