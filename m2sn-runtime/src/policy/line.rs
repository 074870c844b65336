//! The states of a network in one line, for whoever decides at each whether to leave.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{Costs, Grid, Look, Presence, State};
use crate::Result;
use crate::network::Description;

/// The order in which the blocks of all modalities run: the modality of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) Vec<usize>);

impl Line {
    /// From the first state in which an answer can be given, always the block that raises the quality of the answers most
    /// for its milliseconds; of equals, the cheapest.
    ///
    /// # Errors
    /// Those of `quality`.
    pub(crate) fn greedy(costs: &Costs, quality: impl Fn(&State) -> Result<f64>) -> Result<Self> {
        let grid = costs.grid();
        let mut state = State::of(&grid.exits().map(|_| 0).collect::<Vec<_>>());
        let mut line = Vec::new();
        let needs = |state: &State, modality: usize| state.blocks()[modality] < grid.least(modality);
        let begin = |state: &State| (0..grid.exits().count()).find(|modality| needs(state, *modality));
        while let Some(modality) = begin(&state).or_else(|| (state.depth() == 0).then_some(0)) {
            line.push(modality);
            state = state.after(modality);
        }
        let mut here = quality(&state)?;
        while !grid.is_last(&state) {
            let mut best: Option<(f64, f64, f64, usize)> = None;
            for (modality, most) in grid.exits().enumerate() {
                let next = state.after(modality);
                if state.blocks()[modality] == most {
                    continue;
                }
                let milliseconds = costs.blocks(&state, &next).expected;
                let there = quality(&next)?;
                let gain = (there - here) / milliseconds.max(f64::MIN_POSITIVE);
                if best.is_none_or(|(most, least, ..)| gain > most || gain == most && milliseconds < least) {
                    best = Some((gain, milliseconds, there, modality));
                }
            }
            let Some((_, _, there, modality)) = best else { break };
            here = there;
            line.push(modality);
            state = state.after(modality);
        }
        Ok(Self(line))
    }

    /// The modality whose block comes next for samples in a state; those that they lack are passed over. `None` at the end.
    pub(crate) fn next(&self, state: &State) -> Option<usize> {
        let mut blocks = vec![0; state.blocks().len()];
        self.0.iter().copied().find(|modality| {
            blocks[*modality] += 1;
            blocks[*modality] > state.blocks()[*modality] && state.presence()[*modality] != Presence::Missing
        })
    }

    /// The place on the line of the last block that has run on samples in a state; `None` where none has.
    pub(crate) fn place(&self, state: &State) -> Option<usize> {
        let mut blocks = vec![0; state.blocks().len()];
        let mut last = None;
        for (place, modality) in self.0.iter().enumerate() {
            blocks[*modality] += 1;
            if blocks[*modality] <= state.blocks()[*modality] {
                last = Some(place);
            }
        }
        last
    }

    /// The states that samples come to along the line, from this one on.
    pub(crate) fn walk(&self, start: State) -> impl Iterator<Item = State> {
        std::iter::successors(Some(start), |state| Some(state.after(self.next(state)?)))
    }

    /// The states along the line, for samples that lack nothing, from the first block on.
    pub(crate) fn states(&self) -> Vec<State> {
        let modalities = self.0.iter().max().map_or(0, |most| most + 1);
        self.walk(State::of(&vec![0; modalities])).skip(1).collect()
    }

    /// The states up to this one, along the line, in which there is an answer to look at.
    pub(crate) fn looks(&self, end: &State) -> Vec<(State, Look)> {
        let walk = self.walk(State::start(end.presence())).take_while(|state| state.depth() <= end.depth());
        walk.filter(State::can_leave).map(|state| (state, Look::Logits)).collect()
    }

    /// Those of the states in which an answer can be given.
    pub(crate) fn exits(&self, grid: &Grid) -> Vec<State> {
        self.states().into_iter().filter(|state| grid.number(state).is_some()).collect()
    }
}

/// A [`Line`] among the variables of a network.
#[derive(Debug)]
pub(crate) struct Kept(Tensor);

impl Kept {
    /// One that has not been chosen yet, as the variable `line`.
    pub(crate) fn new(path: &Path<'_>, description: &Description) -> Self {
        let blocks: usize = description.modalities.iter().map(|modality| modality.exits.len()).sum();
        Self(path.zeros_no_train("line", &[blocks as i64]))
    }

    pub(crate) fn set(&self, line: &Line) -> Result<()> {
        let line: Vec<f32> = line.0.iter().map(|modality| *modality as f32).collect();
        tch::no_grad(|| self.0.shallow_clone().f_copy_(&Tensor::from_slice(&line)))?;
        Ok(())
    }

    pub(crate) fn line(&self) -> Result<Line> {
        let line = Vec::<i64>::try_from(self.0.to_kind(Kind::Int64).to_device(tch::Device::Cpu))?;
        Ok(Line(line.into_iter().map(|modality| modality as usize).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_followed_past_what_is_missing() {
        let line = Line(vec![0, 1, 1, 0]);
        let states: Vec<Vec<usize>> = line.states().iter().map(|state| state.blocks().to_vec()).collect();
        assert_eq!(states, [[1, 0], [1, 1], [1, 2], [2, 2]]);
        let at = |blocks: &[usize]| line.next(&State::of(blocks));
        assert_eq!(
            [at(&[0, 0]), at(&[1, 0]), at(&[1, 1]), at(&[1, 2]), at(&[2, 2])],
            [Some(0), Some(1), Some(1), Some(0), None]
        );
        let lacking = State::start(&[Presence::Optional, Presence::Missing]);
        assert_eq!(
            [line.next(&lacking), line.next(&lacking.after(0)), line.next(&lacking.after(0).after(0))],
            [Some(0), Some(0), None]
        );
        let place = |blocks: &[usize]| line.place(&State::of(blocks));
        assert_eq!([place(&[0, 0]), place(&[1, 0]), place(&[1, 2]), place(&[2, 2])], [None, Some(0), Some(2), Some(3)]);
        assert_eq!(line.place(&lacking.after(0).after(0)), Some(3));
    }
}
