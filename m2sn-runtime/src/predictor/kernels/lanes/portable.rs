//! Eight lanes, as the compiler sees fit: for processors of which nothing is known.

use std::array;

use super::Lanes;

#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Portable {
    #[inline(always)]
    fn each(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        Self(array::from_fn(|lane| of(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Portable {
    const WIDTH: usize = 8;
    const SUMS: usize = 4;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::WIDTH];
        Self(array::from_fn(|lane| from[lane]))
    }

    #[inline(always)]
    fn load_some(from: &[f32]) -> Self {
        Self(array::from_fn(|lane| from.get(lane).copied().unwrap_or(0.0)))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[..Self::WIDTH].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn store_some(self, to: &mut [f32]) {
        let some = to.len().min(Self::WIDTH);
        to[..some].copy_from_slice(&self.0[..some]);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }

    /// In two steps: in one it would be a call of a function where no instruction is known to do it.
    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        self.mul(factor).add(sum)
    }

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        self.each(bound, |value, bound| if value < bound { bound } else { value })
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        self.each(bound, |value, bound| if value > bound { bound } else { value })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b || a.is_nan() { a } else { b })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // A number's exponent stands above its 23 bits of fraction, 127 more than it is.
        Self(self.0.map(|power| f32::from_bits(((power as i32 + 127) as u32) << 23)))
    }
}
