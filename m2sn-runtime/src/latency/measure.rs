//! Measuring the table.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use tch::Tensor;

use super::stopwatch::Lap;
use super::{Bar, Estimate, Fingerprint, Modality, Stopwatch, Table};
use crate::batch::Feature;
use crate::network::{Description, Network, check_inputs};
use crate::parts::{Live, Parts};
use crate::policy::{Sequential, Standing, State, Value};
use crate::{Error, Result, plan};

/// How long to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The number of samples in a batch.
    pub batch: i64,
    /// Rounds that are run first and discarded: the first few are two to three times slower.
    pub warm_up: usize,
    /// The fewest rounds that count, however long they take.
    pub least_rounds: usize,
    /// The rounds after which no further one is begun, however fast they are.
    pub most_rounds: usize,
    /// The time after which no further round is begun, once there are `least_rounds`.
    ///
    /// Of rounds and time it may be up to five times as much, until late fusion is known to within [`CLOSE`].
    pub limit: Duration,
}

/// How closely late fusion is to be known: half the width of the interval of its median, as a share of it.
pub const CLOSE: f64 = 0.02;

impl Default for Settings {
    fn default() -> Self {
        Self { batch: 1, warm_up: 5, least_rounds: 20, most_rounds: 300, limit: Duration::from_secs(2) }
    }
}

/// Measures the latency of each part of a network on its device.
///
/// `inputs` holds one field a modality, with at least as many samples as a batch has; rounds take turns through them.
/// Each round times every block in sequence along each encoder, then the shortcuts, fusion with head, and the
/// policies: parts are interleaved, so that a disturbance of the machine meets all of them, and caches are as warm
/// as when the model is used. The figures are medians over the rounds: of the time that the work took of the processor where
/// one thread works, so that other programs have no part in it, else of the time on the wall.
///
/// Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] or [`Error::Shape`] where the inputs do not fit the network or are too few,
/// or the settings ask for nothing.
pub fn measure<N: Network>(network: &N, inputs: &[Feature], settings: &Settings) -> Result<Table> {
    // A network reads what its policies have learned anew for every call, so that is part of what they take.
    let learned = |policy| network.policies().standing(policy).ok().flatten().map(Cow::Owned);
    measure_parts(&Live(network), Fingerprint::of(network), &learned, inputs, settings)
}

/// A learned policy of whoever is measured.
pub(crate) type Learned<'a> = &'a dyn Fn(plan::Policy) -> Option<Cow<'a, Standing>>;

/// As [`measure`], of whatever runs the parts.
///
/// # Errors
/// As [`measure`].
pub(crate) fn measure_parts(
    parts: &impl Parts,
    fingerprint: Fingerprint,
    learned: Learned<'_>,
    inputs: &[Feature],
    settings: &Settings,
) -> Result<Table> {
    let Settings { batch, warm_up, least_rounds, most_rounds, limit } = *settings;
    let samples = check_inputs(parts.description(), parts.device(), inputs)?;
    if batch < 1 || batch > samples {
        return Err(Error::invalid(format!(
            "latency: a batch of {batch} was asked for, expected 1 to {samples}, the number of samples given"
        )));
    }
    if least_rounds == 0 || most_rounds < least_rounds {
        return Err(Error::invalid(format!(
            "latency: {least_rounds} to {most_rounds} rounds were asked for, expected at least 1 and no empty range"
        )));
    }
    let _no_grad = tch::no_grad_guard();
    let positions = samples - batch + 1;
    let take = |round: usize| -> Vec<Feature> {
        let start = round as i64 * batch % positions;
        inputs.iter().map(|input| input.narrow(start, batch)).collect()
    };

    for round in 0..warm_up {
        time(parts, learned, &take(round));
    }
    let start = Instant::now();
    let mut bar = Bar::new("latency table", most_rounds);
    let mut rounds: Vec<Round> = Vec::new();
    loop {
        let (count, elapsed) = (rounds.len(), start.elapsed());
        let is_over = |times: u32| count >= times as usize * most_rounds || elapsed >= times * limit;
        if count >= least_rounds && is_over(1) && (is_over(5) || late_fusion(&rounds).spread() <= CLOSE) {
            break;
        }
        rounds.push(time(parts, learned, &take(count)));
        bar.step();
    }
    let table = table(parts.description(), fingerprint, batch, &rounds);
    table.doubts().iter().for_each(|doubt| tracing::warn!("latency table: {doubt}"));
    Ok(table)
}

/// Late fusion, as the sum of its parts.
fn late_fusion(rounds: &[Round]) -> Estimate {
    let laps: Vec<Lap> = rounds.iter().map(Round::late_fusion).collect();
    Estimate::of_laps(&laps).unwrap_or_default()
}

/// What each part took in one round.
#[derive(Debug)]
struct Round {
    blocks: Vec<Vec<Lap>>,
    shortcuts: Vec<Vec<Lap>>,
    head: Lap,
    navigator: Lap,
    value: Lap,
    sequential: Lap,
    /// Late fusion in one lap.
    whole: Lap,
}

impl Round {
    /// Late fusion: all blocks and the head.
    fn late_fusion(&self) -> Lap {
        let laps = self.blocks.iter().flatten().chain([&self.head]);
        laps.fold(Lap::default(), |sum, lap| Lap { wall: sum.wall + lap.wall, work: sum.work + lap.work })
    }
}

