//! MMExit: modalities one after the other, the most useful first, and a way out after every block.
//!
//! Published (Hou et al., Euro-Par 2023; the abstract, and what the paper of M²SN says of it): modalities are sorted by
//! importance, which puts the exits of all of them in one line; the utility of an exit (UoE) relates quality to
//! computation and ranks the exits; a joint loss teaches the features of all modalities and layers; a sample can stop
//! early, but skip nothing that stands before its exit.
//!
//! Ours is every formula, since neither text has one:
//!
//! * The utility of a modality is what its network alone gains on validation samples over an answer that is the same for
//!   all, a millisecond of its whole encoder. Quality by itself would say nothing of errors, which are negative, and
//!   would put a modality first that is cheap and guesses.
//! * In the state after block `j` of a modality, those before it on the line are there with their deepest features, it is
//!   by the network's own shortcut, and zeros take the place of those after it and of what a sample lacks.
//! * Each state has a head of its own over all features side by side: two linear layers with a rectifier in between. A
//!   second instance of the network's own fusion is not to be had; the hidden layer is as wide as makes the head cost
//!   what the network's fusion and head do, from one to four times the widest feature.
//! * The joint loss is the mean of that of all states. Encoders, shortcuts and heads learn from it for the epochs of the
//!   shortcuts' stage and that of fusion together, by the settings of the former. Thresholds of labels are chosen on
//!   the answers of all states.
//! * UoE = (quality − quality of the exit kept last) / (milliseconds − its milliseconds), on validation samples. Exits of
//!   no positive UoE are dropped, and nobody goes beyond the last that is kept.
//! * A sample leaves where it is sure enough, see [`Sure`]; each exit has a threshold of its own, at the same quantile of
//!   what validation samples are sure of there, which a sweep raises from none to all.

use std::collections::BTreeMap;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::{Begins, Lesson, Rival, Setting, Variant};
use crate::Result;
use crate::batch::Feature;
use crate::data::Dataset;
use crate::evaluation::{Exits, Scores};
use crate::network::{Cost, Description, Input, Network, Part, exit_features};
use crate::nn::Affine;
use crate::parts::Parts;
use crate::plan::Stage;
use crate::policy::{Costs, Kept, Line, Look, Move, Policy, Seen, State, Sure, quantiles};
use crate::task::{Task, best_thresholds};
use crate::training::{self, Context, Phase, Present, Progress, Run, Said, Step, fit};

/// The number of quantiles that are tried.
const QUANTILES: usize = 12;

/// The samples that go through the network at a time where nothing is learned.
const BATCH: i64 = 256;

/// MMExit of a network.
#[derive(Debug)]
pub(crate) struct MmExit<N> {
    network: N,
    heads: Heads,
    line: Kept,
    /// By place on the line, one where the exit is kept, and zero where it is dropped.
    kept: Tensor,
    /// How sure an answer has to be, by quantile and place on the line; `f32::MAX` where nobody leaves.
    thresholds: Tensor,
}

impl<N: Network> Rival<N> for MmExit<N> {
    const NAME: &'static str = "MMExit-style";
    const BEGINS: Begins = Begins::Pretrained;

    fn new(network: N) -> Result<Self> {
        let root = network.variables().root() / "rival";
        let heads = Heads::new(&(&root / "heads"), N::description());
        let places: usize = N::description().modalities.iter().map(|modality| modality.exits.len()).sum();
        let line = Kept::new(&root, N::description());
        let kept = root.zeros_no_train("kept", &[places as i64]);
        let thresholds = root.zeros_no_train("thresholds", &[QUANTILES as i64, places as i64]);
        Ok(Self { network, heads, line, kept, thresholds })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        let order = self.serialized(lesson)?;
        let blocks = |modality: &usize| vec![*modality; N::description().modalities[*modality].exits.len()];
        let line = Line(order.iter().flat_map(blocks).collect());
        self.line.set(&line)?;
        let Lesson { plan, splits, costs } = *lesson;
        training::aside("mmexit", &self.network, plan, splits, progress, |context, run| {
            self.learn(context, run, &order)
        })?;
        self.choose(&line, &order, &splits.valid, costs)
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let line = self.line.line()?;
        let kept = Vec::<f64>::try_from(self.kept.to_device(Device::Cpu).to_kind(Kind::Double))?;
        let last = kept.iter().rposition(|kept| *kept > 0.0);
        let setting = |(quantile, thresholds): (usize, Vec<f64>)| {
            let threshold = |(place, threshold): (usize, &f64)| {
                let threshold = if Some(place) == last { f64::NEG_INFINITY } else { *threshold };
                (kept[place] > 0.0).then_some(threshold)
            };
            let thresholds = thresholds.iter().enumerate().map(threshold).collect();
            Setting {
                by: format!("quantile {:.2}", quantile as f64 / (QUANTILES - 1) as f64),
                variant: Box::new(InLine { heads: &self.heads, line: line.clone() }),
                policy: Box::new(Exiting::new(N::description().task, line.clone(), thresholds)),
            }
        };
        let thresholds = self.thresholds.to_device(Device::Cpu).to_kind(Kind::Double);
        Ok(Vec::<Vec<f64>>::try_from(thresholds)?.into_iter().enumerate().map(setting).collect())
    }
}

