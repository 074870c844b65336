use super::{Inferred, Operation, Site};
use crate::cost::Cost;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) probability: f64,
}

pub(super) fn infer(probability: f64, site: &mut Site<'_>) -> Option<Inferred> {
    let place = site.place.key("dropout");
    let probability = super::site::probability(probability, &place, site.errors);
    if !site.input.is_feature() {
        return site.misplaced("dropout", "an image, a video, a sequence or a vector");
    }
    let operation = Operation::Dropout(Settings { probability });
    Some(Inferred { operation, output: site.input, cost: Cost::default() })
}
