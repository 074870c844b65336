//! Runs what a policy asks for, and nothing else.
//!
//! Samples that come to the same state together are asked about together. What they are to run then is gathered by block,
//! whatever states they come from, and a block waits for whoever may still come to it from behind. Samples whose way is
//! decided wait until nobody is asked any more, and go the rest of it together: a block runs once on all that still need
//! it.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::shelf::Shelf;
use crate::batch::Feature;
use crate::network::{Network, leave};
use crate::parts::{Parts, stem_width};
use crate::policy::{Budget, Costs, Grid, Look, Move, Policy, Posterior, Presence, Seen, State};
use crate::scattered::Scattered;
use crate::{Error, Result};

/// What has become of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `[batch, outputs]`, in the order of the samples.
    pub(crate) logits: Tensor,
    /// Where each sample has left.
    pub(crate) states: Vec<State>,
    /// Whose way ended early for want of time.
    pub(crate) cut: Vec<bool>,
    /// Where each sample was looked at.
    pub(crate) looks: Vec<Vec<(State, Look)>>,
}

/// The time that one sample has.
#[derive(Debug)]
pub(crate) struct Clock<'a> {
    start: Instant,
    milliseconds: f64,
    costs: &'a Costs,
}

impl<'a> Clock<'a> {
    /// Starts now.
    pub(crate) fn start(milliseconds: f64, costs: &'a Costs) -> Self {
        Self { start: Instant::now(), milliseconds, costs }
    }

    /// Starts now, where budgets want one: for a single sample that has so many milliseconds.
    pub(crate) fn of(budgets: &[Budget], samples: i64, costs: &'a Costs) -> Option<Self> {
        match *budgets {
            [Budget::Milliseconds(milliseconds)] if samples == 1 => Some(Self::start(milliseconds, costs)),
            _ => None,
        }
    }

    fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }

    /// Whether a block, and the answer after it, can be begun with a fair chance to end in time.
    fn has_time(&self, state: &State, modality: usize) -> bool {
        let next = state.after(modality);
        let answer = self.costs.answer(&next, 0..next.blocks().len());
        self.elapsed() + self.costs.blocks(state, &next).worst + answer.worst <= self.milliseconds
    }
}

/// Takes samples where a policy sends them.
///
/// `inputs` holds one entry a modality, and fits the network. A `clock` bounds the time of a single sample.
///
/// # Errors
/// Those of the policy; [`Error::Invalid`] where it asks for what the network does not have.
pub(crate) fn run(
    parts: &(impl Parts + ?Sized),
    inputs: &[Feature],
    policy: &dyn Policy,
    clock: Option<&Clock<'_>>,
) -> Result<Outcome> {
    let mut walk = Walk::begin(parts, inputs, clock)?;
    walk.ask(policy)?;
    Ok(walk.finish())
}

/// Where a policy sends samples.
#[derive(Debug)]
pub(crate) struct Decisions {
    /// Where each sample is to leave.
    pub(crate) goals: Vec<State>,
    /// Where each sample was looked at.
    pub(crate) looks: Vec<Vec<(State, Look)>>,
}

/// Asks a policy where it sends samples, and runs no more than it has to see for that.
///
/// # Errors
/// As [`run`].
pub(crate) fn decide(parts: &impl Parts, inputs: &[Feature], policy: &dyn Policy) -> Result<Decisions> {
    let mut walk = Walk::begin(parts, inputs, None)?;
    walk.ask(policy)?;
    Ok(Decisions { goals: walk.goals.into_iter().flatten().collect(), looks: walk.looks })
}

/// The feature of one modality at an exit that all samples share, `[batch, feature]`.
pub(crate) fn encode<N: Network>(network: &N, modality: usize, input: &Feature, exit: usize) -> Tensor {
    let mut feature = network.block(modality, 0, input, false);
    for block in 1..=exit {
        feature = network.block(modality, block, &feature, false);
    }
    leave(network, modality, exit, &feature, false)
}

