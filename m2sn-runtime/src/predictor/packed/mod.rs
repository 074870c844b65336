//! Layers whose weights are packed once, for inference alone.
//!
//! LibTorch packs the weights of a convolution anew in every call, and runs bias, activation and residual addition
//! each over the whole output. oneDNN, which it brings along, can take weights packed beforehand and do the rest while
//! the output is in the cache; and it computes with half the bits and less. These layers are made of plain weights by
//! packing a copy, and are then only read, by as many threads as like.
//!
//! Where LibTorch has no such operators, and on CUDA, the same layers run its plain ones in f32; a warning says so. The
//! smallest of layers run them too, because they are done before oneDNN has begun.

mod convolution;
mod linear;
mod operators;
mod quantization;
mod shared;
mod weights;

pub(crate) use convolution::PackedConvolution;
pub(crate) use linear::PackedLinear;
pub(super) use shared::Shared;

use std::fmt;

use serde::{Deserialize, Serialize};
use tch::Kind;

/// In what numbers packed layers compute.
///
/// A packed layer takes inputs of any float kind and answers in the kind that it computes in, so nothing is converted between
/// two layers alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout: equal to the plain layers but for the order of sums.
    #[default]
    F32,
    /// bfloat16 inputs, weights and outputs, and f32 sums.
    Bf16,
    /// Convolutions in bfloat16; linear maps in 8-bit integers, of f32 inputs and to f32 outputs.
    Mixed,
}

impl Precision {
    fn of_convolutions(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 | Self::Mixed => Kind::BFloat16,
        }
    }
}

/// Says it as a spec would: `f32`, `bf16`, `mixed`.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Mixed => "mixed",
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Tensor};

    use super::*;
    use crate::nn::Activation;

    pub(super) const ACTIVATIONS: [Option<Activation>; 6] = [
        None,
        Some(Activation::Relu),
        Some(Activation::Gelu),
        Some(Activation::Silu),
        Some(Activation::Tanh),
        Some(Activation::Sigmoid),
    ];

    pub(super) fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    /// Asserts that tensors differ by no more than this share of the largest value there is.
    #[track_caller]
    pub(super) fn assert_near(found: &Tensor, expected: &Tensor, tolerance: f64) {
        assert_eq!(found.size(), expected.size());
        let [found, expected] = [found, expected].map(|tensor| tensor.totype(Kind::Double));
        let largest = |tensor: Tensor| if tensor.numel() == 0 { 0.0 } else { tensor.abs().max().double_value(&[]) };
        let scale = largest(expected.shallow_clone());
        let off = largest(found - expected);
        assert!(off <= tolerance * scale, "off by {off}, where values go up to {scale}");
    }

    /// Asserts that two threads that run one layer at once get what one alone gets.
    #[track_caller]
    pub(super) fn assert_shared(forward: &(dyn Fn(&Tensor, &Tensor) -> Tensor + Sync), input: &Tensor, add: &Tensor) {
        let expected = forward(input, add);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let [input, add, expected] = [input, add, &expected].map(Tensor::copy);
                scope.spawn(move || {
                    for _ in 0..50 {
                        assert_eq!(forward(&input, &add), expected);
                    }
                });
            }
        });
    }

    #[test]
    fn layers_can_be_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<PackedConvolution>();
        shared::<PackedLinear>();
    }
}
