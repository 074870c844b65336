//! A network of images in bytes, video and sound: trained whole, with clips and sounds of different lengths.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use m2sn::batch::Feature;
use m2sn::data::{Dataset, Splits};
use m2sn::network::{Input, Network};
use m2sn::plan::Plan;
use m2sn::prelude::*;
use m2sn::shape::{Bytes, Video, Waveform};
use m2sn::tch::{Kind, Tensor};
use m2sn::training::Epoch;

use crate::networks::{Signals, random_of, signals};

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
