//! A layer of the user's own, which `specs/gated.yaml` names.

use m2sn::Batch;
use m2sn::nn::{Custom, Layer, Path};
use m2sn::shape::Image;
use m2sn::tch::nn::{self, Module};

/// Multiplies each feature by a gate between 0 and 1 that all channels of its pixel decide.
#[derive(Debug)]
pub(crate) struct Gate {
    gate: nn::Conv2D,
}

impl<const C: i64, const H: i64, const W: i64> Layer<Image<C, H, W>, Image<C, H, W>> for Gate {
    fn forward(&self, input: &Batch<Image<C, H, W>>, _train: bool) -> Batch<Image<C, H, W>> {
        input.map(input.tensor() * self.gate.forward(input.tensor()).sigmoid())
    }
}

impl<const C: i64, const H: i64, const W: i64> Custom<Image<C, H, W>, Image<C, H, W>> for Gate {
    fn new(path: Path<'_>) -> Self {
        Self { gate: nn::conv2d(path, C, C, 1, Default::default()) }
    }
}
