//! What parts of a network cost.

use std::ops::Add;

/// What a part of the network costs for one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) parameters: u64,
    pub(crate) multiply_adds: u64,
}

impl Cost {
    /// The cost of as many of the same.
    pub(crate) fn times(self, count: u64) -> Self {
        Self {
            parameters: self.parameters.saturating_mul(count),
            multiply_adds: self.multiply_adds.saturating_mul(count),
        }
    }
}

impl Add for Cost {
    type Output = Self;

    /// The cost of both; saturates, since `check` bounds every layer's cost on its own.
    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters.saturating_add(other.parameters),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}
