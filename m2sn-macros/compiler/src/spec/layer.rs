use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::unfolding::{Bert, R2plus1d, R3d, Repeat, Resnet};

/// A layer of an encoder or of the navigator's embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Layer {
    /// A 2-D convolution, then normalisation and activation. Image to image.
    Conv(Conv),
    /// A convolution over steps, then normalisation and activation. Sequence to sequence.
    Conv1d(Conv1d),
    /// A stage of residual blocks, as in a ResNet. Image to image.
    Residual(Residual),
    /// Layers of images, applied to every frame of a video by itself. Video to video, or to sequence where they end in a
    /// vector; layers of vectors, applied to every step. Sequence to sequence.
    Frames(Frames),
    /// A 3-D convolution over frames, rows and columns, then normalisation and activation. Video to video.
    Conv3d(Conv3d),
    /// A stage of residual blocks over time and space, as in R3D-18 and R(2+1)D-18. Video to video.
    Residual3d(Residual3d),
    /// The power of sound in bands of the mel scale, over time: a mel spectrogram. Waveform to sequence.
    Mel(Mel),
    /// Mel-frequency cepstral coefficients, over time. Waveform to sequence.
    Mfcc(Mfcc),
    /// The mean frequency of sound, in Hz, over time. Waveform to sequence.
    SpectralCentroid(SpectralCentroid),
    /// How features change over time. Keeps the shape of a sequence.
    Delta(Delta),
    /// A sequence as an image of one channel, a row for each feature and a column for each step. Sequence to image.
    ToImage,
    /// Lists of layers that all read the same; their outputs go side by side. To vector or sequence.
    Branches(Vec<Vec<Layer>>),
    /// The mean over the real steps of a sequence, weighed by a learned query. Sequence to vector.
    AttentionPool,
    /// The largest value under the kernel. Image to image, or sequence to sequence.
    MaxPool(Pool),
    /// The mean under the kernel, padding not counted. Image to image, or sequence to sequence.
    AveragePool(Pool),
    /// The mean over all pixels of an image, over the real steps of a sequence, or over both for a video. Image, sequence or
    /// video to vector.
    GlobalAveragePool,
    /// The first real step, where BERT puts `[CLS]`. Sequence to vector.
    FirstStep,
    /// The last real step. Sequence to vector.
    LastStep,
    /// All features in a row. Image or sequence to vector.
    Flatten,
    /// A linear layer, for a sequence step by step. Vector to vector, sequence to sequence.
    Linear(Linear),
    /// The largest of some linear maps (Goodfellow et al., 2013), for a sequence step by step. Vector to vector, sequence
    /// to sequence.
    Maxout(Maxout),
    /// Hidden layers, then one linear layer. Vector to vector.
    Mlp(Mlp),
    /// A learned vector for each token. Tokens to sequence.
    Embedding(Embedding),
    /// Transformer encoder layers. Sequence to the same sequence.
    Transformer(Transformer),
    /// Gated recurrent units (Cho et al., 2014). Sequence to sequence or vector.
    Gru(Recurrent),
    /// Long short-term memory (Hochreiter & Schmidhuber, 1997). Sequence to sequence or vector.
    Lstm(Recurrent),
    /// Batch normalisation of each feature, for an image of each channel. Keeps the shape.
    BatchNorm(BatchNorm),
    /// Sets features to zero at random in training, with this probability. Keeps the shape.
    Dropout(f64),
    /// A layer of your own, written in Rust.
    Custom(Custom),
    /// A layer again and again, each time with parameters of its own.
    Repeat(Repeat),
    /// A whole ResNet, up to its deepest feature. Image to vector.
    Resnet(Resnet),
    /// A whole BERT. Tokens to vector.
    Bert(Bert),
    /// A whole R3D, up to its deepest feature. Video to vector.
    R3d(R3d),
    /// A whole R(2+1)D, up to its deepest feature. Video to vector.
    R2plus1d(R2plus1d),
}

/// A 2-D convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Conv {
    /// The channels of the output.
    pub(crate) channels: u64,
    /// The side of the kernel, or `[height, width]`.
    pub(crate) kernel: Extent,
    /// The step of the kernel; 1 where left out.
    #[serde(default = "Extent::one")]
    pub(crate) stride: Extent,
    /// The zeros around the image; 0 where left out.
    #[serde(default = "Extent::zero")]
    pub(crate) padding: Extent,
    /// What normalises the output; `none` where left out, and then the convolution has a bias.
    #[serde(default, deserialize_with = "super::or_default")]
    pub(crate) norm: Norm,
    /// What follows; `none` where left out.
    #[serde(default)]
    pub(crate) activation: Activation,
}

