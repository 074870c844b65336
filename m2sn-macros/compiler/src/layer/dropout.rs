use super::{Inferred, Operation, Site};
use crate::cost::Cost;
use crate::shape::Shape;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) probability: f64,
}

pub(super) fn infer(probability: f64, site: &mut Site<'_>) -> Option<Inferred> {
    let place = site.place.key("dropout");
    let probability = super::site::probability(probability, &place, site.errors);
    if matches!(site.input, Shape::Tokens { .. }) {
        return site.misplaced("dropout", "an image, a sequence or a vector");
    }
    let operation = Operation::Dropout(Settings { probability });
    Some(Inferred { operation, output: site.input, cost: Cost::default() })
}
