//! The last stage for a learned policy: how good the answer by each route would be.
//!
//! Everything else is frozen, and the features of all exits are computed once. What is learned is quality alone;
//! milliseconds come in afterwards, when balances of quality and time are tried on validation samples.
//!
//! Encoders answer with a certainty for samples that they have learned from that they have for no others, so a policy
//! that learned from these alone would not know what doubt looks like. Therefore half of each step is made of validation
//! samples, drawn from a random half of them, and the other half of training samples, whose answers are softened until
//! they are as certain as those. The validation samples that are left decide which epoch is the best, and show what each
//! balance comes to.

use tch::{Device, Kind, Tensor};

use super::balances::{Trials, halves};
use super::cache::Features;
use super::context::{Context, Samples};
use super::fit::{Phase, Score, Step, fit, seed};
use super::run::Run;
use super::softening::{logits, temperatures};
use super::stands::{STANDARD, Stands};
use crate::Result;
use crate::network::{Network, Part};
use crate::plan::Policy;
use crate::policy::{Costs, Grid, Quality, State, achieved};
use crate::task::{Rule, Task};

/// Teaches a learned policy, and tries its balances by the costs of this machine.
pub(super) fn train<N: Network>(
    context: &Context<'_, N>,
    run: &mut Run<'_>,
    which: Policy,
    costs: &Costs,
) -> Result<()> {
    let policies = context.network.policies();
    let (part, quality, front) = match which {
        Policy::Value => (Part::Value, &policies.value()?.quality, &policies.value()?.front),
        _ => (Part::Sequential, &policies.sequential()?.quality, &policies.sequential()?.front),
    };
    let phase = Phase {
        name: format!("navigator/{}", which.name()),
        parts: vec![part],
        stage: &context.plan.navigator.stage,
        samples: context.train.len(),
        reads: Vec::new(),
    };
    let grid = context.grid();
    let reach = reach(&grid).to_device(context.device);

    tch::manual_seed(seed(run.seed, &format!("{}/halves", phase.name), 0));
    let (learned, judged) = halves(context.valid.len());
    let half = learned.size()[0];
    let valid = Lesson::of(context, run, &context.valid, None)?;
    let train = Lesson::of(context, run, &context.train, Some((&valid, &learned)))?;

    let ask = |lesson: &Lesson<'_>, rows: &Tensor, stands: &Stands| Question {
        known: match which {
            Policy::Value => stands.stems(&lesson.stems, rows),
            _ => stands.posterior(context, &lesson.features, rows, &lesson.temperatures),
        },
        quality: lesson.quality.index_select(0, &rows.to_device(context.device)),
        counts: stands.ahead(&grid, &reach),
    };
    // The value policy is asked in the first state alone, and nobody in the last.
    let stand = |samples: &Samples, rows: &Tensor| match which {
        Policy::Value => Stands::first(&grid, rows.size()[0], context.missing(samples, rows)),
        _ => Stands::anywhere(&grid, rows.size()[0], context.lacking(samples, rows)),
    };
    let draw = |samples: i64| learned.index_select(0, &Tensor::randint(half, [samples], (Kind::Int64, Device::Cpu)));
    // The same states after every epoch, so that the scores can be compared.
    let judged_stands = stand(&context.valid, &judged);
    let standard = draw(STANDARD);
    quality.standardise(&ask(&valid, &standard, &stand(&context.valid, &standard)).known);
    quality.set_unit(&valid.quality.index_select(0, &learned.to_device(context.device)));

    let step_loss = |step: &Step| {
        let seen = ask(&train, &step.rows, &stand(&context.train, &step.rows));
        let rows = draw(step.rows.size()[0]);
        let unseen = ask(&valid, &rows, &stand(&context.valid, &rows));
        Ok((seen.loss(quality) + unseen.loss(quality)) / 2.0)
    };
    let validate = || {
        let value = tch::no_grad(|| ask(&valid, &judged, &judged_stands).loss(quality)).double_value(&[]);
        Ok(Score { value, metrics: [("loss".to_owned(), value)].into() })
    };
    fit(context.network, run, &phase, step_loss, validate)?;
    let trials = Trials::of(context, costs, &valid.features, &valid.stems, &judged);
    front.set(&trials.balances(which)?);
    Ok(())
}

