//! Two-dimensional convolution, with normalisation and activation.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::norm::Normalization;
use super::program::{Operation, Program, Value};
use super::{Activation, Layer, Norm, Window, init};
use crate::Batch;
use crate::shape::{Image, Shape};

/// A convolution, then the normalisation and the activation of its [`Settings`]:
/// `y = activation(norm(weight ⋆ x + bias))`.
///
/// `[batch, C, H, W]` → `[batch, D, G, V]` with `G = ⌊(H + 2·padding − kernel) / stride⌋ + 1`, and `V` from `W` likewise.
/// There is a bias only where no normalisation follows, which would take it away again.
///
/// PyTorch's twin is `Conv2d`, followed by `BatchNorm2d` or `GroupNorm`.
/// Variables: `weight`, `bias`; `norm.weight`, `norm.bias`, and for batch normalisation `norm.running_mean` and
/// `norm.running_var`. Weight and bias are drawn uniformly from ±1/√(C · kernel height · kernel width).
#[derive(Debug)]
pub struct Conv<I, O> {
    convolution: Convolution,
    norm: Option<Normalization>,
    activation: Option<Activation>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Conv`]; pairs are height and width.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The size of the kernel.
    pub kernel: [i64; 2],
    /// The step of the kernel.
    pub stride: [i64; 2],
    /// The zeros added on every side.
    pub padding: [i64; 2],
    /// The normalisation.
    pub norm: Option<Norm>,
    /// The activation.
    pub activation: Option<Activation>,
}

impl<const C: i64, const H: i64, const W: i64, const D: i64, const G: i64, const V: i64>
    Conv<Image<C, H, W>, Image<D, G, V>>
{
    /// Draws a convolution, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { kernel, stride, padding, norm, activation } = settings;
        let window = Window { kernel, stride, padding };
        window.connects("convolution", [H, W], [G, V]);
        Self {
            convolution: Convolution::new(&path, C, D, window, norm.is_none()),
            norm: norm.map(|norm| Normalization::new(&(&path / "norm"), D, norm)),
            activation,
            shapes: PhantomData,
        }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Conv<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        let mut output = self.convolution.forward(input.tensor());
        if let Some(norm) = &self.norm {
            output = norm.forward(&output, train);
        }
        if let Some(activation) = self.activation {
            output = activation.apply(output);
        }
        input.map(output)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.convolution.lower(program, input, self.norm.as_ref(), self.activation, None)
    }
}

/// The bare convolution.
#[derive(Debug)]
pub(super) struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl Convolution {
    pub(super) fn new(path: &Path<'_>, inputs: i64, outputs: i64, window: Window, bias: bool) -> Self {
        let [height, width] = window.kernel;
        let fan_in = inputs * height * width;
        Self {
            weight: init::fan_in(path, "weight", &[outputs, inputs, height, width], fan_in),
            bias: bias.then(|| init::fan_in(path, "bias", &[outputs], fan_in)),
            window,
        }
    }

    pub(super) fn forward(&self, input: &Tensor) -> Tensor {
        let Window { stride, padding, .. } = self.window;
        input.conv2d(&self.weight, self.bias.as_ref(), stride, padding, [1, 1], 1)
    }

    /// Writes down the convolution, what it is normalised by, the addition of another value, and the activation.
    pub(super) fn lower(
        &self,
        program: &mut Program,
        input: Value,
        norm: Option<&Normalization>,
        activation: Option<Activation>,
        add: Option<Value>,
    ) -> Value {
        let (weight, bias) = (self.weight.detach(), self.bias());
        let folded = norm.and_then(|norm| norm.folded(&weight, &bias));
        let stays = norm.filter(|_| folded.is_none());
        debug_assert!(stays.is_none() || add.is_none(), "what is added comes after the normalisation");
        let (weight, bias) = folded.unwrap_or((weight, bias));
        let [height, width] = match program.dims(input) {
            &[_, height, width] => self.window.places([height, width]),
            dims => unreachable!("a convolution of {dims:?}"),
        };
        let dims = [bias.size()[0], height, width];
        let last = if stays.is_none() { activation } else { None };
        let operation = Operation::Convolution { weight, bias, window: self.window, activation: last };
        let output = program.push_adding(operation, input, add, &dims);
        match stays {
            Some(norm) => {
                let output = norm.lower(program, output);
                program.activate(activation, output)
            }
            None => output,
        }
    }

    fn bias(&self) -> Tensor {
        match &self.bias {
            Some(bias) => bias.detach(),
            None => self.weight.detach().new_zeros([self.weight.size()[0]], (self.weight.kind(), self.weight.device())),
        }
    }
}
