//! Linear layers.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::{Activation, Layer, init};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// A linear map with bias, and an activation: `y = activation(x · weightᵀ + bias)`.
///
/// `[batch, N]` → `[batch, M]`, or `[batch, T, F]` → `[batch, T, G]` step by step.
///
/// PyTorch's twin is `Linear`. Variables: `weight` and `bias`, drawn uniformly from ±1/√N.
#[derive(Debug)]
pub struct Linear<I, O> {
    affine: Affine,
    activation: Option<Activation>,
    shapes: PhantomData<fn(I) -> O>,
}

impl<const N: i64, const M: i64> Linear<Vector<N>, Vector<M>> {
    /// Draws a linear layer, with its variables under `path`.
    pub fn new(path: Path<'_>, activation: Option<Activation>) -> Self {
        Self { affine: Affine::new(&path, N, M), activation, shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64, const G: i64> Linear<Sequence<T, F>, Sequence<T, G>> {
    /// Draws a linear layer for every step, with its variables under `path`.
    pub fn new(path: Path<'_>, activation: Option<Activation>) -> Self {
        Self { affine: Affine::new(&path, F, G), activation, shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Linear<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let output = self.affine.forward(input.tensor());
        input.map(match self.activation {
            Some(activation) => activation.apply(output),
            None => output,
        })
    }
}

/// The bare linear map over the last dimension.
#[derive(Debug)]
pub(crate) struct Affine {
    weight: Tensor,
    bias: Tensor,
}

impl Affine {
    pub(crate) fn new(path: &Path<'_>, inputs: i64, outputs: i64) -> Self {
        Self {
            weight: init::fan_in(path, "weight", &[outputs, inputs], inputs),
            bias: init::fan_in(path, "bias", &[outputs], inputs),
        }
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Tensor {
        input.linear(&self.weight, Some(&self.bias))
    }
}
