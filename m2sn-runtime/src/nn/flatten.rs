//! An image or a sequence as one vector.

use std::marker::PhantomData;

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::batch::blank;
use crate::shape::{Image, Sequence, Shape, Vector};

/// All values of a sample side by side, the last dimension running fastest.
///
/// `[batch, C, H, W]` → `[batch, C·H·W]`, or `[batch, T, F]` → `[batch, T·F]` with zeros at padding steps.
/// That the sizes agree is checked when the program is built (`cargo check` alone does not see it).
/// PyTorch's twin is `Flatten`. There are no variables.
#[derive(Debug)]
pub struct Flatten<I, O> {
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape> Flatten<I, O> {
    /// A layer that flattens samples.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        const { assert!(values(I::DIMS) == values(O::DIMS), "the flattened width is not the product of the dimensions") };
        Self { shapes: PhantomData }
    }
}

/// The number of values of one sample.
const fn values(dims: &[i64]) -> i64 {
    match dims {
        [] => 1,
        [first, rest @ ..] => *first * values(rest),
    }
}

impl<const C: i64, const H: i64, const W: i64, const N: i64> Layer<Image<C, H, W>, Vector<N>>
    for Flatten<Image<C, H, W>, Vector<N>>
{
    fn forward(&self, input: &Batch<Image<C, H, W>>, _train: bool) -> Batch<Vector<N>> {
        input.map(input.tensor().flatten(1, -1))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Flatten, input, &[N])
    }
}

impl<const T: i64, const F: i64, const N: i64> Layer<Sequence<T, F>, Vector<N>> for Flatten<Sequence<T, F>, Vector<N>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Vector<N>> {
        // The mask ends here, so what it hides must be gone.
        Batch::trusted(blank(input.tensor(), input.mask()).flatten(1, -1).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Flatten, input, &[N])
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn padding_steps_become_zeros_and_the_mask_ends() {
        let steps = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, f32::NAN]).view([1, 3, 2]);
        let input = Batch::<Sequence<3, 2>>::with_lengths(steps, &Tensor::from_slice(&[2i64])).unwrap();
        let output = Flatten::<Sequence<3, 2>, Vector<6>>::new().forward(&input, false);
        assert_eq!(output.tensor(), &Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 0.0, 0.0]).view([1, 6]));
        assert!(output.mask().is_none());
    }
}
