//! The same study over several seeds.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::report::save;
use super::statistics::Spread;
use super::{Report, table};
use crate::{Error, Result};

/// Means and standard deviations over the reports of several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seeds {
    /// The number of reports.
    pub seeds: usize,
    /// One a candidate.
    pub rows: Vec<SeedRow>,
}

/// What several seeds make of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRow {
    /// The candidate's name.
    pub name: String,
    /// The scores, by name.
    pub scores: Vec<(String, Spread)>,
    /// The mean batch-1 latency.
    pub milliseconds: Spread,
    /// The latency by that of late fusion.
    pub ratio: Spread,
}

impl Seeds {
    /// Joins reports of the same candidates.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no report, or two differ in their candidates.
    pub fn of(reports: &[Report]) -> Result<Self> {
        let Some(first) = reports.first() else {
            return Err(Error::invalid("seeds: there is no report"));
        };
        let names = |report: &Report| report.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        if let Some(other) = reports.iter().find(|report| names(report) != names(first)) {
            return Err(Error::invalid(format!(
                "seeds: expected the candidates {:?} in every report, found {:?}",
                names(first),
                names(other)
            )));
        }
        let rows = first.rows.iter().enumerate().map(|(index, row)| {
            let spread = |value: &dyn Fn(&super::Row) -> f64| {
                let values: Vec<f64> = reports.iter().map(|report| value(&report.rows[index])).collect();
                Spread::of(&values).expect("there is at least one report")
            };
            let scores = row.scores.named().into_iter().enumerate();
            SeedRow {
                name: row.name.clone(),
                scores: scores
                    .map(|(score, (name, _))| (name.to_owned(), spread(&|row| row.scores.named()[score].1)))
                    .collect(),
                milliseconds: spread(&|row| row.milliseconds.value),
                ratio: spread(&|row| row.ratio.value),
            }
        });
        Ok(Self { seeds: reports.len(), rows: rows.collect() })
    }

    /// Writes `seeds.json` and `seeds.md` into a folder, each as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        save(folder.as_ref(), "seeds", self)
    }
}

impl fmt::Display for Seeds {
    /// Writes a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = vec![format!("mean ± deviation of {} seeds", self.seeds)];
        head.extend(self.rows.first().iter().flat_map(|row| row.scores.iter().map(|(name, _)| name.clone())));
        head.extend(["ms".to_owned(), "ratio to late fusion".to_owned()]);
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let mut cells = vec![row.name.clone()];
                cells.extend(row.scores.iter().map(|(_, score)| format!("{score:.4}")));
                cells.extend([format!("{:.3}", row.milliseconds), format!("{:.3}", row.ratio)]);
                cells
            })
            .collect();
        f.write_str(&table::markdown(&head, &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Interval;
    use super::super::{Row, Scores};
    use super::*;

    fn report(name: &str, accuracy: f64, ratio: f64) -> Report {
        let interval = |value| Interval { value, low: value, high: value };
        Report {
            fingerprint: Default::default(),
            samples: 10,
            timed_samples: 10,
            repetitions: 1,
            rows: vec![Row {
                name: name.into(),
                way: "navigator".into(),
                adaptive: true,
                scores: Scores::Multilabel { micro_f1: accuracy, macro_f1: accuracy, subset_accuracy: accuracy },
                milliseconds: interval(10.0 * ratio),
                ratio: interval(ratio),
                exits: Vec::new(),
                routes: Vec::new(),
            }],
            comparisons: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn spreads_over_reports() {
        let reports = [report("M²SN", 0.90, 0.5), report("M²SN", 0.92, 0.7), report("M²SN", 0.94, 0.6)];
        let seeds = Seeds::of(&reports).unwrap();
        insta::assert_snapshot!(seeds);
    }

    #[test]
    fn differing_reports_are_refused() {
        let message = Seeds::of(&[report("a", 0.9, 0.5), report("b", 0.9, 0.5)]).unwrap_err().to_string();
        assert_eq!(message, "seeds: expected the candidates [\"a\"] in every report, found [\"b\"]");
        assert!(Seeds::of(&[]).is_err());
    }
}
