//! What else computes less than late fusion: published ways, rebuilt over the parts of a network.
//!
//! None of their code is used, and what their publications leave open is ours, as each file says; so each is named after
//! its method with "-style" behind. All stand on a network of the same spec, begin with the same pre-trained encoders, and
//! train by the same stages of the plan. Each really leaves out what it says it leaves out, at any batch size, because the
//! executor of [`crate::routing`] runs them: a rival is a [`Policy`], and where it computes otherwise than its network a
//! [`Variant`] of it.

mod adamml;
mod admn;
mod deepest;
mod dynmm;
mod eenet;
mod gate;
mod mixture;
mod mmexit;
mod skipnet;
mod tally;
mod variant;

#[cfg(test)]
mod trials;

use std::fmt::Debug;

pub(crate) use adamml::AdaMml;
pub(crate) use admn::Admn;
pub(crate) use dynmm::DynMm;
pub(crate) use eenet::EeNet;
pub(crate) use mixture::Mixture;
pub(crate) use mmexit::MmExit;
pub(crate) use skipnet::SkipNet;
pub(crate) use tally::{Ran, Tally};
pub(crate) use variant::{Altered, AsIs, Variant};

use crate::Result;
use crate::data::Splits;
use crate::network::Network;
use crate::plan::Plan;
use crate::policy::{Costs, Policy};
use crate::training::Progress;

/// A rival over a network of its own.
///
/// What it learns, thresholds included, lies among the variables of that network, under `rival.…`, so that a checkpoint
/// holds all of it.
pub(crate) trait Rival<N: Network>: Debug + Sized {
    /// The name in reports.
    const NAME: &'static str;

    /// Which network it begins with.
    const BEGINS: Begins;

    /// Over a network, with freshly drawn parameters of its own.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the network has nothing that the rival could decide about.
    fn new(network: N) -> Result<Self>;

    /// The network that it stands on.
    fn network(&self) -> &N;

    /// As [`Rival::network`], to be given the parameters of a checkpoint.
    fn network_mut(&mut self) -> &mut N;

    /// Learns, or chooses on validation samples, all that it decides by.
    ///
    /// # Errors
    /// As [`crate::training::Trainer::train`].
    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()>;

    /// The ways to answer among which its user would choose, such as one a threshold; in any order.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] where what it has learned cannot be read.
    fn settings(&self) -> Result<Vec<Setting<'_>>>;
}

/// The network that a rival begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Pre-trained: late fusion and the uni-modal networks.
    Pretrained,
    /// After the stages of the plan but for the navigator's: every exit can answer.
    Trained,
}

/// What a rival learns from.
#[derive(Debug)]
pub(crate) struct Lesson<'a, N: Network> {
    /// Its stages say how long, by which optimizer and in which batches.
    pub(crate) plan: &'a Plan,
    pub(crate) splits: &'a Splits<N::Input>,
    /// What the parts of the network cost on this machine.
    pub(crate) costs: &'a Costs,
}

/// One way in which a rival answers.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// What sets it apart from the rival's others, such as `threshold 0.9`.
    pub(crate) by: String,
    pub(crate) variant: Box<dyn Variant + 'a>,
    pub(crate) policy: Box<dyn Policy + 'a>,
}
