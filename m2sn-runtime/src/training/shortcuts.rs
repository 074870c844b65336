//! The second stage: the shortcuts (Section IV-A), by the two methods of the paper or by a third.
//!
//! All teach a shortcut by the task: its feature goes through the pre-trained task head of its modality, which the two
//! methods of the paper leave frozen. There is one head a modality, so that all exits learn the same feature space and
//! fusion can take any.

use super::context::Context;
use super::run::Run;
use super::{integral, joint, peripheral};
use crate::Result;
use crate::network::{Network, Part};
use crate::plan::Method;

/// Trains the shortcuts.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>) -> Result<()> {
    match context.plan.shortcuts.method {
        Method::Integral => integral::train(context, run),
        Method::Peripheral => peripheral::train(context, run),
        Method::Joint => joint::train(context, run),
    }
}

/// The shortcut of an exit as a part; `full` has none.
pub(super) fn shortcut<N: Network>(context: &Context<'_, N>, modality: usize, exit: usize) -> Option<Part> {
    (exit + 1 < context.exits(modality)).then_some(Part::Shortcut { modality, exit })
}
