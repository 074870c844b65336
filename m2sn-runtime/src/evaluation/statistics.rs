//! Means, spreads, and intervals by the bootstrap.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::SplitMix64;

/// A mean over seeds or the like, and the standard deviation around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample (divided by `n - 1`); zero for a single value.
    pub deviation: f64,
}

impl Spread {
    /// The spread of at least one value; `None` of none, and where it is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = if values.len() < 2 { 0.0 } else { (squares / (values.len() - 1) as f64).sqrt() };
        deviation.is_finite().then_some(Self { mean, deviation })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(4);
        write!(f, "{:.precision$} ± {:.precision$}", self.mean, self.deviation)
    }
}

/// A value and its confidence interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(3);
        write!(f, "{:.precision$} [{:.precision$}, {:.precision$}]", self.value, self.low, self.high)
    }
}

/// The mean of at least one value; `None` of none, and where it is not finite.
pub fn mean(values: &[f64]) -> Option<f64> {
    // No value at all gives 0 / 0.
    Some(values.iter().sum::<f64>() / values.len() as f64).filter(|mean| mean.is_finite())
}

/// The percentile bootstrap of a statistic over samples, from 1000 resamples.
///
/// The statistic is given the indices of the resampled samples, so that what belongs to a sample stays together:
/// a ratio of two means over the same samples is paired by that. It is drawn the same way each time.
///
/// Of few samples, the interval is too narrow, and that of a single one has no width at all.
///
/// `None` where there are no samples, or the statistic is not finite.
pub fn bootstrap(samples: usize, statistic: impl Fn(&[usize]) -> f64) -> Option<Interval> {
    const RESAMPLES: usize = 1000;
    if samples == 0 {
        return None;
    }
    let all: Vec<usize> = (0..samples).collect();
    let mut random = SplitMix64::new(0x6d32_736e);
    let mut drawn = vec![0; samples];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.fill_with(|| random.below(samples));
            statistic(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let outside = RESAMPLES / 40;
    let interval = Interval { value: statistic(&all), low: values[outside], high: values[RESAMPLES - 1 - outside] };
    [interval.value, interval.low, interval.high].iter().all(|end| end.is_finite()).then_some(interval)
}

/// The mean of each of the samples' values, by the bootstrap.
pub fn mean_interval(values: &[f64]) -> Option<Interval> {
    bootstrap(values.len(), |drawn| total(values, drawn) / values.len() as f64)
}

/// The ratio of two means over the same samples, paired by sample, by the bootstrap.
///
/// `None` where there are no samples, not as many of each, or a reference that is not above zero.
pub fn ratio_interval(values: &[f64], reference: &[f64]) -> Option<Interval> {
    if values.len() != reference.len() || !reference.iter().all(|value| *value > 0.0) {
        return None;
    }
    bootstrap(values.len(), |drawn| total(values, drawn) / total(reference, drawn))
}

fn total(values: &[f64], drawn: &[usize]) -> f64 {
    drawn.iter().map(|index| values[*index]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_given_values() {
        // Squares around the mean 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, and 32 / 7 = 4.571….
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(spread.mean, 5.0);
        assert!((spread.deviation - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[3.0]), Some(Spread { mean: 3.0, deviation: 0.0 }));
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(format!("{spread:.2}"), "5.00 ± 2.14");
    }

    #[test]
    fn bootstrap_of_a_mean_has_the_known_width() {
        // Uniform on 0, …, 99: standard error 28.9 / sqrt(400) = 1.44, so the interval is 49.5 ± 2.83.
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 100)).collect();
        let Interval { value, low, high } = mean_interval(&values).unwrap();
        assert_eq!(value, 49.5);
        assert!((low - 46.67).abs() < 0.4 && (high - 52.33).abs() < 0.4, "{low} {high}");
    }

    #[test]
    fn paired_ratios_leave_out_what_samples_share() {
        // Samples differ a hundredfold, but each takes exactly 0.6 of its reference.
        let reference: Vec<f64> = (1..=100).map(f64::from).collect();
        let values: Vec<f64> = reference.iter().map(|value| 0.6 * value).collect();
        let Interval { value, low, high } = ratio_interval(&values, &reference).unwrap();
        for end in [value, low, high] {
            assert!((end - 0.6).abs() < 1e-12, "{end}");
        }
        assert_eq!(ratio_interval(&values, &reference[1..]), None);
        assert_eq!(ratio_interval(&[], &[]), None);
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        values: Vec<f64>,
        reference: Vec<f64>,
        mean: f64,
        deviation: f64,
        mean_interval: Interval,
        ratio_interval: Interval,
    }

    #[test]
    fn spreads_and_intervals_equal_those_of_numpy_and_scipy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/fixtures/intervals.json")).unwrap();
        assert!(cases.len() >= 4);
        for Case { name, values, reference, mean, deviation, mean_interval: of_mean, ratio_interval: of_ratio } in cases
        {
            let spread = Spread::of(&values).unwrap();
            assert!((spread.mean - mean).abs() < 1e-12 && (spread.deviation - deviation).abs() < 1e-12, "{name}");
            let found = [mean_interval(&values).unwrap(), ratio_interval(&values, &reference).unwrap()];
            for (found, expected) in found.into_iter().zip([of_mean, of_ratio]) {
                assert!((found.value - expected.value).abs() < 1e-12, "{name}");
                // A thousand resamples place an end with a standard error of 4 % of half the interval.
                let close = 0.12 * (expected.high - expected.low) / 2.0;
                let (low, high) = ((found.low - expected.low).abs(), (found.high - expected.high).abs());
                assert!(low < close && high < close, "{name}: expected {expected:.4}, found {found:.4}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_no_statistics() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let values = [1.0, wrong, wrong];
            assert_eq!(mean(&values), None);
            assert_eq!(Spread::of(&values), None);
            assert_eq!(mean_interval(&values), None);
            assert_eq!(ratio_interval(&values, &[1.0; 3]), None);
        }
        for reference in [[0.0, 0.0], [1.0, 0.0], [1.0, -1.0], [1.0, f64::NAN]] {
            assert_eq!(ratio_interval(&[1.0, 2.0], &reference), None);
        }
        assert_eq!(bootstrap(3, |_| f64::NAN), None);
        assert_eq!(bootstrap(0, |_| 1.0), None);
    }

    #[test]
    fn one_sample_has_an_interval_without_width() {
        assert_eq!(mean_interval(&[2.0]), Some(Interval { value: 2.0, low: 2.0, high: 2.0 }));
        assert_eq!(ratio_interval(&[2.0], &[4.0]), Some(Interval { value: 0.5, low: 0.5, high: 0.5 }));
    }
}
