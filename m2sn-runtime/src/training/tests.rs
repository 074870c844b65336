//! The stages on a small network, and whole trainings interrupted and resumed.
//!
//! LibTorch has one random generator a process. A test that depends on what is drawn runs [`alone`].

mod streamed;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use tch::Tensor;
use tch::nn::VarStore;

use super::*;
use crate::batch::Feature;
use crate::checkpoint;
use crate::checkpoint::tensors::Tensors;
use crate::latency::{Estimate, Fingerprint};
use crate::network::{Chain, Description, Exit, Modality, Route as _};
use crate::nn::AnyLayer;
use crate::plan;
use crate::plan::{Latency, Method, Optimizer, Policy, Reads, Schedule};
use crate::policy::{Budget, Policies, Sequential, Value};
use crate::tiny::{Reading, Stemming, Tiny, TinyInput, TinyRoute, samples};
use crate::{Device, Error};

mod weights;

type Values = BTreeMap<String, Tensor>;

/// The network of a seed: the same each time, whatever other tests draw meanwhile.
fn network(seed: i64) -> Tiny {
    static DRAWN: Mutex<BTreeMap<i64, Values>> = Mutex::new(BTreeMap::new());
    tch::manual_seed(seed);
    let network = Tiny::new(Device::Cpu).unwrap();
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    checkpoint::assign(network.variables(), drawn.entry(seed).or_insert_with(|| values(&network))).unwrap();
    network
}

/// The same samples each time.
fn data() -> Splits<TinyInput> {
    static DRAWN: Mutex<Option<Splits<TinyInput>>> = Mutex::new(None);
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    let Splits { train, valid } = drawn.get_or_insert_with(|| samples(192, 64).unwrap());
    Splits { train: train.narrow(0, train.len()).unwrap(), valid: valid.narrow(0, valid.len()).unwrap() }
}

fn trainer(plan: Plan) -> Trainer {
    Trainer::new(plan).latency(table([&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]]))
}

/// A latency table with these milliseconds up to each exit, shortcuts for nothing.
fn table(exits: [&[f64]; 2]) -> Table {
    let estimate = |median: f64| Estimate { median, low: median, high: median, p99: median };
    let modality = |(name, exits): (&str, &[f64])| {
        let before = [0.0].iter().chain(exits);
        latency::Modality {
            name: name.into(),
            exits: ["first", "second", "full"].map(String::from)[3 - exits.len()..].into(),
            blocks: exits.iter().zip(before).map(|(exit, before)| estimate(exit - before)).collect(),
            shortcuts: vec![estimate(0.0); exits.len() - 1],
        }
    };
    let fingerprint = Fingerprint::of(&network(1));
    Table {
        fingerprint,
        batch: 1,
        modalities: [("left", exits[0]), ("right", exits[1])].map(modality).into(),
        ..Default::default()
    }
}

fn values(network: &impl Network) -> Values {
    network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// Runs the body of a test in a process of its own, where no other test draws random numbers.
fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "M2SN_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("training::tests::{test}"), "--exact", "--nocapture"])
        .envs([(ALONE, "1"), ("OMP_NUM_THREADS", "1")])
        .output()
        .unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
}

/// The names of the variables that differ, cut to two components.
fn changed(before: &Values, after: &Values) -> Vec<String> {
    let mut names: Vec<_> = before
        .iter()
        .filter(|(name, value)| after[*name] != **value)
        .map(|(name, _)| name.split('.').take(2).collect::<Vec<_>>().join("."))
        .collect();
    names.dedup();
    names
}

/// The losses of the first and the last epoch of a phase.
fn losses(phase: &PhaseReport) -> (f64, f64) {
    (phase.epochs.first().unwrap().loss, phase.epochs.last().unwrap().loss)
}

#[test]
fn every_stage_teaches_its_own_parts_and_leaves_the_others() {
    alone("every_stage_teaches_its_own_parts_and_leaves_the_others", || {
        for method in [Method::Integral, Method::Peripheral, Method::Joint] {
            let mut plan = Tiny::plan();
            plan.shortcuts.method = method;
            let (trainer, data, mut network) = (trainer(plan), data(), network(1));
            let mut progress = Progress::silent();

            let start = values(&network);
            let report = trainer.pretrain(&mut network, &data, &mut progress).unwrap();
            let pretrained = values(&network);
            let learnt = ["encoders.left", "encoders.right", "head.bias", "head.weight", "task_heads.left"];
            assert_eq!(changed(&start, &pretrained)[..5], learnt);
            assert_eq!(changed(&start, &pretrained)[5..], ["task_heads.right"]);
            let (first, last) = losses(&report.phases[0]);
            assert!(last < 0.7 * first, "{first} to {last}");

            let report = trainer.shortcuts(&mut network, &data, &mut progress).unwrap();
            let shortcut = values(&network);
            match method {
                Method::Integral => {
                    let learnt = ["encoders.left", "encoders.right", "shortcuts.left", "shortcuts.right"];
                    assert_eq!(changed(&pretrained, &shortcut), learnt);
                    let names: Vec<_> = report.phases.iter().map(|phase| phase.phase.as_str()).collect();
                    assert_eq!(names[..3], ["shortcuts/left/first", "shortcuts/left/second", "shortcuts/left/full"]);
                    assert_eq!(names[3..], ["shortcuts/right/first", "shortcuts/right/second", "shortcuts/right/full"]);
                }
                Method::Peripheral => {
                    assert_eq!(changed(&pretrained, &shortcut), ["shortcuts.left", "shortcuts.right"]);
                    let names: Vec<_> = report.phases.iter().map(|phase| phase.phase.as_str()).collect();
                    assert_eq!(names, ["shortcuts/left", "shortcuts/right"]);
                }
                Method::Joint => {
                    let frozen = ["navigator.bias", "navigator.weight"];
                    let learnt = changed(&pretrained, &shortcut);
                    assert!(
                        learnt.len() == 8 && frozen.iter().all(|part| !learnt.contains(&(*part).into())),
                        "{learnt:?}"
                    );
                    assert_eq!(report.phases.len(), 1);
                }
            }
            for phase in report.phases.iter().filter(|phase| !phase.phase.ends_with("full")) {
                let (first, last) = losses(phase);
                assert!(last < first, "{}: {first} to {last}", phase.phase);
            }

            let report = trainer.fusion(&mut network, &data, &mut progress).unwrap();
            let fused = values(&network);
            assert_eq!(changed(&shortcut, &fused), ["head.bias", "head.weight"]);
            let (first, last) = losses(&report.phases[0]);
            assert!(last < first, "{first} to {last}");

            let report = trainer.navigator(&mut network, &data, &mut progress).unwrap();
            assert_eq!(changed(&fused, &values(&network)), ["navigator.bias", "navigator.weight"]);
            let scores: Vec<_> = report.phases[0].epochs.iter().map(|epoch| epoch.score).collect();
            assert!(scores.iter().fold(f64::MAX, |best, score| best.min(*score)) < scores[0], "{scores:?}");
        }
    });
}

