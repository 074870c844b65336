//! Eight lanes, by AVX2 and its fused multiplications.

#![expect(unsafe_code, reason = "calls instructions that not every processor has, some on memory by its address")]

use std::arch::x86_64::*;

use super::{Lanes, Work};

/// Proof that this processor has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    pub(super) const WIDTH: usize = Vector::WIDTH;

    pub(super) fn find() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(super) fn run(self, work: impl Work) {
        #[target_feature(enable = "avx2,fma")]
        fn run(work: impl Work) {
            work.run::<Vector>();
        }
        // SAFETY: `find` alone makes the proof, where the instructions are.
        unsafe { run(work) }
    }
}

/// Nobody else can name it, so its methods are called from [`Avx2::run`] alone.
#[derive(Clone, Copy)]
struct Vector(__m256);

/// Calls an instruction that touches no memory.
macro_rules! call {
    ($instruction:ident $(::<$constant:ident>)? ( $($argument:expr),* )) => {
        // SAFETY: work with these vectors runs only where there is a proof of their instructions.
        Self(unsafe { $instruction $(::<$constant>)? ($($argument),*) })
    };
}

impl Lanes for Vector {
    const WIDTH: usize = 8;
    const SUMS: usize = 12;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        call!(_mm256_set1_ps(value))
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        assert!(from.len() >= Self::WIDTH);
        // SAFETY: the slice holds all that is read; see also `call`.
        Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn load_some(from: &[f32]) -> Self {
        // SAFETY: the mask ends where the slice does, and what is masked is not read; see also `call`.
        Self(unsafe { _mm256_maskload_ps(from.as_ptr(), mask(from.len())) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        assert!(to.len() >= Self::WIDTH);
        // SAFETY: the slice has room for all that is written; see also `call`.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn store_some(self, to: &mut [f32]) {
        // SAFETY: the mask ends where the slice does, and what is masked is not written; see also `call`.
        unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), mask(to.len()), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        call!(_mm256_add_ps(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        call!(_mm256_sub_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        call!(_mm256_mul_ps(self.0, other.0))
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        call!(_mm256_div_ps(self.0, other.0))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        call!(_mm256_fmadd_ps(self.0, factor.0, sum.0))
    }

    // Of two of which one is not a number, `max` and `min` return the second.

    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        call!(_mm256_max_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        call!(_mm256_min_ps(bound.0, self.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let greater = call!(_mm256_max_ps(self.0, other.0));
        let is_none = call!(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0));
        call!(_mm256_blendv_ps(greater.0, self.0, is_none.0))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // A number's exponent stands above its 23 bits of fraction, 127 more than it is.
        // SAFETY: as for `call`.
        Self(unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        })
    }
}

/// All bits of each of the first lanes.
#[inline(always)]
fn mask(lanes: usize) -> __m256i {
    let lanes = lanes.min(Vector::WIDTH) as i32;
    // SAFETY: as for `call`.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}
