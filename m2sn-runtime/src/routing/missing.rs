//! Samples that lack a modality: what runs, what they are answered, and where policies send them.

use tch::nn::VarStore;
use tch::{Kind, Tensor};

use super::*;
use crate::batch::{Batch, Feature};
use crate::data::{Dataset, Splits};
use crate::evaluation::Exits;
use crate::plan::{Plan, Policy as Named};
use crate::policy::{Look, Move, Paper, Seen};
use crate::tiny::{Lacking, LackingReading, LackingStemming, Tiny, TinyInput, TinyRoute, samples};
use crate::training::{Progress, Trainer};

/// Every third sample lacks the left modality, every third the right one; what the tensors hold there is not a number.
fn input(count: i64) -> TinyInput {
    gaps(&samples(count, 1).unwrap().train, f64::NAN)
}

fn gaps(data: &Dataset<TinyInput>, with: f64) -> TinyInput {
    let TinyInput { left, right } = data.input().unwrap();
    let rows = Tensor::arange(left.len(), (Kind::Int64, tch::Device::Cpu)).remainder(3);
    let spoiled = |tensor: &Tensor, missing: &Tensor| tensor.masked_fill(&missing.unsqueeze(1), with);
    let [no_left, no_right] = [0, 1].map(|rest| rows.eq(rest));
    let left = Batch::new(spoiled(left.tensor(), &no_left)).unwrap();
    let right = Batch::new(spoiled(right.tensor(), &no_right)).unwrap();
    TinyInput {
        left: left.where_present(&no_left.logical_not()).unwrap(),
        right: right.where_present(&no_right.logical_not()).unwrap(),
    }
}

fn row(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

/// With stand-ins that are not zeros.
fn network() -> Lacking {
    let network = Lacking::new(crate::Device::Cpu).unwrap();
    for modality in 0..2 {
        let mut stand_in = network.stand_in(modality).unwrap().shallow_clone();
        tch::no_grad(|| stand_in.copy_(&Tensor::randn([8], tch::kind::FLOAT_CPU)));
    }
    network
}

fn data() -> Splits<TinyInput> {
    let Splits { train, valid } = samples(192, 96).unwrap();
    let task = Tiny::description().task;
    let of = |data: &Dataset<TinyInput>| {
        Dataset::new(gaps(data, f64::NAN), data.target().shallow_clone(), task)
            .expect("what is missing may be anything")
    };
    Splits { train: of(&train), valid: of(&valid) }
}

/// A network that has learned all policies from such samples.
fn trained() -> (Lacking, Splits<TinyInput>) {
    let (mut network, data) = (Lacking::new(crate::Device::Cpu).unwrap(), data());
    for policy in Named::LEARNED {
        let plan = Lacking::plan();
        let trainer = Trainer::new(Plan { navigator: plan::Navigator { policy, ..plan.navigator }, ..plan });
        match policy {
            Named::Confidence => trainer.train(&mut network, &data, &mut Progress::silent()).map(drop),
            _ => trainer.navigator(&mut network, &data, &mut Progress::silent()).map(drop),
        }
        .unwrap();
    }
    (network, data)
}

#[test]
fn a_stand_in_takes_the_place_of_what_is_missing() {
    let network = network();
    let input = input(3);
    let answer = predict_by(&network, &input, TinyRoute::at([1, 2])).unwrap();
    let of = |modality: usize, sample: i64, exit: usize| {
        let feature = input.features()[modality].narrow(sample, 1);
        tch::no_grad(|| encode(&network, modality, &feature, exit))
    };
    let stand_in = |modality| network.stand_in(modality).unwrap().unsqueeze(0);
    let expected = [[stand_in(0), of(1, 0, 2)], [of(0, 1, 1), stand_in(1)], [of(0, 2, 1), of(1, 2, 2)]];
    for (sample, features) in expected.iter().enumerate() {
        let logits = tch::no_grad(|| network.fuse(features, false));
        assert!(answer.logits.narrow(0, sample as i64, 1).allclose(&logits, 1e-5, 1e-6, false), "{sample}");
    }
    let routes: Vec<String> = answer.routes.iter().map(TinyRoute::to_string).collect();
    assert_eq!(routes, ["left: none, right: full", "left: second, right: none", "left: second, right: full"]);
}

#[test]
fn batches_are_answered_as_their_samples_alone() {
    let (network, data) = trained();
    let input = &data.valid.input().unwrap();
    type Predict<'a> = &'a dyn Fn(&TinyInput) -> Answer<TinyRoute>;
    let policies: [Predict<'_>; 5] = [
        &|input| predict_with(&network, input, &Paper::of(&network).unwrap()).unwrap(),
        &|input| predict_by(&network, input, TinyRoute::at([2, 2])).unwrap(),
        &|input| predict_within(&network, input, Named::Confidence, Budget::Price(0.1)).unwrap(),
        &|input| predict_within(&network, input, Named::Value, Budget::Price(0.1)).unwrap(),
        &|input| predict_within(&network, input, Named::Sequential, Budget::Price(0.1)).unwrap(),
    ];
    for predict in policies {
        let all = predict(input);
        for (sample, route) in all.routes.iter().enumerate() {
            let alone = predict(&row(input, sample as i64));
            assert_eq!(alone.routes, [*route], "{sample}");
            let logits = all.logits.narrow(0, sample as i64, 1);
            assert!(logits.allclose(&alone.logits, 1e-5, 1e-5, false), "{sample}");
            let missing = route.blocks().get(sample % 3).copied();
            assert!(missing.is_none_or(|blocks| blocks == 0), "{route}");
        }
    }
}

/// Counts the samples on which blocks run.
#[derive(Debug)]
struct Counting<'a> {
    network: &'a Lacking,
    runs: std::cell::Cell<[i64; 2]>,
}

