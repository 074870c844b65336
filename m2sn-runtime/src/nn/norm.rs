//! Normalisation of feature maps, vectors and sequences.

use tch::Tensor;
use tch::nn::{Init, Path};

use super::program::{Operation, Program, Value};
use crate::batch::blank;

/// How a feature map is normalised, each channel then scaled and shifted by learned amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Each channel by its mean and variance: of the batch in training, else of the running averages.
    ///
    /// As `torch.nn.BatchNorm2d` with momentum 0.1. In training, one value a channel tells no variance
    /// (PyTorch refuses it), so the running averages are used there too, and stay as they are. So they do where the
    /// normalisation is frozen, which is where its `weight` requires no gradient.
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
    Batch { running_mean: Tensor, running_var: Tensor, epsilon: f64 },
    Group { groups: i64 },
}

impl Normalization {
    pub(super) fn new(path: &Path<'_>, channels: i64, norm: Norm) -> Self {
        match norm {
            Norm::Batch => Self::batch(path, channels, EPSILON),
            Norm::Group { groups } => {
                debug_assert!(channels % groups == 0, "{groups} groups do not divide {channels} channels");
                Self::of(path, channels, Kind::Group { groups })
            }
        }
    }

    /// A batch normalisation that adds `epsilon` to the variance.
    pub(super) fn batch(path: &Path<'_>, channels: i64, epsilon: f64) -> Self {
        let running_mean = path.zeros_no_train("running_mean", &[channels]);
        let running_var = path.ones_no_train("running_var", &[channels]);
        Self::of(path, channels, Kind::Batch { running_mean, running_var, epsilon })
    }

    fn of(path: &Path<'_>, channels: i64, kind: Kind) -> Self {
        Self {
            weight: path.var("weight", &[channels], Init::Const(1.0)),
            bias: path.var("bias", &[channels], Init::Const(0.0)),
            kind,
        }
    }

    /// `[batch, C, H, W]` or `[batch, C]` → the same.
    pub(super) fn forward(&self, input: &Tensor, train: bool) -> Tensor {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        match &self.kind {
            Kind::Batch { running_mean, running_var, epsilon } => {
                let (mean, variance) = (Some(running_mean), Some(running_var));
                let train = train && self.weight.requires_grad() && values_a_channel(input) > 1;
                input.batch_norm(weight, bias, mean, variance, train, MOMENTUM, *epsilon, true)
            }
            Kind::Group { groups } => input.group_norm(*groups, weight, bias, EPSILON, true),
        }
    }

    /// `[batch, T, C]` → the same; the steps where `mask`, `[batch, T]`, is false do not count.
    pub(super) fn forward_steps(&self, input: &Tensor, mask: Option<&Tensor>, train: bool) -> Tensor {
        match (&self.kind, mask) {
            (Kind::Batch { .. }, Some(mask)) if train => {
                let rows = input.flatten(0, 1);
                let real = mask.flatten(0, 1).nonzero().squeeze_dim(1);
                let normal = self.forward(&rows.index_select(0, &real), true);
                rows.zeros_like().index_copy(0, &real, &normal).view_as(input)
            }
            (Kind::Batch { .. }, _) => self.forward(&input.flatten(0, 1), train).view_as(input),
            (Kind::Group { groups }, Some(mask)) => {
                let normal = normal_groups(&blank(input, Some(mask)), mask, *groups);
                normal * &self.weight + &self.bias
            }
            (Kind::Group { .. }, None) => self.forward(&input.transpose(1, 2), train).transpose(1, 2).contiguous(),
        }
    }

    /// Weight and bias of a convolution or a linear map that computes what the given one does and this normalisation after
    /// it; `None` where the normalisation depends on the sample.
    pub(super) fn folded(&self, weight: &Tensor, bias: &Tensor) -> Option<(Tensor, Tensor)> {
        let (scale, shift) = self.scale_and_shift()?;
        let mut places = vec![1; weight.dim()];
        places[0] = -1;
        let weight = double(weight) * scale.view(&places[..]);
        let bias = double(bias) * scale + shift;
        Some((weight.to_kind(tch::Kind::Float), bias.to_kind(tch::Kind::Float)))
    }

    /// Writes down a normalisation that could not be folded into what is before it.
    pub(super) fn lower(&self, program: &mut Program, input: Value) -> Value {
        let dims = program.dims(input).to_vec();
        let (weight, bias) = (self.weight.detach(), self.bias.detach());
        let operation = match (&self.kind, self.scale_and_shift()) {
            (Kind::Group { groups }, _) => Operation::GroupNorm { groups: *groups, weight, bias },
            (_, Some((scale, shift))) => {
                Operation::Scale { scale: scale.to_kind(tch::Kind::Float), shift: shift.to_kind(tch::Kind::Float) }
            }
            (_, None) => unreachable!("a batch normalisation does not depend on the sample"),
        };
        program.push(operation, input, &dims)
    }

    /// What each channel is multiplied by, and what is added to it then, in double precision, so that nothing is lost but
    /// by the last rounding; `None` where they depend on the sample.
    fn scale_and_shift(&self) -> Option<(Tensor, Tensor)> {
        let Kind::Batch { running_mean, running_var, epsilon } = &self.kind else { return None };
        let scale = double(&self.weight) / (double(running_var) + *epsilon).sqrt();
        let shift = double(&self.bias) - double(running_mean) * &scale;
        Some((scale, shift))
    }
}

fn double(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(tch::Kind::Double)
}

/// Groups of the channels of `[batch, T, C]`, each less its mean and over its deviation over the real steps, where what is
/// padding is blank.
fn normal_groups(steps: &Tensor, mask: &Tensor, groups: i64) -> Tensor {
    let size = steps.size();
    let grouped = steps.view([size[0], size[1], groups, -1]);
    let real = mask.to_kind(steps.kind()).view([size[0], size[1], 1, 1]);
    let total = |values: &Tensor| values.sum_dim_intlist([1, 3].as_slice(), true, None);
    let count = (total(&real) * grouped.size()[3]).clamp_min(1.0);
    let apart = &grouped - total(&grouped) / &count;
    let variance = total(&(apart.square() * real)) / count;
    (apart / (variance + EPSILON).sqrt()).view_as(steps)
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

    #[test]
    fn samples_of_nothing_but_padding_teach_nothing() {
        for norm in [Norm::Batch, Norm::Group { groups: 1 }] {
            let store = VarStore::new(Device::Cpu);
            let norm = Normalization::new(&store.root(), 2, norm);
            let steps = Tensor::from_slice(&[f32::NAN; 12]).view([2, 3, 2]);
            let nothing = Tensor::zeros([2, 3], (tch::Kind::Bool, Device::Cpu));
            let output = norm.forward_steps(&steps, Some(&nothing), true);
            assert_eq!(output, Tensor::zeros([2, 3, 2], tch::kind::FLOAT_CPU));
            let averages = ["running_mean", "running_var"].map(|name| store.variables().remove(name));
            let expected = [[0f32, 0.0], [1.0, 1.0]].map(|values| Tensor::from_slice(&values));
            assert!(averages.iter().flatten().zip(&expected).all(|(found, expected)| found == expected));
        }
    }
}
