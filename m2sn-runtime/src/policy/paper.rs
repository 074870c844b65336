//! The paper's navigator: one decision from the raw inputs, before any encoder runs (Section III-C, Eq. (3)).

use super::{Look, Move, Policy, Seen, State};
use crate::{Result, navigator};

/// Each modality leaves at the exit of the navigator's highest score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paper;

impl Policy for Paper {
    fn look(&self, _: &State) -> Look {
        Look::Scores
    }

    fn next(&self, _: &State, seen: &Seen) -> Result<Vec<Move>> {
        let exits = navigator::decide(&seen.scores)?;
        let of = |row: usize| {
            let blocks: Vec<usize> = exits.iter().map(|exits| exits[row] + 1).collect();
            Move::Finish(State::of(&blocks))
        };
        Ok((0..seen.rows.len()).map(of).collect())
    }
}
