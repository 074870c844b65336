//! A sample on its way, watched through the eyes of the policy that sends it.

use std::cell::RefCell;

use tch::{Device, Tensor};

use super::Decider;
use crate::Result;
use crate::batch::Feature;
use crate::latency::Stopwatch;
use crate::network::Network;
use crate::parts::Live;
use crate::policy::{Look, Move, Paper, Policy, Posterior, Seen, State, Weighing};
use crate::routing::executor::{Clock, run};
use crate::routing::within;

/// What became of a sample.
#[derive(Debug)]
pub(super) struct Journey {
    /// Each state in which the policy was asked, and the last one.
    pub(super) stops: Vec<Stop>,
    /// Where the sample left.
    pub(super) end: State,
    /// Where it was looked at, and how.
    pub(super) looks: Vec<(State, Look)>,
    /// The scores by which the policy decided, `[1, exits]` a modality; empty where it decides by none.
    pub(super) scores: Vec<Tensor>,
}

/// A state on the way.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) state: State,
    /// From the start until the policy was asked, or until the answer where it was not.
    pub(super) milliseconds: f64,
    pub(super) weighing: Option<Weighing>,
    pub(super) next: Move,
}

impl Journey {
    /// Runs a single sample and notes what its policy sees and does.
    ///
    /// # Errors
    /// Those of the policy and of the executor.
    pub(super) fn watch<N: Network>(network: &N, inputs: &[Feature], decider: Decider<'_>) -> Result<Self> {
        let follow = |policy: &dyn Policy, clock: Option<&Clock<'_>>| Self::follow(network, inputs, policy, clock);
        match decider {
            Decider::Paper => follow(&Paper::of(network)?, None),
            Decider::Other(policy) => follow(policy, None),
            Decider::Within(policy, budget) => {
                let (budgets, policies) = ([budget], network.policies());
                let (standing, costs) = (policies.standing(policy)?, policies.costs()?);
                let clock = Clock::of(&budgets, 1, costs);
                within(standing.as_ref(), costs, &budgets, |policy| follow(policy, clock.as_ref()))
            }
        }
    }

    fn follow<N: Network>(
        network: &N,
        inputs: &[Feature],
        policy: &dyn Policy,
        clock: Option<&Clock<'_>>,
    ) -> Result<Self> {
        let recorder = Recorder::start(policy, network.variables().device());
        let mut outcome = run(&Live(network), inputs, &recorder, clock)?;
        let whole = recorder.watch.elapsed();

        let (end, cut) = (outcome.states.swap_remove(0), outcome.cut[0]);
        let mut journey = Self { stops: Vec::new(), end, looks: outcome.looks.swap_remove(0), scores: Vec::new() };
        for Note { state, milliseconds, seen, next } in recorder.notes.into_inner() {
            // Weighed once more, now that nobody's time is taken by it.
            let weighing = policy.weigh(&state, &seen)?.into_iter().next().flatten();
            let scores = policy.scores(&state, &seen)?;
            if !scores.is_empty() {
                journey.scores = scores;
            }
            journey.stops.push(Stop { state, milliseconds, weighing, next });
        }
        let leaves = if cut { Move::Cut } else { Move::Stop };
        match journey.stops.last_mut() {
            Some(last) if last.state == journey.end => last.next = leaves,
            _ => {
                let state = journey.end.clone();
                journey.stops.push(Stop { state, milliseconds: whole, weighing: None, next: leaves });
            }
        }
        Ok(journey)
    }
}

/// Passes everything on to a policy, and notes what became of a single sample.
#[derive(Debug)]
struct Recorder<'a> {
    policy: &'a dyn Policy,
    watch: Stopwatch,
    notes: RefCell<Vec<Note>>,
}

/// A policy was asked.
#[derive(Debug)]
struct Note {
    state: State,
    milliseconds: f64,
    seen: Seen,
    next: Move,
}

impl<'a> Recorder<'a> {
    fn start(policy: &'a dyn Policy, device: Device) -> Self {
        Self { policy, watch: Stopwatch::start(device), notes: RefCell::default() }
    }
}

impl Policy for Recorder<'_> {
    fn look(&self, state: &State) -> Look {
        self.policy.look(state)
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let milliseconds = self.watch.elapsed();
        let moves = self.policy.next(state, seen)?;
        if let [next] = &moves[..] {
            let note = Note { state: state.clone(), milliseconds, seen: copied(seen), next: next.clone() };
            self.notes.borrow_mut().push(note);
        }
        Ok(moves)
    }
}

/// The same tensors once more.
fn copied(seen: &Seen) -> Seen {
    let all = |tensors: &[Tensor]| tensors.iter().map(Tensor::shallow_clone).collect();
    Seen {
        rows: seen.rows.clone(),
        elapsed: seen.elapsed,
        scores: all(&seen.scores),
        stems: all(&seen.stems),
        posterior: seen.posterior.as_ref().map(|posterior| Posterior {
            features: all(&posterior.features),
            logits: posterior.logits.shallow_clone(),
            alone: all(&posterior.alone),
        }),
    }
}
