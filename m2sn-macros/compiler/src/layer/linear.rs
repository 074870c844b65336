use std::fmt;

use super::{Inferred, Operation, Site, linear_cost};
use crate::shape::Shape;
use crate::spec::Linear;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) activation: Option<&'static str>,
}

pub(super) fn infer(spec: &Linear, site: &mut Site<'_>) -> Option<Inferred> {
    let size = site.size("linear", "size", spec.size);
    let (inputs, times) = match site.input {
        Shape::Vector { size } => (size, 1),
        Shape::Sequence { length, features } => (features, length),
        _ => return site.misplaced("linear", "a vector or a sequence"),
    };
    let size = size?;
    let output = match site.input {
        Shape::Sequence { length, .. } => Shape::Sequence { length, features: size },
        _ => Shape::Vector { size },
    };
    let operation = Operation::Linear(Settings { activation: spec.activation.variant() });
    Some(Inferred { operation, output, cost: linear_cost(inputs, size, times) })
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