impl<N: Network> MmExit<N> {
    /// The modalities, that of the highest utility first.
    fn serialized(&self, lesson: &Lesson<'_, N>) -> Result<Vec<usize>> {
        let exits = Exits::of(&self.network, &lesson.splits.valid)?;
        let modalities = N::description().modalities;
        let utility = |modality: usize| -> Result<f64> {
            let blocks = modalities[modality].exits.len();
            let logits = exits.alone(modality, blocks - 1)?;
            let same = logits.mean_dim(0, true, Kind::Float).expand_as(&logits).contiguous();
            let gain = exits.score(&logits)?.quality() - exits.score(&same)?.quality();
            let mut end = vec![0; modalities.len()];
            let start = State::of(&end);
            end[modality] = blocks;
            Ok(per_millisecond(gain, lesson.costs.blocks(&start, &State::of(&end)).expected))
        };
        let utilities = (0..modalities.len()).map(utility).collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = (0..modalities.len()).collect();
        order.sort_by(|left, right| utilities[*right].total_cmp(&utilities[*left]));
        Ok(order)
    }

    /// Encoders, shortcuts and heads learn from the joint loss.
    fn learn(&self, context: &Context<'_, N>, run: &mut Run<'_>, order: &[usize]) -> Result<()> {
        let shortcuts = &context.plan.shortcuts.stage;
        let stage = Stage { epochs: shortcuts.epochs + context.plan.fusion.epochs, ..shortcuts.clone() };
        let of = |modality: usize| {
            let exits = context.exits(modality);
            let blocks = (0..exits).map(move |block| Part::Block { modality, block });
            blocks.chain((0..exits - 1).map(move |exit| Part::Shortcut { modality, exit }))
        };
        let phase = Phase {
            name: "mmexit".into(),
            parts: context.modalities().flat_map(of).chain([Part::Rival]).collect(),
            stage: &stage,
            samples: context.train.len(),
            reads: context.train.reads(),
        };
        let weight = 1.0 / order.iter().map(|modality| context.exits(*modality)).sum::<usize>() as f64;
        let step_loss = |step: &Step| {
            let target = context.train.target(&step.rows);
            let inputs = context.all_augmented(&step.inputs);
            let missing = context.missing(&context.train, &step.rows);
            let said = self.say(order, &inputs, Some(&missing));
            let losses = said.iter().flat_map(|Alone { present, logits, .. }| {
                let target = present.select(&target);
                logits.iter().map(move |logits| context.criterion.of(logits, &target) * weight)
            });
            // A step in which each sample has another modality has no two of any to learn from.
            Ok(losses.reduce(|sum, loss| sum + loss).unwrap_or_else(|| self.heads.nothing()))
        };
        let validate = || {
            context.judge(&context.valid, context.valid.reads(), &stage, |_, inputs, target| {
                let mut said = Vec::new();
                for Alone { modality, present, logits } in self.say(order, &inputs, None) {
                    let (modality, target) = (&N::description().modalities[modality], present.select(target));
                    let parts = modality.exits.iter().map(|exit| format!("{}/{}", modality.name, exit.name));
                    said.extend(parts.zip(logits).map(|(part, logits)| Said::new(part, weight, logits, &target)));
                }
                Ok(said)
            })
        };
        fit(&self.network, run, &phase, step_loss, validate)
    }

