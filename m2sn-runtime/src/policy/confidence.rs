//! A way out at the first exit that is sure enough: the confidence policy.
//!
//! As it is deployed everywhere for the exits of one encoder: BranchyNet (Teerapittayanon et al., 2016) leaves where the
//! entropy is below a threshold, MSDNet (Huang et al., 2018) where the highest probability is above one, DeeBERT (Xin et
//! al., 2020) as BranchyNet in a language model. There is one threshold for all exits.
//!
//! Encoders of several modalities have no order of exits, so their blocks are put in one line, once, on validation samples:
//! see [`Line::greedy`]. Which threshold a price comes to is looked up in what was best on them, so that every budget can
//! be asked for; between the prices that were tried, that of the lower one holds.

use std::cell::LazyCell;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::front::Front;
use super::line::{Kept, Line};
use super::sure::{Sure, below};
use super::terms::Terms;
use super::{Look, Move, Policy, Price, Seen, State};
use crate::network::Description;
use crate::task::Task;
use crate::{Error, Result};

/// What the confidence policy has chosen.
///
/// Variables: `line`, the order of blocks; `thresholds`, how sure an answer has to be to be the last, by price; `unit`, in
/// which errors are counted; `front`. None has a gradient.
#[derive(Debug)]
pub struct Confidence {
    line: Kept,
    thresholds: Tensor,
    unit: Tensor,
    pub(crate) front: Front,
}

impl Confidence {
    pub(crate) fn new(path: &Path<'_>, description: &Description) -> Self {
        Self {
            line: Kept::new(path, description),
            thresholds: path.zeros_no_train("thresholds", &[Front::prices().count() as i64]),
            unit: path.ones_no_train("unit", &[1]),
            front: Front::new(path),
        }
    }

    /// Makes this the order of blocks, the thresholds by price, and the unit of errors.
    ///
    /// # Errors
    /// [`Error::Torch`] where there is not a threshold for each price.
    pub(crate) fn set(&self, line: &Line, thresholds: &[f64], unit: f64) -> Result<()> {
        self.line.set(line)?;
        // Checkpoints hold finite numbers alone.
        let thresholds: Vec<f32> = thresholds.iter().map(|threshold| below(*threshold).min(f32::MAX)).collect();
        tch::no_grad(|| -> Result<()> {
            self.thresholds.shallow_clone().f_copy_(&Tensor::from_slice(&thresholds))?;
            let _ = self.unit.shallow_clone().f_fill_(unit)?;
            Ok(())
        })
    }

    /// In what quality is counted, as [`super::Policies::unit`] says.
    pub(crate) fn unit(&self) -> f64 {
        self.unit.double_value(&[0])
    }

    /// What was chosen, as it stands.
    ///
    /// # Errors
    /// [`Error::Torch`] where variables cannot be read.
    pub(crate) fn frozen(&self) -> Result<Frozen> {
        let thresholds = Vec::<f64>::try_from(self.thresholds.to_device(Device::Cpu).to_kind(Kind::Double))?;
        let thresholds = Front::prices().zip(thresholds).collect();
        Ok(Frozen { line: self.line.line()?, thresholds, unit: self.unit() })
    }
}

/// A [`Confidence`] as plain numbers.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    line: Line,
    /// Prices, the lowest first, and the threshold from each on.
    thresholds: Vec<(f64, f64)>,
    unit: f64,
}

impl Frozen {
    /// The same threshold at every price.
    pub(crate) fn everywhere(line: Line, threshold: f64) -> Self {
        Self { line, thresholds: vec![(0.0, threshold)], unit: 1.0 }
    }

    /// As [`Confidence::unit`].
    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// How sure an answer has to be at a price.
    fn threshold(&self, price: f64) -> f64 {
        // A price that was tried is one, whatever its last bit.
        let lower = self.thresholds.iter().take_while(|(tried, _)| *tried <= price * (1.0 + 1e-6));
        lower.last().map_or(f64::INFINITY, |(_, threshold)| *threshold)
    }
}

/// The confidence policy on given terms.
#[derive(Debug)]
pub(crate) struct Exiting<'a> {
    frozen: &'a Frozen,
    terms: Terms<'a>,
    sure: Sure,
}

impl<'a> Exiting<'a> {
    pub(crate) fn new(task: Task, frozen: &'a Frozen, terms: Terms<'a>) -> Self {
        Self { frozen, terms, sure: Sure::new(task) }
    }

    /// What becomes of a sample that is so sure where it stands, and for which the next block is one of this modality, with
    /// what that `step` takes and what was `spent` so far.
    fn decide(&self, row: usize, sure: f64, modality: usize, step: Price, spent: impl Fn() -> f64) -> Move {
        let Some(allowance) = self.terms.allowance(row) else { return Move::Run(modality) };
        let price = allowance.lambda * self.terms.costs.late_fusion() / self.frozen.unit;
        // No answer is a whole unit better than another, so beyond the prices that were tried time can be too dear.
        if sure >= self.frozen.threshold(price) || allowance.lambda * step.expected >= self.frozen.unit {
            return Move::Stop;
        }
        let is_in_time = allowance.milliseconds == f64::INFINITY || spent() + step.worst <= allowance.milliseconds;
        if is_in_time { Move::Run(modality) } else { Move::Cut }
    }
}

