//! How far a sample has come.

use std::fmt;

use crate::network::Modality;

/// How many blocks of each modality's encoder have run on a sample.
///
/// States of `n` modalities with `m` exits each are the points of a grid: from the start, where nothing has run, every
/// block that runs leads one step on in one direction, and wherever each modality has at least one block behind it,
/// the sample can leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(Vec<usize>);

impl State {
    /// Nothing has run.
    pub fn start(modalities: usize) -> Self {
        Self(vec![0; modalities])
    }

    /// Where a sample stands that leaves each modality at the exit of this index.
    pub fn at(exits: &[usize]) -> Self {
        Self(exits.iter().map(|exit| exit + 1).collect())
    }

    /// The blocks that have run of each modality.
    pub fn blocks(&self) -> &[usize] {
        &self.0
    }

    /// The index of each modality's exit here; `None` where one of them has none behind it.
    pub fn exits(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|blocks| blocks.checked_sub(1)).collect()
    }

    /// The state after the next block of a modality; itself where there is no such modality.
    pub fn after(&self, modality: usize) -> Self {
        let mut next = self.clone();
        if let Some(blocks) = next.0.get_mut(modality) {
            *blocks += 1;
        }
        next
    }

    /// Whether blocks that run from here can lead to `other`: it has come as far in every modality.
    pub fn leads_to(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(here, there)| here <= there)
    }

    /// The blocks that have run of all modalities together.
    pub fn depth(&self) -> usize {
        self.0.iter().sum()
    }
}

/// Lists the blocks of each modality: `1, 2`.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.pad(&blocks.join(", "))
    }
}

/// The states in which a sample can leave, numbered as the routes are: the last modality changes fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid(Vec<usize>);

impl Grid {
    pub(crate) fn of(modalities: &[Modality]) -> Self {
        Self(modalities.iter().map(|modality| modality.exits.len()).collect())
    }

    /// The number of states; `usize::MAX` where it is larger.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().fold(1, |count: usize, exits| count.saturating_mul(*exits))
    }

    /// The number of exits of each modality.
    pub(crate) fn exits(&self) -> &[usize] {
        &self.0
    }

    /// The number of a state; `None` where a sample cannot leave there, or where the network has no such state.
    pub(crate) fn number(&self, state: &State) -> Option<usize> {
        let exits = state.exits().filter(|exits| exits.len() == self.0.len())?;
        exits.iter().zip(&self.0).try_fold(0, |number, (exit, count)| (exit < count).then_some(number * count + exit))
    }

    /// The exits of the state of a number.
    pub(crate) fn exits_of(&self, number: usize) -> Vec<usize> {
        let mut rest = number;
        let mut exits: Vec<usize> = self
            .0
            .iter()
            .rev()
            .map(|count| {
                let exit = rest % count;
                rest /= count;
                exit
            })
            .collect();
        exits.reverse();
        exits
    }

    /// The state of a number.
    pub(crate) fn state(&self, number: usize) -> State {
        State::at(&self.exits_of(number))
    }

    /// Whether a sample can come to this state.
    pub(crate) fn holds(&self, state: &State) -> bool {
        state.0.len() == self.0.len() && state.0.iter().zip(&self.0).all(|(blocks, count)| blocks <= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_lead_on() {
        let start = State::start(2);
        assert_eq!((start.exits(), start.depth()), (None, 0));
        let first = start.after(0).after(1);
        assert_eq!((first.exits(), first.to_string()), (Some(vec![0, 0]), "1, 1".to_owned()));
        assert_eq!(first.after(1), State::at(&[0, 1]));
        assert_eq!(first.after(7), first);
        assert!(first.leads_to(&first) && first.leads_to(&State::at(&[2, 0])) && !State::at(&[2, 0]).leads_to(&first));
        assert!(!State::at(&[0, 1]).leads_to(&State::at(&[1, 0])));
    }

    #[test]
    fn numbers_are_those_of_the_routes() {
        let grid = Grid(vec![3, 2]);
        let states: Vec<State> = (0..grid.len()).map(|number| grid.state(number)).collect();
        assert_eq!(states, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]].map(|exits| State::at(&exits)));
        for (number, state) in states.iter().enumerate() {
            assert_eq!(grid.number(state), Some(number));
        }
        assert_eq!(grid.number(&State::start(2)), None);
        assert_eq!(grid.number(&State::at(&[0, 2])), None);
        assert!(grid.holds(&State::start(2)) && !grid.holds(&State::at(&[0, 2])) && !grid.holds(&State::start(1)));
        assert_eq!(Grid(vec![usize::MAX, 2]).len(), usize::MAX);
    }
}
