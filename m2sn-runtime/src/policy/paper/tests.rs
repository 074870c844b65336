//! The navigator that reads what the first blocks leave, their outputs or the posterior of the first exits, against
//! independent calls.

use tch::Kind;

use super::*;
use crate::batch::Batch;
use crate::data::{Dataset, Splits};
use crate::evaluation::{Exits, Front};
use crate::latency::{Fingerprint, Table};
use crate::network::{Input, Network, Route};
use crate::plan::Plan;
use crate::policy::{Costs, Presence};
use crate::routing::{self, Decider, encode, explain};
use crate::tiny::{Reading, Stemming, Tiny, TinyInput, TinyRoute, samples, table};
use crate::training::{Progress, Trainer};
use crate::{Device, checkpoint};

/// A network whose navigator has learned, with milliseconds that are made up, and its data.
fn trained<N: Network<Input = TinyInput>>() -> (N, Splits<TinyInput>) {
    let splits = samples(192, 64).unwrap();
    let mut network = N::new(Device::Cpu).unwrap();
    let mut plan = N::plan();
    plan.navigator.latency = plan::Latency::Weight(0.005);
    let here = Table { fingerprint: Fingerprint::of(&network), ..table() };
    Trainer::new(plan).latency(here).train(&mut network, &splits, &mut Progress::silent()).unwrap();
    (network, splits)
}

