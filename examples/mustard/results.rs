//! What a run has found, for people and for programs.

use std::fmt;

use m2sn::evaluation::statistics::Spread;
use m2sn::evaluation::{Folds, Report, Row};
use serde::Serialize;

/// The names of the two that are compared fold by fold.
pub(crate) const LATE_FUSION: &str = "late fusion";
pub(crate) const POLICY: &str = "M²SN";

/// The mean accuracies over the five folds that others reach on the same texts.
const REFERENCES: [(&str, f64); 3] = [
    ("logistic regression on TF-IDF", 0.607),
    ("logistic regression on the mean GloVe vector", 0.575),
    ("perceptron on utterance and context", 0.615),
];

/// The outcome of all seeds.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// The data set in words.
    data: String,
    /// Whether it is the published one, of which references are known.
    is_published: bool,
    /// At which the policy decides.
    price: f64,
    seeds: Vec<Seed>,
}

/// The outcome of one seed.
#[derive(Debug, Serialize)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
    /// Means and deviations over the folds.
    pub(crate) folds: Folds,
    /// One a fold.
    pub(crate) reports: Vec<Report>,
}

impl Results {
    pub(crate) fn new(data: String, is_published: bool, price: f64, seeds: Vec<Seed>) -> Self {
        Self { data, is_published, price, seeds }
    }
}

impl fmt::Display for Results {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Data: {}. The policy decides at a price of {}.", self.data, self.price)?;
        for Seed { seed, folds, reports } in &self.seeds {
            writeln!(
                f,
                "\nSeed {seed}, accuracy and weighted F1 on the texts of each fold that were not learned from:\n"
            )?;
            write_folds(f, reports)?;
            writeln!(f, "\n{folds}")?;
        }
        if self.seeds.len() > 1 {
            writeln!(f, "Accuracy, the mean over the folds, of {} seeds:\n", self.seeds.len())?;
            for name in [LATE_FUSION, POLICY] {
                if let Some(spread) = self.over_seeds(name) {
                    writeln!(f, "* {name}: {spread:.3}")?;
                }
            }
            writeln!(f)?;
        }
        if self.is_published {
            writeln!(f, "What others reach, the mean accuracy over the five folds:\n")?;
            REFERENCES.iter().try_for_each(|(name, accuracy)| writeln!(f, "* {name}: {accuracy:.3}"))?;
        }
        Ok(())
    }
}

impl Results {
    /// The spread of a candidate's accuracy over the seeds.
    fn over_seeds(&self, name: &str) -> Option<Spread> {
        let of = |seed: &Seed| {
            let row = seed.folds.rows.iter().find(|row| row.name == name)?;
            row.scores.iter().find(|(score, _)| score == "accuracy").map(|(_, spread)| spread.mean)
        };
        Spread::of(&self.seeds.iter().map(of).collect::<Option<Vec<_>>>()?)
    }
}

fn write_folds(f: &mut fmt::Formatter<'_>, reports: &[Report]) -> fmt::Result {
    writeln!(f, "| fold | {LATE_FUSION}: accuracy | weighted F1 | {POLICY}: accuracy | weighted F1 | ratio of time |")?;
    writeln!(f, "|-----:|----------------------:|------------:|---------------:|------------:|--------------:|")?;
    for (fold, report) in reports.iter().enumerate() {
        let row = |name: &str| report.rows.iter().find(|row| row.name == name);
        let score = |row: &Row, name: &str| {
            let score = row.scores.named().into_iter().find(|(other, _)| *other == name);
            score.map_or("-".to_owned(), |(_, score)| format!("{score:.3}"))
        };
        let (Some(late), Some(policy)) = (row(LATE_FUSION), row(POLICY)) else { continue };
        writeln!(
            f,
            "| {:>4} | {:>21} | {:>11} | {:>14} | {:>11} | {:>13.3} |",
            fold + 1,
            score(late, "accuracy"),
            score(late, "weighted F1"),
            score(policy, "accuracy"),
            score(policy, "weighted F1"),
            policy.ratio.value,
        )?;
    }
    Ok(())
}
