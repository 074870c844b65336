//! The stages of a run folder, each with the parameters that it was made from and those that it left.

use std::path::{Path, PathBuf};

use super::current::Current;
use super::{CURRENT, MODEL, REPORT, STAGES, read};
use crate::training::report::StageReport;
use crate::{Error, Result, checkpoint, file};

/// What the stages of a folder have come to, read once when it is opened.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    /// The stages that are done, in their order.
    done: Vec<Done>,
    /// The stage in the making.
    current: Option<(Link, Current)>,
}

#[derive(Debug)]
struct Done {
    link: Link,
    report: StageReport,
}

/// A stage as one of a chain: its number, and the SHA-256 of the parameters that it was made from and that it left.
#[derive(Debug, Clone)]
struct Link {
    number: usize,
    made_from: String,
    left: String,
}

impl History {
    /// Reads what the stages in the folder `path` say of themselves.
    ///
    /// A program that is killed when a stage is done may leave its `current.safetensors` behind; it is removed.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] where a file cannot be used, or where a stage was not made from what the one
    /// before it left, with what has to be removed to train anew.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut history = Self { path: path.into(), done: Vec::new(), current: None };
        for (number, stage) in STAGES.iter().enumerate() {
            let folder = path.join(stage);
            let file = folder.join(REPORT);
            let text = if folder.join(MODEL).exists() { read(&file)? } else { None };
            let Some(text) = text else { continue };
            let refusal = |file: &Path, fault: String| {
                Err(Error::file(file, format!("{fault}\nhelp: {}", history.anew(number, file))))
            };
            let report: StageReport = match serde_json::from_str(&text) {
                Ok(report) => report,
                Err(error) => return refusal(&file, format!("is damaged ({error})")),
            };
            if report.stage != *stage {
                return refusal(
                    &file,
                    format!("is the report of stage `{}`, expected that of `{stage}`", report.stage),
                );
            }
            let manifest = history.usable(stage, checkpoint::manifest(&folder))?;
            if manifest.stage.as_deref() != Some(*stage) {
                return refusal(&folder.join(MODEL), format!("is not what stage `{stage}` of a training left"));
            }
            let link =
                Link { number, made_from: manifest.made_from.unwrap_or_default(), left: manifest.weights_sha256 };
            history.done.push(Done { link, report });
        }
        let file = path.join(CURRENT);
        if let Some(current) = Current::read(&file)? {
            let Some(number) = STAGES.iter().position(|stage| *stage == current.report.stage) else {
                let message = format!("there is no stage `{}`; remove this file", current.report.stage);
                return Err(Error::file(file, message));
            };
            if history.done(STAGES[number]).is_some() {
                discard(&file);
            } else {
                let link = Link { number, made_from: current.made_from.clone(), left: current.left()? };
                history.current = Some((link, current));
            }
        }
        history.check_links()?;
        Ok(history)
    }

    /// The report of a stage that is done.
    pub(super) fn done(&self, stage: &str) -> Option<&StageReport> {
        self.done.iter().map(|done| &done.report).find(|report| report.stage == stage)
    }

    /// Whether this is the stage in the making.
    pub(super) fn is_current(&self, stage: &str) -> bool {
        self.current.iter().any(|(_, current)| current.report.stage == stage)
    }

    /// Takes the state of the stage in the making, where it is this one.
    pub(super) fn take_current(&mut self, stage: &str) -> Option<Current> {
        self.current.take_if(|(_, current)| current.report.stage == stage).map(|(_, current)| current)
    }

    /// Adds the stage that has been done now.
    pub(super) fn add(&mut self, report: StageReport, made_from: String, left: String) {
        let link = Link { number: number_of(&report.stage), made_from, left };
        self.done.push(Done { link, report });
    }

    /// Checks that the network is one that this run has had: as it began, or as one of its stages left it.
    pub(super) fn leads_on(&self, here: &str) -> Result<()> {
        if self.links().any(|link| link.made_from == here || link.left == here) {
            return Ok(());
        }
        Err(Error::file(
            &self.path,
            "this folder's run began with other parameters than the network has\n\
             help: build the network as it was built then (`Network::seeded` draws the same parameters each time), \
             or choose another folder",
        ))
    }

    /// Checks that a stage which is neither done nor in the making is the next one, and that the network is as the
    /// stage before it left it. A run may begin with any stage.
    pub(super) fn ends_before(&self, stage: &str, here: &str) -> Result<()> {
        let number = number_of(stage);
        let Some(first) = self.links().next() else { return Ok(()) };
        let refusal = |what: String| Err(Error::file(&self.path, what));
        if number < first.number {
            return refusal(format!(
                "the run in this folder began with stage `{}`, so `{stage}` cannot follow; choose another folder",
                STAGES[first.number]
            ));
        }
        match self.done.iter().find(|done| done.link.number + 1 == number) {
            Some(done) if done.link.left == here => Ok(()),
            Some(_) => refusal(format!(
                "the network is not what stage `{0}` left here; load `{1}` before stage `{stage}`",
                STAGES[number - 1],
                self.path.join(STAGES[number - 1]).display()
            )),
            None => refusal(format!("stage `{}` is not done here; run it before `{stage}`", STAGES[number - 1])),
        }
    }

    /// Adds to the refusal of a stage's weights what has to be removed to train them anew.
    pub(super) fn usable<T>(&self, stage: &str, read: Result<T>) -> Result<T> {
        read.map_err(|error| match error {
            Error::File { path, message } if path.ends_with(MODEL) => {
                let anew = self.anew(number_of(stage), &path);
                Error::File { path, message: format!("{message}\nhelp: {anew}") }
            }
            other => other,
        })
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        self.done.iter().map(|done| &done.link).chain(self.current.iter().map(|(link, _)| link))
    }

    /// Checks that each stage was made from what the one before it left.
    fn check_links(&self) -> Result<()> {
        for (before, after) in self.links().zip(self.links().skip(1)) {
            if before.number + 1 != after.number || before.left != after.made_from {
                let is_done = self.done.iter().any(|done| done.link.number == after.number);
                let path = self.path.join(if is_done { STAGES[after.number] } else { CURRENT });
                let anew = self.anew(after.number.min(before.number + 1), &path);
                let stage = STAGES[before.number];
                let fault = if before.number + 1 == after.number {
                    format!("was not made from what stage `{stage}` left here")
                } else {
                    format!("cannot follow stage `{stage}`, the last one before it here")
                };
                return Err(Error::file(path, format!("{fault}\nhelp: {anew}")));
            }
        }
        Ok(())
    }

    /// What has to be removed to train anew from a stage on: `path`, and whatever was made from that stage.
    fn anew(&self, number: usize, path: &Path) -> String {
        let later = STAGES[number + 1..].iter().copied().chain([CURRENT]).map(|name| self.path.join(name));
        let later = later.filter(|later| later != path && later.exists());
        let all: Vec<_> =
            [path.to_owned()].into_iter().chain(later).map(|path| format!("`{}`", path.display())).collect();
        let paths = match all.as_slice() {
            [one] => one.clone(),
            [most @ .., last] => format!("{} and {last}", most.join(", ")),
            [] => String::new(),
        };
        format!("remove {paths} to train anew from stage `{}` on", STAGES[number])
    }
}

fn number_of(stage: &str) -> usize {
    STAGES.iter().position(|name| *name == stage).expect("only the training names stages")
}

/// Removes the state of a stage that is done. A folder that cannot be written keeps it, and it counts for nothing.
pub(super) fn discard(path: &Path) {
    match file::remove(path) {
        Ok(()) => tracing::debug!("{}: removed, its stage is done", path.display()),
        Err(error) => tracing::warn!("{error}; its stage is done, and the file counts for nothing"),
    }
}
