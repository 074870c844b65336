//! Maxima and means over windows, channel by channel.

use std::ops::Range;

use super::lanes::{Lanes, Level, Work};
use super::layout::{Source, Target};

/// Makes one of what lies under each window.
#[derive(Debug)]
pub(super) struct Pool {
    reduction: Reduction,
    /// The rows and the columns under the windows: every pair of the two is a window.
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    /// The columns of the image.
    width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    Max,
    Mean,
}

impl Pool {
    /// Windows must not be empty.
    pub(super) fn new(reduction: Reduction, [rows, columns]: [Vec<Range<usize>>; 2], width: usize) -> Self {
        Self { reduction, rows, columns, width }
    }

    /// Computes all windows of all samples.
    pub(super) fn run(&self, level: Level, input: Source<'_>, output: Target<'_>) {
        level.run(Run { pool: self, input, output });
    }
}

struct Run<'a> {
    pool: &'a Pool,
    input: Source<'a>,
    output: Target<'a>,
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        self.output.clear_zeros();
        let Pool { rows, columns, .. } = self.pool;
        let channels = self.output.layout.channels;
        for (input, output) in self.input.samples().zip(self.output.samples()) {
            let windows = rows.iter().flat_map(|rows| columns.iter().map(move |columns| [rows, columns]));
            for (window, output) in windows.zip(output.chunks_exact_mut(channels)) {
                for (vector, output) in output.chunks_mut(L::WIDTH).enumerate() {
                    let from = vector * L::WIDTH;
                    let place = |place: usize| &input[place * channels + from..][..output.len()];
                    if output.len() == L::WIDTH {
                        self.pool.reduce(window, |at| L::load(place(at))).store(output);
                    } else {
                        self.pool.reduce(window, |at| L::load_some(place(at))).store_some(output);
                    }
                }
            }
        }
    }
}

impl Pool {
    #[inline(always)]
    fn reduce<L: Lanes>(&self, [rows, columns]: [&Range<usize>; 2], place: impl Fn(usize) -> L) -> L {
        let places = rows.clone().flat_map(|row| columns.clone().map(move |column| row * self.width + column));
        match self.reduction {
            Reduction::Max => places.fold(L::splat(f32::NEG_INFINITY), |max, at| max.max(place(at))),
            Reduction::Mean => {
                let sum = places.fold(L::splat(0.0), |sum, at| sum.add(place(at)));
                sum.mul(L::splat(1.0 / (rows.len() * columns.len()) as f32))
            }
        }
    }
}
