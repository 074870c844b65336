//! The outcome of a study, as a table, as JSON, and in words.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::statistics::Interval;
use super::{Scores, table};
use crate::file;
use crate::latency::Fingerprint;
use crate::{Error, Result};

/// The outcome of a [`super::study()`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The model and the device.
    pub fingerprint: Fingerprint,
    /// The samples behind the scores.
    pub samples: usize,
    /// The samples behind the milliseconds.
    pub timed_samples: usize,
    /// How often each of them was timed.
    pub repetitions: usize,
    /// One a candidate.
    pub rows: Vec<Row>,
    /// One for each pair of a navigator and a fixed shortcut.
    pub comparisons: Vec<Comparison>,
    /// What is known against the shortcuts from elsewhere, as by [`crate::latency::unpaid`]; a study leaves it empty.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What a study found of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The candidate's name.
    pub name: String,
    /// How it answers: `image alone`, `late fusion`, a route, or `navigator`.
    pub way: String,
    /// Whether a navigator decides.
    pub adaptive: bool,
    /// The scores.
    pub scores: Scores,
    /// The mean batch-1 latency, the navigator included.
    pub milliseconds: Interval,
    /// The latency by that of late fusion.
    pub ratio: Interval,
    /// Where samples leave; modalities that are not used are missing.
    pub exits: Vec<Shares>,
    /// The share of each route that is taken, the most frequent first; empty where one modality is used alone.
    pub routes: Vec<(String, f64)>,
}

/// The share of each exit of a modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// The modality.
    pub modality: String,
    /// The exits from the shallowest to `full`, and the share of samples that leave there.
    pub exits: Vec<(String, f64)>,
}

/// A fixed shortcut against a navigator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The candidate with the navigator.
    pub navigator: String,
    /// The candidate with the fixed shortcut.
    pub fixed: String,
    /// The mean error a sample of the fixed shortcut less that of the navigator, paired by sample: the error is
    /// 1 for a wrong class, the share of wrong labels, or the absolute difference.
    pub error: Interval,
    /// The latency of the fixed shortcut by that of the navigator, paired by sample.
    pub ratio: Interval,
    /// What follows.
    pub verdict: Verdict,
}

/// Whether a fixed shortcut does as well as a navigator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No higher error at no higher latency.
    AsWell,
    /// Higher in one or both, but by no more than chance explains: neither interval excludes that it does as well.
    WithinNoise,
    /// Worse in one of the two, beyond chance.
    Worse,
}

impl Verdict {
    pub(super) fn of(error: Interval, ratio: Interval) -> Self {
        if error.value <= 0.0 && ratio.value <= 1.0 {
            Self::AsWell
        } else if error.low <= 0.0 && ratio.low <= 1.0 {
            Self::WithinNoise
        } else {
            Self::Worse
        }
    }
}

impl Report {
    /// What a reader should know before believing the table: fixed shortcuts with their routes, what is no faster than
    /// late fusion, navigators that do not navigate or are matched by a fixed shortcut, and samples that are too few.
    pub fn remarks(&self) -> Vec<String> {
        let late_fusion = self.rows.iter().find(|row| row.way == LATE_FUSION);
        let mut remarks: Vec<String> = self.rows.iter().flat_map(|row| row_remarks(row, late_fusion)).collect();
        let fixed = || self.rows.iter().filter(|row| row.is_fixed());
        if fixed().count() > 1 && fixed().all(|row| row.ratio.value >= 1.0) {
            remarks.push("No fixed shortcut is faster than late fusion.".into());
        }
        remarks.extend(self.comparisons.iter().filter_map(comparison_remark));
        remarks.extend(self.warnings.iter().map(|warning| format!("By the latency table, {warning}.")));
        for (what, samples) in [("Scores", self.samples), ("Times", self.timed_samples)] {
            if samples < FEW {
                remarks.push(format!(
                    "{what} are of {samples} samples, and intervals of so few are too narrow: take at least {FEW}."
                ));
            }
        }
        remarks
    }

    /// Writes `report.json` and `report.md` into a folder, each as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        save(folder.as_ref(), "report", self)
    }
}

impl Row {
    /// Whether every sample takes the same shortcut, without a navigator.
    fn is_fixed(&self) -> bool {
        !self.adaptive && self.way != LATE_FUSION && !self.routes.is_empty()
    }
}

/// Writes `<name>.json` for programs and `<name>.md` for people.
pub(super) fn save(folder: &Path, name: &str, report: &(impl Serialize + fmt::Display)) -> Result<()> {
    if folder.as_os_str().is_empty() {
        return Err(Error::invalid(format!(
            "{name}: expected a folder, found an empty path; `.` is the working folder"
        )));
    }
    let (json, markdown) = (folder.join(name).with_extension("json"), folder.join(name).with_extension("md"));
    let text = serde_json::to_string_pretty(report).map_err(|error| Error::file(&json, error.to_string()))?;
    file::write(&json, &text)?;
    file::write(&markdown, &report.to_string())
}

