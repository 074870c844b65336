//! All the routes of a network.

use crate::network::{Network, Route};
use crate::policy::Grid;

/// The number of routes: the product of the modalities' numbers of exits; of one that may be missing, taking no part
/// counts as an exit, and one modality at least takes part.
pub fn count<N: Network>() -> usize {
    Grid::of(N::description().modalities).len()
}

/// All routes, in the order of their exits; the last modality changes fastest.
///
/// Their number grows with the power of the modalities, see [`count`]; they are made one by one.
pub fn all<N: Network>() -> impl Iterator<Item = N::Route> {
    let grid = Grid::of(N::description().modalities);
    (0..grid.len()).filter_map(move |number| N::Route::from_blocks(grid.state(number).blocks()))
}

/// The route of late fusion: every encoder to its end.
pub fn full<N: Network>() -> N::Route {
    let last = Grid::of(N::description().modalities).last();
    N::Route::from_blocks(last.blocks()).expect("the exits of the description are those of the route")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::{Tiny, TinyRoute};

    #[test]
    fn routes_are_all_there_in_order() {
        let routes: Vec<_> = all::<Tiny>().collect();
        assert_eq!(routes.len(), 9);
        assert_eq!(count::<Tiny>(), 9);
        assert_eq!(routes[..4], [[0, 0], [0, 1], [0, 2], [1, 0]].map(TinyRoute::at));
        assert!(routes.is_sorted());
        assert_eq!(full::<Tiny>(), TinyRoute::at([2, 2]));
    }
}