impl crate::parts::Parts for Counting<'_> {
    fn description(&self) -> &'static crate::network::Description {
        Lacking::description()
    }

    fn rule(&self) -> Result<crate::task::Rule> {
        self.network.policies().rule()
    }

    fn device(&self) -> tch::Device {
        self.network.variables().device()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        let mut runs = self.runs.get();
        runs[modality] += input.len();
        self.runs.set(runs);
        Live(self.network).block(modality, block, input)
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        Live(self.network).leave(modality, exit, output)
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        Live(self.network).stem(modality, output)
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        Live(self.network).task_head(modality, feature)
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        Live(self.network).stand_in(modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        Live(self.network).fuse(features)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        Live(self.network).navigate(inputs)
    }
}

#[test]
fn nothing_runs_on_what_is_missing_or_passed_by() {
    let network = network();
    let counted = |blocks: [usize; 2]| {
        let parts = Counting { network: &network, runs: Default::default() };
        let outcome = run(&parts, &input(9).features(), &Fixed(State::of(&blocks)), None).unwrap();
        (parts.runs.get(), outcome.states)
    };
    // Of nine samples six have a modality; three blocks each.
    assert_eq!(counted([3, 3]).0, [18, 18]);
    let (runs, states) = counted([2, 0]);
    assert_eq!(runs, [12, 0]);
    // Who lacks the only modality that a route takes is answered by stand-ins alone.
    assert_eq!(states[..3], [[0, 0], [2, 0], [2, 0]].map(|blocks| State::of(&blocks)));
}

#[test]
fn what_is_lacking_but_needed_is_an_error_with_its_row() {
    let message = |result: Result<Answer<TinyRoute>>| result.unwrap_err().to_string();
    let whole = Tiny::new(crate::Device::Cpu).unwrap();
    let data = samples(4, 1).unwrap().train;
    let TinyInput { left, right } = data.input().unwrap();
    let marked = |batch: &dyn Fn(&Tensor) -> TinyInput, present: [bool; 4]| batch(&Tensor::from_slice(&present));
    let one = marked(
        &|present| TinyInput { left: left.clone(), right: right.clone().where_present(present).unwrap() },
        [true, true, false, true],
    );
    assert_eq!(
        message(predict(&whole, &one)),
        "modality `right`: row 2 lacks it, and `tiny.yaml` does not say that it may be missing; say so there by \
         `missing: 0.25`, or leave the sample out"
    );
    assert!(predict(&network(), &one).is_ok());
    let both = marked(
        &|present| TinyInput {
            left: left.clone().where_present(present).unwrap(),
            right: right.clone().where_present(present).unwrap(),
        },
        [true, false, true, false],
    );
    assert_eq!(
        message(predict(&network(), &both)),
        "inputs of `Tiny`: row 1 lacks every modality; leave the sample out"
    );
    let splits = Splits { train: Dataset::new(one, data.target().shallow_clone(), whole_task()).unwrap(), valid: data };
    let error = Trainer::new(Tiny::plan()).train(&mut { whole }, &splits, &mut Progress::silent()).unwrap_err();
    assert!(error.to_string().starts_with("modality `right`: row 2 lacks it"), "{error}");
    let deaf = |data: &Dataset<TinyInput>| {
        let TinyInput { left, right } = data.input().unwrap();
        let none = Tensor::zeros([data.len()], (Kind::Bool, tch::Device::Cpu));
        let input = TinyInput { left, right: right.where_present(&none).unwrap() };
        Dataset::new(input, data.target().shallow_clone(), whole_task()).unwrap()
    };
    let splits = samples(8, 4).unwrap();
    let splits = Splits { train: deaf(&splits.train), valid: splits.valid };
    let error = Trainer::new(Tiny::plan()).train(&mut network(), &splits, &mut Progress::silent()).unwrap_err();
    assert!(error.to_string().starts_with("modality `right`: no training sample has it, expected one"), "{error}");
    let nowhere = predict_by(&network(), &input(3), TinyRoute::from_blocks(&[0, 0]).unwrap());
    assert!(message(nowhere).contains("Finish(0, 0), which is not possible"));
}

