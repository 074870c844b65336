//! A stage in the making, and the run folder that lets an interrupted one go on.
//!
//! ```text
//! lock                             held by the process that trains here
//! spec.yaml plan.json data.json    whose run this is; another's is refused
//! versions.json latency.json       what it ran on, and the milliseconds that the navigator learnt from
//! metrics.jsonl events.out.…       every epoch, for programs and for TensorBoard
//! current.safetensors              the stage in the making after its last epoch: one file, replaced in one step
//! pretrain/ shortcuts/ …           the stages that are done: a checkpoint and a report each
//! ```
//!
//! What a folder holds is read and believed, or refused with what to do about it. Stages hang together: each names the
//! parameters that it was made from, so that none is taken for the result of another start or of other stages before.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tch::Tensor;
use tch::nn::VarStore;

use super::cache::chunks;
use super::progress::Progress;
use super::report::{Epoch, PhaseReport, StageReport};
use super::tensorboard;
use crate::batch::Feature;
use crate::checkpoint::tensors::{Tensors, digest, values};
use crate::checkpoint::{self, Versions, assign, hexadecimal, weights_sha256};
use crate::data::{Dataset, Splits};
use crate::file;
use crate::latency::Table;
use crate::network::{Input, Network};
use crate::plan::Plan;
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
    /// The SHA-256 of the variables that the stage began with; empty where there is no folder to keep it.
    made_from: String,
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
    /// The SHA-256 of the variables that the stage began with.
    made_from: String,
    /// The SHA-256 of the file's tensors.
    sha256: String,
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
    /// [`Error::Io`] and [`Error::File`] where a file of the folder cannot be used, or where the folder's stages do not
    /// lead to this one with this network.
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
            made_from: String::new(),
            moment: None,
            start: Instant::now(),
            before: 0.0,
            folder: None,
        };
        let Some(folder) = folder else { return Ok(Begin::Run(run)) };
        let here = weights_sha256(network)?;
        let chain = Chain::of(folder)?;
        if let Some(report) = folder.done(stage)? {
            chain.leads_on(folder, &here)?;
            checkpoint::restore(network, &folder.path.join(stage))?;
            checkpoint::complete(&folder.path.join(stage))?;
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
                chain.leads_on(folder, &here)?;
                assign(network.variables(), &part("model/"))?;
                run.made_from = state.made_from;
                run.moment = Some(Moment { steps: state.steps, optimizer: part("optimizer/"), best: part("best/") });
                run.before = state.report.seconds;
                run.report = state.report;
                tracing::info!(stage, "goes on from the run folder");
            }
            // The parameters that a stage begins with belong to its state: a new process would draw others.
            None => {
                chain.ends_before(folder, stage, &here)?;
                run.made_from = here;
                folder.keep(network.variables(), &run, &Moment::default())?;
            }
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
            folder.finish(network, &self.report, self.made_from.clone())?;
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
        if let Some((folder, _)) = &self.folder {
            folder.keep(variables, self, &moment)?;
        }
        if let Some((folder, board)) = &mut self.folder {
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
    /// Held as long as this is; the system gives it back also where the process is killed.
    _lock: Option<File>,
}

