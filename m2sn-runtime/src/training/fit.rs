//! The one loop that every phase of every stage runs.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::optimizer::Optimizer;
use super::reading::{Read, Reading, Rows};
use super::report::Epoch;
use super::run::{Moment, Run};
use crate::batch::Feature;
use crate::checkpoint::{assign, sha256};
use crate::network::{Network, Part};
use crate::plan::Stage;
use crate::{Error, Result};

/// A run of epochs in which the same parts learn.
#[derive(Debug)]
pub(crate) struct Phase<'a> {
    /// The name, which no other phase of the training bears.
    pub(crate) name: String,
    /// What learns; everything else stays as it is, bit for bit.
    pub(crate) parts: Vec<Part>,
    pub(crate) stage: &'a Stage,
    /// The number of training samples.
    pub(crate) samples: i64,
    /// What steps read of them: see [`Step::inputs`].
    pub(crate) reads: Vec<Read<'a>>,
}

/// One step of a phase.
#[derive(Debug)]
pub(crate) struct Step {
    /// The samples of the mini-batch, `[batch]` of `i64`.
    pub(crate) rows: Tensor,
    /// What the phase reads of these samples.
    pub(crate) inputs: Vec<Feature>,
    /// How much of the phase is done: 0 at the first step, 1 at the last.
    pub(crate) share: f64,
}

