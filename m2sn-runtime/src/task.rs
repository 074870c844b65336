//! What a network predicts, and the loss that teaches it.

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use crate::{Error, Result};

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

    /// The mean loss over a batch: cross-entropy, binary cross-entropy with logits, or mean absolute error.
    ///
    /// `logits` is `[batch, outputs]`, `target` as the variant says; the result is a scalar.
    pub fn loss(self, logits: &Tensor, target: &Tensor) -> Tensor {
        match self {
            Self::Classification { .. } => {
                logits.cross_entropy_loss::<Tensor>(target, None, Reduction::Mean, -100, 0.0)
            }
            Self::Multilabel { .. } => {
                logits.binary_cross_entropy_with_logits::<Tensor>(target, None, None, Reduction::Mean)
            }
            Self::Regression { .. } => logits.l1_loss(target, Reduction::Mean),
        }
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
        if target.size() != size || target.kind() != kind {
            return Err(Error::Shape {
                what: "target".into(),
                expected: format!("{size:?} of {kind:?}"),
                found: format!("{:?} of {:?}", target.size(), target.kind()),
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
