//! Staged training (Section IV), each stage a file.
//!
//! Four stages follow one another: late fusion with the uni-modal networks, the shortcuts, fusion on randomly drawn
//! routes, and the navigator: the paper's, or a learned policy. A stage is a list of phases, and all phases run the same
//! loop: some parts of the network learn, everything else is frozen, and what the frozen parts compute is computed once
//! and cached.
//!
//! A training with a [run folder](Trainer::folder) can be interrupted at any moment. Run again, it goes on after the
//! last finished epoch, and on the processor its result equals that of an uninterrupted run bit for bit. The one
//! exception: a run without a table of its own that is killed before it has noted the milliseconds of the navigator's
//! stage measures them anew. A training that fails goes on likewise, also with the same model in the same process.

mod augment;
mod balances;
mod cache;
mod confidence;
mod context;
mod fit;
mod folder;
mod frozen;
mod fusion;
pub(crate) mod gumbel;
mod integral;
mod joint;
mod missing;
mod navigator;
mod normalize;
mod optimizer;
mod peripheral;
mod pretrain;
mod progress;
mod quality;
mod reading;
mod report;
mod run;
mod schedule;
mod select;
mod shortcuts;
mod softening;
mod stands;
mod tensorboard;
mod thresholds;

use std::path::PathBuf;

use folder::{Folder, STAGES};
use frozen::Frozen;
use run::Begin;

pub use progress::{Observer, Progress};
pub use report::{Epoch, PhaseReport, Report, StageReport};

pub(crate) use cache::Features;
pub(crate) use context::{Context, Said, Samples};
pub(crate) use fit::{Phase, Score, Step, fit, seed};
pub(crate) use missing::Present;
pub(crate) use run::Run;

use crate::checkpoint::weights_sha256;
use crate::data::Splits;
use crate::latency::{self, Table};
use crate::network::{Input, Network, check_present};
use crate::plan::{Plan, Policy};
use crate::policy::Costs;
use crate::store::MEMORY;
use crate::task::Criterion;
use crate::{Error, Result, weights};

/// Trains a model by a plan.
///
/// The stages can be run at once by [`Trainer::train`], or one by one where a study looks at the model in between.
///
/// The encoders that the plan has [weights](Plan::weights) for begin with those, whatever the network holds: they are read
/// when the first stage begins, unless the network comes from the run folder. Who goes on from a checkpoint without one,
/// takes them out of the plan.
///
/// A training is reproducible as long as nothing else draws random numbers from LibTorch while it runs: the library
/// has one generator a process, so another thread that draws from it changes what this one gets.
///
/// On the processor, two trainings of the same spec, plan, data and start parameters give the same network bit for bit
/// up to the navigator; the navigator as well where both are given the same [`Trainer::latency`], or go on in the same
/// folder after it has noted its own. Measured anew, milliseconds differ a little, and decisions with them.
#[derive(Debug, Clone)]
pub struct Trainer {
    plan: Plan,
    folder: Option<PathBuf>,
    latency: Option<Table>,
    memory: u64,
}

impl Trainer {
    /// A trainer by this plan, which keeps everything in memory.
    pub fn new(plan: Plan) -> Self {
        Self { plan, folder: None, latency: None, memory: MEMORY }
    }

    /// Writes settings, metrics and checkpoints to a run folder, and goes on from it where it holds this very run.
    ///
    /// One process at a time trains in a folder, and it knows its data by their SHA-256. [`Trainer::train`] locks it and
    /// hashes the data once; stages that are run one by one do so each for itself, so that another process may come
    /// between them.
    pub fn folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// Gives the navigator's stage a latency table; without one, the stage measures its own before it begins.
    ///
    /// A run that goes on in its folder keeps the milliseconds that it began with. A table that was measured for another
    /// model or on another device is refused when a stage begins.
    pub fn latency(self, table: Table) -> Self {
        Self { latency: Some(table), ..self }
    }

