//! What a precision costs in quality, and what it saves.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::Precision;
use super::frozen::Frozen;
use crate::data::Dataset;
use crate::latency::{self, Estimate, Table};
use crate::network::{Network, Route};
use crate::parts::Parts;
use crate::policy::{Fixed, State, achieved, loss_bound};
use crate::routing::{answer_by, full};
use crate::{Error, Result, file};

/// What each precision of a predictor came to on validation samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Precisions {
    /// The number of samples.
    pub samples: i64,
    /// The loss that was allowed, in points.
    pub points: f64,
    /// Single precision first.
    pub compared: Vec<Compared>,
    /// Which was chosen.
    pub chosen: Precision,
}

/// A precision, compared with single precision by late fusion's answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The precision.
    pub precision: Precision,
    /// The mean quality of the answers: an accuracy, an F1, or the negative mean absolute error.
    pub quality: f64,
    /// By how many points it is lower than in single precision.
    pub loss: f64,
    /// What the loss does not exceed with a probability of 95 %, over the draw of the samples.
    pub bound: f64,
    /// The milliseconds of late fusion for one sample.
    pub milliseconds: Estimate,
}

impl Precisions {
    /// Writes them as JSON, as a whole or not at all: beside the checkpoint, say.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::file(path, error.to_string()))?;
        file::write(path, &text)
    }
}

/// The parts of a model in the fastest precision that loses no more than so many points, and what they cost here with these
/// policies.
///
/// # Errors
/// [`Error::Invalid`] where there is no sample, or the points cannot be any; where LibTorch cannot read the weights.
pub(super) fn fastest<N: Network>(
    model: &Arc<Mutex<N>>,
    points: f64,
    valid: &Dataset<N::Input>,
    learned: latency::Learned<'_>,
) -> Result<(Frozen<N>, Table, Precisions)> {
    if !points.is_finite() || points < 0.0 {
        return Err(Error::invalid(format!("precision: within {points} points, expected a number of at least 0")));
    }
    if valid.is_empty() {
        return Err(Error::invalid("precision: there is no validation sample to compare by"));
    }
    let mut candidates: Vec<(Frozen<N>, Table, Compared)> = Vec::new();
    let mut single: Option<Vec<f64>> = None;
    for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
        let frozen = Frozen::new(model, precision, None)?;
        let qualities = qualities::<N>(&frozen, valid)?;
        let single = single.get_or_insert_with(|| qualities.clone());
        let unit = unit::<N>(single);
        let losses: Vec<f64> = single.iter().zip(&qualities).map(|(single, here)| (single - here) / unit).collect();
        let bound = if precision == Precision::F32 { 0.0 } else { loss_bound(&losses) };
        let table = latency::measure_parts(
            &frozen,
            frozen.fingerprint().clone(),
            learned,
            &frozen.samples(),
            &latency::Settings::default(),
        )?;
        let compared = Compared {
            precision,
            quality: mean(&qualities),
            loss: 100.0 * mean(&losses),
            bound: 100.0 * bound,
            milliseconds: table.whole,
        };
        candidates.push((frozen, table, compared));
    }
    let compared: Vec<Compared> = candidates.iter().map(|(_, _, compared)| *compared).collect();
    let (frozen, table, chosen) = candidates
        .into_iter()
        .filter(|(_, _, compared)| compared.bound <= points)
        .min_by(|(_, _, one), (_, _, other)| one.milliseconds.median.total_cmp(&other.milliseconds.median))
        .expect("single precision loses nothing against itself");
    let precisions = Precisions { samples: valid.len(), points, compared, chosen: chosen.precision };
    Ok((frozen, table, precisions))
}

/// The quality of late fusion's answer to each sample.
fn qualities<N: Network>(frozen: &Frozen<N>, valid: &Dataset<N::Input>) -> Result<Vec<f64>> {
    const BATCH: i64 = 32;
    let rule = frozen.rule()?;
    let way = Fixed(State::of(&full::<N>().blocks()));
    let mut qualities = Vec::new();
    for batch in valid.batches(BATCH)? {
        let batch = batch?;
        let logits = answer_by::<N>(frozen, &batch.input()?, &way)?.logits;
        let quality: Tensor = achieved(&rule, &logits, &batch.target().to_device(logits.device()));
        qualities.extend(Vec::<f64>::try_from(quality.to_device(Device::Cpu).to_kind(Kind::Double))?);
    }
    Ok(qualities)
}

/// What a hundred points are: an accuracy or an F1 of 1, or the mean absolute error.
fn unit<N: Network>(single: &[f64]) -> f64 {
    match N::description().task {
        crate::task::Task::Regression { .. } => mean(single).abs().max(f64::EPSILON),
        _ => 1.0,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A line a precision, the chosen one marked.
impl fmt::Display for Precisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Late fusion on {} validation samples; {} points may be lost", self.samples, self.points)?;
        writeln!(f, "{:9}  {:>7}  {:>14}  {:>14}  milliseconds", "", "quality", "points lost", "95 % certain")?;
        for Compared { precision, quality, loss, bound, milliseconds } in &self.compared {
            let chosen = if *precision == self.chosen { "  chosen" } else { "" };
            writeln!(f, "{precision:9}  {quality:7.4}  {loss:14.2}  {bound:14.2}  {milliseconds}{chosen}")?;
        }
        Ok(())
    }
}
