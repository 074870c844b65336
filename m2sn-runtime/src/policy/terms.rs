//! The choice that learned policies share: quality against milliseconds.

use super::{Allowance, Costs, Move, Price, Seen, State};

/// What a learned policy decides by besides what it has learned: the costs of this machine, and what may be spent.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The costs of this machine.
    pub costs: &'a Costs,
    /// What each sample of the batch may spend, or one for all; nothing where only late fusion will do.
    pub allowances: &'a [Option<Allowance>],
}

/// A state to go for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// Its number.
    pub(super) number: usize,
    /// Whether another would have been the choice, had there been time.
    pub(super) for_want_of_time: bool,
}

impl Terms<'_> {
    /// What a sample may spend.
    fn allowance(&self, row: usize) -> Option<Allowance> {
        self.allowances.get(row).or(self.allowances.first()).copied().flatten()
    }

    /// The moves of samples that nobody looks at: the first block of each modality, which whoever looks needs, and the
    /// whole way where only late fusion will do. `None` where all modalities have a block behind them.
    pub(super) fn begin(&self, state: &State, seen: &Seen) -> Option<Vec<Move>> {
        let modality = first(state)?;
        let of = |row: &usize| match self.allowance(*row) {
            Some(_) => Move::Run(modality),
            None => Move::Finish(self.costs.last()),
        };
        Some(seen.rows.iter().map(of).collect())
    }

    /// The state to go for: the highest quality less the price of going on to it, of those that `price` has and for which
    /// there is time. Where there is time for none, the one that takes the least.
    ///
    /// `quality` holds that of every state, and `spent` what the sample has cost so far.
    pub(super) fn choose(
        &self,
        row: usize,
        quality: &[f64],
        spent: f64,
        price: impl Fn(usize) -> Option<Price>,
    ) -> Option<Choice> {
        let Allowance { lambda, milliseconds } = self.allowance(row)?;
        let left = milliseconds - spent;
        let open = || (0..quality.len()).filter_map(|number| price(number).map(|price| (number, price)));
        let worth = |(number, price): &(usize, Price)| quality[*number] - lambda * price.expected;
        let better = |left: &(usize, Price), right: &(usize, Price)| {
            // Of equals the cheaper.
            worth(left).total_cmp(&worth(right)).then(right.1.expected.total_cmp(&left.1.expected))
        };
        let (best, _) = open().max_by(better)?;
        let in_time = open().filter(|(_, price)| price.worst <= left).max_by(better);
        let (number, _) = in_time.or_else(|| open().min_by(|left, right| left.1.worst.total_cmp(&right.1.worst)))?;
        Some(Choice { number, for_want_of_time: number != best })
    }

    /// What samples have cost so far where they stand: by the clock where there is one sample, else by the table.
    pub(super) fn spent(&self, seen: &Seen, by_table: impl Fn() -> Price) -> f64 {
        seen.elapsed.unwrap_or_else(|| by_table().worst)
    }
}

/// The first modality that has no block behind it.
pub(super) fn first(state: &State) -> Option<usize> {
    state.blocks().iter().position(|blocks| *blocks == 0)
}
