//! The ways of computing a convolution, and the choice between them.
//!
//! The choice is a matter of shapes alone, so that a program yields the same numbers whenever it runs, and for a sample
//! the same as for it among others.

use std::array;

use super::Value;
use super::border::Border;
use super::build::{Affine, Builder, Stored, image, product};
use super::columns::Columns;
use super::lanes::Level;
use super::layout::Dims;
use super::plan::Kernel;
use super::planes::Planes;
use super::product::Product;
use super::weights::Weights;
use super::window::{Axis, Window};
use super::winograd::{self, SQUARE, Square, Winograd};
use crate::nn::Activation;

/// Where the input of more taps lies, of all places, is not kept.
const MOST_TAPS: usize = 1 << 28;

/// A convolution that can be.
struct Convolution {
    /// The image, with its border if it has one.
    input: Stored,
    channels: usize,
    /// Channels, rows and columns.
    image: [usize; 3],
    affine: Affine,
    window: Window,
    /// The window's way over the image as it was given.
    axes: [Axis; 2],
    relu: bool,
}

impl Builder {
    /// Adds a convolution.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn convolution(
        &mut self,
        input: Stored,
        affine: Affine,
        window: Window,
        add: Option<Value>,
        activation: Option<Activation>,
        is_pooled: bool,
    ) -> Result<Stored, String> {
        let [channels, height, width] = image(input)?;
        let axes = window.over([height, width])?;
        let dims = Dims::new(&[affine.bias.len(), axes[0].count, axes[1].count])?;
        affine.check(&[channels, window.kernel[0], window.kernel[1]])?;
        if product(&[dims.places(), window.kernel[0], window.kernel[1]])? > MOST_TAPS {
            return Err(format!("a kernel of {:?} is too large for {:?}", window.kernel, dims.as_slice()));
        }
        let add = self.added(add, dims)?;

        let relu = activation == Some(Activation::Relu);
        let mut convolution =
            Convolution { input, channels, image: [channels, height, width], affine, window, axes, relu };
        let is_pooled = is_pooled && (relu || activation.is_none()) && axes.iter().all(|axis| axis.count >= 2);
        if add.is_none() && convolution.is_for_columns(is_pooled) {
            // Places in planes are kept in 32 bits too.
            bordered(channels, [height, width], window.padding)?;
            let columns = convolution.by_columns(self.level, is_pooled);
            let dims = Dims::new(&[dims.channels(), columns.size[0], columns.size[1]])?;
            if is_pooled {
                self.pooled = Some(self.next());
            }
            return Ok(self.finished(Kernel::Columns(columns), input, None, activation, dims));
        }
        let kernel = if convolution.is_for_squares() {
            convolution.by_squares(self.level)
        } else if convolution.is_for_rows() {
            if window.padding != [0, 0] {
                let bordered = bordered(channels, [height, width], window.padding)?;
                let border = Kernel::Border(Border::new(window.padding, channels, width));
                convolution.input = self.step(border, input, None, bordered);
            }
            convolution.by_rows(self.level)
        } else {
            convolution.by_taps(self.level)
        };
        Ok(self.finished(kernel, convolution.input, add, activation, dims))
    }
}

impl Convolution {
    /// Whether squares save a third of the products, and there are some to share the weights: those are nearly twice as
    /// many, and are what takes time where there is little else.
    ///
    /// On a Zen 5 with AVX-512, 3x3 taps take by squares .57 of the time that they take by taps for 14x14 places of 16
    /// channels, .78 for 7x7 of 32, .55 for 4x4 of 64, .64 for 7x7 of 256, .50 for 14x14 of 256. Where a sample has one
    /// square it is .50 for eight samples of 128 channels, but 1.66 for one; where they save less it is about 1. From
    /// one channel they take 1.3 of the time that they take by rows, from three 1.05, from four .95.
    fn is_for_squares(&self) -> bool {
        let [rows, columns] = self.axes.map(|axis| axis.count);
        let squares = rows.div_ceil(2) * columns.div_ceil(2);
        self.window.kernel == [3, 3]
            && self.window.stride == [1, 1]
            && self.channels >= 4
            && squares >= 4
            && 3 * SQUARE * squares <= 2 * 9 * rows * columns
    }

    /// Whether lanes of places waste less than lanes of channels: few outputs, and places enough to pay for planes.
    ///
    /// On a Zen 5 with AVX-512, 5x5 taps over 28x28 places take by columns .35 of the time that they take otherwise
    /// from one channel to six, .48 to eight, .65 to twelve, and from six channels .45, .58, .81; 3x3 taps take .44,
    /// .65, .77 from one, and .66, .82, 1.09 from six, where squares are the other way. With a pool behind, 5x5 taps
    /// take .22, .31, .39 from one and .39, .51, .70 from six; 3x3 taps .48, .62, .77 from six, and .73, .93, 1.19 from
    /// twelve. With eight lanes there is less to gain: 3x3 taps take .95 from six channels to six, and .93 to twelve
    /// with a pool. At 10x10 places most of these are worse by a third. At steps of two 3x3 taps take more than they do
    /// by rows.
    fn is_for_columns(&self, is_pooled: bool) -> bool {
        let [rows, columns] = self.axes.map(|axis| axis.count);
        let [most_inputs, most_outputs] = match (self.is_for_squares(), is_pooled) {
            (true, false) => [6, 6],
            (true, true) => [6, 12],
            (false, false) => [16, 8],
            (false, true) => [16, 12],
        };
        self.window.stride == [1, 1]
            && self.window.kernel[0] * self.window.kernel[1] >= 9
            && columns >= 14
            && rows * columns >= 14 * 14
            && self.channels <= most_inputs
            && self.affine.bias.len() <= most_outputs
    }

