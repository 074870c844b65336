//! Convolutions of 3x3 taps at steps of one, with fewer multiplications (Winograd's F(2x2, 3x3)).
//!
//! A square of 2x2 outputs depends on a square of 4x4 inputs, by 36 products. Between transformed inputs and weights,
//! and to transform takes additions alone, it is 16 products. So a convolution becomes 16 products of matrices, one for
//! each number of a square, whose rows are the squares. What is not finite among the inputs leaves none of a square's
//! outputs finite that depend on it, and may reach its others.

use std::array;
use std::ops::Range;

use super::finish::Finish;
use super::lanes::{Lanes, Level, Work, load};
use super::layout::{Layout, Source, Target};
use super::team::Team;
use super::tile::{ROWS, for_rows, multiply};
use super::weights::Weights;

/// The numbers of a square of inputs.
pub(super) const SQUARE: usize = 16;
/// How many panels of weights are taken at once where there are as many.
const PANELS: usize = 2;

/// `relu(weight ⋆ input + bias + add)`.
#[derive(Debug)]
pub(super) struct Winograd {
    /// Transformed, with the numbers of a square for taps.
    weights: Weights,
    squares: Vec<Square>,
    /// How many places the output has in a row.
    columns: usize,
    relu: bool,
}

/// A square of 4x4 inputs, and the 2x2 outputs that depend on it.
#[derive(Debug)]
pub(super) struct Square {
    /// Where in a sample the channels of each input lie.
    pub(super) inputs: [u32; SQUARE],
    /// The place of the first output.
    pub(super) output: usize,
    /// How many rows and columns of outputs there are from there on; of the last square some may not exist.
    pub(super) size: [usize; 2],
}

impl Winograd {
    pub(super) fn new(weights: Weights, squares: Vec<Square>, columns: usize, relu: bool) -> Self {
        Self { weights, squares, columns, relu }
    }

    /// The sample of a square, of those of all samples, and the square.
    #[inline(always)]
    fn square(&self, number: usize) -> (usize, &Square) {
        (number / self.squares.len(), &self.squares[number % self.squares.len()])
    }

    /// Floats that [`Winograd::run`] needs to work in.
    pub(super) fn room(&self, level: Level) -> usize {
        let width = level.width();
        let vectors = self.weights.inputs().div_ceil(width) + self.weights.panels().min(PANELS);
        vectors * SQUARE * ROWS * width
    }

    /// Computes all places of all samples.
    pub(super) fn run(
        &self,
        level: Level,
        input: Source<'_>,
        add: Option<Source<'_>>,
        mut output: Target<'_>,
        mut team: Team<'_>,
    ) {
        output.clear_zeros();
        let layout = output.layout;
        // The squares of a row share the rows of outputs that they are written to.
        let across = self.columns.div_ceil(2);
        let rows = input.count() * self.squares.len() / across;
        let start = |row: usize| {
            let (sample, square) = self.square(row * across);
            layout.place(sample, square.output)
        };
        team.share(rows, across * self.weights.len(), output, start, |rows, output, room| {
            let squares = rows.start * across..rows.end * across;
            level.run(Run { winograd: self, squares, input, finish: Finish::new(add, output, self.relu), room });
        });
    }
}

/// The transformed weights of a kernel of 3x3.
pub(super) fn transform(kernel: [f32; 9]) -> [f32; SQUARE] {
    let half = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let kernel = kernel.map(f64::from);
    let rows = [0, 1, 2].map(|row| half([kernel[3 * row], kernel[3 * row + 1], kernel[3 * row + 2]]));
    let columns = [0, 1, 2, 3].map(|column| half([rows[0][column], rows[1][column], rows[2][column]]));
    array::from_fn(|i| columns[i % 4][i / 4] as f32)
}

struct Run<'a> {
    winograd: &'a Winograd,
    /// Of the squares of all samples, those to be computed.
    squares: Range<usize>,
    input: Source<'a>,
    finish: Finish<'a>,
    room: &'a mut [f32],
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let panels = self.winograd.weights.panels();
        let most = ROWS.min(L::SUMS / panels.min(PANELS));
        let Range { start: mut first, end } = self.squares;
        let blocks = (end - first).div_ceil(most);
        for block in 0..blocks {
            let count = (end - first) / (blocks - block);
            self.transform_inputs::<L>(first, count);
            for panel in (0..panels).step_by(PANELS) {
                if panel + PANELS <= panels {
                    for_rows!(count, self.multiply::<L, PANELS>(panel));
                    self.transform_outputs::<L, PANELS>(first, count, panel);
                } else {
                    for_rows!(count, self.multiply::<L, 1>(panel));
                    self.transform_outputs::<L, 1>(first, count, panel);
                }
            }
            first += count;
        }
    }
}

