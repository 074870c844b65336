//! The one rule by which logits decide.

use tch::{Device, Kind, Tensor};

use super::Task;
use crate::Result;
use crate::network::Description;

/// The one rule by which the logits of a model decide: its task, what the outputs are called, and for labels the thresholds
/// that it has learned.
///
/// Predictions, scores, validation and the quality of labels all rest on it. A task by itself is a rule too: the one of
/// a model that has learned no thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    task: Task,
    /// What the logit of each label has to exceed; empty where that is zero for all, and for other tasks.
    thresholds: Vec<f32>,
    /// What the outputs are called; empty where they have no names.
    names: &'static [&'static str],
}

impl From<Task> for Rule {
    fn from(task: Task) -> Self {
        Self { task, thresholds: Vec::new(), names: &[] }
    }
}

impl Rule {
    /// A rule for labels whose logits have to exceed these thresholds.
    #[cfg(test)]
    pub(crate) fn of_labels(thresholds: Vec<f32>) -> Self {
        Self { task: Task::Multilabel { labels: thresholds.len() as i64 }, thresholds, names: &[] }
    }

    /// The same with other thresholds of its labels.
    pub(crate) fn with_thresholds(self, thresholds: Vec<f32>) -> Self {
        Self { thresholds, ..self }
    }

    /// What is predicted.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The probability that each label has to exceed; `None` where the task has no labels.
    pub fn thresholds(&self) -> Option<Vec<f64>> {
        let Task::Multilabel { labels } = self.task else { return None };
        let probability = |logit: f32| 1.0 / (1.0 + (-f64::from(logit)).exp());
        let thresholds = self.thresholds.iter().copied().chain(std::iter::repeat(0.0));
        Some(thresholds.take(usize::try_from(labels).unwrap_or(0)).map(probability).collect())
    }

    /// What a class, a label or a target is called, by its number; `None` where it has no name.
    pub fn name(&self, output: i64) -> Option<&'static str> {
        self.names.get(usize::try_from(output).ok()?).copied()
    }

    /// What logits decide: the class of each sample, `[samples]` of `i64`; whether it has each label,
    /// `[samples, labels]` of `bool`; or the values as they are.
    ///
    /// The class is that of the highest logit, of equals the first. A label is there where its logit is above that of its
    /// threshold, which is zero where none has been learned: where its probability is above one half, although rounding may
    /// show just that half.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] where the logits are not `[samples, outputs]` of floating-point numbers,
    /// [`crate::Error::Invalid`] with the first row that holds a number that is not finite: it decides nothing.
    pub fn decide(&self, logits: &Tensor) -> Result<Tensor> {
        self.task.check_logits(logits)?;
        Ok(match self.task {
            Task::Classification { .. } => logits.f_argmax(-1, false)?,
            Task::Multilabel { .. } => self.labels(logits),
            Task::Regression { .. } => logits.shallow_clone(),
        })
    }

    /// Which labels finite logits, `[…, labels]`, have: as [`Rule::decide`].
    pub(crate) fn labels(&self, logits: &Tensor) -> Tensor {
        match self.thresholds.is_empty() {
            true => logits.gt(0.0),
            false => logits.gt_tensor(&Tensor::from_slice(&self.thresholds).to_device(logits.device())),
        }
    }

    /// The rule of a model, whose thresholds are a variable, `[labels]`.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] where they cannot be read.
    pub(crate) fn of_model(description: &'static Description, thresholds: Option<&Tensor>) -> Result<Self> {
        let values = |tensor: &Tensor| Vec::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Float));
        let thresholds = thresholds.map(values).transpose()?.unwrap_or_default();
        Ok(Self { task: description.task, thresholds, names: description.outputs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: [Task; 3] =
        [Task::Classification { classes: 2 }, Task::Multilabel { labels: 2 }, Task::Regression { targets: 2 }];

    fn logits(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([-1, 2])
    }

    fn decide(rule: impl Into<Rule>, logits: &Tensor) -> Result<Tensor> {
        rule.into().decide(logits)
    }

    #[test]
    fn logits_decide_by_task() {
        let logits = logits(&[0.0, 1e-9, -0.0, 0.0, 2.0, -2.0]);
        assert_eq!(Vec::<i64>::try_from(decide(TASKS[0], &logits).unwrap()).unwrap(), [1, 0, 0]);
        let labels = Vec::<bool>::try_from(decide(TASKS[1], &logits).unwrap().view(-1)).unwrap();
        assert_eq!(labels, [false, true, false, false, true, false]);
        assert_eq!(decide(TASKS[2], &logits).unwrap(), logits);
    }

    #[test]
    fn labels_are_those_above_their_thresholds() {
        let rule = Rule::of_labels(vec![-1.0, 3f32.ln()]);
        let logits = logits(&[-1.0, 3f32.ln(), -0.5, 1.2, 0.0, 1.0]);
        let expected = [false, false, true, true, true, false];
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
            // None of these numbers is rounded across its threshold.
            let logits = if kind == Kind::BFloat16 { logits.narrow(0, 1, 2) } else { logits.shallow_clone() };
            let labels = Vec::<bool>::try_from(rule.decide(&logits.to_kind(kind)).unwrap().view(-1)).unwrap();
            assert_eq!(labels, expected[expected.len() - labels.len()..]);
        }
        let thresholds = rule.thresholds().unwrap();
        assert!((thresholds[0] - 0.268_941_421).abs() < 1e-8 && (thresholds[1] - 0.75).abs() < 1e-6);
        assert_eq!(Rule::from(TASKS[1]).thresholds(), Some(vec![0.5; 2]));
        assert_eq!(Rule::from(TASKS[0]).thresholds(), None);
    }

    #[test]
    fn logits_that_are_not_finite_decide_nothing() {
        for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
            for task in TASKS {
                let message = decide(task, &logits(&[0.0, 1.0, 0.0, value, value, 0.0])).unwrap_err().to_string();
                assert!(
                    message.starts_with(&format!("logits: row 1 holds {name} for output 1, expected")),
                    "{message}"
                );
            }
        }
    }
}
