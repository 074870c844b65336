//! What parts of a network cost.

use std::ops::Add;

use serde::Serialize;

/// What a part of a network costs for one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The numbers that are trained.
    pub parameters: u64,
    /// The multiplications, each with its addition.
    pub multiply_adds: u64,
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

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!([0, 999, 1000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