#[test]
fn a_navigator_that_reads_what_the_first_blocks_leave_learns_that_alone() {
    alone("a_navigator_that_reads_what_the_first_blocks_leave_learns_that_alone", || {
        learns_that_alone::<Stemming>("policies.paper.stem.");
        learns_that_alone::<Reading>("policies.paper.posterior.");
    });
}

fn learns_that_alone<N: Network<Input = TinyInput>>(place: &str) {
    let (data, mut network) = (data(), N::seeded(Device::Cpu, 1).unwrap());
    let trainer = trainer(N::plan());
    let mut progress = Progress::silent();
    trainer.pretrain(&mut network, &data, &mut progress).unwrap();
    trainer.shortcuts(&mut network, &data, &mut progress).unwrap();
    trainer.fusion(&mut network, &data, &mut progress).unwrap();
    let fused = values(&network);
    let report = trainer.navigator(&mut network, &data, &mut progress).unwrap();
    let learned = values(&network);
    for (name, value) in &learned {
        assert_eq!(*value == fused[name], !name.starts_with(place), "{name}");
    }
    let best = report.phases[0].best().unwrap();
    assert!(best.score < report.phases[0].epochs[0].score, "{:?}", report.phases[0].epochs);

    // What it was selected by is what it then does.
    let answer = crate::routing::predict(&network, &data.valid.input().unwrap()).unwrap();
    let loss = crate::tiny::loss(&answer.logits, data.valid.target());
    assert!((best.metrics["loss"] - loss).abs() < 1e-4, "{} for {loss}", best.metrics["loss"]);
}

#[test]
fn what_reads_the_first_blocks_is_drawn_after_all_else() {
    alone("what_reads_the_first_blocks_is_drawn_after_all_else", || {
        tch::manual_seed(5);
        let all = VarStore::new(tch::Device::Cpu);
        let _policies = Policies::new(&all.root(), Tiny::description());
        tch::manual_seed(5);
        let others = VarStore::new(tch::Device::Cpu);
        let path = others.root() / "policies";
        let states = 9;
        let _value = Value::new(&(&path / "value"), Tiny::description(), states);
        let _sequential = Sequential::new(&(&path / "sequential"), Tiny::description(), states);
        let all = all.variables();
        for (name, value) in others.variables() {
            assert_eq!(all[&name], value, "{name}");
        }
        // What the confidence policy chooses is not drawn.
        let is_new = |name: &&String| ["policies.paper.", "policies.confidence."].iter().any(|p| name.starts_with(p));
        let names = all.keys().filter(is_new);
        assert_eq!(names.count(), all.len() - others.variables().len());
    });
}

#[test]
fn the_joint_loss_is_that_of_late_fusion_of_a_random_route_and_of_every_exit() {
    alone("the_joint_loss_is_that_of_late_fusion_of_a_random_route_and_of_every_exit", || {
        let mut plan = Tiny::plan();
        plan.shortcuts.method = Method::Joint;
        // One step over all samples, whose loss is that of the parameters before it.
        (plan.shortcuts.stage.epochs, plan.shortcuts.stage.batch) = (1, 192);
        let seed = plan.seed;
        let (trainer, data, mut network) = (trainer(plan), data(), network(1));
        let before = again(&values(&network));
        let report = trainer.shortcuts(&mut network, &data, &mut Progress::silent()).unwrap();

        // The draws of the step: the order of the samples, an exit of each modality, and dropout.
        tch::manual_seed(fit::seed(seed, "shortcuts/joint", 0));
        let order = Tensor::randperm(192, (tch::Kind::Int64, tch::Device::Cpu));
        let drawn = [0, 1].map(|_| Tensor::randint(3, [192], (tch::Kind::Int64, tch::Device::Cpu)));
        let inputs = data.train.input().unwrap().features();
        let target = data.train.target().index_select(0, &order);
        let features = [0, 1].map(|modality| {
            let input = Feature::from(inputs[modality].tensor.index_select(0, &order));
            // In this order, which the masks of dropout follow.
            let first = before.block(modality, 0, &input, true);
            let second = before.block(modality, 1, &first, true);
            let full = before.block(modality, 2, &second, true);
            [before.shortcut(modality, 0, &first, true), before.shortcut(modality, 1, &second, true), full.tensor]
        });
        let cross_entropy = |logits: Tensor| logits.cross_entropy_for_logits(&target).double_value(&[]);
        let fused = |exits: [&Tensor; 2]| {
            let features: Vec<Tensor> = (0..2)
                .map(|modality| {
                    let rows: Vec<_> = (0..192)
                        .map(|row| features[modality][exits[modality].int64_value(&[row]) as usize].get(row))
                        .collect();
                    Tensor::stack(&rows, 0)
                })
                .collect();
            cross_entropy(before.fuse(&features, true))
        };
        let full = Tensor::full([192], 2, (tch::Kind::Int64, tch::Device::Cpu));
        let mut expected = fused([&full, &full]) + 0.5 * fused([&drawn[0], &drawn[1]]);
        for (modality, features) in features.iter().enumerate() {
            for (feature, weight) in features.iter().zip([0.25 / 3.0, 0.5 / 3.0, 0.25]) {
                expected += weight * cross_entropy(before.task_head(modality, feature));
            }
        }
        let found = report.phases[0].epochs[0].loss;
        assert!((found - expected).abs() < 1e-5 * expected, "{found}, expected {expected}");
    });
}

