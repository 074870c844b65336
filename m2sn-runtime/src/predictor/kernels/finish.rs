//! What products do with a sum before they write it.

use super::lanes::{Lanes, load, store};
use super::layout::{Source, Target};

/// Writes `max(sum + add, floor)`.
pub(super) struct Finish<'a> {
    add: Option<Source<'a>>,
    output: Target<'a>,
    floor: f32,
}

impl<'a> Finish<'a> {
    /// For an output, or a part of one, of which nothing but sums will be written.
    pub(super) fn new(add: Option<Source<'a>>, output: Target<'a>, relu: bool) -> Self {
        // Without relu the floor is below all sums, so that none asks whether there is one.
        Self { add, output, floor: if relu { 0.0 } else { f32::NEG_INFINITY } }
    }

    /// Writes the sums of channels that follow one, at a place of a sample.
    #[inline(always)]
    pub(super) fn write<L: Lanes>(&mut self, mut sum: L, sample: usize, place: usize, channel: usize) {
        let layout = self.output.layout;
        let count = (layout.channels - channel).min(L::WIDTH);
        if let Some(add) = self.add {
            sum = sum.add(load(add.some(sample, add.layout.place(0, place) + channel, count)));
        }
        store(sum.at_least(L::splat(self.floor)), self.output.channels(sample, place, channel, count));
    }
}