    /// Whether to find where the channels of each tap lie would take longer than to put a border around the image, so
    /// that those of a row of taps lie side by side.
    ///
    /// On a Zen 5 with AVX-512, 3x3 taps at steps of two take by rows .75 of the time that they take by taps from one
    /// channel of a 28x28 image, .85 from four, .91 from six, .95 from eight, and 1.1 from eight of a 14x14 image.
    fn is_for_rows(&self) -> bool {
        self.window.kernel[1] > 1 && self.channels <= 6
    }

    /// As sums of neighbouring places, or as the largest of each 2x2 of them.
    fn by_columns(&self, level: Level, is_pooled: bool) -> Columns {
        let Window { kernel, padding, .. } = self.window;
        let outputs = self.affine.bias.len();
        let step = if is_pooled { 2 } else { 1 };
        let size = self.axes.map(|axis| axis.count / step);
        // As many as the first output has below and beside its place, or the last of the first square.
        let beyond = kernel.map(|kernel| (kernel - 1).div_ceil(step));
        let planes = Planes::new(self.image, padding, step, array::from_fn(|i| size[i] + beyond[i]));

        let area = kernel[0] * kernel[1];
        let mut weights = vec![];
        let mut taps = vec![];
        for channel in 0..self.channels {
            for (tap, (row, column)) in pairs(kernel).enumerate() {
                weights.extend(
                    (0..outputs).map(|output| self.affine.weight[(output * self.channels + channel) * area + tap]),
                );
                taps.push(array::from_fn(|vector| {
                    let at = match is_pooled {
                        true => planes.at(channel, vector / 2 + row, vector % 2 + column),
                        false => planes.at(channel, row, column) + vector * level.width(),
                    };
                    at as u32
                }));
            }
        }
        let bias = self.affine.bias.clone();
        Columns { weights, bias, taps, planes, size, is_pooled, relu: self.relu }
    }

    /// As a product with the channels under each tap.
    fn by_taps(&self, level: Level) -> Kernel {
        let [rows, columns] = self.axes;
        let taps = self.window.kernel[0] * self.window.kernel[1];
        let weights = Weights::new(level, [self.channels, taps], &self.affine.bias, |output, input, tap| {
            self.affine.weight[(output * self.channels + input) * taps + tap]
        });
        let place = |(row, column)| {
            pairs(self.window.kernel).map(move |(i, j)| self.at(rows.tap(row, i), columns.tap(column, j)))
        };
        let places = pairs([rows.count, columns.count]).flat_map(place).collect();
        Kernel::Product(Product::new(weights, places, self.relu))
    }

    /// As a product with all that lies under each row of taps. There must be a border instead of padding.
    fn by_rows(&self, level: Level) -> Kernel {
        let Window { kernel, stride, .. } = self.window;
        let taps = kernel[0] * kernel[1];
        let weights =
            Weights::new(level, [kernel[1] * self.channels, kernel[0]], &self.affine.bias, |output, at, row| {
                let (column, input) = (at / self.channels, at % self.channels);
                self.affine.weight[(output * self.channels + input) * taps + row * kernel[1] + column]
            });
        let place =
            |(row, column)| (0..kernel[0]).map(move |i| self.at(Some(row * stride[0] + i), Some(column * stride[1])));
        let places = pairs(self.axes.map(|axis| axis.count)).flat_map(place).collect();
        Kernel::Product(Product::new(weights, places, self.relu))
    }

    /// As products of transformed squares.
    fn by_squares(&self, level: Level) -> Kernel {
        let kernels: Vec<_> =
            self.affine.weight.as_chunks().0.iter().map(|kernel| winograd::transform(*kernel)).collect();
        let weights = Weights::new(level, [self.channels, SQUARE], &self.affine.bias, |output, input, i| {
            kernels[output * self.channels + input][i]
        });
        let [rows, columns] = self.axes;
        let (down, across) = (rows.squares(), columns.squares());
        let square = |(row, column)| Square {
            inputs: array::from_fn(|i| self.at(down.tap(row, i / 4), across.tap(column, i % 4))),
            output: 2 * row * columns.count + 2 * column,
            size: [rows.count - 2 * row, columns.count - 2 * column],
        };
        let squares = pairs([down.count, across.count]).map(square).collect();
        Kernel::Winograd(Winograd::new(weights, squares, columns.count, self.relu))
    }

    /// Where a place of the image lies; outside there are the zeros that its samples begin with.
    fn at(&self, row: Option<usize>, column: Option<usize>) -> u32 {
        match (self.input.dims, row, column) {
            (Dims::Image([_, _, columns]), Some(row), Some(column)) => {
                self.input.layout.place(0, row * columns + column) as u32
            }
            _ => 0,
        }
    }
}

/// The dimensions of an image with a border.
fn bordered(channels: usize, [height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> Result<Dims, String> {
    Dims::new(&[channels, height + 2 * rows, width + 2 * columns])
}

fn pairs([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}
