//! How parameters are drawn: as PyTorch's layers draw theirs.
//!
//! The defaults of `tch` differ from PyTorch's: its linear and convolution weights are √6 times wider,
//! its convolution biases are zero, and its batch normalisation draws weights from 0 to 1 instead of ones.
//! A network that is known to train well in PyTorch should do so here, hence PyTorch's rules.

use tch::Tensor;
use tch::nn::{Init, Path};

/// A parameter drawn uniformly from ±1/√`fan_in`.
///
/// This is what PyTorch's `kaiming_uniform_(a=√5)` comes to for weights, and what it takes for biases.
pub(super) fn fan_in(path: &Path<'_>, name: &str, dims: &[i64], fan_in: i64) -> Tensor {
    uniform(path, name, dims, (fan_in as f64).sqrt().recip())
}

/// A parameter drawn uniformly from ±√(6 / (`fan_in` + `fan_out`)): Glorot's rule, PyTorch's `xavier_uniform_`.
pub(super) fn xavier(path: &Path<'_>, name: &str, dims: [i64; 2]) -> Tensor {
    let [fan_out, fan_in] = dims;
    uniform(path, name, &dims, (6.0 / (fan_in + fan_out) as f64).sqrt())
}

/// A parameter drawn uniformly from ±`bound`.
pub(super) fn uniform(path: &Path<'_>, name: &str, dims: &[i64], bound: f64) -> Tensor {
    path.var(name, dims, Init::Uniform { lo: -bound, up: bound })
}

/// A parameter drawn from the standard normal distribution.
pub(super) fn normal(path: &Path<'_>, name: &str, dims: &[i64]) -> Tensor {
    path.var(name, dims, Init::Randn { mean: 0.0, stdev: 1.0 })
}
