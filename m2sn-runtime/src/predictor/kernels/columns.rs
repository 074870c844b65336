//! Convolutions of few output channels, whose lanes are neighbouring places.
//!
//! Lanes of channels are wasted where there are fewer channels than lanes. Here a vector is one channel of neighbouring
//! outputs: their inputs are loaded from planes, and times one weight they are added to the sums of each channel. Where
//! the largest of each square of 2x2 outputs is all that is asked for, the four are the sums of four vectors, so that
//! nothing but the maximum ever leaves the registers.

use super::lanes::{Lanes, Level, Work};
use super::layout::{Source, Target};
use super::planes::Planes;
use super::tile::for_rows;

/// How many vectors of places are taken at once: as many as there are outputs in a square.
pub(super) const VECTORS: usize = 4;

/// `relu(weight ⋆ input + bias)`, or the largest of each 2x2 of that.
#[derive(Debug)]
pub(super) struct Columns {
    /// By tap, then by output.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Where in the planes a tap of a channel lies, for each vector of the first places.
    pub(super) taps: Vec<[u32; VECTORS]>,
    pub(super) planes: Planes,
    /// The rows and columns of the output.
    pub(super) size: [usize; 2],
    /// Whether the vectors are the four of each square, not one another's neighbours.
    pub(super) is_pooled: bool,
    pub(super) relu: bool,
}

impl Columns {
    /// Floats that [`Columns::run`] needs to work in.
    pub(super) fn room(&self, level: Level) -> usize {
        // The last vectors may reach beyond the last plane, but for places that are not written.
        self.planes.len() + VECTORS * level.width() * (1 + self.bias.len())
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
        let kernel = self.columns;
        let Columns { bias, planes, size: [rows, columns], is_pooled, .. } = kernel;
        self.output.clear_zeros();
        let (room, strip) = self.room.split_at_mut(planes.len() + VECTORS * L::WIDTH);
        room.fill(0.0);
        let step = if *is_pooled { L::WIDTH } else { VECTORS * L::WIDTH };
        let blocks = bias.len().div_ceil(L::SUMS / VECTORS);
        for (input, output) in self.input.samples().zip(self.output.samples()) {
            planes.fill(input, room);
            for place in (0..(rows - 1) * planes.size[1] + columns).step_by(step) {
                let mut first = 0;
                for block in 0..blocks {
                    let count = (bias.len() - first) / (blocks - block);
                    for_rows!(count, kernel.tile::<L, VECTORS>(&room[place..], first, strip, place, output));
                    first += count;
                }
            }
        }
    }
}

impl Columns {
    /// `M` channels of `N` vectors of places, or of their maximum, channel by channel.
    #[inline(always)]
    fn tile<L: Lanes, const N: usize, const M: usize>(
        &self,
        planes: &[f32],
        first: usize,
        strip: &mut [f32],
        place: usize,
        output: &mut [f32],
    ) {
        let mut sums = [[L::splat(0.0); N]; M];
        for m in 0..M {
            sums[m] = [L::splat(self.bias[first + m]); N];
        }
        for (taps, weights) in self.taps.iter().zip(self.weights.chunks_exact(self.bias.len())) {
            let weights = &weights[first..first + M];
            let mut factors = [L::splat(0.0); M];
            for m in 0..M {
                factors[m] = L::splat(weights[m]);
            }
            for n in 0..N {
                let value = L::load(&planes[taps[n] as usize..]);
                for m in 0..M {
                    sums[m][n] = value.mul_add(factors[m], sums[m][n]);
                }
            }
        }
        // Without relu the floor is below all sums, so that none asks whether there is one.
        let floor = L::splat(if self.relu { 0.0 } else { f32::NEG_INFINITY });
        for m in 0..M {
            if self.is_pooled {
                let mut largest = sums[m][0];
                for n in 1..N {
                    largest = largest.max(sums[m][n]);
                }
                largest.at_least(floor).store(&mut strip[m * L::WIDTH..]);
            } else {
                for n in 0..N {
                    sums[m][n].at_least(floor).store(&mut strip[(m * N + n) * L::WIDTH..]);
                }
            }
        }
        let step = if self.is_pooled { L::WIDTH } else { N * L::WIDTH };
        self.write::<M>(&strip[..M * step], place, first, output);
    }

    /// Brings `M` channels of neighbouring places side by side, without what is between the rows.
    #[inline(always)]
    fn write<const M: usize>(&self, strip: &[f32], place: usize, first: usize, output: &mut [f32]) {
        let (channels, pitch, [rows, columns]) = (self.bias.len(), self.planes.size[1], self.size);
        let step = strip.len() / M;
        let (mut row, mut column, mut lane) = (place / pitch, place % pitch, 0);
        while lane < step && row < rows {
            if column < columns {
                let count = (columns - column).min(step - lane);
                let to = &mut output[(row * columns + column) * channels..][..count * channels];
                let mut from: [&[f32]; M] = [&[]; M];
                for m in 0..M {
                    from[m] = &strip[m * step + lane..][..count];
                }
                for (i, to) in to.chunks_exact_mut(channels).enumerate() {
                    let to = &mut to[first..first + M];
                    for m in 0..M {
                        to[m] = from[m][i];
                    }
                }
            }
            lane += pitch - column;
            (row, column) = (row + 1, 0);
        }
    }
}
