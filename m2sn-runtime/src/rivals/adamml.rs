//! AdaMML-style: a policy switches whole modalities on and off for each sample, before anything runs.
//!
//! Published (Panda et al., 2021, for segments of videos): a policy network makes a hard decision on each modality by a
//! Gumbel-softmax whose temperature falls from 5 by .965 an epoch; it learns from the task loss plus the square of what is
//! selected where the answer is right, weighted for each modality by hand, plus a penalty for wrong answers. Main and policy
//! networks take turns. Their code masks what is not selected, and runs it.
//!
//! Ours: a sample is one segment. The main network learns first, and then the policy with all else frozen: fusion and head,
//! with a learned feature in the place of each absent modality, on modalities that are dropped at random; then the gate, of
//! the size of the paper's navigator. Modalities weigh the milliseconds of their encoders by the table, by a ratio of the
//! task loss, a setting each. What is right counts by degrees where a task has them, by the F1 of the labels; of real
//! values there is no right and wrong, so the plain expected cost stands there. The penalty for wrong answers is a count,
//! which has no gradient and no part in what is learned in their code either; it is left out, and what selects the best
//! epoch is the cost of all samples, lest wrong answers look cheap. One modality at least is on. An encoder that is off does
//! not run.

use tch::{Device, Kind, Tensor};

use super::deepest::{self, RATIOS};
use super::gate::{Gate, Gates, highest, passed_through, said, without};
use super::{Begins, Lesson, Rival, Setting, Variant};
use crate::batch::Feature;
use crate::latency::Table;
use crate::network::{Network, Part};
use crate::parts::{Parts, stand_in};
use crate::policy::{Look, Move, Policy, Presence, Seen, State, achieved};
use crate::task::{Rule, Task, best_thresholds};
use crate::training::{Context, Features, Phase, Progress, Run, Said, Samples, Step, aside, fit, gumbel, seed};
use crate::{Error, Result};

/// The temperature in the first epoch, and by what it is multiplied in each.
const TEMPERATURE: [f64; 2] = [5.0, 0.965];

/// The share of samples from which nothing is dropped, as when fusion learns to take any exit.
const FULL_SHARE: f64 = 0.25;

/// A gate that switches modalities.
#[derive(Debug)]
pub(crate) struct AdaMml<N> {
    network: N,
    gates: Gates,
    stand_ins: StandIns,
}

impl<N: Network> Rival<N> for AdaMml<N> {
    const NAME: &'static str = "AdaMML-style";
    const BEGINS: Begins = Begins::Pretrained;

    fn new(network: N) -> Result<Self> {
        let modalities = N::description().modalities.len();
        if modalities < 2 {
            return Err(Error::invalid(format!(
                "`{}` has one modality, expected two at least: one of them is always on",
                N::description().name
            )));
        }
        let gates = Gates::new(&network, RATIOS.len(), 2 * modalities);
        let stand_ins = StandIns::new(&network);
        Ok(Self { network, gates, stand_ins })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        aside("adamml", &self.network, lesson.plan, lesson.splits, progress, |context, run| {
            let train = deepest::features(context, &context.train, run)?;
            let valid = deepest::features(context, &context.valid, run)?;
            let main = Main { context, stand_ins: &self.stand_ins, train, valid };
            main.learn_to_do_without(run)?;
            main.learn_to_switch(run, &self.gates, lesson.costs.table())
        })?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let setting = |(ratio, gate)| Setting {
            by: deepest::by(ratio),
            variant: Box::new(Switched { gate, stand_ins: &self.stand_ins }),
            policy: Box::new(Switching { full: deepest::state::<N>() }),
        };
        Ok(RATIOS.into_iter().zip(self.gates.each(&self.network)).map(setting).collect())
    }
}

/// What fusion takes in place of modalities that are off: of those that may be missing what the network takes.
///
/// Variables: `rival.stand_ins.<modality>`, zeros at first.
#[derive(Debug)]
struct StandIns(Vec<Option<Tensor>>);

impl StandIns {
    fn new<N: Network>(network: &N) -> Self {
        let root = network.variables().root() / "rival" / "stand_ins";
        let modalities = N::description().modalities.iter();
        Self(modalities.map(|m| m.missing.is_none().then(|| root.zeros(m.name, &[m.feature]))).collect())
    }

