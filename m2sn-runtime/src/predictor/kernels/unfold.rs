//! Copies of what lies under a kernel, for images of few channels.

use super::lanes::{Lanes, Level, Work, load, store};
use super::layout::{Source, Target};

/// Brings what lies under a kernel side by side at each of its places.
///
/// A product finds where each tap's input lies before it multiplies. That takes as long as some channels do; where there
/// are no more than those, it is faster to copy them first.
#[derive(Debug)]
pub(super) struct Unfold {
    runs: Vec<Run>,
}

/// Numbers that lie side by side before and after.
#[derive(Debug)]
struct Run {
    /// Where in a sample they come from.
    from: usize,
    len: usize,
}

impl Unfold {
    /// Copies the channels of taps, each from where they begin.
    pub(super) fn new(taps: &[u32], channels: usize) -> Self {
        let mut runs: Vec<Run> = vec![];
        for from in taps.iter().map(|tap| *tap as usize) {
            match runs.last_mut() {
                Some(run) if run.from + run.len == from => run.len += channels,
                _ => runs.push(Run { from, len: channels }),
            }
        }
        Self { runs }
    }

    /// Copies all of all samples.
    pub(super) fn run(&self, level: Level, input: Source<'_>, output: Target<'_>) {
        level.run(Copies { runs: &self.runs, input, output });
    }
}

struct Copies<'a> {
    runs: &'a [Run],
    input: Source<'a>,
    output: Target<'a>,
}

impl Work for Copies<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        for (input, output) in self.input.data.chunks_exact(self.input.layout.sample).zip(self.output.samples()) {
            let mut start = 0;
            for Run { from, len } in self.runs {
                // Whole vectors are copied as far as there is room. What is too much of them is written over by the next.
                for at in (0..*len).step_by(L::WIDTH) {
                    store(load::<L>(&input[from + at..]), &mut output[start + at..]);
                }
                start += len;
            }
        }
    }
}
