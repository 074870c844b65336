//! A stage in the making, and the run folder that lets an interrupted one go on.
//!
//! ```text
//! spec.yaml plan.json data.json    whose run this is; another's is refused
//! versions.json latency.json       what it ran on, and the milliseconds that the navigator learnt from
//! metrics.jsonl events.out.…       every epoch, for programs and for TensorBoard
//! current.safetensors              the stage in the making after its last epoch: one file, replaced in one step
//! pretrain/ shortcuts/ …           the stages that are done: a checkpoint and a report each
//! ```

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;
use tch::nn::VarStore;

use super::progress::Progress;
use super::report::{Epoch, PhaseReport, StageReport};
use super::tensorboard;
use crate::checkpoint::tensors::Tensors;
use crate::checkpoint::{self, Versions, assign, sha256};
use crate::data::{Dataset, Splits};
use crate::file;
use crate::latency::Table;
use crate::network::{Input, Network};
use crate::training::Plan;
use crate::{Error, Result};

/// The stages in their order.
pub(super) const STAGES: [&str; 4] = ["pretrain", "shortcuts", "fusion", "navigator"];

/// A stage in the making.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// The plan's seed.
    pub(super) seed: u64,
    pub(super) progress: &'a mut Progress,
    report: StageReport,
    /// Where the phase that was interrupted stood.
    moment: Option<Moment>,
    /// When this part of the stage began, and the seconds that went before it.
    start: Instant,
    before: f64,
    folder: Option<(&'a Folder, tensorboard::Writer)>,
}

/// What a phase needs besides the network's variables to go on after an epoch.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// The optimizer's steps.
    pub(super) steps: i32,
    pub(super) optimizer: BTreeMap<String, Tensor>,
    /// The variables of the best epoch so far.
    pub(super) best: BTreeMap<String, Tensor>,
}