/// A convolution over the steps of a sequence.
///
/// Of a padded sample as many steps stay real as it would have by itself: those whose windows hold real steps alone, but for
/// as many at either end as `padding`. A sample too short for a window keeps those whose windows hold a real step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Conv1d {
    /// The features of the output.
    pub(crate) channels: u64,
    /// The steps under the kernel.
    pub(crate) kernel: u64,
    /// The step of the kernel; 1 where left out.
    #[serde(default = "one")]
    pub(crate) stride: u64,
    /// The zeros at both ends, at most half the kernel; 0 where left out.
    #[serde(default)]
    pub(crate) padding: u64,
    /// Whether the convolution has a bias; where left out, it has one unless it is normalised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bias: Option<bool>,
    /// What normalises the output, over the real steps alone; `none` where left out.
    #[serde(default, deserialize_with = "super::or_default")]
    pub(crate) norm: Norm,
    /// What follows; `none` where left out.
    #[serde(default)]
    pub(crate) activation: Activation,
}

/// A stage of residual blocks: two 3x3 convolutions each, with batch normalisation, added to the block's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Residual {
    /// The channels of the output.
    pub(crate) channels: u64,
    /// The number of blocks; 2 where left out.
    #[serde(default = "Residual::blocks")]
    pub(crate) blocks: u64,
    /// The step of the first block; 1 where left out.
    #[serde(default = "one")]
    pub(crate) stride: u64,
    /// Makes the blocks bottlenecks of this many channels: a 1x1 convolution to them, a 3x3 one, which takes the step, and
    /// a 1x1 one to the channels of the output. In ResNet-50 and deeper it is a quarter of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bottleneck: Option<u64>,
}

/// Layers of images, for every frame of a video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Frames {
    /// The layers in order, without names of their own: shortcuts can follow each as `name.kind`, such as `name.conv`, and
    /// the second of a kind as `name.conv2`.
    pub(crate) layers: Vec<Layer>,
}

/// A 3-D convolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Conv3d {
    /// The channels of the output.
    pub(crate) channels: u64,
    /// The side of the kernel, or `[frames, height, width]`.
    pub(crate) kernel: Extent3d,
    /// The step of the kernel; 1 where left out.
    #[serde(default = "Extent3d::one")]
    pub(crate) stride: Extent3d,
    /// The zeros around the video; 0 where left out.
    #[serde(default = "Extent3d::zero")]
    pub(crate) padding: Extent3d,
    /// What normalises the output; `none` where left out, and then the convolution has a bias.
    #[serde(default, deserialize_with = "super::or_default")]
    pub(crate) norm: Norm,
    /// What follows; `none` where left out.
    #[serde(default)]
    pub(crate) activation: Activation,
}

/// A stage of residual blocks over time and space: two 3x3x3 convolutions each, with batch normalisation, added to the
/// block's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Residual3d {
    /// The channels of the output.
    pub(crate) channels: u64,
    /// The number of blocks; 2 where left out.
    #[serde(default = "Residual::blocks")]
    pub(crate) blocks: u64,
    /// The step of the first block in time and space; 1 where left out.
    #[serde(default = "one")]
    pub(crate) stride: u64,
    /// Whether each convolution is one in space and one in time, as in R(2+1)D.
    #[serde(default)]
    pub(crate) factored: bool,
}

/// A mel spectrogram as librosa computes it: Hann windows, zeros beyond the ends, Slaney's bands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Mel {
    /// The samples of a window, an even number; 2048 where left out.
    #[serde(default = "Mel::window")]
    pub(crate) window: u64,
    /// The samples from one window to the next; 512 where left out.
    #[serde(default = "Mel::hop")]
    pub(crate) hop: u64,
    /// The number of bands; 128 where left out.
    #[serde(default = "Mel::mels")]
    pub(crate) mels: u64,
    /// The lowest frequency in Hz; 0 where left out.
    #[serde(default)]
    pub(crate) fmin: f64,
    /// The highest frequency in Hz; half the rate where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fmax: Option<f64>,
    /// What the power is told in; `decibels` where left out.
    #[serde(default)]
    pub(crate) scale: Scale,
}

