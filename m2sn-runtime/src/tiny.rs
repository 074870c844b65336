//! A hand-written network for this package's own tests: what generated code does, at the smallest size.

use std::fmt;

use tch::nn::{self, Module, VarStore};
use tch::{Kind, Tensor};

use crate::batch::{Batch, Feature};
use crate::data::{Dataset, Held, Source, Splits};
use crate::fusion::StandIn;
use crate::latency::{self, Estimate, Fingerprint, Table};
use crate::network::{Chain, Cost, Description, Exit, Input, Modality, Network, Route};
use crate::nn::program::{Operation, Value};
use crate::nn::{Activation, AnyLayer, Program};
use crate::plan::{
    Anneal, Latency, Loss, Method, Metric, Navigator, Optimizer, Plan, Policy, Reads, Schedule, Shortcuts, Stage,
    Temperature,
};
use crate::policy::Policies;
use crate::shape::Vector;
use crate::task::{Criterion, Task};
use crate::training::{Progress, Trainer};
use crate::{Device, Result};

const EXITS: [&str; 3] = ["first", "second", "full"];
/// The widths of inputs and of what each block makes of them, by modality.
const WIDTHS: [[i64; 4]; 2] = [[6, 12, 10, 8], [5, 9, 10, 8]];
/// Those by which some blocks keep the width of what they get: both but the first on the left, the second on the right.
const STEADY_WIDTHS: [[i64; 4]; 2] = [[6, 8, 8, 8], [5, 9, 9, 8]];
const CLASSES: i64 = 3;

/// The network in which no modality may be missing.
pub(crate) type Tiny = TinyOf<false>;

/// The one in which both may.
pub(crate) type Lacking = TinyOf<true>;

/// The one whose navigator reads the posterior of the first exits.
pub(crate) type Reading = TinyOf<false, POSTERIOR>;

/// The one whose navigator reads the outputs of the first blocks.
pub(crate) type Stemming = TinyOf<false, STEM>;

/// Those in which both modalities may be missing besides.
pub(crate) type LackingReading = TinyOf<true, POSTERIOR>;
pub(crate) type LackingStemming = TinyOf<true, STEM>;

/// The one that tells labels instead, of which both modalities may be missing.
pub(crate) type Labelling = TinyOf<true, INPUTS, true>;

/// The one some of whose blocks keep the dimensions of what they get.
pub(crate) type Steady = TinyOf<false, INPUTS, false, true>;

/// The one of which that holds, and that tells labels, of which both modalities may be missing.
pub(crate) type SteadyLabelling = TinyOf<true, INPUTS, true, true>;

/// What the navigator reads: of what is its own, only a number can be a parameter of a type.
const INPUTS: u8 = 0;
const STEM: u8 = 1;
const POSTERIOR: u8 = 2;

/// Two modalities of three exits each; blocks and shortcuts are single linear layers.
#[derive(Debug)]
pub(crate) struct TinyOf<
    const LACKING: bool,
    const READS: u8 = INPUTS,
    const LABELLING: bool = false,
    const STEADY: bool = false,
> {
    blocks: Vec<Vec<nn::Linear>>,
    shortcuts: Vec<Vec<nn::Linear>>,
    task_heads: Vec<nn::Linear>,
    stand_ins: Vec<StandIn<8>>,
    head: nn::Linear,
    navigator: nn::Linear,
    policies: Policies,
    variables: VarStore,
}

