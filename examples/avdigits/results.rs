//! What a run has found, for people and for programs.

use std::fmt;

use m2sn::Result;
use m2sn::evaluation::{Batches, Calibration, Deadlines, Seeds};
use m2sn::plan::Policy;
use serde::Serialize;

use crate::missing::Lacking;
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
            writeln!(f, "Seed {}. What each is worth at the price of the spec:\n\n{}", study.seed, study.front)?;
            for calibration in &study.calibrations {
                let Calibration { name, error, .. } = calibration;
                writeln!(f, "* `{name}` predicts quality with an expected calibration error of {error:.4}.")?;
            }
            writeln!(
                f,
                "\nThe sequential policy under deadlines, every test sample alone:\n\n{}",
                Deadlines(&study.deadlines)
            )?;
            writeln!(f, "In batches, whose samples part:\n\n{}", Batches(&study.batches))?;
            writeln!(
                f,
                "Frozen, for one sample, and in batches whose samples are sent different ways:\n\n{}",
                study.frozen
            )?;
            writeln!(f, "The sequential policy by difficulty:\n")?;
            write_groups(f, &study.groups)?;
            writeln!(
                f,
                "\nWhere a modality is missing, or zeros stand for it in a network that was not trained to do without:\n"
            )?;
            write_lacking(f, &study.lacking)?;
            let file = study.latency_file.display();
            writeln!(
                f,
                "\nPolicies decided by the milliseconds in {file}; `--latency` takes them again. Beside it are the \
                         pictures: `front.svg`, quality against time, and `calibration-….svg`."
            )?;
            if let Some(answer) = recommendation(study) {
                writeln!(f, "\n{answer}")?;
            }
        }
        if self.studies.len() > 1 {
            writeln!(f, "\n{}", self.combined)?;
        }
        Ok(())
    }
}

/// What we would take.
fn recommendation(study: &Study) -> Option<String> {
    let row = |name: &str| study.report.rows.iter().find(|row| row.name == name);
    let (taken, late_fusion) = (row(Policy::Sequential.name())?, row("late fusion")?);
    let frozen = study.frozen.rows.iter().find(|row| row.name == "predictor, by its policy")?;
    let points = 100.0 * (frozen.scores.quality() - late_fusion.scores.quality());
    Some(format!(
        "Take `navigator: {{ policy: sequential }}` and freeze the model: {:.4} in {:.3} ms, which is {:.2} of the time of \
         the frozen late fusion and {:.2} of that of the model's, {points:+.1} points. As it is trained, the model takes \
         {:.2} ms. A budget at run time moves it along its curve without another training.",
        frozen.scores.quality(),
        frozen.milliseconds.value,
        frozen.by_predictor.value,
        frozen.by_model.value,
        taken.milliseconds.value,
    ))
}

fn write_groups(f: &mut fmt::Formatter<'_>, groups: &[Group]) -> fmt::Result {
    writeln!(f, "| image | sound | samples | late fusion | sequential | ratio of time |")?;
    writeln!(f, "|-------|-------|--------:|------------:|-----------:|--------------:|")?;
    for Group { image, sound, samples, late_fusion_accuracy, accuracy, ratio } in groups {
        let scores = format!("{late_fusion_accuracy:>11.4} | {accuracy:>10.4} | {ratio:>13.3}");
        writeln!(f, "| {image:<5} | {sound:<5} | {samples:>7} | {scores} |")?;
    }
    Ok(())
}

fn write_lacking(f: &mut fmt::Formatter<'_>, lacking: &[Lacking]) -> fmt::Result {
    writeln!(f, "| missing                        | best alone     | late fusion | sequential | ratio of time |")?;
    writeln!(f, "|--------------------------------|----------------|------------:|-----------:|--------------:|")?;
    for Lacking { what, alone, by, late_fusion, sequential, ratio } in lacking {
        let best = format!("{alone:.4}, {by}");
        writeln!(f, "| {what:<30} | {best:<14} | {late_fusion:>11.4} | {sequential:>10.4} | {ratio:>13.3} |")?;
    }
    Ok(())
}
