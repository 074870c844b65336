//! Confidence exits, as they are deployed everywhere: a sample leaves at the first exit that is sure enough.
//!
//! Published, for the exits of one encoder: BranchyNet (Teerapittayanon et al., 2016) leaves where the entropy is below a
//! threshold, MSDNet (Huang et al., 2018) where the highest probability is above one, DeeBERT (Xin et al., 2020) as
//! BranchyNet in a language model. One threshold for all exits, chosen on validation samples.
//!
//! Ours: encoders of several modalities have no order of exits, so their blocks are put in one line: see
//! [`Line::greedy`]. The exits are the network's own, after all stages of its plan. Thresholds are tried at quantiles of
//! what samples are sure of at the first exit, so that a sweep is even in samples.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::line::{Kept, Line};
use super::{AsIs, Begins, Lesson, Rival, Setting};
use crate::evaluation::Exits;
use crate::network::Network;
use crate::policy::{Grid, Look, Move, Policy, Seen, State};
use crate::task::Task;
use crate::training::Progress;
use crate::{Error, Result, routing};

/// The number of thresholds that are tried.
const THRESHOLDS: usize = 12;

/// Confidence exits of a network.
#[derive(Debug)]
pub(crate) struct Confidence<N> {
    network: N,
    line: Kept,
    thresholds: Tensor,
}

impl<N: Network> Rival<N> for Confidence<N> {
    const NAME: &'static str = "confidence exits";
    const BEGINS: Begins = Begins::Trained;

    fn new(network: N) -> Result<Self> {
        let root = network.variables().root() / "rival";
        let line = Kept::new(&root, N::description());
        let thresholds = root.zeros_no_train("thresholds", &[THRESHOLDS as i64]);
        Ok(Self { network, line, thresholds })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, _: &mut Progress) -> Result<()> {
        let exits = Exits::of(&self.network, &lesson.splits.valid)?;
        let line = Line::greedy(&exits, lesson.costs)?;
        self.line.set(&line)?;
        let task = N::description().task;
        let (sure, rows) = (Sure::new(task), (0..exits.len()).collect::<Vec<_>>());
        // Values are sure of nothing before the second exit.
        let looks = if matches!(task, Task::Regression { .. }) { 2 } else { 1 };
        let mut found = Vec::new();
        for state in line.exits(&Grid::of(N::description().modalities)).iter().take(looks) {
            found = sure.of(&rows, &exits.by(routing::route::<N>(state)?))?;
        }
        let thresholds = quantiles(found, THRESHOLDS);
        tch::no_grad(|| self.thresholds.shallow_clone().f_copy_(&Tensor::from_slice(&thresholds)))?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let line = self.line.line()?;
        let thresholds = Vec::<f64>::try_from(self.thresholds.to_device(Device::Cpu).to_kind(Kind::Double))?;
        let setting = |threshold: f64| Setting {
            by: format!("threshold {threshold:.4}"),
            variant: Box::new(AsIs),
            policy: Box::new(Exiting::new(N::description().task, line.clone(), vec![Some(threshold); line.0.len()])),
        };
        Ok(thresholds.into_iter().map(setting).collect())
    }
}

/// Leaves at the first state of a line that is sure enough.
#[derive(Debug)]
pub(super) struct Exiting {
    line: Line,
    thresholds: Vec<Option<f64>>,
    sure: Sure,
}

impl Exiting {
    /// `thresholds` are by the place on the line; where there is none, nobody is looked at.
    pub(super) fn new(task: Task, line: Line, thresholds: Vec<Option<f64>>) -> Self {
        Self { line, thresholds, sure: Sure::new(task) }
    }

    fn threshold(&self, state: &State) -> Option<f64> {
        self.line.place(state).and_then(|place| self.thresholds.get(place).copied().flatten())
    }
}

impl Policy for Exiting {
    fn look(&self, state: &State) -> Look {
        // At the end there is nothing left to decide.
        let decides = state.can_leave() && self.line.next(state).is_some() && self.threshold(state).is_some();
        if decides { Look::Logits } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if state.depth() == 0 {
            self.sure.forget(&seen.rows);
        }
        let on = self.line.next(state).map_or(Move::Stop, Move::Run);
        let Some(posterior) = &seen.posterior else { return Ok(vec![on; seen.rows.len()]) };
        let threshold = self.threshold(state);
        let of = |sure: f64| match threshold {
            Some(threshold) if sure >= threshold => Move::Stop,
            _ => on.clone(),
        };
        Ok(self.sure.of(&seen.rows, &posterior.logits)?.into_iter().map(of).collect())
    }
}

/// How sure answers are of themselves.
///
/// * Classes: one less their entropy by that of all being equal.
/// * Labels: the mean distance of their probabilities from a half, doubled.
/// * Values, which say nothing of themselves: how little the answer has moved since the last exit, negative; nothing is sure at
///   the first one.
#[derive(Debug)]
pub(super) struct Sure {
    task: Task,
    /// Of values, the last answer by the place of the sample in the batch.
    last: RefCell<BTreeMap<usize, Vec<f64>>>,
}

impl Sure {
    pub(super) fn new(task: Task) -> Self {
        Self { task, last: RefCell::default() }
    }

    /// Samples at `rows` begin.
    pub(super) fn forget(&self, rows: &[usize]) {
        let mut last = self.last.borrow_mut();
        rows.iter().for_each(|row| _ = last.remove(row));
    }

