//! The stages on the hand-written network: what learns, what stays, and what a run folder is good for.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use tch::Tensor;

use super::*;
use crate::latency::{Estimate, Fingerprint, Modality};
use crate::routing;
use crate::tiny::{Tiny, TinyInput, samples};
use crate::{Device, Error};

type Variables = BTreeMap<String, Vec<f32>>;

fn variables(network: &Tiny) -> Variables {
    let values = |tensor: Tensor| Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap();
    network.variables().variables().into_iter().map(|(name, tensor)| (name, values(tensor))).collect()
}

/// The variables that differ, by the first two parts of their names.
fn changed(before: &Variables, after: &Variables) -> Vec<String> {
    let names = before.iter().filter(|(name, values)| after[*name] != **values);
    let mut parts: Vec<_> = names.map(|(name, _)| name.split('.').take(2).collect::<Vec<_>>().join(".")).collect();
    parts.dedup();
    parts
}

/// A millisecond for every block and a tenth for every shortcut.
fn table(network: &Tiny) -> Table {
    let estimate = |median: f64| Estimate { median, low: median, high: median };
    let modality = |name: &str| Modality {
        name: name.into(),
        exits: ["first", "second", "full"].map(String::from).into(),
        blocks: vec![estimate(1.0); 3],
        shortcuts: vec![estimate(0.1); 2],
    };
    Table {
        fingerprint: Fingerprint::of(network),
        batch: 1,
        rounds: 1,
        modalities: vec![modality("left"), modality("right")],
        head: estimate(0.1),
        navigator: estimate(0.1),
    }
}

fn network() -> Tiny {
    Tiny::seeded(Device::Cpu, 1).unwrap()
}

fn plan(method: Method) -> Plan {
    let mut plan = Tiny::plan();
    plan.shortcuts.method = method;
    plan
}

fn data() -> Splits<TinyInput> {
    samples(192, 64).unwrap()
}

#[test]
fn each_stage_teaches_its_parts_and_no_others() {
    for (method, shortcuts) in [
        (Method::Integral, ["encoders.left", "encoders.right", "shortcuts.left", "shortcuts.right"].as_slice()),
        (Method::Peripheral, &["shortcuts.left", "shortcuts.right"]),
    ] {
        let (mut network, splits, progress) = (network(), data(), &mut Progress::silent());
        let trainer = Trainer::new(plan(method)).latency(table(&network));
        let mut before = variables(&network);
        let mut stage = |expected: &[&str], report: Result<StageReport>, network: &Tiny| {
            let report = report.unwrap();
            let after = variables(network);
            assert_eq!(changed(&before, &after), expected, "{method:?}, {}", report.stage);
            before = after;
            for phase in &report.phases {
                let (first, last) = (&phase.epochs[0], phase.epochs.last().unwrap());
                assert!(last.loss < first.loss || report.stage != "pretrain", "{phase:?}");
                assert_eq!(phase.epochs.len(), 4);
            }
        };
        let pretrained =
            ["encoders.left", "encoders.right", "head.bias", "head.weight", "task_heads.left", "task_heads.right"];
        stage(&pretrained, trainer.pretrain(&mut network, &splits, progress), &network);
        stage(shortcuts, trainer.shortcuts(&mut network, &splits, progress), &network);
        stage(&["head.bias", "head.weight"], trainer.fusion(&mut network, &splits, progress), &network);
        stage(&["navigator.bias", "navigator.weight"], trainer.navigator(&mut network, &splits, progress), &network);
    }
}

#[test]
fn a_trained_network_reads_what_an_untrained_one_does_not() {
    let (mut network, splits) = (network(), data());
    let mut plan = plan(Method::Integral);
    for stage in [&mut plan.pretrain, &mut plan.shortcuts.stage, &mut plan.fusion] {
        stage.epochs = 20;
    }
    let accuracy = |network: &Tiny| {
        let answer = routing::predict(network, splits.valid.input()).unwrap();
        let right = answer.logits.argmax(1, false).eq_tensor(splits.valid.target());
        right.to_kind(tch::Kind::Float).mean(tch::Kind::Float).double_value(&[])
    };
    let before = accuracy(&network);
    Trainer::new(plan).latency(table(&network)).train(&mut network, &splits, &mut Progress::silent()).unwrap();
    // Chance is a third; in half of the samples one modality alone tells the class.
    assert!(accuracy(&network) > 0.8 && before < 0.6, "{before} before, {} after", accuracy(&network));
}

#[test]
fn latency_moves_the_navigator_to_cheap_exits() {
    alone("latency_moves_the_navigator_to_cheap_exits", latency_moves);
}