fn row(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

/// The scores of each modality's exits, and the routes of the highest, from what the first blocks leave.
fn by_hand<N: Network>(network: &N, input: &TinyInput) -> (Vec<Tensor>, Vec<TinyRoute>) {
    let _no_grad = tch::no_grad_guard();
    let (reads, inputs) = (N::plan().navigator.from, input.features());
    let known = match reads {
        Reads::Stem => {
            // Vectors, which are read as they are.
            let outputs = inputs.iter().enumerate().map(|(m, input)| network.block(m, 0, input, false).tensor);
            Tensor::cat(&outputs.collect::<Vec<_>>(), 1)
        }
        _ => {
            let features: Vec<Tensor> = (0..2).map(|m| encode(network, m, &inputs[m], 0)).collect();
            let alone: Vec<Tensor> = (0..2).map(|m| network.task_head(m, &features[m])).collect();
            let places = Tensor::from_slice(&[1f32, 0.0, 0.0, 1.0, 0.0, 0.0]).unsqueeze(0);
            known::posterior(N::description(), &network.fuse(&features, false), &alone, &places)
        }
    };
    let scores = network.policies().reader(reads).unwrap().unwrap().scores(&known);
    let exits = navigator::decide(&scores).unwrap();
    (scores, (0..exits[0].len()).map(|row| TinyRoute::at([exits[0][row], exits[1][row]])).collect())
}

#[test]
fn the_first_blocks_run_and_then_all_is_decided() {
    decides_after_the_first_blocks::<Stemming>(Look::Stems);
    decides_after_the_first_blocks::<Reading>(Look::Posterior);
}

fn decides_after_the_first_blocks<N: Network<Input = TinyInput, Route = TinyRoute>>(look: Look) {
    let (network, splits) = trained::<N>();
    // What it has learned on so few samples may send all of them the same way.
    let variables = network.variables().variables();
    let place = format!("policies.paper.{}.output", N::plan().navigator.from.name());
    tch::no_grad(|| {
        let _ = variables[&format!("{place}.bias")].shallow_clone().zero_();
        let _ = variables[&format!("{place}.weight")].shallow_clone().normal_(0.0, 3.0);
    });
    let paper = Paper::of(&network).unwrap();
    let start = State::start(&[Presence::Needed; 2]);
    let seen = Seen { rows: vec![3, 4], ..Seen::default() };
    for (state, modality) in [(start.clone(), 0), (start.after(0), 1)] {
        assert_eq!(paper.look(&state), Look::Nothing);
        assert_eq!(paper.next(&state, &seen).unwrap(), [Move::Run(modality), Move::Run(modality)]);
    }
    let first = start.after(0).after(1);
    assert_eq!(paper.look(&first), look);
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
    // The decision; and where a sample goes on, the answer that it leaves behind: a shortcut for each modality that goes on,
    // and a head.
    pays::<Reading>(|route| {
        let going = route.exits().into_iter().filter(|exit| *exit > 0).count() as f64;
        let left_behind = if going > 0.0 { 0.5 * going + 0.25 } else { 0.0 };
        0.0625 + left_behind
    });
    // The decision alone: the first blocks are on every route.
    pays::<Stemming>(|_| 0.03125);
}

fn pays<N: Network<Input = TinyInput, Route = TinyRoute>>(deciding: fn(&TinyRoute) -> f64) {
    let (network, splits) = trained::<N>();
    let exits = Exits::of(&network, &splits.valid).unwrap();
    let (_, routes) = by_hand(&network, &splits.valid.input().unwrap());
    assert_eq!(exits.routes(), routes);
    let mut table = table();
    // Another time than that of the other looks.
    (table.value.low, table.value.median) = (0.03125, 0.03125);
    let costs = Costs::new::<N>(table.clone()).unwrap();
    let decided = exits.decided(&Paper::of(&network).unwrap(), &costs).unwrap();
    for (found, route) in decided.milliseconds.iter().zip(&routes) {
        let expected = table.route(&route.blocks()) + deciding(route);
        assert!((found - expected).abs() < 1e-9, "{route}: {found} for {expected}");
    }
    let mean = decided.milliseconds.iter().sum::<f64>() / routes.len() as f64;
    assert!((exits.expected_milliseconds(&table).unwrap() - mean).abs() < 1e-9);
    assert!(exits.rival(&table).unwrap().is_some());
}

#[test]
fn an_explanation_shows_its_scores() {
    shows_scores::<Stemming>();
    shows_scores::<Reading>();
}

fn shows_scores<N: Network<Input = TinyInput, Route = TinyRoute>>() {
    let (network, splits) = trained::<N>();
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
    says_that_it_is_untrained::<Stemming>("stem");
    says_that_it_is_untrained::<Reading>("posterior");
    assert!(Paper::of(&Tiny::new(Device::Cpu).unwrap()).is_ok(), "who reads the inputs keeps no note of it");
}

fn says_that_it_is_untrained<N: Network<Input = TinyInput, Route = TinyRoute>>(reads: &str) {
    let splits = samples(12, 12).unwrap();
    let mut network = N::new(Device::Cpu).unwrap();
    network.policies_mut().set_costs(Costs::new::<N>(table()).unwrap());
    let input = &splits.valid.input().unwrap();
    let expected = format!(
        "`Tiny`: the paper policy has not been trained; run the navigator's stage with it in its plan, and `from: {reads}`"
    );
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
}

#[test]
fn a_checkpoint_holds_what_it_has_learned() {
    comes_back::<Stemming>();
    comes_back::<Reading>();
}

fn comes_back<N: Network<Input = TinyInput, Route = TinyRoute>>() {
    let (network, splits) = trained::<N>();
    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(&network, folder.path()).unwrap();
    let mut other = N::new(Device::Cpu).unwrap();
    checkpoint::load(&mut other, folder.path()).unwrap();
    let [here, there] =
        [&network, &other].map(|network| routing::predict(network, &splits.valid.input().unwrap()).unwrap());
    assert_eq!((here.routes, here.logits), (there.routes, there.logits));
}

#[test]
fn a_sample_that_is_not_a_number_is_named() {
    names_what_is_no_number::<Stemming>();
    names_what_is_no_number::<Reading>();
}

fn names_what_is_no_number<N: Network<Input = TinyInput>>() {
    let (network, splits) = trained::<N>();
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
    learns_softened::<Stemming>();
    learns_softened::<Reading>();
}

fn learns_softened<N: Network<Input = TinyInput>>() {
    let splits = samples(192, 64).unwrap();
    let mut network = N::new(Device::Cpu).unwrap();
    let plan = N::plan();
    let plan = Plan { navigator: plan::Navigator { soften: true, ..plan.navigator }, ..plan };
    let here = Table { fingerprint: Fingerprint::of(&network), ..table() };
    let report = Trainer::new(plan).latency(here).train(&mut network, &splits, &mut Progress::silent()).unwrap();
    let phase = &report.stages[3].phases[0];
    assert!(phase.epochs.iter().all(|epoch| epoch.loss.is_finite() && epoch.score.is_finite()));
    assert!(Paper::of(&network).is_ok());
}

/// Samples of three classes that the left modality tells: of the first half by values that the first exit reads, of the others
/// by values that only the end reads.
fn easy_and_hard(samples: i64) -> Dataset<TinyInput> {
    let target = Tensor::arange(samples, (Kind::Int64, tch::Device::Cpu)).remainder(3);
    let classes = target.one_hot(3).to_kind(Kind::Float);
    let is_hard = Tensor::arange(samples, tch::kind::FLOAT_CPU).ge(samples / 2).to_kind(Kind::Float).unsqueeze(1);
    let left = Tensor::cat(&[&classes * (1.0 - &is_hard), &classes * &is_hard], 1);
    let right = Tensor::rand([samples, 5], tch::kind::FLOAT_CPU);
    let input = TinyInput { left: Batch::new(left).unwrap(), right: Batch::new(right).unwrap() };
    Dataset::new(input, target, Tiny::description().task).unwrap()
}

/// A network that reads these samples as they are to be read.
fn reads_easy_first() -> Stemming {
    let network = Stemming::seeded(Device::Cpu, 3).unwrap();
    let variables = network.variables().variables();
    // Passes the first so many values on, and three of these that follow it to the first three.
    let pass = |name: &str, values: i64, late: bool| {
        let (mut weight, bias) =
            (variables[&format!("{name}.weight")].shallow_clone(), &variables[&format!("{name}.bias")]);
        let [outputs, inputs] = [weight.size()[0], weight.size()[1]];
        let passed = Tensor::eye_m(outputs, inputs, tch::kind::FLOAT_CPU);
        let _ = passed.narrow(0, values, outputs - values).zero_();
        if late {
            passed.narrow(0, 0, 3).narrow(1, 3, 3).copy_(&Tensor::eye(3, tch::kind::FLOAT_CPU));
        }
        weight.copy_(&passed);
        let _ = bias.shallow_clone().zero_();
    };
    tch::no_grad(|| {
        pass("encoders.left.layer0", 6, false);
        pass("encoders.left.layer1", 6, false);
        pass("encoders.left.layer2", 3, true);
        pass("shortcuts.left.first", 3, false);
        pass("shortcuts.left.second", 3, false);
        pass("head", 3, false);
        // Sure of what it says.
        let _ = variables["head.weight"].shallow_clone().g_mul_scalar_(8.0);
    });
    network
}

#[test]
fn it_sends_on_whom_the_stem_tells_to_need_depth() {
    let (mut network, valid) = (reads_easy_first(), easy_and_hard(96));
    let mut plan = Stemming::plan();
    plan.navigator.stage.epochs = 12;
    // A wrong answer is worth 55 ms; the end of the left modality takes 7 ms, that of the right one 70.
    plan.navigator.latency = plan::Latency::Weight(0.02);
    let here = Table { fingerprint: Fingerprint::of(&network), ..table() };
    let splits = Splits { train: easy_and_hard(384), valid };
    Trainer::new(plan).latency(here).navigator(&mut network, &splits, &mut Progress::silent()).unwrap();
    let routes = routing::decide(&network, &splits.valid.input().unwrap()).unwrap();
    let [easy, hard] = [TinyRoute::at([0, 0]), TinyRoute::at([2, 0])];
    assert_eq!(routes, [vec![easy; 48], vec![hard; 48]].concat());
}
