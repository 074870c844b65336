//! The run folder that lets an interrupted training go on.
//!
//! ```text
//! lock                             held by the process that trains here
//! spec.yaml plan.json data.json    whose run this is; another's is refused
//! versions.json latency.json       what it ran on, and the milliseconds that the navigator learnt from
//! metrics.jsonl events.out.…       every epoch, for programs and for TensorBoard
//! current.safetensors              the stage in the making after its last epoch
//! pretrain/ shortcuts/ …           the stages that are done: a checkpoint and a report each
//! ```
//!
//! What a folder holds is read and believed, or refused with what to do about it. Stages hang together: each names the
//! parameters that it was made from, so that none is taken for the result of another start or of other stages before.

mod claim;
mod current;
mod history;
mod lock;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;

pub(super) use current::Current;

use claim::{fingerprints, lines_that_differ, values_that_differ};
use history::{History, discard};
use lock::lock;

use super::report::{Epoch, PhaseReport, StageReport};
use super::run::Moment;
use crate::checkpoint::{self, MODEL, Versions, assign};
use crate::data::Splits;
use crate::file;
use crate::latency::Table;
use crate::network::Network;
use crate::plan::Plan;
use crate::{Error, Result};

/// The stages in their order.
pub(super) const STAGES: [&str; 4] = ["pretrain", "shortcuts", "fusion", "navigator"];

const CURRENT: &str = "current.safetensors";
const LATENCY: &str = "latency.json";
const METRICS: &str = "metrics.jsonl";
const REPORT: &str = "report.json";
const VERSIONS: &str = "versions.json";

/// A run folder, locked as long as this is.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    history: History,
    /// The system gives the lock back also where the process is killed.
    _lock: Option<File>,
}

/// What the run depends on and a report does not show: the software, and the device.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    #[serde(flatten)]
    versions: Versions,
    device: String,
}

impl Folder {
    /// Opens the folder of this run, and makes it where it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] with the differences where it is that of another run, where one of its files is damaged, or where
    /// another process trains in it; [`Error::Io`] where it cannot be used.
    pub(super) fn open<N: Network>(path: &Path, network: &N, plan: &Plan, splits: &Splits<N::Input>) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the run folder has no name; write `.` to mean the working folder"));
        }
        std::fs::create_dir_all(path).map_err(Error::io(path))?;
        let lock = lock(&path.join("lock"))?;
        claim(&path.join("spec.yaml"), N::description().resolved_spec, lines_that_differ)?;
        claim(&path.join("plan.json"), &json(plan), values_that_differ)?;
        claim(&path.join("data.json"), &json(&fingerprints::<N>(splits)?), values_that_differ)?;
        check_latency(path)?;
        note_origin(path, network)?;
        Ok(Self { path: path.into(), history: History::read(path)?, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this run has had a network with variables of this SHA-256: as it began, or as one of its stages left it.
    pub(super) fn has_had(&self, here: &str) -> bool {
        self.history.leads_on(here).is_ok()
    }

    /// Gives the network the result of a stage, where it is done, and returns its report.
    ///
    /// `here` is the SHA-256 of the network's variables.
    ///
    /// # Errors
    /// [`Error::File`] where the network is none of this run, or the result is damaged.
    pub(super) fn restore<N: Network>(&self, stage: &str, network: &N, here: &str) -> Result<Option<StageReport>> {
        let Some(report) = self.history.done(stage) else { return Ok(None) };
        self.history.leads_on(here)?;
        let folder = self.path.join(stage);
        self.history.usable(stage, checkpoint::restore(network, &folder))?;
        checkpoint::complete(&folder)?;
        Ok(Some(report.clone()))
    }

    /// Where a stage that is not done stands, where it has begun.
    ///
    /// `here` is the SHA-256 of the network's variables.
    ///
    /// # Errors
    /// [`Error::File`] where the network is none of this run, or where this is not the next stage.
    pub(super) fn resume(&mut self, stage: &str, here: &str) -> Result<Option<Current>> {
        if self.history.is_current(stage) {
            self.history.leads_on(here)?;
        } else {
            self.history.ends_before(stage, here)?;
        }
        Ok(self.history.take_current(stage))
    }

    /// The latency table that this run's navigator learns from: the one that it began with, else one measured now.
    ///
    /// # Errors
    /// As [`Table::load`], and those of `measure`.
    pub(super) fn latency<N: Network>(&self, network: &N, measure: impl FnOnce() -> Result<Table>) -> Result<Table> {
        let path = self.path.join(LATENCY);
        if path.exists() {
            // Measured anew it would differ a little, and the result with it.
            return Table::load(path, network);
        }
        let table = measure()?;
        table.save(path)?;
        Ok(table)
    }

    /// Writes where the stage in the making stands.
    pub(super) fn keep(
        &self,
        variables: &VarStore,
        report: &StageReport,
        made_from: &str,
        moment: &Moment,
    ) -> Result<()> {
        current::write(&self.path.join(CURRENT), variables, report, made_from, moment)
    }

    /// Gives the network the variables again with which the stage in the making stands.
    pub(super) fn rewind(&self, variables: &VarStore) -> Result<()> {
        match Current::read(&self.path.join(CURRENT))? {
            Some(current) => assign(variables, &current.model),
            None => Ok(()),
        }
    }

    /// Turns the stage in the making into one that is done; the checkpoint comes last, and decides.
    pub(super) fn finish<N: Network>(&mut self, network: &N, report: &StageReport, made_from: String) -> Result<()> {
        let stage = self.path.join(&report.stage);
        // Weights whose report was lost are none to go with this one.
        file::remove(&stage.join(MODEL))?;
        file::write(&stage.join(REPORT), &json(report))?;
        let last = report.phases.last().and_then(PhaseReport::best);
        let metrics = last.map_or_else(BTreeMap::new, |epoch| epoch.metrics.clone());
        let origin = checkpoint::Origin { stage: report.stage.clone(), made_from: made_from.clone() };
        let left = checkpoint::save_stage(network, &stage, Some(origin), metrics)?;
        discard(&self.path.join(CURRENT));
        self.history.add(report.clone(), made_from, left);
        Ok(())
    }

    /// Begins `metrics.jsonl` anew, so that an interruption leaves no epoch in it twice and none half.
    pub(super) fn rewrite_metrics(&self, current: &StageReport) -> Result<()> {
        let reports = STAGES.iter().filter_map(|stage| match *stage == current.stage {
            true => Some(current),
            false => self.history.done(stage),
        });
        let epochs = reports.flat_map(|report| &report.phases).flat_map(|phase| &phase.epochs);
        file::write(&self.path.join(METRICS), &epochs.map(line).collect::<String>())
    }

    pub(super) fn append_metrics(&self, epoch: &Epoch) -> Result<()> {
        let path = self.path.join(METRICS);
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(line(epoch).as_bytes())).map_err(Error::io(&path))
    }
}

