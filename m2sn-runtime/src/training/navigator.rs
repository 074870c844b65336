//! The last stage: the navigator (Section IV-B) learns to trade the task loss against latency.
//!
//! Everything else is frozen, so the features of all exits are computed once. A relaxed decision mixes the exits of a
//! modality by its weights ê, and the loss of Eq. (4) is that of the mixed features plus λ times the latency that
//! the same weights lead one to expect: Σ_j ê_ij · Latency_ij in place of the arg max, which has no gradient.
//!
//! What the navigator reads decides where its scores come from, the inputs, the first blocks or the answer at the first
//! exits, and nothing else.

use tch::{Kind, Tensor};

use super::cache::{Features, chunks};
use super::context::{Context, Samples, accuracy, choose};
use super::fit::{Phase, Step, fit, seed};
use super::gumbel;
use super::run::Run;
use super::softening::temperatures;
use super::stands::{STANDARD, Stands};
use crate::Result;
use crate::latency::Table;
use crate::navigator::decide;
use crate::network::{Network, Part};
use crate::plan::{Latency, Reads};
use crate::policy::{Grid, MOST_STATES, Reader};
use crate::task::Criterion;

/// Trains the navigator on the milliseconds of each modality's exits.
pub(super) fn train<'a, N: Network>(context: &'a Context<'_, N>, run: &mut Run<'_>, table: &Table) -> Result<()> {
    let network = context.network;
    let modalities = N::description().modalities;
    let settings = &context.plan.navigator;
    let reader = network.policies().reader(settings.from)?;
    let part = match settings.from {
        Reads::Inputs => Part::Navigator,
        Reads::Stem => Part::StemReader,
        Reads::Posterior => Part::PosteriorReader,
    };
    let reads = |samples: &'a Samples| if reader.is_some() { Vec::new() } else { samples.reads() };
    let phase = Phase {
        name: "navigator".into(),
        parts: vec![part],
        stage: &settings.stage,
        samples: context.train.len(),
        reads: reads(&context.train),
    };
    let chunk = phase.stage.batch;
    let features = |samples: &Samples| match settings.from {
        Reads::Stem => context.route_features_and_stems(samples, chunk, run.progress),
        Reads::Inputs | Reads::Posterior => Ok([context.route_features(samples, chunk, run.progress)?, Vec::new()]),
    };
    let [train, train_stems] = features(&context.train)?;
    let [valid, valid_stems] = features(&context.valid)?;
    let grid = context.grid();
    let exits_of = |modality: usize, features: Tensor| {
        let passed_by = 1 - grid.least(modality) as i64;
        features.narrow(1, passed_by, context.exits(modality) as i64)
    };
    table.check::<N>()?;
    let latency = Latencies::new(&milliseconds(table), context.device);
    let lambda = match settings.latency {
        Latency::Weight(lambda) => lambda,
        Latency::Ratio(ratio) => calibrate(context, &train, &exits_of, &latency, ratio)?,
    };
    run.set_lambda(lambda);
    tracing::info!(lambda, "navigator: λ per millisecond");
    let temperatures = softened(context, &grid, &train, &valid);
    let softening = Softening::new(&grid, temperatures.as_deref(), context.device);
    let stand = |missing: Vec<Option<Tensor>>, rows: &Tensor| Stands::first(&grid, rows.size()[0], missing);
    let reading = reader.map(|reader| {
        let [train, valid] = if settings.from == Reads::Stem {
            [Known::Stems(train_stems), Known::Stems(valid_stems)]
        } else {
            [temperatures.as_deref(), None].map(|temperatures| Known::answers(&grid, temperatures, context.device))
        };
        Reading { reader, train, valid }
    });
    if let Some(Reading { reader, train: known, .. }) = &reading {
        tch::manual_seed(seed(run.seed, &format!("{}/standard", phase.name), 0));
        let rows = Tensor::randint(phase.samples, [STANDARD], (Kind::Int64, tch::Device::Cpu));
        let stands = stand(context.missing(&context.train, &rows), &rows);
        reader.perceptron.standardise(&known.of(context, &train, &rows, &stands));
    }
    let step_loss = |step: &Step| {
        let stands = stand(context.missing(&context.train, &step.rows), &step.rows);
        let scores = match &reading {
            None => {
                let inputs = step.inputs.iter().zip(&stands.missing).map(|(input, missing)| match missing {
                    Some(missing) => input.without(missing),
                    None => input.clone(),
                });
                network.navigate(&inputs.collect::<Vec<_>>(), true)
            }
            Some(Reading { reader, train: known, .. }) => {
                reader.scores(&known.of(context, &train, &step.rows, &stands))
            }
        };
        let missing = stands.missing;
        let temperature = settings.temperature.at(step.share);
        let decision: Vec<_> = scores.iter().map(|scores| gumbel::softmax(scores, temperature)).collect();
        let features = train.iter().zip(&decision).zip(&missing).enumerate().map(|(m, ((all, weights), missing))| {
            let mixed = mix(&exits_of(m, all.rows(&step.rows).tensor), weights);
            context.without(m, mixed, missing.as_ref())
        });
        let logits = softening.of(network.fuse(&features.collect::<Vec<_>>(), false), &decision);
        let latency = latency.of(&decision, &missing);
        Ok(objective(&context.criterion, &logits, &context.train.target(&step.rows), &latency, lambda))
    };
    let validate = || {
        context.valid.score(reads(&context.valid), chunk, "score", |range, inputs, target| {
            let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, tch::Device::Cpu));
            let stands = stand(context.lacking(&context.valid, &rows), &rows);
            let scores = match &reading {
                None => network.navigate(&inputs, false),
                Some(Reading { reader, valid: known, .. }) => reader.scores(&known.of(context, &valid, &rows, &stands)),
            };
            // The rule of inference, which refuses scores that decide nothing.
            let exits = decide(&scores)?.into_iter().map(|exits| {
                let exits: Vec<i64> = exits.into_iter().map(|exit| exit as i64).collect();
                Tensor::from_slice(&exits).to_device(context.device)
            });
            let exits: Vec<_> = exits.collect();
            let features = valid
                .iter()
                .zip(&exits)
                .enumerate()
                .map(|(m, (all, exits))| choose(&exits_of(m, all.range(range.clone()).tensor), exits));
            let logits = network.fuse(&features.collect::<Vec<_>>(), false);
            let value = context.loss(&logits, target);
            let decision: Vec<_> = exits
                .iter()
                .enumerate()
                .map(|(modality, exits)| exits.one_hot(context.exits(modality) as i64).to_kind(Kind::Float))
                .collect();
            let taken = latency.of(&decision, &stands.missing).mean(Kind::Float).double_value(&[]);
            let mut found = vec![
                ("score".to_owned(), value + lambda * taken),
                ("loss".to_owned(), value),
                ("latency".to_owned(), taken),
            ];
            found.extend(accuracy(&context.rule, &logits, target).map(|value| ("accuracy".to_owned(), value)));
            for (decision, modality) in decision.iter().zip(modalities) {
                let shares = decision.mean_dim(0, false, Kind::Float);
                for (index, exit) in modality.exits.iter().enumerate() {
                    let name = format!("share/{}/{}", modality.name, exit.name);
                    found.push((name, shares.double_value(&[index as i64])));
                }
            }
            Ok(found)
        })
    };
    fit(network, run, &phase, step_loss, validate)?;
    if let Some(reader) = reader {
        reader.set_trained();
    }
    Ok(())
}

