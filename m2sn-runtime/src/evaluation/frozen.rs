//! What freezing a model is worth, and what routing on top of it still saves.

use std::fmt;

use serde::Serialize;

use super::batches::{ROUNDS, check_sizes};
use super::statistics::Interval;
use super::{Scores, table, timing};
use crate::data::Dataset;
use crate::latency::{self, Bar, Estimate, Table};
use crate::network::{Description, Network, Route};
use crate::plan::Policy;
use crate::policy::Budget;
use crate::predictor::Predictor;
use crate::random::SplitMix64;
use crate::routing::{self, Answer};
use crate::task::Rule;
use crate::{Error, Result};

/// A model and its predictor on the same samples.
#[derive(Debug, Clone, Serialize)]
pub struct Frozen {
    /// The precision of the predictor, and what runs each of its chains.
    pub engines: Vec<String>,
    /// What was measured on the predictor's parts.
    pub table: Option<Table>,
    /// The ways to answer.
    pub rows: Vec<FrozenRow>,
    /// Batches whose samples go different ways.
    pub routed: Vec<Routed>,
}

/// A way to answer.
#[derive(Debug, Clone, Serialize)]
pub struct FrozenRow {
    /// Who answers, and how.
    pub name: String,
    /// On all samples.
    pub scores: Scores,
    /// For one sample.
    pub milliseconds: Interval,
    /// Of the time of the model's late fusion.
    pub by_model: Interval,
    /// Of the time of the predictor's late fusion.
    pub by_predictor: Interval,
}

/// The time of batches whose samples go different ways.
#[derive(Debug, Clone, Serialize)]
pub struct Routed {
    /// How the routes were drawn.
    pub decisions: &'static str,
    /// The number of samples in a batch.
    pub batch: i64,
    /// The milliseconds of a batch: the median.
    pub measured: f64,
    /// The sum of the samples' ways, each at the efficiency of a full batch.
    pub ideal: f64,
    /// Late fusion for the same batches.
    pub late_fusion: f64,
}

/// Scores and times a model, its predictor, and the predictor's learned policy within a budget.
///
/// # Errors
/// [`Error::Invalid`] where there are no samples to time; as [`routing::predict_within`].
pub fn frozen<N: Network>(
    model: &N,
    predictor: &Predictor<N>,
    data: &Dataset<N::Input>,
    (policy, budget): (Policy, Budget),
    settings: &timing::Settings,
) -> Result<Frozen> {
    let full = routing::full::<N>();
    type Ask<'a, N> = (&'static str, Box<dyn Fn(&<N as Network>::Input) -> Result<Answer<<N as Network>::Route>> + 'a>);
    let ways: Vec<Ask<'_, N>> = vec![
        ("model, late fusion", Box::new(|input| routing::predict_by(model, input, full))),
        ("model, by its policy", Box::new(|input| routing::predict_within(model, input, policy, budget))),
        ("predictor, late fusion", Box::new(|input| predictor.predict_by(input, full))),
        ("predictor, by its policy", Box::new(|input| predictor.predict_by_policy(input, policy, budget))),
    ];
    let samples = settings.samples.min(data.len() as usize);
    let rows = (0..samples).map(|sample| sample as i64 * data.len() / samples.max(1) as i64);
    let inputs = rows.map(|row| data.select(&[row])?.input()).collect::<Result<Vec<_>>>()?;
    let timings =
        timing::in_turns(ways.len(), samples, settings, |way, sample| Ok((ways[way].1)(&inputs[sample])?.milliseconds))
            .map(timing::Timings::of)?;
    let rule = model.policies().rule()?;
    let no_time =
        || Error::invalid("an answer took no time by the clock of this machine, and times cannot be compared");
    let rows = ways.iter().enumerate().map(|(way, (name, answer))| {
        Ok(FrozenRow {
            name: (*name).to_owned(),
            scores: scores::<N>(&rule, data, answer)?,
            milliseconds: timings.mean(way).ok_or_else(no_time)?,
            by_model: timings.ratio(way, 0).ok_or_else(no_time)?,
            by_predictor: timings.ratio(way, 2).ok_or_else(no_time)?,
        })
    });
    Ok(Frozen {
        engines: predictor.engines().to_vec(),
        table: predictor.table().cloned(),
        rows: rows.collect::<Result<_>>()?,
        routed: Vec::new(),
    })
}

/// Times batches of a predictor whose samples go different ways, drawn evenly and with most of them early.
///
/// Batches part where samples do; what that costs shows against the sum of the ways, each at the efficiency of a full batch.
///
/// # Errors
/// [`Error::Invalid`] where there are fewer samples than a batch holds.
pub fn routed<N: Network>(predictor: &Predictor<N>, data: &Dataset<N::Input>, sizes: &[i64]) -> Result<Vec<Routed>> {
    check_sizes(sizes, data.len())?;
    let mut bar = Bar::new("routed batches", 2 * sizes.len() * ROUNDS);
    let mut found = Vec::new();
    for size in sizes {
        let settings = latency::Settings { batch: *size, ..latency::Settings::default() };
        let costs = predictor.time(&data.some(*size)?, &settings)?;
        for decisions in ["uniform", "mostly early"] {
            let mut random = SplitMix64::new(*size as u64);
            let (mut own, mut ideal, mut whole) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..ROUNDS as i64 {
                let input = data.narrow(round * size % (data.len() - size + 1), *size)?.input()?;
                let routes: Vec<N::Route> =
                    (0..*size).map(|_| draw::<N>(&mut random, decisions == "uniform")).collect();
                // Each follows itself, so that neither is slowed by what the other has left in the caches.
                let mut watch = latency::Stopwatch::start(data.target().device());
                let mut time = |ask: &dyn Fn() -> Result<Answer<N::Route>>| -> Result<f64> {
                    ask()?;
                    watch.lap_of_both();
                    ask()?;
                    Ok(watch.lap_of_both().work)
                };
                own.push(time(&|| predictor.predict_as(&input, &routes))?);
                whole.push(time(&|| predictor.predict_by(&input, routing::full::<N>()))?);
                let ways = routes.iter().map(|route| costs.route(&route.blocks()));
                ideal.push(ways.sum::<f64>() / *size as f64);
                bar.step();
            }
            let median = |times: &[f64]| Estimate::of(times).map_or(0.0, |estimate| estimate.median);
            let by_ideal: Vec<f64> = own.iter().zip(&ideal).map(|(own, ideal)| own / ideal).collect();
            let (measured, late_fusion) = (median(&own), median(&whole));
            found.push(Routed { decisions, batch: *size, measured, ideal: measured / median(&by_ideal), late_fusion });
        }
    }
    Ok(found)
}

