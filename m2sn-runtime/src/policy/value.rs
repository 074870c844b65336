//! One decision by predicted quality: the value policy.
//!
//! After the first block of every modality that a sample has, pooled outputs tell how good the answer of each route would be for this
//! sample; the sample goes the way of the best quality less price. Nothing that has run is thrown away.

use tch::Tensor;
use tch::nn::Path;

use super::front::Front;
use super::quality::{Frozen, Quality};
use super::terms::Terms;
use super::{Look, Move, Policy, Seen, State, Weighing, known};
use crate::Result;
use crate::network::Description;

/// What the value policy has learned.
#[derive(Debug)]
pub struct Value {
    pub(crate) quality: Quality,
    pub(crate) front: Front,
}

impl Value {
    pub(crate) fn new(path: &Path<'_>, description: &Description, states: i64) -> Self {
        let quality = Quality::new(path, description.task, known::stems_width(description), states);
        Self { quality, front: Front::new(path) }
    }

    /// The quality of the answer by every route, from the pooled outputs of the first blocks.
    pub(crate) fn qualities(frozen: &Frozen, stems: &[Tensor]) -> Result<Vec<Vec<f64>>> {
        frozen.predict_each(&known::stems_rows(stems)?)
    }
}

/// The value policy on given terms.
#[derive(Debug)]
pub(super) struct Valuing<'a> {
    frozen: &'a Frozen,
    terms: Terms<'a>,
}

impl<'a> Valuing<'a> {
    pub(super) fn new(frozen: &'a Frozen, terms: Terms<'a>) -> Self {
        Self { frozen, terms }
    }
}

impl Policy for Valuing<'_> {
    fn look(&self, state: &State) -> Look {
        if state.unseen().is_none() { Look::Stems } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if let Some(modality) = state.unseen() {
            return Ok(self.terms.begin(modality, seen));
        }
        let of = |weighing: Option<Weighing>| match weighing {
            None => Move::Stop,
            Some(Weighing { goal, for_want_of_time: true, .. }) if goal == *state => Move::Cut,
            Some(Weighing { goal, .. }) => Move::Finish(goal),
        };
        Ok(self.weigh(state, seen)?.into_iter().map(of).collect())
    }

    fn weigh(&self, state: &State, seen: &Seen) -> Result<Vec<Option<Weighing>>> {
        if self.look(state) == Look::Nothing {
            return Ok(vec![None; seen.rows.len()]);
        }
        let (costs, grid) = (self.terms.costs, self.terms.costs.grid());
        let qualities = Value::qualities(self.frozen, &seen.stems)?;
        let spent = self.terms.spent(seen, || costs.blocks(&State::start(state.presence()), state));
        let price = |number: usize| {
            let goal = grid.state(number);
            state.leads_to(&goal).then(|| costs.direct(state, &goal))
        };
        let of = |(row, qualities): (&usize, Vec<f64>)| self.terms.choose(*row, qualities, spent, price);
        Ok(seen.rows.iter().zip(qualities).map(of).collect())
    }
}