/// A navigator that reads what the first blocks leave.
#[derive(Debug)]
struct Reading<'a> {
    reader: &'a Reader,
    /// What it knows of training samples.
    train: Known<'a>,
    /// What it knows of validation samples.
    valid: Known<'a>,
}

/// What is known of samples whose first blocks have run.
#[derive(Debug)]
enum Known<'a> {
    /// By modality, see [`Context::route_features_and_stems`].
    Stems(Vec<Features<'a>>),
    /// What the network would answer, by what its logits are divided in each state, `[states]`.
    Answers(Tensor),
}

impl Known<'_> {
    /// Answers, divided by these temperatures of all states, or as they are.
    fn answers(grid: &Grid, temperatures: Option<&[f64]>, device: tch::Device) -> Self {
        Self::Answers(match temperatures {
            Some(temperatures) => Tensor::from_slice(temperatures).to_kind(Kind::Float).to_device(device),
            None => Tensor::ones([grid.len() as i64], (Kind::Float, device)),
        })
    }

    /// What is known of the samples at `rows` where they stand, `[samples, known]`, from the features of all samples.
    fn of<N: Network>(
        &self,
        context: &Context<'_, N>,
        features: &[Features<'_>],
        rows: &Tensor,
        stands: &Stands,
    ) -> Tensor {
        match self {
            Self::Stems(stems) => stands.stems(stems, rows),
            Self::Answers(temperatures) => stands.posterior(context, features, rows, temperatures),
        }
    }
}

