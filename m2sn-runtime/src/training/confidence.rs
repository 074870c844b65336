//! The last stage for the confidence policy: in what order blocks run, and how sure an answer has to be to be the last.
//!
//! Nothing has a gradient here. The order is chosen on a random half of the validation samples, and so is, for each price,
//! the threshold whose answers are worth most there less the price of their time. What each price comes to, and may lose, is
//! judged by the other half.

use super::balances::{Trial, Trials, halves};
use super::context::Context;
use super::fit::seed;
use super::run::Run;
use crate::Result;
use crate::network::Network;
use crate::plan::Policy;
use crate::policy::{Allowance, Confident, Costs, Exiting, Front, Line, State, Sure, Terms, quantiles};
use crate::task::Task;

/// The thresholds that are tried, besides one that nobody reaches.
const THRESHOLDS: usize = 64;

/// Chooses the order of blocks and the thresholds, and tries the balances, by the costs of this machine.
pub(super) fn train<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>, costs: &Costs) -> Result<()> {
    let (grid, confidence) = (context.grid(), context.network.policies().confidence()?);
    tch::manual_seed(seed(run.seed, &format!("navigator/{}/halves", Policy::Confidence.name()), 0));
    let (chosen_by, judged_by) = halves(context.valid.len());
    let chunk = context.plan.navigator.stage.batch;
    let features = context.route_features(&context.valid, chunk, run.progress)?;
    let trials = Trials::of(context, costs, &features, &[], &chosen_by);
    let quality = |state: &State| Ok(mean(&trials.achieved(&trials.answers(state))?));
    let line = Line::greedy(costs, quality)?;
    let unit = match context.task() {
        Task::Regression { .. } => quality(&grid.last())?.abs().max(f64::EPSILON),
        _ => 1.0,
    };
    let sure = Sure::new(context.task());
    let rows: Vec<usize> = (0..chosen_by.size()[0] as usize).collect();
    let mut found = Vec::new();
    for state in line.exits(&grid) {
        found.extend(sure.of(&rows, &trials.answers(&state))?);
    }
    // Of values, nothing is sure at the first exit.
    found.retain(|sure| *sure > f64::MIN);
    let mut tries = Vec::new();
    for threshold in quantiles(found, THRESHOLDS).into_iter().map(f64::from).chain([f64::INFINITY]) {
        let frozen = Confident::everywhere(line.clone(), threshold);
        let allowances = [Some(Allowance { lambda: 0.0, milliseconds: f64::INFINITY })];
        let terms = Terms { costs, allowances: &allowances };
        tries.push((threshold, trials.run(&Exiting::new(context.task(), &frozen, terms))?));
    }
    let thresholds: Vec<f64> = Front::prices().map(|price| best(&tries, price * unit / costs.late_fusion())).collect();
    confidence.set(&line, &thresholds, unit)?;
    confidence.front.set(&Trials::of(context, costs, &features, &[], &judged_by).balances(Policy::Confidence)?);
    Ok(())
}

/// The threshold whose answers are worth most where a millisecond costs so much quality. Where time costs nothing, that is
/// the one that nobody reaches: a later answer that was worse on a few samples is no reason to leave early.
fn best(tries: &[(f64, Trial)], lambda: f64) -> f64 {
    let worth = |trial: &Trial| mean(&trial.qualities) - lambda * mean(&trial.milliseconds);
    let best = tries.iter().max_by(|(_, left), (_, right)| worth(left).total_cmp(&worth(right)));
    match best {
        Some((threshold, _)) if lambda > 0.0 => *threshold,
        _ => f64::INFINITY,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_weighed_against_quality() {
        let of = |threshold, quality, milliseconds| {
            (threshold, Trial { qualities: vec![quality; 2], milliseconds: vec![0.0, 2.0 * milliseconds] })
        };
        let tries = [of(0.1, 0.7, 1.0), of(0.5, 0.9, 2.0), of(0.9, 0.95, 4.0), of(f64::INFINITY, 0.94, 5.0)];
        assert_eq!([1e-3, 0.02, 0.05, 0.3].map(|lambda| best(&tries, lambda)), [0.9, 0.9, 0.5, 0.1]);
        assert_eq!(best(&tries, 0.0), f64::INFINITY, "depth that costs nothing is taken");
    }
}
