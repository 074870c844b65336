//! MultiBench's late-fusion models: each has as many parameters as in PyTorch, part by part, and trains in every stage.

use std::collections::BTreeMap;
use std::time::Duration;

use m2sn::latency;
use m2sn::network::{Input, Network, Part};
use m2sn::policy::Paper;
use m2sn::prelude::*;
use m2sn::routing;

use crate::networks::{fits, parameters};
use crate::policies::dataset;
use crate::predictors::answers_alike;

#[m2sn_model("specs/multibench/affect.yaml")]
struct Affect;

#[m2sn_model("specs/multibench/affect_transformer.yaml")]
struct AffectTransformer;

#[m2sn_model("specs/multibench/avmnist.yaml")]
struct AvMnist;

#[m2sn_model("specs/multibench/mmimdb.yaml")]
struct MmImdb;

#[m2sn_model("specs/multibench/sarcasm.yaml")]
struct Sarcasm;

#[test]
fn affect() -> m2sn::Result<()> {
    holds::<Affect>()
}

#[test]
fn affect_transformer() -> m2sn::Result<()> {
    holds::<AffectTransformer>()
}

#[test]
fn avmnist() -> m2sn::Result<()> {
    holds::<AvMnist>()
}

#[test]
fn mmimdb() -> m2sn::Result<()> {
    answers_alike::<MmImdb>()?;
    holds::<MmImdb>()
}

#[test]
fn sarcasm() -> m2sn::Result<()> {
    holds::<Sarcasm>()
}

fn holds<N: Network>() -> m2sn::Result<()> {
    fits::<N>()?;
    let model = N::seeded(Device::Cpu, 3)?;
    counts_as_pytorch(&model);
    trains(model)
}

/// Compares with what PyTorch counts: `tests/fixtures/multibench.py`.
fn counts_as_pytorch<N: Network>(model: &N) {
    let description = N::description();
    let models: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(include_str!("../fixtures/multibench.json")).expect("JSON");
    let mut found = BTreeMap::from([("head".to_owned(), parameters(model, Part::Head))]);
    for (m, modality) in description.modalities.iter().enumerate() {
        let block = |block| parameters(model, Part::Block { modality: m, block });
        found.insert(modality.name.to_owned(), (0..modality.exits.len()).map(block).sum());
    }
    assert_eq!(found, models[description.name]);
}

/// Trains every stage for one epoch of one step, from parameters that are drawn, and predicts by what it has come to.
pub(super) fn trains<N: Network>(mut model: N) -> m2sn::Result<()> {
    let data = Splits { train: dataset::<N>(4)?, valid: dataset::<N>(4)? };
    let mut plan = N::plan();
    // Whose files would be somebody's.
    plan.weights.clear();
    for stage in plan.stages_mut() {
        (stage.epochs, stage.batch) = (1, 4);
    }
    let moment =
        latency::Settings { batch: 1, warm_up: 0, least_rounds: 2, most_rounds: 2, limit: Duration::from_millis(1) };
    let table = latency::measure(&model, &data.train.input()?.features(), &moment)?;
    let trained = Trainer::new(plan).latency(table).train(&mut model, &data, &mut Progress::silent())?;
    let stages: Vec<_> = trained.stages.iter().map(|stage| stage.stage.to_string()).collect();
    assert_eq!(stages, ["pretrain", "shortcuts", "fusion", "navigator"]);
    let answer = routing::predict_with(&model, &data.valid.input()?, &Paper::of(&model)?)?;
    assert_eq!(answer.routes.len(), 4);
    Ok(())
}
