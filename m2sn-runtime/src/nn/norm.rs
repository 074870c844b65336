//! Normalisation of feature maps.

use tch::Tensor;
use tch::nn::{Init, Path};

use super::program::{Operation, Program, Value};

/// How a feature map is normalised, each channel then scaled and shifted by learned amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Each channel by its mean and variance: of the batch in training, else of the running averages.
    ///
    /// As `torch.nn.BatchNorm2d` with momentum 0.1. In training, one value a channel tells no variance
    /// (PyTorch refuses it), so the running averages are used there too, and stay as they are.
    Batch,
    /// Each sample by the mean and variance of each group of channels, as `torch.nn.GroupNorm`.
    Group {
        /// The number of groups, a divisor of the number of channels.
        groups: i64,
    },
}

pub(crate) const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// A normalisation with its parameters `weight` and `bias`, drawn as ones and zeros.
#[derive(Debug)]
pub(super) struct Normalization {
    weight: Tensor,
    bias: Tensor,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Batch { running_mean: Tensor, running_var: Tensor },
    Group { groups: i64 },
}

impl Normalization {
    pub(super) fn new(path: &Path<'_>, channels: i64, norm: Norm) -> Self {
        let kind = match norm {
            Norm::Batch => Kind::Batch {
                running_mean: path.zeros_no_train("running_mean", &[channels]),
                running_var: path.ones_no_train("running_var", &[channels]),
            },
            Norm::Group { groups } => {
                debug_assert!(channels % groups == 0, "{groups} groups do not divide {channels} channels");
                Kind::Group { groups }
            }
        };
        Self {
            weight: path.var("weight", &[channels], Init::Const(1.0)),
            bias: path.var("bias", &[channels], Init::Const(0.0)),
            kind,
        }
    }

    /// `[batch, C, H, W]` → the same.
    pub(super) fn forward(&self, input: &Tensor, train: bool) -> Tensor {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        match &self.kind {
            Kind::Batch { running_mean, running_var } => {
                let (mean, variance) = (Some(running_mean), Some(running_var));
                let train = train && values_a_channel(input) > 1;
                input.batch_norm(weight, bias, mean, variance, train, MOMENTUM, EPSILON, true)
            }
            Kind::Group { groups } => input.group_norm(*groups, weight, bias, EPSILON, true),
        }
    }

    /// Weight and bias of a convolution that computes what the given one does and this normalisation after it; `None` where
    /// the normalisation depends on the sample.
    pub(super) fn folded(&self, weight: &Tensor, bias: &Tensor) -> Option<(Tensor, Tensor)> {
        let Kind::Batch { running_mean, running_var } = &self.kind else { return None };
        // In double precision, so that nothing is lost but by the last rounding.
        let double = |tensor: &Tensor| tensor.detach().to_kind(tch::Kind::Double);
        let scale = double(&self.weight) / (double(running_var) + EPSILON).sqrt();
        let shift = (double(bias) - double(running_mean)) * &scale + double(&self.bias);
        let weight = double(weight) * scale.view([-1, 1, 1, 1]);
        Some((weight.to_kind(tch::Kind::Float), shift.to_kind(tch::Kind::Float)))
    }

    /// Writes down a normalisation that could not be folded into the convolution before it.
    pub(super) fn lower(&self, program: &mut Program, input: Value) -> Value {
        let Kind::Group { groups } = self.kind else { unreachable!("a batch normalisation is folded") };
        let (weight, bias) = (self.weight.detach(), self.bias.detach());
        let dims = program.dims(input).to_vec();
        program.push(Operation::GroupNorm { groups, weight, bias }, input, &dims)
    }
}

/// How many values of each channel `[batch, C, H, W]` holds.
fn values_a_channel(input: &Tensor) -> i64 {
    let size = input.size();
    size[0] * size[2..].iter().product::<i64>()
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Tensor};

    use super::*;

    #[test]
    fn a_single_value_a_channel_is_normalised_by_the_running_averages() {
        let store = VarStore::new(Device::Cpu);
        let norm = Normalization::new(&store.root(), 2, Norm::Batch);
        let input = Tensor::from_slice(&[3f32, -1.0]).view([1, 2, 1, 1]);
        assert_eq!(norm.forward(&input, true), norm.forward(&input, false));
        assert_eq!(store.variables()["running_mean"], Tensor::from_slice(&[0f32, 0.0]));
        assert_eq!(store.variables()["running_var"], Tensor::from_slice(&[1f32, 1.0]));
    }
}