impl Folder {
    /// Opens the folder of this run, and makes it where it does not exist.
    ///
    /// # Errors
    /// [`Error::File`] with the differences where it is that of another run, or where another process trains in it.
    pub(super) fn open<N: Network>(path: &Path, network: &N, plan: &Plan, splits: &Splits<N::Input>) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("the run folder has no name; write `.` to mean the working folder"));
        }
        std::fs::create_dir_all(path).map_err(Error::io(path))?;
        let folder = Self { path: path.into(), _lock: lock(&path.join("lock"))? };
        folder.claim("spec.yaml", N::description().resolved_spec, lines_that_differ)?;
        folder.claim("plan.json", &json(plan), values_that_differ)?;
        folder.claim("data.json", &json(&fingerprints::<N>(splits)?), values_that_differ)?;
        if folder.latency_path().exists() {
            Table::read(&folder.latency_path())?;
        }
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
        let path = self.latency_path();
        if path.exists() {
            // Measured anew it would differ a little, and the result with it.
            return Table::load(path, network);
        }
        let table = measure()?;
        table.save(path)?;
        Ok(table)
    }

    /// Writes a file that says whose run this is, or compares it.
    fn claim(
        &self,
        name: &str,
        text: &str,
        differences: impl Fn(&str, &str) -> Result<Vec<String>, String>,
    ) -> Result<()> {
        let Some(found) = self.read(name)? else { return self.write(name, text) };
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
        Err(Error::file(self.path.join(name), fault))
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
        if digest(&tensors)? != state.sha256 {
            return Err(Error::file(path, "is damaged; remove this file to begin its stage anew"));
        }
        Ok((state.report.stage == stage).then_some((state, tensors)))
    }

    /// Writes the stage in the making.
    fn keep(&self, variables: &VarStore, run: &Run<'_>, moment: &Moment) -> Result<()> {
        let model = variables.variables();
        let parts = [("model", model.iter().collect::<Vec<_>>())]
            .into_iter()
            .chain([("optimizer", moment.optimizer.iter().collect()), ("best", moment.best.iter().collect())]);
        let tensors = parts.flat_map(|(part, tensors)| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{part}/{name}"), tensor.shallow_clone()))
        });
        let tensors: BTreeMap<_, _> = tensors.collect();
        let state = State {
            report: run.report.clone(),
            steps: moment.steps,
            made_from: run.made_from.clone(),
            sha256: digest(&tensors)?,
        };
        let metadata = [("state".to_owned(), json(&state))].into();
        Tensors { tensors, metadata }.write(&self.current_path())
    }

    /// Turns the stage in the making into one that is done; the checkpoint comes last, and decides.
    fn finish<N: Network>(&self, network: &N, report: &StageReport, made_from: String) -> Result<()> {
        let stage = self.path.join(&report.stage);
        std::fs::create_dir_all(&stage).map_err(Error::io(&stage))?;
        self.write(&format!("{}/report.json", report.stage), &json(report))?;
        let last = report.phases.last().and_then(PhaseReport::best);
        let metrics = last.map_or_else(BTreeMap::new, |epoch| epoch.metrics.clone());
        let origin = checkpoint::Origin { stage: report.stage.clone(), made_from };
        checkpoint::save_stage(network, &stage, Some(origin), metrics)?;
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

    fn latency_path(&self) -> PathBuf {
        self.path.join("latency.json")
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
        let message = |error| format!("is damaged ({error}); remove this file to train its stage anew");
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

/// The stages of a folder, each with the parameters that it was made from and those that it left.
#[derive(Debug)]
struct Chain {
    /// The stages that are done: their number, what each was made from and what it left.
    done: Vec<(usize, String, String)>,
    /// The stage in the making: its number, what it was made from and where it stands.
    current: Option<(usize, String, String)>,
}

impl Chain {
    fn of(folder: &Folder) -> Result<Self> {
        let mut done = Vec::new();
        for (number, stage) in STAGES.iter().enumerate() {
            if folder.done(stage)?.is_some() {
                let manifest = checkpoint::manifest(folder.path.join(stage))?;
                done.push((number, manifest.made_from.unwrap_or_default(), manifest.weights_sha256));
            }
        }
        for pair in done.windows(2) {
            let [(before, _, left), (after, from, _)] = pair else { continue };
            if before + 1 != *after || left != from {
                return Err(Error::file(
                    folder.path.join(STAGES[*after]),
                    format!(
                        "was not made from what stage `{}` left; remove this folder to train its stage anew",
                        STAGES[after.saturating_sub(1)]
                    ),
                ));
            }
        }
        let mut current = None;
        for (number, stage) in STAGES.iter().enumerate() {
            if let Some((state, tensors)) = folder.current(stage)? {
                let model = tensors.iter().filter_map(|(name, tensor)| {
                    Some((name.strip_prefix("model/")?.to_owned(), tensor.shallow_clone()))
                });
                current = Some((number, state.made_from, digest(&model.collect::<BTreeMap<_, _>>())?));
            }
        }
        Ok(Self { done, current })
    }

    /// Checks that the network is one that this run has had: as it began, or as one of its stages left it.
    fn leads_on(&self, folder: &Folder, here: &str) -> Result<()> {
        let had = self.done.iter().chain(&self.current).any(|(_, from, left)| [from, left].contains(&&here.to_owned()));
        if had {
            return Ok(());
        }
        Err(Error::file(
            &folder.path,
            "this folder's run began with other parameters than the network has\n\
             help: build the network as it was built then (`Network::seeded` draws the same parameters each time), \
             or choose another folder",
        ))
    }

    /// Checks that a stage which is neither done nor in the making is the next one, and that the network is as the
    /// stage before it left it. A run may begin with any stage.
    fn ends_before(&self, folder: &Folder, stage: &str, here: &str) -> Result<()> {
        let number = STAGES.iter().position(|name| *name == stage).unwrap_or_default();
        let Some((first, ..)) = self.done.iter().chain(&self.current).next() else { return Ok(()) };
        let refusal = |what: String| Err(Error::file(&folder.path, what));
        if number < *first {
            return refusal(format!(
                "the run in this folder began with stage `{}`, so `{stage}` cannot follow; choose another folder",
                STAGES[*first]
            ));
        }
        match self.done.iter().find(|(done, ..)| done + 1 == number) {
            Some((.., left)) if left == here => Ok(()),
            Some(_) => refusal(format!(
                "the network is not what stage `{0}` left here; load `{1}` before stage `{stage}`",
                STAGES[number - 1],
                folder.path.join(STAGES[number - 1]).display()
            )),
            None => refusal(format!("stage `{}` is not done here; run it before `{stage}`", STAGES[number - 1])),
        }
    }
}

/// Takes the lock of a run folder; `None` where the folder cannot be written, and so not trained in either.
fn lock(path: &Path) -> Result<Option<File>> {
    let mut file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(path)(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::file(
                path,
                format!("process {} trains in this folder; wait for its end, or choose another folder", holder.trim()),
            ));
        }
        // A file system without locks.
        Err(TryLockError::Error(error)) => {
            tracing::warn!("{}: cannot be locked ({error}): let no other process train here", path.display());
            return Ok(Some(file));
        }
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(Error::io(path))?;
    Ok(Some(file))
}

/// What tells one data set from another: of each split its samples, and the SHA-256 of each of its tensors.
fn fingerprints<N: Network>(splits: &Splits<N::Input>) -> Result<Value> {
    let of = |dataset: &Dataset<N::Input>| -> Result<Value> {
        let mut tensors = serde_json::Map::new();
        let features = dataset.input().features();
        for (modality, Feature { tensor, mask }) in N::description().modalities.iter().zip(&features) {
            tensors.insert(modality.name.into(), sha256_of(tensor)?.into());
            if let Some(mask) = mask {
                tensors.insert(format!("mask of {}", modality.name), sha256_of(mask)?.into());
            }
        }
        let target = sha256_of(dataset.target())?;
        Ok(serde_json::json!({ "samples": dataset.len(), "target_sha256": target, "input_sha256": tensors }))
    };
    Ok(serde_json::json!({ "train": of(&splits.train)?, "valid": of(&splits.valid)? }))
}

/// The SHA-256 of a tensor's values, taken in parts so that no second copy of all is needed.
fn sha256_of(tensor: &Tensor) -> Result<String> {
    const ROWS: i64 = 1024;
    let mut digest = Sha256::new();
    let rows = tensor.size().first().copied().unwrap_or(0);
    for range in chunks(rows, ROWS) {
        digest.update(values(&tensor.narrow(0, range.start, range.end - range.start))?);
    }
    Ok(hexadecimal(&digest.finalize()))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("strings and finite numbers are always JSON") + "\n"
}

fn line(epoch: &Epoch) -> String {
    serde_json::to_string(epoch).expect("strings and finite numbers are always JSON") + "\n"
}

/// The first line of two texts that differs.
fn lines_that_differ(found: &str, expected: &str) -> Result<Vec<String>, String> {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for number in 1.. {
        match (found.next(), expected.next()) {
            (None, None) => break,
            (there, here) if there == here => {}
            (there, here) => {
                let text = |line: Option<&str>| line.map_or("nothing".into(), |line| format!("`{}`", line.trim()));
                return Ok(vec![format!("line {number}: {} in the folder, {} here", text(there), text(here))]);
            }
        }
    }
    Ok(Vec::new())
}

/// The values of two JSON texts that differ, each with its path; an error where the first is no JSON.
fn values_that_differ(found: &str, expected: &str) -> Result<Vec<String>, String> {
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
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let mut differences = Vec::new();
    compare("", &parse(found)?, &parse(expected)?, &mut differences);
    Ok(differences)
}
