//! The joint method, a third one beside the two of Section IV-A: everything learns together, from a loss at every exit.
//!
//! Encoders, shortcuts, task heads and fusion with head learn from
//!
//! ```text
//! L = L(full) + ½ L(random) + ¼ Σ over modalities and exits of depth · L(exit)
//! ```
//!
//! where `full` is late fusion, `random` fuses the exits of a route that is drawn anew for each sample, and an exit's own
//! loss is that of its feature through the task head of its modality, weighted by the share of the blocks before it.
//! Early exits weigh less because their blocks serve the later ones too.
//!
//! All begin with the pre-trained parameters, or, where pre-training has no epochs, with those that were drawn: no part has
//! to be good before the others learn, since the loss counts them all from the first step on. The weights are, but for
//! rounding, those of an experiment that trained so from the start: late fusion gained by it, and every exit was better
//! than by integral training.

use tch::Tensor;

use super::context::{Context, Said, choose};
use super::fit::{Phase, Step, fit, seed};
use super::missing::Present;
use super::run::Run;
use super::shortcuts::shortcut;
use crate::Result;
use crate::batch::Feature;
use crate::network::{Network, Part, exit_features};

/// What the loss on random routes weighs beside that of the full one.
const RANDOM_WEIGHT: f64 = 0.5;

/// What the loss of a modality's deepest exit weighs.
const EXIT_WEIGHT: f64 = 0.25;

const PHASE: &str = "shortcuts/joint";

/// Trains all but the navigator.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    let modalities = N::description().modalities;
    let phase = Phase {
        name: PHASE.into(),
        parts: parts(context),
        stage: &context.plan.shortcuts.stage,
        samples: context.train.len(),
        reads: context.train.reads(),
    };
    let step_loss = |step: &Step| {
        let target = context.train.target(&step.rows);
        let inputs = context.all_augmented(&step.inputs);
        let logits = Logits::of(context, &inputs, &context.random_routes(target.size()[0]), true);
        let criterion = &context.criterion;
        let mut sum = criterion.of(&logits.full, &target) + criterion.of(&logits.random, &target) * RANDOM_WEIGHT;
        for (present, exits) in &logits.exits {
            let target = present.select(&target);
            for (weight, logits) in weighted(exits) {
                sum += criterion.of(logits, &target) * weight;
            }
        }
        Ok(sum)
    };
    // The same routes after every epoch, so that the scores can be compared.
    tch::manual_seed(seed(run.seed, &format!("{PHASE}/validation"), 0));
    let random = context.random_routes(context.valid.len());
    let validate = || {
        context.judge(&context.valid, context.valid.reads(), phase.stage, |range, inputs, target| {
            let random: Vec<_> =
                random.iter().map(|exits| exits.narrow(0, range.start, range.end - range.start)).collect();
            let Logits { full, random, exits } = Logits::of(context, &inputs, &random, false);
            let mut said =
                vec![Said::new("full", 1.0, full, target), Said::new("random", RANDOM_WEIGHT, random, target)];
            for (modality, (present, exits)) in modalities.iter().zip(&exits) {
                let target = present.select(target);
                for ((weight, logits), exit) in weighted(exits).zip(modality.exits) {
                    let part = format!("{}/{}", modality.name, exit.name);
                    said.push(Said::new(part, weight, logits.shallow_clone(), &target));
                }
            }
            Ok(said)
        })
    };
    fit(context.network, run, &phase, step_loss, validate)
}

/// Everything but the navigator.
fn parts<N: Network>(context: &Context<'_, N>) -> Vec<Part> {
    let of = |modality: usize| {
        let exits = 0..context.exits(modality);
        let blocks = exits.clone().map(move |block| Part::Block { modality, block });
        let shortcuts = exits.filter_map(move |exit| shortcut(context, modality, exit));
        blocks.chain(shortcuts).chain([Part::TaskHead { modality }])
    };
    context.modalities().flat_map(of).chain([Part::Head]).collect()
}

/// What the network says in all the ways that the loss counts.
struct Logits {
    full: Tensor,
    random: Tensor,
    /// For each modality the samples that have it, and what its exits say of them through the task head.
    exits: Vec<(Present, Vec<Tensor>)>,
}

impl Logits {
    /// `random` holds a route for each sample, as by [`Context::random_routes`].
    fn of<N: Network>(context: &Context<'_, N>, inputs: &[Feature], random: &[Tensor], train: bool) -> Self {
        let network = context.network;
        let (mut deepest, mut drawn, mut encoded) = (Vec::new(), Vec::new(), Vec::new());
        for ((modality, input), places) in inputs.iter().enumerate().zip(random) {
            let (present, stand_in) = (Present::of(input, train), network.stand_in(modality));
            let features = match present.is_empty() {
                true => Vec::new(),
                false => exit_features(network, modality, &present.input(input.clone()), train),
            };
            // By place: the stand-in where the modality may take no part, then the exits.
            let passed_by = stand_in.map(|stand_in| present.spread(None, Some(stand_in)));
            let exit = |exit: usize| present.spread(features.get(exit), stand_in);
            let all: Vec<Tensor> = passed_by.into_iter().chain((0..context.exits(modality)).map(exit)).collect();
            drawn.push(choose(&Tensor::stack(&all, 1), &places.to_device(context.device)));
            deepest.extend(all.last().map(Tensor::shallow_clone));
            encoded.push((present, features));
        }
        let (full, random) = (network.fuse(&deepest, train), network.fuse(&drawn, train));
        let alone = |(modality, (present, features)): (usize, (Present, Vec<Tensor>))| {
            (present, features.iter().map(|feature| network.task_head(modality, feature)).collect())
        };
        Self { full, random, exits: encoded.into_iter().enumerate().map(alone).collect() }
    }
}

/// The logits of a modality's exits, each with its weight.
fn weighted(exits: &[Tensor]) -> impl Iterator<Item = (f64, &Tensor)> {
    let count = exits.len() as f64;
    exits.iter().enumerate().map(move |(exit, logits)| (EXIT_WEIGHT * (exit + 1) as f64 / count, logits))
}
