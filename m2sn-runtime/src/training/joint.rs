//! The joint method, a third one beside the two of Section IV-A: everything learns together, from a loss at every exit.
//!
//! From the pre-trained parameters on, encoders, shortcuts, task heads and fusion with head learn from
//!
//! ```text
//! L = L(full) + ½ L(random) + ¼ Σ over modalities and exits of depth · L(exit)
//! ```
//!
//! where `full` is late fusion, `random` fuses the exits of a route that is drawn anew for each sample, and an exit's own
//! loss is that of its feature through the task head of its modality, weighted by the share of the blocks before it.
//! Early exits weigh less because their blocks serve the later ones too. The weights are, but for rounding, those of an
//! experiment that trained so from the start, without pre-training: late fusion gained by it, and every exit was better
//! than by integral training.

use tch::Tensor;

use super::context::{Context, choose, measure};
use super::fit::{Phase, Step, fit, seed};
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
    let task = context.task();
    let modalities = N::description().modalities;
    let phase = Phase {
        name: PHASE.into(),
        parts: parts(context),
        stage: &context.plan.shortcuts.stage,
        samples: context.train.len(),
    };
    let step_loss = |step: &Step| {
        let target = context.train.target(&step.rows);
        let inputs = context.train.inputs.iter().map(|input| input.rows(&step.rows));
        let logits = Logits::of(context, inputs, &context.random_exits(target.size()[0]), true);
        let exits = logits.exits.iter().flat_map(|exits| weighted(exits));
        let sum = task.loss(&logits.full, &target) + task.loss(&logits.random, &target) * RANDOM_WEIGHT;
        Ok(exits.fold(sum, |sum, (weight, logits)| sum + task.loss(logits, &target) * weight))
    };
    // The same routes after every epoch, so that the scores can be compared.
    tch::manual_seed(seed(run.seed, &format!("{PHASE}/validation"), 0));
    let random = context.random_exits(context.valid.len());
    let validate = || {
        context.valid.score(phase.stage.batch, "score", |range, target| {
            let inputs = context.valid.inputs.iter().map(|input| input.range(range.clone()));
            let random: Vec<_> =
                random.iter().map(|exits| exits.narrow(0, range.start, range.end - range.start)).collect();
            let logits = Logits::of(context, inputs, &random, false);
            let mut found = Vec::new();
            let mut score = 0.0;
            score += measure(&mut found, "full", task, &logits.full, target);
            score += RANDOM_WEIGHT * measure(&mut found, "random", task, &logits.random, target);
            for (modality, exits) in modalities.iter().zip(&logits.exits) {
                for ((weight, logits), exit) in weighted(exits).zip(modality.exits) {
                    let part = format!("{}/{}", modality.name, exit.name);
                    score += weight * measure(&mut found, &part, task, logits, target);
                }
            }
            found.push(("score".to_owned(), score));
            Ok(found)
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
    /// Through the task head, for each modality and exit.
    exits: Vec<Vec<Tensor>>,
}

impl Logits {
    /// `random` holds the exits of a route for each sample, `[batch]` a modality.
    fn of<N: Network>(
        context: &Context<'_, N>,
        inputs: impl Iterator<Item = Feature>,
        random: &[Tensor],
        train: bool,
    ) -> Self {
        let network = context.network;
        let features: Vec<Vec<Tensor>> =
            inputs.enumerate().map(|(modality, input)| exit_features(network, modality, &input, train)).collect();
        let deepest: Vec<_> = features.iter().filter_map(|exits| exits.last().map(Tensor::shallow_clone)).collect();
        let drawn: Vec<_> = features
            .iter()
            .zip(random)
            .map(|(features, exits)| choose(&Tensor::stack(features, 1), &exits.to_device(context.device)))
            .collect();
        let exits = features
            .iter()
            .enumerate()
            .map(|(modality, features)| features.iter().map(|feature| network.task_head(modality, feature)).collect());
        Self { full: network.fuse(&deepest, train), random: network.fuse(&drawn, train), exits: exits.collect() }
    }
}

/// The logits of a modality's exits, each with its weight.
fn weighted(exits: &[Tensor]) -> impl Iterator<Item = (f64, &Tensor)> {
    let count = exits.len() as f64;
    exits.iter().enumerate().map(move |(exit, logits)| (EXIT_WEIGHT * (exit + 1) as f64 / count, logits))
}
