//! One decision by predicted quality: the value policy.
//!
//! After the first block of every modality, pooled outputs tell how good the answer of each route would be for this
//! sample; the sample goes the way of the best quality less price. Nothing that has run is thrown away.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::front::Front;
use super::quality::Quality;
use super::terms::{Terms, first};
use super::{Look, Move, Policy, Seen, State, Weighing, known};
use crate::network::Description;
use crate::{Error, Result};

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
    pub(crate) fn qualities(&self, stems: &[Tensor]) -> Result<Vec<Vec<f64>>> {
        rows(&self.quality.predict(&known::stems(stems)))
    }

    /// The policy on these terms.
    pub fn on<'a>(&'a self, terms: Terms<'a>) -> Valuing<'a> {
        Valuing { value: self, terms }
    }
}

/// The value policy on given terms.
#[derive(Debug)]
pub struct Valuing<'a> {
    value: &'a Value,
    terms: Terms<'a>,
}

impl Policy for Valuing<'_> {
    fn look(&self, state: &State) -> Look {
        if first(state).is_none() { Look::Stems } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if let Some(moves) = self.terms.begin(state, seen) {
            return Ok(moves);
        }
        let of = |weighing: Option<Weighing>| weighing.map_or(Move::Stop, |weighing| Move::Finish(weighing.goal));
        Ok(self.weigh(state, seen)?.into_iter().map(of).collect())
    }

    fn weigh(&self, state: &State, seen: &Seen) -> Result<Vec<Option<Weighing>>> {
        if self.look(state) == Look::Nothing {
            return Ok(vec![None; seen.rows.len()]);
        }
        let (costs, grid) = (self.terms.costs, self.terms.costs.grid());
        let qualities = self.value.qualities(&seen.stems)?;
        let spent = self.terms.spent(seen, || costs.blocks(&State::start(state.blocks().len()), state));
        let price = |number: usize| Some(costs.direct(state, &grid.state(number)));
        let of = |(row, qualities): (&usize, Vec<f64>)| self.terms.choose(*row, qualities, spent, price);
        Ok(seen.rows.iter().zip(qualities).map(of).collect())
    }
}

/// The rows of predicted qualities.
///
/// # Errors
/// [`Error::Invalid`] with the first row that is not finite.
pub(super) fn rows(qualities: &Tensor) -> Result<Vec<Vec<f64>>> {
    let qualities = qualities.to_device(tch::Device::Cpu).to_kind(Kind::Double);
    let rows = Vec::<Vec<f64>>::try_from(qualities)?;
    match rows.iter().position(|row| row.iter().any(|quality| !quality.is_finite())) {
        Some(row) => Err(Error::invalid(format!(
            "policy: sample {row} of those asked about has no predicted quality, because what was seen of it is not \
             finite; look for values that are not finite in its inputs, and else in the parameters"
        ))),
        None => Ok(rows),
    }
}
