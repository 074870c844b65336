//! Dropout.

use std::marker::PhantomData;

use super::Layer;
use crate::Batch;
use crate::shape::Shape;

/// In training sets each value to zero with a probability, and scales the others so that the mean stays; else nothing.
///
/// The shape stays. PyTorch's twin is `Dropout`. There are no variables.
#[derive(Debug)]
pub struct Dropout<I, O> {
    probability: f64,
    shapes: PhantomData<fn(I) -> O>,
}

impl<S: Shape> Dropout<S, S> {
    /// Drops values with this `probability`, from 0 to 1.
    pub fn new(probability: f64) -> Self {
        debug_assert!((0.0..=1.0).contains(&probability), "dropout with probability {probability}");
        Self { probability, shapes: PhantomData }
    }
}

impl<S: Shape> Layer<S, S> for Dropout<S, S> {
    fn forward(&self, input: &Batch<S>, train: bool) -> Batch<S> {
        if train { input.map(input.tensor().dropout(self.probability, true)) } else { input.clone() }
    }
}