fn latency_moves() {
    let mut network = network();
    let splits = data();
    let mut share_of_first = |weight: f64| {
        let mut plan = plan(Method::Peripheral);
        plan.navigator.latency = Latency::Weight(weight);
        plan.navigator.stage.epochs = 30;
        let trainer = Trainer::new(plan).latency(table(&network));
        let report = trainer.train(&mut network, &splits, &mut Progress::silent()).unwrap();
        let epochs = &report.stage("navigator").unwrap().phases[0];
        assert_eq!(report.stage("navigator").unwrap().lambda, Some(weight));
        let metrics = &epochs.best().unwrap().metrics;
        (metrics["share/left/first"] + metrics["share/right/first"]) / 2.0
    };
    let (dear, free) = (share_of_first(100.0), share_of_first(0.0));
    assert!(dear > 0.95 && free < 0.5, "{dear} where a millisecond is dear, {free} where it is free");
}

#[test]
fn an_interrupted_run_ends_as_an_uninterrupted_one() {
    alone("an_interrupted_run_ends_as_an_uninterrupted_one", interrupted_runs);
}

fn interrupted_runs() {
    let splits = data();
    let whole = tempfile::tempdir().unwrap();
    let (expected, epochs) = run(whole.path(), &splits, None);
    let expected = expected.expect("nothing stops it");
    // Phases of every stage, first and last epochs among them.
    for stop in [1, 4, 7, epochs / 2, epochs - 5, epochs - 1] {
        let folder = tempfile::tempdir().unwrap();
        assert!(run(folder.path(), &splits, Some(stop)).0.is_none());
        // What a killed process may leave behind.
        fs::write(folder.path().join("current.safetensors.1.partial"), "half").unwrap();
        let (resumed, rest) = run(folder.path(), &splits, None);
        assert_eq!(rest, epochs - stop, "the epochs before stop {stop} are not run again");
        assert!(resumed.expect("nothing stops it") == expected, "stopped after {stop} of {epochs} epochs");
        let lines = |folder: &Path| fs::read_to_string(folder.join("metrics.jsonl")).unwrap().lines().count();
        assert_eq!(lines(folder.path()), lines(whole.path()));
    }
}

/// Trains in a folder, for so many epochs or to the end; returns the variables at the end, and the epochs run.
fn run(folder: &Path, splits: &Splits<TinyInput>, stop: Option<usize>) -> (Option<Variables>, usize) {
    // Every process draws other parameters; only the first one's may matter.
    let mut network = Tiny::seeded(Device::Cpu, if folder.join("plan.json").exists() { 99 } else { 1 }).unwrap();
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = count.clone();
    let mut progress = Progress::silent().observed(move |_: &Epoch| {
        counter.set(counter.get() + 1);
        if Some(counter.get()) == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let trainer = Trainer::new(plan(Method::Integral)).folder(folder).latency(table(&network));
    let variables = match trainer.train(&mut network, splits, &mut progress) {
        Ok(_) => Some(variables(&network)),
        Err(Error::Stopped { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    (variables, count.get())
}

#[test]
fn a_folder_changes_nothing() {
    alone("a_folder_changes_nothing", with_and_without_a_folder);
}

fn with_and_without_a_folder() {
    let splits = data();
    let folder = tempfile::tempdir().unwrap();
    let (with, _) = run(folder.path(), &splits, None);
    let mut network = network();
    let trainer = Trainer::new(plan(Method::Integral)).latency(table(&network));
    trainer.train(&mut network, &splits, &mut Progress::silent()).unwrap();
    assert!(with == Some(variables(&network)));
}

#[test]
fn the_folder_of_another_run_is_refused() {
    let splits = data();
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &splits, Some(1)).0.is_none());
    let mut other = plan(Method::Integral);
    other.seed += 1;
    let trainer = Trainer::new(other).folder(folder.path());
    let error = trainer.pretrain(&mut network(), &splits, &mut Progress::silent()).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&*folder.path().to_string_lossy(), "[folder]"));
}

#[test]
fn a_loss_that_is_not_finite_says_where() {
    let splits = data();
    let mut plan = plan(Method::Integral);
    plan.pretrain.optimizer = Optimizer::Sgd { lr: 1e30, momentum: 0.0, weight_decay: 0.0 };
    let trainer = Trainer::new(plan);
    let error = trainer.pretrain(&mut network(), &splits, &mut Progress::silent()).unwrap_err().to_string();
    assert!(error.starts_with("training, phase `pretrain`, epoch 1, "), "{error}");
    assert!(error.contains("a lower learning rate"), "{error}");
}

/// Runs the body of a test in a process of its own.
///
/// LibTorch has one generator a process, and tests beside this one would draw from it in between.
fn alone(test: &str, body: fn()) {
    const MARK: &str = "M2SN_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("training::tests::{test}"), "--exact", "--nocapture"])
        .env(MARK, "1")
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
