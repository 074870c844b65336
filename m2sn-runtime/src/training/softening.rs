//! Answers to samples that encoders have learned from, made as uncertain as answers to others.
//!
//! Trained long enough, encoders are sure of every sample that they have learned from, at every exit. Whoever learns from
//! such answers what depth is worth sees nothing of it. Divided by a temperature for each route, logits are on average as
//! sure as those of samples that the encoders have not seen; which class is the most probable does not change.

use tch::{Kind, Tensor};

use super::cache::{Features, chunks};
use super::context::Context;
use crate::network::Network;
use crate::policy::Grid;
use crate::task::Task;

/// The samples that go through fusion and head at a time.
const CHUNK: i64 = 1024;
/// The temperatures that are tried.
const TEMPERATURES: [f64; 2] = [1.0, 16.0];

/// By what the logits of each route have to be divided for the network to be as sure of `seen` samples as of `unseen` ones.
///
/// Features are those of [`Context::route_features`]; of the unseen samples those at `rows` count. Real values come with
/// no probability, and are divided by one.
pub(super) fn temperatures<N: Network>(
    context: &Context<'_, N>,
    grid: &Grid,
    seen: &[Features<'_>],
    unseen: &[Features<'_>],
    rows: &Tensor,
) -> Vec<f64> {
    let (task, rows) = (context.task(), rows.to_device(context.device));
    let of = |route: usize| {
        let held_out = logits(context, grid, unseen, route).index_select(0, &rows);
        let logits = logits(context, grid, seen, route);
        sureness(task, &held_out).map_or(1.0, |sure| temperature(task, &logits, sure))
    };
    (0..grid.len()).map(of).collect()
}

/// What the network says of all samples by a route, `[samples, outputs]`.
pub(super) fn logits<N: Network>(
    context: &Context<'_, N>,
    grid: &Grid,
    features: &[Features<'_>],
    route: usize,
) -> Tensor {
    let places = grid.places_of(route);
    let samples = features.first().map_or(0, Features::len);
    let parts = chunks(samples, CHUNK).map(|range| {
        let picked = places.iter().zip(features);
        let picked = picked.map(|(place, all)| all.range(range.clone()).tensor.select(1, *place as i64));
        tch::no_grad(|| context.network.fuse(&picked.collect::<Vec<_>>(), false))
    });
    Tensor::cat(&parts.collect::<Vec<_>>(), 0)
}

/// How probable the network finds what it says, on average; real values come with no probability.
fn sureness(task: Task, logits: &Tensor) -> Option<f64> {
    let probability = match task {
        Task::Classification { .. } => logits.softmax(-1, Kind::Float).amax(-1, false),
        Task::Multilabel { .. } => logits.abs().sigmoid(),
        Task::Regression { .. } => return None,
    };
    Some(probability.mean(Kind::Float).double_value(&[]))
}

/// By what logits have to be divided for the network to be this sure.
fn temperature(task: Task, logits: &Tensor, sure: f64) -> f64 {
    let [mut low, mut high] = TEMPERATURES;
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        let is_surer = sureness(task, &(logits / middle)).is_some_and(|found| found > sure);
        *if is_surer { &mut low } else { &mut high } = middle;
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temperature_is_the_one_that_was_taken_away() {
        let logits = Tensor::randn([500, 4], tch::kind::FLOAT_CPU) * 2.0;
        for task in [Task::Classification { classes: 4 }, Task::Multilabel { labels: 4 }] {
            let sure = sureness(task, &logits).unwrap();
            let found = temperature(task, &(&logits * 3.0), sure);
            assert!((found - 3.0).abs() < 1e-3, "{found}");
            assert!(temperature(task, &(&logits * 0.5), sure) < 1.001, "nothing is made surer than it is");
        }
        assert_eq!(sureness(Task::Regression { targets: 4 }, &logits), None);
    }
}
