//! Sequences as images.

use std::marker::PhantomData;

use super::Layer;
use crate::Batch;
use crate::shape::{Image, Sequence};

/// A sequence as an image of one channel, such as a spectrogram: a row for each feature, a column for each step.
///
/// `[batch, T, F]` → `[batch, 1, F, T]`. Images know no padding, so in its place stands the smallest value of the sample's
/// real steps: silence, where they are a spectrogram.
///
/// There are no variables. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct ToImage<I, O> {
    shapes: PhantomData<fn(I) -> O>,
}

impl<const T: i64, const F: i64> ToImage<Sequence<T, F>, Image<1, F, T>> {
    /// A layer that makes images.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self { shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Image<1, F, T>> for ToImage<Sequence<T, F>, Image<1, F, T>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Image<1, F, T>> {
        let steps = input.tensor();
        let steps = match input.mask() {
            None => steps.shallow_clone(),
            Some(mask) => {
                let mask = mask.unsqueeze(-1);
                let least = steps.masked_fill(&mask.logical_not(), f64::INFINITY).amin([1, 2].as_slice(), true);
                steps.where_self(&mask, &least)
            }
        };
        Batch::trusted(steps.transpose(1, 2).unsqueeze(1).contiguous().into())
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn padding_is_the_smallest_of_what_is_real() {
        let steps = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, -9.0, 9.0]).view([1, 3, 2]);
        let batch = Batch::<Sequence<3, 2>>::with_lengths(steps, &Tensor::from_slice(&[2i64])).unwrap();
        let image = ToImage::<Sequence<3, 2>, Image<1, 2, 3>>::new().forward(&batch, false);
        assert!(image.mask().is_none());
        let expected = Tensor::from_slice(&[1f32, 3.0, 1.0, 2.0, 4.0, 1.0]).view([1, 1, 2, 3]);
        assert_eq!(image.tensor(), &expected);
    }
}