#[test]
fn integral_blocks_are_frozen_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (data, mut network) = (data(), network(1));
    let trainer = trainer(Tiny::plan()).folder(folder.path());
    let stop = |epoch: &Epoch| match epoch.phase.as_str() {
        "shortcuts/left/second" => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    trainer.pretrain(&mut network, &data, &mut Progress::silent()).unwrap();
    let pretrained = values(&network);
    let error = trainer.shortcuts(&mut network, &data, &mut Progress::silent().observed(stop)).unwrap_err();
    assert_eq!(error.to_string(), "training was stopped after epoch 1 of `shortcuts/left/second`");
    let stopped = values(&network);
    trainer.shortcuts(&mut network, &data, &mut Progress::silent()).unwrap();
    let done = values(&network);
    for (name, was_frozen) in [("layer0", true), ("layer1", false), ("layer2", false)] {
        let name = format!("encoders.left.{name}.weight");
        assert_ne!(pretrained[&name], done[&name], "{name} learns from the pre-trained values on");
        assert_eq!(stopped[&name] == done[&name], was_frozen, "{name}");
    }
    assert_eq!(stopped["encoders.right.layer0.weight"], pretrained["encoders.right.layer0.weight"]);
}

#[test]
fn the_best_epoch_is_kept_and_patience_ends_a_phase() {
    alone("the_best_epoch_is_kept_and_patience_ends_a_phase", || {
        let mut plan = Tiny::plan();
        plan.pretrain.epochs = 30;
        plan.pretrain.patience = Some(2);
        // So high a rate spoils the network before long.
        plan.pretrain.optimizer = Optimizer::Sgd { lr: 1.0, momentum: 0.9, weight_decay: 0.0 };
        plan.pretrain.schedule = Schedule::Constant;
        let (data, mut network) = (data(), network(1));
        let folder = tempfile::tempdir().unwrap();
        let best = Rc::new(Cell::new(f64::MAX));
        let seen = Rc::clone(&best);
        let path = folder.path().to_path_buf();
        let mut progress = Progress::silent().observed(move |epoch: &Epoch| {
            assert_eq!(epoch.best, epoch.score < seen.get());
            if epoch.best {
                seen.set(epoch.score);
                std::fs::copy(path.join("current.safetensors"), path.join("best")).unwrap();
            }
            ControlFlow::Continue(())
        });
        let report = trainer(plan).folder(folder.path()).pretrain(&mut network, &data, &mut progress).unwrap();
        let phase = &report.phases[0];
        assert_eq!(phase.best().unwrap().score, best.get());
        assert!(phase.epochs.len() < 30);
        assert_eq!(phase.best().unwrap().epoch + 2, phase.epochs.len());
        let kept = Tensors::read(&folder.path().join("best")).unwrap().tensors;
        for (name, value) in values(&network) {
            assert_eq!(kept[&format!("model/{name}")], value, "{name}");
        }
    });
}

#[test]
fn a_trained_network_reads_what_an_untrained_one_does_not() {
    alone("a_trained_network_reads_what_an_untrained_one_does_not", || {
        let (mut network, data) = (network(1), data());
        let mut plan = Tiny::plan();
        for stage in [&mut plan.pretrain, &mut plan.shortcuts.stage, &mut plan.fusion] {
            stage.epochs = 20;
        }
        let accuracy = |network: &Tiny| {
            let logits = crate::routing::predict(network, &data.valid.input().unwrap()).unwrap().logits;
            let right = logits.argmax(1, false).eq_tensor(data.valid.target());
            right.to_kind(tch::Kind::Float).mean(tch::Kind::Float).double_value(&[])
        };
        let before = accuracy(&network);
        trainer(plan).train(&mut network, &data, &mut Progress::silent()).unwrap();
        // Chance is a third; in half of the samples one modality alone tells the class.
        let after = accuracy(&network);
        assert!(after > 0.8 && before < 0.6, "{before} before, {after} after");
    });
}

#[test]
fn joint_training_can_begin_with_drawn_parameters() {
    alone("joint_training_can_begin_with_drawn_parameters", || {
        let mut plan = Tiny::plan();
        plan.shortcuts.method = Method::Joint;
        for stage in [&mut plan.shortcuts.stage, &mut plan.fusion, &mut plan.navigator.stage] {
            stage.epochs = 20;
        }
        plan.pretrain.epochs = 0;
        let folder = tempfile::tempdir().unwrap();
        let (data, silent, mut network_here) = (data(), &mut Progress::silent(), network(1));
        let trainer = trainer(plan.clone()).folder(folder.path());

        let start = values(&network_here);
        let report = trainer.pretrain(&mut network_here, &data, silent).unwrap();
        assert_eq!((values(&network_here), report.phases.len()), (start, 0), "nothing has learned yet");
        // The stage is one that is done all the same: it says with which parameters the run began.
        let error = refusal(folder.path(), trainer.shortcuts(&mut network(2), &data, silent));
        assert!(error.contains("load `folder/pretrain` before stage `shortcuts`"), "{error}");
        checkpoint::load(&mut network(2), folder.path().join("pretrain")).unwrap();

        let stop = |epoch: &Epoch| if epoch.epoch == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        trainer.train(&mut network_here, &data, &mut Progress::silent().observed(stop)).unwrap_err();
        let mut resumed = network(1);
        let report = trainer.train(&mut resumed, &data, silent).unwrap();
        let phases: Vec<_> = report.stages.iter().flat_map(|stage| &stage.phases).collect();
        let names: Vec<_> = phases.iter().map(|phase| phase.phase.as_str()).collect();
        assert_eq!(names, ["shortcuts/joint", "fusion", "navigator"]);
        let (first, last) = losses(phases[0]);
        assert!(last < 0.7 * first, "{first} to {last}");
        let logits = crate::routing::predict(&resumed, &data.valid.input().unwrap()).unwrap().logits;
        let right = logits.argmax(1, false).eq_tensor(data.valid.target()).to_kind(tch::Kind::Float);
        let accuracy = right.mean(tch::Kind::Float).double_value(&[]);
        // Chance is a third.
        assert!(accuracy > 0.8, "{accuracy}");

        // The other methods take what pre-training has left as it is, so there has to be some.
        for method in [Method::Integral, Method::Peripheral] {
            plan.shortcuts.method = method;
            let error = Trainer::new(plan.clone()).train(&mut network(1), &data, silent).unwrap_err().to_string();
            let expected = "plan, `training.pretrain.epochs`: expected at least 1 where the shortcuts' method is not \
                            `joint`, found 0";
            assert!(error.ends_with(expected), "{error}");
        }
    });
}

