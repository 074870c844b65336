//! The spec as its user writes it: a serde mirror of the YAML, one file a concern.
//!
//! The doc comments here are the manual of the spec language: editors show them through the JSON Schema.
//! Nothing here judges; `check` does. Serializing a spec writes every default out, and the result parses to the same.

mod choice;
mod example;
mod fusion;
mod layer;
mod loss;
mod modality;
mod navigator;
mod normalize;
mod ordered;
mod outputs;
#[cfg(test)]
mod schema;
mod training;
mod unfolding;
mod weights;
mod yaml;

use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use example::{example, retired};
pub(crate) use fusion::{AttentionFusion, FilmFusion, Fusion, GatedFusion, LowRankTensorFusion};
pub(crate) use layer::{
    Activation, BatchNorm, Conv, Conv1d, Conv3d, Custom, Delta, EPSILON, Embedding, Extent, Extent3d, Frames, Layer,
    Linear, Maxout, Mel, Mfcc, Mlp, Norm, Order, Pool, Positions, Recurrent, RecurrentOutput, Residual, Residual3d,
    Scale, SpectralCentroid, Transformer,
};
pub(crate) use loss::{ClassWeights, Loss};
pub(crate) use modality::{Input, Modality, Named, Point};
pub(crate) use navigator::{Anneal, Latency, Navigator, Policy, Reads, Temperature};
pub(crate) use normalize::Normalize;
pub(crate) use ordered::Ordered;
pub(crate) use outputs::Outputs;
pub(crate) use training::{Augment, Method, Metric, Optimizer, Schedule, Stage, Training};
pub(crate) use unfolding::{Bert, BertPool, R2plus1d, R3d, Repeat, Resnet};
pub(crate) use weights::{Glove, Names, Weights};

/// A late-fusion multimodal network with shortcuts and a navigator.
///
/// Top-level keys that begin with `x-` are left alone: a place for anchors that several modalities merge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("patternProperties" = { "^x-": {} })))]
pub(crate) struct Spec {
    /// The name of the annotated struct, in PascalCase.
    pub(crate) model: String,
    /// What the network is for, in a sentence; it opens the documentation of the generated model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// What the network predicts.
    pub(crate) task: Task,
    /// The modalities by name, each with its input and its encoder.
    pub(crate) modalities: Ordered<Modality>,
    /// How the features of the modalities become one.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) fusion: Fusion,
    /// What predicts the task from the fused feature.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) head: Head,
    /// The module that chooses an exit a modality for each sample.
    #[serde(default)]
    pub(crate) navigator: Navigator,
    /// The stages of the training.
    #[serde(default)]
    pub(crate) training: Training,
}

impl Spec {
    /// The spec as YAML, with every default written out.
    pub(crate) fn to_yaml(&self) -> String {
        let value = serde_yaml::with::singleton_map_recursive::serialize(self, serde_yaml::value::Serializer)
            .expect("a spec is mappings with texts for keys, sequences and scalars");
        yaml::write(&value)
    }
}

/// A choice whose lines are all left out, and its key is not, is the default.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What the network predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Task {
    /// One of several classes, learned by cross-entropy.
    Classification {
        /// The number of classes, 2 or more, or their names in the order of their numbers: answers show them.
        classes: Outputs,
    },
    /// Any of several labels, learned by binary cross-entropy.
    Multilabel {
        /// The number of labels, or their names.
        labels: Outputs,
    },
    /// Real values, learned by the mean absolute error.
    Regression {
        /// The number of values, or their names.
        targets: Outputs,
    },
}

/// What predicts the task from the fused feature.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Head {
    /// One linear layer.
    #[default]
    Linear,
    /// Hidden layers, then one linear layer.
    Mlp(HeadMlp),
}

/// A head with hidden layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HeadMlp {
    /// The widths of the hidden layers.
    pub(crate) hidden: Vec<u64>,
    /// What follows each hidden layer; `relu` where left out.
    #[serde(default = "Activation::relu")]
    pub(crate) activation: Activation,
    /// The probability of dropout after each hidden layer; 0 where left out.
    #[serde(default)]
    pub(crate) dropout: f64,
}
