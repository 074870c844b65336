//! How a model is trained: the `training` section of a spec, and the `weights` of its modalities, as generated code
//! writes them.

use std::path::PathBuf;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::task::Task;
use crate::{Error, Result};

/// The stages of a training and their settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Decides every random choice of the training: drawn parameters, order of samples, dropout, routes, Gumbel noise.
    pub seed: u64,
    /// What every stage learns by, but that of a learned policy, which learns what answers are worth.
    pub loss: Loss,
    /// The parameters that encoders begin with, where they are not drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Weights>,
    /// Late fusion and the uni-modal heads.
    pub pretrain: Stage,
    /// The shortcuts (Section IV-A).
    pub shortcuts: Shortcuts,
    /// Fusion and head on the features of randomly drawn routes.
    pub fusion: Stage,
    /// The navigator (Section IV-B).
    pub navigator: Navigator,
    /// How training samples are changed at random where encoders learn from them, by modality.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub augment: BTreeMap<String, Augment>,
}

/// How samples of a modality are changed at random, anew in every mini-batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Whether half of the images are flipped, left and right; of a video all frames or none.
    pub flip: bool,
    /// By how many pixels images are moved at most each way, with zeros behind them; all frames of a video alike.
    pub crop: Option<i64>,
    /// The masks over steps and features of a sequence, or over columns and rows of an image that is a spectrogram.
    pub spec_augment: Option<SpecAugment>,
}

/// Masks of a random width at a random place, which hold the mean of the sample (Park et al., 2019).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpecAugment {
    /// The widest mask over steps.
    pub time: i64,
    /// The widest mask over features.
    pub frequency: i64,
    /// How many there are of each.
    pub masks: i64,
}

/// Parameters that another program has trained, for one encoder to begin with.
///
/// What is meant of the encoder is named by its layers, `resnet.layer1`, or by what is inside them, `resnet.layer1.0`: a
/// name stands for all variables `encoders.<modality>.<name>` and `encoders.<modality>.<name>.…`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// The modality whose encoder it is.
    pub modality: String,
    /// The safetensors file.
    pub file: PathBuf,
    /// How the file names the parameters.
    pub names: Names,
    /// What of the file is not loaded: names in it, or what they begin with up to a dot.
    pub ignore: Vec<String>,
    /// What of the encoder is not in the file and keeps its drawn parameters.
    pub fresh: Vec<String>,
    /// What of the encoder no stage trains. Batch normalisations in it keep their running averages, by which they
    /// normalise in training as well; dropout in it goes on. A layer of the user's own tells by its parameters, which
    /// require no gradients meanwhile.
    pub freeze: Vec<String>,
    /// The learning rate of what is loaded, as a factor of the stage's.
    pub learning_rate: f64,
}

/// How a file names the parameters of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// As torchvision names those of one of its networks.
    Torchvision {
        /// What kind of network it is.
        kind: Torchvision,
        /// The network's name: its first stage is the layer `<network>.layer1`.
        network: String,
    },
    /// As Hugging Face's `transformers` names those of a BERT, by itself or inside a model with heads.
    Huggingface {
        /// The BERT's name: its embeddings are the layer `<network>.embeddings`.
        network: String,
        /// The number of its layers.
        layers: usize,
    },
    /// The file is no safetensors file but a text of word vectors, as GloVe has them; see [`crate::data::text::Vectors`].
    /// It says only what the table of one embedding is, and all else begins with drawn parameters.
    Glove {
        /// The embedding.
        layer: String,
        /// The file of the vocabulary, whose words are the rows of the table; see [`crate::data::text::Vocabulary`].
        vocabulary: PathBuf,
    },
    /// From what names in the file begin with, up to a dot, to what they begin with in the encoder. The longest beginning
    /// counts; an empty one stands for all names.
    Map(Vec<(String, String)>),
}

/// The kinds of networks whose parameters torchvision names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Torchvision {
    /// A ResNet of images, or of every frame of a video.
    Resnet,
    /// A ResNet of 3-D convolutions.
    R3d,
    /// The same with convolutions in space and time apart.
    R2plus1d,
}

/// What every stage has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// What moves the parameters.
    pub optimizer: Optimizer,
    /// How the learning rate changes over the steps of the stage.
    pub schedule: Schedule,
    /// Ends the stage after this many epochs without a better validation score.
    pub patience: Option<usize>,
    /// By what the best epoch is selected, on the validation samples; the navigator's stage has no choice.
    #[serde(default)]
    pub select: Metric,
}

