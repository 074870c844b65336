//! EENet: a learned schedule of exits under an average budget.
//!
//! Published (Ilhan et al., WACV 2024, and its program), for the exits of one encoder:
//!
//! * What is known at an exit: the probabilities; the highest of them, their entropy, and how far the exits so far agree;
//!   the scores that earlier exits have given.
//! * The score of an exit, linear in that, tells whether the exit is right. It learns by binary cross-entropy, in which a
//!   sample weighs as much as it is likely to be assigned to the exit.
//! * The assignment of a sample to the exits, a softmax over one value an exit, learns by the Kullback-Leibler divergence
//!   from the scores, which are made to sum to one, and by |expected cost − budget| / budget.
//! * Both learn on validation samples; then thresholds are set on the same samples, from the first exit on, so that the
//!   share of samples that leaves at an exit is its mean assignment. One schedule a budget.
//!
//! Ours:
//!
//! * The exits are the network's own, after all stages of its plan, along [`Line::greedy`]. Costs come from the latency
//!   table, with a look at every exit on the way; of a sample that lacks a modality they are those of the exits that it
//!   comes to.
//! * What is known is standardised, and the score passes a sigmoid where theirs is clipped. The assignment is linear too;
//!   theirs has a hidden layer, and a sigmoid before the softmax, by which no exit can be assigned nearly all samples.
//! * Labels are known by their probabilities, and the statistics are means over labels. Real values are known as they are;
//!   the statistics are how far the answer is from the one before, how far from the mean of all before, and how far all so
//!   far lie apart. How right an answer is, is the F1 of its labels, or e to the power of minus its error by the mean error.
//! * Budgets lie evenly between the time of the first exit and that of late fusion. The cost counts ten times as much as
//!   the divergence, so that budgets are met.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tch::nn::Init;
use tch::{Device, Kind, Reduction, Tensor};

use super::{AsIs, Begins, Lesson, Rival, Setting};
use crate::batch::Feature;
use crate::evaluation::Exits;
use crate::network::{Network, Part};
use crate::plan::{self, Metric, Stage};
use crate::policy::{Costs, Grid, Kept, Line, Look, Move, Policy, Presence, Seen, State, achieved, below};
use crate::task::Task;
use crate::training::{self, Phase, Progress, Score, Step, fit};
use crate::{Error, Result, routing};

/// The number of budgets.
const BUDGETS: usize = 6;
/// What is known of the answers so far besides the outputs of the last.
const STATISTICS: usize = 3;
/// What the distance from the budget weighs beside the divergence.
const COST_WEIGHT: f64 = 10.0;
const EPOCHS: usize = 5;
/// The steps of an epoch, and the most samples that are learned from in one.
const STEPS: i64 = 100;
const SAMPLES: i64 = 1024;
/// The learning rate at its peak.
const RATE: f64 = 0.05;
/// What standardised values are at least divided by.
const LEAST_DEVIATION: f64 = 1e-3;

/// EENet of a network.
#[derive(Debug)]
pub(crate) struct EeNet<N> {
    network: N,
    line: Kept,
    /// The milliseconds of each.
    budgets: Tensor,
    /// By place on the line, by what outputs and statistics are standardised.
    mean: Tensor,
    deviation: Tensor,
    /// By budget and place, over outputs, statistics, the scores of all places, and one.
    scores: Tensor,
    assignment: Tensor,
    /// By budget and place; `f32::MAX` where nobody leaves, `f32::MIN` where all do.
    thresholds: Tensor,
}

impl<N: Network> Rival<N> for EeNet<N> {
    const NAME: &'static str = "EENet-style";
    const BEGINS: Begins = Begins::Trained;

