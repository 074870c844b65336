//! Vectors of numbers, as the processor at hand has them.
//!
//! Kernels are written once, over [`Lanes`], as [`Work`]; a [`Level`] compiles and runs them with its instructions.

mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

/// Numbers side by side that one instruction takes at once.
///
/// Every method must be inlined into the function that the instructions are enabled for: see [`Work::run`].
pub(super) trait Lanes: Copy {
    /// How many numbers.
    const WIDTH: usize;
    /// How many vectors of sums a product keeps in registers: enough to hide the latency of its additions, and few
    /// enough to leave registers for the factors.
    const SUMS: usize;

    /// The same number in all lanes.
    fn splat(value: f32) -> Self;
    /// The first numbers of a slice that holds as many as there are lanes.
    fn load(from: &[f32]) -> Self;
    /// The numbers of a slice that may hold fewer, then zeros.
    fn load_some(from: &[f32]) -> Self;
    /// Writes all lanes to the head of a slice.
    fn store(self, to: &mut [f32]);
    /// Writes as many lanes as the slice has room for.
    fn store_some(self, to: &mut [f32]);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    /// `self * factor + sum`.
    fn mul_add(self, factor: Self, sum: Self) -> Self;
    /// The greater of this and a bound that is a number; what is not a number stays none.
    fn at_least(self, bound: Self) -> Self;
    /// The lesser of this and a bound that is a number; what is not a number stays none.
    fn at_most(self, bound: Self) -> Self;
    /// The greater of two, and no number if either is none.
    fn max(self, other: Self) -> Self;
    /// 2ⁿ for lanes that hold whole numbers from −126 to 127.
    fn power_of_two(self) -> Self;
}

/// The numbers of a slice that may hold fewer than there are lanes, then zeros.
#[inline(always)]
pub(super) fn load<L: Lanes>(from: &[f32]) -> L {
    if from.len() >= L::WIDTH { L::load(from) } else { L::load_some(from) }
}

/// Writes as many lanes as a slice has room for.
#[inline(always)]
pub(super) fn store<L: Lanes>(vector: L, to: &mut [f32]) {
    if to.len() >= L::WIDTH { vector.store(to) } else { vector.store_some(to) }
}

/// What can be done with lanes of any kind.
pub(super) trait Work {
    /// Does it. To be inlined always, as all that it calls with lanes: what is not is compiled without the
    /// instructions, and calls a function for each. Closures are not sure to be inlined, so none of them takes lanes.
    fn run<L: Lanes>(self);
}

/// Instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Portable,
}

impl Level {
    /// The fastest.
    pub(super) fn best() -> Self {
        Self::all().next().unwrap_or(Self::Portable)
    }

    /// All that there are, the fastest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let all = [
            #[cfg(target_arch = "x86_64")]
            avx512::Avx512::find().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            avx2::Avx2::find().map(Self::Avx2),
            #[cfg(target_arch = "aarch64")]
            neon::Neon::find().map(Self::Neon),
            Some(Self::Portable),
        ];
        all.into_iter().flatten()
    }

    /// Does work with these instructions.
    pub(super) fn run(self, work: impl Work) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(found) => found.run(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(found) => found.run(work),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(found) => found.run(work),
            Self::Portable => work.run::<portable::Portable>(),
        }
    }

    /// How many lanes its vectors have.
    pub(super) fn width(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => avx512::Avx512::WIDTH,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => avx2::Avx2::WIDTH,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => neon::Neon::WIDTH,
            Self::Portable => portable::Portable::WIDTH,
        }
    }
}
