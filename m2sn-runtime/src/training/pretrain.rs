//! The first stage: late fusion and the uni-modal networks, all at once.

use tch::{Device, Kind, Tensor};

use super::context::{Context, Said};
use super::fit::{Phase, fit, seed};
use super::missing::Present;
use super::run::Run;
use crate::Result;
use crate::batch::Feature;
use crate::network::{Network, Part};

/// What each uni-modal loss weighs beside that of late fusion.
///
/// With one half each, the encoder of a weaker modality goes on learning where the other alone would satisfy the
/// fused loss, and late fusion still leads.
const UNIMODAL_WEIGHT: f64 = 0.5;

/// What the loss without the modalities that are dropped weighs beside that with all that a sample has.
const DROPPED_WEIGHT: f64 = 0.5;

const PHASE: &str = "pretrain";

/// Trains the encoders, the task heads, and fusion with head.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    let network = context.network;
    let modalities = N::description().modalities;
    let blocks = context
        .modalities()
        .flat_map(|modality| (0..context.exits(modality)).map(move |block| Part::Block { modality, block }));
    let task_heads = context.modalities().map(|modality| Part::TaskHead { modality });
    let phase = Phase {
        name: PHASE.into(),
        parts: blocks.chain(task_heads).chain([Part::Head]).collect(),
        stage: &context.plan.pretrain,
        samples: context.train.len(),
        reads: context.train.reads(),
    };
    // By modality, the samples that have it, and their deepest features.
    let deepest = |modality: usize, input: &Feature, train: bool| {
        let present = Present::of(input, train);
        let blocks = 0..context.exits(modality);
        let feature = (!present.is_empty()).then(|| {
            blocks
                .fold(present.input(input.clone()), |input, block| network.block(modality, block, &input, train))
                .tensor
        });
        (present, feature)
    };
    let whole = |features: &[(Present, Option<Tensor>)]| -> Vec<Tensor> {
        let each = features.iter().enumerate();
        each.map(|(m, (present, feature))| present.spread(feature.as_ref(), network.stand_in(m))).collect()
    };
    let partial = |features: &[Tensor], missing: &[Option<Tensor>]| -> Vec<Tensor> {
        let each = features.iter().zip(missing).enumerate();
        each.map(|(m, (feature, missing))| context.without(m, feature.shallow_clone(), missing.as_ref())).collect()
    };
    let step_loss = |step: &super::fit::Step| {
        let target = context.train.target(&step.rows);
        let inputs = context.all_augmented(&step.inputs);
        let features: Vec<_> =
            inputs.iter().enumerate().map(|(modality, input)| deepest(modality, input, true)).collect();
        let all = whole(&features);
        let mut sum = context.criterion.of(&network.fuse(&all, true), &target);
        if context.may_lack() {
            let features = partial(&all, &context.missing(&context.train, &step.rows));
            sum += context.criterion.of(&network.fuse(&features, true), &target) * DROPPED_WEIGHT;
        }
        for (modality, (present, feature)) in features.iter().enumerate() {
            let Some(feature) = feature else { continue };
            let loss = context.criterion.of(&network.task_head(modality, feature), &present.select(&target));
            sum += loss * UNIMODAL_WEIGHT;
        }
        Ok(sum)
    };
    // The same are dropped after every epoch, so that the scores can be compared.
    let dropped = context.may_lack().then(|| {
        tch::manual_seed(seed(run.seed, &format!("{PHASE}/validation"), 0));
        context.missing(&context.valid, &Tensor::arange(context.valid.len(), (Kind::Int64, Device::Cpu)))
    });
    let validate = || {
        context.judge(&context.valid, context.valid.reads(), phase.stage, |range, inputs, target| {
            let features: Vec<_> =
                inputs.iter().enumerate().map(|(modality, input)| deepest(modality, input, false)).collect();
            let all = whole(&features);
            let logits = network.fuse(&all, false);
            let mut said = vec![Said::new("", 1.0, logits, target)];
            if let Some(dropped) = &dropped {
                let here = |dropped: &Option<Tensor>| {
                    dropped.as_ref().map(|dropped| dropped.narrow(0, range.start, range.end - range.start))
                };
                let features = partial(&all, &dropped.iter().map(here).collect::<Vec<_>>());
                let logits = network.fuse(&features, false);
                said.push(Said::new("dropped", DROPPED_WEIGHT, logits, target));
            }
            for (modality, (present, feature)) in features.iter().enumerate() {
                let Some(feature) = feature else { continue };
                let (logits, target) = (network.task_head(modality, feature), present.select(target));
                said.push(Said::new(modalities[modality].name, UNIMODAL_WEIGHT, logits, &target));
            }
            Ok(said)
        })
    };
    fit(network, run, &phase, step_loss, validate)
}
