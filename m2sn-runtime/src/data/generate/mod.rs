//! Small data in the form in which each data set of the paper is published, so that everything can be tried offline.
//!
//! What is written follows the class, so that networks learn something from it, and every modality alone tells less than
//! all of them. It says nothing of the real data.

pub mod affect;
#[cfg(all(feature = "audio", feature = "image"))]
pub mod kinetics;
#[cfg(any(feature = "hdf5", feature = "image"))]
pub mod mmimdb;
pub mod mustard;
mod pickled;

use crate::random::SplitMix64;

/// Numbers and choices, drawn by a seed.
struct Draw(SplitMix64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// A number from 0 to 1.
    fn unit(&mut self) -> f64 {
        self.below(1 << 24) as f64 / f64::from(1 << 24)
    }

    /// A number of mean 0 and deviation 1, near enough to a normal one: the sum of twelve (Irwin and Hall).
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

#[cfg(test)]
mod tests;
