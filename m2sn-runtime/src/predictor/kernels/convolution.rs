//! The ways of computing a convolution, and the choice between them.
//!
//! The choice is made by shapes alone, so that a program yields the same numbers whenever and wherever it runs with the
//! same instructions.

use super::Value;
use super::activation::Activation;
use super::border::Border;
use super::build::{Affine, Builder, Stored, image, product};
use super::layout::Dims;
use super::plan::Kernel;
use super::product::Product;
use super::weights::Weights;
use super::window::{Axis, Window};
use super::winograd::{self, SQUARE, Square, Winograd};

/// Images of no more channels are unfolded.
const SHALLOW: usize = 8;

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
    ) -> Result<Stored, String> {
        let [channels, height, width] = image(input)?;
        let axes = window.over([height, width])?;
        let dims = Dims::new(&[affine.bias.len(), axes[0].count, axes[1].count])?;
        let taps = product(&window.kernel)?;
        product(&[dims.places(), taps, channels])?;
        affine.check(&[channels, window.kernel[0], window.kernel[1]])?;
        let add = self.added(add, dims)?;

        let relu = activation == Some(Activation::Relu);
        let Affine { weight, bias } = &affine;
        if window.kernel == [3, 3]
            && window.stride == [1, 1]
            && channels > shallow()
            && std::env::var_os("DIRECT").is_none()
        {
            let squares = squares(input, axes);
            let transformed: Vec<_> = weight.as_chunks().0.iter().map(|kernel| winograd::transform(*kernel)).collect();
            let weights = Weights::new(self.level, [channels, SQUARE], bias, |output, input, i| {
                transformed[output * channels + input][i]
            });
            let kernel = Kernel::Winograd(Winograd::new(weights, squares, axes[1].count, relu));
            return Ok(self.finished(kernel, input, add, activation, dims));
        }

        if window.kernel[1] > 1 && channels <= shallow() {
            let [rows, columns] = [0, 1].map(|i| [height, width][i] + 2 * window.padding[i]);
            let bordered = match window.padding {
                [0, 0] => input,
                padding => {
                    let border = Border::new(padding, channels, width);
                    self.step(Kernel::Border(border), input, None, Dims::new(&[channels, rows, columns])?)
                }
            };
            let weights = Weights::new(self.level, [window.kernel[1] * channels, window.kernel[0]], bias, |o, input, row| {
                weight[(o * channels + input % channels) * taps + row * window.kernel[1] + input / channels]
            });
            let place = |(row, column)| {
                (0..window.kernel[0]).map(move |i| {
                    bordered.layout.place(0, (row * window.stride[0] + i) * columns + column * window.stride[1]) as u32
                })
            };
            let places = pairs([axes[0].count, axes[1].count]).flat_map(place).collect();
            let kernel = Kernel::Product(Product::new(weights, places, relu));
            return Ok(self.finished(kernel, bordered, add, activation, dims));
        }

        let places = places(input, axes, window.kernel);
        let weights = Weights::new(self.level, [channels, taps], bias, |output, input, tap| {
            weight[(output * channels + input) * taps + tap]
        });
        let kernel = Kernel::Product(Product::new(weights, places, relu));
        Ok(self.finished(kernel, input, add, activation, dims))
    }
}
fn shallow() -> usize {
    std::env::var("SHALLOW").ok().map_or(SHALLOW, |x| x.parse().unwrap())
}

/// Where the input lies of each place and tap.
fn places(input: Stored, [rows, columns]: [Axis; 2], kernel: [usize; 2]) -> Vec<u32> {
    let taps =
        move |(row, column)| pairs(kernel).map(move |(i, j)| at(input, rows.tap(row, i), columns.tap(column, j)));
    pairs([rows.count, columns.count]).flat_map(taps).collect()
}

/// The squares that cover the output.
fn squares(input: Stored, [rows, columns]: [Axis; 2]) -> Vec<Square> {
    let (down, across) = (rows.squares(), columns.squares());
    let square = |(row, column)| Square {
        inputs: std::array::from_fn(|i| at(input, down.tap(row, i / 4), across.tap(column, i % 4))),
        output: 2 * row * columns.count + 2 * column,
        size: [rows.count - 2 * row, columns.count - 2 * column],
    };
    pairs([down.count, across.count]).map(square).collect()
}

/// Where a place of an image lies; outside the image there are the zeros that its samples begin with.
fn at(image: Stored, row: Option<usize>, column: Option<usize>) -> u32 {
    match (image.dims, row, column) {
        (Dims::Image([_, _, columns]), Some(row), Some(column)) => image.layout.place(0, row * columns + column) as u32,
        _ => 0,
    }
}

fn pairs([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}