/// What is known of samples in given states, and the quality of every state that is still ahead of them.
#[derive(Debug)]
struct Question {
    known: Tensor,
    quality: Tensor,
    counts: Tensor,
}

impl Question {
    fn loss(&self, quality: &Quality) -> Tensor {
        quality.loss(&self.known, &self.quality, &self.counts)
    }
}

/// A data set as a policy learns from it.
#[derive(Debug)]
struct Lesson<'a> {
    /// By modality, see [`Context::route_features`].
    features: Vec<Features<'a>>,
    /// By modality, see [`Context::route_features_and_stems`].
    stems: Vec<Features<'a>>,
    /// `[samples, states]`: what the answer in each state is worth; for a class, how probable the right one is.
    quality: Tensor,
    /// What logits are divided by, `[states]`: one for samples that the encoders have not learned from.
    temperatures: Tensor,
}

impl<'a> Lesson<'a> {
    /// Where the encoders have learned from these samples, what the network says of them is softened until it is on average
    /// as sure in each state as it is of rows of another lesson, `like`, and answers are worth no more than those.
    fn of<N: Network>(
        context: &'a Context<'_, N>,
        run: &Run<'_>,
        samples: &Samples,
        like: Option<(&Lesson<'_>, &Tensor)>,
    ) -> Result<Self> {
        let chunk = context.plan.navigator.stage.batch;
        let [features, stems] = context.route_features_and_stems(samples, chunk, run.progress)?;
        let target = samples.target(&Tensor::arange(samples.len(), (Kind::Int64, Device::Cpu)));
        let (task, grid) = (context.task(), context.grid());
        let temperatures = match like {
            Some((other, rows)) => temperatures(context, &grid, &features, &other.features, rows),
            None => vec![1.0; grid.len()],
        };
        let each = temperatures.iter().enumerate().map(|(state, temperature)| {
            let worth = worth(&context.rule, &(logits(context, &grid, &features, state) / *temperature), &target);
            match (task, like) {
                (Task::Classification { .. }, _) | (_, None) => worth,
                (_, Some((other, rows))) => {
                    let rows = rows.to_device(context.device);
                    let there = other.quality.select(1, state as i64).index_select(0, &rows).mean(Kind::Float);
                    let here = worth.mean(Kind::Float);
                    &worth * (there.double_value(&[]) / here.double_value(&[])).clamp(1.0 / MOST, MOST)
                }
            }
        });
        let quality = Tensor::stack(&each.collect::<Vec<_>>(), 1);
        let temperatures = Tensor::from_slice(&temperatures).to_kind(Kind::Float).to_device(context.device);
        Ok(Self { features, stems, quality, temperatures })
    }
}

/// The most by which the worth of answers to seen samples is changed.
const MOST: f64 = 100.0;

/// What answers are worth, `[samples]`: of a class the probability of the right one, which says more than whether it was
/// hit; else as [`achieved`].
fn worth(rule: &Rule, logits: &Tensor, target: &Tensor) -> Tensor {
    match rule.task() {
        Task::Classification { .. } => {
            logits.softmax(-1, Kind::Float).gather(1, &target.unsqueeze(1), false).squeeze_dim(1)
        }
        _ => achieved(rule, logits, target),
    }
}

/// Which states lie ahead of which, or are it: `[states, states]` of zeros and ones.
fn reach(grid: &Grid) -> Tensor {
    let states: Vec<State> = (0..grid.len()).map(|number| grid.state(number)).collect();
    let leads = |from: &State| states.iter().map(|to| f32::from(u8::from(from.leads_to(to)))).collect::<Vec<_>>();
    let rows: Vec<f32> = states.iter().flat_map(leads).collect();
    Tensor::from_slice(&rows).view([states.len() as i64, states.len() as i64])
}
