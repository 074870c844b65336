use std::fmt;

use proc_macro2::Literal;

use super::{Fusion, Operation, Site};
use crate::cost::Cost;
use crate::layer::{integer, product};
use crate::spec::LowRankTensorFusion;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    rank: u64,
}

pub(super) fn infer(spec: LowRankTensorFusion, site: &mut Site<'_>) -> Option<Fusion> {
    let size = site.size("low_rank_tensor", "size", spec.size);
    let rank = site.size("low_rank_tensor", "rank", spec.rank);
    let widths = site.several("low_rank_tensor")?;
    let (size, rank) = (size?, rank?);
    let (joined, count) = (widths.iter().sum::<u64>(), widths.len() as u64);
    // A factor of each modality, for its feature and for the one before it; then a weight a summand, and the bias.
    let factors = product(&[rank, joined + count, size]);
    let parameters = factors.saturating_add(rank + size);
    // The maps of the features, the products of the maps, and the weighing of the summands.
    let multiply_adds = product(&[rank, joined + count, size]);
    let operation = Operation::LowRankTensor(Settings { rank });
    Some(Fusion { operation, widths, size, cost: Cost { parameters, multiply_adds } })
}

impl Settings {
    pub(super) fn tokens(&self) -> Literal {
        integer(self.rank)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {}", self.rank)
    }
}