    fn get<'a, N: Network>(&'a self, network: &'a N, modality: usize) -> Option<&'a Tensor> {
        self.0[modality].as_ref().or_else(|| network.stand_in(modality))
    }
}

/// The network while it learns.
#[derive(Debug)]
struct Main<'a, N> {
    context: &'a Context<'a, N>,
    stand_ins: &'a StandIns,
    /// By modality, the deepest features.
    train: Vec<Features<'a>>,
    valid: Vec<Features<'a>>,
}

impl<N: Network> Main<'_, N> {
    /// Fusion and head learn with the stand-ins of modalities that are dropped at random.
    fn learn_to_do_without(&self, run: &mut Run<'_>) -> Result<()> {
        let context = self.context;
        let phase = Phase {
            name: "fusion/adamml".into(),
            parts: vec![Part::Head, Part::Rival],
            stage: &context.plan.fusion,
            samples: context.train.len(),
            reads: Vec::new(),
        };
        let step_loss = |step: &Step| {
            let there = self.there(&context.train, &step.rows);
            let on = at_random(&there, FULL_SHARE);
            let features = self.train.iter().map(|all| all.rows(&step.rows).tensor).collect();
            let logits = context.network.fuse(&self.taken(features, &on, Tensor::shallow_clone), true);
            Ok(context.criterion.of(&logits, &context.train.target(&step.rows)))
        };
        // The same after every epoch, so that the scores can be compared.
        tch::manual_seed(seed(run.seed, "fusion/adamml/validation", 0));
        let there = self.there(&context.valid, &Tensor::arange(context.valid.len(), (Kind::Int64, Device::Cpu)));
        let dropped = at_random(&there, 0.0);
        let validate = || {
            context.judge(&context.valid, Vec::new(), phase.stage, |range, _, target| {
                let parts = [("full", FULL_SHARE, &there), ("dropped", 1.0 - FULL_SHARE, &dropped)];
                let say = |(part, share, on): (&str, f64, &Tensor)| {
                    let on = on.narrow(0, range.start, range.end - range.start);
                    let features = self.valid.iter().map(|all| all.range(range.clone()).tensor).collect();
                    Said::new(
                        part,
                        share,
                        context.network.fuse(&self.taken(features, &on, Tensor::detach), false),
                        target,
                    )
                };
                Ok(parts.map(say).into())
            })
        };
        fit(context.network, run, &phase, step_loss, validate)?;
        match context.task() {
            Task::Multilabel { .. } => self.choose_thresholds(&[&there, &dropped]),
            _ => Ok(()),
        }
    }

    /// Chooses the thresholds of labels anew, since fusion and head have learned, on validation samples of which these
    /// modalities are on.
    fn choose_thresholds(&self, on: &[&Tensor]) -> Result<()> {
        let (network, samples) = (self.context.network, self.context.valid.len());
        let _no_grad = tch::no_grad_guard();
        let answer = |on: &&Tensor| {
            let features = self.valid.iter().map(|all| all.range(0..samples).tensor).collect();
            network.fuse(&self.taken(features, on, Tensor::detach), false)
        };
        let logits = Tensor::cat(&on.iter().map(answer).collect::<Vec<_>>(), 0);
        let all = Tensor::arange(samples, (Kind::Int64, Device::Cpu));
        let target = self.context.valid.target(&all).repeat([on.len() as i64, 1]);
        network.policies().set_thresholds(&best_thresholds(&logits, &target)?)
    }

    /// The gates of all settings learn, and nothing else.
    fn learn_to_switch(&self, run: &mut Run<'_>, gates: &Gates, table: &Table) -> Result<()> {
        let context = self.context;
        let stage = &context.plan.navigator.stage;
        let phase = Phase {
            name: "navigator/adamml".into(),
            parts: Gates::PARTS.into(),
            stage,
            samples: context.train.len(),
            reads: context.train.reads(),
        };
        let weights = deepest::weights(context, &self.train);
        let rule = context.network.policies().rule()?;
        let shares = Tensor::from_slice(&deepest::shares(table)).to_kind(Kind::Float).to_device(context.device);
        let answer = |all: &[Features<'_>], rows: &Tensor, on: &Tensor| {
            let features = all.iter().map(|all| all.rows(rows).tensor).collect();
            context.network.fuse(&self.taken(features, on, Tensor::detach), false)
        };
        let step_loss = |step: &Step| {
            let missing = context.missing(&context.train, &step.rows);
            let there = present(&missing, step.rows.size()[0]).to_device(context.device);
            let temperature = TEMPERATURE[0] * TEMPERATURE[1].powf((step.share * stage.epochs as f64).floor());
            let target = context.train.target(&step.rows);
            let scores = gates.scores(context.network, &without(&step.inputs, &missing), true);
            let losses = scores.iter().zip(weights).map(|(scores, weight)| {
                let on = switched(scores, &there, Some(temperature));
                let logits = answer(&self.train, &step.rows, &on);
                let cost = tch::no_grad(|| right(&rule, &logits, &target)) * on.square().mv(&shares);
                weight.of(context.criterion.of(&logits, &target), cost.mean(Kind::Float))
            });
            Ok(losses.sum())
        };
        let validate = || {
            context.valid.score(context.valid.reads(), stage.batch, "score", |range, inputs, target| {
                let rows = Tensor::arange_start(range.start, range.end, (Kind::Int64, Device::Cpu));
                let there = self.there(&context.valid, &rows);
                let (mut found, mut sum) = (Vec::new(), 0.0);
                let scores = gates.scores(context.network, &inputs, false);
                for ((scores, weight), ratio) in scores.iter().zip(weights).zip(RATIOS) {
                    let on = switched(scores, &there, None);
                    let loss = context.criterion.of(&answer(&self.valid, &rows, &on), target);
                    let share = on.mv(&shares).mean(Kind::Float);
                    found.push((format!("loss/{}", deepest::by(ratio)), loss.double_value(&[])));
                    found.push((format!("share/{}", deepest::by(ratio)), share.double_value(&[])));
                    sum += weight.of(loss, share).double_value(&[]);
                }
                found.push(("score".to_owned(), sum));
                Ok(found)
            })
        };
        fit(context.network, run, &phase, step_loss, validate)
    }

    /// Which of the samples at `rows` have which modality, `[n, modalities]` of `bool`.
    fn there(&self, samples: &Samples, rows: &Tensor) -> Tensor {
        present(&self.context.lacking(samples, rows), rows.size()[0]).to_device(self.context.device)
    }

    /// What fusion takes where modalities are on, `[batch, modalities]` of zeros and ones, and where they are off, which is
    /// made of their stand-in: itself where that learns, and else a copy.
    fn taken(&self, features: Vec<Tensor>, on: &Tensor, off: fn(&Tensor) -> Tensor) -> Vec<Tensor> {
        let on = on.to_kind(Kind::Float);
        let of = |(modality, feature): (usize, Tensor)| {
            let on = on.narrow(1, modality as i64, 1);
            let Some(stand_in) = self.stand_ins.get(self.context.network, modality) else { return feature };
            // A gradient goes to the decision, and none to a feature that is not there, whatever it is.
            let feature = feature.masked_fill(&on.eq(0.0).logical_and(&feature.isfinite().logical_not()), 0.0);
            &feature * &on + off(stand_in) * (1.0 - &on)
        };
        features.into_iter().enumerate().map(of).collect()
    }
}

