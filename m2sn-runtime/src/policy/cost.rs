//! What ways cost on one machine.

use super::{Grid, Look, Presence, State};
use crate::latency::{Estimate, Table};
use crate::network::Network;
use crate::{Error, Result};

/// The most states in which samples of a network may leave for a policy that weighs all of them against each other.
pub(crate) const MOST_STATES: usize = 1024;

/// What it costs to go from state to state, in milliseconds, by a latency table.
///
/// Nothing here is learned: the same policy decides by the costs of whatever machine it is on.
#[derive(Debug, Clone)]
pub struct Costs {
    table: Table,
    grid: Grid,
    /// By the numbers of two states, see [`Costs::watched`].
    watched: Vec<Price>,
}

/// A time, and the one that is hardly ever exceeded: the sum of the 99th percentiles of its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Price {
    /// The milliseconds to be expected: the sum of the medians.
    pub expected: f64,
    /// The milliseconds that are exceeded by less than one in a hundred.
    pub worst: f64,
}

impl Costs {
    /// The costs by a table of this network.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the table is of another network, or where samples can leave in more states than can be
    /// weighed against each other (1024).
    pub fn new<N: Network>(table: Table) -> Result<Self> {
        table.check::<N>()?;
        let grid = Grid::of(N::description().modalities);
        if grid.len() > MOST_STATES {
            return Err(Error::invalid(format!(
                "`{}` has {} routes, more than a learned policy can weigh (at most {MOST_STATES}); take fewer shortcuts",
                N::description().name,
                grid.len()
            )));
        }
        let mut costs = Self { table, grid, watched: Vec::new() };
        costs.watched = costs.watch();
        Ok(costs)
    }

    /// The table that the costs come from.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What late fusion takes, from the inputs to the logits.
    pub fn late_fusion(&self) -> f64 {
        self.table.late_fusion()
    }

    /// The blocks between two states.
    pub fn blocks(&self, from: &State, to: &State) -> Price {
        let modalities = self.table.modalities.iter().enumerate();
        let blocks = modalities.flat_map(|(m, modality)| {
            let range = from.blocks().get(m).copied().unwrap_or(0)..to.blocks().get(m).copied().unwrap_or(0);
            modality.blocks.get(range).unwrap_or_default().iter()
        });
        blocks.copied().map(Price::of).sum()
    }

    /// What it takes to answer in a state: the shortcuts of these modalities, fusion and head.
    pub fn answer(&self, state: &State, modalities: impl Iterator<Item = usize>) -> Price {
        let shortcut = |modality: usize| {
            let exit = state.blocks().get(modality)?.checked_sub(1)?;
            // `full` has none.
            Some(Price::of(*self.table.modalities.get(modality)?.shortcuts.get(exit)?))
        };
        modalities.filter_map(shortcut).sum::<Price>() + Price::of(self.table.head)
    }

    /// From the inputs to the answer by the route that ends in a state, without any look.
    pub fn route(&self, to: &State) -> Price {
        self.direct(&State::of(&vec![0; to.blocks().len()]), to)
    }

    /// From a state where nothing has been answered to the answer in another, without a look in between.
    pub fn direct(&self, from: &State, to: &State) -> Price {
        self.blocks(from, to) + self.answer(to, 0..to.blocks().len())
    }

    /// From a state where an answer stands to the answer in another, with a look after each block until nothing is left
    /// to decide; none where both are the same.
    ///
    /// # Panics
    /// Where a sample cannot leave in one of the states, or the first does not lead to the second.
    pub fn watched(&self, from: &State, to: &State) -> Price {
        let number = |state: &State| self.grid.number(state).expect("the states are those of the network");
        self.watched[number(from) * self.grid.len() + number(to)]
    }

    /// The modality to advance on the way to another state: of those that have to, the one whose next block is the
    /// cheapest. `None` where none has to.
    pub fn advance(&self, from: &State, to: &State) -> Option<usize> {
        self.cheapest(from, |modality| from.blocks()[modality] < to.blocks()[modality])
    }

