//! Threads that compute a kernel together.

use std::ops::Range;

use super::layout::Target;
use crate::dispatcher::parallel_for;

/// The multiply-adds, or the numbers that are looked at, for which it pays to hand work to another thread.
const WORTH_HANDING: usize = 400_000;

/// As many threads as may share a kernel, each with a room of its own to work in.
///
/// They part the rows of an output, which lie one after the other in memory. What a row comes to does not depend on who
/// computes it, nor on the rows beside it.
pub(super) struct Team<'a> {
    threads: usize,
    /// The rooms of all threads, one after the other.
    rooms: &'a mut [f32],
}

impl<'a> Team<'a> {
    /// Rooms that cannot be parted evenly keep a rest.
    pub(super) fn new(threads: usize, rooms: &'a mut [f32]) -> Self {
        Self { threads, rooms }
    }

    /// The room of a single thread.
    pub(super) fn room(&mut self) -> &mut [f32] {
        let len = self.rooms.len() / self.threads;
        &mut self.rooms[..len]
    }

    /// Computes so many rows of an output, each of so much work. `start` tells which float of the output a row begins
    /// with, and `compute` writes some rows to the part of the output that they lie in.
    pub(super) fn share(
        &mut self,
        rows: usize,
        work: usize,
        output: Target<'_>,
        start: impl Fn(usize) -> usize + Sync,
        compute: impl Fn(Range<usize>, Target<'_>, &mut [f32]) + Sync,
    ) {
        let shares = self.threads.min(rows).min(rows.saturating_mul(work) / WORTH_HANDING);
        if shares < 2 {
            return compute(0..rows, output, self.room());
        }
        let len = self.rooms.len() / self.threads;
        let (mut rest, mut rooms, mut begin) = (output, &mut *self.rooms, 0);
        let mut parts = Vec::with_capacity(shares);
        for share in 1..shares {
            let end = rows * share / shares;
            let (room, others) = rooms.split_at_mut(len);
            let (output, further) = rest.split_at(start(end));
            parts.push((begin..end, output, room));
            (rest, rooms, begin) = (further, others, end);
        }
        parts.push((begin..rows, rest, &mut rooms[..len]));
        parallel_for(parts, |(rows, output, room)| compute(rows, output, room));
    }
}