    fn new(network: N) -> Result<Self> {
        let root = network.variables().root() / "rival";
        let places = N::description().modalities.iter().map(|modality| modality.exits.len()).sum::<usize>() as i64;
        let known = N::description().task.outputs() + STATISTICS as i64;
        let learned = [BUDGETS as i64, places, known + places + 1];
        Ok(Self {
            line: Kept::new(&root, N::description()),
            budgets: root.zeros_no_train("budgets", &[BUDGETS as i64]),
            mean: root.zeros_no_train("mean", &[places, known]),
            deviation: root.ones_no_train("deviation", &[places, known]),
            scores: root.var("scores", &learned, Init::Const(0.0)),
            assignment: root.var("assignment", &learned, Init::Const(0.0)),
            thresholds: root.zeros_no_train("thresholds", &[BUDGETS as i64, places]),
            network,
        })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        let exits = Exits::of(&self.network, &lesson.splits.valid)?;
        let quality = |state: &State| Ok(exits.score(&exits.by(routing::route::<N>(state)?))?.quality());
        let line = Line::greedy(lesson.costs, quality)?;
        self.line.set(&line)?;
        let answers = Answers::of(&exits, &line, lesson.costs, &lesson.splits.valid.present())?;
        set(&self.budgets, &budgets(answers.first(), lesson.costs.late_fusion()))?;
        let (deviation, mean) = answers.known.std_mean_dim([0i64].as_slice(), false, false);
        tch::no_grad(|| -> Result<()> {
            self.mean.shallow_clone().f_copy_(&mean)?;
            self.deviation.shallow_clone().f_copy_(&deviation.clamp_min(LEAST_DEVIATION))?;
            Ok(())
        })?;
        let Lesson { plan, splits, .. } = *lesson;
        training::aside("eenet", &self.network, plan, splits, progress, |_, run| {
            let stage = Stage {
                epochs: EPOCHS,
                batch: 1,
                optimizer: plan::Optimizer::AdamW { lr: RATE, weight_decay: 0.0 },
                schedule: plan::Schedule::Cosine { warmup: 0.1 },
                patience: None,
                select: Metric::Loss,
            };
            // A step draws its own samples, so that few of them are learned from as often as many.
            let (parts, reads) = (vec![Part::Rival], Vec::new());
            let phase = Phase { name: "eenet".into(), parts, stage: &stage, samples: STEPS, reads };
            let validate = || {
                let value = tch::no_grad(|| self.loss(&answers)).double_value(&[]);
                Ok(Score { value, metrics: BTreeMap::new() })
            };
            fit(&self.network, run, &phase, |_: &Step| Ok(self.loss(&answers.drawn())), validate)
        })?;
        let Asked { scores, assigned } = tch::no_grad(|| self.ask(&answers));
        let shares = numbers::<Vec<Vec<f64>>>(&assigned.exp().mean_dim([1i64].as_slice(), false, Kind::Float))?;
        let comes = Vec::<Vec<bool>>::try_from(answers.comes.gt(0.0).to_device(Device::Cpu))?;
        let scores = numbers::<Vec<Vec<Vec<f64>>>>(&scores.sigmoid())?;
        let chosen = scores.iter().zip(&shares).flat_map(|(scores, shares)| thresholds(scores, shares, &comes));
        set(&self.thresholds, &chosen.collect::<Vec<_>>())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let line = self.line.line()?;
        let [mean, deviation, thresholds] = [&self.mean, &self.deviation, &self.thresholds].map(numbers);
        let (mean, deviation): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (mean?, deviation?);
        let schedules = numbers::<Vec<Vec<Vec<f64>>>>(&self.scores)?.into_iter().zip(thresholds?);
        let setting = |(budget, (weights, thresholds)): (f64, (Vec<Vec<f64>>, Vec<f64>))| Setting {
            by: format!("budget {budget:.3} ms"),
            variant: Box::new(AsIs),
            policy: Box::new(Scheduled {
                task: N::description().task,
                line: line.clone(),
                scoring: Scoring { mean: mean.clone(), deviation: deviation.clone(), weights },
                thresholds,
                past: RefCell::default(),
            }),
        };
        Ok(numbers::<Vec<f64>>(&self.budgets)?.into_iter().zip(schedules).map(setting).collect())
    }
}

impl<N: Network> EeNet<N> {
    fn ask(&self, answers: &Answers) -> Asked {
        let known = (&answers.known - &self.mean) / &self.deviation;
        let [samples, places, width] = [0, 1, 2].map(|dimension| known.size()[dimension]);
        let budgets = BUDGETS as i64;
        let options = (Kind::Float, known.device());
        let one = Tensor::ones([budgets, samples, 1], options);
        let mut earlier: Vec<Tensor> = (0..places).map(|_| Tensor::zeros([budgets, samples], options)).collect();
        let (mut scores, mut assigned) = (Vec::new(), Vec::new());
        for place in 0..places {
            let here = known.select(1, place).unsqueeze(0).expand([budgets, samples, width], false);
            let seen = Tensor::cat(&[here, Tensor::stack(&earlier, 2), one.shallow_clone()], 2);
            let [score, share] = [&self.scores, &self.assignment]
                .map(|learned| seen.bmm(&learned.select(1, place).unsqueeze(2)).squeeze_dim(2));
            earlier[place as usize] = score.sigmoid().detach() * answers.comes.select(1, place);
            scores.push(score);
            assigned.push(share);
        }
        let assigned = Tensor::stack(&assigned, 2).masked_fill(&answers.comes.eq(0.0), NEVER);
        Asked { scores: Tensor::stack(&scores, 2), assigned: assigned.log_softmax(2, Kind::Float) }
    }