/// What the navigator's best epoch measured.
fn navigate(latency: Latency) -> (Epoch, Option<f64>) {
    thread_local! {
        static PREPARED: tempfile::TempDir = {
            let folder = tempfile::tempdir().unwrap();
            let (trainer, data, mut network) = (trainer(Tiny::plan()), data(), network(1));
            trainer.pretrain(&mut network, &data, &mut Progress::silent()).unwrap();
            trainer.shortcuts(&mut network, &data, &mut Progress::silent()).unwrap();
            trainer.fusion(&mut network, &data, &mut Progress::silent()).unwrap();
            checkpoint::save(&network, folder.path()).unwrap();
            folder
        };
    }
    let mut plan = Tiny::plan();
    plan.navigator.latency = latency;
    plan.navigator.stage.epochs = 25;
    plan.navigator.stage.optimizer = Optimizer::AdamW { lr: 0.05, weight_decay: 0.0 };
    let mut network = network(2);
    PREPARED.with(|folder| checkpoint::load(&mut network, folder.path())).unwrap();
    let report = trainer(plan).navigator(&mut network, &data(), &mut Progress::silent()).unwrap();
    (report.phases[0].best().unwrap().clone(), report.lambda)
}

#[test]
fn a_large_weight_makes_the_navigator_take_the_cheapest_exits() {
    alone("a_large_weight_makes_the_navigator_take_the_cheapest_exits", || {
        let (dear, lambda) = navigate(Latency::Weight(100.0));
        assert_eq!(lambda, Some(100.0));
        assert!(dear.metrics["share/right/first"] > 0.95, "{:?}", dear.metrics);
        let cheapest = 3.0;
        assert!((dear.metrics["latency"] - cheapest).abs() < 0.1, "{:?}", dear.metrics);
        let (free, _) = navigate(Latency::Weight(0.0));
        assert!(free.metrics["latency"] > cheapest + 0.5, "{:?}", free.metrics);
        assert!((free.score - free.metrics["loss"]).abs() < 1e-9);
    });
}

#[test]
fn a_ratio_is_calibrated_in_proportion() {
    alone("a_ratio_is_calibrated_in_proportion", || {
        let (_, small) = navigate(Latency::Ratio(0.1));
        let (_, large) = navigate(Latency::Ratio(0.4));
        assert!((large.unwrap() / small.unwrap() - 4.0).abs() < 1e-9);
        // Late fusion takes 3 + 6 ms, and the task loss lies between none and that of a guess among three classes.
        assert!(small.unwrap() > 0.0 && small.unwrap() < 0.1 * 3f64.ln() / 9.0, "{small:?}");
    });
}

