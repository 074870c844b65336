//! What every stage reads: the network, the plan, the samples, and the features of its exits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use super::cache::{Cache, Features, chunks};
use super::fit::Score;
use super::progress::Progress;
use super::reading::{Inputs, Read, Reading, Rows, Streamed};
use super::select::measured;
use crate::Result;
use crate::batch::Feature;
use crate::data::{Dataset, Splits};
use crate::network::{Input, Modality, Network, route_features};
use crate::parts::stem;
use crate::plan::{Metric, Plan, Stage};
use crate::policy::Grid;
use crate::task::{Criterion, Rule, Task};

/// What every stage reads.
#[derive(Debug)]
pub(crate) struct Context<'a, N> {
    pub(crate) network: &'a N,
    pub(crate) plan: &'a Plan,
    pub(crate) train: Samples,
    pub(crate) valid: Samples,
    pub(crate) cache: Cache,
    /// The device of the network; samples are moved there as they are needed.
    pub(crate) device: Device,
    /// The rule by which the network's logits decide while the stage runs.
    pub(crate) rule: Rule,
    /// What the network learns by.
    pub(crate) criterion: Criterion,
}

/// What a network says of some samples in one of the ways that a stage learns by.
#[derive(Debug)]
pub(crate) struct Said {
    /// The way, such as an exit; empty for that of the whole network.
    pub(crate) part: String,
    /// What the loss of it weighs.
    pub(crate) weight: f64,
    pub(crate) logits: Tensor,
    pub(crate) target: Tensor,
}

impl Said {
    pub(crate) fn new(part: impl Into<String>, weight: f64, logits: Tensor, target: &Tensor) -> Self {
        Self { part: part.into(), weight, logits, target: target.shallow_clone() }
    }

    /// The name of what was measured of it, such as `loss/full`.
    fn name(part: &str, metric: &str) -> String {
        if part.is_empty() { metric.to_owned() } else { format!("{metric}/{part}") }
    }
}

/// Inputs and targets, wherever they lie.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) inputs: Vec<Inputs>,
    target: Features<'static>,
}

impl<'a, N: Network> Context<'a, N> {
    pub(crate) fn new(
        network: &'a N,
        plan: &'a Plan,
        splits: &Splits<N::Input>,
        memory: u64,
        disk: PathBuf,
    ) -> Result<Self> {
        let device = network.variables().device();
        let modalities = N::description().modalities;
        let criterion = Criterion::new(N::description().task, &plan.loss, splits.train.target(), device)?;
        Ok(Self {
            network,
            plan,
            criterion,
            train: Samples::new(&splits.train, modalities, device)?,
            valid: Samples::new(&splits.valid, modalities, device)?,
            cache: Cache::new(memory, disk),
            device,
            rule: network.policies().rule()?,
        })
    }

    pub(crate) fn task(&self) -> Task {
        N::description().task
    }

    pub(crate) fn modalities(&self) -> Range<usize> {
        0..N::description().modalities.len()
    }

    /// The number of exits of a modality, which is also that of its blocks.
    pub(crate) fn exits(&self, modality: usize) -> usize {
        N::description().modalities[modality].exits.len()
    }

    /// The states in which samples can leave.
    pub(crate) fn grid(&self) -> Grid {
        Grid::of(N::description().modalities)
    }

    /// A route for each of some samples, every modality's exit drawn evenly: `[samples]` of `i64` a modality, the place of
    /// its feature among [`Context::route_features`]. A modality that may be missing takes no part in its share of samples.
    pub(crate) fn random_routes(&self, samples: i64) -> Vec<Tensor> {
        let options = (Kind::Int64, Device::Cpu);
        let mut routes: Vec<Tensor> = self
            .modalities()
            .map(|modality| Tensor::randint(self.exits(modality) as i64, [samples], options))
            .collect();
        for (places, dropped) in routes.iter_mut().zip(self.dropped(samples)) {
            if let Some(dropped) = dropped {
                *places = (&*places + 1).masked_fill(&dropped, 0);
            }
        }
        routes
    }

