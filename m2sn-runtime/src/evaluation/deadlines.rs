//! Whether budgets of milliseconds are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Scores, table};
use crate::data::Dataset;
use crate::latency::Bar;
use crate::network::Network;
use crate::plan::Policy;
use crate::policy::Budget;
use crate::{Error, Result, routing};

/// What becomes of single samples that have to be answered within a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deadline {
    /// The limit, in milliseconds.
    pub limit: f64,
    /// The mean time of an answer.
    pub mean: f64,
    /// The share of answers that took longer.
    pub missed: f64,
    /// The share of answers whose way the limit ended early.
    pub cut: f64,
    /// The scores of the answers.
    pub scores: Scores,
}

/// Answers samples one at a time by a learned policy within [`Budget::Milliseconds`], for each of some limits.
///
/// Limits take turns from sample to sample, so that a disturbance of the machine meets all of them; the first answers do
/// not count. Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] where there is no limit or no sample; as [`routing::predict_within`].
pub fn deadlines<N: Network>(
    network: &N,
    data: &Dataset<N::Input>,
    policy: Policy,
    limits: &[f64],
) -> Result<Vec<Deadline>> {
    if limits.is_empty() || data.is_empty() {
        return Err(Error::invalid("deadlines: expected at least one limit and one sample"));
    }
    let mut answers: Vec<Vec<(f64, bool)>> = vec![Vec::new(); limits.len()];
    let mut logits: Vec<Vec<tch::Tensor>> = limits.iter().map(|_| Vec::new()).collect();
    let mut bar = Bar::new("deadlines", data.len() as usize);
    for row in 0..data.len() {
        let input = data.select(&[row])?.input()?;
        for (index, limit) in limits.iter().enumerate() {
            let budget = Budget::Milliseconds(*limit);
            if row == 0 {
                (0..WARM_UP).try_for_each(|_| routing::predict_within(network, &input, policy, budget).map(|_| ()))?;
            }
            let answer = routing::predict_within(network, &input, policy, budget)?;
            answers[index].push((answer.milliseconds, answer.cut.contains(&true)));
            logits[index].push(answer.logits);
        }
        bar.step();
    }
    let rule = network.policies().rule()?;
    let count = data.len() as f64;
    let each = limits.iter().zip(answers).zip(logits).map(|((limit, answers), logits)| {
        let share =
            |of: &dyn Fn(&(f64, bool)) -> bool| answers.iter().filter(|answer| of(answer)).count() as f64 / count;
        Ok(Deadline {
            limit: *limit,
            mean: answers.iter().map(|(milliseconds, _)| milliseconds).sum::<f64>() / count,
            missed: share(&|(milliseconds, _)| milliseconds > limit),
            cut: share(&|(_, cut)| *cut),
            scores: Scores::of(rule.clone(), &tch::Tensor::cat(&logits, 0), data.target())?,
        })
    });
    each.collect()
}

/// Answers that are discarded for each limit.
const WARM_UP: usize = 10;

/// Deadlines as a table in Markdown.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines<'a>(pub &'a [Deadline]);

impl fmt::Display for Deadlines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["limit, ms", "mean, ms", "missed, %", "cut, %", "quality"].map(str::to_owned);
        let rows = self.0.iter().map(|deadline| {
            let Deadline { limit, mean, missed, cut, scores } = deadline;
            let shares = [missed, cut].map(|share| format!("{:.2}", 100.0 * share));
            let [missed, cut] = shares;
            vec![format!("{limit:.3}"), format!("{mean:.3}"), missed, cut, format!("{:.4}", scores.quality())]
        });
        write!(f, "{}", table::markdown(&head, &rows.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::{Tiny, TinyRoute, sequential};

    #[test]
    fn limits_are_compared_on_the_same_samples() {
        let (network, splits) = sequential().unwrap();

        let found = deadlines(&network, &splits.valid, Policy::Sequential, &[1e6, 0.0]).unwrap();
        assert_eq!((found[0].limit, found[0].missed, found[0].cut), (1e6, 0.0, 0.0));
        assert_eq!(found[1].missed, 1.0, "nothing takes no time");
        let cheapest = routing::predict_by(&network, &splits.valid.input().unwrap(), TinyRoute::at([0, 0])).unwrap();
        let expected = Scores::of(Tiny::description().task, &cheapest.logits, splits.valid.target()).unwrap();
        assert_eq!(found[1].scores, expected, "without time there is the cheapest answer");
        assert!(Deadlines(&found).to_string().contains("| 1000000.000 |"));
        assert!(deadlines(&network, &splits.valid, Policy::Sequential, &[]).is_err());
    }
}