/// Trains in `folder`, interrupted after every `every` epochs and gone on with by a network made anew each time.
fn interrupted(trainer: &Trainer, data: &Splits<TinyInput>, every: usize, spoil: impl Fn()) -> (Values, Report) {
    loop {
        let mut network = network(1);
        let mut epochs = 0;
        let mut progress = Progress::silent().observed(move |_: &Epoch| {
            epochs += 1;
            if epochs == every { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match trainer.train(&mut network, data, &mut progress) {
            Ok(report) => return (values(&network), report),
            Err(Error::Stopped { .. }) => spoil(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A network with these values.
fn again(values: &Values) -> Tiny {
    let network = network(5);
    checkpoint::assign(network.variables(), values).unwrap();
    network
}

fn without_seconds(mut report: Report) -> Report {
    for stage in &mut report.stages {
        stage.seconds = 0.0;
        stage.phases.iter_mut().flat_map(|phase| &mut phase.epochs).for_each(|epoch| epoch.seconds = 0.0);
    }
    report
}

#[test]
fn an_interrupted_training_ends_as_an_uninterrupted_one() {
    alone("an_interrupted_training_ends_as_an_uninterrupted_one", || {
        for (method, pretrain, patience, every, policy, reads) in [
            (Method::Integral, 3, None, 1, Policy::Paper, Reads::Inputs),
            (Method::Integral, 3, Some(1), 3, Policy::Paper, Reads::Inputs),
            (Method::Peripheral, 3, Some(1), 2, Policy::Paper, Reads::Posterior),
            (Method::Joint, 3, Some(1), 2, Policy::Paper, Reads::Stem),
            (Method::Peripheral, 3, None, 2, Policy::Value, Reads::Inputs),
            (Method::Joint, 3, None, 2, Policy::Sequential, Reads::Inputs),
            (Method::Joint, 3, None, 2, Policy::Confidence, Reads::Inputs),
            (Method::Joint, 0, None, 1, Policy::Paper, Reads::Inputs),
        ] {
            let mut plan = Tiny::plan();
            (plan.navigator.policy, plan.navigator.from) = (policy, reads);
            plan.navigator.soften = patience.is_some();
            plan.shortcuts.method = method;
            plan.shortcuts.stage.patience = patience;
            for stage in plan.stages_mut() {
                stage.epochs = 3;
            }
            plan.pretrain.epochs = pretrain;
            let data = data();
            let mut straight = network(1);
            let report = trainer(plan.clone()).train(&mut straight, &data, &mut Progress::silent()).unwrap();

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let resumed = trainer(plan).folder(path);
            // What a program that is killed while it writes leaves behind.
            let spoil = || {
                std::fs::write(path.join("current.safetensors.partial"), "half").unwrap();
                std::fs::write(path.join("metrics.jsonl"), "{\"phase\":\"pre").unwrap();
                for stage in STAGES.iter().map(|stage| path.join(stage)).filter(|stage| !stage.exists()) {
                    std::fs::create_dir_all(&stage).unwrap();
                    std::fs::write(stage.join("report.json"), "{").unwrap();
                    std::fs::write(stage.join("model.safetensors.partial"), "half").unwrap();
                }
            };
            let (found, found_report) = interrupted(&resumed, &data, every, spoil);
            assert_eq!(found, values(&straight), "{method:?} after {pretrain}, stopped after every {every} epochs");
            assert_eq!(without_seconds(found_report.clone()), without_seconds(report));

            let lines = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
            let epochs: Vec<Epoch> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let expected = found_report.stages.iter().flat_map(|stage| &stage.phases).flat_map(|phase| &phase.epochs);
            assert_eq!(epochs, expected.cloned().collect::<Vec<_>>());

            // A run that is done is only read, also by the network that it has made.
            resumed.train(&mut again(&values(&straight)), &data, &mut Progress::silent()).unwrap();
            let mut again = network(1);
            let report = resumed.train(&mut again, &data, &mut Progress::silent()).unwrap();
            assert_eq!((values(&again), report), (found, found_report));
        }
    });
}

#[test]
fn caches_on_disk_change_nothing() {
    alone("caches_on_disk_change_nothing", || {
        let data = data();
        let [memory, disk] = [u64::MAX, 0].map(|bytes| {
            let mut network = network(1);
            let folder = tempfile::tempdir().unwrap();
            let trainer = trainer(Tiny::plan()).memory(bytes).folder(folder.path());
            trainer.train(&mut network, &data, &mut Progress::silent()).unwrap();
            let names = std::fs::read_dir(folder.path()).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert!(!names.iter().any(|name| name.contains("cache") || name.contains("current")), "{names:?}");
            values(&network)
        });
        assert_eq!(memory, disk);
    });
}

#[test]
fn the_folder_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { seed: 7, ..Tiny::plan() };
    let short = |mut plan: Plan| {
        plan.pretrain.epochs = 1;
        trainer(plan).folder(folder.path())
    };
    let pretrain = |trainer: &Trainer, data: &Splits<TinyInput>| {
        trainer.pretrain(&mut network(1), data, &mut Progress::silent()).map(|_| ())
    };
    pretrain(&short(plan.clone()), &data()).unwrap();
    pretrain(&short(plan.clone()), &data()).unwrap();
    let mut other = plan.clone();
    other.seed = 8;
    other.navigator.latency = Latency::Weight(0.5);
    let errors = [pretrain(&short(other), &data()), pretrain(&short(plan.clone()), &samples(100, 64).unwrap()), {
        std::fs::write(folder.path().join("spec.yaml"), "model: Huge\n").unwrap();
        pretrain(&short(plan), &data())
    }];
    let texts: Vec<_> = errors.into_iter().map(|error| error.unwrap_err().to_string()).collect();
    let texts = texts.join("\n").replace(&folder.path().display().to_string(), "folder");
    let hide = |word: &str| if word.len() > 64 { "[sha256]".to_owned() } else { word.to_owned() };
    insta::assert_snapshot!(texts.split(' ').map(hide).collect::<Vec<_>>().join(" "));
}

#[test]
fn a_loss_that_is_not_finite_stops_the_training() {
    let mut plan = Tiny::plan();
    plan.pretrain.optimizer = Optimizer::Sgd { lr: 1e30, momentum: 0.0, weight_decay: 0.0 };
    plan.pretrain.schedule = Schedule::Constant;
    let error = trainer(plan).pretrain(&mut network(1), &data(), &mut Progress::silent()).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_navigator_whose_scores_are_not_finite_stops_the_training() {
    let mut plan = Tiny::plan();
    // One step, whose loss is finite; what it makes of the navigator shows in the validation alone.
    plan.navigator.stage.epochs = 1;
    plan.navigator.stage.batch = 192;
    plan.navigator.stage.schedule = Schedule::Constant;
    plan.navigator.stage.optimizer = Optimizer::Sgd { lr: 1e39, momentum: 0.0, weight_decay: 0.0 };
    let error = trainer(plan).navigator(&mut network(1), &data(), &mut Progress::silent()).unwrap_err().to_string();
    assert!(error.starts_with("navigator: row 0 has the score "), "{error}");
}

#[test]
fn latencies_must_fit_the_network() {
    let train =
        |trainer: Trainer| trainer.train(&mut network(1), &data(), &mut Progress::silent()).unwrap_err().to_string();
    let plan = Tiny::plan();
    let texts = [
        train(Trainer::new(plan.clone()).latency(table([&[1.0, 2.0], &[1.0, 2.0, 3.0]]))),
        train(Trainer::new(plan).latency(table([&[1.0, f64::NAN, 3.0], &[1.0, 2.0, 3.0]]))),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_run_keeps_the_latencies_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let read = |folder: &Path| std::fs::read_to_string(folder.join("latency.json")).unwrap();
    let trainer = trainer(Tiny::plan()).folder(folder.path());
    let stop = |_: &Epoch| ControlFlow::Break(());
    let _ = trainer.navigator(&mut network(1), &data(), &mut Progress::silent().observed(stop)).unwrap_err();
    let before = read(folder.path());
    let slower = trainer.latency(table([&[5.0, 6.0, 7.0], &[5.0, 6.0, 7.0]]));
    slower.navigator(&mut network(1), &data(), &mut Progress::silent()).unwrap();
    assert_eq!(read(folder.path()), before);
}

/// Keeps the messages of all warnings.
#[derive(Debug, Default, Clone)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{value:?}");
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_table_by_which_an_exit_does_not_pay_is_warned_of() {
    // Another thread could be the first to come to the warning, and find that nobody listens.
    alone("a_table_by_which_an_exit_does_not_pay_is_warned_of", || {
        let mut table = table([&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]]);
        table.modalities[1].shortcuts[0] = Estimate { median: 5.0, low: 5.0, high: 5.0, p99: 5.0 };
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            let trainer = Trainer::new(short()).latency(table);
            trainer.pretrain(&mut network(1), &data(), &mut Progress::silent()).unwrap();
            assert_eq!(*warnings.0.lock().unwrap(), [""; 0]);
            trainer.navigator(&mut network(1), &data(), &mut Progress::silent()).unwrap();
        });
        let warnings = warnings.0.lock().unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("right: leaving at first takes 7.000 ms, no less than"), "{warnings:?}");
    });
}

/// [`Tiny`], with its last blocks replaced by one that has nothing to learn.
#[derive(Debug)]
struct Pooled(Tiny);

impl Network for Pooled {
    type Input = TinyInput;
    type Route = TinyRoute;

    fn new(device: Device) -> Result<Self> {
        Tiny::new(device).map(Self)
    }

    fn description() -> &'static Description {
        let of = |modality: &Modality| {
            let mut exits = modality.exits.to_vec();
            exits[2] = Exit { layers: &["pool"], ..exits[2] };
            Modality { exits: Vec::leak(exits), ..*modality }
        };
        let description = Tiny::description();
        let modalities = Vec::leak(description.modalities.iter().map(of).collect());
        Box::leak(Box::new(Description { modalities, ..*description }))
    }

    fn plan() -> Plan {
        Tiny::plan()
    }

    fn variables(&self) -> &VarStore {
        self.0.variables()
    }

    fn policies(&self) -> &Policies {
        self.0.policies()
    }

    fn policies_mut(&mut self) -> &mut Policies {
        self.0.policies_mut()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature, train: bool) -> Feature {
        match block {
            2 => input.tensor.narrow(1, 0, 8).into(),
            _ => self.0.block(modality, block, input, train),
        }
    }

    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
        self.0.layers(chain)
    }

    fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
        self.0.fuse(features, train)
    }

    fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<Tensor> {
        self.0.navigate(inputs, train)
    }
}

#[test]
fn a_block_without_parameters_is_answered_for_by_the_one_before() {
    tch::manual_seed(1);
    let mut network = Pooled::new(Device::Cpu).unwrap();
    let trainer = trainer(Tiny::plan());
    trainer.pretrain(&mut network, &data(), &mut Progress::silent()).unwrap();
    let report = trainer.shortcuts(&mut network, &data(), &mut Progress::silent()).unwrap();
    let phases: Vec<_> = report.phases.iter().map(|phase| phase.phase.as_str()).collect();
    let expected = ["shortcuts/left/first", "shortcuts/left/second", "shortcuts/right/first", "shortcuts/right/second"];
    assert_eq!(phases, expected);
    let metrics: Vec<_> = report.phases[1].epochs[0].metrics.keys().map(String::as_str).collect();
    assert_eq!(metrics, ["accuracy/full", "accuracy/second", "loss/full", "loss/second"]);
}

fn refusal(folder: &Path, result: Result<StageReport>) -> String {
    result.unwrap_err().to_string().replace(&folder.display().to_string(), "folder")
}

/// Two epochs a stage.
fn short() -> Plan {
    let mut plan = Tiny::plan();
    for stage in plan.stages_mut() {
        stage.epochs = 2;
    }
    plan
}

#[test]
fn other_inputs_and_other_start_parameters_are_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(short()).folder(folder.path());
    let (data, silent) = (data(), &mut Progress::silent());
    trainer.pretrain(&mut network(1), &data, silent).unwrap();

    let mut features = data.train.input().unwrap().features();
    features[1].tensor = &features[1].tensor + 1.0;
    let input = TinyInput::from_features(features).unwrap();
    let train =
        crate::data::Dataset::new(input, data.train.target().shallow_clone(), Tiny::description().task).unwrap();
    let valid = data.valid.narrow(0, data.valid.len()).unwrap();
    let error = refusal(folder.path(), trainer.pretrain(&mut network(1), &Splits { train, valid }, silent));
    assert!(error.contains("another run:\n  train.input_sha256.right: "), "{error}");
    assert!(!error.contains("left") && !error.contains("valid") && !error.contains("target"), "{error}");

    let error = refusal(folder.path(), trainer.pretrain(&mut network(2), &data, silent));
    assert!(error.starts_with("folder: this folder's run began with other parameters"), "{error}");
    trainer.pretrain(&mut network(1), &data, silent).unwrap();
}