/// What the power of a band is told in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Scale {
    /// Decibels of a power of 1, no less than 80 below the loudest: `power_to_db` of librosa.
    #[default]
    Decibels,
    /// The natural logarithm of the power, at least 1e-10.
    Natural,
    /// The power itself.
    Power,
}

/// Mel-frequency cepstral coefficients as librosa computes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Mfcc {
    /// How many of them, from the first on; 20 where left out.
    #[serde(default = "Mfcc::coefficients")]
    pub(crate) coefficients: u64,
    /// The spectrogram whose bands they are of; librosa's where left out.
    #[serde(default)]
    pub(crate) mel: Mel,
}

/// The mean frequency of sound, weighed by magnitude, as librosa computes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SpectralCentroid {
    /// The samples of a window, an even number; 2048 where left out.
    #[serde(default = "Mel::window")]
    pub(crate) window: u64,
    /// The samples from one window to the next; 512 where left out.
    #[serde(default = "Mel::hop")]
    pub(crate) hop: u64,
}

/// A derivative over time, of the polynomial that fits a window best (Savitzky and Golay, 1964).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Delta {
    /// The steps of the window, an odd number; 9 where left out.
    #[serde(default = "Delta::width")]
    pub(crate) width: u64,
    /// Which derivative: 1, or 2; 1 where left out.
    #[serde(default = "one")]
    pub(crate) order: u64,
}

/// A pooling over a window. Over a sequence the window is some steps long, and the same steps stay real as after a
/// `conv1d`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenPool", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pool {
    /// The side of the window, or `[height, width]` over an image.
    pub(crate) kernel: Extent,
    /// The step of the window; the kernel where left out.
    pub(crate) stride: Extent,
    /// The width of the border, at most half the kernel; 0 where left out.
    pub(crate) padding: Extent,
}

/// A pooling over a window. Over a sequence the window is some steps long, and the same steps stay real as after a
/// `conv1d`.
#[derive(Deserialize)]
#[serde(rename = "Pool", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WrittenPool {
    /// The side of the window, or `[height, width]` over an image.
    kernel: Extent,
    /// The step of the window; the kernel where left out.
    stride: Option<Extent>,
    /// The width of the border, at most half the kernel; 0 where left out.
    #[serde(default = "Extent::zero")]
    padding: Extent,
}

/// A linear layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Linear {
    /// The features of the output.
    pub(crate) size: u64,
    /// What follows; `none` where left out.
    #[serde(default)]
    pub(crate) activation: Activation,
}

/// The largest of some linear maps, for each feature of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Maxout {
    /// The features of the output.
    pub(crate) size: u64,
    /// The number of linear maps, 2 or more; 2 where left out.
    #[serde(default = "Maxout::pieces")]
    pub(crate) pieces: u64,
}

/// A multilayer perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Mlp {
    /// The widths of the hidden layers.
    pub(crate) hidden: Vec<u64>,
    /// The features of the output.
    pub(crate) size: u64,
    /// What follows each hidden layer; `relu` where left out.
    #[serde(default = "Activation::relu")]
    pub(crate) activation: Activation,
    /// The probability of dropout after each hidden layer; 0 where left out.
    #[serde(default)]
    pub(crate) dropout: f64,
}

/// A table of token vectors. The vocabulary and the padding id are those of the modality's `tokens` input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Embedding {
    /// The features of a token.
    pub(crate) size: u64,
    /// What tells the place of a token; `none` where left out.
    #[serde(default)]
    pub(crate) positions: Positions,
    /// The rows of the table of learned positions; as many as the input has places where left out.
    /// A table that was trained elsewhere may hold more, such as BERT's 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) places: Option<u64>,
    /// The rows of a table of token types, or segments; 0, and no table, where left out. BERT has 2.
    /// An input is one segment: all its tokens are of the first type.
    #[serde(default)]
    pub(crate) types: u64,
    /// Whether a layer normalisation follows the sum of token, place and type.
    #[serde(default)]
    pub(crate) norm: bool,
    /// What the normalisation adds to the variance; 1e-5 where left out. BERT has 1e-12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon: Option<f64>,
    /// The probability of dropout; 0 where left out.
    #[serde(default)]
    pub(crate) dropout: f64,
}

