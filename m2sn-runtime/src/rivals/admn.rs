//! ADMN-style: a controller shares out a strict budget of layers between the modalities of each sample.
//!
//! Published (Wu et al., 2025): encoders are trained so that layers can be left out (LayerDrop); then, with them frozen, a
//! light controller on the raw inputs scores all layers of all encoders, and the L best run, by a straight-through top-L with
//! Gumbel noise scaled by a tenth. It learns from the task loss alone, since every choice costs the same number of layers.
//! One controller a budget. Layers are skipped at batch 1, and masked above.
//!
//! Ours: what can be left out are blocks, and encoders are shortened by their exits in place of being thinned, so the
//! stages of the plan that teach exits stand in for LayerDrop, and the choice is one among allocations: so many blocks of
//! each modality, L together, of each what the network needs at least. The controller scores blocks, and an allocation by
//! the sum over the blocks that it runs; the highest runs, straight-through a softmax over all with that noise. It has the
//! size of the paper's navigator. Budgets between the least and all blocks are tried, up to six of those in which there is
//! a choice. A sample that lacks a modality has the allocations without it; where none is that long, it has all its blocks.

use tch::{Device, Kind, Tensor};

use super::gate::{Gate, Gates, highest, said, straight_through, without};
use super::{Begins, Lesson, Rival, Setting, Variant};
use crate::batch::Feature;
use crate::network::Network;
use crate::parts::Parts;
use crate::policy::{Grid, Look, Move, Policy, Presence, Seen, State};
use crate::training::{Context, Features, Phase, Progress, Run, Step, aside, fit};
use crate::{Error, Result};

/// The most budgets that are tried.
const BUDGETS: usize = 6;

/// What Gumbel noise is multiplied by.
const NOISE: f64 = 0.1;

/// Controllers of several budgets.
#[derive(Debug)]
pub(crate) struct Admn<N> {
    network: N,
    gates: Gates,
    budgets: Vec<Budget>,
}

impl<N: Network> Rival<N> for Admn<N> {
    const NAME: &'static str = "ADMN-style";
    const BEGINS: Begins = Begins::Trained;

    fn new(network: N) -> Result<Self> {
        let grid = Grid::of(N::description().modalities);
        let budgets = budgets(&grid, network.variables().device());
        if budgets.is_empty() {
            return Err(Error::invalid(format!(
                "`{}` has no two routes of as many blocks between which to choose; it takes two modalities with exits",
                N::description().name
            )));
        }
        let gates = Gates::new(&network, budgets.len(), grid.exits().sum());
        Ok(Self { network, gates, budgets })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        aside("admn", &self.network, lesson.plan, lesson.splits, progress, |context, run| {
            teach(context, run, &self.gates, &self.budgets)
        })?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let full = Grid::of(N::description().modalities).last();
        let setting = |(budget, gate)| Setting {
            by: by(budget),
            variant: Box::new(Controlled { gate, budget }),
            policy: Box::new(Allocating { budget, full: full.clone() }),
        };
        Ok(self.budgets.iter().zip(self.gates.each(&self.network)).map(setting).collect())
    }
}

/// How the setting of a budget is called.
fn by(budget: &Budget) -> String {
    format!("{} blocks", budget.blocks)
}

/// A number of blocks, and all that can be done with it.
#[derive(Debug)]
struct Budget {
    blocks: usize,
    allocations: Vec<State>,
    /// Which blocks each allocation runs, those of all modalities side by side: `[blocks, allocations]` of zeros and ones.
    runs: Tensor,
}

impl Budget {
    fn new(grid: &Grid, blocks: usize, allocations: Vec<State>, device: Device) -> Self {
        let row = |allocation: &State| -> Vec<f32> {
            let each = allocation.blocks().iter().zip(grid.exits());
            each.flat_map(|(run, all)| (0..all).map(|block| f32::from(u8::from(block < *run)))).collect()
        };
        let rows: Vec<f32> = allocations.iter().flat_map(row).collect();
        let runs = Tensor::from_slice(&rows).view([allocations.len() as i64, -1]).transpose(0, 1).to_device(device);
        Self { blocks, allocations, runs }
    }

