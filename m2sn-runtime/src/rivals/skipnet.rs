//! SkipNet-style: gates inside the encoders, each of which decides whether a sample runs the next block or keeps what it has.
//!
//! Published (Wang et al., 2018, for residual networks of one modality): before each block whose output has the shape of its
//! input stands a small gate, here the feed-forward one; gates learn soft first, then hard, by reinforcement, from the task
//! loss and the number of blocks that run, weighed by one number. A gate is hard when the network answers. Their code runs all
//! blocks and multiplies.
//!
//! Ours: a gate reads the mean of the block's input over its positions, through one linear layer and a sigmoid. What can be
//! skipped are the blocks of this library, between one exit and the next, that keep the dimensions of what they get; the
//! first of an encoder is none of them, since raw inputs are no features. Encoders, fusion and gates learn together from the
//! pre-trained parameters on, as long as the plan says of the shortcuts: for the first third with soft gates and no cost, then
//! with hard ones by a straight-through Gumbel-softmax, in place of reinforcement, and with the milliseconds of the blocks
//! that run. One training a weight would be too dear: encoders and fusion are shared, each gate has an output for each
//! ratio of time and task loss, each sample of a step follows a ratio drawn for it, and what blocks cost teaches gates alone.
//! Gates begin open, so that training begins with the network as it was, and learn ten times as fast as encoders. The answer
//! is late fusion's; a block runs on those samples alone that do not skip it.

use tch::nn::{self, Init, LinearConfig, Module, Path};
use tch::{Device, Kind, Tensor};

use super::deepest::{self, RATIOS};
use super::gate::passed_through;
use super::{Begins, Lesson, Rival, Setting, Variant};
use crate::batch::Feature;
use crate::latency::Table;
use crate::network::{Description, Network, Part};
use crate::nn::mean_over_steps;
use crate::parts::Parts;
use crate::policy::Fixed;
use crate::task::{Task, best_thresholds};
use crate::training::{Context, Phase, Present, Progress, Run, Step, aside, fit, gumbel, seed};
use crate::{Error, Result};

/// The share of steps in which gates are soft.
const SOFT: f64 = 1.0 / 3.0;

/// The temperature of the Gumbel-softmax.
const TEMPERATURE: f64 = 1.0;

/// What gates say of everything at first: that blocks run, in 73 of 100 cases.
const OPEN: f64 = 1.0;

/// By how much gates learn faster than encoders, where steps have a length of their own: AdaMML's policy network learns ten
/// times as fast as its main one.
const SPEED: f64 = 10.0;

/// Gates inside of encoders.
#[derive(Debug)]
pub(crate) struct SkipNet<N> {
    network: N,
    gates: Gates,
}

impl<N: Network> Rival<N> for SkipNet<N> {
    const NAME: &'static str = "SkipNet-style";
    const BEGINS: Begins = Begins::Pretrained;

    fn new(network: N) -> Result<Self> {
        let gates = Gates::new(&(network.variables().root() / "rival" / "gates"), N::description());
        if gates.0.iter().flatten().all(Option::is_none) {
            return Err(Error::invalid(format!(
                "`{}` has no block whose output has the dimensions of its input, and no other can be skipped",
                N::description().name
            )));
        }
        Ok(Self { network, gates })
    }

    fn network(&self) -> &N {
        &self.network
    }

    fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    fn train(&mut self, lesson: &Lesson<'_, N>, progress: &mut Progress) -> Result<()> {
        aside("skipnet", &self.network, lesson.plan, lesson.splits, progress, |context, run| {
            let weights = deepest::weights(context, &deepest::features(context, &context.train, run)?);
            let weights =
                Tensor::from_slice(&weights.map(|weight| weight.time)).to_kind(Kind::Float).to_device(context.device);
            let learner = Learner { context, gates: &self.gates, weights, shares: shares(lesson.costs.table()) };
            learner.learn(run)?;
            match context.task() {
                Task::Multilabel { .. } => learner.choose_thresholds(run),
                _ => Ok(()),
            }
        })?;
        Ok(())
    }

    fn settings(&self) -> Result<Vec<Setting<'_>>> {
        let setting = |(setting, ratio)| Setting {
            by: deepest::by(ratio),
            variant: Box::new(Skipping { gates: &self.gates, setting }),
            policy: Box::new(Fixed(deepest::state::<N>())),
        };
        Ok((0..).zip(RATIOS).map(setting).collect())
    }
}

/// A gate for each block that can be skipped, by modality and block.
///
/// Variables: `rival.gates.<modality>.<exit>.weight` and `.bias`, with an output for each of [`RATIOS`].
#[derive(Debug)]
struct Gates(Vec<Vec<Option<nn::Linear>>>);

