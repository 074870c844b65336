//! What routing in batches loses against batches that never part.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Exits, table};
use crate::data::Dataset;
use crate::latency::{self, Bar};
use crate::network::{Input, Network};
use crate::plan::Policy;
use crate::policy::{Budget, Costs};
use crate::{Error, Result, routing};

/// The time of a sample in batches whose samples go different ways.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Batched {
    /// The number of samples in a batch.
    pub batch: i64,
    /// The milliseconds for each sample: the median over batches, by the number of samples.
    pub measured: f64,
    /// What the same blocks, shortcuts and heads would take if each ran in full batches: the latency table of that batch
    /// size, along the samples' ways.
    pub ideal: f64,
    /// The milliseconds for each sample by late fusion, in the same batches.
    pub late_fusion: f64,
}

/// Times a learned policy on batches of several sizes, drawn in the order of the data, against what is ideal.
///
/// Batches part where samples do, and small parts are less efficient; the difference is what routing in batches costs.
/// Where this takes longer than a second, a terminal shows the progress.
///
/// # Errors
/// [`Error::Invalid`] where there are fewer samples than a batch holds; as [`routing::predict_within`].
pub fn batches<N: Network>(
    network: &N,
    data: &Dataset<N::Input>,
    policy: Policy,
    budget: Budget,
    sizes: &[i64],
) -> Result<Vec<Batched>> {
    check_sizes(sizes, data.len())?;
    let exits = Exits::of(network, data)?;
    let standing = network.policies().standing(policy)?;
    let mut bar = Bar::new("batches", sizes.len() * ROUNDS);
    sizes
        .iter()
        .map(|size| {
            let settings = latency::Settings { batch: *size, ..latency::Settings::default() };
            let costs = Costs::new::<N>(latency::measure(network, &data.some(*size)?.features(), &settings)?)?;
            let decided =
                routing::within(standing.as_ref(), &costs, &[budget], |policy| exits.decided(policy, &costs))?;
            let (mut own, mut late_fusion, mut ideal) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS as i64 {
                let start = round * size % (data.len() - size + 1);
                let input = data.narrow(start, *size)?.input()?;
                // Each follows itself, so that neither is slowed by what the other has left in the caches.
                let adaptive = || routing::predict_within(network, &input, policy, budget).map(|a| a.milliseconds);
                let fixed = || routing::predict_by(network, &input, routing::full::<N>()).map(|a| a.milliseconds);
                own.push(adaptive().and_then(|_| adaptive())?);
                late_fusion.push(fixed().and_then(|_| fixed())?);
                let rows = start as usize..(start + size) as usize;
                ideal.push(decided.milliseconds[rows].iter().sum::<f64>() / *size as f64);
                bar.step();
            }
            let each = *size as f64;
            let median = |times: &[f64]| latency::Estimate::of(times).map_or(0.0, |estimate| estimate.median) / each;
            Ok(Batched {
                batch: *size,
                measured: median(&own),
                ideal: median(&ideal),
                late_fusion: median(&late_fusion),
            })
        })
        .collect()
}

/// Checks that there are enough samples for batches of these sizes.
///
/// # Errors
/// [`Error::Invalid`] with the first size for which there are not.
pub(super) fn check_sizes(sizes: &[i64], samples: i64) -> Result<()> {
    match sizes.iter().find(|size| !(1..=samples).contains(*size)) {
        Some(size) => Err(Error::invalid(format!(
            "batches: a batch of {size} was asked for, expected 1 to {samples}, the number of samples"
        ))),
        None => Ok(()),
    }
}

/// The batches of each size that are timed.
pub(super) const ROUNDS: usize = 30;

/// Timings of batches as a table in Markdown.
#[derive(Debug, Clone, Copy)]
pub struct Batches<'a>(pub &'a [Batched]);

impl fmt::Display for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["batch", "ms a sample", "ideal", "by ideal", "late fusion"].map(str::to_owned);
        let rows = self.0.iter().map(|Batched { batch, measured, ideal, late_fusion }| {
            let figures = [*measured, *ideal, measured / ideal, *late_fusion].map(|figure| format!("{figure:.3}"));
            std::iter::once(batch.to_string()).chain(figures).collect()
        });
        write!(f, "{}", table::markdown(&head, &rows.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::sequential;

    #[test]
    fn batches_of_several_sizes_are_timed() {
        let (network, splits) = sequential().unwrap();
        let of = |sizes: &[i64]| batches(&network, &splits.valid, Policy::Sequential, Budget::Price(0.1), sizes);

        let found = of(&[1, 8, 32]).unwrap();
        assert_eq!(found.iter().map(|batched| batched.batch).collect::<Vec<_>>(), [1, 8, 32]);
        assert!(found.iter().all(|batched| batched.measured > 0.0 && batched.ideal > 0.0 && batched.late_fusion > 0.0));
        assert!(Batches(&found).to_string().contains("by ideal"));
        let message = of(&[33]).unwrap_err().to_string();
        assert_eq!(message, "batches: a batch of 33 was asked for, expected 1 to 32, the number of samples");
    }
}