    /// What each allocation scores, `[batch, allocations]`, from the scores of the blocks, `[batch, blocks]`.
    fn scores(&self, blocks: &Tensor) -> Tensor {
        blocks.matmul(&self.runs)
    }

    /// Which allocations samples have that lack what is `missing`, `[batch, allocations]` of `bool`.
    fn allowed(&self, missing: &[Option<Tensor>], samples: i64, device: Device) -> Tensor {
        let all = Tensor::ones([samples, self.allocations.len() as i64], (Kind::Bool, device));
        missing.iter().enumerate().fold(all, |allowed, (modality, missing)| {
            let Some(missing) = missing else { return allowed };
            let asks: Vec<bool> = self.allocations.iter().map(|state| state.blocks()[modality] > 0).collect();
            let asks = Tensor::from_slice(&asks).to_device(device).unsqueeze(0);
            allowed.logical_and(&asks.logical_and(&missing.to_device(device).unsqueeze(1)).logical_not())
        })
    }

    /// How much of each place of a modality is in weights of allocations: `[batch, allocations]` → `[batch, places]`.
    fn places(&self, modality: usize, least: usize, places: i64, weights: &Tensor) -> Tensor {
        let place: Vec<i64> = self.allocations.iter().map(|state| (state.blocks()[modality] - least) as i64).collect();
        let place = Tensor::from_slice(&place).to_device(weights.device());
        weights.matmul(&place.one_hot(places).to_kind(Kind::Float))
    }
}

/// Up to [`BUDGETS`] of the numbers of blocks in which there is a choice, as far apart as can be.
fn budgets(grid: &Grid, device: Device) -> Vec<Budget> {
    let states: Vec<State> = (0..grid.len()).map(|number| grid.state(number)).collect();
    let all: usize = grid.exits().sum();
    let choices = (1..all).filter_map(|blocks| {
        let allocations: Vec<State> = states.iter().filter(|state| state.depth() == blocks).cloned().collect();
        (allocations.len() > 1).then_some((blocks, allocations))
    });
    let choices: Vec<(usize, Vec<State>)> = choices.collect();
    let kept = choices.len().min(BUDGETS);
    let last = choices.len().saturating_sub(1);
    let even = (0..kept).map(|step| step * last / kept.saturating_sub(1).max(1));
    even.map(|place| Budget::new(grid, choices[place].0, choices[place].1.clone(), device)).collect()
}

/// Teaches the controllers of all budgets.
fn teach<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>, gates: &Gates, budgets: &[Budget]) -> Result<()> {
    let network = context.network;
    let phase = Phase {
        name: "navigator/admn".into(),
        parts: Gates::PARTS.into(),
        stage: &context.plan.navigator.stage,
        samples: context.train.len(),
        reads: context.train.reads(),
    };
    let chunk = phase.stage.batch;
    let train = context.route_features(&context.train, chunk, run.progress)?;
    let valid = context.route_features(&context.valid, chunk, run.progress)?;
    let step_loss = |step: &Step| {
        let missing = context.missing(&context.train, &step.rows);
        let target = context.train.target(&step.rows);
        let features: Vec<Tensor> = train.iter().map(|all| all.rows(&step.rows).tensor).collect();
        let scores = gates.scores(network, &without(&step.inputs, &missing), true);
        let losses = scores.iter().zip(budgets).map(|(scores, budget)| {
            let logits = answers(context, budget, &noisy(&budget.scores(scores)), &features, &missing);
            context.criterion.of(&logits, &target)
        });
        Ok(losses.sum())
    };
    let validate = || {
        context.valid.score(context.valid.reads(), chunk, "score", |range, inputs, target| {
            let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, Device::Cpu));
            let lacking = context.lacking(&context.valid, &rows);
            let at = |all: &Features<'_>| all.range(range.clone()).tensor;
            let features: Vec<Tensor> = valid.iter().map(at).collect();
            let scores = gates.scores(network, &inputs, false);
            let found = scores.iter().zip(budgets).map(|(scores, budget)| {
                let logits = answers(context, budget, &budget.scores(scores), &features, &lacking);
                (format!("loss/{}", by(budget)), context.loss(&logits, target))
            });
            let mut found: Vec<(String, f64)> = found.collect();
            found.push(("score".to_owned(), found.iter().map(|(_, loss)| loss).sum()));
            Ok(found)
        })
    };
    fit(network, run, &phase, step_loss, validate)
}

