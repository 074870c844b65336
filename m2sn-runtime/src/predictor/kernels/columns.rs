//! Convolutions of few output channels, by lanes of neighbouring places.
//!
//! Where there are fewer channels than lanes, lanes of channels are wasted. Here a vector is one channel of outputs
//! side by side: what lies under one tap for all of them is loaded from a plane at once, and times one weight it is
//! added to the sums of each channel. Where nothing but the largest of each 2x2 outputs is asked for, the four are the
//! same lane of four vectors, so that the others never leave the registers. What is not a number reaches the outputs
//! that depend on it, and no other.

use super::lanes::{Lanes, Level, Work};
use super::layout::{Source, Target};
use super::planes::Planes;
use super::tile::for_rows;

/// How many vectors of places are taken at once: one for each of 2x2 outputs.
pub(super) const VECTORS: usize = 4;

/// `relu(weight ⋆ input + bias)`, or the largest of each 2x2 of that.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) planes: Planes,
    /// Where in the planes a tap of a channel lies, of the first place of each vector.
    pub(super) taps: Vec<[u32; VECTORS]>,
    /// By tap, then by output.
    pub(super) weights: Vec<f32>,
    /// One for each output.
    pub(super) bias: Vec<f32>,
    /// The rows and columns of the output.
    pub(super) size: [usize; 2],
    /// Whether the largest is asked for; otherwise the vectors are one another's neighbours.
    pub(super) is_pooled: bool,
    pub(super) relu: bool,
}

impl Columns {
    /// Floats that [`Columns::run`] needs to work in.
    pub(super) fn room(&self, level: Level) -> usize {
        self.planes_len(level.width()) + VECTORS * level.width() * self.bias.len()
    }

    /// Floats of planes. Vectors of the last places may reach beyond them, for lanes that are not written.
    #[inline(always)]
    fn planes_len(&self, width: usize) -> usize {
        self.planes.len() + VECTORS * width
    }

    /// Computes all places of all samples.
    pub(super) fn run(&self, level: Level, input: Source<'_>, output: Target<'_>, room: &mut [f32]) {
        level.run(Run { columns: self, input, output, room });
    }
}

struct Run<'a> {
    columns: &'a Columns,
    input: Source<'a>,
    output: Target<'a>,
    room: &'a mut [f32],
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        self.output.clear_zeros();
        let kernel = self.columns;
        let (planes, strip) = self.room.split_at_mut(kernel.planes_len(L::WIDTH));
        planes.fill(0.0);
        let outputs = kernel.bias.len();
        let blocks = outputs.div_ceil(L::SUMS / VECTORS);
        let places = (kernel.size[0] - 1) * kernel.planes.size[1] + kernel.size[1];
        for (input, output) in self.input.samples().zip(self.output.samples()) {
            kernel.planes.fill(input, planes);
            for place in (0..places).step_by(kernel.step::<L>()) {
                let mut first = 0;
                for block in 0..blocks {
                    let count = (outputs - first) / (blocks - block);
                    for_rows!(count, kernel.tile::<L, VECTORS>(&planes[place..], place, first, strip, output));
                    first += count;
                }
            }
        }
    }
}

impl Columns {
    /// How many places are computed at once.
    #[inline(always)]
    fn step<L: Lanes>(&self) -> usize {
        if self.is_pooled { L::WIDTH } else { VECTORS * L::WIDTH }
    }

    /// `M` channels of `N` vectors of places, from one place on.
    #[inline(always)]
    fn tile<L: Lanes, const N: usize, const M: usize>(
        &self,
        planes: &[f32],
        place: usize,
        first: usize,
        strip: &mut [f32],
        output: &mut [f32],
    ) {
        let mut sums = [[L::splat(0.0); N]; M];
        for (sums, bias) in sums.iter_mut().zip(&self.bias[first..]) {
            *sums = [L::splat(*bias); N];
        }
        for (taps, weights) in self.taps.iter().zip(self.weights.chunks_exact(self.bias.len())) {
            let mut factors = [L::splat(0.0); M];
            for (factor, weight) in factors.iter_mut().zip(&weights[first..first + M]) {
                *factor = L::splat(*weight);
            }
            // Beside the sums there are registers for the weights, and for one vector of inputs.
            for n in 0..N {
                let value = L::load(&planes[taps[n] as usize..]);
                for m in 0..M {
                    sums[m][n] = value.mul_add(factors[m], sums[m][n]);
                }
            }
        }
        // Without relu the floor is below all sums, so that none asks whether there is one.
        let floor = L::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        let step = self.step::<L>();
        let strip = &mut strip[..M * step];
        for (sums, strip) in sums.into_iter().zip(strip.chunks_exact_mut(step)) {
            if self.is_pooled {
                let mut largest = sums[0];
                for sum in &sums[1..] {
                    largest = largest.max(*sum);
                }
                largest.at_least(floor).store(strip);
            } else {
                for (sum, strip) in sums.into_iter().zip(strip.chunks_exact_mut(L::WIDTH)) {
                    sum.at_least(floor).store(strip);
                }
            }
        }
        self.write::<M>(strip, place, first, output);
    }

    /// Brings `M` channels of neighbouring places side by side, without what is between the rows of planes.
    #[inline(always)]
    fn write<const M: usize>(&self, strip: &[f32], place: usize, first: usize, output: &mut [f32]) {
        let (channels, pitch, [rows, columns]) = (self.bias.len(), self.planes.size[1], self.size);
        let step = strip.len() / M;
        let (mut row, mut column, mut lane) = (place / pitch, place % pitch, 0);
        while lane < step && row < rows {
            if column < columns {
                let count = (columns - column).min(step - lane);
                let mut from: [&[f32]; M] = [&[]; M];
                for (m, from) in from.iter_mut().enumerate() {
                    *from = &strip[m * step + lane..][..count];
                }
                let to = &mut output[(row * columns + column) * channels..][..count * channels];
                for (i, to) in to.chunks_exact_mut(channels).enumerate() {
                    for (to, from) in to[first..first + M].iter_mut().zip(&from) {
                        *to = from[i];
                    }
                }
            }
            lane += pitch - column;
            (row, column) = (row + 1, 0);
        }
    }
}
