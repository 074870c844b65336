//! A stage in the making.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::Tensor;
use tch::nn::VarStore;

use super::folder::Folder;
use super::progress::Progress;
use super::report::{Epoch, PhaseReport, StageReport};
use super::tensorboard;
use crate::checkpoint::{assign, weights_sha256};
use crate::latency::Table;
use crate::network::Network;
use crate::plan::{Plan, Weights};
use crate::{Error, Result};

/// A stage in the making.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The plan's seed.
    pub(crate) seed: u64,
    /// The plan's pre-trained parameters, some of which learn at rates of their own.
    pub(super) weights: &'a [Weights],
    pub(crate) progress: &'a mut Progress,
    report: StageReport,
    /// The SHA-256 of the variables that the stage began with; empty where there is no folder to keep it.
    made_from: String,
    /// Where the phase that was interrupted stood.
    moment: Option<Moment>,
    /// When this part of the stage began, and the seconds that went before it.
    start: Instant,
    before: f64,
    folder: Option<(&'a mut Folder, tensorboard::Writer)>,
}

/// What a phase needs besides the network's variables to go on after an epoch.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    /// The optimizer's steps.
    pub(super) steps: i32,
    pub(super) optimizer: BTreeMap<String, Tensor>,
    /// The variables of the best epoch so far.
    pub(super) best: BTreeMap<String, Tensor>,
}

/// How a stage begins.
#[derive(Debug)]
pub(super) enum Begin<'a> {
    /// It is done: the network has its result already.
    Done(StageReport),
    /// It is to be run, or to go on.
    Run(Run<'a>),
}

impl<'a> Run<'a> {
    /// A stage that no folder knows of.
    pub(super) fn apart(stage: &str, plan: &'a Plan, progress: &'a mut Progress) -> Self {
        Self {
            seed: plan.seed,
            weights: &plan.weights,
            progress,
            report: StageReport { stage: stage.into(), ..StageReport::default() },
            made_from: String::new(),
            moment: None,
            start: Instant::now(),
            before: 0.0,
            folder: None,
        }
    }