/// Samples on their way.
#[derive(Debug)]
struct Walk<'a, P: ?Sized> {
    parts: &'a P,
    grid: Grid,
    inputs: &'a [Feature],
    clock: Option<&'a Clock<'a>>,
    /// Where each sample stands.
    states: Vec<State>,
    /// Where each sample is to leave, once that is decided.
    goals: Vec<Option<State>>,
    cut: Vec<bool>,
    looks: Vec<Vec<(State, Look)>>,
    /// Who is to go on, by modality and block.
    waiting: BTreeMap<(usize, usize), Vec<usize>>,
    /// By modality, the output of the last block, or the input.
    outputs: Vec<Shelf>,
    /// By modality, the deepest feature by the exit at which a sample stands, where it has been computed.
    features: Vec<Shelf>,
    /// What the network would answer where a sample stands, where it has been computed.
    logits: Shelf,
}

impl<'a, P: Parts + ?Sized> Walk<'a, P> {
    fn begin(parts: &'a P, inputs: &'a [Feature], clock: Option<&'a Clock<'a>>) -> Result<Self> {
        let grid = parts.grid();
        let states = starts(&grid, inputs)?;
        let samples = states.len();
        Ok(Self {
            parts,
            grid,
            inputs,
            clock,
            states,
            goals: vec![None; samples],
            cut: vec![false; samples],
            looks: vec![Vec::new(); samples],
            waiting: BTreeMap::new(),
            outputs: inputs.iter().map(|input| Shelf::full(input.clone())).collect(),
            features: inputs.iter().map(|_| Shelf::new(samples)).collect(),
            logits: Shelf::new(samples),
        })
    }

    /// Asks about all samples until it is decided where each is to leave.
    fn ask(&mut self, policy: &dyn Policy) -> Result<()> {
        let mut asked: Vec<usize> = (0..self.states.len()).collect();
        while !asked.is_empty() {
            asked = self.step(policy, asked)?;
        }
        Ok(())
    }

    /// Asks about these samples, and runs a block on some of those that are to go on; returns on whom it ran.
    fn step(&mut self, policy: &dyn Policy, asked: Vec<usize>) -> Result<Vec<usize>> {
        // Samples that lack different modalities stand in different places.
        let mut groups: BTreeMap<(State, Vec<Presence>), Vec<usize>> = BTreeMap::new();
        for row in asked {
            let state = self.states[row].clone();
            let presence = state.presence().into();
            groups.entry((state, presence)).or_default().push(row);
        }
        let groups: Vec<(State, Look, Vec<usize>)> =
            groups.into_iter().map(|((state, _), rows)| (state.clone(), policy.look(&state), rows)).collect();
        // Shortcuts, fusion and head run once for all who are looked at, wherever they stand.
        let looked = groups.iter().filter(|(state, look, _)| look.is_answer() && state.can_leave());
        self.answer(&looked.flat_map(|(_, _, rows)| rows.iter().copied()).collect::<Vec<_>>());

        for (state, look, rows) in groups {
            if look != Look::Nothing {
                rows.iter().for_each(|row| self.looks[*row].push((state.clone(), look)));
            }
            let seen = self.see(look, &state, rows.clone());
            let moves = policy.next(&state, &seen)?;
            if moves.len() != rows.len() {
                return Err(fault(&state, &format!("{} moves for {} samples", moves.len(), rows.len())));
            }
            for (row, next) in rows.into_iter().zip(moves) {
                self.check(&state, &next)?;
                match next {
                    Move::Stop => self.goals[row] = Some(state.clone()),
                    Move::Cut => {
                        self.goals[row] = Some(state.clone());
                        self.cut[row] = true;
                    }
                    Move::Finish(goal) => self.goals[row] = Some(state.towards(&goal)),
                    Move::Run(modality) => {
                        self.waiting.entry((modality, state.blocks()[modality])).or_default().push(row);
                    }
                }
            }
        }
        Ok(self.advance())
    }