/// Transformer encoder layers (Vaswani et al., 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Transformer {
    /// The number of layers; 1 where left out.
    #[serde(default = "one")]
    pub(crate) layers: u64,
    /// The number of attention heads; it has to divide the features of the sequence.
    pub(crate) heads: u64,
    /// The width of the feed-forward part; often 4 times the features of the sequence.
    pub(crate) feed_forward: u64,
    /// The probability of dropout; 0 where left out.
    #[serde(default)]
    pub(crate) dropout: f64,
    /// The probability of dropout after the activation of the feed-forward part; that of `dropout` where left out.
    /// BERT has none there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) activation_dropout: Option<f64>,
    /// Where the layers normalise; `pre` where left out.
    #[serde(default)]
    pub(crate) norm: Order,
    /// What normalisations add to the variance; 1e-5 where left out. BERT has 1e-12.
    #[serde(default = "Transformer::epsilon")]
    pub(crate) epsilon: f64,
    /// What follows the first half of the feed-forward part; `gelu` where left out.
    #[serde(default = "Activation::gelu")]
    pub(crate) activation: Activation,
}

/// Layers that go through a sequence step by step and keep a state. Padding steps are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Recurrent {
    /// The features of a direction's state.
    pub(crate) hidden: u64,
    /// The number of layers; 1 where left out.
    #[serde(default = "one")]
    pub(crate) layers: u64,
    /// Whether a second direction runs from the end to the start, which doubles the features of the output.
    #[serde(default)]
    pub(crate) bidirectional: bool,
    /// The probability of dropout between layers; 0 where left out.
    #[serde(default)]
    pub(crate) dropout: f64,
    /// What leaves the layer; `last` where left out.
    #[serde(default)]
    pub(crate) output: RecurrentOutput,
}

/// Batch normalisation. Padding steps do not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BatchNorm {
    /// What is added to the variance, above 0; 1e-5 where left out.
    #[serde(default = "BatchNorm::epsilon")]
    pub(crate) epsilon: f64,
}

/// A layer of your own: a Rust type that implements `m2sn::nn::Custom` for the shapes on its two sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Custom {
    /// The path of the type from the root of the crate, such as `crate::layers::Gate`.
    pub(crate) path: String,
    /// The dimensions of the output: `[size]`, `[length, features]`, `[channels, height, width]` or
    /// `[frames, channels, height, width]`.
    pub(crate) output: Vec<u64>,
    /// The number of its parameters, for the documentation and the warnings; 0 where left out.
    #[serde(default)]
    pub(crate) parameters: u64,
    /// The number of its multiply-adds for one sample, for the documentation and the warnings; 0 where left out.
    #[serde(default)]
    pub(crate) multiply_adds: u64,
}

/// What normalises the output of a convolution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Norm {
    /// Nothing.
    #[default]
    None,
    /// Batch normalisation.
    Batch,
    /// Group normalisation with this many groups; they have to divide the channels.
    Group(u64),
}

/// A function of each feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Activation {
    /// The feature itself.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// x Φ(x), the Gaussian error linear unit.
    Gelu,
    /// x σ(x), the sigmoid linear unit.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
}

/// What tells the place of a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Positions {
    /// Nothing.
    #[default]
    None,
    /// A learned vector for each place.
    Learned,
    /// Sines and cosines (Vaswani et al., 2017).
    Sinusoidal,
}

/// Where a transformer layer normalises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Order {
    /// Before attention and feed-forward part, and once more at the end.
    #[default]
    Pre,
    /// After each sum, as first published.
    Post,
}

/// What leaves a recurrent layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum RecurrentOutput {
    /// The state after the last real step, a vector.
    #[default]
    Last,
    /// The states of all steps, a sequence.
    Sequence,
}

/// A height and a width, written as one number where they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Extent(pub(crate) [u64; 2]);

impl Layer {
    /// The keys that layers are written with.
    pub(crate) const KINDS: &[&str] = &[
        "conv",
        "conv1d",
        "residual",
        "frames",
        "conv3d",
        "residual3d",
        "mel",
        "mfcc",
        "spectral_centroid",
        "delta",
        "to_image",
        "branches",
        "attention_pool",
        "max_pool",
        "average_pool",
        "global_average_pool",
        "first_step",
        "last_step",
        "flatten",
        "linear",
        "maxout",
        "mlp",
        "embedding",
        "transformer",
        "gru",
        "lstm",
        "batch_norm",
        "dropout",
        "custom",
        "repeat",
        "resnet",
        "bert",
        "r3d",
        "r2plus1d",
    ];

