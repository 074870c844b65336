//! What adaptive computation buys for one network on one data set, against everything else that one would use: the
//! paper's evaluation (Section V), with rivals, ablations, and what keeps figures honest.
//!
//! A [`Study`] trains, for each seed, late fusion, shortcuts by every method, the paper's navigators, the learned policies,
//! and all [rivals](Kind::Rival), from the same pre-trained encoders by the same plan. Whoever has more than one balance of
//! quality and time chooses on validation samples, all by the same rule; then everything is tried on test samples, and timed
//! in turns.
//!
//! | file | |
//! |---|---|
//! | `networks` | what learns |
//! | `ways` | what is compared besides rivals |
//! | `contender`, `field` | a method with its balances; all of them, tried and timed |
//! | `clock`, `memory` | milliseconds in turns; the most memory held |
//! | `difficulty` | easy, medium and hard samples |
//! | `compare`, `honesty` | pairs of methods over all seeds; what a reader should know |
//! | `results` | all of it as data |
//! | `report/` | what is written of it: tables, figures, a page; two studies side by side |

mod clock;
mod compare;
mod contender;
mod difficulty;
mod field;
mod honesty;
mod memory;
mod networks;
mod report;
mod results;
mod seed;
mod ways;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use report::{Against, Change, Difference, against};
pub use results::{
    Comparison, Difficulty, Finding, Kind, Lambda, Latency, Parts, Results, Row, Seed, Settings, Training, Weight,
};

use crate::data::{Dataset, Splits};
use crate::latency::{self, Fingerprint, Table};
use crate::network::{Input, Network};
use crate::plan::Plan;
use crate::policy::Costs;
use crate::training::Progress;
use crate::{Device, Error, Result, file};

/// The samples of one seed.
#[derive(Debug)]
pub struct Samples<I> {
    /// What learns, and what chooses: epochs, thresholds, λ, prices and routes.
    pub splits: Splits<I>,
    /// What is measured on, once all is chosen.
    pub test: Dataset<I>,
}

/// A study of one model, in the making.
///
/// ```no_run
/// # use m2sn_runtime::{Result, network::Network, study::{Samples, Study}, training::Progress};
/// # fn example<N: Network>(samples: impl Fn(u64) -> Result<Samples<N::Input>>) -> Result<()> {
/// let study = Study::new("digits, seen and heard", "runs/study").seeds([0, 1, 2]);
/// let results = study.run::<N>(samples, &mut Progress::bars(), |line| eprintln!("{line}"))?;
/// for finding in &results.findings {
///     println!("{}", finding.text);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Study {
    data: String,
    folder: PathBuf,
    plan: Option<Plan>,
    timed: usize,
    settings: Settings,
}

impl Study {
    /// A study on data that are `data` in words, which keeps what it has come to in a folder, and goes on from there.
    pub fn new(data: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        let settings = Settings {
            seeds: vec![0],
            within: 0.005,
            batches: vec![1, 8, 32, 128],
            ratios: vec![0.05, 0.1, 0.2, 0.5, 1.0],
            quick: false,
        };
        Self { data: data.into(), folder: folder.into(), plan: None, timed: 100, settings }
    }

