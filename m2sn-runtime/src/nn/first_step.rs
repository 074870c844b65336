//! The first step of a sequence.

use std::marker::PhantomData;

use tch::{Kind, Tensor};

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// The first real step of a sequence: what stands at BERT's `[CLS]`.
///
/// `[batch, T, F]` → `[batch, F]`.
/// Where samples are padded in front, that is the first step that is no padding; of a sample of nothing but padding it is
/// the first step of all.
/// PyTorch's twin is `output[:, 0]`. There are no variables.
#[derive(Debug)]
pub struct FirstStep<I, O> {
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape> FirstStep<I, O> {
    /// A layer of first steps.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self { shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Vector<F>> for FirstStep<Sequence<T, F>, Vector<F>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Vector<F>> {
        Batch::trusted(first_step(input.tensor(), input.mask()).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::FirstStep, input, &[F])
    }
}

/// The first step of `[batch, T, F]` where `mask`, `[batch, T]`, is true: `[batch, F]`.
pub(crate) fn first_step(tensor: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let Some(mask) = mask else {
        return tensor.select(1, 0);
    };
    // Of several largest values, LibTorch names the first.
    let index = mask.to_kind(Kind::Uint8).argmax(1, true).unsqueeze(-1);
    tensor.take_along_dim(&index, 1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_in_front_is_passed_by() {
        let steps = Tensor::from_slice(&[1f32, 2.0, 3.0, f32::NAN, f32::NAN, 6.0, 7.0, 8.0, 9.0]).view([3, 3, 1]);
        let mask = [true, true, false, false, false, true, false, false, false];
        let mask = Tensor::from_slice(&mask).view([3, 3]);
        assert_eq!(first_step(&steps, Some(&mask)), Tensor::from_slice(&[1f32, 6.0, 7.0]).view([3, 1]));
    }
}