    /// The features of all numbers of blocks that routes run, from one pass through each encoder:
    /// `[samples, places, feature]` for each modality; see [`crate::network::route_features`].
    ///
    /// # Errors
    /// Those of [`Cache::fill`].
    pub(crate) fn route_features(
        &self,
        samples: &Samples,
        chunk: usize,
        progress: &Progress,
    ) -> Result<Vec<Features<'_>>> {
        let said = (progress, "features of all exits");
        self.cache.fill(samples.reads(), chunk, self.device, said, |inputs| self.routes(&inputs).collect())
    }

    /// As [`Context::route_features`], and from the same pass what is cheap to know of the outputs of the first blocks,
    /// `[samples, stem]` for each modality; see [`stem`].
    ///
    /// # Errors
    /// Those of [`Cache::fill`].
    pub(crate) fn route_features_and_stems(
        &self,
        samples: &Samples,
        chunk: usize,
        progress: &Progress,
    ) -> Result<[Vec<Features<'_>>; 2]> {
        let stem = |(modality, input): (usize, &Feature)| {
            // Once more than needed: passes that keep everything take memory, and the first blocks are cheap.
            let first = self.network.block(modality, 0, input, false);
            stem(&N::description().modalities[modality], &first, input.present.as_ref()).into()
        };
        let compute = |inputs: Vec<Feature>| {
            let stems = inputs.iter().enumerate().map(stem);
            self.routes(&inputs).chain(stems).collect()
        };
        let said = (progress, "features of all exits");
        let mut features = self.cache.fill(samples.reads(), chunk, self.device, said, compute)?;
        let stems = features.split_off(self.modalities().len());
        Ok([features, stems])
    }

    /// Of each modality's inputs the features of all numbers of blocks, `[samples, places, feature]`.
    fn routes<'i>(&'i self, inputs: &'i [Feature]) -> impl Iterator<Item = Feature> + 'i {
        let of = |(modality, input)| Tensor::stack(&route_features(self.network, modality, input), 1).into();
        inputs.iter().enumerate().map(of)
    }

    /// The features of some samples along the routes that `places` names, `[samples]` of `i64` a modality, from their
    /// [`Context::route_features`], with stand-ins as they are by now.
    pub(crate) fn along(
        &self,
        samples: &Samples,
        features: &[Features<'_>],
        range: Range<i64>,
        places: &dyn Fn(usize) -> Tensor,
    ) -> Vec<Tensor> {
        let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, Device::Cpu));
        let of = |(modality, all): (usize, &Features<'_>)| {
            let places = places(modality).to_device(self.device);
            let chosen = choose(&all.range(range.clone()).tensor, &places);
            let lacking = samples.lacking(modality, &rows);
            self.renewed(modality, chosen, &places, lacking.as_ref())
        };
        features.iter().enumerate().map(of).collect()
    }

    /// The loss as a number.
    pub(crate) fn loss(&self, logits: &Tensor, target: &Tensor) -> f64 {
        self.criterion.of(logits, target).double_value(&[])
    }

    /// Judges an epoch by what the network says of all samples, which `say` asks it a range at a time, with
    /// what is read of that: by the loss, the sum over its parts by their weights, or by another metric of the stage, the mean over the parts by the same weights.
    ///
    /// Losses and accuracies are means over the ranges; what selects is measured on all samples at once, since F1 is no
    /// mean. Where more is better, one less the metric is the score.
    ///
    /// # Errors
    /// Those of `say`, and of what is read; as [`Scores::of`](crate::evaluation::Scores::of).
    pub(crate) fn judge(
        &self,
        samples: &Samples,
        reads: Vec<Read<'_>>,
        stage: &Stage,
        say: impl Fn(Range<i64>, Vec<Feature>, &Tensor) -> Result<Vec<Said>>,
    ) -> Result<Score> {
        let mut metrics = BTreeMap::<String, f64>::new();
        let mut value = 0.0;
        let mut parts = BTreeMap::<String, (f64, Vec<Tensor>, Vec<Tensor>)>::new();
        let ranges: Vec<Range<i64>> = chunks(samples.len(), stage.batch as i64).collect();
        let mut reading = Reading::new(reads, ranges.iter().cloned().map(Rows::Range).collect())?;
        for range in ranges {
            let share = (range.end - range.start) as f64 / samples.len() as f64;
            let inputs = reading.next()?;
            let target = samples.target.range(range.clone()).tensor;
            let mut here = 0.0;
            for Said { part, weight, logits, target } in tch::no_grad(|| say(range, inputs, &target))? {
                let loss = self.loss(&logits, &target);
                here += weight * loss;
                *metrics.entry(Said::name(&part, "loss")).or_default() += share * loss;
                if let Some(accuracy) = accuracy(&self.rule, &logits, &target) {
                    *metrics.entry(Said::name(&part, "accuracy")).or_default() += share * accuracy;
                }
                if stage.select != Metric::Loss {
                    let (_, all, targets) = parts.entry(part).or_insert_with(|| (weight, Vec::new(), Vec::new()));
                    all.push(logits);
                    targets.push(target);
                }
            }
            value += share * here;
        }
        // A loss that is not finite is told of as such.
        if stage.select == Metric::Loss || !value.is_finite() {
            return Ok(Score { value, metrics });
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (part, (weight, logits, targets)) in parts {
            let measured = measured(stage.select, &self.rule, &Tensor::cat(&logits, 0), &Tensor::cat(&targets, 0))?;
            metrics.insert(Said::name(&part, stage.select.name()), measured);
            sum += weight * measured;
            weights += weight;
        }
        let mean = sum / weights;
        Ok(Score { value: if stage.select.is_error() { mean } else { 1.0 - mean }, metrics })
    }

    /// The place of a modality's deepest feature among [`Context::route_features`].
    pub(crate) fn deepest(&self, modality: usize) -> i64 {
        (self.exits(modality) - self.grid().least(modality)) as i64
    }
}

