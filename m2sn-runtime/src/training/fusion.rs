//! The third stage: fusion and head learn to take the feature of any exit.
//!
//! The paper leaves open whether a head that was trained on the deepest features alone fits those of shortcuts.
//! Here it goes on learning from its pre-trained parameters, each sample by a route drawn at random.

use tch::{Device, Kind, Tensor};

use super::context::{Context, Said, choose};
use super::fit::{Phase, Step, fit, seed};
use super::run::Run;
use crate::Result;
use crate::network::{Network, Part};

/// The share of samples that take the full route; the others draw every modality's exit evenly.
///
/// Drawn evenly, the full route would come up once in `exits ^ modalities` samples, and late fusion would pay for the
/// other routes.
const FULL_SHARE: f64 = 0.25;

/// Trains fusion and head, stand-ins included, on cached exit features.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    let network = context.network;
    let phase = Phase {
        name: "fusion".into(),
        parts: vec![Part::Head],
        stage: &context.plan.fusion,
        samples: context.train.len(),
        reads: Vec::new(),
    };
    let chunk = phase.stage.batch;
    let train = context.route_features(&context.train, chunk, run.progress)?;
    let valid = context.route_features(&context.valid, chunk, run.progress)?;
    let step_loss = |step: &Step| {
        let samples = step.rows.size()[0];
        let full = Tensor::rand([samples], (Kind::Float, Device::Cpu)).lt(FULL_SHARE);
        let features: Vec<_> = context
            .random_routes(samples)
            .into_iter()
            .enumerate()
            .map(|(modality, places)| {
                let places = places.masked_fill(&full, context.deepest(modality)).to_device(context.device);
                let chosen = choose(&train[modality].rows(&step.rows).tensor, &places);
                let lacking = context.train.lacking(modality, &step.rows);
                context.renewed(modality, chosen, &places, lacking.as_ref())
            })
            .collect();
        Ok(context.criterion.of(&network.fuse(&features, true), &context.train.target(&step.rows)))
    };
    // The same routes after every epoch, so that the scores can be compared.
    tch::manual_seed(seed(run.seed, "fusion/validation", 0));
    let random = context.random_routes(context.valid.len());
    let validate = || {
        context.judge(&context.valid, Vec::new(), phase.stage, |range, _, target| {
            let samples = range.end - range.start;
            let along = |places: &dyn Fn(usize) -> Tensor| context.along(&context.valid, &valid, range.clone(), places);
            let full =
                along(&|modality| Tensor::full([samples], context.deepest(modality), (Kind::Int64, Device::Cpu)));
            let drawn = along(&|modality| random[modality].narrow(0, range.start, samples));
            let parts = [("full", FULL_SHARE, full), ("random", 1.0 - FULL_SHARE, drawn)];
            let say = |(part, share, features): (&str, f64, Vec<Tensor>)| {
                Said::new(part, share, network.fuse(&features, false), target)
            };
            Ok(parts.map(say).into())
        })
    };
    fit(network, run, &phase, step_loss, validate)
}
