//! Batch normalisation by itself.

use std::marker::PhantomData;

use tch::nn::Path;

use super::Layer;
use super::norm::Normalization;
use super::program::{Program, Value};
use crate::Batch;
use crate::shape::Shape;

/// Normalises each feature of a vector or of a sequence's steps, or each channel of an image, by its mean and variance: of
/// the batch in training, else of the running averages. Then it scales and shifts by learned amounts.
///
/// The shape stays. Padding steps do not count. In training, one value a feature tells no variance (PyTorch refuses it),
/// so the running averages are used there too, and stay as they are.
///
/// PyTorch's twins are `BatchNorm1d`, for padded sequences over their real steps as rows, and `BatchNorm2d`, with momentum
/// 0.1 and the same variables: `weight`, `bias`, drawn as ones and zeros, `running_mean` and `running_var`.
#[derive(Debug)]
pub struct BatchNorm<I, O> {
    norm: Normalization,
    shapes: PhantomData<fn(I) -> O>,
}

impl<S: Shape> BatchNorm<S, S> {
    /// A normalisation with its variables under `path`; `epsilon` is added to the variance.
    pub fn new(path: Path<'_>, epsilon: f64) -> Self {
        let features = match S::DIMS {
            &[channels, _, _] => channels,
            dims => *dims.last().expect("every shape has a dimension"),
        };
        Self { norm: Normalization::batch(&path, features, epsilon), shapes: PhantomData }
    }
}

impl<S: Shape> Layer<S, S> for BatchNorm<S, S> {
    fn forward(&self, input: &Batch<S>, train: bool) -> Batch<S> {
        input.map(match S::DIMS {
            [_, _] => self.norm.forward_steps(input.tensor(), input.mask(), train),
            _ => self.norm.forward(input.tensor(), train),
        })
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.norm.lower(program, input)
    }
}
