//! The mean over all places of an image, all real steps of a sequence, or both of a video.

use std::marker::PhantomData;

use tch::Tensor;

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::batch::{blank, over_steps};
use crate::shape::{Image, Sequence, Shape, Vector, Video};

/// The mean over height and width of an image, over the real steps of a sequence, or over both for a video.
///
/// `[batch, C, H, W]` → `[batch, C]`, `[batch, T, F]` → `[batch, F]`, or `[batch, T, C, H, W]` → `[batch, C]`.
/// Padding steps do not count; a sample of nothing but padding gives zeros.
/// PyTorch's twin for images is `AdaptiveAvgPool2d(1)`, flattened. There are no variables.
#[derive(Debug)]
pub struct GlobalAveragePool<I, O> {
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape> GlobalAveragePool<I, O> {
    /// A layer of means.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self { shapes: PhantomData }
    }
}

impl<const C: i64, const H: i64, const W: i64> Layer<Image<C, H, W>, Vector<C>>
    for GlobalAveragePool<Image<C, H, W>, Vector<C>>
{
    fn forward(&self, input: &Batch<Image<C, H, W>>, _train: bool) -> Batch<Vector<C>> {
        input.map(input.tensor().mean_dim([2, 3].as_slice(), false, None))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Mean, input, &[C])
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Vector<F>> for GlobalAveragePool<Sequence<T, F>, Vector<F>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Vector<F>> {
        Batch::trusted(mean_over_steps(input.tensor(), input.mask()).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        program.push(Operation::Mean, input, &[F])
    }
}

impl<const T: i64, const C: i64, const H: i64, const W: i64> Layer<Video<T, C, H, W>, Vector<C>>
    for GlobalAveragePool<Video<T, C, H, W>, Vector<C>>
{
    fn forward(&self, input: &Batch<Video<T, C, H, W>>, _train: bool) -> Batch<Vector<C>> {
        let image = mean_over_steps(input.tensor(), input.mask());
        Batch::trusted(image.mean_dim([2, 3].as_slice(), false, None).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let image = program.push(Operation::Mean, input, &[C, H, W]);
        program.push(Operation::Mean, image, &[C])
    }
}

/// The mean of `[batch, T, …]` over the steps where `mask`, `[batch, T]`, is true: `[batch, …]`.
pub(crate) fn mean_over_steps(tensor: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let Some(mask) = mask else {
        return tensor.mean_dim([1].as_slice(), false, None);
    };
    let count = over_steps(mask, tensor).sum_dim_intlist([1].as_slice(), false, tensor.kind()).clamp_min(1.0);
    blank(tensor, Some(mask)).sum_dim_intlist([1].as_slice(), false, None) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_counts_for_nothing() {
        let steps = Tensor::from_slice(&[1f32, 3.0, f32::NAN, f32::INFINITY, 5.0, 7.0]).view([2, 3, 1]);
        let mask = Tensor::from_slice(&[true, true, false, false, false, false]).view([2, 3]);
        assert_eq!(mean_over_steps(&steps, Some(&mask)), Tensor::from_slice(&[2f32, 0.0]).view([2, 1]));
    }
}