/// Scores with a tenth of the noise that would draw among them.
fn noisy(scores: &Tensor) -> Tensor {
    // For E from Exp(1), −log E is distributed as Gumbel(0, 1).
    scores - tch::no_grad(|| scores.empty_like().exponential_(1.0).log()) * NOISE
}

/// What the network answers by the allocations of the highest `scores`, with the gradient of their softmax.
///
/// `features` are those of all numbers of blocks, `[batch, places, feature]` a modality.
fn answers<N: Network>(
    context: &Context<'_, N>,
    budget: &Budget,
    scores: &Tensor,
    features: &[Tensor],
    missing: &[Option<Tensor>],
) -> Tensor {
    let allowed = budget.allowed(missing, scores.size()[0], context.device);
    let none = allowed.any_dim(1, true).logical_not();
    // Lower than any score, and yet a number: of a sample that has no allocation all are as good.
    let weights =
        straight_through(&scores.masked_fill(&allowed.logical_not(), f64::from(f32::MIN)).softmax(-1, Kind::Float));
    let grid = context.grid();
    let chosen = features.iter().zip(missing).enumerate().map(|(modality, (all, missing))| {
        let places = budget.places(modality, grid.least(modality), all.size()[1], &weights);
        let mixed = places.unsqueeze(1).bmm(all).squeeze_dim(1);
        let deepest = all.select(1, context.deepest(modality));
        context.without(modality, deepest.where_self(&none, &mixed), missing.as_ref())
    });
    context.network.fuse(&chosen.collect::<Vec<_>>(), false)
}

/// Runs the allocation of the highest score, of those that the sample has.
#[derive(Debug)]
struct Allocating<'a> {
    budget: &'a Budget,
    full: State,
}

impl Policy for Allocating<'_> {
    fn look(&self, _: &State) -> Look {
        Look::Scores
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let allocations = &self.budget.allocations;
        let is_missing = |modality: usize| state.presence()[modality] == Presence::Missing;
        let is_allowed = |place: usize| {
            let asks = |(modality, blocks): (usize, &usize)| *blocks > 0 && is_missing(modality);
            !allocations[place].blocks().iter().enumerate().any(asks)
        };
        let of = |scores: Vec<f64>| {
            let goal = highest(&scores, is_allowed).map_or(&self.full, |place| &allocations[place]);
            Move::Finish(goal.clone())
        };
        Ok(said(seen)?.into_iter().map(of).collect())
    }
}

/// The network, with a controller that looks at its inputs.
#[derive(Debug)]
struct Controlled<'a, N> {
    gate: Gate<'a, N>,
    budget: &'a Budget,
}

