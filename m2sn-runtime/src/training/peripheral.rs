//! The peripheral method of Section IV-A: encoders stay frozen, and shortcuts learn from their cached features.
//!
//! Since nothing is shared between them, all shortcuts of a modality learn side by side from one pass.

use super::cache::Features;
use super::context::{Context, Said, Samples};
use super::fit::{Phase, Step, fit};
use super::progress::Progress;
use super::reading::Read;
use super::run::Run;
use super::shortcuts::shortcut;
use crate::Result;
use crate::batch::Feature;
use crate::network::Network;

/// Trains the shortcuts, one modality after the other.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    context.modalities().try_for_each(|modality| train_modality(context, run, modality))
}

fn train_modality<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>, modality: usize) -> Result<()> {
    let network = context.network;
    let description = &N::description().modalities[modality];
    let exits = 0..context.exits(modality) - 1;
    let (train_samples, valid_samples) = (context.train.alone(modality)?, context.valid.alone(modality)?);
    let phase = Phase {
        name: format!("shortcuts/{}", description.name),
        parts: exits.clone().filter_map(|exit| shortcut(context, modality, exit)).collect(),
        stage: &context.plan.shortcuts.stage,
        samples: train_samples.len(),
        reads: Vec::new(),
    };
    if exits.is_empty() || run.has_passed(&phase.name) {
        return Ok(());
    }
    let train = outputs(context, modality, &train_samples, run.progress)?;
    let valid = outputs(context, modality, &valid_samples, run.progress)?;
    let step_loss = |step: &Step| {
        let target = train_samples.target(&step.rows);
        let losses = train.iter().enumerate().map(|(exit, output)| {
            let feature = network.shortcut(modality, exit, &output.rows(&step.rows), true);
            context.criterion.of(&network.task_head(modality, &feature), &target)
        });
        // The sum, and not the mean: each shortcut learns as if it were alone.
        Ok(losses.reduce(|sum, loss| sum + loss).expect("there are exits with shortcuts"))
    };
    let validate = || {
        context.judge(&valid_samples, Vec::new(), phase.stage, |range, _, target| {
            let say = |(exit, output): (usize, &Features<'_>)| {
                let feature = network.shortcut(modality, exit, &output.range(range.clone()), false);
                Said::new(description.exits[exit].name, 1.0, network.task_head(modality, &feature), target)
            };
            Ok(valid.iter().enumerate().map(say).collect())
        })
    };
    fit(network, run, &phase, step_loss, validate)
}

/// The output of every block that a shortcut follows, for samples whose only input is that modality.
fn outputs<'c, N: Network>(
    context: &'c Context<'_, N>,
    modality: usize,
    samples: &Samples,
    progress: &Progress,
) -> Result<Vec<Features<'c>>> {
    let chunk = context.plan.shortcuts.stage.batch;
    let mut outputs: Vec<Features<'c>> = Vec::new();
    for block in 0..context.exits(modality) - 1 {
        let input = outputs.last().map_or_else(|| samples.inputs[0].read(), Read::Held);
        let run = |input: Feature| context.network.block(modality, block, &input, false);
        let said = (progress, "features of blocks");
        let output = context.cache.fill_one(input, chunk, context.device, said, run)?;
        outputs.push(output);
    }
    Ok(outputs)
}
