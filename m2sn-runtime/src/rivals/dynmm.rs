//! DynMM-style: a gate sends each sample to one of several experts of different cost.
//!
//! Published (Xue and Marculescu, 2023, at the level of modalities): the experts are networks of one modality and late
//! fusion, trained beforehand; a gate on the raw inputs mixes their predictions by a straight-through softmax, without
//! noise and at temperature one, and learns from the task loss plus λ times the cost that its weights lead one to expect.
//! Their code runs all experts and multiplies.
//!
//! Ours: the experts are each modality alone, through its encoder and its task head, and late fusion, and all are frozen.
//! The gate is of the size of the paper's navigator. Costs are milliseconds by the table, without the gate, which all pay.
//! λ is set as ratios of the task loss, a setting each; one expert runs. A sample that lacks modalities has the experts of
//! those that it has, and where that is one, it is late fusion as well.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::deepest::{self, RATIOS};
use super::gate::{Gate, Gates, highest, said, straight_through, without};
use super::{Begins, Lesson, Rival, Setting, Variant};
use crate::batch::Feature;
use crate::latency::Table;
use crate::network::Network;
use crate::parts::Parts;
use crate::policy::{Look, Move, Policy, Presence, Seen, State};
use crate::training::{Context, Phase, Progress, Run, Step, aside, fit};
use crate::{Error, Result};

/// A gate over experts.
#[derive(Debug)]
pub(crate) struct DynMm<N> {
    network: N,
    gates: Gates,
}

impl<N: Network> Rival<N> for DynMm<N> {
    const NAME: &'static str = "DynMM-style";
    const BEGINS: Begins = Begins::Pretrained;

    fn new(network: N) -> Result<Self> {
        let modalities = N::description().modalities.len();
        if modalities < 2 {
            return Err(Error::invalid(format!(
                "`{}` has one modality, expected two at least: each alone is an expert beside all together",
                N::description().name
            )));
        }
        let gates = Gates::new(&network, RATIOS.len(), modalities + 1);
        Ok(Self { network, gates })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        aside("dynmm", &self.network, lesson.plan, lesson.splits, progress, |context, run| {
            teach(context, run, &self.gates, lesson.costs.table())
        })?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let setting = |(ratio, gate)| Setting {
            by: deepest::by(ratio),
            variant: Box::new(Experts(gate)),
            policy: Box::new(Sending { full: deepest::state::<N>() }),
        };
        Ok(RATIOS.into_iter().zip(self.gates.each(&self.network)).map(setting).collect())
    }
}

/// Teaches the gates of all settings.
fn teach<N: Network>(context: &Context<'_, N>, run: &mut Run<'_>, gates: &Gates, table: &Table) -> Result<()> {
    let network = context.network;
    let phase = Phase {
        name: "navigator/dynmm".into(),
        parts: Gates::PARTS.into(),
        stage: &context.plan.navigator.stage,
        samples: context.train.len(),
        reads: context.train.reads(),
    };
    let train = deepest::features(context, &context.train, run)?;
    let valid = deepest::features(context, &context.valid, run)?;
    let weights = deepest::weights(context, &train);
    let prices = Prices { encoders: deepest::shares(table), head: table.head.median / table.late_fusion() };
    let step_loss = |step: &Step| {
        let missing = context.missing(&context.train, &step.rows);
        let features = train.iter().map(|all| all.rows(&step.rows).tensor).collect();
        let offer = Offer::of(context, features, &missing, &prices);
        let target = context.train.target(&step.rows);
        let scores = gates.scores(network, &without(&step.inputs, &missing), true);
        let losses = scores.iter().zip(weights).map(|(scores, weight)| {
            let (logits, price) = offer.by(scores);
            weight.of(context.criterion.of(&logits, &target), price.mean(Kind::Float))
        });
        Ok(losses.sum())
    };
    let validate = || {
        context.valid.score(context.valid.reads(), phase.stage.batch, "score", |range, inputs, target| {
            let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, Device::Cpu));
            let features = valid.iter().map(|all| all.range(range.clone()).tensor).collect();
            let offer = Offer::of(context, features, &context.lacking(&context.valid, &rows), &prices);
            let (mut found, mut sum) = (Vec::new(), 0.0);
            for ((scores, weight), ratio) in gates.scores(network, &inputs, false).iter().zip(weights).zip(RATIOS) {
                let (logits, price) = offer.by(scores);
                let (loss, price) = (context.criterion.of(&logits, target), price.mean(Kind::Float));
                found.push((format!("loss/{}", deepest::by(ratio)), loss.double_value(&[])));
                found.push((format!("share/{}", deepest::by(ratio)), price.double_value(&[])));
                sum += weight.of(loss, price).double_value(&[]);
            }
            found.push(("score".to_owned(), sum));
            Ok(found)
        })
    };
    fit(network, run, &phase, step_loss, validate)
}

