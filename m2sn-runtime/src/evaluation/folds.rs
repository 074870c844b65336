//! The same study over several folds of a data set.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::report::save;
use super::seeds::{markdown, spreads};
use super::{Report, SeedRow};
use crate::Result;

/// Means and standard deviations over the reports of several folds, each counting alike.
///
/// What chooses epochs is not what a model is judged by: of the samples to learn from, some are set apart for it.
///
/// ```no_run
/// # use m2sn_runtime::data::{By, Dataset, Splits};
/// # use m2sn_runtime::evaluation::{Candidate, Folds, Way, study};
/// # use m2sn_runtime::{Device, Result, network::Network, training::{Progress, Trainer}};
/// # fn example<N: Network>(data: &Dataset<N::Input>, speaker: &[i64]) -> Result<()> {
/// let mut reports = Vec::new();
/// for splits in data.folds(5, By::Group(speaker), 0)? {
///     let Splits { train, valid: test } = splits?;
///     let (train, valid) = train.part(0.1, By::Class, 0)?;
///     let mut model = N::seeded(Device::Cpu, 0)?;
///     Trainer::new(N::plan()).train(&mut model, &Splits { train, valid }, &mut Progress::bars())?;
///     let candidates =
///         [Candidate::new("late fusion", &model, Way::LateFusion), Candidate::new("M²SN", &model, Way::Navigator)];
///     reports.push(study(&candidates, &test, &Default::default())?);
/// }
/// println!("{}", Folds::of(&reports)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folds {
    /// The number of reports.
    pub folds: usize,
    /// One a candidate.
    pub rows: Vec<SeedRow>,
}

impl Folds {
    /// Joins reports of the same candidates.
    ///
    /// # Errors
    /// As [`super::Seeds::of`].
    pub fn of(reports: &[Report]) -> Result<Self> {
        Ok(Self { folds: reports.len(), rows: spreads("folds", reports)? })
    }

    /// Writes `folds.json` and `folds.md` into a folder, each as a whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        save(folder.as_ref(), "folds", self)
    }
}

impl fmt::Display for Folds {
    /// Writes a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&markdown(format!("mean ± deviation of {} folds", self.folds), &self.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::data::By;
    use crate::evaluation::{Candidate, Seeds, Way, study, timing};
    use crate::network::Network;
    use crate::tiny::{Tiny, samples};

    #[test]
    fn a_study_over_folds_spreads_as_one_over_seeds() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(60, 1).unwrap().train;
        let candidates = [Candidate::new("late fusion", &network, Way::LateFusion)];
        let settings = timing::Settings { samples: 2, repetitions: 1, warm_up: 0 };
        let folds = data.folds(3, By::Class, 0).unwrap();
        let reports: Vec<Report> =
            folds.map(|splits| study(&candidates, &splits.unwrap().valid, &settings).unwrap()).collect();
        let folds = Folds::of(&reports).unwrap();
        assert_eq!((folds.folds, &folds.rows), (3, &Seeds::of(&reports).unwrap().rows));
        // Folds are of one size here, so that their mean is that of all samples.
        let whole = study(&candidates, &data, &settings).unwrap().rows[0].scores.quality();
        let (name, accuracy) = &folds.rows[0].scores[0];
        assert!(name == "accuracy" && (accuracy.mean - whole).abs() < 1e-9, "{name}: {accuracy} for {whole}");
        assert!(folds.to_string().starts_with("| mean ± deviation of 3 folds"), "{folds}");
        assert_eq!(Folds::of(&[]).unwrap_err().to_string(), "folds: there is no report");

        let folder = tempfile::tempdir().unwrap();
        folds.save(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("folds.json")).unwrap();
        assert_eq!(serde_json::from_str::<Folds>(&text).unwrap(), folds);
    }
}