impl Policy for Exiting<'_> {
    fn look(&self, state: &State) -> Look {
        // At the end there is nothing left to decide.
        let decides = state.can_leave() && self.frozen.line.next(state).is_some();
        if decides { Look::Logits } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if state.depth() == 0 {
            self.sure.forget(&seen.rows);
        }
        let Some(modality) = self.frozen.line.next(state) else { return Ok(vec![Move::Stop; seen.rows.len()]) };
        if !state.can_leave() {
            return Ok(self.terms.begin(modality, seen));
        }
        let Some(posterior) = &seen.posterior else {
            return Err(Error::invalid("confidence policy: nothing was seen of the samples"));
        };
        let costs = self.terms.costs;
        let step = costs.step(state, modality);
        // Asked only where there is a limit.
        let spent = LazyCell::new(|| self.terms.spent(seen, || costs.journey(&self.frozen.line.looks(state), state)));
        let sure = self.sure.of(&seen.rows, &posterior.logits)?;
        let of = |(row, sure): (&usize, f64)| self.decide(*row, sure, modality, step, || *spent);
        Ok(seen.rows.iter().zip(sure).map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Allowance, Costs, Posterior, Presence};
    use crate::tiny::{Tiny, table};

    const TASK: Task = Task::Classification { classes: 2 };

    /// Left and right, then the rest of the left, then that of the right.
    fn line() -> Line {
        Line(vec![0, 1, 0, 0, 1, 1])
    }

    /// After so many blocks of samples that need both modalities.
    fn after(left: usize, right: usize) -> State {
        let modalities = std::iter::repeat_n(0, left).chain(std::iter::repeat_n(1, right));
        modalities.fold(State::start(&[Presence::Needed; 2]), |state, modality| state.after(modality))
    }

    fn seen(logits: &[[f64; 2]]) -> Seen {
        let logits = Tensor::from_slice2(logits);
        let posterior = Posterior { features: Vec::new(), logits, alone: Vec::new() };
        Seen { posterior: Some(posterior), rows: (0..3).collect(), ..Seen::default() }
    }

    #[test]
    fn who_is_sure_leaves_and_the_others_go_on_along_the_line() {
        let costs = Costs::new::<Tiny>(table()).unwrap();
        let frozen = Frozen::everywhere(line(), 0.5);
        let allowances = [Some(Allowance { lambda: 0.1, milliseconds: f64::INFINITY })];
        let policy = Exiting::new(TASK, &frozen, Terms { costs: &costs, allowances: &allowances });
        let begin = Seen { rows: vec![0], ..Seen::default() };
        assert_eq!(policy.look(&after(1, 0)), Look::Nothing);
        assert_eq!(policy.next(&after(1, 0), &begin).unwrap(), [Move::Run(1)]);
        let state = after(1, 1);
        assert_eq!(policy.look(&state), Look::Logits);
        let moves = policy.next(&state, &seen(&[[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])).unwrap();
        assert_eq!(moves, [Move::Run(0), Move::Stop, Move::Stop]);
        assert_eq!(policy.look(&after(3, 3)), Look::Nothing);
        assert_eq!(policy.next(&after(3, 3), &begin).unwrap(), [Move::Stop]);
        assert!(policy.next(&state, &begin).is_err());
    }

    #[test]
    fn what_may_not_end_in_time_is_not_begun() {
        let costs = Costs::new::<Tiny>(table()).unwrap();
        let frozen = Frozen::everywhere(line(), 0.5);
        let state = after(1, 1);
        let spent = costs.journey(&[(state.clone(), Look::Logits)], &state).worst;
        let needed = spent + costs.step(&state, 0).worst;
        let within = |milliseconds| Some(Allowance { lambda: 0.0, milliseconds });
        let allowances = [within(needed), within(needed - 1e-6), None];
        let policy = Exiting::new(TASK, &frozen, Terms { costs: &costs, allowances: &allowances });
        let moves = policy.next(&state, &seen(&[[0.0, 0.0]; 3])).unwrap();
        assert_eq!(moves, [Move::Run(0), Move::Cut, Move::Run(0)], "where only late fusion will do, nobody leaves");
        // By the clock, where there is one.
        let late = Seen { elapsed: Some(needed), ..seen(&[[0.0, 0.0]; 3]) };
        assert_eq!(policy.next(&state, &late).unwrap()[0], Move::Cut);
    }

    #[test]
    fn between_two_prices_that_of_the_lower_holds() {
        let mut frozen = Frozen::everywhere(line(), 0.0);
        frozen.thresholds = Front::prices().map(|price| (price, 1.0 - price)).collect();
        let at = |price: f64, tried: f64| assert!((frozen.threshold(price) - (1.0 - tried)).abs() < 1e-9, "{price}");
        let second = Front::prices().nth(2).unwrap();
        for (price, tried) in [(0.0, 0.0), (5e-4, 0.0), (1e-3, 1e-3), (second - 1e-5, 1e-3), (second + 1e-5, second)] {
            at(price, tried);
        }
        at(1.0, 1.0);
        at(7.0, 1.0);
        // What is kept in 32 bits and read again is the same price.
        at(f64::from(second as f32), second);
    }
}
