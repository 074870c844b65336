//! Learned policies on a trained network: what they decide, within which budgets, and where.

use tch::Tensor;

use super::*;
use crate::data::Splits;
use crate::latency::{Estimate, Fingerprint, Table};
use crate::network::{Input, Network};
use crate::plan::{self, Plan};
use crate::routing::{self, Answer};
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples, table};
use crate::training::{Progress, Trainer};
use crate::{Device, checkpoint};

const LEARNED: [plan::Policy; 3] = plan::Policy::LEARNED;

/// A network that has learned all of them, and its data.
fn trained() -> (Tiny, Splits<TinyInput>) {
    let splits = samples(192, 64).unwrap();
    let mut network = Tiny::new(Device::Cpu).unwrap();
    for policy in LEARNED {
        let plan = Tiny::plan();
        let plan = Plan { navigator: plan::Navigator { policy, ..plan.navigator }, ..plan };
        let trainer = Trainer::new(plan).latency(here(&network));
        match policy {
            plan::Policy::Confidence => {
                trainer.train(&mut network, &splits, &mut Progress::silent()).unwrap();
            }
            _ => {
                trainer.navigator(&mut network, &splits, &mut Progress::silent()).unwrap();
            }
        }
    }
    (network, splits)
}

/// The table of this machine, with milliseconds that are made up.
fn here(network: &Tiny) -> Table {
    Table { fingerprint: Fingerprint::of(network), ..table() }
}

fn answer(network: &Tiny, input: &TinyInput, policy: plan::Policy, budget: impl Into<Budgets>) -> Answer<TinyRoute> {
    routing::predict_within(network, input, policy, budget).unwrap()
}

