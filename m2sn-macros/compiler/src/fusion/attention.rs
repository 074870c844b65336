use super::{Fusion, Operation, Site};
use crate::cost::Cost;
use crate::layer::{linear_cost, product};
use crate::spec::AttentionFusion;

pub(super) fn infer(spec: AttentionFusion, site: &mut Site<'_>) -> Option<Fusion> {
    let size = site.size("attention", "size", spec.size);
    let widths = site.several("attention")?;
    let size = size?;
    let count = widths.len() as u64;
    let maps: Cost = widths.iter().map(|width| linear_cost(*width, size, 1)).sum();
    let scores = linear_cost(count.saturating_mul(size), count, 1);
    let weighing = Cost { parameters: 0, multiply_adds: product(&[count, size]) };
    Some(Fusion { operation: Operation::Attention, widths, size, cost: maps + scores + weighing })
}
