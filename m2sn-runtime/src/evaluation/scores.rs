//! The scores that are customary for a task.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::metrics::{self, Average, Zeros};
use crate::Result;
use crate::task::{Rule, Task};

/// How good predictions are, by task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scores {
    /// Of a classification.
    Classification {
        /// The share of samples whose class is predicted.
        accuracy: f64,
        /// F1, each class weighted by its occurrence.
        weighted_f1: f64,
        /// F1, the mean over the classes.
        macro_f1: f64,
    },
    /// Of a multilabel task.
    Multilabel {
        /// F1 from the counts of all labels together.
        micro_f1: f64,
        /// F1, the mean over the labels.
        macro_f1: f64,
        /// The share of samples whose labels are all right.
        subset_accuracy: f64,
    },
    /// Of a regression.
    Regression {
        /// The mean of the absolute differences.
        mean_absolute_error: f64,
        /// Pearson's correlation of all values with their targets; `None` where either are all the same.
        #[serde(default)]
        correlation: Option<f64>,
        /// The share of values whose being positive is predicted, zeros counted as not positive.
        binary_accuracy: f64,
        /// The same without targets that are zero; `None` where all are.
        binary_accuracy_without_zeros: Option<f64>,
    },
}

impl Scores {
    /// Scores what logits, `[samples, outputs]`, decide by a rule, against targets as its [`Task`] has them. The rule is that
    /// of a model, [`Answer::rule`](crate::routing::Answer::rule), or a task where nothing was learned to decide by.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Invalid`] where the targets do not fit the task or the logits, or
    /// there is no sample; else as [`Rule::decide`].
    pub fn of(rule: impl Into<Rule>, logits: &Tensor, target: &Tensor) -> Result<Self> {
        let rule = rule.into();
        let decided = decide(&rule, logits, target)?;
        let score = match rule.task() {
            Task::Classification { .. } => {
                let predicted = Vec::<i64>::try_from(decided.to_device(Device::Cpu))?;
                let target = Vec::<i64>::try_from(target.to_device(Device::Cpu))?;
                Self::Classification {
                    accuracy: metrics::accuracy(&predicted, &target)?,
                    weighted_f1: metrics::f1(&predicted, &target, Average::Weighted)?,
                    macro_f1: metrics::f1(&predicted, &target, Average::Macro)?,
                }
            }
            Task::Multilabel { .. } => {
                let (predicted, target) = (bools(&decided)?, bools(&target.ne(0))?);
                Self::Multilabel {
                    micro_f1: metrics::multilabel_f1(&predicted, &target, Average::Micro)?,
                    macro_f1: metrics::multilabel_f1(&predicted, &target, Average::Macro)?,
                    subset_accuracy: metrics::subset_accuracy(&predicted, &target)?,
                }
            }
            Task::Regression { .. } => {
                let (predicted, target) = (values(&decided)?, values(target)?);
                Self::Regression {
                    mean_absolute_error: metrics::mean_absolute_error(&predicted, &target)?,
                    correlation: metrics::correlation(&predicted, &target)?,
                    binary_accuracy: metrics::binary_accuracy(&predicted, &target, Zeros::Include)?,
                    binary_accuracy_without_zeros: metrics::binary_accuracy(&predicted, &target, Zeros::Exclude).ok(),
                }
            }
        };
        Ok(score)
    }

    /// One number by which to choose, the higher the better: accuracy, micro F1, or the negative mean absolute error.
    pub fn quality(&self) -> f64 {
        match self {
            Self::Classification { accuracy, .. } => *accuracy,
            Self::Multilabel { micro_f1, .. } => *micro_f1,
            Self::Regression { mean_absolute_error, .. } => -mean_absolute_error,
        }
    }

    /// The scores with their names, the most telling first; one that does not exist is left out.
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::Classification { accuracy, weighted_f1, macro_f1 } => {
                vec![("accuracy", accuracy), ("weighted F1", weighted_f1), ("macro F1", macro_f1)]
            }
            Self::Multilabel { micro_f1, macro_f1, subset_accuracy } => {
                vec![("micro F1", micro_f1), ("macro F1", macro_f1), ("subset accuracy", subset_accuracy)]
            }
            Self::Regression { mean_absolute_error, correlation, binary_accuracy, binary_accuracy_without_zeros } => {
                let mut named = vec![("MAE", mean_absolute_error)];
                named.extend(correlation.map(|correlation| ("correlation", correlation)));
                named.push(("binary accuracy", binary_accuracy));
                named.extend(binary_accuracy_without_zeros.map(|accuracy| ("… without zeros", accuracy)));
                named
            }
        }
    }
}

/// What each sample's prediction lacks, `[samples]` of `f64`: 1 for a wrong class, the share of wrong labels,
/// or the mean absolute difference.
pub(super) fn errors(rule: &Rule, logits: &Tensor, target: &Tensor) -> Result<Vec<f64>> {
    let decided = decide(rule, logits, target)?;
    let wrong = match rule.task() {
        Task::Classification { .. } => decided.ne_tensor(target),
        Task::Multilabel { .. } => decided.ne_tensor(target).to_kind(Kind::Double).mean_dim(1, false, Kind::Double),
        // Two numbers may be finite where their difference is not.
        Task::Regression { .. } => (decided.to_kind(Kind::Double) - target).abs().mean_dim(1, false, Kind::Double),
    };
    values(&wrong)
}