fn row(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

fn difference(left: &Tensor, right: &Tensor) -> f64 {
    (left - right).abs().max().double_value(&[])
}

#[test]
fn a_batch_is_answered_as_its_samples_are() {
    let (network, splits) = trained();
    let input = &splits.valid.input().unwrap();
    for policy in LEARNED {
        for price in [0.0, 0.05, 0.3] {
            let batch = answer(&network, input, policy, Budget::Price(price));
            for sample in 0..input.left.len() {
                let single = answer(&network, &row(input, sample), policy, Budget::Price(price));
                assert_eq!(single.routes[0], batch.routes[sample as usize]);
                assert!(difference(&single.logits, &batch.logits.narrow(0, sample, 1)) < 1e-5);
            }
            let again = routing::predict_as(&network, input, &batch.routes).unwrap();
            assert!(difference(&again.logits, &batch.logits) < 1e-5);
        }
    }
}

#[test]
fn samples_part_ways() {
    let (network, splits) = trained();
    let ways = |price| {
        let mut routes =
            answer(&network, &splits.valid.input().unwrap(), plan::Policy::Sequential, Budget::Price(price)).routes;
        routes.sort();
        routes.dedup();
        routes.len()
    };
    assert!([0.02, 0.05, 0.1, 0.2].into_iter().any(|price| ways(price) > 2), "in half of them one modality is enough");
}

#[test]
fn quality_moves_to_a_machine_of_other_costs() {
    let (mut network, splits) = trained();
    let input = &splits.valid.input().unwrap();
    let blocks = |network: &Tiny| {
        let answer = answer(network, input, plan::Policy::Sequential, Budget::Price(0.1));
        [0, 1].map(|modality| answer.routes.iter().map(|route| route.exits()[modality]).sum::<usize>())
    };
    let [left, right] = blocks(&network);
    // There the left modality is the dear one.
    let mut swapped = here(&network);
    let (first, second) = swapped.modalities.split_at_mut(1);
    std::mem::swap(&mut first[0].blocks, &mut second[0].blocks);
    network.policies_mut().set_costs(Costs::new::<Tiny>(swapped).unwrap());
    let [left_there, right_there] = blocks(&network);
    assert!(left_there < left && right_there > right, "{left} {right} -> {left_there} {right_there}");
}

#[test]
fn the_clock_ends_a_way_that_takes_too_long() {
    let (mut network, splits) = trained();
    let sample = row(&splits.valid.input().unwrap(), 0);
    // Whatever is begun takes a day, says the table: nothing is begun but what every answer needs.
    let mut slow = here(&network);
    for estimate in slow.modalities.iter_mut().flat_map(|modality| &mut modality.blocks) {
        *estimate = Estimate { p99: 8e7, ..*estimate };
    }
    network.policies_mut().set_costs(Costs::new::<Tiny>(slow).unwrap());
    for policy in LEARNED {
        let hurried = answer(&network, &sample, policy, Budget::Milliseconds(1e4));
        assert_eq!(hurried.routes, [TinyRoute::at([0, 0])]);
        let free = answer(&network, &sample, policy, Budget::Lambda(0.0));
        assert_eq!(free.cut, [false]);
        assert_eq!(hurried.cut, [free.routes != hurried.routes], "who would have gone on says so");
    }
    // The way of one who does not look at the clock is ended by the executor.
    let clock = routing::Clock::start(1e4, network.policies().costs().unwrap());
    let inputs = sample.features();
    let _no_grad = tch::no_grad_guard();
    let policy = Late(State::of(&[3, 3]));
    let outcome = routing::run(&crate::parts::Live(&network), &inputs, &policy, Some(&clock)).unwrap();
    assert_eq!((outcome.states, outcome.cut), (vec![State::of(&[1, 1])], vec![true]));
    let expected = routing::predict_by(&network, &sample, TinyRoute::at([0, 0])).unwrap();
    assert!(difference(&outcome.logits, &expected.logits) < 1e-6);
}

/// Decides on a way once the first blocks have run.
#[derive(Debug)]
struct Late(State);

impl Policy for Late {
    fn look(&self, _: &State) -> Look {
        Look::Nothing
    }

    fn next(&self, state: &State, seen: &Seen) -> crate::Result<Vec<Move>> {
        let next = state.blocks().iter().position(|blocks| *blocks == 0);
        Ok(vec![next.map_or(Move::Finish(self.0.clone()), Move::Run); seen.rows.len()])
    }
}

#[test]
fn a_checkpoint_holds_what_was_learned_and_what_it_costs_here() {
    let (network, splits) = trained();
    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(&network, folder.path()).unwrap();
    let mut other = Tiny::new(Device::Cpu).unwrap();
    checkpoint::load(&mut other, folder.path()).unwrap();
    assert_eq!(other.policies().costs().unwrap().table(), network.policies().costs().unwrap().table());
    for policy in LEARNED {
        let budget = Budget::AccuracyWithin(20.0);
        let [here, there] =
            [&network, &other].map(|network| answer(network, &splits.valid.input().unwrap(), policy, budget));
        assert_eq!(here.routes, there.routes);
        assert_eq!(network.policies().balances(policy).unwrap(), other.policies().balances(policy).unwrap());
    }

    // Measured elsewhere, it is not taken: the policies ask for a measurement, and decide by it.
    let elsewhere =
        Table { fingerprint: Fingerprint { processor: "another".into(), ..Fingerprint::of(&network) }, ..table() };
    elsewhere.save(folder.path().join("latency.json")).unwrap();
    let mut other = Tiny::new(Device::Cpu).unwrap();
    checkpoint::load(&mut other, folder.path()).unwrap();
    let ask = |network: &Tiny| {
        routing::predict_within(network, &splits.valid.input().unwrap(), plan::Policy::Value, Budget::Price(0.1))
            .map(|_| ())
    };
    let message = ask(&other).unwrap_err().to_string();
    assert!(
        message.contains("does not know what its parts cost") && message.contains("`routing::measure`"),
        "{message}"
    );
    routing::measure(&mut other, &splits.valid.input().unwrap()).unwrap();
    ask(&other).unwrap();

    // A checkpoint of a network that knows no costs leaves none of an earlier one.
    checkpoint::save(&Tiny::new(Device::Cpu).unwrap(), folder.path()).unwrap();
    assert!(!folder.path().join("latency.json").exists());
}

#[test]
fn what_cannot_be_asked_for_is_an_error() {
    let (network, splits) = trained();
    let message = |policy, budgets: Budgets| {
        routing::predict_within(&network, &splits.valid.input().unwrap(), policy, budgets)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let untrained = {
        let mut network = Tiny::new(Device::Cpu).unwrap();
        let costs = Costs::new::<Tiny>(here(&network)).unwrap();
        network.policies_mut().set_costs(costs);
        let answer = routing::predict_within(
            &network,
            &splits.valid.input().unwrap(),
            plan::Policy::Sequential,
            Budget::AccuracyWithin(1.0),
        );
        answer.map(|_| ()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            message(plan::Policy::Paper, Budget::Price(0.1).into()),
            message(plan::Policy::Value, Budget::Milliseconds(-1.0).into()),
            message(plan::Policy::Value, vec![Budget::Price(0.1); 3].into()),
            untrained,
        ]
        .join("\n")
    );
}