/// What parts of experts take of late fusion's time.
#[derive(Debug)]
struct Prices {
    /// Each encoder.
    encoders: Vec<f64>,
    /// A head; all are taken to be as fast as that of the fused features.
    head: f64,
}

/// What the experts say of some samples, and what they take; late fusion is the last.
#[derive(Debug)]
struct Offer {
    /// `[batch, experts, outputs]`.
    logits: Tensor,
    /// `[batch, experts]`, as shares of late fusion's time.
    prices: Tensor,
    /// `[batch, experts]` of `bool`: experts of modalities that a sample lacks.
    absent: Tensor,
}

impl Offer {
    /// `features` are the deepest, `[batch, feature]` a modality, and `missing` says which do not count.
    fn of<N: Network>(
        context: &Context<'_, N>,
        features: Vec<Tensor>,
        missing: &[Option<Tensor>],
        prices: &Prices,
    ) -> Self {
        let samples = features.first().map_or(0, |feature| feature.size()[0]);
        let there = missing.iter().map(|missing| match missing {
            Some(missing) => missing.logical_not().to_device(context.device),
            None => Tensor::ones([samples], (Kind::Bool, context.device)),
        });
        let there = Tensor::stack(&there.collect::<Vec<_>>(), 1);
        let _no_grad = tch::no_grad_guard();
        let alone = |(m, feature): (usize, &Tensor)| context.network.task_head(m, feature);
        let alone = Tensor::stack(&features.iter().enumerate().map(alone).collect::<Vec<_>>(), 1);
        // Whatever a head makes of nothing, it must not count.
        let alone = alone.masked_fill(&there.logical_not().unsqueeze(2), 0.0);
        let whole = features.into_iter().zip(missing).enumerate();
        let whole: Vec<Tensor> =
            whole.map(|(m, (feature, missing))| context.without(m, feature, missing.as_ref())).collect();
        let fused = context.network.fuse(&whole, false);
        // Of samples with one modality late fusion is its expert.
        let counts = there.to_kind(Kind::Float);
        let is_alone = counts.sum_dim_intlist(1, true, Kind::Float).eq(1.0);
        let only = alone.sum_dim_intlist(1, false, Kind::Float);
        let late = only.where_self(&is_alone, &fused);
        let shares = Tensor::from_slice(&prices.encoders).to_kind(Kind::Float).to_device(context.device);
        let each = &shares.unsqueeze(0) * &counts;
        let all = each.sum_dim_intlist(1, true, Kind::Float);
        let absent = there.logical_not();
        Self {
            logits: Tensor::cat(&[alone, late.unsqueeze(1)], 1),
            prices: Tensor::cat(&[each, all], 1) + prices.head,
            absent: Tensor::cat(&[&absent, &absent.narrow(1, 0, 1).zeros_like()], 1),
        }
    }

    /// What the experts of the highest scores say, `[batch, outputs]`, and what they take, `[batch]`; with the gradient of
    /// the scores' softmax.
    fn by(&self, scores: &Tensor) -> (Tensor, Tensor) {
        let weights = straight_through(&scores.masked_fill(&self.absent, f64::NEG_INFINITY).softmax(-1, Kind::Float));
        let logits = weights.unsqueeze(1).bmm(&self.logits).squeeze_dim(1);
        (logits, (weights * &self.prices).sum_dim_intlist(1, false, Kind::Float))
    }
}

/// Sends each sample to the expert of the highest score, of those that its modalities have.
#[derive(Debug)]
struct Sending {
    full: State,
}