/// A route: each modality's exit drawn evenly, or the first half of the exits with a probability of three quarters.
fn draw<N: Network>(random: &mut SplitMix64, uniform: bool) -> N::Route {
    let Description { modalities, .. } = N::description();
    let blocks: Vec<usize> = modalities
        .iter()
        .map(|modality| {
            let exits = modality.exits.len();
            let among = if uniform || random.below(4) == 0 { exits } else { exits.div_ceil(2) };
            1 + random.below(among)
        })
        .collect();
    N::Route::from_blocks(&blocks).expect("a block at least of every modality is a route")
}

fn scores<N: Network>(
    rule: &Rule,
    data: &Dataset<N::Input>,
    answer: impl Fn(&N::Input) -> Result<Answer<N::Route>>,
) -> Result<Scores> {
    const BATCH: i64 = 64;
    let logits = data.batches(BATCH)?.map(|batch| Ok(answer(&batch?.input()?)?.logits));
    Scores::of(rule.clone(), &tch::Tensor::cat(&logits.collect::<Result<Vec<_>>>()?, 0), data.target())
}

/// Two tables in Markdown.
impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "quality", "ms", "of the model's late fusion", "of the predictor's"].map(str::to_owned);
        let ratio = |Interval { value, low, high }: &Interval| format!("{value:.3} [{low:.3}, {high:.3}]");
        let rows = self.rows.iter().map(|row| {
            let milliseconds = format!("{:.3}", row.milliseconds.value);
            let quality = format!("{:.4}", row.scores.quality());
            vec![row.name.clone(), quality, milliseconds, ratio(&row.by_model), ratio(&row.by_predictor)]
        });
        write!(f, "{}", table::markdown(&head, &rows.collect::<Vec<_>>()))?;
        if self.routed.is_empty() {
            return Ok(());
        }
        let head = ["routes", "batch", "ms", "ideal", "by ideal", "late fusion"].map(str::to_owned);
        let rows = self.routed.iter().map(|Routed { decisions, batch, measured, ideal, late_fusion }| {
            let figures = [*measured, *ideal, measured / ideal, *late_fusion].map(|figure| format!("{figure:.3}"));
            [(*decisions).to_owned(), batch.to_string()].into_iter().chain(figures).collect()
        });
        write!(f, "\n{}", table::markdown(&head, &rows.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Options;
    use crate::tiny::{Tiny, sequential, table};
    use crate::{Device, checkpoint};

    #[test]
    fn a_model_and_its_predictor_are_compared() {
        let (mut network, splits) = sequential().unwrap();
        network.policies_mut().decide_by::<Tiny>(&table()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        checkpoint::save(&network, folder.path()).unwrap();
        let mut other = Tiny::new(Device::Cpu).unwrap();
        checkpoint::load(&mut other, folder.path()).unwrap();
        let predictor = Predictor::new(other, Options::default()).unwrap();

        let settings = timing::Settings { samples: 5, repetitions: 2, warm_up: 1 };
        let by = (Policy::Sequential, Budget::Price(0.1));
        let mut found = frozen(&network, &predictor, &splits.valid, by, &settings).unwrap();
        let names: Vec<_> = found.rows.iter().map(|row| &row.name[..]).collect();
        assert_eq!(names[2..], ["predictor, late fusion", "predictor, by its policy"]);
        assert_eq!(found.rows[0].scores, found.rows[2].scores);
        assert_eq!((found.rows[0].by_model.value, found.rows[2].by_predictor.value), (1.0, 1.0));
        let none = timing::Settings { samples: 0, ..settings };
        let message = frozen(&network, &predictor, &splits.valid, by, &none).unwrap_err().to_string();
        assert!(message.starts_with("timing: 0 samples, "), "{message}");

        found.routed = routed(&predictor, &splits.valid, &[1, 8]).unwrap();
        let kinds: Vec<_> = found.routed.iter().map(|routed| (routed.decisions, routed.batch)).collect();
        assert_eq!(kinds, [("uniform", 1), ("mostly early", 1), ("uniform", 8), ("mostly early", 8)]);
        assert!(found.routed.iter().all(|routed| routed.measured > 0.0 && routed.ideal > 0.0));
        assert!(found.to_string().contains("by ideal"));
        let message = routed(&predictor, &splits.valid, &[33]).unwrap_err().to_string();
        assert_eq!(message, "batches: a batch of 33 was asked for, expected 1 to 32, the number of samples");
    }
}
