//! Maxout.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::linear::width;
use super::program::{Operation, Program, Value};
use super::{Affine, Layer};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// The largest of some linear maps (Goodfellow et al. 2013): `y[i] = max_p (x · weightᵀ + bias)[i · pieces + p]`.
///
/// `[batch, N]` → `[batch, M]`, or `[batch, T, F]` → `[batch, T, G]` step by step.
///
/// PyTorch's twin is `Linear` of `pieces` times as many outputs, the maximum taken over those that lie side by side.
/// Variables: `weight` and `bias`, drawn uniformly from ±1/√N.
#[derive(Debug)]
pub struct Maxout<I, O> {
    affine: Affine,
    pieces: i64,
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape> Maxout<I, O> {
    /// Draws so many linear maps for each output, with their variables under `path`.
    pub fn new(path: Path<'_>, pieces: i64) -> Self {
        let affine = Affine::new(&path, width::<I>(), width::<O>() * pieces);
        Self { affine, pieces, shapes: PhantomData }
    }

    fn run(&self, input: &Tensor) -> Tensor {
        largest_pieces(&self.affine.forward(input), self.pieces)
    }

    fn write(&self, program: &mut Program, input: Value) -> Value {
        let maps = self.affine.lower(program, input, None, None);
        program.push(Operation::Maxout { pieces: self.pieces }, maps, O::DIMS)
    }
}

impl<const N: i64, const M: i64> Layer<Vector<N>, Vector<M>> for Maxout<Vector<N>, Vector<M>> {
    fn forward(&self, input: &Batch<Vector<N>>, _train: bool) -> Batch<Vector<M>> {
        input.map(self.run(input.tensor()))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.write(program, input)
    }
}

impl<const T: i64, const F: i64, const G: i64> Layer<Sequence<T, F>, Sequence<T, G>>
    for Maxout<Sequence<T, F>, Sequence<T, G>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Sequence<T, G>> {
        input.map(self.run(input.tensor()))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.write(program, input)
    }
}

/// The largest of every so many features that lie side by side, `[…, M · pieces]` → `[…, M]`.
pub(crate) fn largest_pieces(maps: &Tensor, pieces: i64) -> Tensor {
    let mut size = maps.size();
    size.pop();
    size.extend([-1, pieces]);
    maps.reshape(size).max_dim(-1, false).0
}