impl fmt::Display for Report {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fingerprint { model, device, processor, threads, .. } = &self.fingerprint;
        let device = if device == "cpu" { String::new() } else { format!("{device}, ") };
        let modalities: Vec<&str> = self
            .rows
            .iter()
            .map(|row| &row.exits)
            .max_by_key(|exits| exits.len())
            .map_or(Vec::new(), |exits| exits.iter().map(|shares| shares.modality.as_str()).collect());

        let mut head = vec!["network".to_owned()];
        let scores = self.rows.iter().map(|row| row.scores.named()).max_by_key(Vec::len).unwrap_or_default();
        head.extend(scores.iter().map(|(name, _)| name.to_string()));
        head.extend(["ms".to_owned(), "ratio to late fusion".to_owned()]);
        head.extend(modalities.iter().map(|modality| format!("exits of {modality}, %")));
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| cells(row, &scores, &modalities)).collect();

        writeln!(f, "# `{model}`: scores and milliseconds\n")?;
        writeln!(f, "{}", table::markdown(&head, &rows))?;
        writeln!(
            f,
            "Scores over {} samples. Milliseconds of one sample at a time, the navigator included: {} samples, the \
             median of {} answers each, networks in turns of random order, each warm from answers of its own; the mean \
             and its 95 % interval. {device}{processor}, {threads} thread{}.",
            self.samples,
            self.timed_samples,
            self.repetitions,
            if *threads == 1 { "" } else { "s" },
        )?;
        let remarks = self.remarks();
        for remark in &remarks {
            write!(f, "\n* {remark}")?;
        }
        if !remarks.is_empty() {
            writeln!(f)?;
        }
        Ok(())
    }
}

/// How [`Row::way`] calls late fusion.
pub(super) const LATE_FUSION: &str = "late fusion";

/// Below so many samples, the percentile bootstrap's intervals are visibly too narrow.
const FEW: usize = 30;

fn cells(row: &Row, scores: &[(&str, f64)], modalities: &[&str]) -> Vec<String> {
    let mut cells = vec![row.name.clone()];
    let own = row.scores.named();
    // One candidate may have a score that another has not, such as a correlation.
    cells.extend(scores.iter().map(|(name, _)| {
        own.iter().find(|(other, _)| other == name).map_or("-".into(), |(_, score)| format!("{score:.4}"))
    }));
    cells.extend([format!("{:.3}", row.milliseconds), format!("{:.3}", row.ratio)]);
    cells.extend(modalities.iter().map(|modality| {
        let shares = row.exits.iter().find(|shares| shares.modality == *modality);
        shares.map_or("-".into(), |shares| {
            let taken = shares.exits.iter().filter(|(_, share)| *share > 0.0);
            taken.map(|(exit, share)| format!("{exit} {:.0}", 100.0 * share)).collect::<Vec<_>>().join(", ")
        })
    }));
    cells
}

fn row_remarks(row: &Row, late_fusion: Option<&Row>) -> Vec<String> {
    let name = &row.name;
    let mut remarks = Vec::new();
    match &row.routes[..] {
        _ if row.is_fixed() => {
            let late_fusion =
                late_fusion.map_or(String::new(), |row| format!("; {} takes {:.3} ms", row.name, row.milliseconds));
            remarks
                .push(format!("{name} sends every sample by {}, in {:.3} ms{late_fusion}.", row.way, row.milliseconds));
        }
        _ if !row.adaptive => return remarks,
        [(route, _)] => remarks.push(format!(
            "{name} sends every sample the same way ({route}): it is a fixed route that pays for a navigator."
        )),
        [(route, share), ..] if *share >= 0.99 => remarks.push(format!(
            "{name} sends {:.1} % of the samples the same way ({route}): it hardly navigates.",
            100.0 * share
        )),
        _ => {
            for Shares { modality, exits } in &row.exits {
                if let Some((exit, _)) = exits.iter().find(|(_, share)| *share == 1.0) {
                    remarks.push(format!("{name} leaves {modality} at {exit} for every sample."));
                }
            }
        }
    }
    if row.ratio.low > 1.0 {
        remarks.push(format!("{name} is slower than late fusion: its ratio is {:.3}.", row.ratio));
    } else if row.ratio.high >= 1.0 {
        remarks.push(format!("{name} is not shown to be faster than late fusion: its ratio is {:.3}.", row.ratio));
    }
    remarks
}

