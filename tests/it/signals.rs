//! A network of images in bytes, video and sound: trained whole, with clips and sounds of different lengths.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use m2sn::batch::Feature;
use m2sn::data::{Dataset, Held, Source, Splits, Streaming};
use m2sn::latency;
use m2sn::network::{Input, Network};
use m2sn::plan::{Augment, Method, Plan, SpecAugment};
use m2sn::prelude::*;
use m2sn::shape::{Bytes, Video, Waveform};
use m2sn::tch::{Kind, Tensor};
use m2sn::training::Epoch;

use crate::networks::{Signals, random_of, signals};
use crate::steps::{Gestures, gestures};

/// Random samples, some of them padded.
fn padded(samples: i64) -> m2sn::Result<signals::Input> {
    let input = random_of::<Signals>(samples)?;
    let lengths = |most: i64| Tensor::arange(samples, (Kind::Int64, m2sn::tch::Device::Cpu)).remainder(most) + 1;
    let tensor = |feature: &Feature| feature.tensor.shallow_clone();
    let [_, clip, flow, sound] = <[Feature; 4]>::try_from(input.features()).expect("four modalities");
    Ok(signals::Input {
        photo: input.photo,
        clip: Batch::<Bytes<Video<4, 3, 12, 10>>>::with_lengths(tensor(&clip), &lengths(4))?,
        flow: Batch::<Video<4, 2, 12, 10>>::with_lengths(tensor(&flow), &lengths(4))?,
        sound: Batch::<Waveform<800, 8000>>::with_lengths(tensor(&sound), &(lengths(4) * 200))?,
    })
}

fn splits() -> m2sn::Result<Splits<signals::Input>> {
    let data = |samples: i64| {
        let target = Tensor::arange(samples, (Kind::Int64, m2sn::tch::Device::Cpu)).remainder(3);
        Dataset::new(padded(samples)?, target, Signals::description().task)
    };
    Ok(Splits { train: data(24)?, valid: data(9)? })
}

#[test]
fn all_stages_train_on_bytes_video_and_sound() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut model = Signals::seeded(Device::Cpu, 1)?;
    let buffers = |model: &Signals| -> Vec<Tensor> {
        let variables = model.variables().variables();
        ["mean", "deviation"].map(|name| variables[&format!("encoders.photo.normalize.{name}")].copy()).into()
    };
    let before = buffers(&model);
    let trainer = Trainer::new(Signals::plan()).folder(folder.path());
    trainer.train(&mut model, &splits()?, &mut Progress::silent())?;
    // No stage learns what is normalised by.
    assert_eq!(buffers(&model), before);
    let answer = model.predict(&padded(5)?)?;
    assert_eq!(answer.logits.size(), [5, 3]);
    assert!(bool::try_from(answer.logits.isfinite().all())?);
    Ok(())
}

/// What is drawn to change samples follows from seed, phase and epoch, so a run that was interrupted draws the same.
#[test]
fn a_resumed_run_changes_samples_as_an_uninterrupted_one() {
    alone("a_resumed_run_changes_samples_as_an_uninterrupted_one", || {
        let splits = splits().expect("data");
        let mut plan = Signals::plan();
        plan.pretrain.epochs = 3;
        let train = |plan: &Plan, folder: &std::path::Path, progress: &mut Progress| {
            let mut model = Signals::seeded(Device::Cpu, 1)?;
            Trainer::new(plan.clone()).folder(folder).pretrain(&mut model, &splits, progress)?;
            let variables = model.variables().variables();
            m2sn::Result::Ok(variables.into_iter().collect::<BTreeMap<String, Tensor>>())
        };
        let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
        let whole = train(&plan, folders[0].path(), &mut Progress::silent()).expect("a training");
        let stop = |epoch: &Epoch| if epoch.epoch == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let stopped = train(&plan, folders[1].path(), &mut Progress::silent().observed(stop));
        assert!(matches!(stopped, Err(m2sn::Error::Stopped { .. })), "{stopped:?}");
        let resumed = train(&plan, folders[1].path(), &mut Progress::silent()).expect("a training");
        assert!(whole == resumed);

        plan.augment.clear();
        let plain = train(&plan, folders[2].path(), &mut Progress::silent()).expect("a training");
        assert!(whole != plain);
    });
}

/// Nothing that is drawn depends on where samples lie, or on the threads that read them.
#[test]
fn streamed_samples_are_changed_as_those_in_memory() {
    alone("streamed_samples_are_changed_as_those_in_memory", || {
        let signals = splits().expect("data");
        for method in [Method::Integral, Method::Joint] {
            let mut plan = Signals::plan();
            plan.shortcuts.method = method;
            learned_alike::<Signals>(plan, &signals).expect("trainings");
        }
        let masks =
            Augment { flip: false, crop: None, spec_augment: Some(SpecAugment { time: 4, frequency: 2, masks: 2 }) };
        let augment = ["hand", "sound"].map(|name| (name.to_owned(), masks.clone()));
        let plan = Plan { augment: augment.into(), ..Gestures::plan() };
        learned_alike::<Gestures>(plan, &movements().expect("data")).expect("trainings");
    });
}

