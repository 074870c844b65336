//! Linear layers.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::program::{Operation, Program, Value};
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

impl<I: Shape, O: Shape> Linear<I, O> {
    /// Draws a linear layer, with its variables under `path`.
    pub fn new(path: Path<'_>, activation: Option<Activation>) -> Self {
        Self { affine: Affine::new(&path, width::<I>(), width::<O>()), activation, shapes: PhantomData }
    }

    fn run(&self, input: &Tensor) -> Tensor {
        let output = self.affine.forward(input);
        match self.activation {
            Some(activation) => activation.apply(output),
            None => output,
        }
    }
}

impl<const N: i64, const M: i64> Layer<Vector<N>, Vector<M>> for Linear<Vector<N>, Vector<M>> {
    fn forward(&self, input: &Batch<Vector<N>>, _train: bool) -> Batch<Vector<M>> {
        input.map(self.run(input.tensor()))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.affine.lower(program, input, self.activation, None)
    }
}

impl<const T: i64, const F: i64, const G: i64> Layer<Sequence<T, F>, Sequence<T, G>>
    for Linear<Sequence<T, F>, Sequence<T, G>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Sequence<T, G>> {
        input.map(self.run(input.tensor()))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.affine.lower(program, input, self.activation, None)
    }
}

/// The last dimension, over which linear maps run.
pub(crate) fn width<S: Shape>() -> i64 {
    *S::DIMS.last().expect("every shape has a dimension")
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

    /// Weight and bias.
    pub(crate) fn variables(&self) -> [&Tensor; 2] {
        [&self.weight, &self.bias]
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Tensor {
        input.linear(&self.weight, Some(&self.bias))
    }

    /// Writes down the map, the addition of another value, and the activation.
    pub(crate) fn lower(
        &self,
        program: &mut Program,
        input: Value,
        activation: Option<Activation>,
        add: Option<Value>,
    ) -> Value {
        let mut dims = program.dims(input).to_vec();
        dims.pop();
        dims.push(self.weight.size()[0]);
        let operation = Operation::Linear { weight: self.weight.detach(), bias: self.bias.detach(), activation };
        program.push_adding(operation, input, add, &dims)
    }
}
