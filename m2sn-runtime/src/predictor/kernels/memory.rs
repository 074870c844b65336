//! Which part of the memory that a program works in is whose, and when.

/// Floats of a cache line, the largest vector.
pub(super) const LINE: usize = 16;
/// Floats more than needed that let a part of memory begin with a cache line.
pub(super) const SLACK: usize = LINE - 1;

/// Where in a slice the first cache line begins: at most [`SLACK`] floats on.
pub(super) fn aligned(floats: &[f32]) -> usize {
    floats.as_ptr().align_offset(LINE * size_of::<f32>()).min(SLACK)
}

/// Parts of memory for values that live from one step to another; those that never live at once may share theirs.
#[derive(Debug, Default)]
pub(super) struct Planner {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    /// The last step that the part is held for.
    until: usize,
}

impl Planner {
    /// The start of a part that is held from one step to another, both included. To be asked in the order of the steps.
    pub(super) fn place(&mut self, len: usize, from: usize, until: usize) -> usize {
        let len = len.next_multiple_of(LINE);
        let mut held: Vec<Part> = self.parts.iter().copied().filter(|part| part.until >= from).collect();
        held.sort_by_key(|part| part.start);
        let mut start = 0;
        for part in held {
            if start + len <= part.start {
                break;
            }
            start = start.max(part.end);
        }
        self.parts.push(Part { start, end: start + len, until });
        start
    }

    /// How much memory all parts take.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.end).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_held_at_once_do_not_overlap_and_others_share() {
        let mut planner = Planner::default();
        assert_eq!(planner.place(20, 0, 1), 0);
        assert_eq!(planner.place(10, 1, 3), 32);
        assert_eq!(planner.place(33, 2, 2), 48);
        assert_eq!(planner.place(32, 2, 4), 0);
        assert_eq!(planner.place(16, 3, 4), 48);
        assert_eq!(planner.len(), 96);
    }
}