/// What logits decide, once it is sure that the targets are of the same samples.
fn decide(rule: &Rule, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let decided = rule.decide(logits)?;
    rule.task().check(target, decided.size()[0])?;
    Ok(decided.to_device(target.device()))
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(Vec::<f64>::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]))?)
}

fn bools(tensor: &Tensor) -> Result<Vec<Vec<bool>>> {
    Ok(Vec::<Vec<bool>>::try_from(tensor.to_device(Device::Cpu))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_task() {
        let logits = Tensor::from_slice(&[2.0f32, 1.0, -1.0, 3.0, 0.5, -2.0]).view([3, 2]);
        let classes = Tensor::from_slice(&[0i64, 1, 1]);
        let task = Task::Classification { classes: 2 };
        // Class 0: 1 hit, 1 false alarm; class 1: 1 hit, 1 miss; so both have F1 2/3.
        let Scores::Classification { accuracy, weighted_f1, macro_f1 } = Scores::of(task, &logits, &classes).unwrap()
        else {
            panic!("the task is a classification");
        };
        for score in [accuracy, weighted_f1, macro_f1] {
            assert!((score - 2.0 / 3.0).abs() < 1e-12);
        }
        assert_eq!(errors(&task.into(), &logits, &classes).unwrap(), [0.0, 0.0, 1.0]);

        let labels = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 0.0]).view([3, 2]);
        let task = Task::Multilabel { labels: 2 };
        // Predicted are (1, 1), (0, 1), (1, 0): three hits, one false alarm.
        let scores = Scores::of(task, &logits, &labels).unwrap();
        assert!((scores.quality() - 6.0 / 7.0).abs() < 1e-12);
        assert_eq!(scores.named()[2], ("subset accuracy", 2.0 / 3.0));
        assert_eq!(errors(&task.into(), &logits, &labels).unwrap(), [0.5, 0.0, 0.0]);

        let values = Tensor::from_slice(&[1.0f32, 0.0, -1.0, 1.0, 0.5, 2.0]).view([3, 2]);
        let task = Task::Regression { targets: 2 };
        let correlation = metrics::correlation(&[2.0, 1.0, -1.0, 3.0, 0.5, -2.0], &[1.0, 0.0, -1.0, 1.0, 0.5, 2.0]);
        let correlation = correlation.unwrap();
        assert!(correlation.is_some());
        // Differences: 1, 1, 0, 2, 0, 4. Signs agree on rows 0 (first), 1 (both), 2 (first).
        assert_eq!(
            Scores::of(task, &logits, &values).unwrap(),
            Scores::Regression {
                mean_absolute_error: 8.0 / 6.0,
                correlation,
                binary_accuracy: 4.0 / 6.0,
                binary_accuracy_without_zeros: Some(4.0 / 5.0)
            }
        );
        assert_eq!(errors(&task.into(), &logits, &values).unwrap(), [1.0, 1.0, 2.0]);
    }

    #[test]
    fn unusable_logits_and_targets_are_errors() {
        let float = (Kind::Float, Device::Cpu);
        let task = Task::Classification { classes: 2 };
        let (logits, target) = (Tensor::zeros([3, 2], float), Tensor::from_slice(&[0i64, 1, 1]));
        let broken = [
            (Tensor::new(), target.shallow_clone()),
            (Tensor::zeros([3], float), target.shallow_clone()),
            (Tensor::zeros([3, 5], float), target.shallow_clone()),
            (Tensor::zeros([2, 2], float), target.shallow_clone()),
            (Tensor::full([3, 2], f64::NAN, float), target.shallow_clone()),
            (logits.shallow_clone(), Tensor::new()),
            (logits.shallow_clone(), Tensor::from_slice(&[0i64, 1, 2])),
            (logits.shallow_clone(), Tensor::zeros([3], float)),
        ];
        for (logits, target) in broken {
            assert!(Scores::of(task, &logits, &target).is_err());
            assert!(errors(&task.into(), &logits, &target).is_err());
        }
        let (none, targets) = (Tensor::zeros([0, 2], float), Tensor::zeros([0], (Kind::Int64, Device::Cpu)));
        assert_eq!(Scores::of(task, &none, &targets).unwrap_err().to_string(), "metrics: there are no samples");
    }

    #[test]
    fn a_score_that_does_not_exist_is_left_out() {
        let float = (Kind::Float, Device::Cpu);
        let zeros = Tensor::zeros([2, 1], float);
        let scores = Scores::of(Task::Regression { targets: 1 }, &zeros, &zeros).unwrap();
        assert_eq!(scores.named(), [("MAE", 0.0), ("binary accuracy", 1.0)]);
    }

    #[test]
    fn errors_of_finite_values_are_finite() {
        let (logits, target) =
            (Tensor::from_slice(&[3e38f32]).view([1, 1]), Tensor::from_slice(&[-3e38f32]).view([1, 1]));
        let errors = errors(&Task::Regression { targets: 1 }.into(), &logits, &target).unwrap();
        assert!((errors[0] / 6e38 - 1.0).abs() < 1e-6, "{errors:?}");
    }

    #[test]
    fn one_sample_of_one_class_has_scores() {
        let logits = Tensor::from_slice(&[0.0f32, 1.0]).view([1, 2]);
        let scores = Scores::of(Task::Classification { classes: 2 }, &logits, &Tensor::from_slice(&[1i64])).unwrap();
        assert_eq!(scores, Scores::Classification { accuracy: 1.0, weighted_f1: 1.0, macro_f1: 1.0 });
    }
}