/// Trains by a plan that changes samples in memory, streamed by several numbers of threads, and without the changes.
fn learned_alike<N: Network>(plan: Plan, data: &Splits<N::Input>) -> m2sn::Result<()> {
    let features = data.train.input()?.features();
    let table = latency::measure(&N::seeded(Device::Cpu, 1)?, &features, &latency::Settings::default())?;
    let trained = |plan: &Plan, data: &Splits<N::Input>| -> m2sn::Result<BTreeMap<String, Tensor>> {
        let mut model = N::seeded(Device::Cpu, 1)?;
        let trainer = Trainer::new(plan.clone()).latency(table.clone());
        trainer.train(&mut model, data, &mut Progress::silent())?;
        let variables = model.variables().variables();
        Ok(variables.into_iter().collect())
    };
    let expected = trained(&plan, data)?;
    for workers in [1, 3] {
        let found = trained(&plan, &streamed::<N>(data, workers)?)?;
        let other: Vec<_> = expected.keys().filter(|name| found[*name] != expected[*name]).collect();
        assert!(other.is_empty(), "{workers} threads: {other:?}");
    }
    let plain = trained(&Plan { augment: BTreeMap::new(), ..plan.clone() }, data)?;
    for modality in plan.augment.keys() {
        let encoder = format!("encoders.{modality}.");
        let changed = expected.iter().any(|(name, value)| name.starts_with(&encoder) && plain[name] != *value);
        assert!(changed, "{modality} is learned from as it is");
    }
    Ok(())
}

/// The same samples, of which memory holds those of two steps, so that threads read ahead.
fn streamed<N: Network>(data: &Splits<N::Input>, workers: usize) -> m2sn::Result<Splits<N::Input>> {
    let of = |data: &Dataset<N::Input>| -> m2sn::Result<_> {
        let features = data.input()?.features();
        let bytes = |feature: &Feature| feature.tensor.numel() * feature.tensor.kind().elt_size_in_bytes();
        let sample = features.iter().map(bytes).sum::<usize>() as u64 / data.len() as u64;
        let source = |feature| -> Box<dyn Source> { Box::new(Held::new(feature)) };
        let sources = N::Input::MODALITIES.iter().copied().zip(features.into_iter().map(source)).collect();
        let data = Dataset::streamed(sources, data.target().shallow_clone(), N::description().task)?;
        Ok(data.streaming(Streaming { memory: 16 * sample, workers }))
    };
    Ok(Splits { train: of(&data.train)?, valid: of(&data.valid)? })
}

/// Random sequences, some of them padded.
fn movements() -> m2sn::Result<Splits<gestures::Input>> {
    let data = |samples: i64| {
        let gestures::Input { hand, sound } = random_of::<Gestures>(samples)?;
        let rows = Tensor::arange(samples, (Kind::Int64, m2sn::tch::Device::Cpu));
        let hand = Batch::with_lengths(hand.tensor().shallow_clone(), &(rows.remainder(24) + 1))?;
        Dataset::new(gestures::Input { hand, sound }, rows.remainder(4), Gestures::description().task)
    };
    Ok(Splits { train: data(24)?, valid: data(9)? })
}

/// Runs the body of a test in a process of its own, where no other test draws random numbers.
fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "M2SN_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args([&format!("signals::{test}"), "--exact", "--nocapture"])
        .envs([(ALONE, "1"), ("OMP_NUM_THREADS", "1")])
        .output()
        .expect("it runs");
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
}

#[test]
fn what_padding_holds_reaches_no_answer() -> m2sn::Result<()> {
    let model = Signals::seeded(Device::Cpu, 2)?;
    let input = padded(4)?;
    let mut features = input.features();
    let junk = |feature: &Feature| {
        let mask = feature.mask.as_ref().expect("a mask");
        let places = [mask.size(), vec![1; feature.tensor.dim() - 2]].concat();
        feature.tensor.where_self(&mask.view(&places[..]), &Tensor::from(77).to_kind(feature.tensor.kind()))
    };
    for feature in &mut features[1..] {
        feature.tensor = junk(feature);
    }
    let [_, clip, flow, sound] = <[Feature; 4]>::try_from(features).expect("four modalities");
    let mask = |feature: &Feature| feature.mask.as_ref().expect("a mask").shallow_clone();
    let other = signals::Input {
        photo: input.photo.clone(),
        clip: Batch::with_mask(clip.tensor.shallow_clone(), &mask(&clip))?,
        flow: Batch::with_mask(flow.tensor.shallow_clone(), &mask(&flow))?,
        sound: Batch::with_mask(sound.tensor.shallow_clone(), &mask(&sound))?,
    };
    let route = m2sn::routing::all::<Signals>().last().expect("a route");
    let [found, expected] = [&other, &input].map(|input| m2sn::routing::predict_by(&model, input, route));
    assert_eq!(found?.logits, expected?.logits);
    Ok(())
}