impl<const LACKING: bool, const READS: u8, const LABELLING: bool, const STEADY: bool> Network
    for TinyOf<LACKING, READS, LABELLING, STEADY>
{
    type Input = TinyInput;
    type Route = TinyRoute;

    fn new(device: Device) -> Result<Self> {
        // Tests run side by side, and threads of LibTorch that wait for each other would take the cores from them.
        tch::set_num_threads(1);
        let variables = VarStore::new(device.into());
        let root = variables.root();
        let each = |build: &dyn Fn(usize, usize) -> nn::Linear, exits: usize| -> Vec<Vec<nn::Linear>> {
            (0..2).map(|modality| (0..exits).map(|exit| build(modality, exit)).collect()).collect()
        };
        let names = ["left", "right"];
        let widths = if STEADY { STEADY_WIDTHS } else { WIDTHS };
        let blocks = each(
            &|m, b| {
                let path = &root / "encoders" / names[m] / format!("layer{b}");
                nn::linear(path, widths[m][b], widths[m][b + 1], Default::default())
            },
            3,
        );
        let shortcuts = each(
            &|m, e| {
                let path = &root / "shortcuts" / names[m] / EXITS[e];
                nn::linear(path, widths[m][e + 1], widths[m][3], Default::default())
            },
            2,
        );
        let task_heads =
            (0..2).map(|m| nn::linear(&root / "task_heads" / names[m], 8, CLASSES, Default::default())).collect();
        let head = nn::linear(&root / "head", 16, CLASSES, Default::default());
        let navigator = nn::linear(&root / "navigator", 11, 6, Default::default());
        let policies = Policies::new(&root, Self::description());
        let stand_in = |name: &&str| StandIn::new(&root / "fusion" / "missing" / *name);
        let stand_ins = names.iter().filter(|_| LACKING).map(stand_in).collect();
        Ok(Self { blocks, shortcuts, task_heads, stand_ins, head, navigator, policies, variables })
    }

    fn description() -> &'static Description {
        const fn exits(dims: [&'static [i64]; 3]) -> [Exit; 3] {
            const COST: Cost = Cost { parameters: 100, multiply_adds: 100 };
            const FREE: Cost = Cost { parameters: 0, multiply_adds: 0 };
            [
                Exit { name: EXITS[0], layers: &["layer0"], dims: dims[0], block: COST, shortcut: COST },
                Exit { name: EXITS[1], layers: &["layer1"], dims: dims[1], block: COST, shortcut: COST },
                Exit { name: EXITS[2], layers: &["layer2"], dims: dims[2], block: COST, shortcut: FREE },
            ]
        }
        static LEFT: [Exit; 3] = exits([&[12], &[10], &[8]]);
        static RIGHT: [Exit; 3] = exits([&[9], &[10], &[8]]);
        static STEADY_LEFT: [Exit; 3] = exits([&[8], &[8], &[8]]);
        static STEADY_RIGHT: [Exit; 3] = exits([&[9], &[9], &[8]]);
        const fn modalities(missing: Option<f64>, encoders: [&'static [Exit; 3]; 2]) -> [Modality; 2] {
            const TASK_HEAD: Cost = Cost { parameters: 27, multiply_adds: 24 };
            let (kind, vocabulary) = (tch::Kind::Float, None);
            let [left, right] = [("left", "Vector<6>", &[6]), ("right", "Vector<5>", &[5])];
            let (name, input, dims) = left;
            let (feature, task_head, normalize) = (8, TASK_HEAD, None);
            let exits = encoders[0];
            let left = Modality { name, input, dims, kind, vocabulary, missing, normalize, feature, exits, task_head };
            let (name, input, dims) = right;
            let exits = encoders[1];
            [left, Modality { name, input, dims, kind, vocabulary, missing, normalize, feature, exits, task_head }]
        }
        static ALL: [Modality; 2] = modalities(None, [&LEFT, &RIGHT]);
        static ANY: [Modality; 2] = modalities(Some(0.25), [&LEFT, &RIGHT]);
        static STEADY_ALL: [Modality; 2] = modalities(None, [&STEADY_LEFT, &STEADY_RIGHT]);
        static STEADY_ANY: [Modality; 2] = modalities(Some(0.25), [&STEADY_LEFT, &STEADY_RIGHT]);
        const DESCRIPTION: Description = Description {
            name: "Tiny",
            spec_path: "tiny.yaml",
            spec: "model: Tiny\n",
            resolved_spec: "model: Tiny\n",
            architecture: &["left: Vector<6> -> Vector<8>", "right: Vector<5> -> Vector<8>"],
            task: Task::Classification { classes: CLASSES },
            outputs: &[],
            modalities: &ALL,
            head: Cost { parameters: 51, multiply_adds: 48 },
            navigator: Cost { parameters: 72, multiply_adds: 66 },
        };
        static WHOLE: Description = DESCRIPTION;
        static LACKING_DESCRIPTION: Description = Description { modalities: &ANY, ..DESCRIPTION };
        const LABELS_DESCRIPTION: Description =
            Description { task: Task::Multilabel { labels: CLASSES }, modalities: &ANY, ..DESCRIPTION };
        static LABELS: Description = LABELS_DESCRIPTION;
        static STEADY_WHOLE: Description = Description { modalities: &STEADY_ALL, ..DESCRIPTION };
        static STEADY_LABELS: Description = Description { modalities: &STEADY_ANY, ..LABELS_DESCRIPTION };
        match (LABELLING, LACKING, STEADY) {
            (true, _, false) => &LABELS,
            (true, _, true) => &STEADY_LABELS,
            (false, true, _) => &LACKING_DESCRIPTION,
            (false, false, false) => &WHOLE,
            (false, false, true) => &STEADY_WHOLE,
        }
    }

    fn plan() -> Plan {
        let optimizer = Optimizer::AdamW { lr: 1e-2, weight_decay: 0.01 };
        let stage = Stage {
            epochs: 4,
            batch: 32,
            optimizer,
            schedule: Schedule::Cosine { warmup: 0.1 },
            patience: None,
            select: Metric::Loss,
        };
        Plan {
            seed: 7,
            loss: Loss::of(Self::description().task),
            weights: Vec::new(),
            pretrain: stage.clone(),
            shortcuts: Shortcuts { method: Method::Integral, stage: stage.clone() },
            fusion: stage.clone(),
            navigator: Navigator {
                policy: Policy::Paper,
                price: 0.05,
                stage,
                from: match READS {
                    STEM => Reads::Stem,
                    POSTERIOR => Reads::Posterior,
                    _ => Reads::Inputs,
                },
                latency: Latency::Ratio(0.3),
                temperature: Temperature { from: 5.0, to: 0.2, anneal: Anneal::Exponential },
                soften: false,
            },
            augment: std::collections::BTreeMap::new(),
        }
    }

    fn variables(&self) -> &VarStore {
        &self.variables
    }

    fn policies(&self) -> &Policies {
        &self.policies
    }

    fn policies_mut(&mut self) -> &mut Policies {
        &mut self.policies
    }

    fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
        let layer =
            |linear, is_block| -> Vec<Box<dyn AnyLayer + '_>> { vec![Box::new(TinyLayer { linear, is_block })] };
        match chain {
            Chain::Block { modality, block } => layer(&self.blocks[modality][block], true),
            Chain::Shortcut { modality, exit } => layer(&self.shortcuts[modality][exit], false),
            Chain::TaskHead { modality } => layer(&self.task_heads[modality], false),
            Chain::Head => layer(&self.head, false),
            Chain::Embedding { .. } => Vec::new(),
            Chain::Decision => layer(&self.navigator, false),
        }
    }

    fn fuse(&self, features: &[Tensor], _train: bool) -> Tensor {
        self.head.forward(&Tensor::cat(features, 1))
    }

    fn stand_in(&self, modality: usize) -> Option<&Tensor> {
        self.stand_ins.get(modality).map(StandIn::feature)
    }

    fn navigate(&self, inputs: &[Feature], _train: bool) -> Vec<Tensor> {
        let inputs: Vec<_> = inputs.iter().map(|input| &input.tensor).collect();
        self.navigator.forward(&Tensor::cat(&inputs, 1)).split(3, 1)
    }
}

