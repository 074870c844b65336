//! The executor under policies that ask for one block after the other.

use std::cell::RefCell;

use tch::Tensor;

use super::*;
use crate::batch::Feature;
use crate::network::Description;
use crate::parts::Parts;
use crate::policy::{Look, Move, Seen};
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples};

/// Sends each sample to a goal of its own, block by block, one modality or the other first.
#[derive(Debug, Default)]
struct Wandering {
    looks: RefCell<Vec<(State, Vec<usize>)>>,
}

impl Wandering {
    fn goal(row: usize) -> State {
        State::of(&[1 + row % 3, 1 + row / 3 % 3])
    }
}

impl Policy for Wandering {
    fn look(&self, state: &State) -> Look {
        if state.can_leave() { Look::Posterior } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        self.looks.borrow_mut().push((state.clone(), seen.rows.clone()));
        assert_eq!(seen.posterior.is_some(), state.can_leave());
        let of = |row: &usize| {
            let goal = Self::goal(*row);
            let mut behind = (0..2).filter(|modality| state.blocks()[*modality] < goal.blocks()[*modality]);
            let next = if row.is_multiple_of(2) { behind.next() } else { behind.next_back() };
            match next {
                // Some are told where to go when there is still a way to go.
                Some(_) if row.is_multiple_of(5) && state.depth() > 1 => Move::Finish(goal),
                Some(modality) => Move::Run(modality),
                None => Move::Stop,
            }
        };
        Ok(seen.rows.iter().map(of).collect())
    }
}

/// Answers the same whatever it is asked.
#[derive(Debug)]
struct Stubborn(Vec<Move>);

impl Policy for Stubborn {
    fn look(&self, _: &State) -> Look {
        Look::Nothing
    }

    fn next(&self, _: &State, _: &Seen) -> Result<Vec<Move>> {
        Ok(self.0.clone())
    }
}

fn input(count: i64) -> TinyInput {
    samples(count, 1).unwrap().train.input().unwrap()
}

fn row(input: &TinyInput, row: i64) -> TinyInput {
    TinyInput::from_features(input.features().iter().map(|feature| feature.narrow(row, 1)).collect()).unwrap()
}

fn difference(left: &Tensor, right: &Tensor) -> f64 {
    (left - right).abs().max().double_value(&[])
}

#[test]
fn samples_on_their_own_ways_are_answered_as_by_their_routes() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let input = input(45);
    let answer = predict_with(&network, &input, &Wandering::default()).unwrap();
    let goals: Vec<TinyRoute> = (0..45).map(|row| TinyRoute::at([row % 3, row / 3 % 3])).collect();
    assert_eq!(answer.routes, goals);
    for (sample, goal) in goals.iter().enumerate() {
        let single = predict_by(&network, &row(&input, sample as i64), *goal).unwrap();
        assert!(difference(&answer.logits.narrow(0, sample as i64, 1), &single.logits) < 1e-5);
    }
}

#[test]
fn samples_in_the_same_state_are_asked_about_together() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let policy = Wandering::default();
    predict_with(&network, &input(45), &policy).unwrap();
    let looks = policy.looks.take();
    assert_eq!(looks[0], (State::of(&[0, 0]), (0..45).collect()));
    let mut asked: Vec<(&State, usize)> =
        looks.iter().flat_map(|(state, rows)| rows.iter().map(move |row| (state, *row))).collect();
    asked.sort();
    let count = asked.len();
    asked.dedup();
    assert_eq!(asked.len(), count, "nobody is asked twice in a state");
    // Two groups set out, by the left or by the right block, and those who come to a state by the same block come together.
    for state in looks.iter().map(|(state, _)| state) {
        let times = looks.iter().filter(|(other, _)| other == state).count();
        assert!(times <= 2, "{times} times after {state} blocks");
    }
}

