//! The steps of a sequence, weighed by a learned query.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{Layer, init};
use crate::Batch;
use crate::shape::{Sequence, Shape, Vector};

/// The mean of the real steps, each weighed by how well it answers a learned query:
/// `y = Σ softmax(query · xₜ / √F) xₜ`.
///
/// `[batch, T, F]` → `[batch, F]`. A sample of nothing but padding gives zeros.
///
/// PyTorch's twin is `scaled_dot_product_attention` with the steps as keys and as values.
/// Variables: `query`, `[F]`, drawn uniformly from ±1/√F.
#[derive(Debug)]
pub struct AttentionPool<I, O> {
    query: Tensor,
    shapes: PhantomData<fn(I) -> O>,
}

impl<I: Shape, const F: i64> AttentionPool<I, Vector<F>> {
    /// Draws a query, under `path`.
    pub fn new(path: Path<'_>) -> Self {
        Self { query: init::fan_in(&path, "query", &[F], F), shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Vector<F>> for AttentionPool<Sequence<T, F>, Vector<F>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Vector<F>> {
        let scores = input.tensor().matmul(&self.query) / (F as f64).sqrt();
        let weights = match input.mask() {
            None => scores.softmax(1, Kind::Float),
            Some(mask) => {
                let padding = mask.logical_not();
                // The lowest number and not infinity, which has no softmax where every step is padding.
                let weights = scores.masked_fill(&padding, f64::from(f32::MIN)).softmax(1, Kind::Float);
                weights.masked_fill(&padding, 0.0)
            }
        };
        let pooled = weights.unsqueeze(1).bmm(input.tensor()).squeeze_dim(1);
        Batch::trusted(pooled.into())
    }
}
