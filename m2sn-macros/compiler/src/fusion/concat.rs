use super::{Fusion, Operation, Site};
use crate::cost::Cost;

pub(super) fn infer(site: &mut Site<'_>) -> Option<Fusion> {
    let widths = site.widths()?;
    Some(Fusion { operation: Operation::Concat, size: widths.iter().sum(), widths, cost: Cost::default() })
}
