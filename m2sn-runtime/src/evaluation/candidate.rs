//! What a study compares.

use super::report::LATE_FUSION;
use crate::latency::Stopwatch;
use crate::network::{Description, Input, Network, check_inputs};
use crate::plan::Policy;
use crate::policy::{Budget, Paper};
use crate::routing::{self, encode};
use crate::{Error, Result};

/// A network and a way to use it, under a name.
#[derive(Debug)]
pub struct Candidate<'a, N: Network> {
    /// The name, as it will stand in the report.
    pub name: String,
    /// The network.
    pub network: &'a N,
    /// How it answers.
    pub way: Way<N::Route>,
}

/// A way to use a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way<R> {
    /// One encoder to its end, and its own task head: a uni-modal network.
    Alone {
        /// The modality.
        modality: usize,
    },
    /// Every encoder to its end, without the navigator: the baseline.
    LateFusion,
    /// The same route for every sample, without the navigator.
    Fixed(R),
    /// The route that the paper's navigator decides on, sample by sample.
    Navigator,
    /// The route that a learned policy decides on within a budget, sample by sample.
    Within(Policy, Budget),
}

impl<R> Way<R> {
    /// Whether it is decided sample by sample.
    pub fn is_adaptive(&self) -> bool {
        matches!(self, Self::Navigator | Self::Within(..))
    }
}

impl<'a, N: Network> Candidate<'a, N> {
    /// A network and a way to use it, under a name.
    pub fn new(name: impl Into<String>, network: &'a N, way: Way<N::Route>) -> Self {
        Self { name: name.into(), network, way }
    }

    /// The uni-modal networks of a network, each under the name of its modality.
    pub fn alone(network: &'a N) -> Vec<Self> {
        let modalities = N::description().modalities.iter().enumerate();
        modalities.map(|(index, modality)| Self::new(modality.name, network, Way::Alone { modality: index })).collect()
    }

    /// Checks that the network has the modality that is used alone.
    pub(super) fn check(&self) -> Result<()> {
        let Description { name, modalities, .. } = N::description();
        match self.way {
            Way::Alone { modality } if modality >= modalities.len() => Err(Error::invalid(format!(
                "candidate `{}`: there is no modality {modality}, `{name}` has {}",
                self.name,
                modalities.len()
            ))),
            _ => Ok(()),
        }
    }

    /// The wall time of an answer in milliseconds, from the inputs to the logits.
    pub(super) fn time(&self, input: &N::Input) -> Result<f64> {
        match self.way {
            Way::Alone { modality } => {
                let inputs = input.features();
                check_inputs(N::description(), self.network.variables().device(), &inputs)?;
                let full = N::description().modalities[modality].exits.len() - 1;
                let _no_grad = tch::no_grad_guard();
                let mut watch = Stopwatch::start(self.network.variables().device());
                let feature = encode(self.network, modality, &inputs[modality], full);
                let _logits = self.network.task_head(modality, &feature);
                Ok(watch.lap())
            }
            Way::LateFusion => Ok(routing::predict_by(self.network, input, routing::full::<N>())?.milliseconds),
            Way::Fixed(route) => Ok(routing::predict_by(self.network, input, route)?.milliseconds),
            Way::Navigator => Ok(routing::predict_with(self.network, input, &Paper::of(self.network)?)?.milliseconds),
            Way::Within(policy, budget) => {
                Ok(routing::predict_within(self.network, input, policy, budget)?.milliseconds)
            }
        }
    }

    /// What the way is called in a report.
    pub(super) fn describe(&self) -> String {
        match self.way {
            Way::Alone { modality } => format!("{} alone", N::description().modalities[modality].name),
            Way::LateFusion => LATE_FUSION.into(),
            Way::Fixed(route) => route.to_string(),
            Way::Navigator => "navigator".into(),
            Way::Within(policy, budget) => format!("{}, {budget}", policy.name()),
        }
    }
}
