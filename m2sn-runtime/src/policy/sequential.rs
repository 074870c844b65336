//! A decision after every block: the sequential policy.
//!
//! Where a sample stands, its answer so far tells how good that answer is, and how good those in the states ahead would
//! be. The sample stops where no way on is worth its price; else the next block towards the best state runs, and the
//! question is asked again with what that has shown. Encoders share their prefixes, so nothing is computed in vain but
//! the shortcuts and heads of states that a sample looks at and leaves behind.

use tch::Tensor;
use tch::nn::Path;

use super::front::Front;
use super::quality::{Frozen, Quality};
use super::terms::Terms;
use super::{Look, Move, Policy, Posterior, Seen, State, Weighing, known};
use crate::network::Description;
use crate::{Error, Result};

/// What the sequential policy has learned.
#[derive(Debug)]
pub struct Sequential {
    pub(crate) quality: Quality,
    pub(crate) front: Front,
}

impl Sequential {
    pub(crate) fn new(path: &Path<'_>, description: &Description, states: i64) -> Self {
        let quality = Quality::new(path, description.task, known::posterior_width(description), states);
        Self { quality, front: Front::new(path) }
    }

    /// The quality of the answer in every state, from what the network would answer in this one.
    pub(crate) fn qualities(
        description: &Description,
        frozen: &Frozen,
        state: &State,
        logits: &Tensor,
        alone: &[Tensor],
    ) -> Result<Vec<Vec<f64>>> {
        frozen.predict_each(&known::posterior_rows(description, state, logits, alone)?)
    }
}

/// The sequential policy on given terms.
#[derive(Debug)]
pub(super) struct Sequencing<'a> {
    description: &'static Description,
    frozen: &'a Frozen,
    terms: Terms<'a>,
}

impl<'a> Sequencing<'a> {
    pub(super) fn new(description: &'static Description, frozen: &'a Frozen, terms: Terms<'a>) -> Self {
        Self { description, frozen, terms }
    }
}

impl Policy for Sequencing<'_> {
    fn look(&self, state: &State) -> Look {
        // At the end there is nothing left to decide.
        let decides = state.can_leave() && !self.terms.costs.is_last(state);
        if decides { Look::Posterior } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if let Some(modality) = self.terms.costs.begin(state) {
            return Ok(self.terms.begin(modality, seen));
        }
        let of = |weighing: Option<Weighing>| {
            let Some(Weighing { goal, for_want_of_time, .. }) = weighing else { return Move::Stop };
            match self.terms.costs.advance(state, &goal) {
                Some(modality) => Move::Run(modality),
                None if for_want_of_time => Move::Cut,
                None => Move::Stop,
            }
        };
        Ok(self.weigh(state, seen)?.into_iter().map(of).collect())
    }

    fn weigh(&self, state: &State, seen: &Seen) -> Result<Vec<Option<Weighing>>> {
        if self.look(state) == Look::Nothing {
            return Ok(vec![None; seen.rows.len()]);
        }
        let (costs, grid) = (self.terms.costs, self.terms.costs.grid());
        let Some(posterior) = &seen.posterior else {
            return Err(Error::invalid("sequential policy: nothing was seen of the samples"));
        };
        let Posterior { logits, alone, .. } = posterior;
        let qualities = Sequential::qualities(self.description, self.frozen, state, logits, alone)?;
        let spent = self.terms.spent(seen, || {
            let first = costs.first(state);
            costs.route(&first) + costs.watched(&first, state)
        });
        let price = |number: usize| {
            let goal = grid.state(number);
            state.leads_to(&goal).then(|| costs.watched(state, &goal))
        };
        let of = |(row, qualities): (&usize, Vec<f64>)| self.terms.choose(*row, qualities, spent, price);
        Ok(seen.rows.iter().zip(qualities).map(of).collect())
    }
}