    /// What the heads say of samples in every state along the line. Where they are learned from, those that are taken as
    /// `missing` a modality, as by [`Context::missing`], go on without its features.
    fn say(&self, order: &[usize], inputs: &[Feature], missing: Option<&[Option<Tensor>]>) -> Vec<Alone> {
        let train = missing.is_some();
        let device = self.network.variables().device();
        let zeros = |samples: i64, modality: usize| {
            Tensor::zeros([samples, N::description().modalities[modality].feature], (Kind::Float, device))
        };
        let samples = inputs.first().map_or(0, Feature::len);
        let mut before: Vec<Tensor> = (0..inputs.len()).map(|modality| zeros(samples, modality)).collect();
        let mut said = Vec::new();
        for modality in order.iter().copied() {
            let present = Present::of(&inputs[modality], train);
            let features = match present.is_empty() {
                true => Vec::new(),
                false => exit_features(&self.network, modality, &present.input(inputs[modality].clone()), train),
            };
            let at = |(exit, feature): (usize, &Tensor)| {
                let mut here: Vec<Tensor> = before.iter().map(|feature| present.select(feature)).collect();
                here[modality] = feature.shallow_clone();
                self.heads.say(modality, exit, &here)
            };
            let logits = features.iter().enumerate().map(at).collect();
            let deepest = present.spread(features.last(), Some(&zeros(1, modality).squeeze_dim(0)));
            before[modality] = match missing.and_then(|missing| missing[modality].as_ref()) {
                Some(missing) => deepest.masked_fill(&missing.to_device(device).unsqueeze(1), 0.0),
                None => deepest,
            };
            said.push(Alone { modality, present, logits });
        }
        said
    }

    /// Chooses on validation samples the thresholds of labels, which exits are kept, and how sure one has to be there.
    fn choose(&self, line: &Line, order: &[usize], data: &Dataset<N::Input>, costs: &Costs) -> Result<()> {
        let task = N::description().task;
        let answers = tch::no_grad(|| self.answers(order, data))?;
        let target = data.target().to_device(self.network.variables().device());
        if let Task::Multilabel { .. } = task {
            let thresholds = best_thresholds(&Tensor::cat(&answers, 0), &target.repeat([answers.len() as i64, 1]))?;
            self.network.policies().set_thresholds(&thresholds)?;
        }
        let rule = self.network.policies().rule()?;
        let quality = |logits: &Tensor| Ok(Scores::of(rule.clone(), logits, &target)?.quality());
        let qualities = answers.iter().map(quality).collect::<Result<Vec<_>>>()?;
        let milliseconds: Vec<f64> = line.states().iter().map(|state| costs.route(state).expected).collect();
        let kept = worth(&qualities, &milliseconds);

        let present = data.present();
        let sure = Sure::new(task);
        let mut thresholds = vec![vec![f32::MAX; answers.len()]; QUANTILES];
        for (place, logits) in answers.iter().enumerate().filter(|(place, _)| kept[*place]) {
            let rows: Vec<usize> = match &present[line.0[place]] {
                Some(present) => {
                    let present = Vec::<bool>::try_from(present.to_device(Device::Cpu))?;
                    (0..present.len()).filter(|row| present[*row]).collect()
                }
                None => (0..data.len() as usize).collect(),
            };
            let index: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
            let logits = logits.index_select(0, &Tensor::from_slice(&index).to_device(logits.device()));
            let chosen = raised(sure.of(&rows, &logits)?);
            thresholds.iter_mut().zip(chosen).for_each(|(thresholds, threshold)| thresholds[place] = threshold);
        }
        let kept: Vec<f32> = kept.into_iter().map(|kept| f32::from(u8::from(kept))).collect();
        tch::no_grad(|| -> Result<()> {
            self.kept.shallow_clone().f_copy_(&Tensor::from_slice(&kept))?;
            let thresholds = Tensor::from_slice(&thresholds.concat()).view_as(&self.thresholds);
            self.thresholds.shallow_clone().f_copy_(&thresholds)?;
            Ok(())
        })
    }