#[test]
fn a_block_waits_for_those_who_may_still_come_to_it() {
    /// The first sample wants the left block and then the right one, the second the other way round.
    #[derive(Debug)]
    struct Crossing;

    impl Policy for Crossing {
        fn look(&self, _: &State) -> Look {
            Look::Nothing
        }

        fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
            let of = |row: &usize| match (state.blocks(), row) {
                ([0, 0], 0) => Move::Run(0),
                ([_, 0], _) => Move::Run(1),
                ([0, _], _) => Move::Run(0),
                _ => Move::Stop,
            };
            Ok(seen.rows.iter().map(of).collect())
        }
    }

    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let inputs = input(2).features();
    let parts = Counting { parts: Live(&network), counts: RefCell::default() };
    let _no_grad = tch::no_grad_guard();
    run(&parts, &inputs, &Crossing, None).unwrap();
    let Counts { blocks, calls, .. } = parts.counts.take();
    assert_eq!((blocks, calls), (4, 3), "one of the two blocks runs once for both");
}

#[test]
fn what_a_look_has_computed_is_not_computed_again() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let inputs = input(45).features();
    let parts = Counting { parts: Live(&network), counts: RefCell::default() };
    let _no_grad = tch::no_grad_guard();
    let outcome = run(&parts, &inputs, &Wandering::default(), None).unwrap();
    let Counts { blocks, leaves, fused, .. } = parts.counts.take();
    assert_eq!(blocks, outcome.states.iter().map(State::depth).sum::<usize>());
    // A sample is looked at with one block of each modality and after every further one: one new exit each time, but
    // for the first look, and one answer each. Those that are told where to go are looked at up to there, and answered
    // once more unless they stand there already.
    let exits: usize = (0..45).map(|row| visited(row) + 1).sum();
    let answers: usize = (0..45).map(visited).sum();
    assert_eq!((leaves, fused), (exits, answers));

    fn visited(row: usize) -> usize {
        let goal = Wandering::goal(row);
        match row.is_multiple_of(5) {
            // Looked at in the state of one block each, where it has come there, and answered at the goal.
            true => 1 + usize::from(goal.depth() > 2 && one_each(row, &goal)),
            false => looks(row, &goal),
        }
    }

    // The states with a block of each modality on the way of a sample that is never told its goal.
    fn looks(row: usize, goal: &State) -> usize {
        let [left, right] = [goal.blocks()[0], goal.blocks()[1]];
        if row.is_multiple_of(2) { right } else { left }
    }

    // Whether the second block on the way is one of the other modality.
    fn one_each(row: usize, goal: &State) -> bool {
        let first = if row.is_multiple_of(2) { goal.blocks()[0] } else { goal.blocks()[1] };
        first == 1
    }
}

#[test]
fn what_a_policy_must_not_ask_for_is_an_error() {
    let network = Tiny::new(crate::Device::Cpu).unwrap();
    let message = |moves: Vec<Move>| {
        predict_with(&network, &input(1), &Stubborn(moves)).map(|answer| answer.routes).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            message(vec![Move::Stop]),
            message(vec![Move::Run(2)]),
            // It asks for one block of the left modality too many.
            message(vec![Move::Run(0)]),
            message(vec![Move::Finish(State::of(&[1]))]),
            message(vec![Move::Finish(State::of(&[1, 4]))]),
            message(vec![Move::Finish(State::of(&[0, 0]))]),
            message(Vec::new()),
        ]
        .join("\n")
    );
}

/// Counts samples: how many blocks, exits and answers were computed.
#[derive(Debug)]
struct Counting<'a> {
    parts: Live<'a, Tiny>,
    counts: RefCell<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    calls: usize,
    blocks: usize,
    leaves: usize,
    fused: usize,
}

impl Parts for Counting<'_> {
    fn description(&self) -> &'static Description {
        self.parts.description()
    }

    fn rule(&self) -> Result<crate::task::Rule> {
        self.parts.rule()
    }

    fn device(&self) -> tch::Device {
        self.parts.device()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        self.counts.borrow_mut().calls += 1;
        self.counts.borrow_mut().blocks += input.len() as usize;
        self.parts.block(modality, block, input)
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        self.counts.borrow_mut().leaves += output.len() as usize;
        self.parts.leave(modality, exit, output)
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        self.parts.stem(modality, output)
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        self.parts.task_head(modality, feature)
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        self.parts.stand_in(modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.counts.borrow_mut().fused += features[0].size()[0] as usize;
        self.parts.fuse(features)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        self.parts.navigate(inputs)
    }
}
