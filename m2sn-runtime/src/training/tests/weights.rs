//! Trainings that begin with parameters from a file, some of which stay as they are or learn slowly.

use super::*;
use crate::plan::{Names, Weights};
use crate::weights;

/// A plan that begins with the left encoder of another network, which is written to a file of the folder.
fn plan_in(folder: &Path, change: impl FnOnce(&mut Weights)) -> (Plan, Values) {
    let mut of = Weights {
        modality: "left".into(),
        file: folder.join("left.safetensors"),
        names: Names::Map(vec![(String::new(), String::new())]),
        ignore: Vec::new(),
        fresh: Vec::new(),
        freeze: Vec::new(),
        learning_rate: 1.0,
    };
    let other = network(23);
    weights::save(&other, &of, &of.file).unwrap();
    change(&mut of);
    (Plan { weights: vec![of], ..short() }, values(&other))
}

fn of_layer(name: &str) -> impl Fn(&&String) -> bool {
    move |variable| variable.starts_with(&format!("encoders.left.{name}."))
}

#[test]
fn what_is_frozen_stays_as_it_was_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for method in [Method::Integral, Method::Peripheral, Method::Joint] {
        let (mut plan, file) = plan_in(folder.path(), |weights| {
            weights.fresh = vec!["layer2".into()];
            weights.freeze = vec!["layer0".into(), "layer1.weight".into()];
        });
        plan.shortcuts.method = method;
        let mut trained = network(1);
        let start = values(&trained);
        trainer(plan).train(&mut trained, &data(), &mut Progress::silent()).unwrap();
        let end = values(&trained);
        for frozen in ["layer0.weight", "layer0.bias", "layer1.weight"].map(|name| format!("encoders.left.{name}")) {
            assert_eq!(end[&frozen], file[&frozen], "{method:?}: {frozen}");
        }
        let all = end.keys().filter(|name| name.starts_with("encoders."));
        for learnt in all.filter(|name| !of_layer("layer0")(name) && *name != "encoders.left.layer1.weight") {
            assert_ne!(end[learnt], start[learnt], "{method:?}: {learnt}");
        }
        assert!(trained.variables().trainable_variables().iter().all(Tensor::requires_grad), "frozen for good");
    }
}

#[test]
fn the_shortcuts_of_a_frozen_encoder_learn_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, _) = plan_in(folder.path(), |weights| weights.freeze = vec![String::new()]);
    let mut network = network(1);
    let report = trainer(plan).train(&mut network, &data(), &mut Progress::silent()).unwrap();
    let phases: Vec<_> = report.stages[1].phases.iter().map(|phase| phase.phase.as_str()).collect();
    let right = ["shortcuts/right/first", "shortcuts/right/second", "shortcuts/right/full"];
    assert_eq!(phases[..2], ["shortcuts/left/first", "shortcuts/left/second"]);
    assert_eq!(phases[2..], right);
}

/// After one step of plain gradient descent, what was loaded has come a tenth of the way.
#[test]
fn what_is_loaded_learns_at_its_own_rate() {
    alone("weights::what_is_loaded_learns_at_its_own_rate", || {
        let folder = tempfile::tempdir().unwrap();
        let data = data();
        let moved = |rate: f64| {
            let (mut plan, file) = plan_in(folder.path(), |weights| {
                weights.fresh = vec!["layer2".into()];
                weights.learning_rate = rate;
            });
            plan.pretrain.epochs = 1;
            plan.pretrain.batch = 1000;
            plan.pretrain.optimizer = Optimizer::Sgd { lr: 0.5, momentum: 0.0, weight_decay: 0.0 };
            plan.pretrain.schedule = Schedule::Constant;
            let mut network = network(1);
            let mut start = values(&network);
            start.extend(file.into_iter().filter(|(name, _)| of_layer("layer0")(&name) || of_layer("layer1")(&name)));
            trainer(plan).pretrain(&mut network, &data, &mut Progress::silent()).unwrap();
            values(&network).into_iter().map(|(name, value)| (name.clone(), value - &start[&name])).collect::<Values>()
        };
        let (slow, fast) = (moved(0.1), moved(1.0));
        for (name, fast) in fast {
            let loaded = of_layer("layer0")(&&name) || of_layer("layer1")(&&name);
            let expected = if loaded { &fast * 0.1 } else { fast.shallow_clone() };
            assert!(slow[&name].allclose(&expected, 1e-3, 1e-6, false), "{name}");
            let learns = ["encoders.", "head.", "task_heads."].iter().any(|part| name.starts_with(part));
            assert_eq!(bool::try_from(fast.count_nonzero(None).gt(0)).unwrap(), learns, "{name}");
        }
    });
}

