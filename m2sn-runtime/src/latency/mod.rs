//! The latency table of Eq. (4), measured on the device at hand.
//!
//! Multiply-adds are inferred from the spec; milliseconds are not, they are measured where the model runs.
//! A [`Table`] therefore carries the [`Fingerprint`] of its model and device, and is refused elsewhere.

mod bar;
mod estimate;
mod fingerprint;
mod measure;
mod stopwatch;
mod table;
mod unpaid;

pub use estimate::Estimate;
pub use fingerprint::Fingerprint;
pub use measure::{CLOSE, Settings, measure};
pub use table::{Modality, Table};
pub use unpaid::unpaid;

pub(crate) use bar::Bar;
pub(crate) use measure::{Learned, measure_parts};
pub(crate) use stopwatch::{Lap, Stopwatch};

pub(crate) use unpaid::cheapest;