impl<N: Network> Variant for Controlled<'_, N> {
    fn needs_inputs(&self) -> bool {
        true
    }

    fn gate(&self, _: &dyn Parts, inputs: &[Feature]) -> Vec<Tensor> {
        vec![self.budget.scores(&self.gate.scores(inputs))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::trials::{
        answer, batches_are_answered_as_their_samples, lacking, restored, trained, trained_on,
    };
    use crate::tiny::{Labelling, Lacking, Tiny, labelled};

    fn grid<N: Network>() -> Grid {
        Grid::of(N::description().modalities)
    }

    #[test]
    fn budgets_share_out_all_their_blocks() {
        let found = budgets(&grid::<Tiny>(), tch::Device::Cpu);
        let blocks = |budget: &Budget| -> Vec<[usize; 2]> {
            budget.allocations.iter().map(|state| [state.blocks()[0], state.blocks()[1]]).collect()
        };
        // Two blocks, and all six, can be shared out in one way alone.
        assert_eq!(found.iter().map(|budget| budget.blocks).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(
            found.iter().map(blocks).collect::<Vec<_>>(),
            [vec![[1, 2], [2, 1]], vec![[1, 3], [2, 2], [3, 1]], vec![[2, 3], [3, 2]]]
        );
        let lacking = budgets(&grid::<Lacking>(), tch::Device::Cpu);
        assert_eq!(lacking.iter().map(|budget| budget.blocks).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(blocks(&lacking[0]), [[0, 1], [1, 0]]);
    }

    #[test]
    fn an_allocation_scores_what_its_blocks_do_by_hand() {
        let budget = &budgets(&grid::<Tiny>(), tch::Device::Cpu)[1];
        let blocks = Tensor::from_slice(&[1f32, 2.0, 4.0, 8.0, 16.0, 32.0]).view([1, 6]);
        assert_eq!(budget.scores(&blocks), Tensor::from_slice(&[57f32, 27.0, 15.0]).view([1, 3]));
        let weights = Tensor::from_slice(&[0.5f32, 0.25, 0.25]).view([1, 3]);
        assert_eq!(budget.places(0, 1, 3, &weights), Tensor::from_slice(&[0.5f32, 0.25, 0.25]).view([1, 3]));
        assert_eq!(budget.places(1, 1, 3, &weights), Tensor::from_slice(&[0.25f32, 0.25, 0.5]).view([1, 3]));
        let budget = &budgets(&grid::<Lacking>(), tch::Device::Cpu)[3];
        let missing = [Some(Tensor::from_slice(&[true, false])), None];
        // Four blocks are more than one modality has.
        assert_eq!(
            budget.allowed(&missing, 2, tch::Device::Cpu).sum_dim_intlist(1, false, Kind::Int64),
            Tensor::from_slice(&[0i64, 3])
        );
    }

    #[test]
    fn every_sample_runs_as_many_blocks_as_the_budget_has() {
        let (rival, splits) = trained::<Admn<Tiny>>();
        let inputs = splits.valid.input().unwrap();
        for (setting, blocks) in rival.settings().unwrap().iter().zip([3, 4, 5]) {
            assert_eq!(setting.by, format!("{blocks} blocks"));
            let (outcome, ran) = answer(rival.network(), setting, &inputs);
            assert!(outcome.states.iter().all(|state| state.depth() == blocks));
            let exits = outcome.states.iter().flat_map(State::blocks).filter(|blocks| **blocks < 3).count() as u64;
            let expected = 64 * (blocks as u64 * 100 + 48 + 66) + exits * 100;
            assert_eq!(ran.multiply_adds(Tiny::description()), expected);
            batches_are_answered_as_their_samples(rival.network(), setting, &inputs);
        }
        restored(&rival, &inputs);
    }

    #[test]
    fn a_controller_sends_blocks_where_they_tell_something() {
        let (rival, splits) = trained::<Admn<Tiny>>();
        let (inputs, target) = (splits.train.input().unwrap(), splits.train.target());
        let loss =
            |setting: &Setting<'_>| crate::tiny::loss(&answer(rival.network(), setting, &inputs).0.logits, target);
        let settings = rival.settings().unwrap();
        let learned: f64 = settings.iter().map(loss).sum();
        let fixed = |budget: &Budget| {
            let each = budget.allocations.iter().map(|state| {
                let policy = Box::new(crate::policy::Fixed(state.clone()));
                loss(&Setting { by: String::new(), variant: Box::new(crate::rivals::AsIs), policy })
            });
            each.sum::<f64>() / budget.allocations.len() as f64
        };
        let by_chance: f64 = rival.budgets.iter().map(fixed).sum();
        assert!(learned < by_chance, "{learned} and {by_chance}");
    }

    #[test]
    fn samples_that_lack_a_modality_spend_all_on_the_other() {
        let splits = lacking(&labelled(96, 36).unwrap(), Labelling::description().task);
        let rival: Admn<Labelling> = trained_on(&splits);
        let inputs = splits.valid.input().unwrap();
        for (setting, blocks) in rival.settings().unwrap().iter().zip([1, 2, 3, 4, 5]) {
            let (outcome, _) = answer(rival.network(), setting, &inputs);
            for (row, state) in outcome.states.iter().enumerate() {
                let all = blocks.min(3);
                assert!(row % 3 != 0 || state.depth() == blocks, "{state}");
                assert!(row % 3 != 1 || *state == State::of(&[0, all]), "{state}");
                assert!(row % 3 != 2 || *state == State::of(&[all, 0]), "{state}");
            }
            batches_are_answered_as_their_samples(rival.network(), setting, &inputs);
        }
    }
}