/// Which samples have which modality, `[samples, modalities]` of `bool`, on the processor.
fn present(missing: &[Option<Tensor>], samples: i64) -> Tensor {
    let there = missing.iter().map(|missing| match missing {
        Some(missing) => missing.logical_not().to_device(Device::Cpu),
        None => Tensor::ones([samples], (Kind::Bool, Device::Cpu)),
    });
    Tensor::stack(&there.collect::<Vec<_>>(), 1)
}

/// Of the modalities that samples have, each with probability one half, all for a share of them; one at least.
fn at_random(there: &Tensor, full: f64) -> Tensor {
    let options = (Kind::Float, Device::Cpu);
    let draw = Tensor::rand(there.size(), options).to_device(there.device());
    let all = Tensor::rand([there.size()[0], 1], options).lt(full).to_device(there.device());
    one_at_least(&draw.gt(0.5).logical_or(&all), &draw, there)
}

/// Which modalities are on, `[batch, modalities]` of zeros and ones, with the gradient of how probable that is.
///
/// `scores` are two a modality, off and on. With a temperature the decision is drawn, by a Gumbel-softmax.
fn switched(scores: &Tensor, there: &Tensor, temperature: Option<f64>) -> Tensor {
    let pairs = scores.view([-1, there.size()[1], 2]);
    let soft = match temperature {
        Some(temperature) => gumbel::softmax(&pairs, temperature),
        None => pairs.softmax(-1, Kind::Float),
    };
    let soft = soft.select(2, 1);
    let hard = one_at_least(&soft.gt(0.5), &soft, there).to_kind(Kind::Float);
    // What is not there is not decided about.
    passed_through(&hard, &(soft * there.to_kind(Kind::Float)))
}