impl Policy for Sending {
    fn look(&self, _: &State) -> Look {
        Look::Scores
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let (full, presence) = (self.full.blocks(), state.presence());
        let of = |scores: Vec<f64>| {
            let goal = match highest(&scores, |expert| presence.get(expert) != Some(&Presence::Missing)) {
                Some(expert) if expert < full.len() => {
                    let alone = full.iter().enumerate().map(|(m, blocks)| if m == expert { *blocks } else { 0 });
                    State::of(&alone.collect::<Vec<_>>())
                }
                _ => self.full.clone(),
            };
            Move::Finish(goal)
        };
        Ok(said(seen)?.into_iter().map(of).collect())
    }
}

/// Answers by the task head where one modality has run.
#[derive(Debug)]
struct Experts<'a, N>(Gate<'a, N>);

impl<N: Network> Variant for Experts<'_, N> {
    fn passes_by(&self) -> bool {
        true
    }

    fn needs_inputs(&self) -> bool {
        true
    }

    fn stand_in(&self, network: &dyn Parts, modality: usize, samples: i64) -> Tensor {
        let described = &N::description().modalities[modality];
        match described.missing {
            Some(_) => network.stand_in(modality, samples),
            // It is passed by for another that answers alone.
            None => Tensor::zeros([samples, described.feature], (Kind::Float, network.device())),
        }
    }

    fn answer(&self, network: &dyn Parts, states: &[State], rows: &[usize], features: &[Tensor]) -> Tensor {
        let mut experts: BTreeMap<Option<usize>, Vec<i64>> = BTreeMap::new();
        for (place, row) in (0..).zip(rows) {
            experts.entry(only(&states[*row])).or_default().push(place);
        }
        let answers = experts.iter().map(|(expert, places)| {
            let places = Tensor::from_slice(places).to_device(network.device());
            let of = |modality: usize| features[modality].index_select(0, &places);
            match expert {
                Some(modality) => network.task_head(*modality, &of(*modality)),
                None => network.fuse(&(0..features.len()).map(of).collect::<Vec<_>>()),
            }
        });
        let answers = Tensor::cat(&answers.collect::<Vec<_>>(), 0);
        let order = Tensor::from_slice(&experts.into_values().flatten().collect::<Vec<_>>()).argsort(0, false);
        answers.index_select(0, &order.to_device(network.device()))
    }

    fn gate(&self, _: &dyn Parts, inputs: &[Feature]) -> Vec<Tensor> {
        vec![self.0.scores(inputs)]
    }
}

