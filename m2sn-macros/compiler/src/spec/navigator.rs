use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::ordered::Ordered;

/// What decides how far each sample goes: the paper's navigator (Section III-C), which is an embedding of each modality's
/// input, all of them side by side, and one linear layer that scores the exits of every modality; or a learned policy,
/// which sees what the network makes of the sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Navigator {
    /// Who decides how far each sample goes; `paper` where left out.
    #[serde(default)]
    pub(crate) policy: Policy,
    /// For the paper's policy: what it decides from; `inputs` where left out, as in the paper.
    #[serde(default)]
    pub(crate) from: Reads,
    /// For a learned policy that is given no budget: how much quality the time of late fusion must bring; 0.1 where left
    /// out. Quality is the probability of the right class, the F1 of labels, or the error of real values by its mean.
    #[serde(default = "Navigator::price")]
    pub(crate) price: f64,
    /// The layers, without names, that embed each modality's input, for `from: inputs`. Where the last one does not
    /// yield a vector, `global_average_pool` follows. A modality that is left out gets a light embedding by the kind of
    /// its input: an image is pooled to at most 8 x 8 and passes one residual block of 8 channels; tokens become
    /// vectors of 16 features and are averaged; a sequence passes a linear layer of 16 features and is averaged; a
    /// vector passes a linear layer of 16 features.
    #[serde(default)]
    pub(crate) embed: Ordered<Vec<Layer>>,
    /// For the paper's policy: how much latency weighs against the task loss; `{ ratio: 0.3 }` where left out.
    #[serde(default, deserialize_with = "super::or_default")]
    pub(crate) latency: Latency,
    /// For the paper's policy: the temperature of the Gumbel-softmax, Eq. (5).
    #[serde(default)]
    pub(crate) temperature: Temperature,
    /// For the paper's policy: whether it learns from answers to training samples that are made as uncertain as those to
    /// validation samples, so that it sees what depth is worth on new ones; `false` where left out, as in the paper.
    #[serde(default)]
    pub(crate) soften: bool,
}

/// Who decides how far each sample goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Policy {
    /// The paper's navigator: once, for the λ that it was trained with.
    #[default]
    Paper,
    /// After every block, for any budget: stops at the first answer that is sure enough of itself. Learns nothing but the
    /// order of the blocks and thresholds.
    Confidence,
    /// Once, after the first block of every modality, for any budget: predicts how good each route's answer would be.
    Value,
    /// After every block, for any budget: predicts from the answer so far how good the answers ahead would be. The most
    /// accurate for its time.
    Sequential,
}

/// What the paper's policy decides from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Reads {
    /// The raw inputs, by the layers of `embed`, before anything has run.
    #[default]
    Inputs,
    /// What the first block of every modality makes of it, mean and maximum of each channel, by one hidden layer of 64
    /// features. It costs next to nothing; best with `soften: true`.
    Stem,
    /// What the network would answer at the first exits, after the first block of every modality, by one hidden layer of
    /// 64 features. It tells better which samples need depth; best with `soften: true`.
    Posterior,
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

impl Navigator {
    fn price() -> f64 {
        0.1
    }
}

impl Default for Navigator {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            from: Reads::default(),
            price: Self::price(),
            embed: Ordered::default(),
            latency: Latency::default(),
            temperature: Temperature::default(),
            soften: false,
        }
    }
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