impl Run<'_> {
    /// Some squares of inputs, transformed: `[vector of channels][number of the square][square][lane]`.
    #[inline(always)]
    fn transform_inputs<L: Lanes>(&mut self, first: usize, count: usize) {
        let Layout { channels, sample, .. } = self.input.layout;
        let pitch = ROWS * L::WIDTH;
        for at in 0..count {
            let (number, square) = self.winograd.square(first + at);
            let input = self.input.some(number, 0, sample);
            for vector in 0..channels.div_ceil(L::WIDTH) {
                let channel = vector * L::WIDTH;
                let some = (channels - channel).min(L::WIDTH);
                let mut values = [[L::splat(0.0); 4]; 4];
                for i in 0..SQUARE {
                    let from = square.inputs[i] as usize + channel;
                    values[i / 4][i % 4] = load(&input[from..from + some]);
                }
                let values = input_sums(transposed(input_sums(values)));
                let to = &mut self.room[vector * SQUARE * pitch..][..SQUARE * pitch];
                for i in 0..SQUARE {
                    values[i % 4][i / 4].store(&mut to[i * pitch + at * L::WIDTH..]);
                }
            }
        }
    }

    /// `M` transformed squares times `N` panels: `[panel][number of the square][square][lane]`, behind the inputs.
    #[inline(always)]
    fn multiply<L: Lanes, const N: usize, const M: usize>(&mut self, panel: usize) {
        let weights = &self.winograd.weights;
        let inputs = weights.inputs();
        let pitch = ROWS * L::WIDTH;
        let (squares, products) = self.room.split_at_mut(inputs.div_ceil(L::WIDTH) * SQUARE * pitch);
        let panels: [&[f32]; N] = array::from_fn(|n| weights.panel(panel + n));
        for i in 0..SQUARE {
            let panels = panels.map(|panel| &panel[i * inputs * L::WIDTH..][..inputs * L::WIDTH]);
            let mut sums = [[L::splat(0.0); N]; M];
            for (vector, squares) in squares.chunks_exact(SQUARE * pitch).enumerate() {
                let channel = vector * L::WIDTH;
                let some = (inputs - channel).min(L::WIDTH);
                let squares = &squares[i * pitch..][..pitch];
                let rows = array::from_fn(|m| &squares[m * L::WIDTH..][..L::WIDTH]);
                let panels = panels.map(|panel| &panel[channel * L::WIDTH..][..some * L::WIDTH]);
                sums = multiply(sums, rows, panels);
            }
            for n in 0..N {
                let products = &mut products[(n * SQUARE + i) * pitch..][..pitch];
                for m in 0..M {
                    sums[m][n].store(&mut products[m * L::WIDTH..]);
                }
            }
        }
    }

    /// The outputs of some squares and `N` panels from their products.
    #[inline(always)]
    fn transform_outputs<L: Lanes, const N: usize>(&mut self, first: usize, count: usize, panel: usize) {
        let Winograd { weights, columns, .. } = self.winograd;
        let pitch = ROWS * L::WIDTH;
        let products = &self.room[weights.inputs().div_ceil(L::WIDTH) * SQUARE * pitch..];
        for at in 0..count {
            let (sample, square) = self.winograd.square(first + at);
            for (n, products) in products.chunks_exact(SQUARE * pitch).enumerate().take(N) {
                let mut values = [[L::splat(0.0); 4]; 4];
                for i in 0..SQUARE {
                    values[i / 4][i % 4] = L::load(&products[i * pitch + at * L::WIDTH..]);
                }
                let values = transposed(output_sums(transposed(output_sums(values))));
                let bias = L::load(weights.bias(panel + n));
                for (i, values) in values.into_iter().enumerate() {
                    for (j, value) in values.into_iter().enumerate() {
                        if i < square.size[0] && j < square.size[1] {
                            let place = square.output + i * columns + j;
                            self.finish.write(value.add(bias), sample, place, (panel + n) * L::WIDTH);
                        }
                    }
                }
            }
        }
    }
}

/// What inputs come to in one direction.
#[inline(always)]
fn input_sums<L: Lanes>(square: [[L; 4]; 4]) -> [[L; 4]; 4] {
    let mut sums = square;
    for i in 0..4 {
        let [a, b, c, d] = square[i];
        sums[i] = [a.sub(c), b.add(c), c.sub(b), b.sub(d)];
    }
    sums
}

/// What outputs come from in one direction.
#[inline(always)]
fn output_sums<L: Lanes, const N: usize>(square: [[L; 4]; N]) -> [[L; 2]; N] {
    let mut sums = [[L::splat(0.0); 2]; N];
    for i in 0..N {
        let [a, b, c, d] = square[i];
        sums[i] = [a.add(b.add(c)), b.sub(c.add(d))];
    }
    sums
}

#[inline(always)]
fn transposed<L: Lanes, const A: usize, const B: usize>(rows: [[L; A]; B]) -> [[L; B]; A] {
    let mut columns = [[L::splat(0.0); B]; A];
    for i in 0..A {
        for j in 0..B {
            columns[i][j] = rows[j][i];
        }
    }
    columns
}
