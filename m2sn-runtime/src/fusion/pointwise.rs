//! Fusions of features of one width, value by value.

use std::marker::PhantomData;

use tch::Tensor;

use crate::Batch;
use crate::nn::Layer;
use crate::nn::program::{Operation, Program, Value};
use crate::shape::{Shape, Vector};

/// The sum of the features: `[batch, k · M]` → `[batch, M]`.
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::Tensor};
///
/// let left: Batch<Vector<2>> = Tensor::from_slice2(&[[1f32, 2.0]]).try_into()?;
/// let right: Batch<Vector<2>> = Tensor::from_slice2(&[[3f32, 5.0]]).try_into()?;
/// let joined: Batch<Vector<4>> = fusion::concat((&left, &right));
/// let fused = fusion::Sum::<Vector<4>, Vector<2>>::new().forward(&joined, false);
/// assert_eq!(fused.tensor(), &Tensor::from_slice2(&[[4f32, 7.0]]));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Sum<I, O>(PhantomData<fn(I) -> O>);

/// The mean of the features: `[batch, k · M]` → `[batch, M]`.
///
/// ```
/// use m2sn_runtime::{Batch, fusion, nn::Layer, shape::Vector, tch::Tensor};
///
/// let joined: Batch<Vector<4>> = Tensor::from_slice2(&[[1f32, 2.0, 3.0, 5.0]]).try_into()?;
/// let fused = fusion::Mean::<Vector<4>, Vector<2>>::new().forward(&joined, false);
/// assert_eq!(fused.tensor(), &Tensor::from_slice2(&[[2f32, 3.5]]));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Mean<I, O>(PhantomData<fn(I) -> O>);

impl<I: Shape, O: Shape> Sum<I, O> {
    /// A sum, which has no variables.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<I: Shape, O: Shape> Mean<I, O> {
    /// A mean, which has no variables.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for Sum<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        joined.map(features::<M>(joined.tensor()).sum_dim_intlist([1].as_slice(), false, None))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        program.push(Operation::WeightedSum(vec![1.0; (C / M) as usize]), joined, &[M])
    }
}

impl<const C: i64, const M: i64> Layer<Vector<C>, Vector<M>> for Mean<Vector<C>, Vector<M>> {
    fn forward(&self, joined: &Batch<Vector<C>>, _train: bool) -> Batch<Vector<M>> {
        joined.map(features::<M>(joined.tensor()).mean_dim([1].as_slice(), false, None))
    }

    fn lower(&self, program: &mut Program, joined: Value) -> Value {
        let count = C / M;
        program.push(Operation::WeightedSum(vec![1.0 / count as f32; count as usize]), joined, &[M])
    }
}

/// The features one after the other, `[batch, k, M]`.
fn features<const M: i64>(joined: &Tensor) -> Tensor {
    joined.unflatten(1, [-1, M])
}
