use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::ordered::Ordered;

/// The navigator (Section III-C of the paper): an embedding of each modality's input, all of them side by side,
/// and one linear layer that scores the exits of every modality.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Navigator {
    /// The layers, without names, that embed each modality's input. Where the last one does not yield a vector,
    /// `global_average_pool` follows. A modality that is left out gets a light embedding by the kind of its input:
    /// an image is pooled to at most 8 x 8 and passes one residual block of 8 channels; tokens become vectors of 16
    /// features and are averaged; a sequence passes a linear layer of 16 features and is averaged; a vector passes a
    /// linear layer of 16 features.
    #[serde(default)]
    pub(crate) embed: Ordered<Vec<Layer>>,
    /// How much latency weighs against the task loss; `{ ratio: 0.3 }` where left out.
    #[serde(default, deserialize_with = "super::or_default")]
    pub(crate) latency: Latency,
    /// The temperature of the Gumbel-softmax, Eq. (5).
    #[serde(default)]
    pub(crate) temperature: Temperature,
}

/// λ of Eq. (4): how much latency weighs against the task loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Latency {
    /// The latency term as a share of the task loss when the stage begins; useful from 0.05 to 1, 0 ignores latency.
    Ratio(f64),
    /// λ itself, the loss for each millisecond.
    Weight(f64),
}

/// The temperature of the Gumbel-softmax over the navigator's training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Temperature {
    /// The temperature at the first step; 5 where left out.
    pub(crate) from: f64,
    /// The temperature at the last step; 0.2 where left out.
    pub(crate) to: f64,
    /// The way between the two; `exponential` where left out.
    pub(crate) anneal: Anneal,
}

/// The way from one temperature to the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Anneal {
    /// The same factor each step.
    #[default]
    Exponential,
    /// The same difference each step.
    Linear,
}

impl Default for Latency {
    fn default() -> Self {
        Self::Ratio(0.3)
    }
}

impl Default for Temperature {
    fn default() -> Self {
        Self { from: 5.0, to: 0.2, anneal: Anneal::Exponential }
    }
}
