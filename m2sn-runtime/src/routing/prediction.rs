//! What logits say, by task.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::task::Task;

/// What a network says of one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The most probable class.
    Class {
        /// The class.
        class: i64,
        /// Its probability.
        probability: f64,
    },
    /// The labels whose probability exceeds one half.
    Labels {
        /// Their indices.
        labels: Vec<i64>,
        /// The probability of every label.
        probabilities: Vec<f64>,
    },
    /// The values.
    Values {
        /// One a target.
        values: Vec<f64>,
    },
}

impl Prediction {
    /// Reads the logits of a batch, `[batch, outputs]`, as `task` has it.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] where the logits are no such tensor.
    pub fn of(task: Task, logits: &Tensor) -> Result<Vec<Self>> {
        Ok(match task {
            Task::Classification { .. } => {
                let (probability, class) = probabilities(logits, task).max_dim(1, false);
                let classes = Vec::<i64>::try_from(class)?;
                let probabilities = Vec::<f64>::try_from(probability)?;
                classes
                    .into_iter()
                    .zip(probabilities)
                    .map(|(class, probability)| Self::Class { class, probability })
                    .collect()
            }
            Task::Multilabel { .. } => rows(&probabilities(logits, task))?
                .into_iter()
                .map(|probabilities| Self::Labels {
                    labels: (0..).zip(&probabilities).filter(|(_, p)| **p > 0.5).map(|(label, _)| label).collect(),
                    probabilities,
                })
                .collect(),
            Task::Regression { .. } => rows(logits)?.into_iter().map(|values| Self::Values { values }).collect(),
        })
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Class { class, probability } => format!("class {class} ({:.1} %)", 100.0 * probability),
            Self::Labels { labels, .. } if labels.is_empty() => "no label".into(),
            Self::Labels { labels, probabilities } => {
                let label = |label: &i64| format!("{label} ({:.1} %)", 100.0 * probabilities[*label as usize]);
                format!("labels {}", labels.iter().map(label).collect::<Vec<_>>().join(", "))
            }
            Self::Values { values } => values.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(", "),
        };
        f.pad(&text)
    }
}

/// The probabilities that logits of a classification or a multilabel task stand for; those of a regression unchanged.
pub(super) fn probabilities(logits: &Tensor, task: Task) -> Tensor {
    match task {
        Task::Classification { .. } => logits.softmax(1, Kind::Float),
        Task::Multilabel { .. } => logits.sigmoid(),
        Task::Regression { .. } => logits.shallow_clone(),
    }
}

/// The rows of a matrix.
pub(super) fn rows(matrix: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(Vec::<Vec<f64>>::try_from(matrix.to_device(Device::Cpu).to_kind(Kind::Double))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_read_by_task() {
        let read = |task, logits: &[f32]| {
            let logits = Tensor::from_slice(logits).view([1, -1]);
            Prediction::of(task, &logits).unwrap()[0].to_string()
        };
        // softmax(0, ln 3) = (1/4, 3/4); sigmoid(ln 3) = 3/4.
        let ln3 = 3f32.ln();
        assert_eq!(read(Task::Classification { classes: 2 }, &[0.0, ln3]), "class 1 (75.0 %)");
        assert_eq!(read(Task::Multilabel { labels: 3 }, &[ln3, -1.0, ln3]), "labels 0 (75.0 %), 2 (75.0 %)");
        assert_eq!(read(Task::Multilabel { labels: 1 }, &[-1.0]), "no label");
        assert_eq!(read(Task::Regression { targets: 2 }, &[-0.5, 2.25]), "-0.500, 2.250");
    }
}