/// The only modality that has run, where it is one.
fn only(state: &State) -> Option<usize> {
    let mut ran = state.blocks().iter().enumerate().filter(|(_, blocks)| **blocks > 0).map(|(modality, _)| modality);
    ran.next().filter(|_| ran.next().is_none())
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;
    use crate::Device;
    use crate::network::Input;
    use crate::policy::Given;
    use crate::rivals::trials::{
        answer, batches_are_answered_as_their_samples, lacking, restored, trained_by, trained_on,
    };
    use crate::routing::{Outcome, encode};
    use crate::tiny::{Lacking, Tiny, samples, table};

    /// Whose answer each sample got: of the left modality, the right one, or both.
    fn shares(outcome: &Outcome) -> [usize; 3] {
        let ends = [[3, 0], [0, 3], [3, 3]].map(|blocks| State::of(&blocks));
        ends.map(|end| outcome.states.iter().filter(|state| **state == end).count())
    }

    #[test]
    fn the_dearer_time_is_the_less_of_it_is_taken() {
        let (mut plan, splits) = (Tiny::plan(), samples(256, 64).unwrap());
        plan.navigator.stage.epochs = 20;
        let rival: DynMm<Tiny> = trained_by(&plan, &splits);
        let inputs = splits.valid.input().unwrap();
        let (settings, network) = (rival.settings().unwrap(), rival.network());
        let mut work = Vec::new();
        for setting in &settings {
            let (outcome, ran) = answer(network, setting, &inputs);
            let [left, right, both] = shares(&outcome).map(|samples| samples as u64);
            assert_eq!(left + right + both, 64);
            // Three blocks each, a task head or fusion and head, and the gate: what is said to be left out does not run.
            let experts = left * (300 + 24) + right * (300 + 24) + both * (600 + 48);
            assert_eq!(ran.multiply_adds(Tiny::description()), experts + 64 * 66);
            work.push(ran.by_table(&table()));
            batches_are_answered_as_their_samples(network, setting, &inputs);
        }
        assert!(work[RATIOS.len() - 1] < 0.8 * work[0], "{work:?}");
        restored(&rival, &inputs);
    }

    #[test]
    fn each_expert_answers_as_by_itself() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let gates = Gates::new(&network, 1, 3);
        let inputs = samples(3, 1).unwrap().train.input().unwrap();
        let gate = gates.each(&network).next().unwrap();
        let ends = [[0, 3], [3, 3], [3, 0]].map(|blocks| State::of(&blocks));
        let setting =
            Setting { by: String::new(), variant: Box::new(Experts(gate)), policy: Box::new(Given(ends.into())) };
        let (outcome, _) = answer(&network, &setting, &inputs);
        let deepest: Vec<Tensor> =
            inputs.features().iter().enumerate().map(|(m, input)| encode(&network, m, input, 2)).collect();
        let expected = [
            network.task_head(1, &deepest[1].narrow(0, 0, 1)),
            network.fuse(&[deepest[0].narrow(0, 1, 1), deepest[1].narrow(0, 1, 1)], false),
            network.task_head(0, &deepest[0].narrow(0, 2, 1)),
        ];
        assert!(outcome.logits.allclose(&Tensor::cat(&expected, 0), 1e-5, 1e-6, false));
    }

    #[test]
    fn what_an_offer_holds_by_hand() {
        let network = Lacking::new(Device::Cpu).unwrap();
        let (plan, splits) = (Lacking::plan(), samples(3, 1).unwrap());
        let missing =
            [Some(Tensor::from_slice(&[false, false, true])), Some(Tensor::from_slice(&[false, true, false]))];
        let prices = Prices { encoders: vec![0.25, 0.5], head: 0.125 };
        aside("offer", &network, &plan, &splits, &mut Progress::silent(), |context, _| {
            let features: Vec<Tensor> = [1.0, 2.0].map(|value| Tensor::full([3, 8], value, FLOAT_CPU)).into();
            let heads = [0, 1].map(|m| network.task_head(m, &features[m]));
            let fused = network.fuse(&features, false);
            let offer = Offer::of(context, features, &missing, &prices);
            let at = |row: i64, expert: i64| offer.logits.get(row).get(expert);
            assert!(
                at(0, 0).equal(&heads[0].get(0)) && at(0, 1).equal(&heads[1].get(0)) && at(0, 2).equal(&fused.get(0))
            );
            assert!(at(1, 2).equal(&heads[0].get(1)) && at(2, 2).equal(&heads[1].get(2)));
            let prices = [0.375, 0.625, 0.875, 0.375, 0.125, 0.375, 0.125, 0.625, 0.625];
            assert_eq!(Vec::<f64>::try_from(offer.prices.flatten(0, -1)).unwrap(), prices);
            // The highest score of the second sample is that of what it lacks.
            let scores = Tensor::from_slice(&[0f32, 1.0, 0.5, 0.5, 9.0, 0.0, 9.0, 1.0, 2.0]).view([3, 3]);
            let (logits, price) = offer.by(&scores);
            assert_eq!(Vec::<f64>::try_from(price).unwrap(), [0.625, 0.375, 0.625]);
            assert!(logits.equal(&Tensor::stack(&[heads[1].get(0), heads[0].get(1), heads[1].get(2)], 0)));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn samples_that_lack_a_modality_go_to_experts_that_they_have() {
        let splits = lacking(&samples(96, 36).unwrap(), Lacking::description().task);
        let rival: DynMm<Lacking> = trained_on(&splits);
        let inputs = splits.valid.input().unwrap();
        for setting in &rival.settings().unwrap() {
            let (outcome, _) = answer(rival.network(), setting, &inputs);
            for (row, state) in outcome.states.iter().enumerate() {
                assert!(row % 3 != 1 || *state == State::of(&[0, 3]), "{state}");
                assert!(row % 3 != 2 || *state == State::of(&[3, 0]), "{state}");
            }
            batches_are_answered_as_their_samples(rival.network(), setting, &inputs);
        }
    }
}
