//! The navigator that reads the posterior of the first exits, against independent calls.

use super::*;
use crate::data::Splits;
use crate::evaluation::{Exits, Front};
use crate::latency::{Fingerprint, Table};
use crate::network::{Input, Route};
use crate::plan::Plan;
use crate::policy::{Costs, Presence};
use crate::routing::{self, Decider, encode, explain};
use crate::tiny::{Reading, Tiny, TinyInput, TinyRoute, samples, table};
use crate::training::{Progress, Trainer};
use crate::{Device, checkpoint};

/// A network whose navigator has learned, with milliseconds that are made up, and its data.
fn trained() -> (Reading, Splits<TinyInput>) {
    let splits = samples(192, 64).unwrap();
    let mut network = Reading::new(Device::Cpu).unwrap();
    let mut plan = Reading::plan();
    plan.navigator.latency = plan::Latency::Weight(0.005);
    let here = Table { fingerprint: Fingerprint::of(&network), ..table() };
    Trainer::new(plan).latency(here).train(&mut network, &splits, &mut Progress::silent()).unwrap();
    (network, splits)
}

fn row(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

/// The scores of each modality's exits, and the routes of the highest, from what the network says at the first exits.
fn by_hand(network: &Reading, input: &TinyInput) -> (Vec<Tensor>, Vec<TinyRoute>) {
    let _no_grad = tch::no_grad_guard();
    let features: Vec<Tensor> =
        input.features().iter().enumerate().map(|(m, input)| encode(network, m, input, 0)).collect();
    let alone: Vec<Tensor> = (0..2).map(|m| network.task_head(m, &features[m])).collect();
    let places = Tensor::from_slice(&[1f32, 0.0, 0.0, 1.0, 0.0, 0.0]).unsqueeze(0);
    let known = known::posterior(Reading::description(), &network.fuse(&features, false), &alone, &places);
    let scores = network.policies().reader().unwrap().scores(&known);
    let exits = navigator::decide(&scores).unwrap();
    (scores, (0..exits[0].len()).map(|row| TinyRoute::at([exits[0][row], exits[1][row]])).collect())
}

#[test]
fn the_first_blocks_run_and_then_all_is_decided() {
    let (network, splits) = trained();
    // What it has learned on so few samples may send all of them the same way.
    let variables = network.variables().variables();
    tch::no_grad(|| {
        let _ = variables["policies.paper.output.bias"].shallow_clone().zero_();
        let _ = variables["policies.paper.output.weight"].shallow_clone().normal_(0.0, 3.0);
    });
    let paper = Paper::of(&network).unwrap();
    let start = State::start(&[Presence::Needed; 2]);
    let seen = Seen { rows: vec![3, 4], ..Seen::default() };
    for (state, modality) in [(start.clone(), 0), (start.after(0), 1)] {
        assert_eq!(paper.look(&state), Look::Nothing);
        assert_eq!(paper.next(&state, &seen).unwrap(), [Move::Run(modality), Move::Run(modality)]);
    }
    let first = start.after(0).after(1);
    assert_eq!(paper.look(&first), Look::Posterior);
    assert!(paper.next(&first, &seen).is_err(), "nothing was seen");

    let input = &splits.valid.input().unwrap();
    let (_, expected) = by_hand(&network, input);
    let answer = routing::predict(&network, input).unwrap();
    assert_eq!(answer.routes, expected);
    assert!(expected.iter().any(|route| *route != expected[0]), "samples part ways");
    assert_eq!(routing::decide(&network, input).unwrap(), expected);
    let again = routing::predict_as(&network, input, &expected).unwrap();
    assert!(again.logits.allclose(&answer.logits, 1e-5, 1e-5, false));
    for sample in 0..splits.valid.len() {
        let alone = routing::predict(&network, &row(input, sample)).unwrap();
        assert_eq!(alone.routes, expected[sample as usize..][..1]);
        assert!(alone.logits.allclose(&answer.logits.narrow(0, sample, 1), 1e-5, 1e-5, false));
    }
}

#[test]
fn what_it_reads_is_paid_for() {
    let (network, splits) = trained();
    let exits = Exits::of(&network, &splits.valid).unwrap();
    let (_, routes) = by_hand(&network, &splits.valid.input().unwrap());
    assert_eq!(exits.routes(), routes);
    let costs = Costs::new::<Reading>(table()).unwrap();
    let decided = exits.decided(&Paper::of(&network).unwrap(), &costs).unwrap();
    for (found, route) in decided.milliseconds.iter().zip(&routes) {
        // The decision; and where a sample goes on, the answer that it leaves behind: a shortcut for each modality that
        // goes on, and a head.
        let going = route.exits().into_iter().filter(|exit| *exit > 0).count() as f64;
        let left_behind = if going > 0.0 { 0.5 * going + 0.25 } else { 0.0 };
        let expected = table().route(&route.blocks()) + 0.0625 + left_behind;
        assert!((found - expected).abs() < 1e-9, "{route}: {found} for {expected}");
    }
    let mean = decided.milliseconds.iter().sum::<f64>() / routes.len() as f64;
    assert!((exits.expected_milliseconds(&table()).unwrap() - mean).abs() < 1e-9);
    assert!(exits.rival(&table()).unwrap().is_some());
}

#[test]
fn an_explanation_shows_its_scores() {
    let (network, splits) = trained();
    let input = row(&splits.valid.input().unwrap(), 5);
    let (scores, routes) = by_hand(&network, &input);
    let explanation = explain(&network, &input, Decider::Paper, None).unwrap();
    assert_eq!(explanation.route, routes[0].to_string());
    for (modality, scores) in explanation.modalities.iter().zip(&scores) {
        let scores = Vec::<f64>::try_from(scores.get(0)).unwrap();
        for (exit, expected) in modality.exits.iter().zip(scores) {
            assert!((exit.score.unwrap() - expected).abs() < 1e-4, "{:?} for {expected}", exit.score);
        }
        assert!((modality.exits.iter().filter_map(|exit| exit.probability).sum::<f64>() - 1.0).abs() < 1e-6);
    }
    assert_eq!(explanation.steps[2].blocks, [1, 1]);
}

#[test]
fn one_that_has_not_been_trained_says_so() {
    let splits = samples(12, 12).unwrap();
    let mut network = Reading::new(Device::Cpu).unwrap();
    network.policies_mut().set_costs(Costs::new::<Reading>(table()).unwrap());
    let input = &splits.valid.input().unwrap();
    let expected = "`Tiny`: the paper policy has not been trained; run the navigator's stage with it in its plan, and \
                    `from: posterior`";
    let errors = [
        Paper::of(&network).map(drop).unwrap_err(),
        routing::predict(&network, input).map(drop).unwrap_err(),
        routing::decide(&network, input).map(drop).unwrap_err(),
        explain(&network, &row(input, 0), Decider::Paper, None).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), expected);
    }
    // Everything else can be compared all the same.
    let exits = Exits::of(&network, &splits.valid).unwrap();
    let front = Front::of("samples", &exits, &exits, 0.1).unwrap();
    let names: Vec<&str> = front.curves.iter().map(|curve| &curve.name[..]).collect();
    assert_eq!(names, ["late fusion", "fixed routes", "oracle"]);
    assert!(Paper::of(&Tiny::new(Device::Cpu).unwrap()).is_ok(), "who reads the inputs keeps no note of it");
}