    /// The answers to samples by place on the line, `[samples, outputs]` each; where a sample lacks the modality, that of
    /// the place before.
    fn answers(&self, order: &[usize], data: &Dataset<N::Input>) -> Result<Vec<Tensor>> {
        let device = self.network.variables().device();
        let mut pieces: Vec<Vec<Tensor>> = Vec::new();
        for batch in data.batches(BATCH)? {
            let inputs = batch?.input()?.features();
            let inputs: Vec<Feature> = inputs.iter().map(|input| input.to_device(device)).collect();
            let samples = inputs.first().map_or(0, Feature::len);
            let mut last = Tensor::zeros([samples, N::description().task.outputs()], (Kind::Float, device));
            let mut here = Vec::new();
            for Alone { modality, present, logits } in self.say(order, &inputs, None) {
                for exit in 0..N::description().modalities[modality].exits.len() {
                    if let Some(logits) = logits.get(exit) {
                        let all = present.spread(Some(logits), Some(&last.get(0).zeros_like()));
                        last = match &inputs[modality].present {
                            Some(present) => all.where_self(&present.unsqueeze(1), &last),
                            None => all,
                        };
                    }
                    here.push(last.shallow_clone());
                }
            }
            pieces.push(here);
        }
        let places = pieces.first().map_or(0, Vec::len);
        let whole = |place: usize| Tensor::cat(&pieces.iter().map(|batch| &batch[place]).collect::<Vec<_>>(), 0);
        Ok((0..places).map(whole).collect())
    }
}

/// What is said of the samples that have a modality at each of its exits.
#[derive(Debug)]
struct Alone {
    modality: usize,
    present: Present,
    /// By exit; empty where no sample has it.
    logits: Vec<Tensor>,
}

/// Which exits are kept, of exits in the order in which samples come to them: the first, and all of a positive utility.
fn worth(qualities: &[f64], milliseconds: &[f64]) -> Vec<bool> {
    let mut last: Option<(f64, f64)> = None;
    let exits = qualities.iter().zip(milliseconds).map(|(quality, milliseconds)| {
        let utility = |(best, spent): (f64, f64)| per_millisecond(quality - best, milliseconds - spent);
        let keep = last.is_none_or(|last| utility(last) > 0.0);
        if keep {
            last = Some((*quality, *milliseconds));
        }
        keep
    });
    exits.collect()
}

/// Thresholds of an exit by quantile, of how sure samples are there. Where none can be, which is the first exit of values,
/// nobody leaves.
fn raised(mut sure: Vec<f64>) -> Vec<f32> {
    sure.retain(|sure| *sure > f64::MIN);
    if sure.is_empty() { vec![f32::MAX; QUANTILES] } else { quantiles(sure, QUANTILES) }
}

/// Of what takes no time, as much as there is.
fn per_millisecond(gain: f64, milliseconds: f64) -> f64 {
    gain / milliseconds.max(1e-6)
}

/// Leaves at the first state of a line that is sure enough.
#[derive(Debug)]
struct Exiting {
    line: Line,
    thresholds: Vec<Option<f64>>,
    sure: Sure,
}

impl Exiting {
    /// `thresholds` are by the place on the line; where there is none, nobody is looked at.
    fn new(task: Task, line: Line, thresholds: Vec<Option<f64>>) -> Self {
        Self { line, thresholds, sure: Sure::new(task) }
    }

    fn threshold(&self, state: &State) -> Option<f64> {
        self.line.place(state).and_then(|place| self.thresholds.get(place).copied().flatten())
    }
}

impl Policy for Exiting {
    fn look(&self, state: &State) -> Look {
        // At the end there is nothing left to decide.
        let decides = state.can_leave() && self.line.next(state).is_some() && self.threshold(state).is_some();
        if decides { Look::Logits } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        if state.depth() == 0 {
            self.sure.forget(&seen.rows);
        }
        let on = self.line.next(state).map_or(Move::Stop, Move::Run);
        let Some(posterior) = &seen.posterior else { return Ok(vec![on; seen.rows.len()]) };
        let threshold = self.threshold(state);
        let of = |sure: f64| match threshold {
            Some(threshold) if sure >= threshold => Move::Stop,
            _ => on.clone(),
        };
        Ok(self.sure.of(&seen.rows, &posterior.logits)?.into_iter().map(of).collect())
    }
}

/// The network with its modalities in line.
#[derive(Debug)]
struct InLine<'a> {
    heads: &'a Heads,
    line: Line,
}