    /// Of some modalities, the one whose next block is the cheapest.
    fn cheapest(&self, from: &State, is_meant: impl Fn(usize) -> bool) -> Option<usize> {
        let next = |modality: usize| self.blocks(from, &from.after(modality)).expected;
        let meant = (0..from.blocks().len()).filter(|modality| is_meant(*modality));
        meant.min_by(|left, right| next(*left).total_cmp(&next(*right)))
    }

    /// The modality to begin with where nothing can be said yet: one that has to take part, else of those that the samples
    /// have the one whose first block is the cheapest. `None` where an answer can be given.
    pub fn begin(&self, state: &State) -> Option<usize> {
        if state.can_leave() {
            return None;
        }
        state.needed().or_else(|| self.cheapest(state, |modality| state.presence()[modality] != Presence::Missing))
    }

    /// The first state in which an answer can be given to samples that stand here, or where it could have been.
    pub fn first(&self, state: &State) -> State {
        let mut first = State::start(state.presence());
        while let Some(modality) = self.begin(&first) {
            first = first.after(modality);
        }
        first
    }

    /// One step of [`Costs::watched`]: a block, and the answer after it, with the look at it where there is a choice.
    pub fn step(&self, from: &State, modality: usize) -> Price {
        let next = from.after(modality);
        let look = if self.is_last(&next) { Price::default() } else { Price::of(self.table.sequential) };
        self.blocks(from, &next) + self.answer(&next, std::iter::once(modality)) + look
    }

    /// A whole way from the inputs to the answer in its last state, with the looks that were taken on it.
    pub fn journey(&self, looks: &[(State, Look)], end: &State) -> Price {
        let mut price = self.blocks(&State::of(&vec![0; end.blocks().len()]), end);
        let mut answered: Option<&State> = None;
        for (state, look) in looks {
            price = price + Price::of(self.decision(*look));
            if look.is_answer() {
                price = price + self.answer_after(answered, state);
                answered = Some(state);
            }
        }
        if answered != Some(end) { price + self.answer_after(answered, end) } else { price }
    }

    /// What a decision takes, what it looks at left out.
    pub(crate) fn decision(&self, look: Look) -> Estimate {
        match look {
            // Whoever looks at logits alone compares a number of them with another.
            Look::Nothing | Look::Logits => Estimate::default(),
            Look::Scores => self.table.navigator,
            Look::Stems => self.table.value,
            Look::Posterior => self.table.sequential,
        }
    }

    /// What it takes to answer in a state: only modalities that have moved on since the last answer need a shortcut.
    fn answer_after(&self, last: Option<&State>, state: &State) -> Price {
        let moved = |modality: &usize| last.is_none_or(|last| last.blocks()[*modality] != state.blocks()[*modality]);
        self.answer(state, (0..state.blocks().len()).filter(moved))
    }

    /// Whether every encoder of a modality that the samples here have has come to its end.
    pub fn is_last(&self, state: &State) -> bool {
        self.grid.is_last(state)
    }

    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    fn watch(&self) -> Vec<Price> {
        let count = self.grid.len();
        let mut watched = vec![Price::default(); count * count];
        // States that lead on have lower numbers than those that they lead to.
        for from in (0..count).rev() {
            let state = self.grid.state(from);
            for to in from + 1..count {
                let goal = self.grid.state(to);
                if !state.leads_to(&goal) {
                    continue;
                }
                let Some(modality) = self.advance(&state, &goal) else { continue };
                let next = self.grid.number(&state.after(modality)).unwrap_or(to);
                watched[from * count + to] = self.step(&state, modality) + watched[next * count + to];
            }
        }
        watched
    }
}

impl Price {
    pub(crate) fn of(estimate: Estimate) -> Self {
        Self { expected: estimate.median, worst: estimate.p99 }
    }
}

