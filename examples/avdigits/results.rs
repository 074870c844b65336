//! What a run has found, for people and for programs.

use std::fmt;
use std::fs;
use std::path::Path;

use m2sn::evaluation::Seeds;
use m2sn::{Error, Result};
use serde::Serialize;

use crate::study::{Group, Study};

/// The outcome of all seeds.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// The data set in words.
    pub(crate) data: String,
    /// Whether samples and epochs were cut short.
    pub(crate) quick: bool,
    /// Means and deviations over the seeds.
    pub(crate) combined: Seeds,
    pub(crate) studies: Vec<Study>,
}

impl Results {
    pub(crate) fn new(data: String, quick: bool, studies: Vec<Study>) -> Result<Self> {
        let reports: Vec<_> = studies.iter().map(|study| study.report.clone()).collect();
        Ok(Self { data, quick, combined: Seeds::of(&reports)?, studies })
    }

    pub(crate) fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|error| Error::Invalid(format!("results as JSON: {error}")))
    }

    /// Writes `results.json` and `results.md`.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        for (name, text) in [("results.json", self.json()?), ("results.md", self.to_string())] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|source| Error::Io { path, source })?;
        }
        Ok(())
    }
}

impl fmt::Display for Results {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Data: {}.", self.data)?;
        if self.quick {
            writeln!(f, "A quick run on few samples and epochs: it shows that all works, not how well.")?;
        }
        for study in &self.studies {
            writeln!(f, "\n{}", study.report)?;
            writeln!(f, "Seed {}. M²SN by difficulty:\n", study.seed)?;
            write_groups(f, &study.groups)?;
            let file = study.latency_file.display();
            writeln!(f, "\nThe navigator learnt from the milliseconds in {file}; `--latency` takes them again.")?;
        }
        if self.studies.len() > 1 {
            writeln!(f, "\n{}", self.combined)?;
        }
        Ok(())
    }
}

fn write_groups(f: &mut fmt::Formatter<'_>, groups: &[Group]) -> fmt::Result {
    writeln!(f, "| image | sound | samples | late fusion | M²SN   | ratio of time |")?;
    writeln!(f, "|-------|-------|--------:|------------:|-------:|--------------:|")?;
    for Group { image, sound, samples, late_fusion_accuracy, accuracy, ratio } in groups {
        let scores = format!("{late_fusion_accuracy:>11.4} | {accuracy:.4} | {ratio:>13.3}");
        writeln!(f, "| {image:<5} | {sound:<5} | {samples:>7} | {scores} |")?;
    }
    Ok(())
}
