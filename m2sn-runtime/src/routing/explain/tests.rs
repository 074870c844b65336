//! Journeys on the tiny network against independent calls, and explanations from values made by hand.

use super::*;
use crate::latency::{Fingerprint, Table};
use crate::parts::stem;
use crate::policy::{Budgets, Fixed, Sequential, Value};
use crate::routing::{Answer, all, predict, predict_by};
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples, table};
use crate::training::{Progress, Trainer};

/// A network that knows its costs and has been taught a policy.
fn taught(policy: plan::Policy) -> Tiny {
    let mut network = Tiny::seeded(crate::Device::Cpu, 3).unwrap();
    let mut plan = Tiny::plan();
    plan.navigator.policy = policy;
    let trainer = Trainer::new(plan).latency(Table { fingerprint: Fingerprint::of(&network), ..table() });
    trainer.train(&mut network, &samples(192, 64).unwrap(), &mut Progress::silent()).unwrap();
    network
}

/// A network with freshly drawn parameters that does not know its costs.
fn fresh() -> Tiny {
    Tiny::new(crate::Device::Cpu).unwrap()
}

/// Twelve samples, one by one.
fn inputs() -> Vec<TinyInput> {
    let features = samples(1, 12).unwrap().valid.input().unwrap().features();
    let sample = |row| features.iter().map(|feature| feature.narrow(row, 1)).collect();
    (0..12).map(|row| TinyInput::from_features(sample(row)).unwrap()).collect()
}

fn input() -> TinyInput {
    inputs().swap_remove(0)
}

fn route(step: &ExplainedStep) -> TinyRoute {
    TinyRoute::at([step.blocks[0] - 1, step.blocks[1] - 1])
}

/// What a policy expects of every answer in a state in which it looks.
fn qualities(network: &Tiny, policy: plan::Policy, input: &TinyInput, at: TinyRoute) -> Vec<f64> {
    let (policies, modalities) = (network.policies(), Tiny::description().modalities);
    let features: Vec<Vec<Tensor>> =
        input.features().iter().enumerate().map(|(m, input)| route_features(network, m, input)).collect();
    if policy == plan::Policy::Value {
        let stems: Vec<Tensor> = input
            .features()
            .iter()
            .enumerate()
            .map(|(m, input)| stem(&modalities[m], &network.block(m, 0, input, false), None))
            .collect();
        let frozen = policies.value().unwrap().quality.frozen().unwrap();
        return Value::qualities(&frozen, &stems).unwrap().swap_remove(0);
    }
    let features: Vec<Tensor> = (0..2).map(|m| features[m][at.exits()[m]].shallow_clone()).collect();
    let alone: Vec<Tensor> = (0..2).map(|m| network.task_head(m, &features[m])).collect();
    let state = State::of(&at.blocks());
    let frozen = policies.sequential().unwrap().quality.frozen().unwrap();
    Sequential::qualities(Tiny::description(), &frozen, &state, &network.fuse(&features, false), &alone)
        .unwrap()
        .swap_remove(0)
}

#[test]
fn a_journey_is_that_of_the_prediction() {
    for policy in plan::Policy::LEARNED {
        let network = taught(policy);
        let mut lengths = Vec::new();
        for (input, lambda) in
            inputs().into_iter().flat_map(|input| [0.0, 0.02, 10.0].map(|lambda| (input.clone(), lambda)))
        {
            let budget = Budget::Lambda(lambda);
            let explanation = explain(&network, &input, Decider::Within(policy, budget), None).unwrap();
            let answer = predict_within(&network, &input, policy, Budgets::All(budget)).unwrap();
            assert_eq!(explanation.route, answer.routes[0].to_string());
            assert_eq!(vec![explanation.prediction.clone()], answer.predictions().unwrap());

            let steps = &explanation.steps;
            let last = steps.last().unwrap();
            assert_eq!((route(last), &last.next), (answer.routes[0], &ExplainedMove::Stop));
            assert_eq!(last.prediction, Some(explanation.prediction.clone()));
            assert!(steps.is_sorted_by(|left, right| left.milliseconds <= right.milliseconds));
            assert_eq!((&*steps[0].state, &*steps[1].state), ("left: -, right: -", "left: first, right: -"));
            assert_eq!(steps[0].next, ExplainedMove::Run("left".into()));
            for step in &steps[..2] {
                assert!(step.prediction.is_none() && step.goal.is_none() && step.predicted.is_none());
            }
            lengths.push(steps.len());
        }
        lengths.sort_unstable();
        assert!(lengths[0] < lengths[lengths.len() - 1], "all journeys are as long: {lengths:?}");
    }
}

