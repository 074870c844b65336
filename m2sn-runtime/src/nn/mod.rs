//! The layers that generated encoders are made of, one a file.
//!
//! A layer's input and output shapes are its type parameters; its constructor takes the place of its variables
//! and the settings that the shapes do not tell.

use std::fmt::Debug;

pub use tch::nn::Path;

use crate::batch::Batch;
use crate::shape::Shape;

/// A layer from samples of shape `I` to samples of shape `O`.
pub trait Layer<I: Shape, O: Shape>: Debug + Send {
    /// Applies the layer.
    ///
    /// `train` switches dropout on and lets batch normalisation use and update the statistics of the batch.
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O>;
}

/// A layer of the user's own, named in a spec by `custom: { path: crate::layers::Gate, output: [64, 14, 14] }`.
///
/// Implement it for exactly the shapes that the layer can take;
/// the compiler compares them with the shapes that the spec implies.
pub trait Custom<I: Shape, O: Shape>: Layer<I, O> + Sized {
    /// Builds the layer, with its variables under `path`.
    fn new(path: Path<'_>) -> Self;
}