fn comparison_remark(comparison: &Comparison) -> Option<String> {
    let Comparison { navigator, fixed, error, ratio, verdict } = comparison;
    let figures = format!("error {error:+.4}, time by time {ratio:.3}");
    match verdict {
        Verdict::AsWell => Some(format!("{fixed} does as well as {navigator}, without a navigator: {figures}.")),
        Verdict::WithinNoise => {
            Some(format!("{fixed} cannot be told from {navigator} beyond chance, without a navigator: {figures}."))
        }
        Verdict::Worse => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, width: f64) -> Interval {
        Interval { value, low: value - width, high: value + width }
    }

    fn shares(modality: &str, exits: [f64; 2]) -> Shares {
        Shares { modality: modality.into(), exits: vec![("stem".into(), exits[0]), ("full".into(), exits[1])] }
    }

    fn row(name: &str, adaptive: bool, accuracy: f64, ratio: f64, exits: Vec<Shares>, routes: &[(&str, f64)]) -> Row {
        Row {
            name: name.into(),
            way: match (name, routes) {
                ("fixed" | "other", [(route, _)]) => (*route).into(),
                _ => name.into(),
            },
            adaptive,
            scores: Scores::Classification { accuracy, weighted_f1: accuracy - 0.001, macro_f1: accuracy - 0.002 },
            milliseconds: interval(4.0 * ratio, 0.05),
            ratio: interval(ratio, 0.01),
            exits,
            routes: routes.iter().map(|(route, share)| (route.to_string(), *share)).collect(),
        }
    }

    fn report() -> Report {
        let (early, late) = ("image: stem, audio: full", "image: full, audio: full");
        Report {
            fingerprint: Fingerprint {
                model: "Tiny".into(),
                device: "cpu".into(),
                processor: "Some processor".into(),
                threads: 2,
                ..Default::default()
            },
            samples: 1500,
            timed_samples: 200,
            repetitions: 5,
            rows: vec![
                row("image", false, 0.81, 0.4, vec![shares("image", [0.0, 1.0])], &[]),
                row(
                    "late fusion",
                    false,
                    0.96,
                    1.0,
                    vec![shares("image", [0.0, 1.0]), shares("audio", [0.0, 1.0])],
                    &[(late, 1.0)],
                ),
                row(
                    "fixed",
                    false,
                    0.94,
                    0.6,
                    vec![shares("image", [1.0, 0.0]), shares("audio", [0.0, 1.0])],
                    &[(early, 1.0)],
                ),
                row(
                    "M²SN (N-L)",
                    true,
                    0.96,
                    1.05,
                    vec![shares("image", [0.0, 1.0]), shares("audio", [0.0, 1.0])],
                    &[(late, 1.0)],
                ),
                row(
                    "M²SN",
                    true,
                    0.95,
                    0.65,
                    vec![shares("image", [0.7, 0.3]), shares("audio", [0.0, 1.0])],
                    &[(early, 0.7), (late, 0.3)],
                ),
            ],
            comparisons: vec![
                Comparison {
                    navigator: "M²SN (N-L)".into(),
                    fixed: "fixed".into(),
                    error: interval(0.02, 0.01),
                    ratio: interval(0.571, 0.01),
                    verdict: Verdict::Worse,
                },
                Comparison {
                    navigator: "M²SN".into(),
                    fixed: "fixed".into(),
                    error: interval(0.01, 0.02),
                    ratio: interval(0.923, 0.01),
                    verdict: Verdict::WithinNoise,
                },
            ],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn prints_as_markdown() {
        insta::assert_snapshot!(report());
    }

    #[test]
    fn comes_back_from_json() {
        let folder = tempfile::tempdir().unwrap();
        report().save(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
        assert_eq!(std::fs::read_to_string(folder.path().join("report.md")).unwrap(), report().to_string());
    }

    #[test]
    fn shortcuts_that_do_not_pay_are_named() {
        let mut report = report();
        report.timed_samples = 5;
        report.rows[2].ratio = interval(1.11, 0.02);
        report.rows[2].milliseconds = interval(4.44, 0.05);
        let mut other = report.rows[2].clone();
        other.name = "other".into();
        other.ratio = interval(1.005, 0.01);
        report.rows.push(other);
        report.warnings = vec!["image: leaving at stem takes no less than going on".into()];
        insta::assert_snapshot!(report.remarks().join("\n"));
    }

    #[test]
    fn a_report_is_saved_in_a_folder() {
        let message = report().save("").unwrap_err().to_string();
        assert_eq!(message, "report: expected a folder, found an empty path; `.` is the working folder");
    }

    #[test]
    fn verdicts() {
        assert_eq!(Verdict::of(interval(0.0, 0.01), interval(0.9, 0.01)), Verdict::AsWell);
        assert_eq!(Verdict::of(interval(0.01, 0.02), interval(0.9, 0.01)), Verdict::WithinNoise);
        assert_eq!(Verdict::of(interval(-0.01, 0.0), interval(1.01, 0.02)), Verdict::WithinNoise);
        assert_eq!(Verdict::of(interval(0.03, 0.02), interval(0.9, 0.01)), Verdict::Worse);
        assert_eq!(Verdict::of(interval(-0.03, 0.02), interval(1.1, 0.01)), Verdict::Worse);
    }

    #[test]
    fn a_navigator_that_hardly_navigates_is_named() {
        let mut row = report().rows[4].clone();
        row.routes = vec![("image: stem, audio: full".into(), 0.995), ("image: full, audio: full".into(), 0.005)];
        assert_eq!(
            row_remarks(&row, None),
            ["M²SN sends 99.5 % of the samples the same way (image: stem, audio: full): it hardly navigates."]
        );
    }
}
