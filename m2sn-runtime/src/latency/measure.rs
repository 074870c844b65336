//! Measuring the table.

use std::time::{Duration, Instant};

use tch::Tensor;

use super::{Bar, Estimate, Fingerprint, Modality, Stopwatch, Table};
use crate::batch::Feature;
use crate::network::{Network, check_inputs};
use crate::parts::stem;
use crate::policy::{Sequential, State, Value};
use crate::{Error, Result};

/// How long to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The number of samples in a batch.
    pub batch: i64,
    /// Rounds that are run first and discarded: the first few are two to three times slower.
    pub warm_up: usize,
    /// The fewest rounds that count, however long they take.
    pub least_rounds: usize,
    /// The most rounds that count, however fast they are.
    pub most_rounds: usize,
    /// The time after which no further round is begun, once there are `least_rounds`.
    pub limit: Duration,
}

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
/// as when the model is used. The figures are medians over the rounds.
///
/// Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] or [`Error::Shape`] where the inputs do not fit the network or are too few,
/// or the settings ask for nothing.
pub fn measure<N: Network>(network: &N, inputs: &[Feature], settings: &Settings) -> Result<Table> {
    let Settings { batch, warm_up, least_rounds, most_rounds, limit } = *settings;
    let samples = check_inputs(N::description(), network.variables().device(), inputs)?;
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
        time(network, &take(round));
    }
    let start = Instant::now();
    let mut bar = Bar::new("latency table", most_rounds);
    let mut rounds: Vec<Round> = Vec::new();
    while rounds.len() < least_rounds || (rounds.len() < most_rounds && start.elapsed() < limit) {
        rounds.push(time(network, &take(rounds.len())));
        bar.step();
    }
    Ok(table(network, batch, &rounds))
}

/// The milliseconds of each part in one round.
#[derive(Debug)]
struct Round {
    blocks: Vec<Vec<f64>>,
    shortcuts: Vec<Vec<f64>>,
    head: f64,
    navigator: f64,
    value: f64,
    sequential: f64,
}

fn time<N: Network>(network: &N, inputs: &[Feature]) -> Round {
    let exits: Vec<usize> = N::description().modalities.iter().map(|modality| modality.exits.len()).collect();
    let mut watch = Stopwatch::start(network.variables().device());

    let mut blocks = Vec::new();
    let mut outputs: Vec<Vec<Feature>> = Vec::new();
    for (modality, input) in inputs.iter().enumerate() {
        let mut times = Vec::new();
        let mut features: Vec<Feature> = Vec::new();
        for block in 0..exits[modality] {
            let input = features.last().unwrap_or(input);
            watch.lap();
            let output = network.block(modality, block, input, false);
            times.push(watch.lap());
            features.push(output);
        }
        blocks.push(times);
        outputs.push(features);
    }

    let mut shortcuts = Vec::new();
    for (modality, features) in outputs.iter().enumerate() {
        let mut times = Vec::new();
        for (exit, feature) in features[..features.len() - 1].iter().enumerate() {
            watch.lap();
            let _feature = network.shortcut(modality, exit, feature, false);
            times.push(watch.lap());
        }
        shortcuts.push(times);
    }

    let deepest: Vec<Tensor> =
        outputs.iter().filter_map(|features| features.last()).map(|feature| feature.tensor.shallow_clone()).collect();
    watch.lap();
    let logits = network.fuse(&deepest, false);
    let head = watch.lap();
    let _scores = network.navigate(inputs, false);
    let navigator = watch.lap();
    let (mut value, mut sequential) = (0.0, 0.0);
    // What they decide is not looked at: nothing they see can keep them from taking their time.
    if let (Ok(policy), Some(first)) = (network.policies().value(), first(&outputs)) {
        watch.lap();
        let modalities = N::description().modalities.iter();
        let stems: Vec<Tensor> = modalities.zip(first).map(|(modality, output)| stem(modality, output, None)).collect();
        let _qualities = policy.quality.frozen().and_then(|frozen| Value::qualities(&frozen, &stems));
        value = watch.lap();
    }
    if let Ok(policy) = network.policies().sequential() {
        let state = State::of(&vec![1; inputs.len()]);
        watch.lap();
        let alone: Vec<Tensor> =
            deepest.iter().enumerate().map(|(modality, feature)| network.task_head(modality, feature)).collect();
        let _qualities = policy
            .quality
            .frozen()
            .and_then(|frozen| Sequential::qualities(N::description(), &frozen, &state, &logits, &alone));
        sequential = watch.lap();
    }
    Round { blocks, shortcuts, head, navigator, value, sequential }
}

/// The output of each modality's first block.
fn first(outputs: &[Vec<Feature>]) -> Option<Vec<&Feature>> {
    outputs.iter().map(|outputs| outputs.first()).collect()
}

fn table<N: Network>(network: &N, batch: i64, rounds: &[Round]) -> Table {
    let estimate = |part: &dyn Fn(&Round) -> f64| -> Estimate {
        let times: Vec<f64> = rounds.iter().map(part).collect();
        Estimate::of(&times).expect("there is at least one round")
    };
    let modalities = N::description().modalities.iter().enumerate().map(|(m, modality)| Modality {
        name: modality.name.into(),
        exits: modality.exits.iter().map(|exit| exit.name.into()).collect(),
        blocks: (0..modality.exits.len()).map(|block| estimate(&|round| round.blocks[m][block])).collect(),
        shortcuts: (0..modality.exits.len() - 1).map(|exit| estimate(&|round| round.shortcuts[m][exit])).collect(),
    });
    Table {
        fingerprint: Fingerprint::of(network),
        batch,
        rounds: rounds.len(),
        modalities: modalities.collect(),
        head: estimate(&|round| round.head),
        navigator: estimate(&|round| round.navigator),
        value: estimate(&|round| round.value),
        sequential: estimate(&|round| round.sequential),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::network::Input;
    use crate::tiny::{Tiny, samples};

    fn inputs() -> Vec<Feature> {
        samples(8, 2).unwrap().train.input().features()
    }

    #[test]
    fn every_part_is_measured() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let settings = Settings { batch: 3, least_rounds: 7, most_rounds: 7, ..Default::default() };
        let table = measure(&network, &inputs(), &settings).unwrap();
        assert_eq!((table.batch, table.rounds), (3, 7));
        assert_eq!(table.modalities.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["left", "right"]);
        for modality in &table.modalities {
            assert_eq!((modality.blocks.len(), modality.shortcuts.len()), (3, 2));
            for Estimate { median, low, high, p99 } in modality.blocks.iter().chain(&modality.shortcuts) {
                assert!(*low > 0.0 && low <= median && median <= high && median <= p99);
            }
        }
        assert!(table.head.median > 0.0 && table.navigator.median > 0.0);
        assert!(table.value.median > 0.0 && table.sequential.median > 0.0);
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