#[test]
fn what_is_said_on_the_way_is_what_independent_calls_say() {
    let target = Tensor::from_slice(&[1i64]);
    for policy in [plan::Policy::Value, plan::Policy::Sequential] {
        let network = taught(policy);
        let costs = network.policies().costs().unwrap().clone();
        for input in inputs() {
            let decider = Decider::Within(policy, Budget::Lambda(0.01));
            let explanation = explain(&network, &input, decider, Some(&target)).unwrap();
            let answer = |route| predict_by(&network, &input, route).unwrap();
            let real = |answer: &Answer<TinyRoute>| f64::from(u8::from(answer.classes().unwrap() == [1]));

            let number = |route: TinyRoute| route.exits()[0] * 3 + route.exits()[1];
            let close = |left: f64, right: f64| (left - right).abs() < 1e-5;
            let mut looked = TinyRoute::at([0, 0]);
            for step in &explanation.steps[2..] {
                let here = route(step);
                let answer = answer(here);
                assert_eq!(step.prediction, Some(answer.predictions().unwrap().swap_remove(0)));
                assert_eq!(step.real, Some(real(&answer)));
                if let Some(goal) = &step.goal {
                    looked = here;
                    let goes = all::<Tiny>().find(|route| route.to_string() == goal.state).unwrap();
                    let expected = qualities(&network, policy, &input, here)[number(goes)];
                    assert!(close(goal.predicted.unwrap(), expected));
                    let (from, to) = (State::of(&here.blocks()), State::of(&goes.blocks()));
                    let price = match policy {
                        plan::Policy::Value => costs.direct(&from, &to),
                        _ => costs.watched(&from, &to),
                    };
                    assert!(close(goal.expected, price.expected));
                    if step.next == ExplainedMove::Stop {
                        assert_eq!(goes, here);
                    }
                }
                let expected = qualities(&network, policy, &input, looked)[number(here)];
                assert!(close(step.predicted.unwrap(), expected));
            }

            let first = qualities(&network, policy, &input, TinyRoute::at([0, 0]));
            assert_eq!(explanation.routes.len(), 9);
            for ((number, route), explained) in all::<Tiny>().enumerate().zip(&explanation.routes) {
                assert_eq!(explained.route, route.to_string());
                let answer = answer(route);
                assert_eq!(vec![explained.prediction.clone()], answer.predictions().unwrap());
                assert_eq!(
                    (explained.real, explained.expected),
                    (Some(real(&answer)), Some(costs.table().route(&route.blocks())))
                );
                assert!(close(explained.predicted.unwrap(), first[number]));
            }
        }
    }
}

#[test]
fn the_navigator_decides_at_once() {
    let network = fresh();
    let input = input();
    let answer = predict(&network, &input).unwrap();
    let explanation = explain(&network, &input, Decider::of_spec::<Tiny>(), None).unwrap();
    assert_eq!((&*explanation.policy, &explanation.budget), ("paper", &None));
    assert_eq!(explanation.route, answer.routes[0].to_string());
    assert_eq!(vec![explanation.prediction.clone()], answer.predictions().unwrap());
    let [first, last] = &explanation.steps[..] else { panic!("{explanation}") };
    assert_eq!(first.next, ExplainedMove::Finish(explanation.route.clone()));
    assert_eq!((route(last), &last.next), (answer.routes[0], &ExplainedMove::Stop));
    assert_eq!((first.milliseconds > 0.0, last.milliseconds > first.milliseconds), (true, true));
    for (modality, taken) in explanation.modalities.iter().zip(answer.routes[0].exits()) {
        let total: f64 = modality.exits.iter().filter_map(|exit| exit.probability).sum();
        assert!((total - 1.0).abs() < 1e-6);
        for (index, exit) in modality.exits.iter().enumerate() {
            assert_eq!(exit.taken, index == taken);
            assert!(exit.score <= modality.exits[taken].score && exit.expected.is_none());
        }
    }
    assert_eq!((explanation.expected, explanation.steps[1].predicted, explanation.steps[1].real), (None, None, None));
}