/// What a network learns by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Cross-entropy, of a classification.
    CrossEntropy {
        /// How much of each target is spread evenly over all classes, from 0 to below 1.
        label_smoothing: f64,
        /// What each class weighs.
        weights: ClassWeights,
    },
    /// Binary cross-entropy, of labels.
    BinaryCrossEntropy {
        /// What each label weighs where it is there, against 1 where it is not.
        positive_weights: ClassWeights,
    },
    /// The mean absolute error, of real values.
    Mae,
    /// The mean squared error, of real values.
    Mse,
    /// Half the squared error up to a difference of `delta`, and `delta` times the absolute one beyond, of real values.
    Huber {
        /// The difference, above 0.
        delta: f64,
    },
}

impl Loss {
    /// That of a task whose spec says nothing of it.
    pub fn of(task: Task) -> Self {
        match task {
            Task::Classification { .. } => Self::CrossEntropy { label_smoothing: 0.0, weights: ClassWeights::Equal },
            Task::Multilabel { .. } => Self::BinaryCrossEntropy { positive_weights: ClassWeights::Equal },
            Task::Regression { .. } => Self::Mae,
        }
    }
}

/// What classes or labels weigh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// The same.
    Equal,
    /// By how rare they are among the training samples: a class by all samples over the classes times its own, a label by
    /// the samples without it over those with it. One that no training sample has weighs 1.
    Balanced,
    /// These, one each.
    Listed(Vec<f64>),
}

/// What is measured on the validation samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The loss that the stage learns by.
    #[default]
    Loss,
    /// Of a classification: the share of samples whose class is right.
    Accuracy,
    /// Of labels: F1 from the counts of all together.
    MicroF1,
    /// Of a classification or of labels: the mean of F1 over them.
    MacroF1,
    /// Of a classification: the mean of F1, each class weighted by how often it occurs.
    WeightedF1,
    /// Of labels: the share of samples all of whose labels are right.
    SubsetAccuracy,
    /// Of real values: the mean absolute error.
    Mae,
    /// Of real values: Pearson's correlation.
    Correlation,
    /// Of real values: the share of those whose being above zero is right.
    BinaryAccuracy,
}

impl Metric {
    /// The name, as the spec has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::MicroF1 => "micro_f1",
            Self::MacroF1 => "macro_f1",
            Self::WeightedF1 => "weighted_f1",
            Self::SubsetAccuracy => "subset_accuracy",
            Self::Mae => "mae",
            Self::Correlation => "correlation",
            Self::BinaryAccuracy => "binary_accuracy",
        }
    }

    /// Whether less of it is better.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Loss | Self::Mae)
    }

    /// Those of a task.
    pub fn of(task: Task) -> &'static [Self] {
        match task {
            Task::Classification { .. } => &[Self::Loss, Self::Accuracy, Self::MacroF1, Self::WeightedF1],
            Task::Multilabel { .. } => &[Self::Loss, Self::MicroF1, Self::MacroF1, Self::SubsetAccuracy],
            Task::Regression { .. } => &[Self::Loss, Self::Mae, Self::Correlation, Self::BinaryAccuracy],
        }
    }
}

/// The shortcut stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shortcuts {
    /// What is trained along with the shortcuts.
    pub method: Method,
    /// The settings of each shortcut's training.
    pub stage: Stage,
}

/// The two methods of Section IV-A, and a third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Block `j` learns together with shortcut `j`, from the pre-trained parameters on; then block `j` is frozen.
    Integral,
    /// Encoders stay frozen, and shortcuts learn from their cached features.
    Peripheral,
    /// All parts but the navigator learn together, from the pre-trained parameters on or from the start, by a loss at
    /// every exit, on the full route and on a random one.
    Joint,
}

/// The navigator stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Navigator {
    /// Who decides: the stage teaches this policy, and [`crate::routing::predict`] asks it.
    pub policy: Policy,
    /// What quality the time of late fusion must bring, where a learned policy is given no budget:
    /// [`crate::policy::Budget::Price`].
    pub price: f64,
    /// The settings of the stage.
    pub stage: Stage,
    /// What the paper's policy decides from.
    pub from: Reads,
    /// λ of Eq. (4), for the paper's policy.
    pub latency: Latency,
    /// τ of Eq. (5) over the stage, for the paper's policy.
    pub temperature: Temperature,
    /// Whether the paper's policy learns from answers to training samples that are made as uncertain as those to
    /// validation samples.
    pub soften: bool,
}

