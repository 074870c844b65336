use serde::{Deserialize, Serialize};

use super::Layer;

/// A layer again and again, each time with parameters of its own: `name.1`, `name.2`, ….
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Repeat {
    /// How often, 1 or more.
    pub(crate) times: u64,
    /// The layer. What it yields is what the next one takes.
    pub(crate) layer: Box<Layer>,
}

/// A ResNet without its classifier, as torchvision has it: `name.stem`, `name.pool`, `name.layer1` to `name.layer4`, and
/// `name.feature`, the average over all pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Resnet {
    /// The number of layers that count: 18, 34, 50, 101 or 152.
    pub(crate) depth: u64,
}

/// A BERT as Hugging Face computes it: `name.embeddings`, `name.layer1`, `name.layer2`, …, and what `pool` makes of the last
/// layer's output. What is left out is as in bert-base.
///
/// The input is one segment: all tokens are of the first type. Encoders of the same making, such as MiniLM, differ in the
/// settings alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Bert {
    /// The number of layers, `num_hidden_layers` there; 12 where left out.
    #[serde(default = "Bert::layers")]
    pub(crate) layers: u64,
    /// The features of a token, `hidden_size` there; 768 where left out.
    #[serde(default = "Bert::hidden")]
    pub(crate) hidden: u64,
    /// The number of attention heads, `num_attention_heads` there, which has to divide the features; 12 where left out.
    #[serde(default = "Bert::heads")]
    pub(crate) heads: u64,
    /// The width of the feed-forward part, `intermediate_size` there; 3072 where left out.
    #[serde(default = "Bert::feed_forward")]
    pub(crate) feed_forward: u64,
    /// The rows of the table of positions, `max_position_embeddings` there, at least the length of the input; 512 where left
    /// out.
    #[serde(default = "Bert::positions")]
    pub(crate) positions: u64,
    /// The rows of the table of token types, `type_vocab_size` there, or 0 for no table; 2 where left out.
    #[serde(default = "Bert::types")]
    pub(crate) types: u64,
    /// The probability of dropout, of hidden values and of attention weights; 0.1 where left out.
    #[serde(default = "Bert::dropout")]
    pub(crate) dropout: f64,
    /// What normalisations add to the variance, `layer_norm_eps` there; 1e-12 where left out.
    #[serde(default = "Bert::epsilon")]
    pub(crate) epsilon: f64,
    /// What makes one vector of the sequence; `pooler` where left out.
    #[serde(default)]
    pub(crate) pool: BertPool,
}

/// What makes one vector of BERT's last layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum BertPool {
    /// The first token, `name.first`, and a linear layer with tanh, `name.pooler`: `pooler_output` there.
    #[default]
    Pooler,
    /// The first token, `[CLS]`, as `name.feature`.
    First,
    /// The mean over the real tokens, as `name.feature`: what most sentence encoders take.
    Mean,
    /// Nothing: the sequence goes on, to layers of your own.
    None,
}

impl Bert {
    fn layers() -> u64 {
        12
    }

    fn hidden() -> u64 {
        768
    }

    fn heads() -> u64 {
        12
    }

    fn feed_forward() -> u64 {
        3072
    }

    fn positions() -> u64 {
        512
    }

    fn types() -> u64 {
        2
    }

    fn dropout() -> f64 {
        0.1
    }

    fn epsilon() -> f64 {
        1e-12
    }
}

/// An R3D without its classifier, as torchvision has it: `name.stem`, `name.layer1` to `name.layer4`, and `name.feature`, the
/// average over all frames and pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct R3d {
    /// The number of layers that count: 18 or 34.
    pub(crate) depth: u64,
}

/// An R(2+1)D without its classifier, as torchvision has it: `name.stem_space`, `name.stem_time`, `name.layer1` to
/// `name.layer4`, and `name.feature`, the average over all frames and pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct R2plus1d {
    /// The number of layers that count: 18 or 34.
    pub(crate) depth: u64,
}
