//! Residual stages of basic blocks, as in ResNet-18 and ResNet-34.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::conv::Convolution;
use super::norm::Normalization;
use super::program::{Program, Value};
use super::{Activation, Layer, Norm, Window};
use crate::Batch;
use crate::shape::{Image, Shape};

/// A stage of basic blocks: `y = relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x))`, one after the other.
///
/// `[batch, C, H, W]` → `[batch, D, ⌈H / stride⌉, ⌈W / stride⌉]`; the first block strides.
/// A block's shortcut is the identity, or a 1x1 convolution with batch normalisation where the shape changes.
///
/// PyTorch's twin is a stage of torchvision's ResNet, a `Sequential` of `BasicBlock`, with the same variables:
/// `0.conv1.weight`, `0.bn1.weight`, …, `0.downsample.0.weight`, `0.downsample.1.weight`, ….
/// Parameters are drawn as by [`super::Conv`].
#[derive(Debug)]
pub struct Residual<I, O> {
    blocks: Vec<BasicBlock>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Residual`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of blocks, at least 1.
    pub blocks: i64,
    /// The step of the first block.
    pub stride: i64,
}

impl<const C: i64, const H: i64, const W: i64, const D: i64, const G: i64, const V: i64>
    Residual<Image<C, H, W>, Image<D, G, V>>
{
    /// Draws a stage, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { blocks, stride } = settings;
        debug_assert!(blocks >= 1, "a residual stage of {blocks} blocks");
        conv3x3(stride).connects("residual stage", [H, W], [G, V]);
        let block = |index: i64| {
            let path = &path / index;
            if index == 0 { BasicBlock::new(&path, C, D, stride) } else { BasicBlock::new(&path, D, D, 1) }
        };
        Self { blocks: (0..blocks).map(block).collect(), shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Residual<I, O> {
    fn forward(&self, input: &Batch<I>, train: bool) -> Batch<O> {
        let start = input.tensor().shallow_clone();
        input.map(self.blocks.iter().fold(start, |tensor, block| block.forward(&tensor, train)))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        self.blocks.iter().fold(input, |value, block| block.lower(program, value))
    }
}

#[derive(Debug)]
struct BasicBlock {
    conv1: Convolution,
    bn1: Normalization,
    conv2: Convolution,
    bn2: Normalization,
    downsample: Option<(Convolution, Normalization)>,
}

impl BasicBlock {
    fn new(path: &Path<'_>, inputs: i64, outputs: i64, stride: i64) -> Self {
        let conv = |name: &str, inputs, window| Convolution::new(&(path / name), inputs, outputs, window, false);
        let norm = |name: &str| Normalization::new(&(path / name), outputs, Norm::Batch);
        let reshapes = stride != 1 || inputs != outputs;
        Self {
            conv1: conv("conv1", inputs, conv3x3(stride)),
            bn1: norm("bn1"),
            conv2: conv("conv2", outputs, conv3x3(1)),
            bn2: norm("bn2"),
            downsample: reshapes.then(|| {
                let path = path / "downsample";
                let convolution = Convolution::new(&(&path / 0), inputs, outputs, conv1x1(stride), false);
                (convolution, Normalization::new(&(&path / 1), outputs, Norm::Batch))
            }),
        }
    }

    fn forward(&self, input: &Tensor, train: bool) -> Tensor {
        let hidden = self.bn1.forward(&self.conv1.forward(input), train);
        let hidden = Activation::Relu.apply(hidden);
        let mut output = self.bn2.forward(&self.conv2.forward(&hidden), train);
        match &self.downsample {
            Some((convolution, norm)) => output += norm.forward(&convolution.forward(input), train),
            None => output += input,
        }
        Activation::Relu.apply(output)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let relu = Some(Activation::Relu);
        let past = match &self.downsample {
            Some((convolution, norm)) => convolution.lower(program, input, Some(norm), None, None),
            None => input,
        };
        let hidden = self.conv1.lower(program, input, Some(&self.bn1), relu, None);
        self.conv2.lower(program, hidden, Some(&self.bn2), relu, Some(past))
    }
}

fn conv3x3(stride: i64) -> Window {
    Window { kernel: [3, 3], stride: [stride, stride], padding: [1, 1] }
}

fn conv1x1(stride: i64) -> Window {
    Window { kernel: [1, 1], stride: [stride, stride], padding: [0, 0] }
}