    /// Runs the block that the fewest of those who wait for another can still come to; returns on whom it ran.
    ///
    /// Whoever may come yet would have to run it once more, and small parts of a batch are less efficient.
    fn advance(&mut self) -> Vec<usize> {
        let comers = |(modality, block): (usize, usize)| {
            let others = self.waiting.iter().filter(|(other, _)| **other != (modality, block));
            let may_come = |row: &&usize| self.states[**row].blocks()[modality] <= block;
            others.flat_map(|(_, rows)| rows).filter(may_come).count()
        };
        let Some(next) = self.waiting.keys().copied().min_by_key(|next| comers(*next)) else { return Vec::new() };
        let mut rows = self.waiting.remove(&next).unwrap_or_default();
        rows.sort_unstable();
        self.block(next.0, next.1, &rows);
        rows
    }

    /// Checks that a policy asks for what there is.
    fn check(&self, state: &State, next: &Move) -> Result<()> {
        let fits = match next {
            Move::Stop | Move::Cut => state.can_leave(),
            Move::Run(modality) => {
                let next = state.after(*modality);
                *modality < self.inputs.len() && self.grid.holds(&next) && state.leads_to(&next)
            }
            Move::Finish(goal) => self.grid.number(goal).is_some() && state.leads_to(&state.towards(goal)),
        };
        if fits { Ok(()) } else { Err(fault(state, &format!("{next}, which is not possible from there"))) }
    }

    fn see(&self, look: Look, state: &State, rows: Vec<usize>) -> Seen {
        let modalities = 0..self.inputs.len();
        let mut seen = Seen::default();
        match look {
            Look::Nothing => {}
            Look::Scores => {
                let inputs: Vec<Feature> =
                    self.inputs.iter().map(|input| Shelf::full(input.clone()).take(&rows)).collect();
                seen.scores = self.parts.navigate(&inputs);
            }
            // Later blocks have replaced what a first one gave.
            Look::Stems if state.unseen().is_none() && state.blocks().iter().all(|blocks| *blocks <= 1) => {
                seen.stems = modalities.map(|m| self.stem(m, state, &rows)).collect();
            }
            Look::Logits | Look::Posterior if state.can_leave() => {
                let features: Vec<Tensor> = modalities.map(|m| self.features[m].tensor(&rows)).collect();
                let logits = self.logits.tensor(&rows);
                let alone = match look {
                    Look::Logits => Vec::new(),
                    _ => self.parts.alone(state, &features, &logits),
                };
                seen.posterior = Some(Posterior { alone, features, logits });
            }
            Look::Stems | Look::Logits | Look::Posterior => {}
        }
        seen.rows = rows;
        seen.elapsed = self.clock.map(Clock::elapsed);
        seen
    }

    /// What is cheap to know of a modality whose first block has run, or which the samples lack.
    fn stem(&self, modality: usize, state: &State, rows: &[usize]) -> Tensor {
        if state.blocks()[modality] > 0 {
            return self.parts.stem(modality, &self.outputs[modality].take(rows));
        }
        let width = stem_width(&self.parts.description().modalities[modality]);
        Tensor::zeros([rows.len() as i64, width], (Kind::Float, self.inputs[modality].tensor.device()))
    }

    /// Runs a block on samples that stand before it.
    fn block(&mut self, modality: usize, block: usize, rows: &[usize]) {
        let output = self.parts.block_of(modality, block, &self.outputs[modality].at(rows));
        self.outputs[modality].put(rows, output);
        self.features[modality].clear(rows);
        self.logits.clear(rows);
        for row in rows {
            self.states[*row] = self.states[*row].after(modality);
        }
    }

    /// Takes samples that stand at an exit of a modality through it, where that has not been done.
    fn leave(&mut self, modality: usize, exit: usize, rows: impl Iterator<Item = usize>) {
        let rows: Vec<usize> = rows.filter(|row| !self.features[modality].has(*row)).collect();
        if !rows.is_empty() {
            let feature = self.parts.leave_of(modality, exit, &self.outputs[modality].at(&rows));
            self.features[modality].put(&rows, feature.into());
        }
    }

