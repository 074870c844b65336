//! Images with a border of zeros.

use super::layout::{Source, Target};

/// Puts zeros around an image.
///
/// Then the channels under one row of a kernel lie side by side wherever the kernel is, and a product needs to find but
/// one place for all of them.
#[derive(Debug)]
pub(super) struct Border {
    /// The floats of a row, before and after.
    row: [usize; 2],
    /// The floats before the first row.
    before: usize,
}

impl Border {
    /// A border of so many rows and columns on every side, for an image of such channels and columns.
    pub(super) fn new(padding: [usize; 2], channels: usize, columns: usize) -> Self {
        let row = [columns * channels, (columns + 2 * padding[1]) * channels];
        Self { row, before: padding[0] * row[1] + padding[1] * channels }
    }

    /// Copies all samples.
    pub(super) fn run(&self, input: Source<'_>, mut output: Target<'_>) {
        output.clear();
        for (input, output) in input.samples().zip(output.samples()) {
            let rows = output[self.before..].chunks_mut(self.row[1]);
            for (from, to) in input.chunks_exact(self.row[0]).zip(rows) {
                to[..self.row[0]].copy_from_slice(from);
            }
        }
    }
}