impl Gates {
    fn new(path: &Path<'_>, description: &Description) -> Self {
        let (ws_init, bs_init) = (Init::Const(0.0), Some(Init::Const(OPEN / SPEED)));
        let config = LinearConfig { ws_init, bs_init, bias: true };
        let each = description.modalities.iter().map(|modality| {
            let gate = |block: usize| {
                let exit = &modality.exits[block];
                let before = modality.exits.get(block.checked_sub(1)?)?;
                let path = path / modality.name / exit.name;
                (before.dims == exit.dims).then(|| nn::linear(path, width(exit.dims), RATIOS.len() as i64, config))
            };
            (0..modality.exits.len()).map(gate).collect()
        });
        Self(each.collect())
    }

    /// What the gate of a block says of samples that stand before it, `[batch, settings]`; `None` where it always runs.
    fn scores(&self, modality: usize, block: usize, input: &Feature) -> Option<Tensor> {
        self.0[modality][block].as_ref().map(|gate| gate.forward(&pool(input)) * SPEED)
    }
}

/// The mean of what a block gets over its positions, `[batch, width]`.
///
/// It passes no gradient on: what blocks cost must not bend what encoders that all ratios share say.
fn pool(input: &Feature) -> Tensor {
    let tensor = input.tensor.detach().to_kind(Kind::Float);
    let positions = |image: Tensor| image.mean_dim([2, 3].as_slice(), false, None);
    match tensor.dim() {
        3 => mean_over_steps(&tensor, input.mask.as_ref()),
        4 => positions(tensor),
        5 => positions(mean_over_steps(&tensor, input.mask.as_ref())),
        _ => tensor,
    }
}

/// The width of what [`pool`] makes of samples of these dimensions.
fn width(dims: &[i64]) -> i64 {
    match dims {
        [width] | [_, width] | [width, _, _] | [_, width, _, _] => *width,
        _ => dims.iter().product(),
    }
}

/// The share of late fusion's time that each block takes, by modality.
fn shares(table: &Table) -> Vec<Vec<f64>> {
    let of = |modality: &crate::latency::Modality| {
        modality.blocks.iter().map(|block| block.median / table.late_fusion()).collect()
    };
    table.modalities.iter().map(of).collect()
}

/// How scores decide, `[batch]` → `[batch]`: how much of a block's output counts.
type Decide = fn(&Tensor) -> Tensor;

/// Some of it.
fn soft(scores: &Tensor) -> Tensor {
    scores.sigmoid()
}

/// All or nothing, drawn as probably as the scores say, with the gradient of the relaxed decision.
fn drawn(scores: &Tensor) -> Tensor {
    let pairs = Tensor::stack(&[&scores.zeros_like(), scores], 1);
    let relaxed = gumbel::softmax(&pairs, TEMPERATURE).select(1, 1);
    passed_through(&relaxed.gt(0.5).to_kind(Kind::Float), &relaxed)
}

/// All or nothing, as the network answers.
fn hard(scores: &Tensor) -> Tensor {
    scores.gt(0.0).to_kind(Kind::Float)
}

/// A network and its gates while they learn.
#[derive(Debug)]
struct Learner<'a, N> {
    context: &'a Context<'a, N>,
    gates: &'a Gates,
    /// What late fusion's whole time weighs, `[settings]`.
    weights: Tensor,
    shares: Vec<Vec<f64>>,
}