    /// How sure the answers to the samples at `rows` are, the surest highest.
    ///
    /// # Errors
    /// [`Error::Invalid`] where one is not finite: it decides nothing.
    pub(super) fn of(&self, rows: &[usize], logits: &Tensor) -> Result<Vec<f64>> {
        let logits = logits.to_device(Device::Cpu).to_kind(Kind::Double);
        let sure: Vec<f64> = match self.task {
            Task::Classification { classes } => {
                let log = logits.log_softmax(-1, Kind::Double);
                // What is impossible adds nothing to an entropy.
                let entropy = -(log.exp() * log.clamp_min(-1e4)).sum_dim_intlist(-1, false, Kind::Double);
                Vec::try_from(1.0 - entropy / (classes.max(2) as f64).ln())?
            }
            Task::Multilabel { .. } => {
                Vec::try_from((logits.sigmoid() * 2.0 - 1.0).abs().mean_dim(-1, false, Kind::Double))?
            }
            Task::Regression { .. } => {
                let values = Vec::<Vec<f64>>::try_from(&logits)?;
                let mut last = self.last.borrow_mut();
                let of = |(row, values): (&usize, Vec<f64>)| {
                    let moved =
                        last.get(row).map(|last| last.iter().zip(&values).map(|(l, v)| (l - v).abs()).sum::<f64>());
                    let sure = moved.map_or(f64::MIN, |moved| -moved / values.len() as f64);
                    last.insert(*row, values);
                    sure
                };
                rows.iter().zip(values).map(of).collect()
            }
        };
        match sure.iter().position(|sure| !sure.is_finite()) {
            Some(row) => Err(Error::invalid(format!(
                "confidence: the answer to row {} is not finite, and decides nothing; look for values that are not finite \
                 in its inputs, and else in the parameters",
                rows.get(row).copied().unwrap_or(row)
            ))),
            None => Ok(sure),
        }
    }
}

/// Thresholds that ever fewer of the values reach, from all of them to the highest. They lie in the middle between two values
/// where these differ, since a sample in another batch may differ in its last bit.
pub(super) fn quantiles(mut values: Vec<f64>, count: usize) -> Vec<f32> {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |step: usize| {
        let place = step * last / (count - 1).max(1);
        let Some(value) = values.get(place) else { return 0.0 };
        let neighbour = place.checked_sub(1).unwrap_or(last.min(1));
        below(value - (value - values[neighbour]).abs() / 2.0)
    };
    (0..count).map(at).collect()
}

/// The threshold that is kept for a value: rounded down, so that whoever sets it reaches it.
pub(super) fn below(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::trials::{answer, batches_are_answered_as_their_samples, trained};
    use crate::tiny::Tiny;

    #[test]
    fn sure_by_hand() {
        let logits = |values: &[f64]| Tensor::from_slice(values).unsqueeze(0);
        let sure = |task, values: &[f64]| Sure::new(task).of(&[0], &logits(values)).unwrap()[0];
        let classes = Task::Classification { classes: 2 };
        assert!(sure(classes, &[0.0, 0.0]).abs() < 1e-9 && (sure(classes, &[900.0, 0.0]) - 1.0).abs() < 1e-9);
        // Entropy of 3/4 and 1/4 in bits: .8113.
        assert!((sure(classes, &[3f64.ln(), 0.0]) - (1.0 - 0.8112781)).abs() < 1e-6);
        let labels = Task::Multilabel { labels: 2 };
        assert!((sure(labels, &[3f64.ln(), 0.0]) - 0.25).abs() < 1e-9);
        let values = Sure::new(Task::Regression { targets: 2 });
        assert_eq!(values.of(&[3], &logits(&[1.0, 2.0])).unwrap(), [f64::MIN]);
        assert_eq!(values.of(&[3], &logits(&[1.5, 1.5])).unwrap(), [-0.5]);
        values.forget(&[3]);
        assert_eq!(values.of(&[3], &logits(&[1.5, 1.5])).unwrap(), [f64::MIN]);
        let message = Sure::new(classes).of(&[7], &logits(&[f64::NAN, 0.0])).unwrap_err().to_string();
        assert!(message.starts_with("confidence: the answer to row 7 is not finite"), "{message}");
    }

    #[test]
    fn a_higher_threshold_goes_farther() {
        let (rival, splits) = trained::<Confidence<Tiny>>();
        let inputs = splits.valid.input().unwrap();
        let mut work = Vec::new();
        for setting in rival.settings().unwrap() {
            let (outcome, ran) = answer(rival.network(), &setting, &inputs);
            assert_eq!(outcome.logits.size(), [64, 3]);
            work.push(ran.multiply_adds(Tiny::description()));
        }
        assert!(work.is_sorted() && work[0] < work[THRESHOLDS / 2] && work[THRESHOLDS / 2] < work[THRESHOLDS - 1]);
        // The lowest threshold is what the least sure of all is sure of: all leave at the first exit.
        assert_eq!(work[0], 64 * (4 * 100 + 48));
        batches_are_answered_as_their_samples(rival.network(), &rival.settings().unwrap()[6], &inputs);
    }

    #[test]
    fn quantiles_run_from_all_to_one() {
        assert_eq!(quantiles(vec![3.0, 1.0, 2.0, 5.0, 4.0], 3), [0.5, 2.5, 4.5]);
        assert_eq!(quantiles(vec![1.0, 1.0, 3.0], 3), [1.0, 1.0, 2.0]);
        assert_eq!(quantiles(vec![2.0], 2), [2.0, 2.0]);
        assert_eq!(quantiles(Vec::new(), 2), [0.0, 0.0]);
        for value in [0.1, 0.3, -0.1, 1.0] {
            let kept = f64::from(below(value));
            assert!(kept <= value && value - kept < 1e-7, "{value}");
        }
    }
}