fn whole_task() -> crate::task::Task {
    Tiny::description().task
}

#[test]
fn a_policy_is_not_asked_to_run_what_is_missing() {
    #[derive(Debug)]
    struct Greedy;

    impl Policy for Greedy {
        fn look(&self, _: &State) -> Look {
            Look::Nothing
        }

        fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
            let next = state.unseen().map_or(Move::Stop, Move::Run);
            Ok(vec![next; seen.rows.len()])
        }
    }

    #[derive(Debug)]
    struct Blind;

    impl Policy for Blind {
        fn look(&self, _: &State) -> Look {
            Look::Nothing
        }

        fn next(&self, _: &State, seen: &Seen) -> Result<Vec<Move>> {
            Ok(vec![Move::Run(0); seen.rows.len()])
        }
    }

    let network = network();
    let routes = predict_with(&network, &input(3), &Greedy).unwrap().routes;
    let blocks: Vec<Vec<usize>> = routes.iter().map(TinyRoute::blocks).collect();
    assert_eq!(blocks, [[0, 1], [1, 0], [1, 1]]);
    let error = predict_with(&network, &input(3), &Blind).unwrap_err().to_string();
    assert_eq!(
        error,
        "policy: after 0, 0 blocks of the modalities, it answers with Run(0), which is not possible from there"
    );
}

#[test]
fn what_stands_where_a_modality_is_missing_changes_nothing() {
    let network = network();
    let data = samples(12, 1).unwrap().train;
    let [spoiled, blank] = [f64::NAN, 0.0].map(|with| predict(&network, &gaps(&data, with)).unwrap());
    assert_eq!((spoiled.routes, spoiled.logits), (blank.routes, blank.logits));
}

#[test]
fn trials_on_cached_features_are_the_runs_of_the_network() {
    let (network, data) = trained();
    let exits = Exits::of(&network, &data.valid).unwrap();
    for policy in Named::LEARNED {
        for price in [0.0, 0.1, 1.0] {
            let budget = Budget::Price(price);
            let live = predict_within(&network, &data.valid.input().unwrap(), policy, budget).unwrap();
            assert_eq!(exits.within(policy, budget).unwrap().routes, live.routes, "{policy:?} at {price}");
            assert!(exits.along(&live.routes).unwrap().allclose(&live.logits, 1e-5, 1e-5, false));
        }
        assert!(exits.calibration(policy).map_or(policy == Named::Confidence, |found| found.error.is_finite()));
    }
    for route in [TinyRoute::at([2, 2]), TinyRoute::from_blocks(&[2, 0]).unwrap()] {
        let live = predict_by(&network, &data.valid.input().unwrap(), route).unwrap();
        assert!(exits.by(route).allclose(&live.logits, 1e-5, 1e-5, false), "{route}");
    }
    let paper = predict_with(&network, &data.valid.input().unwrap(), &Paper::of(&network).unwrap()).unwrap();
    assert_eq!(
        (exits.routes(), decide(&network, &data.valid.input().unwrap()).unwrap()),
        (&paper.routes[..], paper.routes.clone())
    );
}

#[test]
fn what_the_first_blocks_leave_of_what_there_is_can_be_read() {
    reads_what_there_is::<LackingStemming>();
    reads_what_there_is::<LackingReading>();
}

