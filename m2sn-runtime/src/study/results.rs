//! What a study has found, as data: for one seed, and over all of them.

use serde::{Deserialize, Serialize};

use crate::evaluation::statistics::Interval;
use crate::evaluation::{Curve, Scores, Shares};
use crate::latency::{Fingerprint, Table};

/// What a study has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The model's name.
    pub model: String,
    /// What the samples are, in the user's words.
    pub data: String,
    /// The spec with all defaults written out.
    pub spec: String,
    /// The version of this library.
    pub version: String,
    /// The model and the device.
    pub fingerprint: Fingerprint,
    /// What was asked for.
    pub settings: Settings,
    /// The outcome of each seed.
    pub seeds: Vec<Seed>,
    /// What the seeds together say of pairs of methods.
    pub comparisons: Vec<Comparison>,
    /// What a reader should know before believing it, the worst first.
    pub findings: Vec<Finding>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The seeds, each of which decides training and data.
    pub seeds: Vec<u64>,
    /// How much quality on validation samples may be lost against late fusion by whoever is to choose a threshold, a price or a
    /// route: of what loses no more, the fastest is chosen.
    pub within: f64,
    /// The batch sizes that were timed; the first is 1.
    pub batches: Vec<usize>,
    /// The λ of Eq. (4) for which the paper's navigator was trained, as ratios of the task loss.
    pub ratios: Vec<f64>,
    /// Whether samples and epochs were cut short, so that figures show that all works and not how well.
    pub quick: bool,
}

/// The outcome of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seed {
    /// The seed.
    pub seed: u64,
    /// The numbers of training, validation and test samples.
    pub samples: [usize; 3],
    /// What the parts of the network cost.
    pub table: Table,
    /// One a method, at the balance that was chosen on validation samples.
    pub rows: Vec<Row>,
    /// Quality against time on test samples, for methods that have several balances, and for all fixed routes and the oracle.
    /// Times are by the latency table.
    pub curves: Vec<Curve>,
    /// What training the shortcuts takes, by method: Table IV.
    pub training: Vec<Training>,
    /// The paper's navigator by λ: Figure 5.
    pub lambdas: Vec<Lambda>,
    /// The test samples by how hard they are: Figure 4.
    pub difficulties: Vec<Difficulty>,
}

/// One method on the test samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The name, by which rows of different seeds belong together.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The balance that was chosen, such as a route or `threshold 0.9`; empty where there is but one.
    pub by: String,
    /// The scores.
    pub scores: Scores,
    /// By batch size, in the order of [`Settings::batches`].
    pub latencies: Vec<Latency>,
    /// The multiply-adds of a sample: of what has run, as counted.
    pub multiply_adds: f64,
    /// The multiply-adds by those of late fusion.
    pub work: f64,
    /// What the milliseconds of one sample go into.
    pub parts: Parts,
    /// Where samples leave, by modality.
    pub exits: Vec<Shares>,
    /// The routes that samples take, the most frequent first: the exit of each modality and the share of samples.
    pub routes: Vec<(Vec<String>, f64)>,
    /// What the oracle is worth more at the price of the spec: quality less the price of the time.
    pub regret: f64,
    /// The share of the gap between late fusion and the oracle that is closed at that price.
    pub closed: f64,
}

/// What a method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One modality alone.
    Alone,
    /// Late fusion, once more for comparison with itself, and fixed routes.
    Static,
    /// The paper's M²SN, and what it is without one of its parts.
    Paper,
    /// The learned policies of this library.
    Learned,
    /// A rival.
    Rival,
}

/// The time of a method in batches of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The samples in a batch.
    pub batch: usize,
    /// The mean milliseconds of a sample, and its interval over samples or batches: of the processor, so that other programs
    /// have no part in it, or of the clock where that cannot be told, because more than one thread works or another device.
    pub milliseconds: Interval,
    /// The mean by that of late fusion, paired by sample or batch.
    pub ratio: Interval,
    /// The mean milliseconds of a sample by the clock.
    pub clock: f64,
    /// The median milliseconds of a batch by the clock.
    pub median: f64,
    /// The milliseconds by the clock that one batch in twenty exceeds.
    pub p95: f64,
}

/// What the time of an answer goes into, in milliseconds of one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Blocks of encoders.
    pub encoders: f64,
    /// Shortcuts.
    pub shortcuts: f64,
    /// What is computed to decide: the navigator, or looks.
    pub decisions: f64,
    /// Fusion and head.
    pub fusion: f64,
    /// What is left: whoever routes, and the arithmetic of decisions.
    pub routing: f64,
}

/// What training the shortcuts takes by one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// `integral`, `peripheral` or `joint`.
    pub method: String,
    /// The seconds of the shortcuts' stage.
    pub seconds: f64,
    /// The most memory that was taken meanwhile beyond what was held before, in MiB; `None` where the system does not tell.
    pub memory: Option<f64>,
    /// The parameters that the stage has changed.
    pub parameters: u64,
    /// The quality of the paper's M²SN on the test samples after it.
    pub quality: f64,
    /// The mean milliseconds of one sample of it.
    pub milliseconds: f64,
}

/// The paper's navigator, trained for one λ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lambda {
    /// λ as a ratio: of the latency of late fusion to the task loss.
    pub ratio: f64,
    /// λ a millisecond.
    pub lambda: f64,
    /// The quality on test samples.
    pub quality: f64,
    /// The share of late fusion's time, by the latency table.
    pub share: f64,
    /// The share of the most frequent route.
    pub one_route: f64,
}

/// Test samples of like difficulty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difficulty {
    /// `easy`, `medium` or `hard`.
    pub name: String,
    /// The number of samples.
    pub samples: usize,
    /// By method: its name, the mean quality, and the mean share of late fusion's time by the latency table.
    pub methods: Vec<(String, f64, f64)>,
}

/// Two methods, over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The one in question.
    pub name: String,
    /// The one that it is compared with.
    pub against: String,
    /// The mean quality of the first less that of the second, in points; resampled over seeds and samples, paired.
    pub points: Interval,
    /// The mean time of the first by that of the second; resampled likewise.
    pub ratio: Interval,
    /// What follows, in words.
    pub verdict: String,
}

/// What a reader should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// A sentence or two.
    pub text: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The report fails: a figure in it would mislead.
    Failure,
    /// Read figures with it in mind.
    Warning,
    /// Good to know.
    Note,
}
