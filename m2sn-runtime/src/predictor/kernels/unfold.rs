//! Copies of what lies under a kernel, for images of few channels.

use super::layout::{Source, Target};

/// Brings what lies under a kernel side by side at each of its places.
///
/// A product finds where each tap's input lies before it multiplies. That takes as long as some channels do; where there
/// are no more than those, it is faster to copy them first.
#[derive(Debug)]
pub(super) struct Unfold {
    /// Where in a sample each number comes from.
    from: Vec<u32>,
}

impl Unfold {
    /// Copies runs of so many channels, each from where it begins.
    pub(super) fn new(runs: &[u32], channels: usize) -> Self {
        Self { from: runs.iter().flat_map(|run| (0..channels as u32).map(move |channel| run + channel)).collect() }
    }

    /// Copies all of all samples.
    pub(super) fn run(&self, input: Source<'_>, mut output: Target<'_>) {
        for (input, output) in input.data.chunks_exact(input.layout.sample).zip(output.samples()) {
            for (to, from) in output.iter_mut().zip(&self.from) {
                *to = input[*from as usize];
            }
        }
    }
}
