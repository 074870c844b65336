//! The last stage for a learned policy: how good the answer by each route would be.
//!
//! Everything else is frozen, and the features of all exits are computed once. What is learned is quality alone;
//! milliseconds come in afterwards, when the balances of quality and time are tried on validation samples.
//!
//! Encoders answer for samples that they have learned from with a certainty that they have for no others, so a policy
//! that learned from these alone would not know what doubt looks like. It therefore also learns from a half of the
//! validation samples, drawn at random, which make up half of each step; the other half of them decides which epoch is
//! the best, calibrates the predictions, and shows what each balance of quality and time comes to.

use tch::{Device, Kind, Tensor};

use super::cache::{Features, chunks};
use super::context::{Context, Samples, choose};
use super::fit::{Phase, Step, fit, seed};
use super::run::Run;
use crate::network::{Network, Part};
use crate::parts::{Cached, pool};
use crate::plan::Policy;
use crate::policy::{Allowance, Balance, Costs, Front, Grid, Quality, State, Terms, achieved, posterior, upper_bound};
use crate::{Result, policy, routing};

/// Teaches a learned policy, and tries its balances by the costs of this machine.
pub(super) fn train<N: Network>(
    context: &Context<'_, N>,
    run: &mut Run<'_>,
    which: Policy,
    costs: &Costs,
) -> Result<()> {
    let settings = &context.plan.navigator;
    let policies = context.network.policies();
    let (part, quality, front) = match which {
        Policy::Value => (Part::Value, &policies.value()?.quality, &policies.value()?.front),
        _ => (Part::Sequential, &policies.sequential()?.quality, &policies.sequential()?.front),
    };
    let name = format!("navigator/{}", which.name());
    let phase = Phase { name, parts: vec![part], stage: &settings.stage, samples: context.train.len() };
    let lesson = |samples| Lesson::of(context, samples, phase.stage.batch);
    let (train, valid) = (lesson(&context.train)?, lesson(&context.valid)?);
    let grid = Grid::of(N::description().modalities);
    let reach = reach(&grid).to_device(context.device);

    tch::manual_seed(seed(run.seed, &format!("{}/halves", phase.name), 0));
    let order = Tensor::randperm(context.valid.len(), (Kind::Int64, Device::Cpu));
    let half = (context.valid.len() / 2).max(1);
    let (learned, judged) = (order.narrow(0, 0, half), order.narrow(0, context.valid.len() - half, half));

    // What is known of samples in given states, and the quality of every state that is still ahead of them.
    let question = |lesson: &Lesson<'_>, rows: &Tensor, states: &Tensor| -> [Tensor; 3] {
        let known = match which {
            Policy::Value => Tensor::cat(&lesson.stems(rows), 1),
            _ => lesson.posterior(context, &grid, rows, states),
        };
        let quality = lesson.quality.index_select(0, &rows.to_device(context.device));
        [known, quality, reach.index_select(0, &states.to_device(context.device))]
    };
    let states = |samples: i64| match which {
        Policy::Value => Tensor::zeros([samples], (Kind::Int64, Device::Cpu)),
        _ => Tensor::randint(grid.len() as i64, [samples], (Kind::Int64, Device::Cpu)),
    };
    // The same states after every epoch, so that the scores can be compared.
    let judged_states = states(half);

    tch::no_grad(|| {
        let rows = Tensor::randint(half, [STANDARD], (Kind::Int64, Device::Cpu));
        let [known, ..] = question(&valid, &learned.index_select(0, &rows), &states(STANDARD));
        quality.standardise(&known);
        quality.set_unit(&train.quality);
    });

    let step_loss = |step: &Step| {
        let samples = step.rows.size()[0];
        let drawn = learned.index_select(0, &Tensor::randint(half, [samples], (Kind::Int64, Device::Cpu)));
        let asked = [question(&train, &step.rows, &states(samples)), question(&valid, &drawn, &states(samples))];
        let [known, achieved, counts] = [0, 1, 2].map(|part| Tensor::cat(&[&asked[0][part], &asked[1][part]], 0));
        Ok(quality.loss(&quality.scores(&known, true), &achieved, &counts))
    };
    let validate = || {
        let [known, achieved, counts] = tch::no_grad(|| question(&valid, &judged, &judged_states));
        let loss = tch::no_grad(|| quality.loss(&quality.scores(&known, false), &achieved, &counts));
        let value = loss.double_value(&[]);
        Ok(super::fit::Score { value, metrics: [("loss".to_owned(), value)].into() })
    };
    fit(context.network, run, &phase, step_loss, validate)?;

    let balances = tch::no_grad(|| balances(context, &valid, &judged, which, quality, costs))?;
    front.set(&balances);
    Ok(())
}

/// The samples by which what is known is standardised.
const STANDARD: i64 = 2048;

/// A data set as a policy learns from it.
#[derive(Debug)]
struct Lesson<'a> {
    /// By modality, `[samples, exits, feature]`.
    exits: Vec<Features<'a>>,
    /// By modality, the pooled output of the first block.
    stems: Vec<Features<'a>>,
    /// `[samples, states]`: what the answer in each state is worth.
    quality: Tensor,
}

