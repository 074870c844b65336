//! The stage in the making after its last epoch: one file, replaced in one step.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::nn::VarStore;

use crate::checkpoint::tensors::{Tensors, digest};
use crate::training::report::StageReport;
use crate::training::run::Moment;
use crate::{Error, Result};

/// A stage in the making.
#[derive(Debug)]
pub(in crate::training) struct Current {
    pub(in crate::training) report: StageReport,
    /// The SHA-256 of the variables that the stage began with.
    pub(in crate::training) made_from: String,
    /// The network's variables.
    pub(in crate::training) model: BTreeMap<String, Tensor>,
    pub(in crate::training) moment: Moment,
}

/// What the file says besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    report: StageReport,
    steps: i32,
    made_from: String,
    /// The SHA-256 of the file's tensors.
    sha256: String,
}

impl Current {
    /// Reads the file, where there is one.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::File`] where it is damaged.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let damaged =
            |fault: &str| Error::file(path, format!("{fault}\nhelp: remove this file to begin its stage anew"));
        let Tensors { tensors, metadata } = Tensors::read(path).map_err(|error| match error {
            Error::File { message, .. } => damaged(&message),
            other => other,
        })?;
        let state = metadata.get("state").ok_or_else(|| damaged("does not say of which stage it is"))?;
        let state: State = serde_json::from_str(state).map_err(|error| damaged(&format!("is damaged ({error})")))?;
        if digest(&tensors)? != state.sha256 {
            return Err(damaged("is damaged (its tensors are not those that were written)"));
        }
        let part = |prefix: &str| -> BTreeMap<String, Tensor> {
            let part = tensors
                .iter()
                .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.shallow_clone())));
            part.collect()
        };
        let moment = Moment { steps: state.steps, optimizer: part("optimizer/"), best: part("best/") };
        Ok(Some(Self { report: state.report, made_from: state.made_from, model: part("model/"), moment }))
    }

    /// The SHA-256 of the network's variables, as their checkpoint would name it.
    pub(super) fn left(&self) -> Result<String> {
        digest(&self.model)
    }
}

/// Writes the file of a stage that stands at `moment`.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub(super) fn write(
    path: &Path,
    variables: &VarStore,
    report: &StageReport,
    made_from: &str,
    moment: &Moment,
) -> Result<()> {
    let model = variables.variables();
    let parts = [("model", model.iter().collect::<Vec<_>>())]
        .into_iter()
        .chain([("optimizer", moment.optimizer.iter().collect()), ("best", moment.best.iter().collect())]);
    let tensors = parts.flat_map(|(part, tensors)| {
        tensors.into_iter().map(move |(name, tensor)| (format!("{part}/{name}"), tensor.shallow_clone()))
    });
    let tensors: BTreeMap<_, _> = tensors.collect();
    let state = State {
        report: report.clone(),
        steps: moment.steps,
        made_from: made_from.to_owned(),
        sha256: digest(&tensors)?,
    };
    let metadata = [("state".to_owned(), super::json(&state))].into();
    Tensors { tensors, metadata }.write(path)
}