#[test]
fn an_interrupted_training_with_weights_ends_as_an_uninterrupted_one() {
    alone("weights::an_interrupted_training_with_weights_ends_as_an_uninterrupted_one", || {
        let folder = tempfile::tempdir().unwrap();
        let (plan, _) = plan_in(folder.path(), |weights| {
            weights.freeze = vec!["layer0".into()];
            weights.learning_rate = 0.3;
        });
        let (data, run) = (data(), folder.path().join("run"));
        let mut straight = network(1);
        trainer(plan.clone()).train(&mut straight, &data, &mut Progress::silent()).unwrap();
        let resumed = trainer(plan.clone()).folder(&run);
        let (found, _) = interrupted(&resumed, &data, 1, || {});
        assert_eq!(found, values(&straight));
        // A run that is done is only read, also by the network that it has made.
        let mut again = again(&found);
        resumed.train(&mut again, &data, &mut Progress::silent()).unwrap();
        assert_eq!(values(&again), found);

        // A training that fails goes on with the network that it left, which holds other weights than the file by now.
        let failing = folder.path().join("failing");
        let resumed = trainer(plan.clone()).folder(&failing);
        let mut network_left = network(1);
        let (obstacle, mut progress) = fails_after(&failing, "pretrain", 2);
        resumed.train(&mut network_left, &data, &mut progress).unwrap_err();
        std::fs::remove_dir(obstacle).unwrap();
        resumed.train(&mut network_left, &data, &mut Progress::silent()).unwrap();
        assert_eq!(values(&network_left), found);

        // Another rate is another plan, and another file are other start parameters.
        let mut other = plan.clone();
        other.weights[0].learning_rate = 0.2;
        let refused = trainer(other).folder(&run).train(&mut network(1), &data, &mut Progress::silent());
        assert!(refused.unwrap_err().to_string().contains("weights: "));
        weights::save(&network(24), &plan.weights[0], &plan.weights[0].file).unwrap();
        let refused = trainer(plan.clone()).folder(&run).train(&mut network(1), &data, &mut Progress::silent());
        assert!(refused.unwrap_err().to_string().contains("began with other parameters"));

        // Who only loads the network needs no file.
        std::fs::remove_file(&plan.weights[0].file).unwrap();
        let mut loaded = network(5);
        checkpoint::load(&mut loaded, run.join("navigator")).unwrap();
        assert_eq!(values(&loaded), found);
        let error = trainer(plan).train(&mut network(1), &data, &mut Progress::silent()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    });
}

#[test]
fn what_is_no_part_of_the_network_is_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |change: fn(&mut Weights)| {
        let (plan, _) = plan_in(folder.path(), change);
        let mut network = network(1);
        let error = trainer(plan).train(&mut network, &data(), &mut Progress::silent()).unwrap_err().to_string();
        assert_eq!(values(&network), values(&super::network(1)));
        error
    };
    assert!(refusal(|weights| weights.modality = "middle".into()).contains("no encoder of this name"));
    let names = "there are `layer0.bias`, `layer0.weight`";
    let error = refusal(|weights| weights.freeze = vec!["layer7".into()]);
    assert!(error.contains("`freeze`: no parameter is `layer7`") && error.contains(names), "{error}");
    assert!(refusal(|weights| weights.fresh = vec!["layer".into()]).contains("`fresh`: no parameter is `layer`"));
    assert!(refusal(|weights| weights.learning_rate = 0.0).contains("modalities.left.weights.learning_rate"));
}
