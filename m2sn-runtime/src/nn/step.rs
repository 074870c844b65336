//! One step of a sequence.

use std::marker::PhantomData;

use tch::{Kind, Tensor};

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// The first real step of a sequence: what stands at BERT's `[CLS]`.
///
/// PyTorch's twin is `output[:, 0]`; of padding, [`Step`] says the rest.
pub type FirstStep<I, O> = Step<false, I, O>;

/// The last real step of a sequence: what has seen all of it, where each step has seen those before it.
///
/// PyTorch's twin is `output[range(batch), lengths - 1]`; of padding, [`Step`] says the rest.
pub type LastStep<I, O> = Step<true, I, O>;

/// The first or the last real step of a sequence.
///
/// `[batch, T, F]` → `[batch, F]`.
/// Wherever samples are padded, it is a step that is no padding; of a sample of nothing but padding it is the first or the
/// last step of all. There are no variables.
#[derive(Debug)]
pub struct Step<const LAST: bool, I, O> {
    shapes: PhantomData<fn(I) -> O>,
}

impl<const LAST: bool, I: Shape, O: Shape> Step<LAST, I, O> {
    /// A layer of first or last steps.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self { shapes: PhantomData }
    }
}

impl<const LAST: bool, const T: i64, const F: i64> Layer<Sequence<T, F>, Vector<F>>
    for Step<LAST, Sequence<T, F>, Vector<F>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Vector<F>> {
        Batch::trusted(one_step(input.tensor(), input.mask(), LAST).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Step { last: LAST }, input, &[F])
    }
}

/// The first or the last step of `[batch, T, F]` where `mask`, `[batch, T]`, is true: `[batch, F]`.
pub(crate) fn one_step(tensor: &Tensor, mask: Option<&Tensor>, last: bool) -> Tensor {
    let Some(mask) = mask else {
        return tensor.select(1, if last { -1 } else { 0 });
    };
    // Of several largest values, LibTorch names the first.
    let first = |mask: &Tensor| mask.to_kind(Kind::Uint8).argmax(1, true);
    let index = if last { mask.size()[1] - 1 - first(&mask.flip([1])) } else { first(mask) };
    tensor.take_along_dim(&index.unsqueeze(-1), 1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_passed_by() {
        let steps = Tensor::from_slice(&[1f32, 2.0, 3.0, f32::NAN, f32::NAN, 6.0, 7.0, 8.0, 9.0]).view([3, 3, 1]);
        let mask = [true, true, false, false, false, true, false, false, false];
        let mask = Tensor::from_slice(&mask).view([3, 3]);
        assert_eq!(one_step(&steps, Some(&mask), false), Tensor::from_slice(&[1f32, 6.0, 7.0]).view([3, 1]));
        assert_eq!(one_step(&steps, Some(&mask), true), Tensor::from_slice(&[2f32, 6.0, 9.0]).view([3, 1]));
    }
}
