//! What the tests of all rivals need.

use tch::{Kind, Tensor};

use super::{Altered, Begins, Lesson, Ran, Rival, Setting, Tally};
use crate::Device;
use crate::checkpoint;
use crate::data::{Dataset, Splits};
use crate::network::{Input, Network};
use crate::parts::Live;
use crate::plan::Plan;
use crate::policy::Costs;
use crate::routing::{self, Outcome};
use crate::task::Task;
use crate::tiny::{Tiny, TinyInput, samples, table};
use crate::training::{Progress, Trainer};

/// A rival of the policies of [`Tiny`], trained as a study trains it.
pub(super) fn trained<R: Rival<Tiny>>() -> (R, Splits<TinyInput>) {
    let splits = samples(256, 64).unwrap();
    (trained_on(&splits), splits)
}

/// A rival over a network of these inputs, trained as a study trains it.
pub(super) fn trained_on<N: Network<Input = TinyInput>, R: Rival<N>>(splits: &Splits<TinyInput>) -> R {
    trained_by(&N::plan(), splits)
}

/// As [`trained_on`], by another plan than the network's own.
pub(super) fn trained_by<N: Network<Input = TinyInput>, R: Rival<N>>(plan: &Plan, splits: &Splits<TinyInput>) -> R {
    let mut network = N::seeded(Device::Cpu, 3).unwrap();
    let progress = &mut Progress::silent();
    let trainer = Trainer::new(plan.clone());
    trainer.pretrain(&mut network, splits, progress).unwrap();
    if R::BEGINS == Begins::Trained {
        trainer.shortcuts(&mut network, splits, progress).unwrap();
        trainer.fusion(&mut network, splits, progress).unwrap();
    }
    teach(network, splits, plan)
}

/// The same samples, of which a third lacks the left modality and another third the right one.
pub(super) fn lacking(splits: &Splits<TinyInput>, task: Task) -> Splits<TinyInput> {
    let of = |data: &Dataset<TinyInput>| {
        let third = Tensor::arange(data.len(), (Kind::Int64, tch::Device::Cpu)).remainder(3);
        let TinyInput { left, right } = data.input().unwrap();
        let left = left.where_present(&third.ne(1)).unwrap();
        let input = TinyInput { left, right: right.where_present(&third.ne(2)).unwrap() };
        Dataset::new(input, data.target().shallow_clone(), task).unwrap()
    };
    Splits { train: of(&splits.train), valid: of(&splits.valid) }
}

/// Lets a rival learn over a network.
pub(super) fn teach<N: Network, R: Rival<N>>(network: N, splits: &Splits<N::Input>, plan: &Plan) -> R {
    let costs =
        Costs::new::<N>(crate::latency::Table { fingerprint: crate::latency::Fingerprint::of(&network), ..table() });
    let costs = costs.unwrap();
    let mut rival = R::new(network).unwrap();
    rival.train(&Lesson { plan, splits, costs: &costs }, &mut Progress::silent()).unwrap();
    rival
}

/// What a setting makes of inputs, and what ran for it.
pub(super) fn answer<N: Network>(network: &N, setting: &Setting<'_>, inputs: &N::Input) -> (Outcome, Ran) {
    let tally = Tally::counting(N::description());
    let parts = Altered::new(Live(network), &*setting.variant, &tally);
    let _no_grad = tch::no_grad_guard();
    let outcome = routing::run(&parts, &inputs.features(), &*setting.policy, None).unwrap();
    (outcome, tally.ran())
}

/// Checks that a batch is answered as its samples are one by one, and by as much work.
pub(super) fn batches_are_answered_as_their_samples<N: Network>(network: &N, setting: &Setting<'_>, inputs: &N::Input) {
    let (whole, ran) = answer(network, setting, inputs);
    let features = inputs.features();
    let samples = features[0].len();
    let mut work = 0;
    for row in 0..samples {
        let one = N::Input::from_features(features.iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap();
        let (single, ran) = answer(network, setting, &one);
        let difference: Tensor = (whole.logits.narrow(0, row, 1) - &single.logits).abs().max();
        assert!(difference.double_value(&[]) < 1e-5, "{}: row {row}", setting.by);
        assert_eq!(whole.states[row as usize], single.states[0], "{}: row {row}", setting.by);
        work += ran.multiply_adds(N::description());
    }
    assert_eq!(work, ran.multiply_adds(N::description()), "{}", setting.by);
}

/// Checks that a checkpoint of a rival's network holds all that it has learned.
pub(super) fn restored<N: Network, R: Rival<N>>(rival: &R, inputs: &N::Input) {
    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(rival.network(), folder.path()).unwrap();
    let other = R::new(N::seeded(Device::Cpu, 99).unwrap()).unwrap();
    checkpoint::restore(other.network(), folder.path()).unwrap();
    let (settings, others) = (rival.settings().unwrap(), other.settings().unwrap());
    assert_eq!(settings.len(), others.len());
    for (setting, restored) in settings.iter().zip(&others) {
        let (expected, found) =
            (answer(rival.network(), setting, inputs).0, answer(other.network(), restored, inputs).0);
        assert_eq!((&setting.by, expected.states), (&restored.by, found.states));
        assert!(expected.logits.equal(&found.logits), "{}", setting.by);
    }
}