/// A linear layer; that of a block goes on with a rectifier and dropout.
struct TinyLayer<'a> {
    linear: &'a nn::Linear,
    is_block: bool,
}

impl AnyLayer for TinyLayer<'_> {
    fn forward(&self, input: &Feature, train: bool) -> Feature {
        let output = self.linear.forward(&input.tensor);
        if self.is_block { output.relu().dropout(0.1, train).into() } else { output.into() }
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let nn::Linear { ws, bs } = self.linear;
        let (weight, bias) = (ws.detach(), bs.as_ref().expect("there is one").detach());
        let (width, activation) = (bias.size()[0], self.is_block.then_some(Activation::Relu));
        program.push(Operation::Linear { weight, bias, activation }, input, &[width])
    }
}

/// A batch of inputs of [`Tiny`].
#[derive(Debug, Clone)]
pub(crate) struct TinyInput {
    pub(crate) left: Batch<Vector<6>>,
    pub(crate) right: Batch<Vector<5>>,
}

impl Input for TinyInput {
    const MODALITIES: &'static [&'static str] = &["left", "right"];

    fn features(&self) -> Vec<Feature> {
        vec![self.left.feature(), self.right.feature()]
    }

    fn from_features(features: Vec<Feature>) -> Result<Self> {
        let [left, right] = <[Feature; 2]>::try_from(features).expect("a feature for each of the two modalities");
        Ok(Self { left: Batch::try_from_feature(left)?, right: Batch::try_from_feature(right)? })
    }
}