#[test]
fn a_checkpoint_holds_what_it_has_learned() {
    let (network, splits) = trained();
    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(&network, folder.path()).unwrap();
    let mut other = Reading::new(Device::Cpu).unwrap();
    checkpoint::load(&mut other, folder.path()).unwrap();
    let [here, there] =
        [&network, &other].map(|network| routing::predict(network, &splits.valid.input().unwrap()).unwrap());
    assert_eq!((here.routes, here.logits), (there.routes, there.logits));
}

#[test]
fn a_sample_that_is_not_a_number_is_named() {
    let (network, splits) = trained();
    let _ = splits.valid.input().unwrap().left.tensor().get(7).fill_(f64::NAN);
    let errors = [
        routing::predict(&network, &splits.valid.input().unwrap()).map(drop).unwrap_err(),
        Exits::of(&network, &splits.valid).map(drop).unwrap_err(),
    ];
    for error in errors {
        let message = error.to_string();
        assert!(message.starts_with("navigator: sample 7 of those asked about has no scores, because"), "{message}");
    }
}

#[test]
fn softened_samples_are_learned_from() {
    let splits = samples(192, 64).unwrap();
    let mut network = Reading::new(Device::Cpu).unwrap();
    let plan = Reading::plan();
    let plan = Plan { navigator: plan::Navigator { soften: true, ..plan.navigator }, ..plan };
    let here = Table { fingerprint: Fingerprint::of(&network), ..table() };
    let report = Trainer::new(plan).latency(here).train(&mut network, &splits, &mut Progress::silent()).unwrap();
    let phase = &report.stages[3].phases[0];
    assert!(phase.epochs.iter().all(|epoch| epoch.loss.is_finite() && epoch.score.is_finite()));
    assert!(Paper::of(&network).is_ok());
}