/// Who decides how far each sample goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The paper's navigator, [`crate::policy::Paper`]: once, for the λ that it was trained with.
    Paper,
    /// [`crate::policy::Confidence`]: at the first exit that is sure enough, for any budget.
    Confidence,
    /// [`crate::policy::Value`]: once, after the first blocks, for any budget.
    Value,
    /// [`crate::policy::Sequential`]: after every block, for any budget.
    Sequential,
}

impl Policy {
    /// Those that serve any budget after one training, because they weigh what they know of an answer against milliseconds.
    pub const LEARNED: [Self; 3] = [Self::Confidence, Self::Value, Self::Sequential];

    /// The name, as the spec has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Confidence => "confidence",
            Self::Value => "value",
            Self::Sequential => "sequential",
        }
    }
}

/// What the paper's navigator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// The raw inputs, through embedding layers of its own, before any encoder runs.
    Inputs,
    /// Mean and maximum of each channel of the first blocks' outputs, once the first block of every modality has run.
    Stem,
    /// What the network would answer at the first exits, once the first block of every modality has run.
    Posterior,
}

impl Reads {
    /// The name, as the spec has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Stem => "stem",
            Self::Posterior => "posterior",
        }
    }
}

/// λ of Eq. (4): how much a millisecond weighs against the task loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// λ is calibrated when the stage starts, so that the latency of late fusion weighs this share of the task loss
    /// that the task heads have at the exits, on average. The paper's useful range is 0.05 to 1.
    Ratio(f64),
    /// λ itself, per millisecond.
    Weight(f64),
}

/// The temperature τ of Eq. (5), annealed from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// At the first step.
    pub from: f64,
    /// At the last step.
    pub to: f64,
    /// In between.
    pub anneal: Anneal,
}

/// The way from one temperature to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// The same factor each step.
    Exponential,
    /// The same difference each step.
    Linear,
}

/// What moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// AdamW (Loshchilov and Hutter, 2019).
    AdamW {
        /// The learning rate at its peak.
        lr: f64,
        /// The decoupled weight decay.
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// The learning rate at its peak.
        lr: f64,
        /// The momentum.
        momentum: f64,
        /// The weight decay, added to the gradient.
        weight_decay: f64,
    },
}

/// The learning rate over the steps of a stage, as a factor of its peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The peak throughout.
    Constant,
    /// A linear rise over the first `warmup` share of the steps, then half a cosine down to zero.
    Cosine {
        /// The share of the steps, from 0 to 1.
        warmup: f64,
    },
    /// The peak, multiplied by `gamma` after every `epochs` epochs.
    Step {
        /// The epochs between two drops.
        epochs: usize,
        /// The factor of a drop.
        gamma: f64,
    },
}

impl Plan {
    /// The settings of all stages, in their order.
    pub fn stages_mut(&mut self) -> [&mut Stage; 4] {
        [&mut self.pretrain, &mut self.shortcuts.stage, &mut self.fusion, &mut self.navigator.stage]
    }

    /// Checks that what selects epochs is measured of this task.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first stage whose metric is not.
    pub(crate) fn check_metrics(&self, task: Task) -> Result<()> {
        let stages = [
            ("pretrain", &self.pretrain, Metric::of(task)),
            ("shortcuts", &self.shortcuts.stage, Metric::of(task)),
            ("fusion", &self.fusion, Metric::of(task)),
            // What it learns by weighs quality against time, and so does what selects its epoch.
            ("navigator", &self.navigator.stage, &[Metric::Loss]),
        ];
        for (stage, Stage { select, .. }, own) in stages {
            let names: Vec<_> = own.iter().map(|metric| format!("`{}`", metric.name())).collect();
            require(
                own.contains(select),
                &format!("training.{stage}.select"),
                &format!("one of {}", names.join(", ")),
                select.name(),
            )?;
        }
        Ok(())
    }

