//! Models that fuse in other ways than side by side: their parts fit, they learn, and frozen they answer alike.

use std::collections::BTreeMap;

use m2sn::network::Network;
use m2sn::predictor::{Options, Precision, Predictor};
use m2sn::prelude::*;
use m2sn::tch::Tensor;
use m2sn::{checkpoint, routing};

use crate::networks::{fits, random};
use crate::policies::dataset;
use crate::predictors::answers_alike;

#[m2sn_model("tests/it/fusions/sum.yaml")]
struct BySum;

#[m2sn_model("tests/it/fusions/mean.yaml")]
struct ByMean;

#[m2sn_model("tests/it/fusions/gates.yaml")]
struct ByGates;

#[m2sn_model("tests/it/fusions/tensor.yaml")]
struct ByTensor;

#[m2sn_model("tests/it/fusions/low_rank.yaml")]
struct ByLowRank;

#[m2sn_model("tests/it/fusions/attention.yaml")]
struct ByAttention;

#[m2sn_model("tests/it/fusions/film.yaml")]
struct ByFilm;

#[test]
fn parts_fit_and_cost_what_the_compiler_says() -> m2sn::Result<()> {
    fits::<BySum>()?;
    fits::<ByMean>()?;
    fits::<ByGates>()?;
    fits::<ByTensor>()?;
    fits::<ByLowRank>()?;
    fits::<ByAttention>()?;
    fits::<ByFilm>()
}

#[test]
fn a_predictor_answers_as_its_model_by_every_route() -> m2sn::Result<()> {
    answers_alike::<BySum>()?;
    answers_alike::<ByMean>()?;
    answers_alike::<ByGates>()?;
    answers_alike::<ByTensor>()?;
    answers_alike::<ByLowRank>()?;
    answers_alike::<ByAttention>()?;
    answers_alike::<ByFilm>()
}

#[test]
fn a_predictor_of_fewer_bits_answers_nearly_so() -> m2sn::Result<()> {
    answers_nearly::<BySum>()?;
    answers_nearly::<ByMean>()?;
    answers_nearly::<ByGates>()?;
    answers_nearly::<ByTensor>()?;
    answers_nearly::<ByLowRank>()?;
    answers_nearly::<ByAttention>()?;
    answers_nearly::<ByFilm>()
}

/// Compares the answers of late fusion.
fn answers_nearly<N: Network>() -> m2sn::Result<()> {
    let input = random::<N>()?;
    for precision in [Precision::Bf16, Precision::Mixed] {
        let model = N::seeded(Device::Cpu, 3)?;
        let expected = routing::predict_by(&model, &input, routing::full::<N>())?.logits;
        let predictor = Predictor::new(model, Options { precision, ..Default::default() })?;
        let found = predictor.predict_by(&input, routing::full::<N>())?.logits;
        let scale = expected.abs().max().double_value(&[]);
        let off = (found - expected).abs().max().double_value(&[]);
        assert!(off <= 0.05 * scale, "{} in {precision}: off by {off} of {scale}", N::description().name);
    }
    Ok(())
}

#[test]
fn a_fusion_learns_with_the_head_and_comes_back_with_the_checkpoint() -> m2sn::Result<()> {
    let data = Splits { train: dataset::<ByGates>(64)?, valid: dataset::<ByGates>(32)? };
    let mut model = ByGates::seeded(Device::Cpu, 3)?;
    let trainer = Trainer::new(ByGates::plan());
    let mut before = variables(&model);
    let mut changed = |model: &ByGates| {
        let now = variables(model);
        let changed: Vec<_> = now.keys().filter(|name| now[*name] != before[*name]).cloned().collect();
        before = now;
        changed
    };
    let all = ["fusion.gate.weight", "fusion.hidden.0.weight", "fusion.hidden.1.weight", "fusion.missing.left.feature"];
    trainer.pretrain(&mut model, &data, &mut Progress::silent())?;
    assert_eq!(changed(&model), all);
    trainer.shortcuts(&mut model, &data, &mut Progress::silent())?;
    assert!(changed(&model).is_empty());
    trainer.fusion(&mut model, &data, &mut Progress::silent())?;
    assert_eq!(changed(&model), all);
    trainer.navigator(&mut model, &data, &mut Progress::silent())?;
    assert!(changed(&model).is_empty());

    let folder = tempfile::tempdir().expect("a folder for temporary files");
    checkpoint::save(&model, folder.path())?;
    let mut again = ByGates::new(Device::Cpu)?;
    checkpoint::load(&mut again, folder.path())?;
    let input = &data.valid.input()?;
    let expected = model.predict(input)?;
    let answer = again.predict(input)?;
    assert_eq!((&answer.logits, &answer.routes), (&expected.logits, &expected.routes));

    // Some samples lack the modality, and the frozen model sends the others where the model does.
    let present = Tensor::from_slice(&[true, false].repeat(16));
    let left = input.left.clone().expect("random inputs lack nothing").where_present(&present)?;
    let lacking = by_gates::Input { left: Some(left), right: input.right.clone() };
    let route = by_gates::Route { left: Some(by_gates::LeftExit::Full), right: by_gates::RightExit::First };
    let expected = model.predict_by(&lacking, route)?;
    let predictor = Predictor::new(model, Options::default())?;
    let answer = predictor.predict_by(&lacking, route)?;
    assert_eq!(answer.routes, expected.routes);
    assert!(answer.logits.allclose(&expected.logits, 1e-5, 1e-6, false));
    Ok(())
}

/// What fusion learns, by name.
fn variables<N: Network>(model: &N) -> BTreeMap<String, Tensor> {
    let fusion = model.variables().variables().into_iter().filter(|(name, _)| name.starts_with("fusion."));
    fusion.map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

#[test]
fn the_head_of_a_model_with_a_fusion_reads_like_this() {
    let source = m2sn::m2sn_source!("tests/it/fusions/gates.yaml");
    let head = source.split("/// Fusion and head:").nth(1).and_then(|rest| rest.split("pub(super) fn fuse").next());
    insta::assert_snapshot!(head.expect("there is a head"));
    assert!(source.contains("\"fusion: Vector<20> -> Vector<10>, gated\","), "{source}");
    assert!(source.contains("Vec::from([nn::erase(&self.fusion), nn::erase(&self.layer)])"), "{source}");
}