#[test]
fn any_policy_is_explained() {
    let policy = Fixed(State::of(&[1, 3]));
    let explanation = explain(&fresh(), &input(), Decider::Other(&policy), None).unwrap();
    assert_eq!(
        explanation.steps.iter().map(|step| &*step.state).collect::<Vec<_>>(),
        ["left: -, right: -", "left: first, right: full"]
    );
    assert_eq!((&*explanation.policy, explanation.modalities[0].exits[0].score), ("other", None));
}

#[test]
fn a_journey_that_time_ends_says_so() {
    for policy in [plan::Policy::Value, plan::Policy::Sequential] {
        let network = taught(policy);
        let decider = Decider::Within(policy, Budget::Milliseconds(0.001));
        for input in inputs() {
            let explanation = explain(&network, &input, decider, None).unwrap();
            let last = explanation.steps.last().unwrap();
            assert_eq!((&*explanation.route, &explanation.route), ("left: first, right: first", &last.state));
            assert_eq!(explanation.budget.as_deref(), Some("within 0.001 ms"));
            let goal = last.goal.as_ref().unwrap();
            assert_eq!(goal.state, explanation.route);
            if policy == plan::Policy::Sequential {
                assert_eq!((last.next == ExplainedMove::Cut, goal.expected), (goal.for_want_of_time, 0.0));
            }
        }
    }
}

#[test]
fn what_cannot_be_explained_is_an_error() {
    let network = fresh();
    let two = samples(2, 1).unwrap().train.input().unwrap();
    let message = |input: &TinyInput, target: Option<&Tensor>| {
        explain(&network, input, Decider::Paper, target).unwrap_err().to_string()
    };
    assert_eq!(message(&two, None), "explain: expected one sample, found 2; narrow the batch to one");
    let target = Tensor::from_slice(&[0i64, 1]);
    assert_eq!(message(&input(), Some(&target)), "target: expected [1] of Int64, found [2] of Int64");
    for policy in [plan::Policy::Paper, plan::Policy::Sequential] {
        // The navigator knows no budget, and the learned policy has learned nothing yet.
        assert!(explain(&network, &input(), Decider::Within(policy, Budget::Lambda(0.1)), None).is_err());
    }
    let target = Tensor::from_slice(&[3i64]);
    assert_eq!(message(&input(), Some(&target)), "target: row 0 is out of range, expected 0 to 2");
}

#[test]
fn json_has_the_fields() {
    let target = Tensor::from_slice(&[0i64]);
    let explanation = explain(&fresh(), &input(), Decider::Paper, Some(&target)).unwrap();
    let json = serde_json::to_value(&explanation).unwrap();
    assert!(json["modalities"][1]["exits"][2]["score"].is_number());
    assert!(json["steps"][0]["next"]["finish"].is_string());
    assert_eq!(json["steps"][0]["prediction"], serde_json::Value::Null);
    assert_eq!((&json["steps"][1]["next"], &json["policy"]), (&"stop".into(), &"paper".into()));
    assert!(json["steps"][1]["real"].is_number() && json["routes"][8]["real"].is_number());
    insta::assert_snapshot!(serde_json::to_string_pretty(&by_hand().steps[2..]).unwrap());
}

fn says(class: i64) -> Prediction {
    Prediction::Class { class, name: None, probability: 0.625 }
}

