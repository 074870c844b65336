//! A median and how far it can be trusted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stopwatch::Lap;

/// A median in milliseconds, with the confidence interval of at least 95 % that order statistics give, and the time that
/// is hardly ever exceeded.
///
/// The interval assumes nothing of the distribution: the median lies between the `l`-th smallest and the
/// `l`-th largest of `n` samples unless fewer than `l` of them fall on one side of it, which is a matter of coin flips.
/// Below six samples no such interval reaches 95 %, and the smallest and the largest sample stand in for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The 99th percentile of the samples: the smallest that at most a hundredth of them exceeds.
    pub p99: f64,
}

impl Estimate {
    /// The estimate from at least one sample; `None` from none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (sorted.first()?, sorted.last()?);
        let (low, high) = match rank(sorted.len()) {
            Some(rank) => (sorted[rank], sorted[sorted.len() - 1 - rank]),
            None => (*first, *last),
        };
        let p99 = sorted[(sorted.len() * 99).div_ceil(100) - 1];
        Some(Self { median: median_of_sorted(&sorted), low, high, p99 })
    }

    /// Half the width of the interval, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.high - self.low) / 2.0 / self.median
    }

    /// The estimate from laps: of the work, and by the wall what is hardly ever exceeded, since whoever waits for an answer
    /// waits for other programs too.
    pub(crate) fn of_laps(laps: &[Lap]) -> Option<Self> {
        let [work, wall]: [Vec<f64>; 2] =
            [|lap: &Lap| lap.work, |lap: &Lap| lap.wall].map(|of| laps.iter().map(of).collect());
        let work = Self::of(&work)?;
        Some(Self { p99: Self::of(&wall)?.p99.max(work.high), ..work })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3} [{:.3}, {:.3}]", self.median, self.low, self.high);
        f.pad(&text)
    }
}

/// The median of sorted samples: the middle one, or the mean of the middle two.
fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// The highest rank, counted from zero, that lies above the median of the distribution with at most 2.5 % chance.
///
/// The sample of rank `r` lies above it where at most `r` of `n` fair coins show heads.
fn rank(samples: usize) -> Option<usize> {
    let n = samples as f64;
    // Logarithms, because 2^-n underflows from n = 1075 on.
    let mut log_probability = -n * std::f64::consts::LN_2;
    let mut cumulative = 0.0;
    let mut rank = None;
    for heads in 0..samples {
        cumulative += log_probability.exp();
        if cumulative > 0.025 {
            break;
        }
        rank = Some(heads);
        let heads = heads as f64;
        log_probability += ((n - heads) / (heads + 1.0)).ln();
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sign_test() {
        // Ranks counted from one in the tables of the sign test: 6 -> 1, 10 -> 2, 20 -> 6, 50 -> 18, 100 -> 40.
        let ranks: Vec<_> = [1, 5, 6, 10, 20, 50, 100].map(rank).into();
        assert_eq!(ranks, [None, None, Some(0), Some(1), Some(5), Some(17), Some(39)]);
    }

    #[test]
    fn ranks_of_many_samples_follow_the_normal_approximation() {
        let rank = rank(10_000).expect("many samples have an interval") as f64;
        let approximation = 5_000.0 - 1.96 * 50.0;
        assert!((rank - approximation).abs() < 2.0, "{rank}");
    }

    #[test]
    fn estimate_of_given_samples() {
        let samples: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(Estimate::of(&samples), Some(Estimate { median: 10.5, low: 6.0, high: 15.0, p99: 20.0 }));
        assert_eq!(Estimate::of(&[3.0, 1.0, 2.0]), Some(Estimate { median: 2.0, low: 1.0, high: 3.0, p99: 3.0 }));
        assert_eq!(Estimate::of(&[]), None);
        let hundreds: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(Estimate::of(&hundreds).map(|estimate| estimate.p99), Some(198.0));
    }
}
