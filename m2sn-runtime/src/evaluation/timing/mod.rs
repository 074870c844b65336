//! Batch-1 latency of several candidates, measured against each other in one run.

use super::Candidate;
use super::statistics::{Interval, mean_interval, ratio_interval};
use crate::data::Dataset;
use crate::latency::{Bar, Estimate};
use crate::network::Network;
use crate::random::SplitMix64;
use crate::{Error, Result};

/// How much to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The samples to time, spread evenly over the data set; all of them where it has no more.
    pub samples: usize,
    /// How often each sample is timed with each candidate.
    pub repetitions: usize,
    /// Answers of each candidate that are discarded before the first turn.
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
    /// From times by candidate, sample and repetition, of which there is at least one.
    pub(super) fn of(times: Vec<Vec<Vec<f64>>>) -> Self {
        let median = |times: &Vec<f64>| Estimate::of(times).expect("there is at least one repetition").median;
        Self { milliseconds: times.iter().map(|samples| samples.iter().map(median).collect()).collect() }
    }

    /// The mean over the samples; `None` where there is no such candidate.
    pub fn mean(&self, candidate: usize) -> Option<Interval> {
        mean_interval(self.milliseconds.get(candidate)?)
    }

    /// The ratio of the means of two candidates, its interval paired by sample; `None` where one does not exist.
    pub fn ratio(&self, candidate: usize, reference: usize) -> Option<Interval> {
        ratio_interval(self.milliseconds.get(candidate)?, self.milliseconds.get(reference)?)
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.milliseconds.first().map_or(0, Vec::len)
    }
}

/// Times single samples, as a program that answers by one candidate and waits for each answer would see it; the
/// navigator is included.
///
/// Caches are warm from what ran before, so whom a candidate follows decides on several per cent of its time.
/// Therefore every candidate follows itself: candidates take turns of a few samples, and each begins its turn with
/// answers that do not count. Whatever else the machine does meets all of them alike, because turns are short, their
/// order is drawn anew for each few samples, and the repetitions of a sample lie far apart. What is drawn is the same
/// in every run.
///
/// Two candidates that are the same, under two names, show how far the ratios can be trusted.
///
/// Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] where the settings ask for nothing, or there is no candidate or no sample; else as
/// [`crate::routing::predict`]: the samples must be on the candidates' device.
pub fn measure<N: Network>(
    candidates: &[Candidate<'_, N>],
    data: &Dataset<N::Input>,
    settings: &Settings,
) -> Result<Timings> {
    let samples = settings.samples.min(usize::try_from(data.len()).unwrap_or(0));
    candidates.iter().try_for_each(Candidate::check)?;
    let inputs = (0..samples)
        .map(|sample| {
            let row = (sample as i64) * data.len() / samples as i64;
            // A copy of its own lies in memory as a sample that has just come in.
            data.select(&[row])?.input()
        })
        .collect::<Result<Vec<_>>>()?;
    let time = |candidate: usize, sample: usize| candidates[candidate].time(&inputs[sample]);
    in_turns(candidates.len(), samples, settings, time).map(Timings::of)
}

/// The samples that a candidate answers in one turn.
const TURN: usize = 4;
/// The answers at the beginning of a turn that do not count: after one of them the caches still hold much of what the
/// candidate before has left there, after four they are the candidate's own.
const UNCOUNTED: usize = 4;

/// Times each sample with each candidate by `time`, which is given the candidate and the sample; returns what it says, by
/// candidate, sample and repetition.
///
/// # Errors
/// [`Error::Invalid`] where there is nothing to time; those of `time`.
pub(crate) fn in_turns<T: Clone>(
    candidates: usize,
    samples: usize,
    settings: &Settings,
    mut time: impl FnMut(usize, usize) -> Result<T>,
) -> Result<Vec<Vec<Vec<T>>>> {
    if samples == 0 || settings.repetitions == 0 || candidates == 0 {
        return Err(Error::invalid(format!(
            "timing: {samples} samples, {} repetitions and {candidates} candidates, expected at least one of each",
            settings.repetitions,
        )));
    }
    for round in 0..settings.warm_up {
        for candidate in 0..candidates {
            time(candidate, round % samples)?;
        }
    }
    let mut times = vec![vec![Vec::new(); samples]; candidates];
    let mut random = SplitMix64::new(0x7475_726e);
    let mut candidates: Vec<usize> = (0..candidates).collect();
    let mut order: Vec<usize> = (0..samples).collect();
    let mut bar = Bar::new("timing", settings.repetitions.saturating_mul(samples.div_ceil(TURN)));
    for _ in 0..settings.repetitions {
        // A disturbance meets all samples of a turn: other ones share it each time.
        random.shuffle(&mut order);
        for start in (0..samples).step_by(TURN) {
            random.shuffle(&mut candidates);
            for candidate in &candidates {
                for before in (1..=UNCOUNTED).rev() {
                    time(*candidate, order[(start + UNCOUNTED * samples - before) % samples])?;
                }
                for sample in order.iter().skip(start).take(TURN) {
                    times[*candidate][*sample].push(time(*candidate, *sample)?);
                }
            }
            bar.step();
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests;