    fn loss(&self, answers: &Answers) -> Tensor {
        let Asked { scores, assigned } = self.ask(answers);
        let shares = assigned.exp() * &answers.comes;
        let sum = |tensor: &Tensor, dimension: i64| tensor.sum_dim_intlist([dimension].as_slice(), true, Kind::Float);

        let weights = shares.detach();
        let weights = &weights / sum(&weights, 1).clamp_min(1e-6);
        let right = answers.right.expand_as(&scores);
        let each = scores.binary_cross_entropy_with_logits::<Tensor>(&right, None, None, Reduction::None);
        let places = answers.comes.size()[1] as f64;
        let scoring = (each * weights).sum(Kind::Float) / places;

        let goal = scores.detach().sigmoid() * &answers.comes;
        let goal = &goal / sum(&goal, 2).clamp_min(1e-6);
        let divergence = (&goal * (goal.clamp_min(1e-6).log() - &assigned) * &answers.comes).sum(Kind::Float);
        let divergence = divergence / answers.comes.size()[0] as f64;

        let spent = sum(&(shares * &answers.milliseconds), 2).mean_dim([1i64, 2].as_slice(), false, Kind::Float);
        let distance = ((spent - &self.budgets).abs() / &self.budgets).sum(Kind::Float);
        scoring + divergence + distance * COST_WEIGHT
    }
}

/// As a logit, what nobody is assigned by.
const NEVER: f64 = -1e4;

/// What a schedule for each budget says of samples, `[budgets, samples, places]`.
struct Asked {
    /// Logits.
    scores: Tensor,
    /// Logarithms of the shares.
    assigned: Tensor,
}

/// What the network answers to some samples along the line.
#[derive(Debug)]
struct Answers {
    /// Outputs and statistics, `[samples, places, known]`.
    known: Tensor,
    /// How right the answers are, from 0 to 1, `[samples, places]`.
    right: Tensor,
    /// Where samples come to an exit, one, else zero, `[samples, places]`.
    comes: Tensor,
    /// What it takes to answer there, with a look at each exit before, `[samples, places]`.
    milliseconds: Tensor,
}

impl Answers {
    fn of<N: Network>(exits: &Exits<'_, N>, line: &Line, costs: &Costs, present: &[Option<Tensor>]) -> Result<Self> {
        let (task, rule) = (N::description().task, exits.rule()?);
        let (samples, places) = (exits.len(), line.0.len());
        let rows = Tensor::zeros([samples as i64], (Kind::Float, Device::Cpu));
        let input = |present: &Option<Tensor>| Feature {
            present: present.as_ref().map(Tensor::shallow_clone),
            ..rows.shallow_clone().into()
        };
        let inputs: Vec<Feature> = present.iter().map(input).collect();
        // Samples that lack the same modalities go the same way.
        let mut alike: BTreeMap<Vec<Presence>, Vec<usize>> = BTreeMap::new();
        for (row, start) in routing::starts(&Grid::of(N::description().modalities), &inputs)?.iter().enumerate() {
            alike.entry(start.presence().into()).or_default().push(row);
        }
        let width = task.outputs() as usize + STATISTICS;
        let mut known_at = vec![vec![vec![0.0; width]; places]; samples];
        let [mut right, mut comes, mut milliseconds] = [0; 3].map(|_| vec![vec![0.0; places]; samples]);
        for (presence, rows) in alike {
            let mut past = vec![Vec::new(); rows.len()];
            for Exit { place, state, price } in way(line, &State::start(&presence), costs) {
                let logits = exits.by(routing::route::<N>(&state)?);
                let achieved: Vec<f64> = numbers(&achieved(&rule, &logits, exits.target()))?;
                let outputs = outputs(task, &logits)?;
                for (past, row) in past.iter_mut().zip(&rows) {
                    past.push(outputs[*row].clone());
                    known_at[*row][place] = known(task, past);
                    right[*row][place] = achieved[*row];
                    comes[*row][place] = 1.0;
                    milliseconds[*row][place] = price;
                }
            }
        }
        let device = exits.target().device();
        let tensor = |rows: &[Vec<f64>]| {
            let flat: Vec<f32> = rows.iter().flatten().map(|value| *value as f32).collect();
            Tensor::from_slice(&flat).view([rows.len() as i64, -1]).to_device(device)
        };
        let (comes, right) = (tensor(&comes), tensor(&right));
        let right = match task {
            Task::Regression { .. } => {
                let mean = right.sum(Kind::Float) / comes.sum(Kind::Float);
                (&right / -mean.clamp_max(-f64::from(f32::EPSILON))).exp() * &comes
            }
            _ => right,
        };
        let known = tensor(&known_at.concat()).view([samples as i64, places as i64, width as i64]);
        Ok(Self { known, right, comes, milliseconds: tensor(&milliseconds) })
    }

