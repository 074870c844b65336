//! Convolution over the steps of a sequence, with normalisation and activation.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::norm::Normalization;
use super::program::{Operation, Program, Value};
use super::steps::real_steps;
use super::{Activation, Layer, Norm, Window, init};
use crate::Batch;
use crate::batch::{Feature, blank};
use crate::shape::Sequence;

/// A convolution over steps, then the normalisation and the activation of its [`Settings`]:
/// `y = activation(norm(weight ⋆ x + bias))`.
///
/// `[batch, T, F]` → `[batch, U, G]` with `U = ⌊(T + 2·padding − kernel) / stride⌋ + 1`.
///
/// Padding steps count as zeros, as those at both ends do. A step of the output is real where its window, but for as many
/// steps at either end as the padding has, holds real steps alone: a padded sample gives what its real steps give by
/// themselves. One that is too short for a window keeps the steps whose windows hold a real one. Normalisation counts
/// real steps alone.
///
/// PyTorch's twin is `Conv1d` over `[batch, F, T]`, followed by `BatchNorm1d` or `GroupNorm`. Variables: `weight`, `[G, F,
/// kernel]`, and `bias`; `norm.weight`, `norm.bias`, and for batch normalisation `norm.running_mean` and
/// `norm.running_var`. Weight and bias are drawn uniformly from ±1/√(F · kernel).
#[derive(Debug)]
pub struct Conv1d<I, O> {
    kernel: Kernel,
    norm: Option<Normalization>,
    activation: Option<Activation>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Conv1d`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The steps under the kernel.
    pub kernel: i64,
    /// The step of the kernel.
    pub stride: i64,
    /// The zeros added at both ends, at most half the kernel.
    pub padding: i64,
    /// Whether something is added to the output before it is normalised.
    pub bias: bool,
    /// The normalisation.
    pub norm: Option<Norm>,
    /// The activation.
    pub activation: Option<Activation>,
}

/// The bare convolution.
#[derive(Debug)]
pub struct Kernel {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl<const T: i64, const F: i64, const U: i64, const G: i64> Conv1d<Sequence<T, F>, Sequence<U, G>> {
    /// Draws a convolution, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { kernel, stride, padding, bias, norm, activation } = settings;
        let window = Window { kernel: [kernel, 1], stride: [stride, 1], padding: [padding, 0] };
        window.connects("convolution", [T, 1], [U, 1]);
        let fan_in = F * kernel;
        let kernel = Kernel {
            weight: init::fan_in(&path, "weight", &[G, F, kernel], fan_in),
            bias: bias.then(|| init::fan_in(&path, "bias", &[G], fan_in)),
            window,
        };
        let norm = norm.map(|norm| Normalization::new(&(&path / "norm"), G, norm));
        Self { kernel, norm, activation, shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64, const U: i64, const G: i64> Layer<Sequence<T, F>, Sequence<U, G>>
    for Conv1d<Sequence<T, F>, Sequence<U, G>>
{
    fn forward(&self, input: &Batch<Sequence<T, F>>, train: bool) -> Batch<Sequence<U, G>> {
        let Feature { mut tensor, mask, .. } = self.kernel.run(&input.feature());
        if let Some(norm) = &self.norm {
            tensor = norm.forward_steps(&tensor, mask.as_ref(), train);
        }
        if let Some(activation) = self.activation {
            tensor = activation.apply(tensor);
        }
        Batch::trusted(Feature { tensor, mask, present: None })
    }

    /// A kernel of one step is a linear map. Normalisation by groups depends on what is padding, and stays as it is.
    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let Kernel { weight, bias, window } = &self.kernel;
        let bias = bias
            .as_ref()
            .map_or_else(|| weight.detach().new_zeros([G], (weight.kind(), weight.device())), |bias| bias.detach());
        let folded = match &self.norm {
            Some(norm) => norm.folded(weight, &bias),
            None => Some((weight.detach(), bias)),
        };
        let Some((weight, bias)) = folded else { return program.push_opaque(input, &[U, G]) };
        if window.is_trivial() {
            let weight = weight.squeeze_dim(2);
            return program.push(Operation::Linear { weight, bias, activation: self.activation }, input, &[U, G]);
        }
        let kernel = Kernel { weight, bias: Some(bias), window: *window };
        let output = program.push(Operation::Conv1d(kernel), input, &[U, G]);
        program.activate(self.activation, output)
    }
}

impl Kernel {
    /// `[batch, T, F]` → `[batch, U, G]`, and which steps of it are real.
    pub(crate) fn run(&self, input: &Feature) -> Feature {
        let Window { stride: [stride, _], padding: [padding, _], .. } = self.window;
        let mask = input.mask.as_ref();
        let steps = blank(&input.tensor, mask).transpose(1, 2);
        let output = steps.conv1d(&self.weight, self.bias.as_ref(), [stride], [padding], [1], 1);
        let mask = mask.map(|mask| real_steps(&self.window, mask));
        Feature { tensor: output.transpose(1, 2).contiguous(), mask, present: None }
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn what_stands_in_padding_reaches_no_real_step() {
        for norm in [None, Some(Norm::Batch), Some(Norm::Group { groups: 2 })] {
            let store = VarStore::new(Device::Cpu);
            let settings = Settings { kernel: 3, stride: 2, padding: 1, bias: true, norm, activation: None };
            let layer = Conv1d::<Sequence<9, 4>, Sequence<5, 6>>::new(store.root(), settings);
            let steps = Tensor::randn([2, 9, 4], (Kind::Float, Device::Cpu));
            let lengths = Tensor::from_slice(&[5_i64, 4]);
            let mask = Tensor::arange(9, (Kind::Int64, Device::Cpu)).lt_tensor(&lengths.unsqueeze(1));
            // Past the border that blanks what files hold, as a layer before this one may leave it.
            let real = |padding: f64, train: bool| {
                let tensor = steps.masked_fill(&mask.logical_not().unsqueeze(-1), padding);
                let input = Batch::trusted(Feature { mask: Some(mask.shallow_clone()), ..tensor.into() });
                let output = layer.forward(&input, train);
                let of = |sample, length| output.tensor().get(sample).narrow(0, 0, length);
                Tensor::cat(&[of(0, 3), of(1, 2)], 0)
            };
            for train in [false, true] {
                let expected = real(0.0, train);
                assert!(bool::try_from(expected.isfinite().all()).unwrap());
                for padding in [f64::NAN, f64::INFINITY, -7.0] {
                    assert_eq!(real(padding, train), expected, "{padding} by {norm:?}");
                }
            }
            let finite = |tensor: &Tensor| bool::try_from(tensor.isfinite().all()).unwrap();
            assert!(store.variables().values().all(finite), "running averages by {norm:?}");
        }
    }
}
