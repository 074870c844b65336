use std::fmt;

use super::{Inferred, Operation, Site};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::BatchNorm;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) epsilon: f64,
}

pub(super) fn infer(spec: &BatchNorm, site: &mut Site<'_>) -> Option<Inferred> {
    let epsilon = site.epsilon("batch_norm", spec.epsilon);
    let features = match site.input {
        Shape::Image { channels, .. } => channels,
        Shape::Vector { size } => size,
        Shape::Sequence { features, .. } => features,
        _ => return site.misplaced("batch_norm", "an image, a sequence or a vector"),
    };
    Some(Inferred {
        operation: Operation::BatchNorm(Settings { epsilon }),
        output: site.input,
        cost: Cost { parameters: 2 * features, multiply_adds: 0 },
    })
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epsilon {}", self.epsilon)
    }
}
