//! The same study over several seeds.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::report::save;
use super::statistics::Spread;
use super::{Report, Row, table};
use crate::{Error, Result};

/// Means and standard deviations over the reports of several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seeds {
    /// The number of reports.
    pub seeds: usize,
    /// One a candidate.
    pub rows: Vec<SeedRow>,
}

/// What several seeds, or folds, make of one candidate.
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
    /// [`Error::Invalid`] where there is no report, two differ in their model, device or candidates, or a figure is not
    /// finite.
    pub fn of(reports: &[Report]) -> Result<Self> {
        Ok(Self { seeds: reports.len(), rows: spreads("seeds", reports)? })
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
        f.write_str(&markdown(format!("mean ± deviation of {} seeds", self.seeds), &self.rows))
    }
}

/// The spreads of each candidate over reports, which are of several `what`.
///
/// # Errors
/// As [`Seeds::of`].
pub(super) fn spreads(what: &str, reports: &[Report]) -> Result<Vec<SeedRow>> {
    let Some(first) = reports.first() else {
        return Err(Error::invalid(format!("{what}: there is no report")));
    };
    let names = |report: &Report| report.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    if let Some(other) = reports.iter().find(|report| names(report) != names(first)) {
        return Err(Error::invalid(format!(
            "{what}: expected the candidates {:?} in every report, found {:?}",
            names(first),
            names(other)
        )));
    }
    for report in reports {
        let differences = first.fingerprint.differences(&report.fingerprint);
        if !differences.is_empty() {
            return Err(Error::invalid(format!(
                "{what}: reports of different models or devices have no common mean\n  {}",
                differences.join("\n  ")
            )));
        }
    }
    let rows = first.rows.iter().enumerate().map(|(index, row)| {
        let rows = || reports.iter().map(|report| &report.rows[index]);
        let spread = |figure: &str, values: Vec<f64>| {
            Spread::of(&values).ok_or_else(|| {
                Error::invalid(format!("{what}: {figure} of `{}` is {values:?}, expected finite numbers", row.name))
            })
        };
        let mut scores = Vec::new();
        for (name, _) in row.scores.named() {
            let of = |row: &Row| row.scores.named().into_iter().find(|(other, _)| *other == name);
            // A score that does not exist for one seed has no mean over all.
            if let Some(values) = rows().map(of).collect::<Option<Vec<_>>>() {
                scores.push((name.to_owned(), spread(name, values.into_iter().map(|(_, value)| value).collect())?));
            }
        }
        Ok(SeedRow {
            name: row.name.clone(),
            scores,
            milliseconds: spread("ms", rows().map(|row| row.milliseconds.value).collect())?,
            ratio: spread("the ratio", rows().map(|row| row.ratio.value).collect())?,
        })
    });
    rows.collect()
}

/// Spreads as a table in Markdown, whose first column is headed by `what`.
pub(super) fn markdown(what: String, rows: &[SeedRow]) -> String {
    let mut head = vec![what];
    head.extend(rows.first().iter().flat_map(|row| row.scores.iter().map(|(name, _)| name.clone())));
    head.extend(["ms".to_owned(), "ratio to late fusion".to_owned()]);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.name.clone()];
            cells.extend(row.scores.iter().map(|(_, score)| format!("{score:.4}")));
            cells.extend([format!("{:.3}", row.milliseconds), format!("{:.3}", row.ratio)]);
            cells
        })
        .collect();
    table::markdown(&head, &rows)
}

#[cfg(test)]
mod tests {
    use super::super::Scores;
    use super::super::statistics::Interval;
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

        let mut elsewhere = report("a", 0.9, 0.5);
        elsewhere.fingerprint.processor = "another".into();
        let message = Seeds::of(&[report("a", 0.9, 0.5), elsewhere]).unwrap_err().to_string();
        assert!(message.contains("processor:  there, another here"), "{message}");
        let message = Seeds::of(&[report("a", 0.9, f64::NAN)]).unwrap_err().to_string();
        assert_eq!(message, "seeds: ms of `a` is [NaN], expected finite numbers");
    }

    #[test]
    fn a_score_that_one_seed_lacks_has_no_mean() {
        let scored = |without_zeros| {
            let mut report = report("a", 0.9, 0.5);
            report.rows[0].scores = Scores::Regression {
                mean_absolute_error: 0.5,
                correlation: Some(0.5),
                binary_accuracy: 0.75,
                binary_accuracy_without_zeros: without_zeros,
            };
            report
        };
        for reports in [[scored(Some(0.5)), scored(None)], [scored(None), scored(Some(0.5))]] {
            let seeds = Seeds::of(&reports).unwrap();
            assert_eq!(
                seeds.rows[0].scores.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>(),
                ["MAE", "correlation", "binary accuracy"]
            );
        }
    }
}