impl Variant for InLine<'_> {
    fn passes_by(&self) -> bool {
        true
    }

    fn stand_in(&self, network: &dyn Parts, modality: usize, samples: i64) -> Tensor {
        let width = network.description().modalities[modality].feature;
        Tensor::zeros([samples, width], (Kind::Float, network.device()))
    }

    fn answer(&self, network: &dyn Parts, states: &[State], rows: &[usize], features: &[Tensor]) -> Tensor {
        let mut places: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for (at, row) in (0..).zip(rows) {
            places.entry(self.line.place(&states[*row]).unwrap_or(0)).or_default().push(at);
        }
        let answers = places.iter().map(|(place, at)| {
            let modality = self.line.0[*place];
            let exit = self.line.0[..*place].iter().filter(|before| **before == modality).count();
            let at = Tensor::from_slice(at).to_device(network.device());
            let features: Vec<Tensor> = features.iter().map(|feature| feature.index_select(0, &at)).collect();
            self.heads.say(modality, exit, &features)
        });
        let answers = Tensor::cat(&answers.collect::<Vec<_>>(), 0);
        let order: Vec<i64> = places.into_values().flatten().collect();
        answers.index_select(0, &Tensor::from_slice(&order).argsort(0, false).to_device(network.device()))
    }

    fn own_head(&self) -> Option<Cost> {
        Some(self.heads.cost)
    }
}

/// A head for each exit of each modality, over one feature a modality.
#[derive(Debug)]
struct Heads {
    each: Vec<Vec<[Affine; 2]>>,
    /// What one of them costs.
    cost: Cost,
}

impl Heads {
    fn new(path: &Path<'_>, description: &Description) -> Self {
        let widths = description.modalities.iter().map(|modality| modality.feature);
        let (inputs, widest) = (widths.clone().sum::<i64>(), widths.max().unwrap_or(1));
        let outputs = description.task.outputs();
        let alike = description.head.multiply_adds / (inputs + outputs).max(1).unsigned_abs();
        let hidden = i64::try_from(alike).unwrap_or(i64::MAX).clamp(widest, 4 * widest);
        let each = description.modalities.iter().map(|modality| {
            let path = path / modality.name;
            let head = |exit: &crate::network::Exit| {
                let path = &path / exit.name;
                [Affine::new(&(&path / "hidden"), inputs, hidden), Affine::new(&(&path / "output"), hidden, outputs)]
            };
            modality.exits.iter().map(head).collect()
        });
        let multiply_adds = (inputs * hidden + hidden * outputs).unsigned_abs();
        let biases = (hidden + outputs).unsigned_abs();
        Self { each: each.collect(), cost: Cost { parameters: multiply_adds + biases, multiply_adds } }
    }

    /// The answer at an exit of a modality, from one feature a modality, `[batch, outputs]`.
    fn say(&self, modality: usize, exit: usize, features: &[Tensor]) -> Tensor {
        let [hidden, output] = &self.each[modality][exit];
        output.forward(&hidden.forward(&Tensor::cat(features, 1)).relu())
    }

