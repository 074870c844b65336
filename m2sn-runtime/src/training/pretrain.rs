//! The first stage: late fusion and the uni-modal networks, all at once.

use super::context::{Context, accuracy, loss, measure};
use super::fit::{Phase, fit};
use super::run::Run;
use crate::Result;
use crate::network::{Network, Part};

/// What each uni-modal loss weighs beside that of late fusion.
///
/// With one half each, the encoder of a weaker modality goes on learning where the other alone would satisfy the
/// fused loss, and late fusion still leads.
const UNIMODAL_WEIGHT: f64 = 0.5;

/// Trains the encoders, the task heads, and fusion with head.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    let (network, task) = (context.network, context.task());
    let modalities = N::description().modalities;
    let blocks = context
        .modalities()
        .flat_map(|modality| (0..context.exits(modality)).map(move |block| Part::Block { modality, block }));
    let task_heads = context.modalities().map(|modality| Part::TaskHead { modality });
    let phase = Phase {
        name: "pretrain".into(),
        parts: blocks.chain(task_heads).chain([Part::Head]).collect(),
        stage: &context.plan.pretrain,
        samples: context.train.len(),
    };
    let deepest = |modality: usize, input, train: bool| {
        let blocks = 0..context.exits(modality);
        blocks.fold(input, |input, block| network.block(modality, block, &input, train)).tensor
    };
    let step_loss = |step: &super::fit::Step| {
        let target = context.train.target(&step.rows);
        let inputs = context.train.inputs.iter().map(|input| input.rows(&step.rows));
        let features: Vec<_> = inputs.enumerate().map(|(modality, input)| deepest(modality, input, true)).collect();
        let fused = task.loss(&network.fuse(&features, true), &target);
        Ok(features.iter().enumerate().fold(fused, |sum, (modality, feature)| {
            sum + task.loss(&network.task_head(modality, feature), &target) * UNIMODAL_WEIGHT
        }))
    };
    let validate = || {
        context.valid.score(phase.stage.batch, "score", |range, target| {
            let inputs = context.valid.inputs.iter().map(|input| input.range(range.clone()));
            let features: Vec<_> =
                inputs.enumerate().map(|(modality, input)| deepest(modality, input, false)).collect();
            let logits = network.fuse(&features, false);
            let mut score = loss(task, &logits, target);
            let mut found = vec![("loss".to_owned(), score)];
            found.extend(accuracy(task, &logits, target).map(|value| ("accuracy".to_owned(), value)));
            for (modality, feature) in features.iter().enumerate() {
                let logits = network.task_head(modality, feature);
                score += UNIMODAL_WEIGHT * measure(&mut found, modalities[modality].name, task, &logits, target);
            }
            found.push(("score".to_owned(), score));
            Ok(found)
        })
    };
    fit(network, run, &phase, step_loss, validate)
}