fn time(parts: &impl Parts, learned: Learned<'_>, inputs: &[Feature]) -> Round {
    let modalities = parts.description().modalities;
    let mut watch = Stopwatch::start(parts.device());

    let mut blocks = Vec::new();
    let mut outputs: Vec<Vec<Feature>> = Vec::new();
    for (m, (modality, input)) in modalities.iter().zip(inputs).enumerate() {
        let mut times = Vec::new();
        let mut features: Vec<Feature> = Vec::new();
        for block in 0..modality.exits.len() {
            let input = features.last().unwrap_or(input);
            watch.lap_of_both();
            let output = parts.block(m, block, input);
            times.push(watch.lap_of_both());
            features.push(output);
        }
        blocks.push(times);
        outputs.push(features);
    }

    let mut shortcuts = Vec::new();
    let mut deepest = Vec::new();
    for (modality, features) in outputs.iter().enumerate() {
        let mut times = Vec::new();
        let full = features.len() - 1;
        for (exit, feature) in features[..full].iter().enumerate() {
            watch.lap_of_both();
            let _feature = parts.leave(modality, exit, feature);
            times.push(watch.lap_of_both());
        }
        shortcuts.push(times);
        deepest.push(parts.leave(modality, full, &features[full]));
    }

    watch.lap_of_both();
    let logits = parts.fuse(&deepest);
    let head = watch.lap_of_both();
    let _scores = parts.navigate(inputs);
    let navigator = watch.lap_of_both();
    // What they decide is not looked at: nothing they see can keep them from taking their time.
    let decided = learned(plan::Policy::Value).map(|standing| {
        let stems: Vec<Tensor> = outputs.iter().enumerate().map(|(m, outputs)| parts.stem(m, &outputs[0])).collect();
        standing.quality().map(|quality| Value::qualities(quality, &stems).is_ok())
    });
    let value = watch.lap_of_both();
    let value = decided.map_or_else(Lap::default, |_| value);
    let state = State::of(&vec![1; inputs.len()]);
    watch.lap_of_both();
    let decided = learned(plan::Policy::Sequential).map(|standing| {
        let alone = parts.alone(&state, &deepest, &logits);
        standing.quality().map(|q| Sequential::qualities(parts.description(), q, &state, &logits, &alone).is_ok())
    });
    let sequential = watch.lap_of_both();
    let sequential = decided.map_or_else(Lap::default, |_| sequential);
    watch.lap_of_both();
    let _logits = parts.late_fusion(inputs);
    let whole = watch.lap_of_both();
    Round { blocks, shortcuts, head, navigator, value, sequential, whole }
}

fn table(description: &Description, fingerprint: Fingerprint, batch: i64, rounds: &[Round]) -> Table {
    let estimate = |part: &dyn Fn(&Round) -> Lap| -> Estimate {
        let laps: Vec<Lap> = rounds.iter().map(part).collect();
        Estimate::of_laps(&laps).expect("there is at least one round")
    };
    let modalities = description.modalities.iter().enumerate().map(|(m, modality)| Modality {
        name: modality.name.into(),
        exits: modality.exits.iter().map(|exit| exit.name.into()).collect(),
        blocks: (0..modality.exits.len()).map(|block| estimate(&|round| round.blocks[m][block])).collect(),
        shortcuts: (0..modality.exits.len() - 1).map(|exit| estimate(&|round| round.shortcuts[m][exit])).collect(),
    });
    Table {
        fingerprint,
        batch,
        rounds: rounds.len(),
        modalities: modalities.collect(),
        head: estimate(&|round| round.head),
        navigator: estimate(&|round| round.navigator),
        value: estimate(&|round| round.value),
        sequential: estimate(&|round| round.sequential),
        whole: estimate(&|round| round.whole),
        sum: late_fusion(rounds),
        busy: busy(rounds),
    }
}

/// The time on the wall by that of the work, over all rounds.
fn busy(rounds: &[Round]) -> f64 {
    let sum = |of: fn(&Lap) -> f64| rounds.iter().map(|round| of(&round.whole)).sum::<f64>();
    let work = sum(|lap| lap.work);
    if work > 0.0 { sum(|lap| lap.wall) / work } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::network::Input;
    use crate::tiny::{Tiny, samples};

    fn inputs() -> Vec<Feature> {
        samples(8, 2).unwrap().train.input().unwrap().features()
    }

    #[test]
    fn every_part_is_measured() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let settings = Settings { batch: 3, least_rounds: 7, most_rounds: 7, ..Default::default() };
        let table = measure(&network, &inputs(), &settings).unwrap();
        assert!(table.batch == 3 && (7..=35).contains(&table.rounds), "{table}");
        assert_eq!(table.modalities.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["left", "right"]);
        for modality in &table.modalities {
            assert_eq!((modality.blocks.len(), modality.shortcuts.len()), (3, 2));
            for Estimate { median, low, high, p99 } in modality.blocks.iter().chain(&modality.shortcuts) {
                assert!(*low > 0.0 && low <= median && median <= high && median <= p99);
            }
        }
        assert!(table.head.median > 0.0 && table.navigator.median > 0.0);
        assert!(table.value.median > 0.0 && table.sequential.median > 0.0);
        assert!(table.whole.median > 0.0 && table.sum.median > 0.0 && table.busy > 0.5);
    }

    #[test]
    fn the_time_limit_ends_it_after_the_least_rounds() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let settings = Settings { least_rounds: 4, limit: Duration::ZERO, ..Default::default() };
        assert_eq!(measure(&network, &inputs(), &settings).unwrap().rounds, 4);
    }

    #[test]
    fn unusable_settings_are_refused() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let refuse = |settings: Settings| measure(&network, &inputs(), &settings).unwrap_err().to_string();
        assert_eq!(
            refuse(Settings { batch: 9, ..Default::default() }),
            "latency: a batch of 9 was asked for, expected 1 to 8, the number of samples given"
        );
        assert_eq!(
            refuse(Settings { most_rounds: 0, ..Default::default() }),
            "latency: 20 to 0 rounds were asked for, expected at least 1 and no empty range"
        );
    }
}