impl<N: Network> Learner<'_, N> {
    fn learn(&self, run: &mut Run<'_>) -> Result<()> {
        let context = self.context;
        let blocks = |modality: usize| (0..context.exits(modality)).map(move |block| Part::Block { modality, block });
        let phase = Phase {
            name: "shortcuts/skipnet".into(),
            parts: context.modalities().flat_map(blocks).chain([Part::Head, Part::Rival]).collect(),
            stage: &context.plan.shortcuts.stage,
            samples: context.train.len(),
            reads: context.train.reads(),
        };
        let draw = |samples: i64| Tensor::randint(RATIOS.len() as i64, [samples], (Kind::Int64, Device::Cpu));
        let step_loss = |step: &Step| {
            let samples = step.rows.size()[0];
            let missing = context.missing(&context.train, &step.rows);
            let inputs = context.all_augmented(&step.inputs);
            let is_soft = step.share < SOFT;
            let decide: Decide = if is_soft { soft } else { drawn };
            let (logits, cost) = self.answer(&inputs, &missing, &draw(samples), decide, true);
            let loss = context.criterion.of(&logits, &context.train.target(&step.rows));
            Ok(if is_soft { loss } else { loss + cost })
        };
        // The same settings after every epoch, so that the scores can be compared.
        tch::manual_seed(seed(run.seed, "shortcuts/skipnet/validation", 0));
        let settings = draw(context.valid.len());
        let validate = || {
            context.valid.score(context.valid.reads(), phase.stage.batch, "score", |range, inputs, target| {
                let settings = settings.narrow(0, range.start, range.end - range.start);
                let (logits, cost) = self.answer(&inputs, &[], &settings, hard, false);
                let (loss, cost) = (context.loss(&logits, target), cost.double_value(&[]));
                Ok([("score", loss + cost), ("loss", loss), ("cost", cost)]
                    .map(|(name, value)| (name.into(), value))
                    .into())
            })
        };
        fit(context.network, run, &phase, step_loss, validate)
    }

    /// What the network answers to samples each of which follows a setting of its own, `[batch]` of places, and what the
    /// blocks that it could skip weigh on average.
    ///
    /// Of what is dropped, `missing` says from which samples; nothing is where it is empty.
    fn answer(
        &self,
        inputs: &[Feature],
        missing: &[Option<Tensor>],
        settings: &Tensor,
        decide: Decide,
        train: bool,
    ) -> (Tensor, Tensor) {
        let (context, network) = (self.context, self.context.network);
        let settings = settings.to_device(context.device);
        let weights = self.weights.index_select(0, &settings);
        let mut cost = Tensor::zeros([1], (Kind::Float, context.device));
        let mut features = Vec::new();
        for (modality, input) in inputs.iter().enumerate() {
            let present = Present::of(input, train);
            let feature = (!present.is_empty()).then(|| {
                let (settings, weights) = (present.select(&settings), present.select(&weights));
                let (feature, spent) = self.encode(modality, present.input(input.clone()), &settings, decide, train);
                cost = &cost + (spent * weights).sum(Kind::Float);
                feature
            });
            let feature = present.spread(feature.as_ref(), network.stand_in(modality));
            features.push(context.without(modality, feature, missing.get(modality).and_then(Option::as_ref)));
        }
        let samples = settings.size()[0] as f64;
        (network.fuse(&features, train), cost.squeeze() / samples)
    }

    /// The deepest feature of a modality, `[batch, feature]`, and the share of late fusion's time that the blocks that could
    /// be skipped took, `[batch]`. All run, on all samples: what is decided against has a gradient as well.
    fn encode(
        &self,
        modality: usize,
        input: Feature,
        settings: &Tensor,
        decide: Decide,
        train: bool,
    ) -> (Tensor, Tensor) {
        let mut spent = Tensor::zeros([input.len()], (Kind::Float, self.context.device));
        let mut feature = input;
        for (block, share) in self.shares[modality].iter().enumerate() {
            let scores = self.gates.scores(modality, block, &feature);
            let output = self.context.network.block(modality, block, &feature, train);
            feature = match scores {
                None => output,
                Some(scores) => {
                    let open = decide(&scores.gather(1, &settings.unsqueeze(1), false).squeeze_dim(1));
                    spent += &open * *share;
                    let size: Vec<i64> = (0..output.tensor.dim()).map(|dim| if dim == 0 { -1 } else { 1 }).collect();
                    let open = open.view(&size[..]);
                    let tensor = &output.tensor * &open + &feature.tensor * (1.0 - &open);
                    Feature { tensor, ..output }
                }
            };
        }
        (feature.tensor, spent)
    }

    /// Chooses the thresholds of labels anew, since all has learned, on what is said of validation samples in all settings.
    fn choose_thresholds(&self, run: &Run<'_>) -> Result<()> {
        let (context, chunk) = (self.context, self.context.plan.shortcuts.stage.batch);
        let samples = context.valid.len();
        let answers = (0..RATIOS.len() as i64).map(|setting| {
            let said = (&*run.progress, "answers of all settings");
            let answers = context.cache.fill(context.valid.reads(), chunk, context.device, said, |inputs| {
                let count = inputs.first().map_or(0, Feature::len);
                let settings = Tensor::full([count], setting, (Kind::Int64, Device::Cpu));
                vec![self.answer(&inputs, &[], &settings, hard, false).0.into()]
            })?;
            Ok(answers.into_iter().map(|answers| answers.range(0..samples).tensor).collect::<Vec<_>>())
        });
        let answers: Vec<Tensor> = answers.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let target = context.valid.target(&Tensor::arange(samples, (Kind::Int64, Device::Cpu)));
        let target = target.repeat([answers.len() as i64, 1]);
        context.network.policies().set_thresholds(&best_thresholds(&Tensor::cat(&answers, 0), &target)?)
    }
}

