//! The one integration binary: what users of the package see.

mod layers;
mod networks;
mod snapshots;
mod ui;
