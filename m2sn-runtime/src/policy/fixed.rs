//! Routes that are known beforehand.

use super::{Look, Move, Policy, Seen, State};
use crate::{Error, Result};

/// Every sample takes the same route: late fusion and fixed shortcuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed(pub State);

impl Policy for Fixed {
    fn look(&self, _: &State) -> Look {
        Look::Nothing
    }

    fn next(&self, _: &State, seen: &Seen) -> Result<Vec<Move>> {
        Ok(vec![Move::Finish(self.0.clone()); seen.rows.len()])
    }
}

/// Each sample of a batch takes a route of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given(pub Vec<State>);

impl Policy for Given {
    fn look(&self, _: &State) -> Look {
        Look::Nothing
    }

    fn next(&self, _: &State, seen: &Seen) -> Result<Vec<Move>> {
        let of = |row: &usize| {
            let state = self.0.get(*row).cloned();
            state
                .map(Move::Finish)
                .ok_or_else(|| Error::invalid(format!("routes: there are {}, and none for sample {row}", self.0.len())))
        };
        seen.rows.iter().map(of).collect()
    }
}
