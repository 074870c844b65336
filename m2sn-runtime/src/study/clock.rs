//! Milliseconds of several methods in batches of several sizes, measured against each other.

use super::contender::Contender;
use super::results::{Latency, Parts};
use crate::batch::Feature;
use crate::data::Dataset;
use crate::evaluation::statistics::{mean, mean_interval, ratio_interval};
use crate::evaluation::timing::{self, in_turns};
use crate::latency::{Estimate, Lap, Stopwatch};
use crate::network::{Input, Network};
use crate::rivals::Tally;
use crate::{Error, Result};

/// What each method takes in batches of one size.
#[derive(Debug)]
pub(super) struct Times {
    batch: usize,
    /// By method, then by sample or batch, then by repetition.
    laps: Vec<Vec<Vec<Lap>>>,
}

impl Times {
    /// Times methods in turns: see [`timing::measure`]. One sample at a time, `samples` of them; larger batches, as many as
    /// hold about as many samples, and a few at least.
    ///
    /// # Errors
    /// As [`timing::measure`]; [`Error::Invalid`] where there are fewer samples than a batch holds.
    pub(super) fn measure<N: Network>(
        contenders: &[Contender<'_, N>],
        data: &Dataset<N::Input>,
        batch: usize,
        samples: usize,
    ) -> Result<Self> {
        let size = batch as i64;
        if size < 1 || size > data.len() {
            return Err(Error::invalid(format!(
                "study: a batch of {batch} is to be timed, expected 1 to {}, the number of test samples",
                data.len()
            )));
        }
        // Where samples are few, batches share some.
        let most = usize::try_from(data.len() - size + 1).unwrap_or(1);
        let count = (samples / batch).max(FEWEST).min(most);
        let inputs = (0..count as i64)
            .map(|index| {
                let start = index * (data.len() - size) / (count as i64 - 1).max(1);
                // A copy of its own lies in memory as samples that have just come in.
                let rows: Vec<i64> = (start..start + size).collect();
                Ok(data.select(&rows)?.input()?.features())
            })
            .collect::<Result<Vec<Vec<Feature>>>>()?;
        let tally = Tally::counting(N::description());
        let settings = timing::Settings { samples: count, repetitions: REPETITIONS, warm_up: WARM_UP };
        let laps = in_turns(contenders.len(), count, &settings, |contender, index| {
            let contender = &contenders[contender];
            let mut watch = Stopwatch::start(contender.network.variables().device());
            contender.answer(&inputs[index], &tally)?;
            Ok(watch.lap_of_both())
        })?;
        Ok(Self { batch, laps })
    }

    /// What one method takes, by another's time.
    pub(super) fn of(&self, contender: usize, reference: usize) -> Result<Latency> {
        let (own, other) = (self.milliseconds(contender), self.milliseconds(reference));
        let mut walls: Vec<f64> = self.laps[contender].iter().flatten().map(|lap| lap.wall).collect();
        walls.sort_by(f64::total_cmp);
        let at = |share: f64| walls[((walls.len() - 1) as f64 * share).round() as usize];
        let clock = mean(&walls.iter().map(|wall| wall / self.batch as f64).collect::<Vec<_>>());
        let known = || Some((mean_interval(&own)?, ratio_interval(&own, &other)?, clock?));
        let (milliseconds, ratio, clock) = known().ok_or_else(|| {
            Error::invalid("study: an answer took no time by the clock of this machine, and times cannot be compared")
        })?;
        Ok(Latency { batch: self.batch, milliseconds, ratio, clock, median: at(0.5), p95: at(0.95) })
    }

    /// The milliseconds of a sample, by sample or batch, of the processor where that can be told: the median over repetitions.
    pub(super) fn milliseconds(&self, contender: usize) -> Vec<f64> {
        let median = |laps: &Vec<Lap>| {
            let work: Vec<f64> = laps.iter().map(|lap| lap.work).collect();
            Estimate::of(&work).map_or(0.0, |estimate| estimate.median) / self.batch as f64
        };
        self.laps[contender].iter().map(median).collect()
    }
}

/// How often each sample or batch is timed with each method.
const REPETITIONS: usize = 5;
/// Answers of each method before the first turn.
const WARM_UP: usize = 5;
/// The fewest batches that say something of a method.
const FEWEST: usize = 8;
/// The samples of which it is told what their time goes into.
const SPLIT: i64 = 40;

/// What the milliseconds of one sample go into, on average over some samples.
///
/// # Errors
/// Those of the policy.
pub(super) fn parts<N: Network>(contender: &Contender<'_, N>, data: &Dataset<N::Input>) -> Result<Parts> {
    let device = contender.network.variables().device();
    let samples = data.len().min(SPLIT);
    let inputs = (0..samples)
        .map(|index| Ok(data.select(&[index * data.len() / samples])?.input()?.features()))
        .collect::<Result<Vec<Vec<Feature>>>>()?;
    let pass = || -> Result<Parts> {
        let tally = Tally::timing(N::description(), device);
        let mut watch = Stopwatch::start(device);
        for input in &inputs {
            contender.answer(input, &tally)?;
        }
        let whole = watch.lap() / samples as f64;
        let [encoders, shortcuts, fusion, decisions] = tally.ran().milliseconds.map(|sum| sum / samples as f64);
        let routing = (whole - encoders - shortcuts - fusion - decisions).max(0.0);
        Ok(Parts { encoders, shortcuts, decisions, fusion, routing })
    };
    // The first pass warms up.
    pass().and_then(|_| pass())
}