impl<'a> Lesson<'a> {
    fn of<N: Network>(context: &'a Context<'_, N>, samples: &Samples, chunk: usize) -> Result<Self> {
        let exits = context.exit_features(samples, chunk)?;
        let stem = |modality: usize| {
            context.cache.fill(samples.len(), chunk as i64, context.device, |range| {
                let input = samples.inputs[modality].range(range);
                pool(&context.network.block(modality, 0, &input, false)).into()
            })
        };
        let stems = context.modalities().map(stem).collect::<Result<_>>()?;
        let grid = Grid::of(N::description().modalities);
        let parts = chunks(samples.len(), chunk as i64).map(|range| {
            let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, Device::Cpu));
            let target = samples.target(&rows);
            let features: Vec<Tensor> = exits.iter().map(|all| all.range(range.clone()).tensor).collect();
            let each = (0..grid.len()).map(|state| {
                let route = grid.exits_of(state).into_iter().zip(&features);
                let picked: Vec<Tensor> = route.map(|(exit, all)| all.select(1, exit as i64)).collect();
                achieved(context.task(), &tch::no_grad(|| context.network.fuse(&picked, false)), &target)
            });
            Tensor::stack(&each.collect::<Vec<_>>(), 1)
        });
        let quality = Tensor::cat(&parts.collect::<Vec<_>>(), 0);
        Ok(Self { exits, stems, quality })
    }

    fn stems(&self, rows: &Tensor) -> Vec<Tensor> {
        self.stems.iter().map(|stems| stems.rows(rows).tensor).collect()
    }

    /// What the network would answer for samples in the states of these numbers.
    fn posterior<N: Network>(&self, context: &Context<'_, N>, grid: &Grid, rows: &Tensor, states: &Tensor) -> Tensor {
        let (network, description) = (context.network, N::description());
        let exits = exits_of(grid, states);
        let features: Vec<Tensor> = self
            .exits
            .iter()
            .zip(&exits)
            .map(|(all, exits)| choose(&all.rows(rows).tensor, &exits.to_device(context.device)))
            .collect();
        let places = exits.iter().zip(description.modalities);
        let places: Vec<Tensor> = places.map(|(exits, m)| exits.one_hot(m.exits.len() as i64)).collect();
        tch::no_grad(|| {
            let alone: Vec<Tensor> =
                features.iter().enumerate().map(|(m, feature)| network.task_head(m, feature)).collect();
            let places = Tensor::cat(&places, 1).to_kind(Kind::Float).to_device(context.device);
            posterior(description, &network.fuse(&features, false), &alone, &places)
        })
    }
}

/// The exits of the states of these numbers, `[samples]` a modality.
fn exits_of(grid: &Grid, states: &Tensor) -> Vec<Tensor> {
    let mut rest = states.shallow_clone();
    let mut exits: Vec<Tensor> = grid
        .exits()
        .iter()
        .rev()
        .map(|count| {
            let exit = rest.remainder(*count as i64);
            rest = rest.divide_scalar_mode(*count as i64, "floor");
            exit
        })
        .collect();
    exits.reverse();
    exits
}

/// Which states lie ahead of which, or are it: `[states, states]` of zeros and ones.
fn reach(grid: &Grid) -> Tensor {
    let states: Vec<State> = (0..grid.len()).map(|number| grid.state(number)).collect();
    let leads = |from: &State| states.iter().map(|to| f32::from(u8::from(from.leads_to(to)))).collect::<Vec<_>>();
    let rows: Vec<f32> = states.iter().flat_map(leads).collect();
    Tensor::from_slice(&rows).view([states.len() as i64, states.len() as i64])
}

/// What each balance of quality and time comes to on the samples at `rows`.
fn balances<N: Network>(
    context: &Context<'_, N>,
    lesson: &Lesson<'_>,
    rows: &Tensor,
    which: Policy,
    quality: &Quality,
    costs: &Costs,
) -> Result<Vec<Balance>> {
    let features: Vec<Vec<Tensor>> = lesson.exits.iter().map(|all| all.rows(rows).tensor.unbind(1)).collect();
    let stems = lesson.stems(rows);
    let cached = Cached { network: context.network, features: &features, stems: &stems, scores: &[] };
    let samples = rows.size()[0];
    let inputs = cached.inputs(&Tensor::arange(samples, (Kind::Int64, Device::Cpu)));
    let achieved = Vec::<Vec<f64>>::try_from(
        lesson.quality.index_select(0, &rows.to_device(context.device)).to_device(Device::Cpu).to_kind(Kind::Double),
    )?;
    let (unit, grid) = (quality.unit(), costs.grid());
    let late_fusion = grid.len() - 1;
    let policies = context.network.policies();
    Front::prices()
        .map(|price| {
            let lambda = price * unit / costs.late_fusion();
            let allowances = [Some(Allowance { lambda, milliseconds: f64::INFINITY })];
            let terms = Terms { costs, allowances: &allowances };
            let decides: Box<dyn policy::Policy + '_> = match which {
                Policy::Value => Box::new(policies.value()?.on(terms)),
                _ => Box::new(policies.sequential()?.on(terms)),
            };
            let outcome = routing::run(&cached, &inputs, &*decides, None)?;
            let ends = outcome.states.iter().map(|state| grid.number(state).unwrap_or(late_fusion));
            let losses: Vec<f64> =
                achieved.iter().zip(ends).map(|(row, end)| (row[late_fusion] - row[end]) / unit).collect();
            // Differences of accuracies and F1 lie within one; those of real values are taken to lie within the widest.
            let widest = losses.iter().fold(1.0_f64, |widest, loss| widest.max(loss.abs()));
            let scaled: Vec<f64> = losses.iter().map(|loss| loss / widest).collect();
            let spent =
                outcome.looks.iter().zip(&outcome.states).map(|(looks, end)| costs.journey(looks, end).expected);
            Ok(Balance {
                price,
                loss: losses.iter().sum::<f64>() / samples as f64,
                bound: upper_bound(&scaled) * widest,
                share: spent.sum::<f64>() / samples as f64 / costs.late_fusion(),
            })
        })
        .collect()
}
