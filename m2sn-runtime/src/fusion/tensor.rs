//! Tensor fusion.

use std::marker::PhantomData;

use tch::Tensor;

use super::{SOMETHING, Widths};
use crate::Batch;
use crate::nn::Layer;
use crate::nn::program::{Operation, Program, Value};
use crate::shape::Vector;

/// The outer product of the features, each with a one before it (Zadeh et al. 2017, "Tensor Fusion Network for Multimodal
/// Sentiment Analysis"): all products of values of the features, one of each or none, so the features themselves too.
///
/// `[batch, Σ Nᵢ]` → `[batch, Π (Nᵢ + 1)]`, those with the first feature's first value in front of those with its second.
/// MultiBench's twin is `TensorFusion`. There are no variables.
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::Tensor};
///
/// let joined: Batch<Vector<3>> = Tensor::from_slice2(&[[2f32, 3.0, 5.0]]).try_into()?;
/// let fused = fusion::TensorProduct::<Vector<3>, Vector<6>>::new(&[1, 2]).forward(&joined, false);
/// assert_eq!(fused.tensor(), &Tensor::from_slice2(&[[1f32, 3.0, 5.0, 2.0, 6.0, 10.0]]));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorProduct<I, O> {
    widths: Widths,
    shapes: PhantomData<fn(I) -> O>,
}

impl<const C: i64, const M: i64> TensorProduct<Vector<C>, Vector<M>> {
    /// The product of features of these widths.
    pub fn new(widths: &[i64]) -> Self {
        debug_assert_eq!(widths.iter().map(|width| width + 1).product::<i64>(), M, "the product of {widths:?}");
        Self { widths: Widths::of::<Vector<C>>(widths), shapes: PhantomData }
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for TensorProduct<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        joined.map(outer(joined.tensor(), &self.widths.0))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        program.push(Operation::Outer { widths: self.widths.0.clone() }, joined, &[M])
    }
}

/// The outer product of features of these widths side by side, each with a one before it.
pub(crate) fn outer(joined: &Tensor, widths: &[i64]) -> Tensor {
    let features = joined.split_with_sizes(widths, 1);
    let features =
        features.iter().map(|feature| Tensor::cat(&[feature.narrow(1, 0, 1).ones_like(), feature.shallow_clone()], 1));
    let product = features.reduce(|product, feature| (product.unsqueeze(2) * feature.unsqueeze(1)).flatten(1, 2));
    product.expect(SOMETHING)
}
