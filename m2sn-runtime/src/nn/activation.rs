//! Activation functions.

use tch::Tensor;

/// A function applied to every element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x·Φ(x) with the exact normal distribution function, as `torch.nn.GELU()`.
    Gelu,
    /// x·σ(x).
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function σ(x).
    Sigmoid,
}

impl Activation {
    /// Applies the function to a tensor that nobody else holds.
    ///
    /// In place where the gradient can be had from the result alone, which saves an allocation;
    /// GELU and SiLU need their argument for the gradient.
    pub(crate) fn apply(self, mut tensor: Tensor) -> Tensor {
        match self {
            Self::Relu => tensor.relu_(),
            Self::Gelu => tensor.gelu("none"),
            Self::Silu => tensor.silu(),
            Self::Tanh => tensor.tanh_(),
            Self::Sigmoid => tensor.sigmoid_(),
        }
    }
}
