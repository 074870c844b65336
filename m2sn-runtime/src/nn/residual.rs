//! Residual stages, as in a ResNet.

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use super::conv::Convolution;
use super::norm::Normalization;
use super::program::{Program, Value};
use super::{Activation, Layer, Norm, Window};
use crate::Batch;
use crate::shape::{Image, Shape};

/// A stage of residual blocks, one after the other: `y = relu(way(x) + shortcut(x))`.
///
/// `[batch, C, H, W]` → `[batch, D, ⌈H / stride⌉, ⌈W / stride⌉]`; the first block strides.
/// The way of a basic block is `bn(conv3x3(relu(bn(conv3x3(x)))))`; that of a bottleneck goes by fewer channels, a 1x1
/// convolution before and behind one of 3x3, which is the one that strides.
/// A block's shortcut is the identity, or a 1x1 convolution with batch normalisation where the shape changes.
///
/// PyTorch's twin is a stage of torchvision's ResNet, a `Sequential` of `BasicBlock` or `Bottleneck`, with the same
/// variables: `0.conv1.weight`, `0.bn1.weight`, …, `0.downsample.0.weight`, `0.downsample.1.weight`, ….
/// Parameters are drawn as by [`super::Conv`].
#[derive(Debug)]
pub struct Residual<I, O> {
    blocks: Vec<Block>,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Residual`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The number of blocks, at least 1.
    pub blocks: i64,
    /// The step of the first block.
    pub stride: i64,
    /// The channels inside the blocks, where they are bottlenecks.
    pub bottleneck: Option<i64>,
}

impl<const C: i64, const H: i64, const W: i64, const D: i64, const G: i64, const V: i64>
    Residual<Image<C, H, W>, Image<D, G, V>>
{
    /// Draws a stage, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { blocks, stride, bottleneck } = settings;
        debug_assert!(blocks >= 1, "a residual stage of {blocks} blocks");
        square(3, stride).connects("residual stage", [H, W], [G, V]);
        let block = |index: i64| {
            let (inputs, stride) = if index == 0 { (C, stride) } else { (D, 1) };
            Block::new(&(&path / index), inputs, D, stride, bottleneck)
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
struct Block {
    /// The convolutions, each with its normalisation; an activation follows all but the last.
    way: Vec<(Convolution, Normalization)>,
    downsample: Option<(Convolution, Normalization)>,
}

impl Block {
    fn new(path: &Path<'_>, inputs: i64, outputs: i64, stride: i64, bottleneck: Option<i64>) -> Self {
        let widths_and_windows = match bottleneck {
            None => vec![(outputs, square(3, stride)), (outputs, square(3, 1))],
            Some(width) => vec![(width, square(1, 1)), (width, square(3, stride)), (outputs, square(1, 1))],
        };
        let mut before = inputs;
        let way = (1..).zip(widths_and_windows).map(|(number, (width, window))| {
            let inputs = std::mem::replace(&mut before, width);
            let convolution = Convolution::new(&(path / format!("conv{number}")), inputs, width, window, false);
            (convolution, Normalization::new(&(path / format!("bn{number}")), width, Norm::Batch))
        });
        let way = way.collect();
        let reshapes = stride != 1 || inputs != outputs;
        let downsample = reshapes.then(|| {
            let path = path / "downsample";
            let convolution = Convolution::new(&(&path / 0), inputs, outputs, square(1, stride), false);
            (convolution, Normalization::new(&(&path / 1), outputs, Norm::Batch))
        });
        Self { way, downsample }
    }

    fn forward(&self, input: &Tensor, train: bool) -> Tensor {
        let mut output = input.shallow_clone();
        for (index, (convolution, norm)) in self.way.iter().enumerate() {
            if index > 0 {
                output = Activation::Relu.apply(output);
            }
            output = norm.forward(&convolution.forward(&output), train);
        }
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
        let last = self.way.len() - 1;
        self.way.iter().enumerate().fold(input, |value, (index, (convolution, norm))| {
            convolution.lower(program, value, Some(norm), relu, (index == last).then_some(past))
        })
    }
}

/// A square kernel whose centre comes to lie on the places of the image.
fn square(kernel: i64, stride: i64) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], padding: [kernel / 2; 2] }
}