/// What `current.safetensors` says besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    report: StageReport,
    steps: i32,
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
    /// Begins a stage, or goes on with it where the run folder holds its state.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] where a file of the folder cannot be used.
    pub(super) fn begin<N: Network>(
        stage: &str,
        network: &N,
        seed: u64,
        folder: Option<&'a Folder>,
        progress: &'a mut Progress,
    ) -> Result<Begin<'a>> {
        let mut run = Self {
            seed,
            progress,
            report: StageReport { stage: stage.into(), ..StageReport::default() },
            moment: None,
            start: Instant::now(),
            before: 0.0,
            folder: None,
        };
        let Some(folder) = folder else { return Ok(Begin::Run(run)) };
        if let Some(report) = folder.done(stage)? {
            checkpoint::restore(network, &folder.path.join(stage))?;
            tracing::info!(stage, "this stage is done: its result was read from the run folder");
            return Ok(Begin::Done(report));
        }
        match folder.current(stage)? {
            Some((state, tensors)) => {
                let part = |prefix: &str| -> BTreeMap<String, Tensor> {
                    let part = tensors.iter().filter_map(|(name, tensor)| {
                        Some((name.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone()))
                    });
                    part.collect()
                };
                assign(network.variables(), &part("model/"))?;
                run.moment = Some(Moment { steps: state.steps, optimizer: part("optimizer/"), best: part("best/") });
                run.before = state.report.seconds;
                run.report = state.report;
                tracing::info!(stage, "goes on from the run folder");
            }
            // The parameters that a stage begins with belong to its state: a new process would draw others.
            None => folder.keep(network.variables(), &run.report, &Moment::default())?,
        }
        folder.rewrite_metrics(&run.report)?;
        run.folder = Some((folder, tensorboard::Writer::create(&folder.path)?));
        Ok(Begin::Run(run))
    }

    /// Ends the stage.
    ///
    /// # Errors
    /// [`Error::Io`] where the run folder cannot be written.
    pub(super) fn finish<N: Network>(mut self, network: &N) -> Result<StageReport> {
        self.report.seconds = self.seconds();
        if let Some((folder, _)) = &self.folder {
            folder.finish(network, &self.report)?;
        }
        tracing::info!(stage = self.report.stage, seconds = self.report.seconds, "stage is done");
        Ok(self.report)
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
            folder.keep(variables, &self.report, &moment)?;
            folder.append_metrics(&epoch)?;
            board.scalars(epoch.epoch as u64, &scalars(&epoch))?;
        }
        tracing::info!(
            phase = epoch.phase,
            epoch = epoch.epoch,
            epochs = epoch.epochs,
            loss = epoch.loss,
            score = epoch.score,
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

/// A run folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens the folder of this run, and makes it where it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] with the differences where it is that of another run.
    pub(super) fn open<N: Network>(path: &Path, network: &N, plan: &Plan, splits: &Splits<N::Input>) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io(path))?;
        let folder = Self { path: path.into() };
        folder.claim("spec.yaml", N::description().resolved_spec, lines_that_differ)?;
        folder.claim("plan.json", &json(plan), values_that_differ)?;
        folder.claim("data.json", &json(&Fingerprints::of(splits)?), values_that_differ)?;
        let device = format!("{:?}", network.variables().device());
        let versions = json(&Origin { versions: Versions::current(), device });
        match folder.read("versions.json")? {
            None => folder.write("versions.json", &versions)?,
            Some(found) if found != versions => {
                tracing::warn!("{}: this run was begun by other software", folder.path.display());
            }
            Some(_) => {}
        }
        Ok(folder)
    }

    /// The latency table that this run's navigator learns from: the one that it began with, else one measured now.
    ///
    /// # Errors
    /// As [`Table::load`], and those of `measure`.
    pub(super) fn latency<N: Network>(&self, network: &N, measure: impl FnOnce() -> Result<Table>) -> Result<Table> {
        let path = self.path.join("latency.json");
        if path.exists() {
            // Measured anew it would differ a little, and the result with it.
            return Table::load(path, network);
        }
        let table = measure()?;
        table.save(path)?;
        Ok(table)
    }

    /// Writes a file that says whose run this is, or compares it.
    fn claim(&self, name: &str, text: &str, differences: impl Fn(&str, &str) -> Vec<String>) -> Result<()> {
        match self.read(name)? {
            None => self.write(name, text),
            Some(found) if found == text => Ok(()),
            Some(found) => {
                let differences = differences(&found, text).join("\n  ");
                Err(Error::file(
                    self.path.join(name),
                    format!("this folder holds another run:\n  {differences}\nhelp: choose another folder"),
                ))
            }
        }
    }

    /// The report of a stage, where it is done.
    fn done(&self, stage: &str) -> Result<Option<StageReport>> {
        if !self.path.join(stage).join("model.safetensors").exists() {
            return Ok(None);
        }
        let name = format!("{stage}/report.json");
        self.read(&name)?.map(|text| self.parse(&name, &text)).transpose()
    }

    /// The stage in the making, where it is this one.
    fn current(&self, stage: &str) -> Result<Option<(State, BTreeMap<String, Tensor>)>> {
        let path = self.current_path();
        if !path.exists() {
            return Ok(None);
        }
        let Tensors { tensors, metadata } = Tensors::read(&path)?;
        let state: State = self.parse("current.safetensors", metadata.get("state").map_or("", String::as_str))?;
        Ok((state.report.stage == stage).then_some((state, tensors)))
    }

    /// Writes the stage in the making.
    fn keep(&self, variables: &VarStore, report: &StageReport, moment: &Moment) -> Result<()> {
        let model = variables.variables();
        let parts = [("model", model.iter().collect::<Vec<_>>())]
            .into_iter()
            .chain([("optimizer", moment.optimizer.iter().collect()), ("best", moment.best.iter().collect())]);
        let tensors = parts.flat_map(|(part, tensors)| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{part}/{name}"), tensor.shallow_clone()))
        });
        let state = State { report: report.clone(), steps: moment.steps };
        let metadata = [("state".to_owned(), json(&state))].into();
        Tensors { tensors: tensors.collect(), metadata }.write(&self.current_path())
    }

    /// Turns the stage in the making into one that is done; the checkpoint comes last, and decides.
    fn finish<N: Network>(&self, network: &N, report: &StageReport) -> Result<()> {
        let stage = self.path.join(&report.stage);
        std::fs::create_dir_all(&stage).map_err(Error::io(&stage))?;
        self.write(&format!("{}/report.json", report.stage), &json(report))?;
        let last = report.phases.last().and_then(PhaseReport::best);
        let metrics = last.map_or_else(BTreeMap::new, |epoch| epoch.metrics.clone());
        checkpoint::save_stage(network, &stage, Some(report.stage.clone()), metrics)?;
        let current = self.current_path();
        std::fs::remove_file(&current).map_err(Error::io(&current))
    }

    /// Begins `metrics.jsonl` anew, so that an interruption leaves no epoch in it twice and none half.
    fn rewrite_metrics(&self, current: &StageReport) -> Result<()> {
        let mut text = String::new();
        for stage in STAGES {
            let report = if stage == current.stage { Some(current.clone()) } else { self.done(stage)? };
            for epoch in report.iter().flat_map(|report| &report.phases).flat_map(|phase| &phase.epochs) {
                text += &line(epoch);
            }
        }
        self.write("metrics.jsonl", &text)
    }

    fn append_metrics(&self, epoch: &Epoch) -> Result<()> {
        let path = self.path.join("metrics.jsonl");
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(line(epoch).as_bytes())).map_err(Error::io(&path))
    }

    fn current_path(&self) -> PathBuf {
        self.path.join("current.safetensors")
    }

    fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        file::write(&self.path.join(name), text)
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, name: &str, text: &str) -> Result<T> {
        let message = |error| format!("cannot be read as part of a run: {error}; remove the folder to begin anew");
        serde_json::from_str(text).map_err(|error| Error::file(self.path.join(name), message(error)))
    }
}

