//! How far a sample has come.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::network::Modality;

/// How many blocks of each modality's encoder have run on a sample.
///
/// States of `n` modalities with `m` exits each are the points of a grid: from the start, where nothing has run, every
/// block that runs leads one step on in one direction, and wherever each modality that has to be there has at least one
/// block behind it, the sample can leave. A modality that takes no part stays at zero: because a sample lacks it, or
/// because others suffice.
///
/// States are equal where the same blocks have run. What a sample lacks decides where it can go, and not where it is.
#[derive(Debug, Clone)]
pub struct State {
    blocks: Vec<usize>,
    presence: Vec<Presence>,
}

/// What a modality is to a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// No answer without it.
    Needed,
    /// The network can do without it.
    Optional,
    /// The sample does not have it.
    Missing,
}

impl State {
    /// The state in which so many blocks of each modality have run, as somewhere to go.
    pub fn of(blocks: &[usize]) -> Self {
        Self { blocks: blocks.into(), presence: vec![Presence::Optional; blocks.len()] }
    }

    /// Where a sample begins that has these modalities: nothing has run.
    pub fn start(presence: &[Presence]) -> Self {
        Self { blocks: vec![0; presence.len()], presence: presence.into() }
    }

    /// The blocks that have run of each modality.
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// What each modality is to the samples that stand here.
    pub fn presence(&self) -> &[Presence] {
        &self.presence
    }

    /// Whether an answer can be given here: one modality at least takes part, and each that has to.
    pub fn can_leave(&self) -> bool {
        self.depth() > 0 && self.needed().is_none()
    }

    /// The first modality without a block behind it, of those that have to have one.
    pub fn needed(&self) -> Option<usize> {
        self.untouched(|presence| presence == Presence::Needed)
    }

    /// The first modality without a block behind it, of those that the samples here have.
    pub fn unseen(&self) -> Option<usize> {
        self.untouched(|presence| presence != Presence::Missing)
    }

    fn untouched(&self, is_meant: impl Fn(Presence) -> bool) -> Option<usize> {
        self.blocks.iter().zip(&self.presence).position(|(blocks, presence)| *blocks == 0 && is_meant(*presence))
    }

    /// The state after the next block of a modality; itself where there is no such modality.
    pub fn after(&self, modality: usize) -> Self {
        let mut next = self.clone();
        if let Some(blocks) = next.blocks.get_mut(modality) {
            *blocks += 1;
        }
        next
    }

    /// Whether blocks that run from here can lead to `other`: it has come as far in every modality, and farther in none
    /// that is missing.
    pub fn leads_to(&self, other: &Self) -> bool {
        let steps = self.blocks.iter().zip(&other.blocks).zip(&self.presence);
        self.blocks.len() == other.blocks.len()
            && steps.into_iter().all(|((here, there), presence)| match presence {
                Presence::Missing => here == there,
                _ => here <= there,
            })
    }

    /// As much of the way to `other` as the samples here can go: nothing of what they lack.
    pub fn towards(&self, other: &Self) -> Self {
        let steps = self.blocks.iter().zip(&other.blocks).zip(&self.presence);
        let blocks = steps.map(|((here, there), presence)| match presence {
            Presence::Missing => *here,
            _ => *there,
        });
        Self { blocks: blocks.collect(), presence: self.presence.clone() }
    }

    /// The blocks that have run of all modalities together.
    pub fn depth(&self) -> usize {
        self.blocks.iter().sum()
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.blocks == other.blocks
    }
}

impl Eq for State {}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for State {
    fn cmp(&self, other: &Self) -> Ordering {
        self.blocks.cmp(&other.blocks)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blocks.hash(state);
    }
}

/// Lists the blocks of each modality: `1, 2`.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.blocks.iter().map(usize::to_string).collect();
        f.pad(&blocks.join(", "))
    }
}

/// The states in which a sample can leave, numbered as the routes are: the last modality changes fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    /// By modality, the fewest and the most blocks of it that a route runs.
    bounds: Vec<[usize; 2]>,
    /// The states before the first one: that in which nothing has run, where no modality has to.
    skipped: usize,
}

impl Grid {
    pub(crate) fn of(modalities: &[Modality]) -> Self {
        Self::within(modalities.iter().map(|modality| [modality.least_blocks(), modality.exits.len()]).collect())
    }

    fn within(bounds: Vec<[usize; 2]>) -> Self {
        let skipped = usize::from(bounds.iter().all(|[least, _]| *least == 0));
        Self { bounds, skipped }
    }

    /// The same states, and those in which any modality takes no part.
    pub(crate) fn passing_by(self) -> Self {
        Self::within(self.bounds.into_iter().map(|[_, most]| [0, most]).collect())
    }

    /// The number of states; `usize::MAX` where it is larger.
    pub(crate) fn len(&self) -> usize {
        self.places().fold(1, |count: usize, places| count.saturating_mul(places)).saturating_sub(self.skipped)
    }

    /// The number of blocks of each modality, which is that of its exits.
    pub(crate) fn exits(&self) -> impl Iterator<Item = usize> {
        self.bounds.iter().map(|[_, most]| *most)
    }

