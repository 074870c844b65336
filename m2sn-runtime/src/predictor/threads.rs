//! How many threads answer fastest.

use std::sync::{Arc, Mutex};

use super::Precision;
use super::frozen::Frozen;
use super::runner::is_faster;
use crate::Result;
use crate::network::Network;
use crate::parts::Parts;

/// The parts of a model with the number of threads that is faster, one or all, which is set.
///
/// # Errors
/// As [`Frozen::new`].
pub(super) fn fastest<N: Network>(model: &Arc<Mutex<N>>, precision: Precision) -> Result<Frozen<N>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = i32::try_from(cores).unwrap_or(i32::MAX);
    // Engines are compared with the threads that they will have.
    let freeze = |threads: i32| {
        tch::set_num_threads(threads);
        Frozen::new(model, precision, None)
    };
    if all == 1 {
        return freeze(1);
    }
    let (with_all, alone) = (freeze(all)?, freeze(1)?);
    let input: Vec<_> = alone.samples().iter().map(|feature| feature.narrow(0, 1)).collect();
    let answer = |frozen: &Frozen<N>, threads: i32| {
        tch::set_num_threads(threads);
        drop(frozen.late_fusion(&input));
    };
    let _no_grad = tch::no_grad_guard();
    if is_faster(&|| answer(&with_all, all), &|| answer(&alone, 1)) {
        tch::set_num_threads(all);
        return Ok(with_all);
    }
    tch::set_num_threads(1);
    Ok(alone)
}