    /// The key that the layer is written with.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Conv1d(_) => "conv1d",
            Self::Residual(_) => "residual",
            Self::Frames(_) => "frames",
            Self::Conv3d(_) => "conv3d",
            Self::Residual3d(_) => "residual3d",
            Self::Mel(_) => "mel",
            Self::Mfcc(_) => "mfcc",
            Self::SpectralCentroid(_) => "spectral_centroid",
            Self::Delta(_) => "delta",
            Self::ToImage => "to_image",
            Self::Branches(_) => "branches",
            Self::AttentionPool => "attention_pool",
            Self::MaxPool(_) => "max_pool",
            Self::AveragePool(_) => "average_pool",
            Self::GlobalAveragePool => "global_average_pool",
            Self::FirstStep => "first_step",
            Self::LastStep => "last_step",
            Self::Flatten => "flatten",
            Self::Linear(_) => "linear",
            Self::Maxout(_) => "maxout",
            Self::Mlp(_) => "mlp",
            Self::Embedding(_) => "embedding",
            Self::Transformer(_) => "transformer",
            Self::Gru(_) => "gru",
            Self::Lstm(_) => "lstm",
            Self::BatchNorm(_) => "batch_norm",
            Self::Dropout(_) => "dropout",
            Self::Custom(_) => "custom",
            Self::Repeat(_) => "repeat",
            Self::Resnet(_) => "resnet",
            Self::Bert(_) => "bert",
            Self::R3d(_) => "r3d",
            Self::R2plus1d(_) => "r2plus1d",
        }
    }
}

/// Frames, height and width, written as one number where they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Extent3d(pub(crate) [u64; 3]);

impl Extent3d {
    fn zero() -> Self {
        Self([0; 3])
    }

    fn one() -> Self {
        Self([1; 3])
    }
}

impl Mel {
    fn window() -> u64 {
        2048
    }

    fn hop() -> u64 {
        512
    }

    fn mels() -> u64 {
        128
    }
}

impl Default for Mel {
    fn default() -> Self {
        let (window, hop, mels) = (Self::window(), Self::hop(), Self::mels());
        Self { window, hop, mels, fmin: 0.0, fmax: None, scale: Scale::default() }
    }
}

impl Mfcc {
    fn coefficients() -> u64 {
        20
    }
}

impl Delta {
    fn width() -> u64 {
        9
    }
}

impl Extent {
    fn zero() -> Self {
        Self([0, 0])
    }

    fn one() -> Self {
        Self([1, 1])
    }
}

impl Residual {
    fn blocks() -> u64 {
        2
    }
}

impl Transformer {
    fn epsilon() -> f64 {
        EPSILON
    }
}

/// What a normalisation adds to the variance where nothing is said, as in PyTorch.
pub(crate) const EPSILON: f64 = 1e-5;

impl Maxout {
    fn pieces() -> u64 {
        2
    }
}

impl BatchNorm {
    fn epsilon() -> f64 {
        EPSILON
    }
}

impl Activation {
    pub(crate) fn relu() -> Self {
        Self::Relu
    }

    fn gelu() -> Self {
        Self::Gelu
    }
}

fn one() -> u64 {
    1
}

impl From<WrittenPool> for Pool {
    fn from(WrittenPool { kernel, stride, padding }: WrittenPool) -> Self {
        Self { kernel, stride: stride.unwrap_or(kernel), padding }
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sides("a whole number, or `[height, width]`")).map(Self)
    }
}

impl<'de> Deserialize<'de> for Extent3d {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sides("a whole number, or `[frames, height, width]`")).map(Self)
    }
}

/// Reads one side for all, or each.
struct Sides<const N: usize>(&'static str);

impl<'de, const N: usize> Visitor<'de> for Sides<N> {
    type Value = [u64; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: de::Error>(self, side: u64) -> Result<Self::Value, E> {
        Ok([side; N])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sides: A) -> Result<Self::Value, A::Error> {
        let mut all = [0; N];
        for (index, side) in all.iter_mut().enumerate() {
            *side = sides.next_element::<u64>()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
        }
        match sides.next_element::<de::IgnoredAny>()? {
            None => Ok(all),
            Some(_) => Err(de::Error::invalid_length(N + 1, &self)),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Extent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Extent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        sides(2)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Extent3d {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Extent3d".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        sides(3)
    }
}

#[cfg(test)]
fn sides(count: u64) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 0 },
            {
                "type": "array",
                "items": { "type": "integer", "minimum": 0 },
                "minItems": count,
                "maxItems": count,
            },
        ],
    })
}
