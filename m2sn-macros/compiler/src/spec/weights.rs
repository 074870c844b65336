use serde::{Deserialize, Serialize};

use super::Ordered;

/// Parameters that another program has trained, for the encoder to begin with.
///
/// They are read from the file when a training begins, and whatever does not fit is an error that names it all. A program
/// that loads a trained network does not read the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Weights {
    /// The safetensors file, from the folder that the program runs in.
    pub(crate) file: String,
    /// How the file names the parameters.
    pub(crate) names: Names,
    /// What of the file is not loaded: names in it, or what they begin with, such as `fc`. Nothing where left out.
    #[serde(default)]
    pub(crate) ignore: Vec<String>,
    /// What of the encoder is not in the file and begins with freshly drawn parameters: layers, or parts of them. Nothing
    /// where left out.
    #[serde(default)]
    pub(crate) fresh: Vec<String>,
    /// What of the encoder no stage trains: layers, or parts of them. Their batch normalisations keep their statistics.
    /// Nothing where left out.
    #[serde(default)]
    pub(crate) freeze: Vec<String>,
    /// The learning rate of what was loaded, as a factor of that of the others, in every stage that trains it; 1 where left
    /// out.
    #[serde(default = "one")]
    pub(crate) learning_rate: f64,
}

/// How a file names parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Names {
    /// As torchvision names those of the `resnet` of this encoder.
    Torchvision,
    /// By their names in the file, or what these begin with, the layers or parts of layers that they are for. The longest
    /// beginning counts; an empty one stands for all names.
    Map(Ordered<String>),
}

fn one() -> f64 {
    1.0
}