/// Writes a file that says whose run this is, or compares it.
fn claim(path: &Path, text: &str, differences: impl Fn(&str, &str) -> Result<Vec<String>, String>) -> Result<()> {
    let Some(found) = read(path)? else { return file::write(path, text) };
    let fault = match differences(&found, text) {
        Ok(differences) if differences.is_empty() => return Ok(()),
        Ok(differences) => {
            format!("this folder holds another run:\n  {}\nhelp: choose another folder", differences.join("\n  "))
        }
        Err(fault) => format!(
            "is damaged ({fault})\nhelp: restore the file, or choose another folder; remove it only if you know that \
             the folder holds this very run"
        ),
    };
    Err(Error::file(path, fault))
}

/// Checks that the milliseconds in the folder, where there are any, can be read.
fn check_latency(folder: &Path) -> Result<()> {
    let path = folder.join(LATENCY);
    if !path.exists() {
        return Ok(());
    }
    match Table::read(&path) {
        Err(Error::File { path, message }) => {
            // What has begun on the old milliseconds does not go on with others.
            let current = folder.join(CURRENT);
            let too = if current.exists() { format!(" and `{}`", current.display()) } else { String::new() };
            let help = format!("restore the file, or remove it{too} to measure anew");
            Err(Error::file(path, format!("{message}\nhelp: {help}")))
        }
        read => read.map(|_| ()),
    }
}

/// Notes what the run was begun on, or warns where it goes on elsewhere.
fn note_origin<N: Network>(folder: &Path, network: &N) -> Result<()> {
    let path = folder.join(VERSIONS);
    let device = format!("{:?}", network.variables().device());
    let here = Origin { versions: Versions::current(), device };
    let Some(text) = read(&path)? else { return file::write(&path, &json(&here)) };
    let there: Origin = serde_json::from_str(&text).map_err(|error| {
        let help = "restore the file, or remove it: it only notes what the run was begun on";
        Error::file(&path, format!("is damaged ({error})\nhelp: {help}"))
    })?;
    if there != here {
        tracing::warn!(
            ?there,
            ?here,
            "{}: this run was begun by other software or on another device",
            folder.display()
        );
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        // Bytes that are no text are found as what they stand in place of.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("strings and finite numbers are always JSON") + "\n"
}

fn line(epoch: &Epoch) -> String {
    serde_json::to_string(epoch).expect("strings and finite numbers are always JSON") + "\n"
}
