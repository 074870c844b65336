use std::fmt;

use super::{Inferred, MAX_SIZE, Operation, Site, linear_cost};
use crate::shape::Shape;
use crate::spec::Maxout;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) pieces: u64,
}

pub(super) fn infer(spec: &Maxout, site: &mut Site<'_>) -> Option<Inferred> {
    let size = site.size("maxout", "size", spec.size);
    let pieces = site.size("maxout", "pieces", spec.pieces);
    if pieces == Some(1) {
        let place = site.setting("maxout", "pieces");
        site.errors.error(&place, "a maxout of 1 piece is a linear layer").help("write 2 or more, or `linear` instead");
        return None;
    }
    let (inputs, times) = match site.input {
        Shape::Vector { size } => (size, 1),
        Shape::Sequence { length, features } => (features, length),
        _ => return site.misplaced("maxout", "a vector or a sequence"),
    };
    let (size, pieces) = (size?, pieces?);
    if size * pieces > MAX_SIZE {
        let place = site.setting("maxout", "pieces");
        site.errors
            .error(&place, format!("{pieces} pieces of {size} features are more than {MAX_SIZE}"))
            .help("use fewer of them");
        return None;
    }
    let output = match site.input {
        Shape::Sequence { length, .. } => Shape::Sequence { length, features: size },
        _ => Shape::Vector { size },
    };
    let operation = Operation::Maxout(Settings { pieces });
    Some(Inferred { operation, output, cost: linear_cost(inputs, size * pieces, times) })
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pieces {}", self.pieces)
    }
}