    /// Bounds the memory for cached features, on the device of the model; what exceeds it goes to disk, to the run
    /// folder or else to the system's folder for temporary files. The default is 4 GiB.
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Runs all stages.
    ///
    /// Samples may lie on another device than the model: each mini-batch is moved there. Those that are streamed are read
    /// ahead of the steps that need them; what cannot be read or used ends the training, which can go on once it is repaired.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the plan or the latencies cannot be used, or where a loss is no longer finite,
    /// with stage, epoch and step; [`crate::Error::File`] where the run folder holds another run;
    /// [`crate::Error::Io`] where it cannot be written; [`crate::Error::Stopped`] by the observer of `progress`.
    pub fn train<N: Network>(
        &self,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<Report> {
        let mut folder = self.open(network, splits)?;
        let mut report = Report::default();
        for stage in STAGES {
            report.stages.push(self.stage(stage, network, splits, progress, folder.as_mut())?);
        }
        Ok(report)
    }

    /// Runs the first stage: late fusion and the uni-modal networks, from the [weights](Plan::weights) of the plan on. Where it has no epochs it leaves the network as it is,
    /// and in the run folder says with which parameters the others began.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn pretrain<N: Network>(
        &self,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<StageReport> {
        self.alone(STAGES[0], network, splits, progress)
    }

    /// Runs the second stage: the shortcuts.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn shortcuts<N: Network>(
        &self,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<StageReport> {
        self.alone(STAGES[1], network, splits, progress)
    }

    /// Runs the third stage: fusion and head on randomly drawn routes.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn fusion<N: Network>(
        &self,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<StageReport> {
        self.alone(STAGES[2], network, splits, progress)
    }

    /// Runs the last stage: the navigator, by the policy of the plan.
    ///
    /// It learns on from the parameters that it has. To compare several λ of the paper's navigator, save the model before
    /// this stage and load it again for each; the policies of one model do not touch each other.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn navigator<N: Network>(
        &self,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<StageReport> {
        self.alone(STAGES[3], network, splits, progress)
    }

    fn alone<N: Network>(
        &self,
        stage: &str,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
    ) -> Result<StageReport> {
        let mut folder = self.open(network, splits)?;
        self.stage(stage, network, splits, progress, folder.as_mut())
    }

    /// Checks what can be checked before anything is trained, and opens the run folder.
    fn open<N: Network>(&self, network: &N, splits: &Splits<N::Input>) -> Result<Option<Folder>> {
        self.plan.check()?;
        self.plan.check_metrics(N::description().task)?;
        Criterion::new(N::description().task, &self.plan.loss, splits.train.target(), tch::Device::Cpu)?;
        augment::check(&self.plan, N::description())?;
        weights::frozen(network, &self.plan.weights)?;
        if let Some(table) = &self.latency {
            table.check_here(network)?;
        }
        for (split, data) in [("training", &splits.train), ("validation", &splits.valid)] {
            // What is streamed is checked as it is read.
            if data.stream().is_none() {
                for (modality, input) in N::description().modalities.iter().zip(data.input()?.features()) {
                    modality.check_tokens(&input.tensor, |row| row)?;
                }
            }
            let present = data.present();
            for (modality, present) in N::description().modalities.iter().zip(&present) {
                if let Some(present) = present
                    && !bool::try_from(present.any())?
                {
                    return Err(Error::invalid(format!(
                        "modality `{}`: no {split} sample has it, expected one at least; `Dataset::part` draws both \
                         splits from all samples",
                        modality.name
                    )));
                }
            }
            check_present(N::description(), &present.iter().map(Option::as_ref).collect::<Vec<_>>())?;
        }
        for warning in splits.warnings(N::description().task) {
            tracing::warn!("{warning}");
        }
        self.folder.as_ref().map(|path| Folder::open(path, network, &self.plan, splits)).transpose()
    }

    /// Runs a stage; after the last one, the network knows the milliseconds that it has learned from.
    fn stage<N: Network>(
        &self,
        stage: &str,
        network: &mut N,
        splits: &Splits<N::Input>,
        progress: &mut Progress,
        mut folder: Option<&mut Folder>,
    ) -> Result<StageReport> {
        if stage == STAGES[0] {
            self.load_weights(network, folder.as_deref())?;
        }
        let _frozen = Frozen::of(network, &self.plan)?;
        let mut table = None;
        let report = match Run::begin(stage, network, &self.plan, folder.as_deref_mut(), progress)? {
            Begin::Run(run) => self.run(stage, network, splits, run, &mut table)?,
            Begin::Done(report) => report,
        };
        if stage == STAGES[3] {
            let table = match (table, folder) {
                (None, Some(folder)) => Some(folder.latency(network, || self.measured(network, splits))?),
                (table, _) => table,
            };
            table.iter().try_for_each(|table| network.policies_mut().decide_by::<N>(table))?;
        }
        Ok(report)
    }

    /// Reads the parameters that the plan names, unless the network comes from this run and has left them behind.
    fn load_weights<N: Network>(&self, network: &mut N, folder: Option<&Folder>) -> Result<()> {
        if self.plan.weights.is_empty() {
            return Ok(());
        }
        if let Some(folder) = folder
            && folder.has_had(&weights_sha256(network)?)
        {
            return Ok(());
        }
        weights::load(network, &self.plan.weights)
    }

    fn run<N: Network>(
        &self,
        stage: &str,
        network: &N,
        splits: &Splits<N::Input>,
        mut run: Run<'_>,
        latency: &mut Option<Table>,
    ) -> Result<StageReport> {
        let trained = self.train_stage(stage, network, splits, &mut run, latency);
        let done = trained.and_then(|()| run.finish(network));
        if done.is_err() {
            run.rewind(network.variables());
        }
        done
    }

    fn train_stage<N: Network>(
        &self,
        stage: &str,
        network: &N,
        splits: &Splits<N::Input>,
        run: &mut Run<'_>,
        latency: &mut Option<Table>,
    ) -> Result<()> {
        let disk = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let context = Context::new(network, &self.plan, splits, self.memory, disk)?;
        normalize::fit(&context)?;
        match stage {
            "pretrain" => pretrain::train(&context, run)?,
            "shortcuts" => shortcuts::train(&context, run)?,
            "fusion" => fusion::train(&context, run)?,
            _ => {
                let table = run.latency(network, || self.measured(network, splits))?;
                let unpaid = latency::unpaid::<N>(&table)?;
                unpaid.iter().for_each(|warning| tracing::warn!("{warning}"));
                match self.plan.navigator.policy {
                    Policy::Paper => navigator::train(&context, run, &table),
                    Policy::Confidence => confidence::train(&context, run, &Costs::new::<N>(table.clone())?),
                    learned => quality::train(&context, run, learned, &Costs::new::<N>(table.clone())?),
                }?;
                *latency = Some(table);
                // What it has learned is of answers by the thresholds that it found.
                return Ok(());
            }
        }
        thresholds::choose(&context, run)
    }

    /// The table at hand, or one measured now.
    fn measured<N: Network>(&self, network: &N, splits: &Splits<N::Input>) -> Result<Table> {
        match &self.latency {
            Some(table) => Ok(table.clone()),
            None => {
                let samples = splits.valid.narrow(0, splits.valid.len().min(16))?;
                let samples = samples.to_device(network.variables().device())?;
                latency::measure(network, &samples.input()?.features(), &latency::Settings::default())
            }
        }
    }
}

/// Trains what is no stage, by what every stage has: frozen parts are cached, the best epoch is kept, and what is drawn
/// follows from the plan's seed. Nothing goes to a folder.
///
/// # Errors
/// Those of `learn`, and as [`Trainer::train`].
pub(crate) fn aside<N: Network>(
    name: &str,
    network: &N,
    plan: &Plan,
    splits: &Splits<N::Input>,
    progress: &mut Progress,
    learn: impl FnOnce(&Context<'_, N>, &mut Run<'_>) -> Result<()>,
) -> Result<StageReport> {
    let _frozen = Frozen::of(network, plan)?;
    let mut run = Run::apart(name, plan, progress);
    learn(&Context::new(network, plan, splits, MEMORY, std::env::temp_dir())?, &mut run)?;
    run.finish(network)
}

#[cfg(test)]
mod tests;