/// By what the logits of training samples are divided in each state, where the plan asks for it.
fn softened<N: Network>(
    context: &Context<'_, N>,
    grid: &Grid,
    train: &[Features<'_>],
    valid: &[Features<'_>],
) -> Option<Vec<f64>> {
    if !context.plan.navigator.soften || grid.len() > MOST_STATES {
        return None;
    }
    let rows = Tensor::arange(context.valid.len(), (Kind::Int64, tch::Device::Cpu));
    Some(temperatures(context, grid, train, valid, &rows))
}

/// By what the logits of relaxed decisions are divided, where the plan asks for it.
///
/// A decision mixes routes, each with a temperature of its own; its temperature is their mean by the same weights.
struct Softening(Option<Tensor>);

impl Softening {
    fn new(grid: &Grid, temperatures: Option<&[f64]>, device: tch::Device) -> Self {
        let Some(temperatures) = temperatures else { return Self(None) };
        // A decision is one among exits: it passes no modality by.
        let takes_all = |route: &usize| grid.state(*route).blocks().iter().all(|blocks| *blocks > 0);
        let temperatures: Vec<f64> = (0..grid.len()).filter(takes_all).map(|route| temperatures[route]).collect();
        tracing::info!(?temperatures, "navigator: what the logits of each route are divided by");
        Self(Some(Tensor::from_slice(&temperatures).to_kind(Kind::Float).to_device(device)))
    }

    /// Softens `[batch, outputs]` by the weights of the exits, `[batch, exits]` a modality.
    fn of(&self, logits: Tensor, decision: &[Tensor]) -> Tensor {
        let Some(temperatures) = &self.0 else { return logits };
        let routes = decision.iter().map(Tensor::shallow_clone).reduce(|routes, weights| {
            // The last modality changes fastest, as in the numbers of the routes.
            (routes.unsqueeze(2) * weights.unsqueeze(1)).flatten(1, 2)
        });
        match routes {
            Some(routes) => logits / routes.mv(temperatures).unsqueeze(1),
            None => logits,
        }
    }
}

/// The milliseconds of each modality's exits.
fn milliseconds(table: &Table) -> Vec<Vec<f64>> {
    let modalities = table.modalities.iter().enumerate();
    modalities
        .map(|(index, modality)| (0..modality.exits.len()).map(|exit| table.exit(index, exit)).collect())
        .collect()
}

/// Eq. (4): the task loss plus λ times the mean latency; `latency` is `[batch]`.
fn objective(criterion: &Criterion, logits: &Tensor, target: &Tensor, latency: &Tensor, lambda: f64) -> Tensor {
    criterion.of(logits, target) + latency.mean(Kind::Float) * lambda
}

/// λ such that λ times the latency of late fusion is `ratio` times the task loss.
///
/// The task loss is that of the frozen task heads, the mean over all exits of all modalities on the training samples:
/// what an exit costs in quality before fusion evens it out. The loss of the fused features would be the nearer
/// choice, but on the samples that the encoders were trained on it is next to nothing, and differs from one training
/// to the other by more than the ratios that one would try.
fn calibrate<N: Network>(
    context: &Context<'_, N>,
    features: &[Features<'_>],
    exits_of: &impl Fn(usize, Tensor) -> Tensor,
    latency: &Latencies,
    ratio: f64,
) -> Result<f64> {
    let samples = context.train.len();
    let rows = Tensor::arange(samples, (Kind::Int64, tch::Device::Cpu));
    let target = context.train.target(&rows);
    let (mut task_loss, mut heads) = (0.0, 0.0);
    for (modality, features) in features.iter().enumerate() {
        for range in chunks(samples, context.plan.navigator.stage.batch as i64) {
            let (start, length) = (range.start, range.end - range.start);
            tch::no_grad(|| {
                for feature in exits_of(modality, features.range(range).tensor).unbind(1) {
                    let logits = context.network.task_head(modality, &feature);
                    task_loss += context.loss(&logits, &target.narrow(0, start, length)) * length as f64;
                }
            });
        }
        heads += context.exits(modality) as f64;
    }
    let full: Vec<_> = context
        .modalities()
        .map(|modality| {
            let exits = context.exits(modality) as i64;
            let last = Tensor::from_slice(&[exits - 1]).to_device(context.device);
            last.one_hot(exits).to_kind(Kind::Float)
        })
        .collect();
    let milliseconds = latency.of(&full, &[]).double_value(&[0]);
    Ok(ratio * task_loss / (samples as f64 * heads) / milliseconds)
}

/// Mixes the features of all exits: `[batch, exits, feature]` and `[batch, exits]` → `[batch, feature]`.
fn mix(features: &Tensor, weights: &Tensor) -> Tensor {
    weights.unsqueeze(1).bmm(features).squeeze_dim(1)
}

/// The latencies of all exits: `[exits]` for each modality, in milliseconds.
#[derive(Debug)]
struct Latencies(Vec<Tensor>);

impl Latencies {
    fn new(milliseconds: &[Vec<f64>], device: tch::Device) -> Self {
        let exits = milliseconds.iter().map(|exits| Tensor::from_slice(exits).to_kind(Kind::Float).to_device(device));
        Self(exits.collect())
    }

    /// The latency that decisions lead one to expect, `[batch, exits]` for each modality → `[batch]`.
    ///
    /// Encoders run one after the other, so their latencies add up. One that is `missing`, `[batch]` of `bool` for each
    /// modality, does not run.
    fn of(&self, decision: &[Tensor], missing: &[Option<Tensor>]) -> Tensor {
        let each = decision.iter().zip(&self.0).enumerate().map(|(modality, (weights, exits))| {
            let latency = weights.mv(exits);
            match missing.get(modality).and_then(Option::as_ref) {
                Some(missing) => latency.masked_fill(&missing.to_device(latency.device()), 0.0),
                None => latency,
            }
        });
        Tensor::stack(&each.collect::<Vec<_>>(), 0).sum_dim_intlist(0, false, Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixed_decision_is_softened_by_the_mean_of_its_routes() {
        // Routes (0, 0), (0, 1), (1, 0), … of exits two and three.
        let temperatures = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let softening = Softening(Some(temperatures));
        let left = Tensor::from_slice(&[0f32, 1.0, 0.5, 0.5]).view([2, 2]);
        let right = Tensor::from_slice(&[0f32, 1.0, 0.0, 0.5, 0.0, 0.5]).view([2, 3]);
        let logits = Tensor::from_slice(&[10f32, 7.0]).view([2, 1]);
        let found = Vec::<f32>::try_from(softening.of(logits.shallow_clone(), &[left.shallow_clone(), right]).view(-1));
        // The second is a quarter each of (0, 0), (0, 2), (1, 0) and (1, 2): (1 + 3 + 4 + 6) / 4.
        assert_eq!(found.unwrap(), [2.0, 2.0]);
        assert_eq!(Softening(None).of(logits.shallow_clone(), &[left]), logits);
    }

    fn latencies() -> Latencies {
        Latencies::new(&[vec![1.0, 4.0], vec![2.0, 6.0, 10.0]], tch::Device::Cpu)
    }

    /// Two samples: (1/2, 1/2) and (0, 1) on the first modality, (1/4, 1/4, 1/2) and (1, 0, 0) on the second.
    fn decision() -> [Tensor; 2] {
        [
            Tensor::from_slice(&[0.5f32, 0.5, 0.0, 1.0]).view([2, 2]),
            Tensor::from_slice(&[0.25f32, 0.25, 0.5, 1.0, 0.0, 0.0]).view([2, 3]),
        ]
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn latencies_add_up() {
        // 2.5 + 7 and 4 + 2.
        assert_eq!(values(&latencies().of(&decision(), &[None, None])), [9.5, 6.0]);
        // The second sample lacks the first modality.
        let missing = [Some(Tensor::from_slice(&[false, true])), None];
        assert_eq!(values(&latencies().of(&decision(), &missing)), [9.5, 2.0]);
    }

    #[test]
    fn loss_is_equation_four() {
        // Logits (0, 0) give ln 2 for either class; the mean latency is (9.5 + 6) / 2; λ = 0.1.
        let logits = Tensor::zeros([2, 2], tch::kind::FLOAT_CPU);
        let target = Tensor::from_slice(&[0i64, 1]);
        let latency = latencies().of(&decision(), &[]);
        let task = crate::task::Task::Classification { classes: 2 };
        let criterion = Criterion::new(task, &crate::plan::Loss::of(task), &target, tch::Device::Cpu).unwrap();
        let loss = objective(&criterion, &logits, &target, &latency, 0.1).double_value(&[]);
        assert!((loss - (2f64.ln() + 0.775)).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn features_are_mixed_by_the_weights() {
        // Exits (1, 2) and (5, 10), weighed 3/4 and 1/4.
        let features = Tensor::from_slice(&[1f32, 2.0, 5.0, 10.0]).view([1, 2, 2]);
        let mixed = mix(&features, &Tensor::from_slice(&[0.75f32, 0.25]).unsqueeze(0));
        assert_eq!(values(&mixed.flatten(0, -1)), [2.0, 4.0]);
    }
}