    /// The mean time to the first answer.
    fn first(&self) -> f64 {
        let absent = self.comes.eq(0.0);
        let first = self.milliseconds.masked_fill(&absent, f64::INFINITY).amin([1i64].as_slice(), false);
        first.mean(Kind::Float).double_value(&[])
    }

    /// All of them, or as many as a step is to learn from.
    fn drawn(&self) -> Self {
        let samples = self.comes.size()[0];
        let rows = Tensor::randperm(samples, (Kind::Int64, Device::Cpu)).narrow(0, 0, samples.min(SAMPLES));
        let of = |tensor: &Tensor| tensor.index_select(0, &rows.to_device(tensor.device()));
        Self {
            known: of(&self.known),
            right: of(&self.right),
            comes: of(&self.comes),
            milliseconds: of(&self.milliseconds),
        }
    }
}

/// An exit that samples come to.
struct Exit {
    place: usize,
    state: State,
    /// The milliseconds to the answer, with a look at each exit before.
    price: f64,
}

/// The exits that samples come to from a start.
fn way(line: &Line, start: &State, costs: &Costs) -> Vec<Exit> {
    let (mut looks, mut way) = (Vec::new(), Vec::new());
    for state in line.walk(start.clone()) {
        if let (true, Some(place)) = (state.can_leave(), line.place(&state)) {
            looks.push((state.clone(), Look::Logits));
            way.push(Exit { place, price: costs.journey(&looks, &state).expected, state });
        }
    }
    way
}

/// Budgets between two times.
fn budgets(first: f64, late_fusion: f64) -> Vec<f32> {
    let share = |step: usize| (step + 1) as f64 / (BUDGETS + 1) as f64;
    (0..BUDGETS).map(|step| (first + (late_fusion - first) * share(step)) as f32).collect()
}

/// What logits say, a row each: probabilities, or values.
fn outputs(task: Task, logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    numbers(&match task {
        Task::Classification { .. } => logits.to_kind(Kind::Double).softmax(-1, Kind::Double),
        Task::Multilabel { .. } => logits.to_kind(Kind::Double).sigmoid(),
        Task::Regression { .. } => logits.shallow_clone(),
    })
}