/// What is on of what is there; where that is nothing, the most probable.
fn one_at_least(on: &Tensor, probable: &Tensor, there: &Tensor) -> Tensor {
    let on = on.logical_and(there);
    let best = probable.masked_fill(&there.logical_not(), f64::NEG_INFINITY).argmax(1, false);
    let best = best.one_hot(there.size()[1]).to_kind(Kind::Bool);
    on.logical_or(&best.logical_and(&on.any_dim(1, true).logical_not()))
}

/// How right each answer is, `[batch]` from zero to one; of real values one throughout.
fn right(rule: &Rule, logits: &Tensor, target: &Tensor) -> Tensor {
    match rule.task() {
        Task::Regression { .. } => logits.ones_like().select(1, 0),
        _ => achieved(rule, logits, target),
    }
}

/// Has those modalities run to their end whose score for on is above that for off.
#[derive(Debug)]
struct Switching {
    full: State,
}

impl Policy for Switching {
    fn look(&self, _: &State) -> Look {
        Look::Scores
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let is_there = |modality: usize| state.presence()[modality] != Presence::Missing;
        let of = |scores: Vec<f64>| {
            let margins: Vec<f64> = scores.chunks_exact(2).map(|pair| pair[1] - pair[0]).collect();
            let best = highest(&margins, is_there);
            let is_on = |modality: usize| is_there(modality) && (margins[modality] > 0.0 || best == Some(modality));
            let blocks = self.full.blocks().iter().enumerate();
            Move::Finish(State::of(&blocks.map(|(m, all)| if is_on(m) { *all } else { 0 }).collect::<Vec<_>>()))
        };
        Ok(said(seen)?.into_iter().map(of).collect())
    }
}

/// Fusion does without what is off.
#[derive(Debug)]
struct Switched<'a, N> {
    gate: Gate<'a, N>,
    stand_ins: &'a StandIns,
}

