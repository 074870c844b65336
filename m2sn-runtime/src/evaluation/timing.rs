//! Batch-1 latency of several candidates, measured against each other in one run.

use super::Candidate;
use super::statistics::{Interval, mean_interval, ratio_interval};
use crate::data::Dataset;
use crate::latency::{Bar, Estimate};
use crate::network::{Input, Network};
use crate::{Error, Result};

/// How much to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The samples to time, spread evenly over the data set; all of them where it has no more.
    pub samples: usize,
    /// How often each sample is timed with each candidate.
    pub repetitions: usize,
    /// Answers of each candidate that are discarded first.
    pub warm_up: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { samples: 200, repetitions: 5, warm_up: 10 }
    }
}

/// The latency of each candidate on each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Timings {
    /// By candidate, then by sample: the median over the repetitions, in milliseconds.
    milliseconds: Vec<Vec<f64>>,
}

impl Timings {
    /// The mean over the samples.
    ///
    /// # Panics
    /// Where there is no such candidate.
    pub fn mean(&self, candidate: usize) -> Interval {
        mean_interval(&self.milliseconds[candidate]).expect("at least one sample was timed")
    }

    /// The ratio of the means of two candidates, its interval paired by sample.
    ///
    /// # Panics
    /// Where there is no such candidate.
    pub fn ratio(&self, candidate: usize, reference: usize) -> Interval {
        ratio_interval(&self.milliseconds[candidate], &self.milliseconds[reference])
            .expect("at least one sample was timed, and each with every candidate")
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.milliseconds.first().map_or(0, Vec::len)
    }
}

/// Times single samples, as a program that waits for each answer would see it; the navigator is included.
///
/// The candidates take turns on each sample, beginning with another one each time, and the whole is repeated:
/// whatever else the machine does meets all of them alike, and the repetitions of a sample lie far apart.
/// Two candidates that are the same, under two names, show how far the ratios can be trusted.
///
/// Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] where the settings ask for nothing or there is no candidate; else as
/// [`crate::routing::predict`]: the samples must be on the candidates' device.
pub fn measure<N: Network>(
    candidates: &[Candidate<'_, N>],
    data: &Dataset<N::Input>,
    settings: &Settings,
) -> Result<Timings> {
    let Settings { samples, repetitions, warm_up } = *settings;
    if samples == 0 || repetitions == 0 || candidates.is_empty() {
        return Err(Error::invalid(format!(
            "timing: {samples} samples, {repetitions} repetitions and {} candidates, expected at least one of each",
            candidates.len()
        )));
    }
    candidates.iter().try_for_each(Candidate::check)?;
    let samples = samples.min(data.len() as usize);
    let inputs = (0..samples)
        .map(|sample| {
            let row = (sample as i64) * data.len() / samples as i64;
            // A copy of its own lies in memory as a sample that has just come in.
            N::Input::from_features(data.select(&[row])?.input().features())
        })
        .collect::<Result<Vec<_>>>()?;

    for round in 0..warm_up {
        for candidate in candidates {
            candidate.time(&inputs[round % samples])?;
        }
    }
    let mut times = vec![vec![Vec::with_capacity(repetitions); samples]; candidates.len()];
    let mut bar = Bar::new("timing", repetitions * samples);
    for repetition in 0..repetitions {
        for (sample, input) in inputs.iter().enumerate() {
            for turn in 0..candidates.len() {
                let candidate = (repetition + sample + turn) % candidates.len();
                times[candidate][sample].push(candidates[candidate].time(input)?);
            }
            bar.step();
        }
    }
    let median = |times: &Vec<f64>| Estimate::of(times).expect("there is at least one repetition").median;
    Ok(Timings { milliseconds: times.iter().map(|samples| samples.iter().map(median).collect()).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::Way;
    use super::*;
    use crate::Device;
    use crate::tiny::{Tiny, TinyRoute, samples};

    #[test]
    fn every_candidate_is_timed_on_every_sample() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(12, 1).unwrap().train;
        let mut candidates = Candidate::alone(&network);
        candidates.push(Candidate::new("late fusion", &network, Way::LateFusion));
        candidates.push(Candidate::new("fixed", &network, Way::Fixed(TinyRoute([0, 1]))));
        candidates.push(Candidate::new("navigator", &network, Way::Navigator));
        let timings = measure(&candidates, &data, &Settings { samples: 7, repetitions: 3, warm_up: 2 }).unwrap();
        assert_eq!(timings.samples(), 7);
        for candidate in 0..candidates.len() {
            let Interval { value, low, high } = timings.mean(candidate);
            assert!(0.0 < low && low <= value && value <= high);
        }
        let all = measure(&candidates, &data, &Settings { samples: 100, repetitions: 1, warm_up: 0 }).unwrap();
        assert_eq!(all.samples(), 12);
        let message =
            measure(&candidates, &data, &Settings { samples: 0, ..Default::default() }).unwrap_err().to_string();
        assert_eq!(message, "timing: 0 samples, 5 repetitions and 5 candidates, expected at least one of each");
    }

    #[test]
    fn means_and_ratios_of_given_times() {
        let timings = Timings { milliseconds: vec![vec![1.0, 3.0, 2.0], vec![2.0, 6.0, 4.0]] };
        assert_eq!(timings.mean(1).value, 4.0);
        assert_eq!(timings.ratio(0, 1), Interval { value: 0.5, low: 0.5, high: 0.5 });
        assert_eq!(timings.ratio(1, 1), Interval { value: 1.0, low: 1.0, high: 1.0 });
    }
}