#[test]
fn stages_out_of_order_are_refused() {
    let silent = &mut Progress::silent();
    let data = data();
    let folder = tempfile::tempdir().unwrap();
    let early = trainer(short()).folder(folder.path());
    early.navigator(&mut network(1), &data, silent).unwrap();
    let error = early.train(&mut network(1), &data, silent).unwrap_err().to_string();
    assert!(error.contains("began with stage `navigator`, so `pretrain` cannot follow"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let whole = trainer(short()).folder(folder.path());
    let mut network_here = network(1);
    whole.pretrain(&mut network_here, &data, silent).unwrap();
    let error = refusal(folder.path(), whole.navigator(&mut network_here, &data, silent));
    assert_eq!(error, "folder: stage `fusion` is not done here; run it before `navigator`");
    let error = refusal(folder.path(), whole.shortcuts(&mut network(1), &data, silent));
    assert_eq!(
        error,
        "folder: the network is not what stage `pretrain` left here; load `folder/pretrain` before stage `shortcuts`"
    );
    whole.shortcuts(&mut network_here, &data, silent).unwrap();

    // The checkpoint of a stage is put into a run that it does not come from.
    let other = tempfile::tempdir().unwrap();
    let elsewhere = trainer(short()).folder(other.path());
    elsewhere.pretrain(&mut network(3), &data, silent).unwrap();
    for name in ["model.safetensors", "manifest.json", "report.json"] {
        std::fs::copy(other.path().join("pretrain").join(name), folder.path().join("pretrain").join(name)).unwrap();
    }
    let error = refusal(folder.path(), whole.pretrain(&mut network(3), &data, silent));
    assert!(error.starts_with("folder/shortcuts: was not made from what stage `pretrain` left"), "{error}");
}

#[test]
fn damaged_files_of_a_run_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let trainer = trainer(short()).folder(path);
    let data = data();
    trainer.train(&mut network(1), &data, &mut Progress::silent()).unwrap();
    let spoilt = |name: &str, text: &str| {
        let file = path.join(name);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, text).unwrap();
        let result = trainer.navigator(&mut network(1), &data, &mut Progress::silent());
        std::fs::write(&file, whole).unwrap();
        result.map_err(|error| error.to_string().replace(&path.display().to_string(), "folder"))
    };
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    // Written otherwise, they say the same.
    spoilt("spec.yaml", &read("spec.yaml").replace('\n', "\r\n")).unwrap();
    spoilt("plan.json", &read("plan.json").replace("  ", "    ")).unwrap();
    let texts = [
        ("plan.json", &read("plan.json")[..20]),
        ("latency.json", "garbage"),
        ("versions.json", "garbage"),
        ("navigator/manifest.json", "{"),
        ("navigator/report.json", "{"),
    ]
    .map(|(name, text)| spoilt(name, text).unwrap_err());
    insta::assert_snapshot!(texts.join("\n"));

    std::fs::remove_file(path.join("navigator/manifest.json")).unwrap();
    trainer.navigator(&mut network(1), &data, &mut Progress::silent()).unwrap();
    assert!(path.join("navigator/manifest.json").exists(), "the copy is made good");
}