    /// Checks every value: a spec's are checked when it is compiled, but a program may change them.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that cannot be used, as the spec does.
    pub fn check(&self) -> Result<()> {
        for Weights { modality, learning_rate, .. } in &self.weights {
            above_zero(&format!("modalities.{modality}.weights.learning_rate"), *learning_rate)?;
        }
        if self.shortcuts.method != Method::Joint {
            let expected = "at least 1 where the shortcuts' method is not `joint`";
            require(self.pretrain.epochs >= 1, "training.pretrain.epochs", expected, self.pretrain.epochs)?;
        }
        self.pretrain.check("training.pretrain")?;
        self.shortcuts.stage.check("training.shortcuts")?;
        self.fusion.check("training.fusion")?;
        self.navigator.stage.check("training.navigator")?;
        let (name, value) = match self.navigator.latency {
            Latency::Ratio(value) => ("ratio", value),
            Latency::Weight(value) => ("weight", value),
        };
        at_least_zero(&format!("navigator.latency.{name}"), value)?;
        at_least_zero("navigator.price", self.navigator.price)?;
        above_zero("navigator.temperature.from", self.navigator.temperature.from)?;
        above_zero("navigator.temperature.to", self.navigator.temperature.to)
    }
}

impl Stage {
    fn check(&self, name: &str) -> Result<()> {
        at_least_one(&format!("{name}.batch"), self.batch)?;
        if let Some(patience) = self.patience {
            at_least_one(&format!("{name}.patience"), patience)?;
        }
        match self.optimizer {
            Optimizer::AdamW { lr, weight_decay } => {
                above_zero(&format!("{name}.optimizer.adamw.lr"), lr)?;
                at_least_zero(&format!("{name}.optimizer.adamw.weight_decay"), weight_decay)?;
            }
            Optimizer::Sgd { lr, momentum, weight_decay } => {
                above_zero(&format!("{name}.optimizer.sgd.lr"), lr)?;
                require(
                    (0.0..1.0).contains(&momentum),
                    &format!("{name}.optimizer.sgd.momentum"),
                    "from 0 to below 1",
                    momentum,
                )?;
                at_least_zero(&format!("{name}.optimizer.sgd.weight_decay"), weight_decay)?;
            }
        }
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Cosine { warmup } => {
                let name = format!("{name}.schedule.cosine.warmup");
                require((0.0..=1.0).contains(&warmup), &name, "from 0 to 1", warmup)
            }
            Schedule::Step { epochs, gamma } => {
                at_least_one(&format!("{name}.schedule.step.epochs"), epochs)?;
                above_zero(&format!("{name}.schedule.step.gamma"), gamma)
            }
        }
    }
}

fn at_least_one(name: &str, value: usize) -> Result<()> {
    require(value >= 1, name, "at least 1", value)
}

fn at_least_zero(name: &str, value: f64) -> Result<()> {
    require(value.is_finite() && value >= 0.0, name, "a number of at least 0", value)
}

fn above_zero(name: &str, value: f64) -> Result<()> {
    require(value.is_finite() && value > 0.0, name, "a number above 0", value)
}

fn require(holds: bool, name: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::invalid(format!("plan, `{name}`: expected {expected}, found {found}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::tiny::Tiny;

    #[test]
    fn names_the_value_that_cannot_be_used() {
        let cases: [fn(&mut Plan); 11] = [
            |plan| plan.pretrain.batch = 0,
            |plan| plan.shortcuts.stage.patience = Some(0),
            |plan| plan.fusion.optimizer = Optimizer::AdamW { lr: -1.0, weight_decay: 0.0 },
            |plan| plan.fusion.optimizer = Optimizer::Sgd { lr: 0.1, momentum: 1.0, weight_decay: 0.0 },
            |plan| plan.fusion.optimizer = Optimizer::Sgd { lr: 0.1, momentum: 0.5, weight_decay: f64::NAN },
            |plan| plan.navigator.stage.schedule = Schedule::Cosine { warmup: 1.5 },
            |plan| plan.navigator.stage.schedule = Schedule::Step { epochs: 0, gamma: 0.1 },
            |plan| plan.navigator.latency = Latency::Ratio(f64::INFINITY),
            |plan| plan.navigator.latency = Latency::Weight(-0.5),
            |plan| plan.navigator.temperature.to = 0.0,
            |plan| plan.navigator.price = -0.5,
        ];
        assert!(Tiny::plan().check().is_ok());
        let errors = cases.map(|spoil| {
            let mut plan = Tiny::plan();
            spoil(&mut plan);
            plan.check().unwrap_err().to_string()
        });
        insta::assert_snapshot!(errors.join("\n"));
    }
}