/// A journey of the sequential policy.
fn by_hand() -> Explanation {
    let exit = |name: &str, taken, class| ExplainedExit {
        name: name.into(),
        taken,
        score: None,
        probability: None,
        prediction: says(class),
        expected: Some(1.25),
    };
    let step = |state: &str, blocks: [usize; 2], milliseconds, next| ExplainedStep {
        state: state.into(),
        blocks: blocks.into(),
        milliseconds,
        prediction: None,
        predicted: None,
        real: None,
        goal: None,
        next,
    };
    let goal = |state: &str, predicted, expected| {
        Some(ExplainedGoal { state: state.into(), predicted: Some(predicted), expected, for_want_of_time: false })
    };
    let route = |route: &str, blocks: [usize; 2], class, expected| ExplainedRoute {
        route: route.into(),
        blocks: blocks.into(),
        prediction: says(class),
        predicted: Some(0.5),
        real: Some(f64::from(u8::from(class == 2))),
        expected: Some(expected),
    };
    Explanation {
        model: "Tiny".into(),
        policy: "sequential".into(),
        budget: Some("at a price of 0.05".into()),
        route: "left: second, right: full".into(),
        prediction: says(2),
        milliseconds: 4.0,
        expected: Some(3.75),
        steps: vec![
            step("left: -, right: -", [0, 0], 0.0, ExplainedMove::Run("left".into())),
            step("left: first, right: -", [1, 0], 1.0, ExplainedMove::Run("right".into())),
            ExplainedStep {
                prediction: Some(says(0)),
                predicted: Some(0.5),
                real: Some(0.0),
                goal: goal("left: second, right: full", 0.75, 1.25),
                ..step("left: first, right: full", [1, 1], 3.0, ExplainedMove::Run("left".into()))
            },
            ExplainedStep {
                prediction: Some(says(2)),
                predicted: Some(0.8125),
                real: Some(1.0),
                goal: goal("left: second, right: full", 0.8125, 0.0),
                ..step("left: second, right: full", [2, 1], 3.875, ExplainedMove::Stop)
            },
        ],
        modalities: vec![
            ExplainedModality {
                name: "left".into(),
                exits: vec![exit("first", false, 0), exit("second", true, 2), exit("full", false, 1)],
            },
            ExplainedModality { name: "right".into(), exits: vec![exit("full", true, 2)] },
        ],
        routes: vec![
            route("left: first, right: full", [1, 1], 0, 3.0),
            route("left: second, right: full", [2, 1], 2, 4.25),
            route("left: full, right: full", [3, 1], 1, 5.0),
        ],
        warnings: vec!["left: leaving at second takes no less than going on to full".into()],
    }
}

/// The same sample as the paper's navigator sends it: straight to the end.
fn by_hand_of_the_paper() -> Explanation {
    let mut explanation = by_hand();
    (explanation.policy, explanation.budget, explanation.expected) = ("paper".into(), None, None);
    (explanation.route, explanation.warnings) = ("left: full, right: full".into(), Vec::new());
    for exit in explanation.modalities.iter_mut().flat_map(|modality| &mut modality.exits) {
        (exit.score, exit.probability, exit.expected) = (Some(0.5), Some(0.25), None);
        exit.taken = exit.name == "full";
    }
    for route in &mut explanation.routes {
        (route.predicted, route.real, route.expected) = (None, None, None);
    }
    let end = explanation.route.clone();
    explanation.steps.drain(1..3);
    explanation.steps[0].next = ExplainedMove::Finish(end.clone());
    let last = &mut explanation.steps[1];
    (last.state, last.blocks, last.predicted, last.goal) = (end, vec![3, 1], None, None);
    explanation
}

#[test]
fn an_explanation_prints_readably() {
    insta::assert_snapshot!(format!("{}\n---\n\n{}", by_hand(), by_hand_of_the_paper()));
}

#[test]
fn a_picture_of_two_modalities_is_a_grid() {
    insta::assert_snapshot!(by_hand().svg());
}

#[test]
fn a_picture_of_other_numbers_of_modalities_is_in_rows() {
    let mut explanation = by_hand();
    explanation.modalities.truncate(1);
    let last = explanation.steps[3].clone();
    explanation.steps.push(ExplainedStep { next: ExplainedMove::Cut, ..last });
    insta::assert_snapshot!(explanation.svg());
}

#[test]
fn a_picture_holds_any_text() {
    let mut explanation = by_hand();
    explanation.model = "A<B> & \"C\"\u{1}".into();
    explanation.steps[2].state = "<left> & right".into();
    explanation.routes[2].route = "x".repeat(37) + "&&&";
    let svg = explanation.svg();
    assert!(svg.contains("A&lt;B&gt; &amp; &quot;C&quot;") && svg.contains("&lt;left&gt; &amp; right"), "{svg}");
    assert!(svg.contains(&format!(">{}…<", "x".repeat(37))) && !svg.contains("<left>") && !svg.contains('\u{1}'));
    // Whoever has nothing to show gets an empty picture.
    (explanation.steps, explanation.routes) = (Vec::new(), Vec::new());
    assert!(explanation.svg().ends_with("</svg>\n"));
}
