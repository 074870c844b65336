//! Three-dimensional convolution, with normalisation and activation.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::norm::Normalization;
use super::{Activation, Layer, Norm, init};
use crate::Batch;
use crate::batch::{Feature, blank};
use crate::shape::{Shape, Video};

/// A convolution over time and space, then the normalisation and the activation of its [`Settings`].
///
/// `[batch, T, C, H, W]` → `[batch, S, D, G, V]` with `S = ⌊(T + 2·padding − kernel) / stride⌋ + 1`, and `G` and `V` from `H`
/// and `W` likewise. There is a bias only where no normalisation follows. Frames that are padding count as zeros, and a
/// step that only they would give is padding too: a clip gives the same whatever it is padded to.
///
/// PyTorch's twin is `Conv3d`, which has the channels before the frames, followed by `BatchNorm3d` or `GroupNorm`.
/// Variables: as of [`super::Conv`]. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Conv3d<I, O> {
    convolution: Convolution3d,
    norm: Option<Normalization>,
    activation: Option<Activation>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Conv3d`]; triples are frames, height and width.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The size of the kernel.
    pub kernel: [i64; 3],
    /// The step of the kernel.
    pub stride: [i64; 3],
    /// The zeros added on every side.
    pub padding: [i64; 3],
    /// The normalisation.
    pub norm: Option<Norm>,
    /// The activation.
    pub activation: Option<Activation>,
}

impl<const T: i64, const C: i64, const H: i64, const W: i64, const S: i64, const D: i64, const G: i64, const V: i64>
    Conv3d<Video<T, C, H, W>, Video<S, D, G, V>>
{
    /// Draws a convolution, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { kernel, stride, padding, norm, activation } = settings;
        let window = Window3d { kernel, stride, padding };
        debug_assert!(window.places([T, H, W]) == [S, G, V], "{window:?} does not lead from {:?}", [T, H, W]);
        Self {
            convolution: Convolution3d::new(&path, C, D, window, norm.is_none()),
            norm: norm.map(|norm| Normalization::new(&(&path / "norm"), D, norm)),
            activation,
            shapes: PhantomData,
        }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Conv3d<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        let clip = self.convolution.forward(&Clip::of(input), self.norm.as_ref(), train);
        let activate = |tensor| match self.activation {
            Some(activation) => activation.apply(tensor),
            None => tensor,
        };
        clip.map(activate).into_batch()
    }
}

/// Clips as convolutions take them, `[batch, C, T, H, W]`.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) tensor: Tensor,
    /// Where frames are real, `[batch, T]`.
    mask: Option<Tensor>,
}

impl Clip {
    pub(super) fn of<I: Shape>(input: &Batch<I>) -> Self {
        let Feature { tensor, mask, .. } = input.feature();
        let tensor = blank(&tensor, mask.as_ref());
        Self { tensor: tensor.transpose(1, 2), mask }
    }

    pub(super) fn into_batch<O: Shape>(self) -> Batch<O> {
        let tensor = self.tensor.transpose(1, 2);
        let tensor = blank(&tensor, self.mask.as_ref());
        Batch::trusted(Feature { tensor, mask: self.mask, present: None })
    }

    pub(super) fn map(self, apply: impl FnOnce(Tensor) -> Tensor) -> Self {
        Self { tensor: apply(self.tensor), mask: self.mask }
    }
}

/// A window that slides over frames, rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window3d {
    pub(super) kernel: [i64; 3],
    pub(super) stride: [i64; 3],
    pub(super) padding: [i64; 3],
}

impl Window3d {
    /// How many places it has along frames, rows and columns.
    pub(super) fn places(&self, size: [i64; 3]) -> [i64; 3] {
        [0, 1, 2].map(|i| (size[i] + 2 * self.padding[i] - self.kernel[i]) / self.stride[i] + 1)
    }
}

/// The bare convolution.
#[derive(Debug)]
pub(super) struct Convolution3d {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window3d,
}

impl Convolution3d {
    pub(super) fn new(path: &Path<'_>, inputs: i64, outputs: i64, window: Window3d, bias: bool) -> Self {
        let [frames, height, width] = window.kernel;
        let fan_in = inputs * frames * height * width;
        Self {
            weight: init::fan_in(path, "weight", &[outputs, inputs, frames, height, width], fan_in),
            bias: bias.then(|| init::fan_in(path, "bias", &[outputs], fan_in)),
            window,
        }
    }

    /// The convolution and what it is normalised by, with zeros at the steps that are padding.
    pub(super) fn forward(&self, clip: &Clip, norm: Option<&Normalization>, train: bool) -> Clip {
        let Window3d { kernel, stride, padding } = self.window;
        let real = |tensor: &Tensor, mask: &Tensor| blank(&tensor.transpose(1, 2), Some(mask)).transpose(1, 2);
        let input = match &clip.mask {
            Some(mask) => real(&clip.tensor, mask),
            None => clip.tensor.shallow_clone(),
        };
        let mut tensor = input.conv3d(&self.weight, self.bias.as_ref(), stride, padding, [1, 1, 1], 1);
        if let Some(norm) = norm {
            tensor = norm.forward(&tensor, train);
        }
        let mask = clip.mask.as_ref().map(|mask| {
            // A step of a clip that is not padded, and so ends where its real frames do, has its kernel within them.
            let first = kernel[0] - 1 - 2 * padding[0];
            let last = Tensor::arange(tensor.size()[2], (Kind::Int64, mask.device())) * stride[0] + first;
            mask.index_select(1, &last.clamp_min(0))
        });
        Clip { tensor, mask }
    }
}