/// The network by one setting of its gates.
#[derive(Debug)]
struct Skipping<'a> {
    gates: &'a Gates,
    setting: i64,
}

impl Variant for Skipping<'_> {
    fn needs_inputs(&self) -> bool {
        true
    }

    fn block(&self, network: &dyn Parts, modality: usize, block: usize, input: &Feature) -> Feature {
        let Some(scores) = self.gates.scores(modality, block, input) else {
            return network.block(modality, block, input);
        };
        let rows = scores.select(1, self.setting).gt(0.0).nonzero().squeeze_dim(1);
        match rows.size()[0] {
            0 => input.clone(),
            all if all == input.len() => network.block(modality, block, input),
            _ => put(input, &rows, &network.block(modality, block, &input.select(&rows))),
        }
    }
}

/// What samples have, with what a block made of those at `rows` in their places.
fn put(input: &Feature, rows: &Tensor, output: &Feature) -> Feature {
    // Where there is no mask, all steps are real.
    let whole = |feature: &Feature| match &feature.mask {
        Some(mask) => mask.shallow_clone(),
        None => Tensor::ones([feature.len(), feature.tensor.size()[1]], (Kind::Bool, feature.tensor.device())),
    };
    let has_mask = input.mask.is_some() || output.mask.is_some();
    Feature {
        tensor: input.tensor.index_copy(0, rows, &output.tensor),
        mask: has_mask.then(|| whole(input).index_copy(0, rows, &whole(output))),
        present: input.present.as_ref().map(Tensor::shallow_clone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::network::Input;
    use crate::rivals::trials::{
        answer, batches_are_answered_as_their_samples, lacking, restored, trained_by, trained_on,
    };
    use crate::tiny::{Steady, SteadyLabelling, Tiny, labelled, samples};

    /// A network whose gates say what they say of everything: of the left modality's second and third block and of the
    /// right one's second.
    fn opened(scores: [f64; 3]) -> SkipNet<Steady> {
        let rival = SkipNet::new(Steady::seeded(Device::Cpu, 3).unwrap()).unwrap();
        let gates = [&rival.gates.0[0][1], &rival.gates.0[0][2], &rival.gates.0[1][1]];
        for (gate, score) in gates.into_iter().zip(scores) {
            let nn::Linear { ws, bs } = gate.as_ref().unwrap();
            tch::no_grad(|| {
                let _ = ws.shallow_clone().zero_();
                let _ = bs.as_ref().unwrap().shallow_clone().fill_(score);
            });
        }
        rival
    }

    #[test]
    fn gates_stand_before_blocks_that_keep_their_shape() {
        let rival = opened([0.0; 3]);
        let stand: Vec<Vec<bool>> =
            rival.gates.0.iter().map(|gates| gates.iter().map(Option::is_some).collect()).collect();
        assert_eq!(stand, [[false, true, true], [false, true, false]]);
        let message = SkipNet::new(Tiny::new(Device::Cpu).unwrap()).unwrap_err().to_string();
        assert!(message.starts_with("`Tiny` has no block whose output has the dimensions of its input"), "{message}");
    }

    #[test]
    fn what_is_skipped_does_not_run_and_its_input_goes_on() {
        let inputs = samples(5, 1).unwrap().train.input().unwrap();
        let features = inputs.features();
        let block = |rival: &SkipNet<Steady>, modality, block, input: &Feature| {
            rival.network.block(modality, block, input, false)
        };
        for (scores, skipped) in [([1.0, 1.0, 1.0], 0), ([-1.0, 1.0, 1.0], 1), ([-1.0, -1.0, -1.0], 3)] {
            let rival = opened(scores);
            let setting = &rival.settings().unwrap()[0];
            let (outcome, ran) = answer(&rival.network, setting, &inputs);
            assert_eq!(ran.multiply_adds(Steady::description()), 5 * ((6 - skipped) * 100 + 48));
            let left = [(0, 1.0), (1, scores[0]), (2, scores[1])].into_iter().filter(|(_, score)| *score > 0.0);
            let left = left.fold(features[0].clone(), |input, (place, _)| block(&rival, 0, place, &input));
            let right = [(0, 1.0), (1, scores[2]), (2, 1.0)].into_iter().filter(|(_, score)| *score > 0.0);
            let right = right.fold(features[1].clone(), |input, (place, _)| block(&rival, 1, place, &input));
            let expected = rival.network.fuse(&[left.tensor, right.tensor], false);
            assert!(outcome.logits.allclose(&expected, 1e-5, 1e-6, false));
        }
    }

    #[test]
    fn samples_come_back_to_their_places_with_their_masks() {
        let steps = Tensor::arange(12, tch::kind::FLOAT_CPU).view([3, 2, 2]);
        let mask = Tensor::from_slice(&[true, true, true, false, true, true]).view([3, 2]);
        let present = Tensor::from_slice(&[true, true, true]);
        let input = Feature { tensor: steps.shallow_clone(), mask: Some(mask), present: Some(present.shallow_clone()) };
        let rows = Tensor::from_slice(&[2i64, 0]);
        let output = Feature { tensor: -input.select(&rows).tensor, ..input.select(&rows) };
        let found = put(&input, &rows, &output);
        let signs = Tensor::from_slice(&[-1f32, 1.0, -1.0]).view([3, 1, 1]);
        assert_eq!(found.tensor, steps * signs);
        assert_eq!((&found.mask, found.present), (&input.mask, Some(present)));
        let unmasked = put(&Feature { mask: None, ..input.clone() }, &rows, &Feature { mask: None, ..output.clone() });
        assert!(unmasked.mask.is_none());
        let bare = put(&input, &rows, &Feature { mask: None, ..output });
        assert_eq!(bare.mask, input.mask, "the sample whose mask is not whole kept what it had");
    }

    #[test]
    fn positions_are_averaged_by_hand() {
        let steps = Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0, 90.0, 90.0]).view([1, 3, 2]);
        let mask = Tensor::from_slice(&[true, true, false]).view([1, 3]);
        let means = |feature: Feature| Vec::<f64>::try_from(pool(&feature).view(-1)).unwrap();
        assert_eq!(means(Feature { mask: Some(mask.shallow_clone()), ..steps.shallow_clone().into() }), [2.0, 4.0]);
        let image = Tensor::from_slice(&[1f32, 3.0, 5.0, 7.0]).view([1, 2, 1, 2]);
        assert_eq!(means(image.into()), [2.0, 6.0]);
        let video = Feature { mask: Some(mask), ..steps.view([1, 3, 1, 1, 2]).into() };
        assert_eq!(means(video), [3.0]);
        for dims in [&[7][..], &[3, 5], &[2, 4, 6], &[2, 3, 4, 5]] {
            let feature = Tensor::zeros([&[1], dims].concat(), tch::kind::FLOAT_CPU);
            assert_eq!(pool(&feature.into()).size(), [1, width(dims)]);
        }
    }

    #[test]
    fn drawn_gates_are_hard_and_open_as_often_as_they_say() {
        tch::manual_seed(2);
        let scores = Tensor::full([4000], 1.0, tch::kind::FLOAT_CPU).set_requires_grad(true);
        let open = drawn(&scores);
        let share = open.mean(Kind::Double).double_value(&[]);
        assert!((share - 0.7311).abs() < 0.04, "{share}");
        assert!(bool::try_from(open.eq(0.0).logical_or(&open.eq(1.0)).all()).unwrap());
        let gradient = Tensor::run_backward(&[open.sum(Kind::Float)], &[&scores], false, false).remove(0);
        assert!(gradient.min().double_value(&[]) > 0.0);
    }

    #[test]
    fn the_dearer_time_is_the_more_is_skipped() {
        let (mut plan, splits) = (Steady::plan(), samples(256, 64).unwrap());
        plan.shortcuts.stage.epochs = 20;
        let rival: SkipNet<Steady> = trained_by(&plan, &splits);
        let inputs = splits.valid.input().unwrap();
        let mut work = Vec::new();
        for setting in &rival.settings().unwrap() {
            let (outcome, ran) = answer(&rival.network, setting, &inputs);
            assert!(outcome.states.iter().all(|state| state.blocks() == [3, 3]));
            work.push(ran.by_table(&crate::tiny::table()));
            batches_are_answered_as_their_samples(&rival.network, setting, &inputs);
        }
        assert!(work[RATIOS.len() - 1] < 0.95 * work[0], "{work:?}");
        restored(&rival, &inputs);
    }

    #[test]
    fn labels_of_samples_that_lack_a_modality_are_told() {
        let splits = lacking(&labelled(96, 36).unwrap(), SteadyLabelling::description().task);
        let rival: SkipNet<SteadyLabelling> = trained_on(&splits);
        let inputs = splits.valid.input().unwrap();
        for setting in &rival.settings().unwrap() {
            let (outcome, _) = answer(&rival.network, setting, &inputs);
            for (row, state) in outcome.states.iter().enumerate() {
                assert_eq!(state.blocks(), [[3, 3], [0, 3], [3, 0]][row % 3]);
            }
            batches_are_answered_as_their_samples(&rival.network, setting, &inputs);
        }
    }
}
