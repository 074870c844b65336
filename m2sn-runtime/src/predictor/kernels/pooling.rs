//! Maxima and means over windows, channel by channel.

use std::ops::Range;

use super::lanes::{Lanes, Level, Work, load, store};
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
                    self.pool.reduce::<L>(window, &input[vector * L::WIDTH..], channels, output);
                }
            }
        }
    }
}

impl Pool {
    /// A vector of channels under a window; the first place's are those that the input begins with.
    #[inline(always)]
    fn reduce<L: Lanes>(
        &self,
        [rows, columns]: [&Range<usize>; 2],
        input: &[f32],
        channels: usize,
        output: &mut [f32],
    ) {
        let mut all = L::splat(if self.reduction == Reduction::Max { f32::NEG_INFINITY } else { 0.0 });
        for row in rows.clone() {
            for column in columns.clone() {
                let place = load::<L>(&input[(row * self.width + column) * channels..][..output.len()]);
                all = if self.reduction == Reduction::Max { all.max(place) } else { all.add(place) };
            }
        }
        if self.reduction == Reduction::Mean {
            all = all.mul(L::splat(1.0 / (rows.len() * columns.len()) as f32));
        }
        store(all, output);
    }
}