/// What is known at an exit of all answers so far, the last of which is the one at hand.
fn known(task: Task, answers: &[Vec<f64>]) -> Vec<f64> {
    let Some((last, before)) = answers.split_last() else { return Vec::new() };
    let entropy = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
    let (count, width) = (answers.len() as f64, last.len().max(1) as f64);
    let statistics: [f64; STATISTICS] = match task {
        Task::Classification { .. } => {
            let mut named = vec![0.0; last.len()];
            for answer in answers {
                let most = (0..answer.len()).max_by(|left, right| answer[*left].total_cmp(&answer[*right]));
                most.iter().for_each(|class| named[*class] += 1.0);
            }
            let highest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
            let entropy: f64 = last.iter().map(|share| entropy(*share)).sum();
            [highest(last), 1.0 - entropy / width.max(2.0).ln(), highest(&named) / count]
        }
        Task::Multilabel { .. } => {
            let far = last.iter().map(|share| (2.0 * share - 1.0).abs()).sum::<f64>() / width;
            let unsure: f64 = last.iter().map(|share| entropy(*share) + entropy(1.0 - share)).sum();
            let agree = |label: usize| {
                let there = answers.iter().filter(|answer| answer[label] > 0.5).count() as f64;
                there.max(count - there) / count
            };
            let agreement = (0..last.len()).map(agree).sum::<f64>() / width;
            [far, 1.0 - unsure / width / std::f64::consts::LN_2, agreement]
        }
        Task::Regression { .. } => {
            let mean_of = |of: &dyn Fn(usize) -> f64| (0..last.len()).map(of).sum::<f64>() / width;
            let step = before.last().map_or(0.0, |before| mean_of(&|target| (last[target] - before[target]).abs()));
            let mean = |target: usize| before.iter().map(|answer| answer[target]).sum::<f64>() / before.len() as f64;
            let far = if before.is_empty() { 0.0 } else { mean_of(&|target| (last[target] - mean(target)).abs()) };
            let span = |target: usize| {
                let values = answers.iter().map(|answer| answer[target]);
                values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
            };
            [step, far, mean_of(&span)]
        }
    };
    last.iter().copied().chain(statistics).collect()
}

/// The thresholds of the places, at each of which as many of those that are left leave as its share of all samples says,
/// those of the highest scores; scores and where samples come are by sample and place.
fn thresholds(scores: &[Vec<f64>], shares: &[f64], comes: &[Vec<bool>]) -> Vec<f32> {
    let mut has_left = vec![false; scores.len()];
    let at = |(place, share): (usize, &f64)| {
        let mut here: Vec<usize> = (0..scores.len()).filter(|row| !has_left[*row] && comes[*row][place]).collect();
        here.sort_by(|one, other| scores[*other][place].total_cmp(&scores[*one][place]));
        let count = ((share * scores.len() as f64).round() as usize).min(here.len());
        here[..count].iter().for_each(|row| has_left[*row] = true);
        match (count.checked_sub(1).map(|last| here[last]), here.get(count)) {
            (None, _) => f32::MAX,
            (Some(_), None) => f32::MIN,
            // In the middle, since a sample in another batch may differ in its last bit.
            (Some(last), Some(next)) => below((scores[last][place] + scores[*next][place]) / 2.0),
        }
    };
    shares.iter().enumerate().map(at).collect()
}

/// Leaves where the score of an exit says so.
#[derive(Debug)]
struct Scheduled {
    task: Task,
    line: Line,
    scoring: Scoring,
    /// By place.
    thresholds: Vec<f64>,
    /// By the place of the sample in the batch.
    past: RefCell<BTreeMap<usize, Past>>,
}

/// What earlier exits have said of a sample.
#[derive(Debug)]
struct Past {
    /// As by [`outputs`].
    answers: Vec<Vec<f64>>,
    /// By place; zero where it has not been.
    scores: Vec<f64>,
}

/// Scores as plain numbers, by place.
#[derive(Debug)]
struct Scoring {
    mean: Vec<Vec<f64>>,
    deviation: Vec<Vec<f64>>,
    weights: Vec<Vec<f64>>,
}

impl Scoring {
    fn of(&self, place: usize, known: &[f64], earlier: &[f64]) -> f64 {
        let standard = known.iter().zip(&self.mean[place]).zip(&self.deviation[place]);
        let seen = standard.map(|((value, mean), deviation)| (value - mean) / deviation);
        let seen = seen.chain(earlier.iter().copied()).chain([1.0]);
        let logit: f64 = seen.zip(&self.weights[place]).map(|(value, weight)| value * weight).sum();
        1.0 / (1.0 + (-logit).exp())
    }
}

