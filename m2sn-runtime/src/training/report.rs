//! What a training has done, epoch by epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Metric;

/// What a training has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The stages that ran, in their order.
    pub stages: Vec<StageReport>,
}

impl Report {
    /// The stage of this name: `pretrain`, `shortcuts`, `fusion` or `navigator`.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|stage| stage.stage == name)
    }
}

/// What a stage has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// The name of the stage: `pretrain`, `shortcuts`, `fusion` or `navigator`.
    pub stage: String,
    /// The phases in their order: one, or for shortcuts one for each part that is trained on its own; none where the stage
    /// has no epochs.
    pub phases: Vec<PhaseReport>,
    /// The time that the stage took, interruptions left out.
    pub seconds: f64,
    /// λ of Eq. (4) per millisecond, as given or calibrated; the navigator's stage has it.
    pub lambda: Option<f64>,
}

/// What a phase has done: a run of epochs in which the same parts learn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// The name, such as `pretrain` or `shortcuts/image/stem`.
    pub phase: String,
    /// The epochs in their order.
    pub epochs: Vec<Epoch>,
}

impl PhaseReport {
    /// The epoch whose variables were kept: the first of the lowest score.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.iter().rev().find(|epoch| epoch.best)
    }
}

/// One pass over the training samples, and the validation after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The name of the phase.
    pub phase: String,
    /// The number of the epoch, counted from 1.
    pub epoch: usize,
    /// The epochs planned.
    pub epochs: usize,
    /// The mean training loss.
    pub loss: f64,
    /// The validation score; lower is better: what selects the epoch, or one less that where more of it is better.
    pub score: f64,
    /// What selects the epoch.
    #[serde(default)]
    pub select: Metric,
    /// Whether no earlier epoch of the phase has as low a score.
    pub best: bool,
    /// What else was measured on the validation samples, by name.
    pub metrics: BTreeMap<String, f64>,
    /// The learning rate of the last step.
    pub rate: f64,
    /// The time that the epoch took.
    pub seconds: f64,
}

impl Epoch {
    /// What selects the epoch, as it was measured.
    pub fn selected(&self) -> f64 {
        if self.select.is_error() { self.score } else { 1.0 - self.score }
    }
}
