//! The layers that generated encoders are made of, one a file.
//!
//! A layer's input and output shapes are its type parameters; its constructor takes the place of its variables
//! and the settings that the shapes do not tell. Parameters are drawn as PyTorch's twin of the layer draws them.
//!
//! ```
//! use m2sn_runtime::nn::{Activation, Conv, Flatten, Layer, Linear, conv};
//! use m2sn_runtime::shape::{Image, Vector};
//! use m2sn_runtime::tch::{Device, Kind, Tensor, nn::VarStore};
//! use m2sn_runtime::Batch;
//!
//! let variables = VarStore::new(Device::Cpu);
//! let root = variables.root();
//! let settings = conv::Settings {
//!     kernel: [3, 3],
//!     stride: [2, 2],
//!     padding: [1, 1],
//!     norm: None,
//!     activation: Some(Activation::Relu),
//! };
//! let stem = Conv::<Image<1, 8, 8>, Image<4, 4, 4>>::new(&root / "stem", settings);
//! let flat = Flatten::<Image<4, 4, 4>, Vector<64>>::new();
//! let head = Linear::<Vector<64>, Vector<10>>::new(&root / "head", None);
//!
//! let pixels = Batch::new(Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu)))?;
//! let logits = head.forward(&flat.forward(&stem.forward(&pixels, false), false), false);
//! assert_eq!(logits.tensor().size(), [2, 10]);
//! # Ok::<(), m2sn_runtime::Error>(())
//! ```
//!
//! The compiler refuses a wiring whose shapes do not meet, and a layer between shapes that it cannot connect:
//!
//! ```compile_fail,E0308
//! # use m2sn_runtime::{Batch, nn::{Layer, Linear}, shape::Vector};
//! fn score(head: &Linear<Vector<64>, Vector<10>>, feature: &Batch<Vector<32>>) -> Batch<Vector<10>> {
//!     head.forward(feature, false)
//! }
//! ```

mod activation;
mod attention_pool;
mod batch_norm;
mod branches;
pub mod conv;
pub mod conv1d;
pub mod conv3d;
pub mod delta;
mod dropout;
pub mod embedding;
mod erased;
mod flatten;
mod frames;
mod global_pool;
pub mod gru;
pub(crate) mod init;
mod layer_norm;
mod linear;
pub mod lstm;
mod maxout;
pub mod mel;
pub mod mfcc;
pub mod mlp;
mod norm;
mod normalize;
pub mod pool;
pub mod program;
pub mod recurrent;
pub mod residual;
pub mod residual3d;
mod sequential;
pub mod spectral_centroid;
mod spectrum;
mod step;
mod steps;
mod to_image;
pub mod transformer;
mod window;

#[cfg(test)]
mod parity;

use std::fmt::Debug;

pub use tch::nn::Path;

use crate::batch::Batch;
use crate::shape::Shape;

pub use activation::Activation;
pub use attention_pool::AttentionPool;
pub use batch_norm::BatchNorm;
pub use branches::Branches;
pub use conv::Conv;
pub use conv1d::Conv1d;
pub use conv3d::Conv3d;
pub use delta::Delta;
pub use dropout::Dropout;
pub use embedding::{Embedding, Positions};
pub use erased::{AnyLayer, erase};
pub use flatten::Flatten;
pub use frames::Frames;
pub use global_pool::GlobalAveragePool;
pub use gru::Gru;
pub use linear::Linear;
pub use lstm::Lstm;
pub use maxout::Maxout;
pub use mel::{Mel, Scale};
pub use mfcc::Mfcc;
pub use mlp::Mlp;
pub use norm::Norm;
pub use normalize::Normalize;
pub use pool::{AveragePool, MaxPool};
pub use program::Program;
pub use recurrent::Recurrent;
pub use residual::Residual;
pub use residual3d::Residual3d;
pub use sequential::Sequential;
pub use spectral_centroid::SpectralCentroid;
pub use step::{FirstStep, LastStep, Step};
pub use to_image::ToImage;
pub use transformer::{Order, Transformer};
pub use window::Window;

pub(crate) use erased::{lower, run};
pub(crate) use frames::over_frames;
pub(crate) use global_pool::mean_over_steps;
pub(crate) use init::undrawn;
pub(crate) use linear::Affine;
pub(crate) use maxout::largest_pieces;
pub(crate) use norm::EPSILON;
pub(crate) use normalize::{in_range, places, range, scaled};
pub(crate) use step::one_step;
pub(crate) use steps::{average_over_steps, max_over_steps};
pub(crate) use transformer::attention_bias;

use layer_norm::LayerNorm;

/// A layer from samples of shape `I` to samples of shape `O`.
#[diagnostic::on_unimplemented(message = "`{Self}` is no layer from `{I}` to `{O}`")]
pub trait Layer<I: Shape, O: Shape>: Debug + Send {
    /// Applies the layer.
    ///
    /// `train` switches dropout on and lets batch normalisation use and update the statistics of the batch.
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O>;

    /// Writes down what [`Layer::forward`] computes of `input` when nothing is trained any more, for a predictor that
    /// computes it in its own way; returns the output.
    ///
    /// By default the layer stays as it is, and a predictor runs it for one caller at a time.
    fn lower(&self, program: &mut Program, input: program::Value) -> program::Value {
        program.push_opaque(input, O::DIMS)
    }
}

/// A layer of the user's own, named in a spec by `custom: { path: crate::layers::Gate, output: [64, 14, 14] }`.
///
/// Implement it for exactly the shapes that the layer can take;
/// the compiler compares them with the shapes that the spec implies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no layer from `{I}` to `{O}`",
    label = "the spec implies these shapes",
    note = "implement `Layer` and `Custom` for them, or change the layer before it or its `output` in the spec"
)]
pub trait Custom<I: Shape, O: Shape>: Layer<I, O> + Sized {
    /// Builds the layer, with its variables under `path`.
    fn new(path: Path<'_>) -> Self;
}