impl Policy for Scheduled {
    fn look(&self, state: &State) -> Look {
        // At the end there is nothing left to decide.
        if state.can_leave() && self.line.next(state).is_some() { Look::Logits } else { Look::Nothing }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let mut past = self.past.borrow_mut();
        if state.depth() == 0 {
            seen.rows.iter().for_each(|row| _ = past.remove(row));
        }
        let on = self.line.next(state).map_or(Move::Stop, Move::Run);
        let (Some(posterior), Some(place)) = (&seen.posterior, self.line.place(state)) else {
            return Ok(vec![on; seen.rows.len()]);
        };
        let decide = |(row, answer): (&usize, Vec<f64>)| {
            let nothing = || Past { answers: Vec::new(), scores: vec![0.0; self.thresholds.len()] };
            let past = past.entry(*row).or_insert_with(nothing);
            past.answers.push(answer);
            let score = self.scoring.of(place, &known(self.task, &past.answers), &past.scores);
            if !score.is_finite() {
                return Err(Error::invalid(format!(
                    "EENet-style exits: the answer to row {row} has the score {score}, which decides nothing; look for \
                     values that are not finite in its inputs, and else in the parameters"
                )));
            }
            past.scores[place] = score;
            Ok(if score >= self.thresholds[place] { Move::Stop } else { on.clone() })
        };
        seen.rows.iter().zip(outputs(self.task, &posterior.logits)?).map(decide).collect()
    }
}

fn numbers<T: TryFrom<Tensor, Error = tch::TchError>>(tensor: &Tensor) -> Result<T> {
    Ok(T::try_from(tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double))?)
}

