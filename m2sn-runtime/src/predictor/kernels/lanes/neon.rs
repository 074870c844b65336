//! Four lanes, by Neon.

#![expect(unsafe_code, reason = "calls instructions that not every processor has, some on memory by its address")]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::{Lanes, Work};

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Neon(());

impl Neon {
    pub(super) const WIDTH: usize = Vector::WIDTH;

    pub(super) fn find() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub(super) fn run(self, work: impl Work) {
        #[target_feature(enable = "neon")]
        fn run(work: impl Work) {
            work.run::<Vector>();
        }
        // SAFETY: `find` alone makes the proof, where the instructions are.
        unsafe { run(work) }
    }
}

/// Nobody else can name it, so its methods are called from [`Neon::run`] alone.
#[derive(Clone, Copy)]
struct Vector(float32x4_t);

/// Calls an instruction that touches no memory.
macro_rules! call {
    ($instruction:ident ( $($argument:expr),* )) => {
        // SAFETY: work with these vectors runs only where there is a proof of their instructions.
        Self(unsafe { $instruction($($argument),*) })
    };
}

impl Lanes for Vector {
    const WIDTH: usize = 4;
    const SUMS: usize = 16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        call!(vdupq_n_f32(value))
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        assert!(from.len() >= Self::WIDTH);
        // SAFETY: the slice holds all that is read; see also `call`.
        Self(unsafe { vld1q_f32(from.as_ptr()) })
    }

    #[inline(always)]
    fn load_some(from: &[f32]) -> Self {
        let mut all = [0.0; Self::WIDTH];
        let some = from.len().min(Self::WIDTH);
        all[..some].copy_from_slice(&from[..some]);
        Self::load(&all)
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        assert!(to.len() >= Self::WIDTH);
        // SAFETY: the slice has room for all that is written; see also `call`.
        unsafe { vst1q_f32(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn store_some(self, to: &mut [f32]) {
        let mut all = [0.0; Self::WIDTH];
        self.store(&mut all);
        let some = to.len().min(Self::WIDTH);
        to[..some].copy_from_slice(&all[..some]);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        call!(vaddq_f32(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        call!(vsubq_f32(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        call!(vmulq_f32(self.0, other.0))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        call!(vdivq_f32(self.0, other.0))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        call!(vfmaq_f32(sum.0, self.0, factor.0))
    }

    // Of two of which one is not a number, `vmax` and `vmin` return what is none.

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        call!(vmaxq_f32(self.0, bound.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        call!(vminq_f32(self.0, bound.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        call!(vmaxq_f32(self.0, other.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // A number's exponent stands above its 23 bits of fraction, 127 more than it is.
        // SAFETY: as for `call`.
        Self(unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(self.0), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        })
    }
}
