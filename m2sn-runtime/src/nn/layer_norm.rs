//! Layer normalisation.

use tch::Tensor;
use tch::nn::{Init, Path};

use super::program::{Operation, Program, Value};

/// Each row by its own mean and variance, then scaled and shifted by learned amounts, as `torch.nn.LayerNorm`.
///
/// Variables: `weight` and `bias`, drawn as ones and zeros.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
    epsilon: f64,
}

impl LayerNorm {
    pub(super) fn new(path: &Path<'_>, width: i64, epsilon: f64) -> Self {
        Self {
            weight: path.var("weight", &[width], Init::Const(1.0)),
            bias: path.var("bias", &[width], Init::Const(0.0)),
            width,
            epsilon,
        }
    }

    /// `[…, F]` → the same.
    pub(super) fn forward(&self, rows: &Tensor) -> Tensor {
        rows.layer_norm([self.width], Some(&self.weight), Some(&self.bias), self.epsilon, true)
    }

    pub(super) fn lower(&self, program: &mut Program, rows: Value) -> Value {
        let dims = program.dims(rows).to_vec();
        let (weight, bias) = (self.weight.detach(), self.bias.detach());
        program.push(Operation::LayerNorm { weight, bias, epsilon: self.epsilon }, rows, &dims)
    }
}
