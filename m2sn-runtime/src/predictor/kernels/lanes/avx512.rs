//! Sixteen lanes, by AVX-512.

#![expect(unsafe_code, reason = "calls instructions that not every processor has, some on memory by its address")]

use std::arch::x86_64::*;

use super::{Lanes, Work};

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    pub(super) const WIDTH: usize = Vector::WIDTH;

    pub(super) fn find() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }

    pub(super) fn run(self, work: impl Work) {
        #[target_feature(enable = "avx512f")]
        fn run(work: impl Work) {
            work.run::<Vector>();
        }
        // SAFETY: `find` alone makes the proof, where the instructions are.
        unsafe { run(work) }
    }
}

/// Nobody else can name it, so its methods are called from [`Avx512::run`] alone.
#[derive(Clone, Copy)]
struct Vector(__m512);

/// Calls an instruction that touches no memory.
macro_rules! call {
    ($instruction:ident ( $($argument:expr),* )) => {
        // SAFETY: work with these vectors runs only where there is a proof of their instructions.
        Self(unsafe { $instruction($($argument),*) })
    };
}

impl Lanes for Vector {
    const WIDTH: usize = 16;
    const SUMS: usize = 24;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        call!(_mm512_set1_ps(value))
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        assert!(from.len() >= Self::WIDTH);
        // SAFETY: the slice holds all that is read; see also `call`.
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn load_some(from: &[f32]) -> Self {
        // SAFETY: the mask ends where the slice does, and what is masked is not read; see also `call`.
        Self(unsafe { _mm512_maskz_loadu_ps(mask(from.len()), from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        assert!(to.len() >= Self::WIDTH);
        // SAFETY: the slice has room for all that is written; see also `call`.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn store_some(self, to: &mut [f32]) {
        // SAFETY: the mask ends where the slice does, and what is masked is not written; see also `call`.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), mask(to.len()), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        call!(_mm512_add_ps(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        call!(_mm512_sub_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        call!(_mm512_mul_ps(self.0, other.0))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        call!(_mm512_div_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        call!(_mm512_fmadd_ps(self.0, factor.0, sum.0))
    }

    // Of two of which one is not a number, `max` and `min` return the second.

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        call!(_mm512_max_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        call!(_mm512_min_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let greater = call!(_mm512_max_ps(self.0, other.0));
        // SAFETY: as for `call`.
        let is_none = unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) };
        call!(_mm512_mask_mov_ps(greater.0, is_none, self.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        call!(_mm512_scalef_ps(Self::splat(1.0).0, self.0))
    }
}

/// A bit for each of the first lanes.
#[inline(always)]
fn mask(lanes: usize) -> __mmask16 {
    if lanes >= Vector::WIDTH { !0 } else { (1 << lanes) - 1 }
}
