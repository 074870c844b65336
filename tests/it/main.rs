//! The one integration binary: what users of the package see.

mod layers;
mod networks;
mod policies;
mod snapshots;
mod ui;