    /// A loss that teaches nothing.
    fn nothing(&self) -> Tensor {
        let biases = self.each.iter().flatten().map(|[_, output]| output.variables()[1].sum(Kind::Float) * 0.0);
        biases.reduce(|sum, bias| sum + bias).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::trials::{answer, batches_are_answered_as_their_samples, lacking, restored};
    use crate::rivals::trials::{teach, trained, trained_on};
    use crate::rivals::{Altered, Tally};
    use crate::routing;
    use crate::tiny::{Labelling, Tiny, TinyInput, labelled, samples};
    use crate::training::Trainer;

    /// Of [`Tiny`]: 16 features, 8 hidden, 3 outputs.
    const HEAD: u64 = 16 * 8 + 8 * 3;

    #[test]
    fn exits_are_worth_their_time_by_hand() {
        // Of the third the utility is below zero, of the fourth (0.8 − 0.6) / (5 − 2).
        assert_eq!(worth(&[0.5, 0.6, 0.55, 0.8], &[1.0, 2.0, 3.0, 5.0]), [true, true, false, true]);
        // A deeper exit without a shortcut may be no slower, and one that is no better is worth nothing.
        assert_eq!(worth(&[0.5, 0.6, 0.6], &[2.0, 1.5, 3.0]), [true, true, false]);
        assert_eq!(worth(&[-1.5, -2.0, -1.0], &[1.0, 2.0, 3.0]), [true, false, true]);
    }

    #[test]
    fn nobody_leaves_where_nobody_can_be_sure() {
        assert_eq!(raised(vec![f64::MIN; 3]), [f32::MAX; QUANTILES]);
        let values = (0..QUANTILES).map(|step| -1.0 / (step + 1) as f64).chain([f64::MIN]).collect();
        let thresholds = raised(values);
        assert!(thresholds.is_sorted() && thresholds[0] < -1.0 && thresholds[QUANTILES - 1] > -0.1, "{thresholds:?}");
    }

    #[test]
    fn the_way_is_one_modality_after_the_other() {
        let (rival, splits) = trained::<MmExit<Tiny>>();
        let line = rival.line.line().unwrap();
        let [first, second] = [line.0[0], line.0[3]];
        assert!(first != second && line == Line(vec![first, first, first, second, second, second]), "{line:?}");
        let inputs = splits.valid.input().unwrap();
        let settings = rival.settings().unwrap();
        let mut work = Vec::new();
        for setting in &settings {
            let (outcome, ran) = answer(rival.network(), setting, &inputs);
            assert_eq!(outcome.logits.size(), [64, 3]);
            for state in &outcome.states {
                assert!(state.blocks()[second] == 0 || state.blocks()[first] == 3, "{state}");
            }
            work.push(ran.multiply_adds(Tiny::description()));
        }
        // At the lowest quantile all leave after the first block: no other block runs, and no fusion but the own.
        assert_eq!(work[0], 64 * (100 + 100 + HEAD));
        assert!(work[0] < work[QUANTILES / 2] && work[QUANTILES / 2] < work[QUANTILES - 1], "{work:?}");
        for setting in [&settings[4], &settings[8]] {
            batches_are_answered_as_their_samples(rival.network(), setting, &inputs);
        }
        restored(&rival, &inputs);
    }

    #[test]
    fn later_encoders_do_not_run() {
        let (rival, splits) = trained::<MmExit<Tiny>>();
        let mut features = splits.valid.input().unwrap().features();
        // Whatever ran on it would not be finite, and its confidence decide nothing.
        let later = &mut features[rival.line.line().unwrap().0[3]];
        later.tensor = &later.tensor * f64::NAN;
        let inputs = TinyInput::from_features(features).unwrap();
        let (outcome, _) = answer(rival.network(), &rival.settings().unwrap()[0], &inputs);
        assert!(bool::try_from(outcome.logits.isfinite().all()).unwrap());
    }

    #[test]
    fn features_of_exits_are_answered_as_inputs_are() {
        let (rival, splits) = trained::<MmExit<Tiny>>();
        let exits = Exits::of(rival.network(), &splits.valid).unwrap();
        for setting in rival.settings().unwrap() {
            let (live, ran) = answer(rival.network(), &setting, &splits.valid.input().unwrap());
            let tally = Tally::counting(Tiny::description());
            let cached = exits.cached(None, |cached, inputs| {
                routing::run(&Altered::new(cached, &*setting.variant, &tally), inputs, &*setting.policy, None)
            });
            let cached = cached.unwrap();
            assert_eq!((live.states, ran), (cached.states, tally.ran()), "{}", setting.by);
            assert!((live.logits - cached.logits).abs().max().double_value(&[]) < 1e-5, "{}", setting.by);
        }
    }

    #[test]
    fn all_parts_learn_together() {
        let splits = samples(128, 64).unwrap();
        let mut network = Tiny::seeded(crate::Device::Cpu, 3).unwrap();
        Trainer::new(Tiny::plan()).pretrain(&mut network, &splits, &mut Progress::silent()).unwrap();
        let copy = |network: &Tiny| -> BTreeMap<String, Tensor> {
            network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
        };
        let before = copy(&network);
        let rival: MmExit<Tiny> = teach(network, &splits, &Tiny::plan());
        for (name, now) in copy(rival.network()) {
            let Some(before) = before.get(&name) else { continue };
            let learns = name.starts_with("encoders.") || name.starts_with("shortcuts.");
            assert_eq!(now != *before, learns, "{name}");
        }
    }

    #[test]
    fn samples_that_lack_a_modality_are_answered() {
        let splits = lacking(&labelled(200, 81).unwrap(), Labelling::description().task);
        let rival: MmExit<Labelling> = trained_on(&splits);
        let inputs = splits.valid.input().unwrap();
        for setting in rival.settings().unwrap() {
            let (outcome, _) = answer(rival.network(), &setting, &inputs);
            for (row, state) in outcome.states.iter().enumerate() {
                assert!(state.depth() > 0 && (row % 3 == 0 || state.blocks()[row % 3 - 1] == 0), "row {row}: {state}");
            }
        }
        batches_are_answered_as_their_samples(rival.network(), &rival.settings().unwrap()[6], &inputs);
    }
}
