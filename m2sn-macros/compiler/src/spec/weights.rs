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
    /// As torchvision names those of the `resnet`, `r3d` or `r2plus1d` of this encoder. A `resnet` may stand
    /// inside `frames`.
    Torchvision,
    /// As Hugging Face's `transformers` names those of the `bert` of this encoder, by itself or inside a model with heads.
    Huggingface,
    /// The file is a text of word vectors, a word a line and its values, as GloVe has them: the table of the encoder's
    /// `embedding`. All else begins with drawn parameters.
    Glove(Glove),
    /// By their names in the file, or what these begin with, the layers or parts of layers that they are for. The longest
    /// beginning counts; an empty one stands for all names.
    Map(Ordered<String>),
}

/// Which vector is for which token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Glove {
    /// The file of the vocabulary, from the folder that the program runs in: one word a line, the word of id 0 first, which
    /// is `<pad>`, and then `<unk>`. Words without a vector begin with drawn ones of the same mean and deviation.
    pub(crate) vocabulary: String,
}

fn one() -> f64 {
    1.0
}
