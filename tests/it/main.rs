//! The one integration binary: what users of the package see.

mod alone;
mod fusions;
mod layers;
mod multibench;
mod networks;
mod paper;
mod policies;
mod predictors;
mod signals;
mod snapshots;
mod steps;
mod text;
mod ui;
mod weights;
