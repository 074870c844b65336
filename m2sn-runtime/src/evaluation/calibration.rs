//! Whether predicted qualities come true.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plot::{self, Chart, Mark, Series};
use super::table;
use crate::{Error, Result};

/// How predicted qualities compare with what came of them, in groups of like predictions: a reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What predicts, for the title.
    pub name: String,
    /// The groups, from the lowest prediction to the highest.
    pub groups: Vec<Group>,
    /// The expected calibration error: the mean distance of a group's two means, weighted by its size.
    pub error: f64,
}

/// Samples of like predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The mean prediction.
    pub predicted: f64,
    /// The mean of what came of it.
    pub achieved: f64,
    /// The number of samples.
    pub samples: usize,
}

/// The number of groups, of equal size.
const GROUPS: usize = 15;

impl Calibration {
    /// Compares predictions with what came of them.
    ///
    /// Groups are of equal size, so that each is as sure as the others; that makes the error comparable where most
    /// predictions are near one.
    ///
    /// # Errors
    /// [`Error::Shape`] where the two differ in number, [`Error::Invalid`] where there are none, or one is not finite.
    pub fn of(name: impl Into<String>, predicted: &[f64], achieved: &[f64]) -> Result<Self> {
        if predicted.len() != achieved.len() {
            return Err(Error::Shape {
                what: "qualities".into(),
                expected: format!("{}, one for each prediction", predicted.len()),
                found: achieved.len().to_string(),
            });
        }
        let mut pairs: Vec<(f64, f64)> = predicted.iter().copied().zip(achieved.iter().copied()).collect();
        if pairs.is_empty() || pairs.iter().any(|(left, right)| !left.is_finite() || !right.is_finite()) {
            return Err(Error::invalid("calibration: expected predicted qualities, finite and at least one"));
        }
        pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
        let count = GROUPS.min(pairs.len());
        let groups: Vec<Group> = (0..count)
            .map(|group| {
                let pairs = &pairs[group * pairs.len() / count..(group + 1) * pairs.len() / count];
                let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
                Group { predicted: mean(&|pair| pair.0), achieved: mean(&|pair| pair.1), samples: pairs.len() }
            })
            .collect();
        let distance = |group: &Group| (group.predicted - group.achieved).abs() * group.samples as f64;
        let error = groups.iter().map(distance).sum::<f64>() / pairs.len() as f64;
        Ok(Self { name: name.into(), groups, error })
    }

    /// The reliability diagram.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let ends = [self.groups.first(), self.groups.last()];
        let sure = ends.iter().flatten().map(|group| (group.predicted, group.predicted)).collect();
        plot::draw(&Chart {
            title: format!("{}: expected calibration error {:.4}", self.name, self.error),
            across: "predicted quality".into(),
            up: "quality that came of it".into(),
            series: vec![
                Series { name: "as predicted".into(), mark: Mark::Line, points: sure },
                Series {
                    name: self.name.clone(),
                    mark: Mark::Line,
                    points: self.groups.iter().map(|group| (group.predicted, group.achieved)).collect(),
                },
            ],
        })
    }
}

impl fmt::Display for Calibration {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["predicted", "achieved", "samples"].map(str::to_owned);
        let rows = self.groups.iter().map(|group| {
            vec![format!("{:.4}", group.predicted), format!("{:.4}", group.achieved), group.samples.to_string()]
        });
        writeln!(f, "{}", table::markdown(&head, &rows.collect::<Vec<_>>()))?;
        writeln!(f, "{}: the expected calibration error is {:.4}.", self.name, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_error_by_hand() {
        // Thirty predictions, two a group: of each two one came true, and predictions are 0/30, 1/30, …
        let predicted: Vec<f64> = (0..30).rev().map(|at| f64::from(at) / 30.0).collect();
        let achieved: Vec<f64> = (0..30).map(|at| f64::from(at % 2)).collect();
        let calibration = Calibration::of("by hand", &predicted, &achieved).unwrap();
        assert_eq!(calibration.groups.len(), 15);
        let last = calibration.groups[14];
        assert!((last.predicted - 28.5 / 30.0).abs() < 1e-12 && last.achieved == 0.5 && last.samples == 2);
        // The mean of |(2 g + 0.5) / 30 - 0.5| over g = 0 … 14.
        let expected: f64 = (0..15).map(|g| ((2.0 * f64::from(g) + 0.5) / 30.0 - 0.5).abs()).sum::<f64>() / 15.0;
        assert!((calibration.error - expected).abs() < 1e-12);
        insta::assert_snapshot!(calibration);
        assert!(calibration.svg().unwrap().starts_with("<svg"));
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        assert!(Calibration::of("", &[], &[]).is_err());
        assert!(Calibration::of("", &[0.5], &[]).is_err());
        assert!(Calibration::of("", &[0.5, f64::NAN], &[1.0, 0.0]).is_err());
        assert_eq!(Calibration::of("", &[0.5], &[1.0]).unwrap().error, 0.5);
    }
}
