//! Multi-layer perceptrons.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::linear::width as last;
use super::program::{Program, Value};
use super::{Activation, Affine, Layer};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// For each hidden width a linear map, the activation and dropout; then a linear map to the output.
///
/// `[batch, N]` → `[batch, M]`, or `[batch, T, F]` → `[batch, T, G]` step by step.
///
/// PyTorch's twin is a `Sequential` of `Linear`, activation and `Dropout`.
/// Variables: `0.weight`, `0.bias`, `1.weight`, … of the linear maps, counted without what lies between them,
/// each drawn as by [`super::Linear`].
#[derive(Debug)]
pub struct Mlp<I, O> {
    hidden: Vec<Affine>,
    output: Affine,
    activation: Activation,
    dropout: f64,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of an [`Mlp`].
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The hidden widths.
    pub hidden: &'a [i64],
    /// The activation after each hidden linear map.
    pub activation: Activation,
    /// The probability that training drops a hidden value.
    pub dropout: f64,
}

impl<I: Shape, O: Shape> Mlp<I, O> {
    /// Draws a perceptron, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings<'_>) -> Self {
        let Settings { hidden, activation, dropout } = settings;
        let mut width = last::<I>();
        let mut affine = |index: usize, next: i64| {
            let affine = Affine::new(&(&path / index), width, next);
            width = next;
            affine
        };
        Self {
            hidden: hidden.iter().enumerate().map(|(index, next)| affine(index, *next)).collect(),
            output: affine(hidden.len(), last::<O>()),
            activation,
            dropout,
            shapes: PhantomData,
        }
    }

    fn run(&self, input: &Tensor, train: bool) -> Tensor {
        let mut value = input.shallow_clone();
        for affine in &self.hidden {
            value = self.activation.apply(affine.forward(&value));
            if train {
                value = value.dropout(self.dropout, true);
            }
        }
        self.output.forward(&value)
    }

    fn write(&self, program: &mut Program, input: Value) -> Value {
        let activation = Some(self.activation);
        let hidden = self.hidden.iter().fold(input, |value, affine| affine.lower(program, value, activation, None));
        self.output.lower(program, hidden, None, None)
    }
}

impl<const N: i64, const M: i64> Layer<Vector<N>, Vector<M>> for Mlp<Vector<N>, Vector<M>> {
    fn forward(&self, input: &Batch<Vector<N>>, train: bool) -> Batch<Vector<M>> {
        input.map(self.run(input.tensor(), train))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.write(program, input)
    }
}

impl<const T: i64, const F: i64, const G: i64> Layer<Sequence<T, F>, Sequence<T, G>>
    for Mlp<Sequence<T, F>, Sequence<T, G>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Sequence<T, G>> {
        input.map(self.run(input.tensor(), train))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.write(program, input)
    }
}
