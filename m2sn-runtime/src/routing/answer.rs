//! What a prediction brings.

use serde::Serialize;
use tch::{Device, Tensor};

use super::prediction::{self, Prediction};
use crate::network::Route;
use crate::task::{Rule, Task};
use crate::{Error, Result};

/// The answer to a batch: logits, the route of each sample, and the time that it took.
#[derive(Debug)]
pub struct Answer<R> {
    /// The logits, `[batch, outputs]`, on the model's device.
    pub logits: Tensor,
    /// The route of each sample.
    pub routes: Vec<R>,
    /// The wall time from the inputs to the logits, the navigator included, once the device has finished.
    pub milliseconds: f64,
    /// Whether a sample's way ended early because its budget of milliseconds did.
    pub cut: Vec<bool>,
    rule: Rule,
}

impl<R: Route> Answer<R> {
    pub(super) fn new(rule: Rule, logits: Tensor, routes: Vec<R>, milliseconds: f64, cut: Vec<bool>) -> Self {
        Self { logits, routes, milliseconds, cut, rule }
    }

    /// The rule by which the logits decide.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The most probable class of each sample.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the task is no classification; else as [`Rule::decide`].
    pub fn classes(&self) -> Result<Vec<i64>> {
        match self.rule.task() {
            Task::Classification { .. } => {
                Ok(Vec::<i64>::try_from(self.rule.decide(&self.logits)?.to_device(Device::Cpu))?)
            }
            _ => Err(self.other_task("classes")),
        }
    }

    /// Which labels each sample has: those whose probability exceeds their threshold, before it is rounded.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the task is not multilabel; else as [`Rule::decide`].
    pub fn labels(&self) -> Result<Vec<Vec<bool>>> {
        match self.rule.task() {
            Task::Multilabel { .. } => {
                Ok(Vec::<Vec<bool>>::try_from(self.rule.decide(&self.logits)?.to_device(Device::Cpu))?)
            }
            _ => Err(self.other_task("labels")),
        }
    }

    /// The values of each sample.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the task is no regression; else as [`Rule::decide`].
    pub fn values(&self) -> Result<Vec<Vec<f64>>> {
        match self.rule.task() {
            Task::Regression { .. } => prediction::rows(&self.rule.decide(&self.logits)?),
            _ => Err(self.other_task("values")),
        }
    }

    /// The probabilities, `[batch, outputs]`: of the classes, adding up to one, or of each label.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the task is a regression; else as [`Rule::decide`].
    pub fn probabilities(&self) -> Result<Tensor> {
        match self.rule.task() {
            Task::Regression { .. } => Err(self.other_task("probabilities")),
            task => {
                task.check_logits(&self.logits)?;
                Ok(prediction::probabilities(&self.logits, task))
            }
        }
    }

    /// What the logits say of each sample.
    ///
    /// # Errors
    /// As [`Rule::decide`]: a sample whose logits are not finite has no prediction, and the error names it.
    pub fn predictions(&self) -> Result<Vec<Prediction>> {
        Prediction::of(&self.rule, &self.logits)
    }

    /// The answer without its tensor, to be written as JSON or the like.
    ///
    /// # Errors
    /// As [`Answer::predictions`].
    pub fn summary(&self) -> Result<Summary> {
        Ok(Summary {
            predictions: self.predictions()?,
            routes: self.routes.iter().map(R::to_string).collect(),
            milliseconds: self.milliseconds,
            cut: self.cut.clone(),
        })
    }

    fn other_task(&self, asked: &str) -> Error {
        let (task, fit) = match self.rule.task() {
            Task::Classification { .. } => ("a classification", "classes"),
            Task::Multilabel { .. } => ("multilabel", "labels"),
            Task::Regression { .. } => ("a regression", "values"),
        };
        Error::invalid(format!("answer: the task is {task} and has no {asked}; ask for its {fit}"))
    }
}