fn reads_what_there_is<N: Network<Input = TinyInput, Route = TinyRoute>>() {
    let (mut network, data) = (N::new(crate::Device::Cpu).unwrap(), data());
    let trainer = Trainer::new(N::plan());
    let report = trainer.train(&mut network, &data, &mut Progress::silent()).unwrap();
    let input = &data.valid.input().unwrap();
    let all = predict(&network, input).unwrap();
    // What it knows in training is what it is shown afterwards.
    let best = report.stages[3].phases[0].best().unwrap();
    let loss = crate::tiny::loss(&all.logits, data.valid.target());
    assert!((best.metrics["loss"] - loss).abs() < 1e-4, "{} for {loss}", best.metrics["loss"]);
    for (sample, route) in all.routes.iter().enumerate() {
        let alone = predict(&network, &row(input, sample as i64)).unwrap();
        assert_eq!(alone.routes, [*route], "{sample}");
        assert!(all.logits.narrow(0, sample as i64, 1).allclose(&alone.logits, 1e-5, 1e-5, false), "{sample}");
        let takes_part: Vec<bool> = route.blocks().iter().map(|blocks| *blocks > 0).collect();
        assert_eq!(takes_part, [sample % 3 != 0, sample % 3 != 1], "{route}");
    }
    let exits = Exits::of(&network, &data.valid).unwrap();
    assert_eq!((exits.routes(), decide(&network, input).unwrap()), (&all.routes[..], all.routes.clone()));
    assert!(exits.expected_milliseconds(network.policies().costs().unwrap().table()).unwrap() > 0.0);

    let decided = exits.decided(&Paper::of(&network).unwrap(), network.policies().costs().unwrap()).unwrap();
    assert_eq!(decided.routes, all.routes);
    assert!(explain(&network, &row(input, 0), Decider::Paper, None).unwrap().route.starts_with("left: none"));
}

#[test]
fn a_modality_is_passed_by_where_it_is_not_worth_its_time() {
    let (mut network, _) = trained();
    // The right encoder takes forever; nobody who has the left modality would wait for it.
    let mut table = crate::tiny::table();
    for block in &mut table.modalities[1].blocks {
        *block = crate::latency::Estimate { median: 1e4, low: 1e4, high: 1e4, p99: 2e4 };
    }
    network.policies_mut().set_costs(Costs::new::<Lacking>(table).unwrap());
    let budget = Budget::Lambda(1.0);
    let answer = predict_within(&network, &input(12), Named::Sequential, budget).unwrap();
    for (sample, route) in answer.routes.iter().enumerate() {
        let blocks = route.blocks();
        assert_eq!((blocks[0] > 0, blocks[1] > 0), if sample % 3 == 0 { (false, true) } else { (true, false) });
    }
    let explanation = explain(&network, &row(&input(12), 2), Decider::Within(Named::Sequential, budget), None).unwrap();
    assert!(explanation.route.ends_with("right: none"), "{}", explanation.route);
    assert_eq!(explanation.routes.len(), 15);
    assert!(!explanation.to_string().is_empty() && explanation.svg().starts_with("<svg"));
}

#[test]
fn samples_that_lack_a_modality_are_learned_from() {
    for method in [plan::Method::Integral, plan::Method::Peripheral, plan::Method::Joint] {
        let (mut network, data) = (Lacking::seeded(crate::Device::Cpu, 3).unwrap(), data());
        let mut plan = Lacking::plan();
        plan.pretrain.epochs = 16;
        let shortcuts = plan::Shortcuts { method, ..plan.shortcuts };
        let plan = Plan { shortcuts, navigator: plan::Navigator { soften: true, ..plan.navigator }, ..plan };
        Trainer::new(plan).train(&mut network, &data, &mut Progress::silent()).unwrap();
        let finite = |variables: &VarStore| {
            variables.variables().values().all(|tensor| bool::try_from(tensor.isfinite().all()).unwrap())
        };
        assert!(finite(network.variables()), "nothing of what is missing has come through");
        let stand_in = |modality| network.stand_in(modality).unwrap().abs().sum(Kind::Float).double_value(&[]);
        assert!(stand_in(0) > 0.0 && stand_in(1) > 0.0);

        // With all that there is two thirds are right; a third of these samples lack the one modality that tells.
        let answer = predict_by(&network, &data.valid.input().unwrap(), full::<Lacking>()).unwrap();
        let right = Tensor::from_slice(&answer.classes().unwrap()).eq_tensor(data.valid.target());
        let share = right.to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!(share > 0.45, "{method:?}: {share}");
    }
}
