//! What a model is worth: its scores, its milliseconds, and whether its navigator earns its keep.
//!
//! Scores come from [`Exits`], one full pass over a data set; milliseconds from [`timing`], batch 1 as in use.
//! [`study()`] brings both together for several candidates and yields a [`Report`]; [`Front`] shows what one trained
//! network can do at every balance of quality and time, and [`Calibration`] whether its policy predicts well.

pub mod metrics;
pub mod statistics;
pub mod timing;

mod batches;
mod calibration;
mod candidate;
mod deadlines;
mod exits;
mod folds;
mod front;
mod frozen;
pub(crate) mod plot;
mod report;
mod scores;
mod seeds;
mod study;
pub(crate) mod table;

pub use batches::{Batched, Batches, batches};
pub use calibration::{Calibration, Group};
pub use candidate::{Candidate, Way};
pub use deadlines::{Deadline, Deadlines, deadlines};
pub use exits::{Decided, Exits, Oracle};
pub use folds::Folds;
pub use front::{Curve, Front, Point, Worth};
pub use frozen::{Frozen, FrozenRow, Routed, frozen, routed};
pub use report::{Comparison, Report, Row, Shares, Verdict};
pub use scores::Scores;
pub use seeds::{SeedRow, Seeds};
pub use study::study;

#[cfg(test)]
mod streamed;