/// An [`Answer`] in plain values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// What is said of each sample.
    pub predictions: Vec<Prediction>,
    /// The route of each sample.
    pub routes: Vec<String>,
    /// The wall time of the batch.
    pub milliseconds: f64,
    /// Whether a sample's way ended early because its budget of milliseconds did.
    pub cut: Vec<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::TinyRoute;

    fn answer(task: Task) -> Answer<TinyRoute> {
        let logits = Tensor::from_slice(&[0.0f32, 3f32.ln(), 1.0, -2.0]).view([2, 2]);
        Answer::new(task.into(), logits, vec![TinyRoute::at([0, 2]), TinyRoute::at([1, 1])], 1.5, vec![false, true])
    }

    #[test]
    fn classes_and_their_probabilities() {
        let answer = answer(Task::Classification { classes: 2 });
        assert_eq!(answer.classes().unwrap(), [1, 0]);
        let probabilities = answer.probabilities().unwrap();
        assert!((probabilities.double_value(&[0, 1]) - 0.75).abs() < 1e-6);
        let message = answer.values().unwrap_err().to_string();
        assert_eq!(message, "answer: the task is a classification and has no values; ask for its classes");
    }

    #[test]
    fn labels_and_values() {
        assert_eq!(answer(Task::Multilabel { labels: 2 }).labels().unwrap(), [[false, true], [true, false]]);
        let regression = answer(Task::Regression { targets: 2 });
        assert_eq!(regression.values().unwrap()[1], [1.0, -2.0]);
        assert!(regression.probabilities().is_err());
    }

    #[test]
    fn every_reading_says_the_same() {
        // Too near to zero, or to each other, for a probability that is rounded to show it.
        let logits = || Tensor::from_slice(&[1e-9f32, -1e-9, -1e-9, 1e-9, 0.0, 0.0]).view([3, 2]);
        let answer =
            |task: Task| Answer::new(task.into(), logits(), vec![TinyRoute::at([0, 0]); 3], 1.0, vec![false; 3]);

        let classes = answer(Task::Classification { classes: 2 });
        let predicted = classes.predictions().unwrap().into_iter().map(|prediction| match prediction {
            Prediction::Class { class, .. } => class,
            other => panic!("{other}"),
        });
        assert_eq!(predicted.collect::<Vec<_>>(), classes.classes().unwrap());
        assert_eq!(classes.classes().unwrap(), [0, 1, 0]);

        let labels = answer(Task::Multilabel { labels: 2 });
        let predicted = labels.predictions().unwrap().into_iter().map(|prediction| match prediction {
            Prediction::Labels { labels, .. } => vec![labels.contains(&0), labels.contains(&1)],
            other => panic!("{other}"),
        });
        assert_eq!(predicted.collect::<Vec<_>>(), labels.labels().unwrap());
        assert_eq!(labels.labels().unwrap(), [[true, false], [false, true], [false, false]]);
    }

    #[test]
    fn logits_that_are_not_finite_are_no_answer() {
        let answer = |task: Task| {
            let logits = Tensor::from_slice(&[0.0f32, 1.0, f32::NAN, 0.0]).view([2, 2]);
            Answer::new(task.into(), logits, vec![TinyRoute::at([0, 0]); 2], 1.0, vec![false; 2])
        };
        let (classes, labels, values) = (
            answer(Task::Classification { classes: 2 }),
            answer(Task::Multilabel { labels: 2 }),
            answer(Task::Regression { targets: 2 }),
        );
        let errors = [
            classes.classes().unwrap_err(),
            classes.probabilities().unwrap_err(),
            classes.predictions().unwrap_err(),
            classes.summary().unwrap_err(),
            labels.labels().unwrap_err(),
            labels.probabilities().unwrap_err(),
            labels.predictions().unwrap_err(),
            values.values().unwrap_err(),
            values.predictions().unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().starts_with("logits: row 1 holds NaN for output 0, expected finite"), "{error}");
        }
    }

    #[test]
    fn summary_is_plain() {
        let summary = answer(Task::Classification { classes: 2 }).summary().unwrap();
        assert_eq!(summary.routes, ["left: first, right: full", "left: second, right: second"]);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["milliseconds"], 1.5);
        assert_eq!(json["cut"][1], true);
        assert_eq!(json["predictions"][0]["class"]["class"], 1);
    }
}