    /// By modality, the numbers of blocks that routes run of it.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.bounds.iter().map(|[least, most]| most - least + 1)
    }

    /// The fewest blocks that routes run of a modality.
    pub(crate) fn least(&self, modality: usize) -> usize {
        self.bounds[modality][0]
    }

    /// The states before the first one: one where no modality has to take part, else none.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }

    /// The number of a state; `None` where a sample cannot leave there, or where the network has no such state.
    pub(crate) fn number(&self, state: &State) -> Option<usize> {
        if state.blocks.len() != self.bounds.len() {
            return None;
        }
        let places = state.blocks.iter().zip(&self.bounds);
        let number = places.zip(self.places()).try_fold(0, |number, ((blocks, [least, most]), places)| {
            (least..=most).contains(&blocks).then(|| number * places + blocks - least)
        })?;
        number.checked_sub(self.skipped)
    }

    /// The state of a number.
    pub(crate) fn state(&self, number: usize) -> State {
        let places = self.places_of(number).into_iter().zip(&self.bounds);
        State::of(&places.map(|(place, [least, _])| least + place).collect::<Vec<_>>())
    }

    /// How far each modality is beyond its fewest blocks in the state of a number.
    pub(crate) fn places_of(&self, number: usize) -> Vec<usize> {
        let mut rest = number + self.skipped;
        let counts: Vec<usize> = self.places().collect();
        let mut places: Vec<usize> = counts
            .iter()
            .rev()
            .map(|count| {
                let place = rest % count;
                rest /= count;
                place
            })
            .collect();
        places.reverse();
        places
    }

    /// Where late fusion ends.
    pub(crate) fn last(&self) -> State {
        State::of(&self.exits().collect::<Vec<_>>())
    }

    /// Whether every encoder of a modality that samples in this state have has come to its end.
    pub(crate) fn is_last(&self, state: &State) -> bool {
        let ends = state.blocks.iter().zip(&state.presence).zip(self.exits());
        ends.into_iter().all(|((blocks, presence), exits)| *presence == Presence::Missing || *blocks == exits)
    }

    /// Whether a sample can come to this state.
    pub(crate) fn holds(&self, state: &State) -> bool {
        state.blocks.len() == self.bounds.len()
            && state.blocks.iter().zip(self.exits()).all(|(blocks, exits)| *blocks <= exits)
    }
}

#[cfg(test)]
mod tests {
    use super::Presence::{Missing, Needed, Optional};
    use super::*;

    #[test]
    fn states_lead_on() {
        let start = State::start(&[Needed; 2]);
        assert_eq!((start.can_leave(), start.needed(), start.depth()), (false, Some(0), 0));
        let first = start.after(0).after(1);
        assert_eq!((first.can_leave(), first.needed(), first.to_string()), (true, None, "1, 1".to_owned()));
        assert_eq!(first.after(1), State::of(&[1, 2]));
        assert_eq!(first.after(7), first);
        assert!(first.leads_to(&first) && first.leads_to(&State::of(&[3, 1])) && !State::of(&[3, 1]).leads_to(&first));
        assert!(!State::of(&[1, 2]).leads_to(&State::of(&[2, 1])));
    }

    #[test]
    fn what_is_missing_stays_at_zero() {
        let start = State::start(&[Missing, Needed, Optional]);
        assert_eq!((start.needed(), start.unseen(), start.can_leave()), (Some(1), Some(1), false));
        let here = start.after(1);
        assert_eq!((here.needed(), here.unseen(), here.can_leave()), (None, Some(2), true));
        assert!(here.leads_to(&State::of(&[0, 2, 0])) && !here.leads_to(&State::of(&[1, 2, 0])));
        assert_eq!(here.towards(&State::of(&[3, 2, 1])), State::of(&[0, 2, 1]));
        assert!(!State::start(&[Optional; 2]).can_leave() && State::start(&[Optional; 2]).after(1).can_leave());
    }

    #[test]
    fn numbers_are_those_of_the_routes() {
        let grid = Grid::within(vec![[1, 3], [1, 2]]);
        let states: Vec<State> = (0..grid.len()).map(|number| grid.state(number)).collect();
        assert_eq!(states, [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1], [3, 2]].map(|blocks| State::of(&blocks)));
        for (number, state) in states.iter().enumerate() {
            assert_eq!(grid.number(state), Some(number));
        }
        let start = State::start(&[Needed; 2]);
        assert_eq!(grid.number(&start), None);
        assert_eq!(grid.number(&State::of(&[1, 3])), None);
        assert!(grid.holds(&start) && !grid.holds(&State::of(&[1, 3])) && !grid.holds(&State::of(&[0])));
        assert!(grid.is_last(&grid.last()) && !grid.is_last(&State::of(&[3, 1])));
        assert_eq!(Grid::within(vec![[1, usize::MAX], [1, 2]]).len(), usize::MAX);
    }

    #[test]
    fn routes_pass_by_what_may_be_missing() {
        let one = Grid::within(vec![[1, 2], [0, 1]]);
        let states: Vec<State> = (0..one.len()).map(|number| one.state(number)).collect();
        assert_eq!(states, [[1, 0], [1, 1], [2, 0], [2, 1]].map(|blocks| State::of(&blocks)));
        let both = Grid::within(vec![[0, 1], [0, 2]]);
        let states: Vec<State> = (0..both.len()).map(|number| both.state(number)).collect();
        assert_eq!(states, [[0, 1], [0, 2], [1, 0], [1, 1], [1, 2]].map(|blocks| State::of(&blocks)));
        for (number, state) in states.iter().enumerate() {
            assert_eq!(both.number(state), Some(number));
        }
        assert_eq!(both.number(&State::of(&[0, 0])), None, "somebody has to answer");
        assert!(both.is_last(&State::start(&[Missing, Optional]).after(1).after(1)));
    }
}