    /// Begins a stage, or goes on with it where the run folder holds its state.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] where a file of the folder cannot be used, or where the folder's stages do not
    /// lead to this one with this network.
    pub(super) fn begin<N: Network>(
        stage: &str,
        network: &N,
        plan: &'a Plan,
        folder: Option<&'a mut Folder>,
        progress: &'a mut Progress,
    ) -> Result<Begin<'a>> {
        let mut run = Self::apart(stage, plan, progress);
        let Some(folder) = folder else { return Ok(Begin::Run(run)) };
        let here = weights_sha256(network)?;
        if let Some(report) = folder.restore(stage, network, &here)? {
            tracing::info!(stage, "this stage is done: its result was read from the run folder");
            return Ok(Begin::Done(report));
        }
        match folder.resume(stage, &here)? {
            Some(current) => {
                assign(network.variables(), &current.model)?;
                run.made_from = current.made_from;
                run.moment = Some(current.moment);
                run.before = current.report.seconds;
                run.report = current.report;
                tracing::info!(stage, "goes on from the run folder");
            }
            // The parameters that a stage begins with belong to its state: a new process would draw others.
            None => {
                run.made_from = here;
                folder.keep(network.variables(), &run.report, &run.made_from, &Moment::default())?;
            }
        }
        folder.rewrite_metrics(&run.report)?;
        let board = tensorboard::Writer::create(folder.path())?;
        run.folder = Some((folder, board));
        Ok(Begin::Run(run))
    }

    /// Ends the stage.
    ///
    /// # Errors
    /// [`Error::Io`] where the run folder cannot be written, [`Error::Invalid`] where the parameters are not finite.
    pub(super) fn finish<N: Network>(&mut self, network: &N) -> Result<StageReport> {
        self.report.seconds = self.seconds();
        if let Some((folder, _)) = &mut self.folder {
            folder.finish(network, &self.report, self.made_from.clone())?;
        }
        tracing::info!(stage = self.report.stage, seconds = self.report.seconds, "stage is done");
        Ok(self.report.clone())
    }

    /// After a failure, gives the network the parameters again from which the run folder goes on, so that the stage can
    /// be tried again in this process as in a new one.
    pub(super) fn rewind(&self, variables: &VarStore) {
        if let Some((folder, _)) = &self.folder
            && let Err(error) = folder.rewind(variables)
        {
            tracing::warn!("{error}; load the model anew before the stage is tried again");
        }
    }

    /// The latency table that the navigator learns from: that of the run folder, else one measured now.
    ///
    /// # Errors
    /// As [`Table::load`], and those of `measure`.
    pub(super) fn latency<N: Network>(&self, network: &N, measure: impl FnOnce() -> Result<Table>) -> Result<Table> {
        match &self.folder {
            Some((folder, _)) => folder.latency(network, measure),
            None => measure(),
        }
    }

    /// The name of the stage, and whether any of its phases has had an epoch.
    pub(super) fn stage(&self) -> (&str, bool) {
        (&self.report.stage, !self.report.phases.is_empty())
    }

    /// Whether an earlier, interrupted run has left this phase behind.
    pub(super) fn has_passed(&self, phase: &str) -> bool {
        let place = self.report.phases.iter().position(|done| done.phase == phase);
        place.is_some_and(|place| place + 1 < self.report.phases.len())
    }

    /// Where this phase was interrupted, where it was.
    pub(super) fn resume(&mut self, phase: &str) -> Option<Moment> {
        let interrupted = self.report.phases.last().is_some_and(|last| last.phase == phase);
        self.moment.take_if(|_| interrupted)
    }

    /// The epochs that a phase has behind it.
    pub(super) fn epochs(&self, phase: &str) -> &[Epoch] {
        self.report.phases.iter().find(|report| report.phase == phase).map_or(&[], |report| &report.epochs)
    }

    /// Notes λ of Eq. (4).
    pub(super) fn set_lambda(&mut self, lambda: f64) {
        self.report.lambda = Some(lambda);
    }

    /// Ends an epoch: to the run folder, the log, TensorBoard and the observer, in this order.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the observer says so, [`Error::Io`] where the run folder cannot be written.
    pub(super) fn record(&mut self, variables: &VarStore, epoch: Epoch, moment: Moment) -> Result<()> {
        match self.report.phases.last_mut().filter(|last| last.phase == epoch.phase) {
            Some(report) => report.epochs.push(epoch.clone()),
            None => {
                let report = PhaseReport { phase: epoch.phase.clone(), epochs: vec![epoch.clone()] };
                self.report.phases.push(report);
            }
        }
        self.report.seconds = self.seconds();
        if let Some((folder, board)) = &mut self.folder {
            folder.keep(variables, &self.report, &self.made_from, &moment)?;
            folder.append_metrics(&epoch)?;
            board.scalars(epoch.epoch as u64, &scalars(&epoch))?;
        }
        tracing::info!(
            phase = epoch.phase,
            epoch = epoch.epoch,
            epochs = epoch.epochs,
            loss = epoch.loss,
            score = epoch.score,
            select = epoch.select.name(),
            best = epoch.best,
            metrics = ?epoch.metrics,
            "epoch"
        );
        if self.progress.epoch(&epoch).is_break() {
            return Err(Error::Stopped { phase: epoch.phase, epoch: epoch.epoch });
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }
}

/// The values of an epoch as TensorBoard names them.
fn scalars(epoch: &Epoch) -> Vec<(String, f64)> {
    let own = [("train", epoch.loss), ("score", epoch.score), ("rate", epoch.rate)];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let metrics = epoch.metrics.iter().map(|(name, value)| (name.clone(), *value));
    own.chain(metrics).map(|(name, value)| (format!("{}/{name}", epoch.phase), value)).collect()
}
