use super::{Fusion, Operation, Site};
use crate::cost::Cost;
use crate::layer::product;
use crate::spec::GatedFusion;

pub(super) fn infer(spec: GatedFusion, site: &mut Site<'_>) -> Option<Fusion> {
    let size = site.size("gated", "size", spec.size);
    let widths = site.several("gated")?;
    let size = size?;
    let (joined, count) = (widths.iter().sum::<u64>(), widths.len() as u64);
    // Of two modalities, one gate is what the other leaves.
    let gates = if count == 2 { 1 } else { count };
    // A map of each feature, and one of all features for each gate, none with a bias.
    let parameters = product(&[joined, size, 1 + gates]);
    let cost = Cost { parameters, multiply_adds: parameters.saturating_add(product(&[count, size])) };
    Some(Fusion { operation: Operation::Gated, widths, size, cost })
}
