//! What logits say, by task.

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::task::{Rule, Task};

/// What a network says of one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The most probable class.
    Class {
        /// The class.
        class: i64,
        /// What the spec calls it, where it has a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its probability.
        probability: f64,
    },
    /// The labels whose probability exceeds their threshold, one half or as it was learned, before it is rounded.
    Labels {
        /// Their indices.
        labels: Vec<i64>,
        /// What the spec calls these, where labels have names; else empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
        /// The probability of every label.
        probabilities: Vec<f64>,
    },
    /// The values.
    Values {
        /// One a target.
        values: Vec<f64>,
        /// What the spec calls the targets, where they have names; else empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
    },
}

impl Prediction {
    /// Reads the logits of a batch, `[batch, outputs]`, by the rule of a model.
    ///
    /// # Errors
    /// As [`Rule::decide`].
    pub fn of(rule: &Rule, logits: &Tensor) -> Result<Vec<Self>> {
        let (task, decided) = (rule.task(), rule.decide(logits)?);
        let name = |output: i64| rule.name(output).map(str::to_owned);
        Ok(match task {
            Task::Classification { .. } => {
                // Two classes may be as probable once rounded, so the probability is looked up by the class.
                let probability = probabilities(logits, task).gather(1, &decided.unsqueeze(1), false).squeeze_dim(1);
                let classes = Vec::<i64>::try_from(decided.to_device(Device::Cpu))?;
                let probabilities = Vec::<f64>::try_from(probability.to_device(Device::Cpu).to_kind(Kind::Double))?;
                classes
                    .into_iter()
                    .zip(probabilities)
                    .map(|(class, probability)| Self::Class { class, name: name(class), probability })
                    .collect()
            }
            Task::Multilabel { .. } => Vec::<Vec<bool>>::try_from(decided.to_device(Device::Cpu))?
                .into_iter()
                .zip(rows(&probabilities(logits, task))?)
                .map(|(labels, probabilities)| {
                    let labels: Vec<i64> =
                        (0..).zip(labels).filter(|(_, there)| *there).map(|(label, _)| label).collect();
                    Self::Labels {
                        names: labels.iter().filter_map(|label| name(*label)).collect(),
                        labels,
                        probabilities,
                    }
                })
                .collect(),
            Task::Regression { .. } => rows(&decided)?
                .into_iter()
                .map(|values| Self::Values { names: (0..task.outputs()).filter_map(name).collect(), values })
                .collect(),
        })
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Class { class, name, probability } => {
                let name = name.clone().unwrap_or_else(|| format!("class {class}"));
                format!("{name} ({:.1} %)", 100.0 * probability)
            }
            Self::Labels { labels, .. } if labels.is_empty() => "no label".into(),
            Self::Labels { labels, names, probabilities } => {
                let label = |(place, label): (usize, &i64)| {
                    let name = names.get(place).cloned().unwrap_or_else(|| label.to_string());
                    let probability = usize::try_from(*label).ok().and_then(|label| probabilities.get(label));
                    probability.map_or(name.clone(), |probability| format!("{name} ({:.1} %)", 100.0 * probability))
                };
                let labels = labels.iter().enumerate().map(label).collect::<Vec<_>>().join(", ");
                if names.is_empty() { format!("labels {labels}") } else { labels }
            }
            Self::Values { values, names } => {
                let value = |(place, value): (usize, &f64)| match names.get(place) {
                    Some(name) => format!("{name} {value:.3}"),
                    None => format!("{value:.3}"),
                };
                values.iter().enumerate().map(value).collect::<Vec<_>>().join(", ")
            }
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
    use crate::network::{Description, Network};
    use crate::tiny::Tiny;

    #[test]
    fn logits_are_read_by_task() {
        let read = |task: Task, logits: &[f32]| {
            let logits = Tensor::from_slice(logits).view([1, -1]);
            Prediction::of(&task.into(), &logits).unwrap()[0].to_string()
        };
        // softmax(0, ln 3) = (1/4, 3/4); sigmoid(ln 3) = 3/4.
        let ln3 = 3f32.ln();
        assert_eq!(read(Task::Classification { classes: 2 }, &[0.0, ln3]), "class 1 (75.0 %)");
        assert_eq!(read(Task::Multilabel { labels: 3 }, &[ln3, -1.0, ln3]), "labels 0 (75.0 %), 2 (75.0 %)");
        assert_eq!(read(Task::Multilabel { labels: 1 }, &[-1.0]), "no label");
        // As probable once rounded, and yet decided.
        assert_eq!(read(Task::Classification { classes: 2 }, &[0.0, 1e-9]), "class 1 (50.0 %)");
        assert_eq!(read(Task::Multilabel { labels: 2 }, &[0.0, 1e-9]), "labels 1 (50.0 %)");
        assert_eq!(read(Task::Regression { targets: 2 }, &[-0.5, 2.25]), "-0.500, 2.250");
    }

    #[test]
    fn outputs_are_called_by_their_names() {
        let read = |task, logits: &[f32]| {
            let description =
                Box::leak(Box::new(Description { task, outputs: &["joy", "calm"], ..*Tiny::description() }));
            let rule = Rule::of_model(description, None).unwrap();
            Prediction::of(&rule, &Tensor::from_slice(logits).view([1, -1])).unwrap().swap_remove(0)
        };
        let ln3 = 3f32.ln();
        let class = read(Task::Classification { classes: 2 }, &[0.0, ln3]);
        assert_eq!(class.to_string(), "calm (75.0 %)");
        assert_eq!(serde_json::to_value(&class).unwrap()["class"]["name"], "calm");
        let labels = read(Task::Multilabel { labels: 2 }, &[-1.0, ln3]);
        assert_eq!(labels.to_string(), "calm (75.0 %)");
        assert_eq!(serde_json::to_value(&labels).unwrap()["labels"]["names"], serde_json::json!(["calm"]));
        assert_eq!(read(Task::Regression { targets: 2 }, &[-0.5, 2.25]).to_string(), "joy -0.500, calm 2.250");
    }

    #[test]
    fn what_a_file_may_hold_is_printed() {
        let labels = Prediction::Labels { labels: vec![-1, 0, 5], names: Vec::new(), probabilities: vec![0.75] };
        assert_eq!(labels.to_string(), "labels -1, 0 (75.0 %), 5");
    }
}
