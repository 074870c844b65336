//! The integral method of Section IV-A: block after block, each with its shortcut.
//!
//! Block `j` learns together with shortcut `j`, from the pre-trained parameters on. Then the block is frozen, and its
//! outputs, computed once, are what the next block learns from. What follows the last shortcut learns with the task
//! head alone.

use std::ops::Range;

use super::cache::Features;
use super::context::{Context, Said, Samples};
use super::fit::{Phase, Step, fit, has_parameters};
use super::reading::Read;
use super::run::Run;
use super::shortcuts::shortcut;
use crate::Result;
use crate::batch::Feature;
use crate::network::{Network, Part, leave};

/// Trains the encoders with their shortcuts, one modality after the other.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    for modality in context.modalities() {
        let samples = [context.train.alone(modality)?, context.valid.alone(modality)?];
        let mut cached: Option<[Features<'_>; 2]> = None;
        for blocks in groups(context, modality) {
            let raw = || [&samples[0], &samples[1]].map(|samples| samples.inputs[0].read());
            let inputs = cached.as_ref().map_or_else(raw, |cached| cached.each_ref().map(Read::Held));
            group(context, run, modality, blocks.clone(), &samples, inputs)?;
            if blocks.end < context.exits(modality) {
                let [train, valid] = inputs;
                cached = Some([
                    advance(context, run, modality, blocks.clone(), train)?,
                    advance(context, run, modality, blocks.clone(), valid)?,
                ]);
            }
        }
    }
    Ok(())
}

/// The blocks that learn together.
///
/// A block without parameters, such as a pooling after the last shortcut, cannot learn by itself:
/// the block before it answers for its exit as well. Where that is frozen too, each shortcut learns by itself.
fn groups<N: Network>(context: &Context<'_, N>, modality: usize) -> Vec<Range<usize>> {
    let learns = |block: usize| has_parameters(context.network, &[Part::Block { modality, block }]);
    let mut groups: Vec<Range<usize>> = Vec::new();
    for block in 0..context.exits(modality) {
        match groups.last_mut() {
            Some(group) if !learns(block) && learns(group.start) => group.end = block + 1,
            _ => groups.push(block..block + 1),
        }
    }
    groups
}

/// Trains some blocks and the shortcuts at their ends on the cached input of the first: of the samples that have the
/// modality, those to learn from and those to validate by.
fn group<N: Network>(
    context: &Context<'_, N>,
    run: &mut Run<'_>,
    modality: usize,
    blocks: Range<usize>,
    samples: &[Samples; 2],
    inputs: [Read<'_>; 2],
) -> Result<()> {
    let network = context.network;
    let [train, valid] = inputs;
    let description = &N::description().modalities[modality];
    let name = |exit: usize| description.exits[exit].name;
    let parts = blocks.clone().map(|block| Part::Block { modality, block });
    let shortcuts = blocks.clone().filter_map(|exit| shortcut(context, modality, exit));
    let phase = Phase {
        name: format!("shortcuts/{}/{}", description.name, name(blocks.start)),
        parts: parts.chain(shortcuts).collect(),
        stage: &context.plan.shortcuts.stage,
        samples: train.len(),
        reads: vec![train],
    };
    // The logits of every exit of the group.
    let logits = |inputs: &[Feature], train: bool| -> Vec<_> {
        let exits = blocks.clone().scan(inputs[0].clone(), |input, block| {
            *input = network.block(modality, block, input, train);
            Some(network.task_head(modality, &leave(network, modality, block, input, train)))
        });
        exits.collect()
    };
    let step_loss = |step: &Step| {
        let target = samples[0].target(&step.rows);
        let mut inputs = step.inputs.clone();
        if blocks.start == 0 {
            // What earlier blocks make of samples is kept, and not made anew.
            inputs[0] = context.augmented(modality, &inputs[0]);
        }
        let losses = logits(&inputs, true).into_iter().map(|logits| context.criterion.of(&logits, &target));
        Ok(losses.reduce(|sum, loss| sum + loss).expect("a group has a block") / blocks.len() as f64)
    };
    let validate = || {
        context.judge(&samples[1], vec![valid], phase.stage, |_, inputs, target| {
            let say = |(logits, exit)| Said::new(name(exit), 1.0 / blocks.len() as f64, logits, target);
            Ok(logits(&inputs, false).into_iter().zip(blocks.clone()).map(say).collect())
        })
    };
    fit(network, run, &phase, step_loss, validate)
}

/// The outputs of some blocks, which are frozen from now on.
fn advance<'c, N: Network>(
    context: &'c Context<'_, N>,
    run: &Run<'_>,
    modality: usize,
    blocks: Range<usize>,
    input: Read<'_>,
) -> Result<Features<'c>> {
    let chunk = context.plan.shortcuts.stage.batch;
    let advanced =
        |input| blocks.clone().fold(input, |input, block| context.network.block(modality, block, &input, false));
    let said = (&*run.progress, "features of blocks");
    context.cache.fill_one(input, chunk, context.device, said, advanced)
}
