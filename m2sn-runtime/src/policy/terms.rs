//! The choice that learned policies share: quality against milliseconds.

use super::{Allowance, Costs, Move, Price, Seen, Weighing};

/// What a learned policy decides by besides what it has learned: the costs of this machine, and what may be spent.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The costs of this machine.
    pub costs: &'a Costs,
    /// What each sample of the batch may spend, or one for all; nothing where only late fusion will do.
    pub allowances: &'a [Option<Allowance>],
}

impl Terms<'_> {
    /// What a sample may spend.
    pub(super) fn allowance(&self, row: usize) -> Option<Allowance> {
        self.allowances.get(row).or(self.allowances.first()).copied().flatten()
    }

    /// The moves of samples that nobody looks at yet, because a block of this modality has to run first; the whole way
    /// where only late fusion will do.
    pub(super) fn begin(&self, modality: usize, seen: &Seen) -> Vec<Move> {
        let of = |row: &usize| match self.allowance(*row) {
            Some(_) => Move::Run(modality),
            None => Move::Finish(self.costs.grid().last()),
        };
        seen.rows.iter().map(of).collect()
    }

    /// The state to go for: the highest quality less the price of going on to it, of those that `price` has and for which
    /// there is time. Where there is time for none, the one that takes the least.
    ///
    /// `qualities` holds that of every state, and `spent` what the sample has cost so far. `None` where only late fusion
    /// will do.
    pub(super) fn choose(
        &self,
        row: usize,
        qualities: Vec<f64>,
        spent: f64,
        price: impl Fn(usize) -> Option<Price>,
    ) -> Option<Weighing> {
        let Allowance { lambda, milliseconds } = self.allowance(row)?;
        let left = milliseconds - spent;
        let open = || (0..qualities.len()).filter_map(|number| price(number).map(|price| (number, price)));
        let worth = |(number, price): &(usize, Price)| qualities[*number] - lambda * price.expected;
        let better = |left: &(usize, Price), right: &(usize, Price)| {
            // Of equals the cheaper.
            worth(left).total_cmp(&worth(right)).then(right.1.expected.total_cmp(&left.1.expected))
        };
        let (best, _) = open().max_by(better)?;
        let in_time = open().filter(|(_, price)| price.worst <= left).max_by(better);
        let (number, price) =
            in_time.or_else(|| open().min_by(|left, right| left.1.worst.total_cmp(&right.1.worst)))?;
        let goal = self.costs.grid().state(number);
        Some(Weighing { qualities, goal, price, for_want_of_time: number != best })
    }

    /// What samples have cost so far where they stand: by the clock where there is one sample, else by the table.
    pub(super) fn spent(&self, seen: &Seen, by_table: impl Fn() -> Price) -> f64 {
        seen.elapsed.unwrap_or_else(|| by_table().worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::{Tiny, table};

    /// The number that is chosen among four states that cost 0, 1, 2 and 3 ms, twice that at worst.
    fn choose(allowance: Option<Allowance>, quality: [f64; 4], spent: f64) -> Option<(usize, bool)> {
        let costs = Costs::new::<Tiny>(table()).unwrap();
        let terms = Terms { costs: &costs, allowances: &[allowance] };
        let price = |number: usize| Some(Price { expected: number as f64, worst: 2.0 * number as f64 });
        let weighing = terms.choose(0, quality.into(), spent, price)?;
        Some((costs.grid().number(&weighing.goal)?, weighing.for_want_of_time))
    }

    #[test]
    fn quality_is_weighed_against_time() {
        let at = |lambda| Some(Allowance { lambda, milliseconds: f64::INFINITY });
        let quality = [0.5, 0.8, 0.9, 0.95];
        assert_eq!(choose(at(0.0), quality, 0.0), Some((3, false)));
        assert_eq!(choose(at(0.06), quality, 0.0), Some((2, false)));
        assert_eq!(choose(at(0.2), quality, 0.0), Some((1, false)));
        assert_eq!(choose(at(1.0), quality, 0.0), Some((0, false)));
        assert_eq!(choose(at(0.0), [0.5; 4], 0.0), Some((0, false)), "of equals the cheapest");
        assert_eq!(choose(None, quality, 0.0), None);
    }

    #[test]
    fn what_may_not_end_in_time_is_not_begun() {
        let within = |milliseconds| Some(Allowance { lambda: 0.0, milliseconds });
        let quality = [0.5, 0.8, 0.9, 0.95];
        assert_eq!(choose(within(6.0), quality, 0.0), Some((3, false)));
        assert_eq!(choose(within(5.9), quality, 0.0), Some((2, true)));
        assert_eq!(choose(within(5.9), quality, 2.0), Some((1, true)), "what is spent is gone");
        assert_eq!(choose(within(1.0), quality, 2.0), Some((0, true)), "where there is no time, the least");
    }
}