    /// Trains with these seeds in place of 0 alone.
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.settings.seeds = seeds.into_iter().collect();
        self
    }

    /// Lets thresholds, prices, routes and λ be chosen so that they lose no more than this against late fusion, on validation
    /// samples; .005, half a point, where nothing is said.
    pub fn within(mut self, quality: f64) -> Self {
        self.settings.within = quality;
        self
    }

    /// Times batches of these sizes as well as single samples.
    pub fn batches(mut self, batches: impl IntoIterator<Item = usize>) -> Self {
        let others = batches.into_iter().filter(|batch| *batch != 1);
        self.settings.batches = std::iter::once(1).chain(others).collect();
        self
    }

    /// Trains the paper's navigator for these λ, as ratios of the task loss.
    pub fn ratios(mut self, ratios: impl IntoIterator<Item = f64>) -> Self {
        self.settings.ratios = ratios.into_iter().collect();
        self
    }

    /// Trains by this plan in place of that of the spec.
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Times so many samples one by one in place of 100.
    pub fn timed(mut self, samples: usize) -> Self {
        self.timed = samples;
        self
    }

    /// Says in the results that samples or epochs were cut short.
    pub fn quick(mut self, quick: bool) -> Self {
        self.settings.quick = quick;
        self
    }

    /// Runs the study: `samples` has those of a seed, and `say` is told what is being done.
    ///
    /// What has been done is taken from the folder: whole seeds, and of a seed that was interrupted what has learned. So several
    /// processes can run different seeds in one folder at once, and another one collect what they have come to.
    ///
    /// # Errors
    /// [`Error::File`] where the folder holds another study; [`Error::Invalid`] where there is no seed, or a batch holds more
    /// samples than there are; as [`crate::training::Trainer::train`].
    pub fn run<N: Network>(
        &self,
        mut samples: impl FnMut(u64) -> Result<Samples<N::Input>>,
        progress: &mut Progress,
        mut say: impl FnMut(&str),
    ) -> Result<Results> {
        let plan = self.plan.clone().unwrap_or_else(N::plan);
        self.claim::<N>(&plan)?;
        let device = Device::cuda_if_available();
        let mut outcomes: Vec<seed::Outcome> = Vec::new();
        let mut fingerprint = Fingerprint::of(&N::new(device)?);
        for seed in &self.settings.seeds {
            let folder = self.folder.join(format!("seed-{seed}"));
            let kept = folder.join("outcome.json");
            if kept.exists() {
                outcomes.push(file::read_json(&kept)?);
                continue;
            }
            say(&format!("seed {seed}"));
            let samples = samples(*seed)?;
            let table = self.table::<N>(&samples.splits, device)?;
            fingerprint = table.fingerprint.clone();
            let costs = &Costs::new::<N>(table)?;
            let (settings, timed) = (&self.settings, self.timed);
            let plan = Plan { seed: *seed, ..plan.clone() };
            let job = seed::Job { plan, settings, timed, costs, device, folder: &folder };
            let outcome = seed::run::<N>(&job, &samples, progress, &mut say)?;
            file::write_json(&kept, &outcome)?;
            outcomes.push(outcome);
        }
        let comparisons = honesty::comparisons(&outcomes);
        let findings = honesty::findings::<N>(&outcomes, &comparisons, &self.settings)?;
        Ok(Results {
            model: N::description().name.into(),
            data: self.data.clone(),
            spec: N::description().resolved_spec.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            fingerprint,
            settings: self.settings.clone(),
            seeds: outcomes.into_iter().map(|outcome| outcome.seed).collect(),
            comparisons,
            findings,
        })
    }

    /// Notes whose study the folder holds, or checks that it is this one; seeds may be added.
    fn claim<N: Network>(&self, plan: &Plan) -> Result<()> {
        if self.settings.seeds.is_empty() {
            return Err(Error::invalid("study: there is no seed; name one at least"));
        }
        let settings = Settings { seeds: Vec::new(), ..self.settings.clone() };
        let own = Claim {
            architecture: N::description().architecture.iter().map(|line| line.to_string()).collect(),
            data: self.data.clone(),
            plan: Plan { seed: 0, ..plan.clone() },
            timed: self.timed,
            settings,
        };
        let path = self.folder.join("study.json");
        if !path.exists() {
            return file::write_json(&path, &own);
        }
        let found: Claim = file::read_json(&path)?;
        let differs = [
            ("the network", found.architecture != own.architecture),
            ("the data", found.data != own.data),
            ("the plan", found.plan != own.plan),
            ("the settings", found.settings != own.settings || found.timed != own.timed),
        ];
        let differs: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect();
        match &differs[..] {
            [] => Ok(()),
            differs => Err(Error::file(
                path,
                format!(
                    "the folder holds another study: {} differ; choose another folder, or remove this one",
                    differs.join(", ")
                ),
            )),
        }
    }

    /// The milliseconds by which all seeds decide: those of the folder, or measured now.
    fn table<N: Network>(&self, splits: &Splits<N::Input>, device: Device) -> Result<Table> {
        let path = self.folder.join("latency.json");
        let network = N::new(device)?;
        if path.exists() {
            return Table::load(&path, &network);
        }
        let samples = splits.valid.narrow(0, splits.valid.len().min(16))?.to_device(device)?;
        let table = latency::measure(&network, &samples.input()?.features(), &latency::Settings::default())?;
        // Another process that runs other seeds may have come first: all decide by the same.
        if path.exists() {
            return Table::load(&path, &network);
        }
        table.save(&path)?;
        Ok(table)
    }
}

/// Whose study a folder holds.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    architecture: Vec<String>,
    data: String,
    plan: Plan,
    timed: usize,
    settings: Settings,
}

/// What late fusion is called, by which all else is measured.
const LATE_FUSION: &str = "late fusion";
/// Late fusion as a method of its own: what it differs from itself is noise.
const AGAIN: &str = "late fusion, again";
/// The route that does best for all samples.
const FIXED: &str = "best fixed route";

fn no_reference() -> Error {
    Error::invalid("study: late fusion is not among the methods, and times are by its own")
}

#[cfg(test)]
mod tests;
