//! What a network predicts, the loss that teaches it, and the rule by which its logits decide.

mod criterion;
mod rule;
mod thresholds;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::batch::describe;
use crate::{Error, Result};

pub use criterion::Criterion;
pub use rule::Rule;

pub(crate) use thresholds::best as best_thresholds;

/// What a network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several classes; targets are `[samples]` of `i64`.
    Classification {
        /// The number of classes.
        classes: i64,
    },
    /// Any of several labels; targets are `[samples, labels]` of `f32`, each 0 or 1.
    Multilabel {
        /// The number of labels.
        labels: i64,
    },
    /// Real values; targets are `[samples, targets]` of `f32`.
    Regression {
        /// The number of values.
        targets: i64,
    },
}

impl Task {
    /// The width of the logits.
    pub fn outputs(self) -> i64 {
        match self {
            Self::Classification { classes } => classes,
            Self::Multilabel { labels } => labels,
            Self::Regression { targets } => targets,
        }
    }

    /// Checks that logits decide something, as [`Rule::decide`] has it.
    pub(crate) fn check_logits(self, logits: &Tensor) -> Result<()> {
        let fits = logits.defined()
            && !logits.is_sparse()
            && matches!(logits.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16)
            && matches!(logits.size()[..], [_, outputs] if outputs == self.outputs());
        if !fits {
            return Err(Error::Shape {
                what: "logits".into(),
                expected: format!("[samples, {}] of Float", self.outputs()),
                found: describe(logits),
            });
        }
        let wrong = logits.f_isfinite()?.f_logical_not()?.f_nonzero()?;
        if wrong.size()[0] > 0 {
            let place = [wrong.int64_value(&[0, 0]), wrong.int64_value(&[0, 1])];
            return Err(Error::invalid(format!(
                "logits: row {} holds {} for output {}, expected finite numbers; look for values that are not finite in \
                 the inputs of that sample, and else in the parameters",
                place[0],
                logits.double_value(&place),
                place[1],
            )));
        }
        Ok(())
    }

    /// Checks that `target` has one row for each of `samples` and values in range.
    ///
    /// # Errors
    /// [`Error::Shape`] for a wrong shape or element type, [`Error::Invalid`] with the first row out of range.
    pub fn check(self, target: &Tensor, samples: i64) -> Result<()> {
        let (size, kind) = match self {
            Self::Classification { .. } => (vec![samples], Kind::Int64),
            Self::Multilabel { labels } => (vec![samples, labels], Kind::Float),
            Self::Regression { targets } => (vec![samples, targets], Kind::Float),
        };
        if !target.defined() || target.is_sparse() || target.size() != size || target.kind() != kind {
            return Err(Error::Shape {
                what: "target".into(),
                expected: format!("{size:?} of {kind:?}"),
                found: describe(target),
            });
        }
        let (wrong, range) = match self {
            Self::Classification { classes } => {
                (target.lt(0).logical_or(&target.ge(classes)), format!("0 to {}", classes - 1))
            }
            Self::Multilabel { .. } => (target.ne(0).logical_and(&target.ne(1)).any_dim(1, false), "0 or 1".into()),
            Self::Regression { .. } => (target.isfinite().logical_not().any_dim(1, false), "finite values".into()),
        };
        let rows = wrong.nonzero();
        if rows.size()[0] > 0 {
            let row = rows.int64_value(&[0, 0]);
            return Err(Error::invalid(format!("target: row {row} is out of range, expected {range}")));
        }
        Ok(())
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

    #[test]
    fn no_tensor_ends_the_program() {
        let sparse = logits(&[0.0, 1.0]).to_sparse_sparse_dim(2);
        let cases = [
            (Tensor::new(), "an undefined tensor"),
            (sparse, "[1, 2] of Float, sparse"),
            (Tensor::from(1.0f32), "[] of Float"),
            (logits(&[0.0, 1.0]).to_kind(Kind::Int64), "[1, 2] of Int64"),
            (Tensor::zeros([3, 1], (Kind::Float, tch::Device::Cpu)), "[3, 1] of Float"),
        ];
        for (tensor, found) in cases {
            for task in TASKS {
                let message = Rule::from(task).decide(&tensor).unwrap_err().to_string();
                assert_eq!(message, format!("logits: expected [samples, 2] of Float, found {found}"));
                let message = task.check(&tensor, 7).unwrap_err().to_string();
                assert!(message.starts_with("target: expected [7") && message.ends_with(found), "{message}");
            }
        }
        let none = Tensor::zeros([0, 2], (Kind::Float, tch::Device::Cpu));
        assert!(TASKS.iter().all(|task| Rule::from(*task).decide(&none).unwrap().size()[0] == 0));
        let nothing = Task::Classification { classes: 0 };
        assert!(Rule::from(nothing).decide(&Tensor::zeros([3, 0], (Kind::Float, tch::Device::Cpu))).is_err());
    }
}