impl std::ops::Add for Price {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { expected: self.expected + other.expected, worst: self.worst + other.worst }
    }
}

impl std::iter::Sum for Price {
    fn sum<I: Iterator<Item = Self>>(prices: I) -> Self {
        prices.fold(Self::default(), |sum, price| sum + price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::{Tiny, table};

    /// Blocks of 1, 2 and 4 ms on the left, ten times that on the right; shortcuts of half a millisecond, a head of a
    /// quarter, decisions of an eighth (navigator) and a sixteenth; the 99th percentiles are twice that.
    fn costs() -> Costs {
        Costs::new::<Tiny>(table()).unwrap()
    }

    /// The state in which samples can leave by these exits.
    fn at(left: usize, right: usize) -> State {
        State::of(&[left + 1, right + 1])
    }

    fn start() -> State {
        State::of(&[0, 0])
    }

    #[test]
    fn ways_add_up_by_hand() {
        let costs = costs();
        assert_eq!(costs.late_fusion(), 77.25);
        assert_eq!(costs.blocks(&at(0, 0), &at(2, 1)), Price { expected: 2.0 + 4.0 + 20.0, worst: 52.0 });
        assert_eq!(costs.blocks(&start(), &at(0, 0)).expected, 11.0);
        assert_eq!(costs.answer(&at(0, 1), 0..2).expected, 0.5 + 0.5 + 0.25);
        assert_eq!(costs.answer(&at(2, 1), 0..1).expected, 0.25, "the deepest feature needs no shortcut");
        assert_eq!(costs.direct(&at(0, 0), &at(1, 0)).expected, 2.0 + 1.25);
        assert_eq!(costs.route(&at(1, 0)).expected, costs.table().route(&[2, 1]));
    }

    #[test]
    fn the_cheaper_modality_goes_first() {
        let costs = costs();
        assert_eq!(costs.advance(&at(0, 0), &at(1, 1)), Some(0));
        assert_eq!(costs.advance(&at(1, 0), &at(1, 1)), Some(1));
        assert_eq!(costs.advance(&at(1, 1), &at(1, 1)), None);
    }

    #[test]
    fn a_way_with_looks_pays_for_each() {
        let costs = costs();
        // The block, the one new shortcut, fusion and head, and the look.
        let step = 2.0 + 0.5 + 0.25 + 0.0625;
        assert_eq!(costs.watched(&at(0, 0), &at(1, 0)).expected, step);
        assert_eq!(costs.watched(&at(0, 0), &at(1, 1)).expected, step + 20.0 + 0.5 + 0.25 + 0.0625);
        assert_eq!(costs.watched(&at(1, 1), &at(1, 1)), Price::default());
        // Nobody looks at the end, which has no shortcut either.
        assert_eq!(costs.watched(&at(2, 1), &at(2, 2)).expected, 40.0 + 0.25);
    }

    #[test]
    fn a_journey_pays_for_what_was_done() {
        let costs = costs();
        let scores = [(start(), Look::Scores)];
        assert_eq!(costs.journey(&scores, &at(1, 0)).expected, costs.table().route(&[2, 1]) + 0.125);
        let stems = [(at(0, 0), Look::Stems)];
        assert_eq!(costs.journey(&stems, &at(1, 0)).expected, costs.table().route(&[2, 1]) + 0.0625);
        let looks = [(at(0, 0), Look::Posterior), (at(1, 0), Look::Posterior)];
        let first = costs.table().route(&[1, 1]) + 0.0625;
        assert_eq!(costs.journey(&looks, &at(1, 0)).expected, first + costs.watched(&at(0, 0), &at(1, 0)).expected);
        // Whoever is told the rest of the way is answered once more.
        assert_eq!(costs.journey(&looks[..1], &at(1, 0)).expected, first + 2.0 + 0.5 + 0.25);
    }

    #[test]
    fn a_table_of_another_network_is_refused() {
        assert!(Costs::new::<Tiny>(Table::default()).is_err());
    }
}