#[test]
fn a_folder_has_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let observed = path.clone();
    let again = Rc::new(std::cell::RefCell::new(String::new()));
    let seen = Rc::clone(&again);
    let mut progress = Progress::silent().observed(move |_: &Epoch| {
        let second = trainer(short()).folder(&observed).pretrain(&mut network(1), &data(), &mut Progress::silent());
        *seen.borrow_mut() = second.unwrap_err().to_string();
        ControlFlow::Break(())
    });
    let first = trainer(short()).folder(&path).pretrain(&mut network(1), &data(), &mut progress);
    assert!(matches!(first, Err(Error::Stopped { .. })));
    let refused = again.borrow();
    assert!(refused.contains(&format!("process {} trains in this folder", std::process::id())), "{refused}");
    trainer(short()).folder(&path).pretrain(&mut network(1), &data(), &mut Progress::silent()).unwrap();
}

#[test]
fn the_lock_is_held_from_the_first_stage_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let mark = lock.clone();
    // Whoever takes the lock writes over the mark.
    let mut progress = Progress::silent().observed(move |epoch: &Epoch| {
        if epoch.phase == "pretrain" {
            std::fs::write(&mark, "mark").unwrap();
        }
        ControlFlow::Continue(())
    });
    trainer(short()).folder(folder.path()).train(&mut network(1), &data(), &mut progress).unwrap();
    assert_eq!(std::fs::read_to_string(lock).unwrap(), "mark");
}

/// Stops the training in `folder` with an error at the end of an epoch: a folder stands where a file should go.
fn fails_after(folder: &Path, phase: &'static str, epoch: usize) -> (std::path::PathBuf, Progress) {
    let obstacle = folder.join("current.safetensors.partial");
    let path = obstacle.clone();
    let observer = move |done: &Epoch| {
        if done.phase == phase && done.epoch == epoch {
            std::fs::create_dir(&path).unwrap();
        }
        ControlFlow::Continue(())
    };
    (obstacle, Progress::silent().observed(observer))
}

#[test]
fn a_training_that_failed_goes_on_in_the_same_process() {
    alone("a_training_that_failed_goes_on_in_the_same_process", || {
        let (data, mut straight) = (data(), network(1));
        let report = trainer(short()).train(&mut straight, &data, &mut Progress::silent()).unwrap();
        for (phase, epoch) in
            [("pretrain", 1), ("shortcuts/left/second", 1), ("shortcuts/left/second", 2), ("fusion", 1)]
        {
            let folder = tempfile::tempdir().unwrap();
            let resumed = trainer(short()).folder(folder.path());
            let mut network = network(1);
            let (obstacle, mut progress) = fails_after(folder.path(), phase, epoch);
            let error = resumed.train(&mut network, &data, &mut progress).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
            std::fs::remove_dir(obstacle).unwrap();
            let found = resumed.train(&mut network, &data, &mut Progress::silent()).unwrap();
            assert_eq!(values(&network), values(&straight), "{phase}");
            assert_eq!(without_seconds(found), without_seconds(report.clone()), "{phase}");
        }
    });
}

#[test]
fn the_state_of_a_stage_that_is_done_counts_for_nothing() {
    alone("the_state_of_a_stage_that_is_done_counts_for_nothing", || {
        let folder = tempfile::tempdir().unwrap();
        let [current, kept] = ["current.safetensors", "kept"].map(|name| folder.path().join(name));
        let (path, copy) = (current.clone(), kept.clone());
        let mut progress = Progress::silent().observed(move |epoch: &Epoch| {
            if epoch.epoch == 1 {
                std::fs::copy(&path, &copy).unwrap();
            }
            ControlFlow::Continue(())
        });
        let trainer = trainer(short()).folder(folder.path());
        let (data, silent, mut done) = (data(), &mut Progress::silent(), network(1));
        let report = trainer.pretrain(&mut done, &data, &mut progress).unwrap();
        assert!(report.phases[0].epochs[1].best, "what was kept is not what the stage left");
        let model = Tensors::read(&kept).unwrap().tensors.into_iter();
        let model = model.filter_map(|(name, tensor)| Some((name.strip_prefix("model/")?.to_owned(), tensor)));

        std::fs::rename(kept, &current).unwrap();
        let error = refusal(folder.path(), trainer.pretrain(&mut again(&model.collect()), &data, silent));
        assert!(error.starts_with("folder: this folder's run began with other parameters"), "{error}");
        assert!(!current.exists());
        trainer.shortcuts(&mut done, &data, silent).unwrap();
    });
}