/// What the run depends on and a report does not show: the software, and the device.
#[derive(Debug, Serialize)]
struct Origin {
    #[serde(flatten)]
    versions: Versions,
    device: String,
}

/// What tells one data set from another at little cost.
#[derive(Debug, Serialize)]
struct Fingerprints {
    train: Fingerprint,
    valid: Fingerprint,
}

#[derive(Debug, Serialize)]
struct Fingerprint {
    samples: i64,
    targets_sha256: String,
}

impl Fingerprints {
    fn of<I: Input>(splits: &Splits<I>) -> Result<Self> {
        let of = |dataset: &Dataset<I>| -> Result<Fingerprint> {
            let target = dataset.target().to_device(tch::Device::Cpu).contiguous();
            let mut bytes = vec![0; target.numel() * target.kind().elt_size_in_bytes()];
            target.f_copy_data_u8(&mut bytes, target.numel())?;
            Ok(Fingerprint { samples: dataset.len(), targets_sha256: sha256(bytes) })
        };
        Ok(Self { train: of(&splits.train)?, valid: of(&splits.valid)? })
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("strings and finite numbers are always JSON") + "\n"
}

fn line(epoch: &Epoch) -> String {
    serde_json::to_string(epoch).expect("strings and finite numbers are always JSON") + "\n"
}

/// The first line of two texts that differs.
fn lines_that_differ(found: &str, expected: &str) -> Vec<String> {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for number in 1.. {
        match (found.next(), expected.next()) {
            (None, None) => break,
            (there, here) if there == here => {}
            (there, here) => {
                let text = |line: Option<&str>| line.map_or("nothing".into(), |line| format!("`{}`", line.trim()));
                return vec![format!("line {number}: {} in the folder, {} here", text(there), text(here))];
            }
        }
    }
    Vec::new()
}

/// The values of two JSON texts that differ, each with its path.
fn values_that_differ(found: &str, expected: &str) -> Vec<String> {
    fn compare(path: &str, found: &Value, expected: &Value, differences: &mut Vec<String>) {
        match (found, expected) {
            (Value::Object(there), Value::Object(here)) => {
                let keys: std::collections::BTreeSet<_> = there.keys().chain(here.keys()).collect();
                for key in keys {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    let value = |object: &serde_json::Map<_, _>| object.get(key).cloned().unwrap_or(Value::Null);
                    compare(&path, &value(there), &value(here), differences);
                }
            }
            _ if found == expected => {}
            _ => differences.push(format!("{path}: {found} in the folder, {expected} here")),
        }
    }
    let mut differences = Vec::new();
    let [found, expected] = [found, expected].map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
    compare("", &found, &expected, &mut differences);
    differences
}
