//! Inference on the processor without LibTorch: straight-line programs over fixed shapes.
//!
//! Small networks spend most of their time around the arithmetic: in the dispatch of operators, in memory that is
//! claimed and freed, in copies that bring an image into the order of a matrix product. A [`Plan`] does all that once:
//! it packs the weights, finds where each product reads, and lays out one stretch of memory for all that comes between.
//!
//! | room | what it holds |
//! |---|---|
//! | `plan`, `build` | a program that runs; how it is made of operations, and what is wrong with those that cannot be |
//! | `convolution` | the ways of computing a convolution, and the choice between them |
//! | `fusion` | which operations can be computed with the next one |
//! | `product`, `winograd`, `columns`, `pooling`, `activation`, `vectors`, `border` | the kernels, each written once over lanes |
//! | `team` | the threads that share a kernel |
//! | `tile`, `finish` | what products share: the innermost loop, and what is done with a sum before it is written |
//! | `layout`, `planes`, `window`, `weights`, `memory` | where numbers lie: samples, windows, weights, and between |
//! | `lanes/` | vectors as processors have them, one kind a file |

mod activation;
mod border;
mod build;
mod columns;
mod convolution;
mod finish;
mod fusion;
mod lanes;
mod layout;
mod memory;
mod plan;
mod planes;
mod pooling;
mod product;
mod team;
#[cfg(test)]
mod tests;
mod tile;
mod vectors;
mod weights;
mod window;
mod winograd;

use crate::nn::Activation;
pub(crate) use plan::Plan;
pub(crate) use window::Window;

/// How a sample's numbers lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As LibTorch has them: an image `[C, H, W]` plane by plane, a sequence `[T, F]` row by row, a vector as it is.
    Plain,
    /// As kernels pass them on: an image is a place of zeros, which padding is read from, then its `H · W` places, the
    /// `C` channels of each side by side. Sequences and vectors have nothing that is padded: they are as in
    /// [`Form::Plain`].
    Places,
}

/// The number of a value in a program: 0 is the input, and `n` what operation `n − 1` yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value(pub(crate) usize);

/// A step of a program.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// `activation(weight ⋆ input + bias + add)` of an image, padded with zeros.
    Convolution {
        input: Value,
        /// `[outputs, inputs, rows, columns]`, row by row.
        weight: Vec<f32>,
        /// One for each output.
        bias: Vec<f32>,
        window: Window,
        /// An earlier value of the output's shape.
        add: Option<Value>,
        activation: Option<Activation>,
    },
    /// `activation(weight · input + bias + add)` of the channels at every place.
    Linear {
        input: Value,
        /// `[outputs, inputs]`, row by row.
        weight: Vec<f32>,
        /// One for each output.
        bias: Vec<f32>,
        /// An earlier value of the output's shape.
        add: Option<Value>,
        activation: Option<Activation>,
    },
    /// The largest value under each window of an image; padding does not count.
    MaxPool { input: Value, window: Window },
    /// The mean under each window of an image; padding does not count.
    AveragePool { input: Value, window: Window },
    /// The means of an image over a grid of windows that may differ by one in size, as PyTorch's `AdaptiveAvgPool2d`.
    AdaptiveAveragePool { input: Value, grid: [usize; 2] },
    /// The mean over all places of an image or a sequence: a vector.
    Mean { input: Value },
    /// An image `[C, H, W]` as the sequence `[H · W, C]`.
    Rows { input: Value },
    /// An image or a sequence as a vector, in the order of [`Form::Plain`].
    Flatten { input: Value },
    /// A function of every number.
    Activate { input: Value, activation: Activation },
    /// So many numbers of a vector, from one on.
    Part { input: Value, start: usize, length: usize },
    /// The sum of two vectors.
    Add { input: Value, other: Value },
    /// The product of two vectors number by number, or of one with a vector of one number.
    Multiply { input: Value, other: Value },
    /// The sum of equal parts of a vector, each times its weight.
    WeightedSum { input: Value, weights: Vec<f32> },
    /// A vector's exponentials over their sum.
    Softmax { input: Value },
    /// The outer product of parts of a vector, each with a one before it: the first varies slowest.
    Outer { input: Value, widths: Vec<usize> },
}