impl Samples {
    fn new<I: Input>(dataset: &Dataset<I>, modalities: &'static [Modality], device: Device) -> Result<Self> {
        let inputs = match dataset.stream() {
            Some(stream) => {
                let of = |(modality, described)| {
                    Inputs::Streamed(Streamed { stream: stream.clone(), modality, described, device })
                };
                modalities.iter().enumerate().map(of).collect()
            }
            None => {
                let inputs = dataset.input()?.features().into_iter();
                inputs.map(|feature| Inputs::Held(Features::borrowed(feature, device))).collect()
            }
        };
        Ok(Self { inputs, target: Features::borrowed(dataset.target().shallow_clone().into(), device) })
    }

    /// All inputs.
    pub(crate) fn reads(&self) -> Vec<Read<'_>> {
        self.inputs.iter().map(Inputs::read).collect()
    }

    pub(crate) fn len(&self) -> i64 {
        self.target.len()
    }

    /// The samples that have a modality, with that as their only input.
    ///
    /// # Errors
    /// Those of [`Inputs::only`].
    pub(crate) fn alone(&self, modality: usize) -> Result<Self> {
        let input = &self.inputs[modality];
        Ok(match input.present() {
            None => Self { inputs: vec![input.all()], target: self.target.all() },
            Some(present) => {
                let rows = present.nonzero().squeeze_dim(1);
                Self { inputs: vec![input.only(&rows)?], target: self.target.only(&rows) }
            }
        })
    }

    /// The targets of the samples at `rows`.
    pub(crate) fn target(&self, rows: &Tensor) -> Tensor {
        self.target.rows(rows).tensor
    }

    /// Averages over all samples what `measure` says of each range of them.
    ///
    /// `measure` gets the range, what is read of it, and its targets, and gives means over the range by name; `score` names
    /// the one that decides which epoch is best.
    ///
    /// # Errors
    /// Those of `measure`, and of what is read.
    pub(crate) fn score(
        &self,
        reads: Vec<Read<'_>>,
        chunk: usize,
        score: &str,
        measure: impl Fn(Range<i64>, Vec<Feature>, &Tensor) -> Result<Vec<(String, f64)>>,
    ) -> Result<Score> {
        let mut metrics = BTreeMap::<String, f64>::new();
        let ranges: Vec<Range<i64>> = chunks(self.len(), chunk as i64).collect();
        let mut reading = Reading::new(reads, ranges.iter().cloned().map(Rows::Range).collect())?;
        for range in ranges {
            let share = (range.end - range.start) as f64 / self.len() as f64;
            let inputs = reading.next()?;
            let target = self.target.range(range.clone()).tensor;
            for (name, value) in tch::no_grad(|| measure(range, inputs, &target))? {
                *metrics.entry(name).or_default() += share * value;
            }
        }
        let value = metrics.remove(score).expect("the measure holds the score");
        Ok(Score { value, metrics })
    }
}

/// The share of samples predicted right: in their class, or in all their labels; real values have none.
pub(crate) fn accuracy(rule: &Rule, logits: &Tensor, target: &Tensor) -> Option<f64> {
    // Logits that are not finite decide nothing, and the loss of the same samples tells of them.
    let decided = rule.decide(logits).ok()?;
    let right = match rule.task() {
        Task::Classification { .. } => decided.eq_tensor(target),
        Task::Multilabel { .. } => decided.eq_tensor(target).all_dim(-1, false),
        Task::Regression { .. } => return None,
    };
    Some(right.to_kind(Kind::Float).mean(Kind::Float).double_value(&[]))
}

/// The feature at one place for each sample: `[batch, places, feature]` and `[batch]` → `[batch, feature]`.
pub(crate) fn choose(features: &Tensor, places: &Tensor) -> Tensor {
    let index = places.view([-1, 1, 1]).expand([-1, 1, features.size()[2]], false);
    features.gather(1, &index, false).squeeze_dim(1)
}
