//! A checkpoint and the spec are all that a program needs which only predicts.

use m2sn::batch::Feature;
use m2sn::checkpoint::{self, Attachments};
use m2sn::data::{Dataset, Splits};
use m2sn::network::{Input, Network};
use m2sn::predictor::Options;
use m2sn::prelude::*;
use m2sn::routing::{self, Prediction};
use m2sn::tch::{Kind, Tensor};

#[m2sn_model("tests/it/moods.yaml")]
pub(super) struct Moods;

/// Inputs as sensors give them: far from zero, some faces not seen, some gazes shorter.
fn inputs(samples: i64) -> m2sn::Result<moods::Input> {
    let float = (Kind::Float, m2sn::tch::Device::Cpu);
    let face = Tensor::randn([samples, 2, 12, 12], float) * 20.0 + Tensor::from_slice(&[100f32, 150.0]).view([2, 1, 1]);
    let face = face.clamp(0, 255).to_kind(Kind::Uint8);
    let seen = Tensor::arange(samples, (Kind::Int64, m2sn::tch::Device::Cpu)).remainder(4).ne(1);
    let gaze = Tensor::randn([samples, 6, 3], float) * 0.01 + 5.0;
    let lengths = Tensor::arange(samples, (Kind::Int64, m2sn::tch::Device::Cpu)).remainder(6) + 1;
    let pulse =
        Tensor::randn([samples, 2], float) * Tensor::from_slice(&[10f32, 0.25]) + Tensor::from_slice(&[70f32, 0.5]);
    Ok(moods::Input {
        face: Some(Batch::new(face)?.where_present(&seen)?),
        gaze: Batch::with_lengths(gaze, &lengths)?,
        pulse: Batch::new(pulse)?,
    })
}

#[test]
fn another_program_answers_alike() -> m2sn::Result<()> {
    m2sn::tch::manual_seed(8);
    let data = |samples| {
        let input = inputs(samples)?;
        let pulse = input.pulse.tensor().select(1, 0);
        let target = Tensor::stack(&[pulse.gt(75.0), pulse.lt(60.0), pulse.lt(68.0)], 1).to_kind(Kind::Float);
        Dataset::new(input, target, Moods::description().task)
    };
    let splits = Splits { train: data(96)?, valid: data(48)? };
    let mut trained = Moods::new(Device::Cpu)?;
    trained.train(&splits, &mut m2sn::training::Progress::silent())?;

    let variables = trained.variables().variables();
    let first = |name: &str| variables[name].double_value(&[0]);
    assert!((first("encoders.face.normalize.mean") * 255.0 - 100.0).abs() < 1.0);
    assert!((first("encoders.face.normalize.deviation") * 255.0 - 20.0).abs() < 1.0);
    assert!((first("encoders.gaze.normalize.mean") - 5.0).abs() < 0.01, "padding counts for nothing");
    assert_eq!(first("encoders.pulse.normalize.mean"), 70.0);
    for name in ["face.normalize.mean", "gaze.normalize.deviation", "pulse.normalize.deviation"] {
        assert_eq!(variables[&format!("encoders.{name}")], variables[&format!("navigator.embed.{name}")], "{name}");
    }

    let folder = tempfile::tempdir().expect("a folder");
    checkpoint::save_with(&trained, folder.path(), &Attachments::from([("units.txt".into(), b"bpm".to_vec())]))?;
    let mut loaded = Moods::seeded(Device::Cpu, 99)?;
    loaded.load(folder.path())?;
    assert_eq!(checkpoint::attachment(folder.path(), "units.txt")?, b"bpm");
    assert_eq!(checkpoint::manifest(folder.path())?.outputs, ["joy", "calm", "sad, or tired"]);

    let input = inputs(24)?;
    let expected = trained.predict(&input)?;
    let found = loaded.predict(&input)?;
    assert_eq!((&found.logits, &found.routes), (&expected.logits, &expected.routes));
    assert_eq!(found.labels()?, expected.labels()?);
    let called: Vec<String> = found.predictions()?.iter().map(Prediction::to_string).collect();
    assert!(
        called.iter().any(|text| text.contains("joy (") || text.contains("calm (") || text.contains("tired (")),
        "{called:?}"
    );

    // What is frozen reads inputs as they come, too, and what it lacks as the model does.
    let scores = loaded.navigate(&input.features(), false);
    let predictor = loaded.into_predictor(Options::default())?;
    let frozen = predictor.predict(&input)?;
    assert_eq!(frozen.routes, expected.routes, "{scores:?}");
    let off = (frozen.logits - &expected.logits).abs().max().double_value(&[]);
    assert!(off < 1e-4 * expected.logits.abs().max().double_value(&[]), "off by {off:e}");
    Ok(())
}

#[test]
fn what_lacks_a_modality_is_scored_as_if_it_were_the_mean() -> m2sn::Result<()> {
    let model = Moods::seeded(Device::Cpu, 1)?;
    let variables = model.variables().variables();
    let fill = |name: &str, value: f64| m2sn::tch::no_grad(|| drop(variables[name].shallow_clone().fill_(value)));
    for place in ["encoders", "navigator.embed"] {
        fill(&format!("{place}.face.normalize.mean"), 100.0 / 255.0);
        fill(&format!("{place}.face.normalize.deviation"), 20.0 / 255.0);
    }
    let input = inputs(4)?;
    let [face, gaze, pulse] = <[Feature; 3]>::try_from(input.features()).expect("three modalities");
    let all_mean = Feature::from(Tensor::full_like(&face.tensor, 100));
    let of_mean = model.navigate(&[all_mean, gaze.clone(), pulse.clone()], false);
    let lacking = model.navigate(&[face.clone(), gaze, pulse], false);
    let second = |scores: &[Tensor]| Tensor::cat(&scores.iter().map(|scores| scores.get(1)).collect::<Vec<_>>(), 0);
    assert!(second(&of_mean).allclose(&second(&lacking), 1e-6, 1e-6, false));

    let route = routing::full::<Moods>();
    let expected = model.predict_by(&input, route)?.logits;
    let logits = model.into_predictor(Options::default())?.predict_by(&input, route)?.logits;
    assert!(logits.allclose(&expected, 1e-4, 1e-4, false));
    Ok(())
}