/// One exit for each modality of [`Tiny`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TinyRoute([Option<usize>; 2]);

impl TinyRoute {
    /// The route with these exits.
    pub(crate) fn at(exits: [usize; 2]) -> Self {
        Self(exits.map(Some))
    }

    /// The exits of a route in which both modalities take part.
    pub(crate) fn exits(self) -> [usize; 2] {
        self.0.map(|exit| exit.expect("both modalities take part"))
    }
}

impl Route for TinyRoute {
    fn blocks(&self) -> Vec<usize> {
        self.0.map(|exit| exit.map_or(0, |exit| exit + 1)).to_vec()
    }

    fn from_blocks(blocks: &[usize]) -> Option<Self> {
        let blocks = <[usize; 2]>::try_from(blocks).ok()?;
        blocks.iter().all(|blocks| *blocks <= EXITS.len()).then_some(Self(blocks.map(|blocks| blocks.checked_sub(1))))
    }
}

impl fmt::Display for TinyRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = self.0.map(|exit| exit.map_or("none", |exit| EXITS[exit]));
        write!(f, "left: {left}, right: {right}")
    }
}

/// Samples of three classes; in half of them only one modality tells the class.
pub(crate) fn samples(train: i64, valid: i64) -> Result<Splits<TinyInput>> {
    tch::manual_seed(11);
    let total = train + valid;
    let target = Tensor::randint(CLASSES, [total], (Kind::Int64, tch::Device::Cpu));
    let hidden = target.one_hot(CLASSES).to_kind(Kind::Float);
    let modality = |width: i64, scale: &Tensor| {
        let pattern = Tensor::randn([CLASSES, width], (Kind::Float, tch::Device::Cpu)) * 2.0;
        hidden.matmul(&pattern) * scale + Tensor::randn([total, width], (Kind::Float, tch::Device::Cpu)) * 0.7
    };
    let clear = Tensor::rand([total, 1], (Kind::Float, tch::Device::Cpu)).round();
    let left = modality(6, &clear);
    let right = modality(5, &(1.0 - clear));
    let input = TinyInput { left: Batch::new(left)?, right: Batch::new(right)? };
    let all = Dataset::new(input, target, Tiny::description().task)?;
    Ok(Splits { train: all.narrow(0, train)?, valid: all.narrow(train, valid)? })
}