    /// Computes what the network would answer for samples where they stand, as far as that has not been done.
    fn answer(&mut self, rows: &[usize]) {
        for (modality, exits) in self.grid.exits().collect::<Vec<_>>().into_iter().enumerate() {
            let stand_at = |walk: &Self, blocks: usize| -> Vec<usize> {
                rows.iter().copied().filter(|row| walk.states[*row].blocks()[modality] == blocks).collect()
            };
            for exit in 0..exits {
                let here = stand_at(self, exit + 1);
                self.leave(modality, exit, here.into_iter());
            }
            let without = stand_at(self, 0);
            if !without.is_empty() {
                let stand_in = self.parts.stand_in(modality, without.len() as i64);
                self.features[modality].put(&without, stand_in.into());
            }
        }
        self.fuse(rows);
    }

    fn fuse(&mut self, rows: &[usize]) {
        let rows: Vec<usize> = rows.iter().copied().filter(|row| !self.logits.has(*row)).collect();
        if !rows.is_empty() {
            let features: Vec<Scattered<'_>> = self.features.iter().map(|shelf| shelf.at(&rows)).collect();
            let logits = self.parts.answer(&self.states, &rows, &features);
            self.logits.put(&rows, logits.into());
        }
    }

    /// Takes all samples the rest of their way.
    fn finish(mut self) -> Outcome {
        let mut goals: Vec<State> = self.goals.iter().flatten().cloned().collect();
        for (modality, exits) in self.grid.exits().collect::<Vec<_>>().into_iter().enumerate() {
            for block in 0..exits {
                self.cut_short(&mut goals, modality);
                let goal = |row: usize| goals[row].blocks()[modality];
                let stands = |walk: &Self, row: usize| walk.states[row].blocks()[modality] == block;
                let rows: Vec<usize> =
                    (0..goals.len()).filter(|row| goal(*row) > block && stands(&self, *row)).collect();
                if !rows.is_empty() {
                    self.block(modality, block, &rows);
                }
                self.leave(modality, block, (0..goals.len()).filter(|row| goal(*row) == block + 1));
            }
        }
        let all: Vec<usize> = (0..goals.len()).collect();
        self.answer(&all);
        Outcome { logits: self.logits.tensor(&all), states: goals, cut: self.cut, looks: self.looks }
    }

    /// Where there is no time for the next block of a modality, a sample that can leave goes no further.
    fn cut_short(&mut self, goals: &mut [State], modality: usize) {
        let Some(clock) = self.clock else { return };
        for (row, goal) in goals.iter_mut().enumerate() {
            let here = &self.states[row];
            let goes_on = here.blocks()[modality] < goal.blocks()[modality];
            if goes_on && here.can_leave() && !clock.has_time(here, modality) {
                *goal = here.clone();
                self.cut[row] = true;
            }
        }
    }
}

/// Where each sample begins: what it lacks, it cannot be asked.
pub(crate) fn starts(grid: &Grid, inputs: &[Feature]) -> Result<Vec<State>> {
    let need = |modality: usize| if grid.least(modality) == 0 { Presence::Optional } else { Presence::Needed };
    let whole: Vec<Presence> = (0..inputs.len()).map(need).collect();
    let samples = inputs.first().map_or(0, Feature::len) as usize;
    let mut presence = vec![whole; samples];
    for (modality, input) in inputs.iter().enumerate() {
        let Some(present) = &input.present else { continue };
        let present = Vec::<bool>::try_from(present.to_device(Device::Cpu))?;
        for (presence, is_present) in presence.iter_mut().zip(present) {
            if !is_present {
                presence[modality] = Presence::Missing;
            }
        }
    }
    Ok(presence.iter().map(|presence| State::start(presence)).collect())
}

fn fault(state: &State, what: &str) -> Error {
    Error::invalid(format!("policy: after {state} blocks of the modalities, it answers with {what}"))
}
