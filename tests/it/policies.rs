//! Learned policies of generated models, for every kind of task.

use m2sn::evaluation::{Exits, Front, Worth};
use m2sn::network::{Input, Network, Route as _};
use m2sn::plan::{Plan, Policy};
use m2sn::policy::{Balance, Paper};
use m2sn::predictor::{Options, Predictor};
use m2sn::prelude::*;
use m2sn::task::Task;
use m2sn::tch::{self, Kind, Tensor};
use m2sn::{checkpoint, routing};

use crate::networks::{Genres, Sentiment, random};

#[test]
fn labels_and_real_values_have_qualities_of_their_own() -> m2sn::Result<()> {
    for policy in Policy::LEARNED {
        learns::<Genres>(policy)?;
        learns::<Sentiment>(policy)?;
    }
    Ok(())
}

/// Trains a policy for moments, and asks it for all that it can be asked for.
fn learns<N: Network>(policy: Policy) -> m2sn::Result<()> {
    let data = Splits { train: dataset::<N>(48)?, valid: dataset::<N>(24)? };
    let mut plan = Plan { seed: 3, ..N::plan() };
    for stage in plan.stages_mut() {
        (stage.epochs, stage.batch) = (1, 16);
    }
    plan.navigator.policy = policy;
    let mut model = N::seeded(Device::Cpu, 3)?;
    Trainer::new(plan).train(&mut model, &data, &mut Progress::silent())?;

    let balances = model.policies().balances(policy)?;
    assert!(balances.iter().all(|Balance { loss, bound, .. }| loss.is_finite() && bound >= loss), "{balances:?}");
    let dearest = routing::predict_within(&model, &data.valid.input()?, policy, Budget::Price(100.0))?;
    let free = routing::predict_within(&model, &data.valid.input()?, policy, Budget::Price(0.0))?;
    let costs = model.policies().costs()?;
    let mean = |routes: &[N::Route]| {
        let total: f64 = routes.iter().map(|route| costs.table().route(&route.blocks())).sum();
        total / routes.len() as f64
    };
    assert!(mean(&dearest.routes) <= mean(&free.routes));

    let exits = Exits::of(&model, &data.valid)?;
    if policy != Policy::Confidence {
        let calibration = exits.calibration(policy)?;
        let is_quality = |quality: f64| match N::description().task {
            Task::Regression { .. } => quality <= 0.0,
            _ => (0.0..=1.0).contains(&quality),
        };
        assert!(calibration.groups.iter().all(|group| is_quality(group.predicted) && is_quality(group.achieved)));
    }

    let front = Front::of("random samples", &exits, &exits, 0.1)?;
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    front.save(folder.path())?;
    assert!(folder.path().join("front.svg").exists());
    let names: Vec<&str> = front.curves.iter().map(|curve| curve.name.as_str()).collect();
    assert_eq!(names, ["late fusion", "fixed routes", "paper", policy.name(), "oracle"]);
    let oracle = front.worth.last().expect("the oracle is worth something");
    // But for what sums in another order are rounded by.
    let no_better = |worth: &Worth| worth.regret >= -1e-9 && worth.closed <= oracle.closed + 1e-9;
    assert!(front.worth.iter().all(no_better), "{front}");

    // What was learned, and what it costs here, comes back with the checkpoint.
    checkpoint::save(&model, folder.path())?;
    let mut again = N::new(Device::Cpu)?;
    checkpoint::load(&mut again, folder.path())?;
    let answer = routing::predict_within(&again, &data.valid.input()?, policy, Budget::Price(0.1))?;
    let expected = routing::predict_within(&model, &data.valid.input()?, policy, Budget::Price(0.1))?;
    assert_eq!(answer.routes, expected.routes);
    Ok(())
}

#[m2sn_model("tests/it/reading.yaml")]
struct Reading;

#[m2sn_model("tests/it/stemming.yaml")]
struct Stemming;

#[test]
fn the_navigator_of_a_spec_may_read_what_the_first_blocks_leave() -> m2sn::Result<()> {
    reads::<Stemming>()?;
    reads::<Reading>()
}

fn reads<N: Network>() -> m2sn::Result<()> {
    let data = Splits { train: dataset::<N>(48)?, valid: dataset::<N>(24)? };
    let mut model = N::seeded(Device::Cpu, 3)?;
    let message = routing::predict(&model, &data.valid.input()?).expect_err("nothing has been learned yet").to_string();
    assert!(message.contains("the paper policy has not been trained"), "{message}");
    Trainer::new(N::plan()).train(&mut model, &data, &mut Progress::silent())?;

    let answer = routing::predict(&model, &data.valid.input()?)?;
    let exits = Exits::of(&model, &data.valid)?;
    assert_eq!(exits.routes(), answer.routes);
    let decided = exits.decided(&Paper::of(&model)?, model.policies().costs()?)?;
    assert_eq!(decided.routes, answer.routes);
    let front = Front::of("random samples", &exits, &exits, 0.1)?;
    assert!(front.worth.iter().any(|worth| worth.name == Policy::Paper.name()), "{front}");

    let folder = tempfile::tempdir().expect("a folder for temporary files");
    checkpoint::save(&model, folder.path())?;
    let mut again = N::new(Device::Cpu)?;
    checkpoint::load(&mut again, folder.path())?;
    assert_eq!(routing::predict(&again, &data.valid.input()?)?.routes, answer.routes);
    let predictor = Predictor::new(again, Options::default())?;
    assert_eq!(predictor.predict(&data.valid.input()?)?.routes, answer.routes);
    Ok(())
}

/// Random samples with random targets.
pub(super) fn dataset<N: Network>(samples: i64) -> m2sn::Result<Dataset<N::Input>> {
    let batches = (0..samples).map(|_| random::<N>()).collect::<m2sn::Result<Vec<_>>>()?;
    let fields: Vec<Vec<_>> = batches.iter().map(Input::features).collect();
    let joined = (0..fields[0].len()).map(|modality| {
        let first: Vec<Tensor> = fields.iter().map(|features| features[modality].tensor.narrow(0, 0, 1)).collect();
        Tensor::cat(&first, 0).into()
    });
    let input = N::Input::from_features(joined.collect())?;
    let task = N::description().task;
    let float = (Kind::Float, tch::Device::Cpu);
    let target = match task {
        Task::Classification { classes } => Tensor::randint(classes, [samples], (Kind::Int64, tch::Device::Cpu)),
        Task::Multilabel { labels } => Tensor::rand([samples, labels], float).round(),
        Task::Regression { targets } => Tensor::randn([samples, targets], float),
    };
    Dataset::new(input, target, task)
}
