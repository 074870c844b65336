//! Several chains of layers beside each other.

use std::marker::PhantomData;

use tch::Tensor;

use super::Layer;
use super::sequential::{Link, Sequential};
use crate::Batch;
use crate::batch::Feature;
use crate::shape::Shape;

/// Chains of layers that read the same, and their outputs side by side: vectors, or sequences of as many steps.
///
/// `[batch, …]` → `[batch, ΣF]` or `[batch, T, ΣF]`. The variables are those of the layers.
/// A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Branches<I, O> {
    branches: Vec<Box<dyn Link>>,
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, O: Shape> Branches<I, O> {
    /// No branch yet.
    #[expect(clippy::new_without_default, reason = "every layer is built by `new`")]
    pub fn new() -> Self {
        Self { branches: Vec::new(), shapes: PhantomData }
    }

    /// One more branch.
    #[must_use]
    pub fn and<P: Shape>(mut self, branch: Sequential<I, P>) -> Self {
        debug_assert!(P::DIMS.len() == O::DIMS.len(), "a branch of {:?} beside others of {:?}", P::DIMS, O::DIMS);
        self.branches.push(branch.into_link());
        self
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Branches<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        let input = input.feature();
        let outputs: Vec<Feature> = self.branches.iter().map(|branch| branch.forward(&input, train)).collect();
        let mask = outputs.iter().find_map(|output| output.mask.as_ref()).map(Tensor::shallow_clone);
        let tensors: Vec<&Tensor> = outputs.iter().map(|output| &output.tensor).collect();
        Batch::trusted(Feature { tensor: Tensor::cat(&tensors, -1), mask, present: None })
    }
}