fn set(variable: &Tensor, values: &[f32]) -> Result<()> {
    tch::no_grad(|| variable.shallow_clone().f_copy_(&Tensor::from_slice(values).view_as(variable)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::trials::{answer, batches_are_answered_as_their_samples, lacking, restored};
    use crate::rivals::trials::{teach, trained, trained_on};
    use crate::tiny::{Labelling, Tiny, labelled, table};

    fn near(found: &[f64], expected: &[f64]) {
        let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6);
        assert!(found.len() == expected.len() && close, "{found:?}, expected {expected:?}");
    }

    #[test]
    fn statistics_by_hand() {
        let classes = Task::Classification { classes: 2 };
        let answers = [vec![0.5, 0.5], vec![0.25, 0.75], vec![0.9, 0.1]];
        // Of equals the last counts; the entropy of 3/4 and 1/4 is .8113 bits.
        near(&known(classes, &answers[..2]), &[0.25, 0.75, 0.75, 1.0 - 0.8112781, 1.0]);
        near(&known(classes, &answers)[4..], &[2.0 / 3.0]);
        let labels = Task::Multilabel { labels: 2 };
        let answers = [vec![0.9, 0.2], vec![0.25, 0.0]];
        near(&known(labels, &answers), &[0.25, 0.0, 0.75, 1.0 - 0.8112781 / 2.0, 0.75]);
        let values = Task::Regression { targets: 2 };
        let answers = [vec![1.0, 0.0], vec![2.0, 0.0], vec![4.0, -1.0]];
        near(&known(values, &answers[..1]), &[1.0, 0.0, 0.0, 0.0, 0.0]);
        near(&known(values, &answers), &[4.0, -1.0, 1.5, 1.75, 2.0]);
    }

    #[test]
    fn thresholds_by_hand() {
        let scores = [[0.9, 0.1, 0.0], [0.7, 0.5, 0.0], [0.4, 0.8, 0.0], [0.2, 0.6, 0.0]].map(Vec::from);
        let all = vec![vec![true; 3]; 4];
        // A quarter leaves first, then a half of all: those of .8 and .6 of the rest.
        let [first, second, third] = thresholds(&scores, &[0.25, 0.5, 0.25], &all)[..] else { panic!("three places") };
        assert!((first - 0.8).abs() < 1e-6 && (second - 0.55).abs() < 1e-6 && third == f32::MIN);
        assert_eq!(thresholds(&scores, &[0.0, 1.0, 0.0], &all), [f32::MAX, f32::MIN, f32::MAX]);
        // The surest does not come to the first place.
        let mut comes = all.clone();
        comes[0][0] = false;
        let found = thresholds(&scores, &[0.25, 0.0, 0.75], &comes);
        assert!((found[0] - 0.55).abs() < 1e-6 && found[1..] == [f32::MAX, f32::MIN], "{found:?}");
    }

    #[test]
    fn ways_are_charged_for_every_look() {
        let costs = Costs::new::<Tiny>(table()).unwrap();
        let way = way(&Line(vec![0, 1, 0]), &State::start(&[Presence::Needed; 2]), &costs);
        let [first, second] = &way[..] else { panic!("two exits") };
        // Blocks of 1 and 10 ms, two shortcuts of half a millisecond, the head; then a block of 2 ms with its own.
        assert_eq!((first.place, first.price, &first.state), (1, 12.25, &State::of(&[1, 1])));
        assert_eq!((second.place, second.price, &second.state), (2, 12.25 + 2.0 + 0.5 + 0.25, &State::of(&[2, 1])));
    }

    #[test]
    fn a_higher_budget_is_spent() {
        let (rival, splits) = trained::<EeNet<Tiny>>();
        let inputs = splits.valid.input().unwrap();
        let settings = rival.settings().unwrap();
        let budgets = numbers::<Vec<f64>>(&rival.budgets).unwrap();
        let mut spent = Vec::new();
        for setting in &settings {
            let (outcome, ran) = answer(rival.network(), setting, &inputs);
            assert_eq!(outcome.logits.size(), [64, 3]);
            spent.push(ran.by_table(&table()) / 64.0);
        }
        for (spent, budget) in spent.iter().zip(&budgets) {
            assert!((spent / budget - 1.0).abs() < 0.1, "{spent:?} of {budgets:?}");
        }
        batches_are_answered_as_their_samples(rival.network(), &settings[2], &inputs);
        restored(&rival, &inputs);
    }

    #[test]
    fn the_loss_before_anything_is_learned_by_hand() {
        let rival = EeNet::new(Tiny::new(crate::Device::Cpu).unwrap()).unwrap();
        set(&rival.budgets, &[4.0; BUDGETS]).unwrap();
        // Two samples that come to two of six places, each of which they are assigned alike, for 1 ms or 3 ms.
        let row = |values: [f32; 6]| Tensor::from_slice(&values).expand([2, 6], false);
        let answers = Answers {
            known: Tensor::randn([2, 6, 6], tch::kind::FLOAT_CPU),
            right: row([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
            comes: row([0.0, 1.0, 0.0, 0.0, 1.0, 0.0]),
            milliseconds: row([0.0, 1.0, 0.0, 0.0, 3.0, 0.0]),
        };
        let loss = rival.loss(&answers).double_value(&[]);
        let expected = BUDGETS as f64 * (2.0 * 2f64.ln() / 6.0 + COST_WEIGHT * 0.5);
        assert!((loss - expected).abs() < 1e-4, "{loss}, expected {expected}");
        assert_eq!(answers.first(), 1.0);
        assert_eq!(budgets(1.0, 8.0), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn nothing_of_the_network_changes() {
        let splits = crate::tiny::samples(64, 64).unwrap();
        let network = Tiny::seeded(crate::Device::Cpu, 3).unwrap();
        let copy = |network: &Tiny| -> BTreeMap<String, Tensor> {
            network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
        };
        let before = copy(&network);
        let rival: EeNet<Tiny> = teach(network, &splits, &Tiny::plan());
        let now = copy(rival.network());
        assert!(before.iter().all(|(name, before)| now[name] == *before));
        assert!(now["rival.scores"].abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }

    #[test]
    fn samples_that_lack_a_modality_are_answered() {
        let splits = lacking(&labelled(200, 81).unwrap(), Labelling::description().task);
        let rival: EeNet<Labelling> = trained_on(&splits);
        let inputs = splits.valid.input().unwrap();
        for setting in rival.settings().unwrap() {
            let (outcome, _) = answer(rival.network(), &setting, &inputs);
            for (row, state) in outcome.states.iter().enumerate() {
                assert!(state.depth() > 0 && (row % 3 == 0 || state.blocks()[row % 3 - 1] == 0), "row {row}: {state}");
            }
        }
        batches_are_answered_as_their_samples(rival.network(), &rival.settings().unwrap()[3], &inputs);
    }

    #[test]
    fn an_answer_that_is_not_finite_is_named() {
        let rival = EeNet::new(Tiny::new(crate::Device::Cpu).unwrap()).unwrap();
        let policy = &rival.settings().unwrap()[0].policy;
        let logits = Tensor::from_slice(&[f32::NAN, 0.0, 0.0]).unsqueeze(0);
        let posterior = crate::policy::Posterior { features: Vec::new(), logits, alone: Vec::new() };
        let seen = Seen { rows: vec![7], posterior: Some(posterior), ..Seen::default() };
        let message = policy.next(&State::of(&[1, 1]), &seen).unwrap_err().to_string();
        assert!(message.starts_with("EENet-style exits: the answer to row 7 has the score NaN"), "{message}");
    }
}