impl<N: Network> Variant for Switched<'_, N> {
    fn passes_by(&self) -> bool {
        true
    }

    fn needs_inputs(&self) -> bool {
        true
    }

    fn stand_in(&self, network: &dyn Parts, modality: usize, samples: i64) -> Tensor {
        match &self.stand_ins.0[modality] {
            None => network.stand_in(modality, samples),
            own => stand_in(own.as_ref(), modality, samples),
        }
    }

    fn gate(&self, _: &dyn Parts, inputs: &[Feature]) -> Vec<Tensor> {
        vec![self.gate.scores(inputs)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::network::Input;
    use crate::policy::Given;
    use crate::rivals::trials::{
        answer, batches_are_answered_as_their_samples, lacking, restored, trained_by, trained_on,
    };
    use crate::routing::encode;
    use crate::tiny::{Labelling, Tiny, labelled, samples, table};

    fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
        Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn one_modality_at_least_is_on_by_hand() {
        // Off and on of two modalities.
        let scores = [[0.0f32, 1.0, 0.0, 2.0], [1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 9.0, 3.0, 0.0]];
        let scores = Tensor::from_slice(&scores.concat()).view([4, 4]).set_requires_grad(true);
        let there = Tensor::from_slice(&[true, true, true, true, true, true, false, true]).view([4, 2]);
        let on = switched(&scores, &there, None);
        assert_eq!(rows(&on), [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        let gradient = Tensor::run_backward(&[on.sum(Kind::Float)], &[&scores], false, false).remove(0);
        let gradient = rows(&gradient);
        // σ'(1) of the first, none of what is not there.
        assert!((gradient[0][1] - 0.1966119).abs() < 1e-5 && gradient[3][..2] == [0.0, 0.0], "{gradient:?}");

        let seen =
            |row: i64| Seen { rows: vec![0], scores: vec![scores.detach().narrow(0, row, 1)], ..Seen::default() };
        let switching = Switching { full: State::of(&[3, 3]) };
        let whole = State::start(&[Presence::Optional; 2]);
        let goal = |row, start: &State| switching.next(start, &seen(row)).unwrap().remove(0);
        let finish = |blocks: [usize; 2]| Move::Finish(State::of(&blocks));
        assert_eq!([0, 1, 2].map(|row| goal(row, &whole)), [[3, 3], [3, 0], [3, 0]].map(finish));
        assert_eq!(goal(3, &State::start(&[Presence::Missing, Presence::Optional])), finish([0, 3]));
    }

    #[test]
    fn dropped_at_random_is_never_all() {
        tch::manual_seed(5);
        let there = Tensor::from_slice(&[true, true, true, false]).view([2, 2]).repeat([400, 1]);
        let on = at_random(&there, 0.25);
        assert!(bool::try_from(on.any_dim(1, false).all()).unwrap());
        assert!(!bool::try_from(on.logical_and(&there.logical_not()).any()).unwrap());
        // Of samples that have both: a quarter, and of the rest a quarter by chance.
        let both = on.all_dim(1, false).to_kind(Kind::Double).sum(Kind::Double).double_value(&[]) / 400.0;
        assert!((both - (0.25 + 0.75 * 0.25)).abs() < 0.1, "{both}");
    }

    #[test]
    fn what_is_off_does_not_run_and_its_stand_in_answers() {
        let rival = AdaMml::new(Tiny::new(Device::Cpu).unwrap()).unwrap();
        let stand_in = rival.stand_ins.0[1].as_ref().unwrap();
        let _ = tch::no_grad(|| stand_in.shallow_clone().fill_(0.5));
        let inputs = samples(2, 1).unwrap().train.input().unwrap();
        let mut setting = rival.settings().unwrap().remove(0);
        setting.policy = Box::new(Given(vec![State::of(&[3, 0]), State::of(&[3, 3])]));
        let (outcome, ran) = answer(rival.network(), &setting, &inputs);
        assert_eq!(ran.multiply_adds(Tiny::description()), 3 * 300 + 2 * 48);
        let features: Vec<Tensor> =
            inputs.features().iter().enumerate().map(|(m, input)| encode(rival.network(), m, input, 2)).collect();
        let right = Tensor::cat(&[stand_in.unsqueeze(0), features[1].narrow(0, 1, 1)], 0);
        let expected = rival.network().fuse(&[features[0].shallow_clone(), right], false);
        assert!(outcome.logits.allclose(&expected, 1e-5, 1e-6, false));
    }

    #[test]
    fn the_dearer_time_is_the_less_of_it_is_taken() {
        // Decisions that are drawn are slow to learn from.
        let (mut plan, splits) = (Tiny::plan(), samples(256, 64).unwrap());
        plan.navigator.stage.epochs = 30;
        let rival: AdaMml<Tiny> = trained_by(&plan, &splits);
        let inputs = splits.valid.input().unwrap();
        let network = rival.network();
        let mut work = Vec::new();
        for setting in &rival.settings().unwrap() {
            let (outcome, ran) = answer(network, setting, &inputs);
            let blocks: u64 = outcome.states.iter().map(|state| state.depth() as u64).sum();
            assert!(outcome.states.iter().all(|state| state.blocks().iter().all(|blocks| [0, 3].contains(blocks))));
            assert_eq!(ran.multiply_adds(Tiny::description()), blocks * 100 + 64 * (48 + 66));
            work.push(ran.by_table(&table()));
            batches_are_answered_as_their_samples(network, setting, &inputs);
        }
        let least = work.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(least < 0.8 * work[0], "{work:?}");
        let learned = rival.stand_ins.0[0].as_ref().unwrap().abs().sum(Kind::Float).double_value(&[]);
        assert!(learned > 0.0, "stand-ins learn with fusion");
        restored(&rival, &inputs);
    }

    #[test]
    fn what_fusion_has_learned_stays_while_gates_learn() {
        let (mut plan, splits) = (Tiny::plan(), samples(96, 36).unwrap());
        plan.fusion.epochs = 0;
        let rival: AdaMml<Tiny> = trained_by(&plan, &splits);
        for stand_in in rival.stand_ins.0.iter().flatten() {
            assert!(stand_in.equal(&stand_in.zeros_like()), "{stand_in}");
        }
    }

    #[test]
    fn labels_of_samples_that_lack_a_modality_are_told() {
        let splits = lacking(&labelled(96, 36).unwrap(), Labelling::description().task);
        let rival: AdaMml<Labelling> = trained_on(&splits);
        assert!(rival.stand_ins.0.iter().all(Option::is_none), "the network has its own");
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
