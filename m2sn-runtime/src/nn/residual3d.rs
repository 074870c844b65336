//! Residual stages of video networks, as in R3D-18 and R(2+1)D-18.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::conv3d::{Clip, Convolution3d, Window3d};
use super::norm::Normalization;
use super::{Activation, Layer, Norm};
use crate::Batch;
use crate::shape::{Shape, Video};

/// A stage of basic blocks over time and space (Tran et al., 2018): two convolutions of 3x3x3 each, with batch
/// normalisation, added to the block's input.
///
/// `[batch, T, C, H, W]` → `[batch, ⌈T / stride⌉, D, ⌈H / stride⌉, ⌈W / stride⌉]`; the first block strides.
/// A factored convolution is one of 1x3x3 in space, normalised, and one of 3x1x1 in time, with as many channels between
/// as give it the parameters of the whole. Padding is as of [`super::Conv3d`].
///
/// PyTorch's twin is a stage of torchvision's `VideoResNet`, with the same variables: `0.conv1.0.weight`, `0.conv1.1.weight`,
/// …, `0.downsample.0.weight`, …, and where it is factored `0.conv1.0.0.weight`, `0.conv1.0.1.weight`, `0.conv1.0.3.weight`, ….
/// Parameters are drawn as by [`super::Conv3d`]. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Residual3d<I, O> {
    blocks: Vec<BasicBlock>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Residual3d`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of blocks, at least 1.
    pub blocks: i64,
    /// The step of the first block in time and space.
    pub stride: i64,
    /// Whether convolutions are factored into space and time, as in R(2+1)D.
    pub factored: bool,
}

impl<const T: i64, const C: i64, const H: i64, const W: i64, const S: i64, const D: i64, const G: i64, const V: i64>
    Residual3d<Video<T, C, H, W>, Video<S, D, G, V>>
{
    /// Draws a stage, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { blocks, stride, factored } = settings;
        debug_assert!(blocks >= 1, "a residual stage of {blocks} blocks");
        debug_assert!(whole(stride).places([T, H, W]) == [S, G, V], "a stride of {stride} from {:?}", [T, H, W]);
        let block = |index: i64| {
            let (inputs, stride) = if index == 0 { (C, stride) } else { (D, 1) };
            BasicBlock::new(&(&path / index), inputs, D, stride, factored)
        };
        Self { blocks: (0..blocks).map(block).collect(), shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Residual3d<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        self.blocks.iter().fold(Clip::of(input), |clip, block| block.forward(&clip, train)).into_batch()
    }
}

#[derive(Debug)]
struct BasicBlock {
    conv1: Normalized,
    conv2: Normalized,
    downsample: Option<Normalized>,
}

/// A convolution, whole or factored, and its normalisation.
#[derive(Debug)]
struct Normalized {
    /// In space with its normalisation, where the convolution is factored.
    space: Option<(Convolution3d, Normalization)>,
    convolution: Convolution3d,
    norm: Normalization,
}

impl BasicBlock {
    fn new(path: &Path<'_>, inputs: i64, outputs: i64, stride: i64, factored: bool) -> Self {
        let between = factored.then(|| inputs * outputs * 27 / (inputs * 9 + 3 * outputs));
        let conv = |name: &str, inputs, stride| match between {
            None => Normalized::whole(&(path / name), inputs, outputs, whole(stride)),
            Some(between) => Normalized::factored(&(path / name), [inputs, between, outputs], stride),
        };
        let point = Window3d { kernel: [1; 3], stride: [stride; 3], padding: [0; 3] };
        Self {
            conv1: conv("conv1", inputs, stride),
            conv2: conv("conv2", outputs, 1),
            downsample: (stride != 1 || inputs != outputs)
                .then(|| Normalized::whole(&(path / "downsample"), inputs, outputs, point)),
        }
    }

    fn forward(&self, input: &Clip, train: bool) -> Clip {
        let hidden = self.conv1.forward(input, train).map(|tensor| Activation::Relu.apply(tensor));
        let output = self.conv2.forward(&hidden, train);
        let past = self.downsample.as_ref().map(|downsample| downsample.forward(input, train).tensor);
        let past: &Tensor = past.as_ref().unwrap_or(&input.tensor);
        output.map(|tensor| Activation::Relu.apply(tensor + past))
    }
}

impl Normalized {
    fn whole(path: &Path<'_>, inputs: i64, outputs: i64, window: Window3d) -> Self {
        Self {
            space: None,
            convolution: Convolution3d::new(&(path / 0), inputs, outputs, window, false),
            norm: Normalization::new(&(path / 1), outputs, Norm::Batch),
        }
    }

    fn factored(path: &Path<'_>, [inputs, between, outputs]: [i64; 3], stride: i64) -> Self {
        let pair = path / 0;
        let space = Window3d { kernel: [1, 3, 3], stride: [1, stride, stride], padding: [0, 1, 1] };
        let time = Window3d { kernel: [3, 1, 1], stride: [stride, 1, 1], padding: [1, 0, 0] };
        Self {
            space: Some((
                Convolution3d::new(&(&pair / 0), inputs, between, space, false),
                Normalization::new(&(&pair / 1), between, Norm::Batch),
            )),
            convolution: Convolution3d::new(&(&pair / 3), between, outputs, time, false),
            norm: Normalization::new(&(path / 1), outputs, Norm::Batch),
        }
    }

    fn forward(&self, clip: &Clip, train: bool) -> Clip {
        match &self.space {
            None => self.convolution.forward(clip, Some(&self.norm), train),
            Some((space, norm)) => {
                let hidden = space.forward(clip, Some(norm), train).map(|tensor| Activation::Relu.apply(tensor));
                self.convolution.forward(&hidden, Some(&self.norm), train)
            }
        }
    }
}

/// The window of a convolution of 3x3x3.
fn whole(stride: i64) -> Window3d {
    Window3d { kernel: [3; 3], stride: [stride; 3], padding: [1; 3] }
}