/// What a validation found.
#[derive(Debug)]
pub(crate) struct Score {
    /// What decides which epoch is best; lower is better.
    pub(crate) value: f64,
    /// What else is worth knowing.
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Trains the parts of a phase and leaves them as they were after the epoch of the best validation score.
///
/// `loss` gives the loss of a mini-batch, a scalar, and `validate` the score after an epoch.
/// A phase that has no epochs is passed over and leaves no report; so is one whose parts have no parameters, or that an
/// earlier, interrupted run has finished. One that such a run has begun goes on where it stopped.
///
/// # Errors
/// [`Error::Invalid`] where a loss is not finite; [`Error::Stopped`] by the observer; [`Error::Io`] where the run
/// folder cannot be written; those of the closures.
pub(crate) fn fit<N: Network>(
    network: &N,
    run: &mut Run<'_>,
    phase: &Phase<'_>,
    loss: impl Fn(&Step) -> Result<Tensor>,
    validate: impl Fn() -> Result<Score>,
) -> Result<()> {
    let variables = Variables::of::<N>(network, &phase.parts);
    let Stage { epochs, batch, optimizer, schedule, patience, select: _ } = *phase.stage;
    if variables.parameters.is_empty() || epochs == 0 || run.has_passed(&phase.name) {
        return Ok(());
    }
    let parameters: Vec<&Tensor> = variables.parameters.iter().map(|(_, tensor)| tensor).collect();
    let rates = |name: &str| run.weights.iter().map(|weights| weights.rate(name)).product();
    let mut optimizer = Optimizer::new(optimizer, &variables.parameters, rates);
    let mut best = BTreeMap::new();
    if let Some(moment) = run.resume(&phase.name) {
        optimizer.restore(moment.steps, &moment.optimizer)?;
        best = moment.best;
    }
    let steps = usize::try_from(phase.samples).unwrap_or(0).div_ceil(batch);
    let mut bar = run.progress.bar(&phase.name, epochs * steps);
    for epoch in run.epochs(&phase.name).len()..epochs {
        if patience.is_some_and(|patience| stale(run.epochs(&phase.name)) >= patience) {
            break;
        }
        let start = Instant::now();
        // Everything random from here to the end of the epoch follows from these three,
        // so that a resumed run needs no generator's state.
        tch::manual_seed(seed(run.seed, &phase.name, epoch));
        let order = Tensor::randperm(phase.samples, (Kind::Int64, Device::Cpu));
        let (mut total, mut factor) = (0.0, 0.0);
        // As equal as can be, because a last batch of one sample has no variance to normalise by.
        let batches = order.tensor_split(steps as i64, 0);
        let ahead = batches.iter().map(|rows| Rows::At(rows.shallow_clone())).collect();
        let mut reading = Reading::new(phase.reads.clone(), ahead)?;
        for (index, rows) in batches.into_iter().enumerate() {
            let step = epoch * steps + index;
            let samples = rows.size()[0];
            let share = step as f64 / (epochs * steps - 1).max(1) as f64;
            let loss = loss(&Step { rows, inputs: reading.next()?, share })?;
            let value = loss.double_value(&[]);
            if !value.is_finite() {
                return Err(not_finite(phase, epoch, &format!("step {}: the loss is {value}", index + 1)));
            }
            // Only the gradients of these parameters are computed, and none is left behind in the variables.
            let gradients = Tensor::f_run_backward(&[loss], &parameters, false, false)?;
            factor = schedule.factor(step, epochs * steps, steps);
            optimizer.step(&gradients, factor);
            total += value * samples as f64;
            bar.step(step + 1);
        }
        let score = validate()?;
        if !score.value.is_finite() {
            return Err(not_finite(phase, epoch, &format!("the validation score is {}", score.value)));
        }
        let is_best = run.epochs(&phase.name).iter().all(|earlier| score.value < earlier.score);
        if is_best {
            best = variables.copy();
        }
        let epoch = Epoch {
            phase: phase.name.clone(),
            epoch: epoch + 1,
            epochs,
            loss: total / phase.samples as f64,
            score: score.value,
            select: phase.stage.select,
            best: is_best,
            metrics: score.metrics,
            rate: optimizer.rate() * factor,
            seconds: start.elapsed().as_secs_f64(),
        };
        bar.message(&epoch);
        run.record(
            network.variables(),
            epoch,
            Moment {
                steps: optimizer.steps(),
                optimizer: optimizer.state().into_iter().collect(),
                best: clones(&best),
            },
        )?;
    }
    assign(network.variables(), &best)
}

/// Whether any of the parts has something to learn.
pub(crate) fn has_parameters<N: Network>(network: &N, parts: &[Part]) -> bool {
    !Variables::of::<N>(network, parts).parameters.is_empty()
}

/// The seed of an epoch: it depends on the phase's name and not on its place, so that stages can be run one by one.
pub(crate) fn seed(plan: u64, phase: &str, epoch: usize) -> i64 {
    let digest = sha256(format!("{plan}/{phase}/{epoch}"));
    i64::from_str_radix(&digest[..15], 16).expect("fifteen hexadecimal digits fit")
}

/// The epochs since the best one.
fn stale(epochs: &[Epoch]) -> usize {
    epochs.iter().rev().take_while(|epoch| !epoch.best).count()
}

fn not_finite(phase: &Phase<'_>, epoch: usize, what: &str) -> Error {
    let stage = phase.name.split('/').next().unwrap_or_default();
    Error::invalid(format!(
        "training, phase `{}`, epoch {}, {what}; a lower learning rate or a warm-up in `training.{stage}` is the \
         likely fix, or else look for values in the data that are not finite or far from one",
        phase.name,
        epoch + 1,
    ))
}

/// The variables of some parts, sorted by name.
#[derive(Debug)]
struct Variables {
    /// What the optimizer moves.
    parameters: Vec<(String, Tensor)>,
    /// The parameters, and the buffers such as running statistics.
    all: Vec<(String, Tensor)>,
}

impl Variables {
    fn of<N: Network>(network: &N, parts: &[Part]) -> Self {
        let store: &VarStore = network.variables();
        // The store does not name its trainable variables: they are known by where their data lies.
        let trained: Vec<_> = store.trainable_variables().iter().map(Tensor::data_ptr).collect();
        let prefixes: Vec<_> = parts.iter().flat_map(|part| part.prefixes(N::description())).collect();
        let mut all: Vec<_> = store.variables().into_iter().collect();
        all.retain(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        all.sort_by(|(left, _), (right, _)| left.cmp(right));
        let is_parameter = |tensor: &Tensor| tensor.requires_grad() && trained.contains(&tensor.data_ptr());
        let parameters = all.iter().filter(|(_, tensor)| is_parameter(tensor));
        let parameters = parameters.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        Self { parameters, all }
    }

    fn copy(&self) -> BTreeMap<String, Tensor> {
        self.all.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect()
    }
}

fn clones(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}
