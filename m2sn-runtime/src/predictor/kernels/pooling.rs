//! Maxima and means over windows, channel by channel.

use std::ops::Range;

use super::lanes::{Lanes, Level, Work, load, store};
use super::layout::{Source, Target};
use super::team::Team;

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
    pub(super) fn run(&self, level: Level, input: Source<'_>, mut output: Target<'_>, mut team: Team<'_>) {
        output.clear_zeros();
        let (layout, columns) = (output.layout, self.columns.len());
        let start = |row: usize| layout.place(row / self.rows.len(), row % self.rows.len() * columns);
        let work = input.layout.places * layout.channels / self.rows.len();
        team.share(input.count() * self.rows.len(), work, output, start, |rows, output, _| {
            level.run(Run { pool: self, rows, input, output });
        });
    }
}

struct Run<'a> {
    pool: &'a Pool,
    /// Of the rows of windows of all samples, those to be computed.
    rows: Range<usize>,
    input: Source<'a>,
    output: Target<'a>,
}

impl Work for Run<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let Pool { rows, columns, .. } = self.pool;
        let channels = self.output.layout.channels;
        for row in self.rows {
            let (sample, row) = (row / rows.len(), row % rows.len());
            let input = self.input.sample(sample);
            for (column, window) in columns.iter().enumerate() {
                let output = self.output.channels(sample, row * columns.len() + column, 0, channels);
                for (vector, output) in output.chunks_mut(L::WIDTH).enumerate() {
                    self.pool.reduce::<L>([&rows[row], window], &input[vector * L::WIDTH..], channels, output);
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
