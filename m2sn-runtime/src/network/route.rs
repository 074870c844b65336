//! The way of a sample: one exit for each modality that takes part.

use std::fmt::{Debug, Display};

/// One exit for each modality of a generated model.
pub trait Route: Copy + Eq + Ord + std::hash::Hash + Debug + Display + Send + Sync + 'static {
    /// The number of blocks of each modality that run: up to its exit, or none where it takes no part.
    fn blocks(&self) -> Vec<usize>;

    /// The route on which so many blocks of each modality run; `None` where there is no such route.
    fn from_blocks(blocks: &[usize]) -> Option<Self>;
}

/// The exit at which so many blocks have run, of all exits of a modality in their order.
pub fn exit<E: Copy>(all: &[E], blocks: usize) -> Option<E> {
    all.get(blocks.checked_sub(1)?).copied()
}

/// As [`exit()`], of a modality that may take no part: that is `Some(None)`.
pub fn exit_or_none<E: Copy>(all: &[E], blocks: usize) -> Option<Option<E>> {
    if blocks == 0 { Some(None) } else { exit(all, blocks).map(Some) }
}

/// The exit of a modality that may take no part, as a route shows it.
pub fn shown<E: Display>(exit: &Option<E>) -> &dyn Display {
    match exit {
        Some(exit) => exit,
        None => &"none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_counted_by_their_blocks() {
        let all = ["first", "full"];
        assert_eq!([0, 1, 2, 3].map(|blocks| exit(&all, blocks)), [None, Some("first"), Some("full"), None]);
        assert_eq!((exit_or_none(&all, 0), exit_or_none(&all, 2)), (Some(None), Some(Some("full"))));
        assert_eq!(exit_or_none(&all, 3), None);
        assert_eq!(format!("{}, {}", shown(&Some("full")), shown::<&str>(&None)), "full, none");
    }
}
