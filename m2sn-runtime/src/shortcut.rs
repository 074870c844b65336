//! Shortcuts: from an early feature to the deepest one (Section III-B, Eq. (2)).

use std::marker::PhantomData;

use tch::Tensor;
use tch::nn::Path;

use crate::Batch;
use crate::nn::program::{Operation, Program, Value};
use crate::nn::{Activation, Affine, Layer, mean_over_steps};
use crate::shape::{Shape, Vector};

/// A shortcut: where the dimensions differ a dimension alignment, then the feature generator, a linear map.
///
/// `[batch, …]` → `[batch, D]`, in place of all layers from here to the deepest feature.
/// The alignment is "one large-stride pooling layer and three 1×1 convolutional layers", with a ReLU after the first
/// and the second convolution. A 1x1 convolution is the same linear map at every place, so that is how it is
/// computed: the places left by the pooling are the rows of a matrix. The rows then lie side by side,
/// for an image row by row of its grid, before the generator.
///
/// The windows of the pooling part the image as evenly as whole pixels allow: along a side of `s` pixels, cell `i` of
/// `n` is the mean from pixel `⌊i·s/n⌋` to before `⌈(i+1)·s/n⌉`, as in PyTorch's `AdaptiveAvgPool2d`.
/// Where `n` divides `s` these are windows of `s/n` pixels with a stride of as many.
///
/// Variables: `align.0.weight` `[width, inputs]`, `align.0.bias`, `align.1.…`, `align.2.…`; `generator.weight`,
/// `generator.bias`. All are drawn as by [`crate::nn::Linear`], which for 1x1 convolutions is PyTorch's rule too.
#[derive(Debug)]
pub struct Shortcut<I, O> {
    pooling: Pooling,
    align: Vec<Affine>,
    generator: Affine,
    shapes: PhantomData<fn(I) -> O>,
}

/// How a shortcut brings a feature to the deepest one's dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Average pooling of an image to a grid, and three 1x1 convolutions.
    Image {
        /// The rows and columns of the grid.
        grid: [i64; 2],
        /// The widths of the convolutions.
        widths: [i64; 3],
    },
    /// The mean over the real frames of a video, then as for an image.
    Video {
        /// The rows and columns of the grid.
        grid: [i64; 2],
        /// The widths of the convolutions.
        widths: [i64; 3],
    },
    /// The mean over the real steps of a sequence, and three 1x1 convolutions.
    Sequence {
        /// The widths of the convolutions.
        widths: [i64; 3],
    },
    /// Three 1x1 convolutions on a vector.
    Vector {
        /// The widths of the convolutions.
        widths: [i64; 3],
    },
    /// The dimensions match: for a sequence the mean over the real steps, for a vector nothing.
    None,
}

impl<I: Shape, const D: i64> Shortcut<I, Vector<D>> {
    /// Draws a shortcut, with its variables under `path`.
    pub fn new(path: Path<'_>, alignment: Alignment) -> Self {
        let pooling = Pooling::of(alignment, I::DIMS);
        let [channels, places] = pooling.output(I::DIMS);
        let widths = match &alignment {
            Alignment::Image { widths, .. }
            | Alignment::Video { widths, .. }
            | Alignment::Sequence { widths }
            | Alignment::Vector { widths } => widths,
            Alignment::None => [].as_slice(),
        };
        let mut width = channels;
        let mut align = Vec::with_capacity(widths.len());
        for (index, next) in widths.iter().enumerate() {
            align.push(Affine::new(&(&path / "align" / index), width, *next));
            width = *next;
        }
        let generator = Affine::new(&(&path / "generator"), width * places, D);
        Self { pooling, align, generator, shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Shortcut<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        Batch::trusted(self.run(input.tensor(), input.mask()).into())
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let mut rows = self.pooling.lower(program, input);
        for (index, affine) in self.align.iter().enumerate() {
            let between = (index + 1 < self.align.len()).then_some(Activation::Relu);
            rows = affine.lower(program, rows, between, None);
        }
        if let &[places, width] = program.dims(rows) {
            rows = program.push(Operation::Flatten, rows, &[places * width]);
        }
        self.generator.lower(program, rows, None, None)
    }
}

impl<I, O> Shortcut<I, O> {
    fn run(&self, input: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let mut rows = self.pooling.rows(input, mask);
        for (index, affine) in self.align.iter().enumerate() {
            if index > 0 {
                rows = rows.relu_();
            }
            rows = affine.forward(&rows);
        }
        self.generator.forward(&rows.reshape([input.size()[0], -1]))
    }
}

/// What turns the feature into rows, one a place.
#[derive(Debug)]
enum Pooling {
    Grid([i64; 2]),
    Frames([i64; 2]),
    Steps,
    Nothing,
}

impl Pooling {
    fn of(alignment: Alignment, dims: &[i64]) -> Self {
        let pooling = match alignment {
            Alignment::Image { grid, .. } => Self::Grid(grid),
            Alignment::Video { grid, .. } => Self::Frames(grid),
            Alignment::Sequence { .. } => Self::Steps,
            Alignment::Vector { .. } => Self::Nothing,
            Alignment::None if dims.len() == 2 => Self::Steps,
            Alignment::None => Self::Nothing,
        };
        let fits = match pooling {
            Self::Grid(_) => dims.len() == 3,
            Self::Frames(_) => dims.len() == 4,
            Self::Steps => dims.len() == 2,
            Self::Nothing => dims.len() == 1,
        };
        debug_assert!(fits, "a shortcut cannot align a feature of dimensions {dims:?} by {alignment:?}");
        pooling
    }

    /// The channels of each row, and the number of rows a sample.
    fn output(&self, dims: &[i64]) -> [i64; 2] {
        match self {
            Self::Grid([rows, columns]) => [dims[0], rows * columns],
            Self::Frames([rows, columns]) => [dims[1], rows * columns],
            Self::Steps => [dims[1], 1],
            Self::Nothing => [dims[0], 1],
        }
    }

    /// `[batch, …]` → `[batch · places, channels]`.
    fn rows(&self, input: &Tensor, mask: Option<&Tensor>) -> Tensor {
        match self {
            Self::Grid(grid) => {
                let grid = input.adaptive_avg_pool2d(*grid);
                grid.permute([0, 2, 3, 1]).reshape([-1, grid.size()[1]])
            }
            Self::Frames(grid) => Self::Grid(*grid).rows(&mean_over_steps(input, mask), None),
            Self::Steps => mean_over_steps(input, mask),
            Self::Nothing => input.shallow_clone(),
        }
    }

    /// Writes down the pooling, of the places one after the other.
    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let channels = program.dims(input)[0];
        match self {
            Self::Grid([rows, columns]) => {
                let grid = Operation::AdaptiveAveragePool([*rows, *columns]);
                let pooled = program.push(grid, input, &[channels, *rows, *columns]);
                program.push(Operation::Rows, pooled, &[rows * columns, channels])
            }
            Self::Frames(grid) => {
                let image = program.dims(input)[1..].to_vec();
                let mean = program.push(Operation::Mean, input, &image);
                Self::Grid(*grid).lower(program, mean)
            }
            Self::Steps => {
                let width = program.dims(input)[1];
                program.push(Operation::Mean, input, &[width])
            }
            Self::Nothing => input,
        }
    }
}