/// The same samples, read when they are needed.
pub(crate) fn streamed(data: &Dataset<TinyInput>) -> Result<Dataset<TinyInput>> {
    let source = |feature| -> Box<dyn Source> { Box::new(Held::new(feature)) };
    let sources = TinyInput::MODALITIES.iter().copied().zip(data.input()?.features().into_iter().map(source));
    Dataset::streamed(sources.collect(), data.target().copy(), Tiny::description().task)
}

/// A sample of each of these classes, whose inputs hold its row.
pub(crate) fn numbered(classes: &[i64]) -> Dataset<TinyInput> {
    let rows = |width| Tensor::arange(classes.len() as i64, tch::kind::FLOAT_CPU).unsqueeze(1).repeat([1, width]);
    let input = TinyInput { left: Batch::trusted(rows(6).into()), right: Batch::trusted(rows(5).into()) };
    Dataset::new(input, Tensor::from_slice(classes), Tiny::description().task).expect("classes of the network")
}

/// Samples with three labels, of which the first is frequent, and the last rare.
pub(crate) fn labelled(train: i64, valid: i64) -> Result<Splits<TinyInput>> {
    let Splits { train: all, .. } = samples(train + valid, 1)?;
    let float = (Kind::Float, tch::Device::Cpu);
    let classes = all.target().one_hot(CLASSES).to_kind(Kind::Float);
    let likely = classes * Tensor::from_slice(&[0.9f32, 0.6, 0.25]) + Tensor::from_slice(&[0.1f32, 0.05, 0.02]);
    let target = Tensor::rand(likely.size(), float).less_tensor(&likely).to_kind(Kind::Float);
    let all = Dataset::new(all.input()?, target, Labelling::description().task)?;
    Ok(Splits { train: all.narrow(0, train)?, valid: all.narrow(train, valid)? })
}

/// The loss by which [`Tiny`] learns.
pub(crate) fn loss(logits: &Tensor, target: &Tensor) -> f64 {
    let (task, plan) = (Tiny::description().task, Tiny::plan());
    let criterion = Criterion::new(task, &plan.loss, target, target.device()).expect("the plan's loss is of the task");
    criterion.of(logits, target).double_value(&[])
}

/// Blocks of 1, 2 and 4 ms on the left, ten times that on the right; shortcuts of half a millisecond, a head of a quarter,
/// decisions of an eighth (navigator) and a sixteenth. The 99th percentile of each is twice its median.
pub(crate) fn table() -> Table {
    let estimate = |median: f64| Estimate { median, low: median, high: median, p99: 2.0 * median };
    let modality = |name: &str, factor: f64| latency::Modality {
        name: name.into(),
        exits: EXITS.map(String::from).into(),
        blocks: [1.0, 2.0, 4.0].map(|block| estimate(factor * block)).into(),
        shortcuts: [0.5, 0.5].map(estimate).into(),
    };
    let Description { name, architecture, .. } = Tiny::description();
    let architecture = architecture.iter().map(|line| line.to_string()).collect();
    Table {
        fingerprint: Fingerprint { model: name.to_string(), architecture, ..Default::default() },
        batch: 1,
        rounds: 1,
        modalities: vec![modality("left", 1.0), modality("right", 10.0)],
        head: estimate(0.25),
        navigator: estimate(0.125),
        value: estimate(0.0625),
        sequential: estimate(0.0625),
        ..Default::default()
    }
}

/// An untrained network whose sequential policy has learned to decide about it, and the samples that it learned from.
pub(crate) fn sequential() -> Result<(Tiny, Splits<TinyInput>)> {
    let splits = samples(64, 32)?;
    let plan = Tiny::plan();
    let navigator = Navigator { policy: Policy::Sequential, ..plan.navigator };
    let mut network = Tiny::new(Device::Cpu)?;
    let trainer = Trainer::new(Plan { navigator, ..plan });
    trainer.navigator(&mut network, &splits, &mut Progress::silent())?;
    Ok((network, splits))
}