#[test]
fn what_a_refusal_says_has_to_go_is_all_that_has_to_go() {
    alone("what_a_refusal_says_has_to_go_is_all_that_has_to_go", || {
        let folder = tempfile::tempdir().unwrap();
        let (path, data) = (folder.path(), data());
        let trainer = trainer(short()).folder(path);
        let mut straight = network(1);
        trainer.train(&mut straight, &data, &mut Progress::silent()).unwrap();
        let mut texts = Vec::new();
        let cut = |name: &str| {
            let file = path.join(name);
            let whole = std::fs::read(&file).unwrap();
            std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
        };
        let stopped = |phase: &'static str| {
            let stop = move |epoch: &Epoch| match epoch.phase == phase {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            trainer.train(&mut network(1), &data, &mut Progress::silent().observed(stop)).unwrap_err();
        };
        let go = |name: &str| std::fs::remove_dir_all(path.join(name)).unwrap();
        let cases: [&dyn Fn(); 8] = [
            &|| checkpoint::save(&network(9), path.join("pretrain")).unwrap(),
            &|| {
                let _ = std::fs::copy(path.join("pretrain/report.json"), path.join("fusion/report.json")).unwrap();
            },
            &|| cut("pretrain/report.json"),
            &|| cut("shortcuts/model.safetensors"),
            &|| go("fusion"),
            &|| cut("navigator/report.json"),
            &|| {
                go("navigator");
                stopped("navigator");
                cut("current.safetensors");
            },
            &|| {
                go("navigator");
                stopped("navigator");
                go("fusion");
            },
        ];
        for spoil in cases {
            spoil();
            let error = trainer.train(&mut network(1), &data, &mut Progress::silent()).unwrap_err();
            let error = error.to_string();
            let (place, help) = error.split_once("remove ").unwrap();
            let mut paths: Vec<_> = help.split('`').skip(1).step_by(2).map(Path::new).collect();
            paths.retain(|path| path.is_absolute());
            let this = place.split_once(": ").unwrap().0;
            for gone in if paths.is_empty() { vec![Path::new(this)] } else { paths } {
                if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) }.unwrap();
            }
            let mut network = network(1);
            trainer.train(&mut network, &data, &mut Progress::silent()).unwrap();
            assert_eq!(values(&network), values(&straight), "{error}");
            texts.push(error.replace(&path.display().to_string(), "folder"));
        }
        insta::assert_snapshot!(texts.join("\n"));
    });
}

#[test]
fn a_table_of_another_device_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let mut elsewhere = table([&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]]);
    elsewhere.fingerprint.processor = "Another processor".into();
    let trainer = Trainer::new(short()).latency(elsewhere).folder(folder.path());
    let error = trainer.pretrain(&mut network(1), &data(), &mut Progress::silent()).unwrap_err().to_string();
    assert!(error.contains("processor: Another processor there, "), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A plan whose last stage teaches a learned policy.
fn learning(policy: Policy) -> Plan {
    let plan = short();
    Plan { navigator: plan::Navigator { policy, ..plan.navigator }, ..plan }
}

#[test]
fn learned_policies_answer_within_budgets() {
    for policy in Policy::LEARNED {
        let mut network = network(1);
        let report = trainer(learning(policy)).train(&mut network, &data(), &mut Progress::silent()).unwrap();
        // Thresholds are chosen, and take no epochs.
        let phases = report.stages[3].phases.iter().map(|phase| phase.phase.clone());
        let learned = (policy != Policy::Confidence).then(|| format!("navigator/{}", policy.name()));
        assert_eq!(phases.collect::<Vec<_>>(), Vec::from_iter(learned));
        let balances = network.policies().balances(policy).unwrap();
        assert!(balances.iter().all(|balance| balance.loss <= balance.bound && balance.share > 0.0), "{balances:?}");
        let first = balances[0].share;
        assert!(balances.iter().any(|balance| balance.share < 0.8 * first), "a price shortens ways: {balances:?}");

        let data = data().valid;
        let costs = network.policies().costs().unwrap().clone();
        let full = crate::routing::full::<Tiny>();
        let mean = |budget| {
            let answer = crate::routing::predict_within(&network, &data.input().unwrap(), policy, budget).unwrap();
            let total: f64 = answer.routes.iter().map(|route| costs.table().route(&route.blocks())).sum();
            total / answer.routes.len() as f64
        };
        assert!(mean(Budget::Lambda(10.0)) <= mean(Budget::Lambda(0.0)));
        let cheapest = costs.table().route(&[1, 1]);
        assert!((mean(Budget::Lambda(10.0)) - cheapest).abs() < 1e-9, "at a forbidding price nobody goes on");
        let within =
            crate::routing::predict_within(&network, &data.input().unwrap(), policy, Budget::AccuracyWithin(0.0))
                .unwrap();
        assert!(within.routes.iter().all(|route| *route == full), "nothing is sure not to lose at all");
        // No way may take longer by the table.
        for limit in [3.0, 5.0, 8.0] {
            let answer =
                crate::routing::predict_within(&network, &data.input().unwrap(), policy, Budget::Milliseconds(limit))
                    .unwrap();
            let cost = |route: &TinyRoute| costs.table().route(&route.blocks());
            assert!(answer.routes.iter().all(|route| cost(route) <= limit.max(cheapest)), "{limit}");
            assert!(limit < 5.0 || answer.routes.iter().any(|route| cost(route) > cheapest), "{limit}");
        }
        // Each sample within a budget of its own.
        let each = [Budget::Lambda(10.0), Budget::Lambda(0.0)].repeat(data.len() as usize / 2);
        let answer = crate::routing::predict_within(&network, &data.input().unwrap(), policy, each).unwrap();
        let free =
            crate::routing::predict_within(&network, &data.input().unwrap(), policy, Budget::Lambda(0.0)).unwrap();
        for (row, route) in answer.routes.iter().enumerate() {
            assert_eq!(*route, if row % 2 == 0 { TinyRoute::at([0, 0]) } else { free.routes[row] });
        }
    }
}
