use serde::{Deserialize, Serialize};

use super::{Loss, Ordered};

/// The stages of the training, with every default filled in.
///
/// A stage that leaves `batch`, `optimizer` or `schedule` out takes those of `pretrain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub(crate) struct Training {
    /// Decides every random choice of the training.
    pub(crate) seed: u64,
    /// What the network learns by; `check` gives a task that leaves it out its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loss: Option<Loss>,
    /// By what the best epoch of every stage but the navigator's is selected, unless the stage says otherwise.
    pub(crate) select: Metric,
    /// Late fusion and the heads of the single modalities.
    pub(crate) pretrain: Stage,
    /// The shortcuts.
    pub(crate) shortcuts: Shortcuts,
    /// Fusion and head on the features of randomly drawn routes.
    pub(crate) fusion: Stage,
    /// The navigator.
    pub(crate) navigator: Stage,
    /// How training samples are changed at random, by modality.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub(crate) augment: Ordered<Augment>,
}

/// How training samples of a modality are changed at random, anew in every mini-batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Augment {
    /// Flips half of the images, of a video all frames or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flip: Option<Flip>,
    /// Cuts images of the same size out of ones with a border; of a video the same of all frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crop: Option<Crop>,
    /// Masks steps and features of a sequence, or columns and rows of an image that is a spectrogram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spec_augment: Option<SpecAugment>,
}

/// How images are flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Flip {
    /// Left and right change places.
    Horizontal,
}

/// A random cut out of an image with a border.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Crop {
    /// The zeros around the image, in pixels.
    pub(crate) padding: u64,
}

/// The masks of SpecAugment (Park et al., 2019), of a random width at a random place, which hold the sample's mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SpecAugment {
    /// The widest mask over steps; 0 for none.
    pub(crate) time: u64,
    /// The widest mask over features; 0 for none.
    pub(crate) frequency: u64,
    /// How many masks of each kind; 1 where left out.
    #[serde(default = "SpecAugment::masks")]
    pub(crate) masks: u64,
}

impl SpecAugment {
    fn masks() -> u64 {
        1
    }
}

/// One stage of the training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Stage {
    /// Passes over the training samples.
    pub(crate) epochs: u64,
    /// Samples a step.
    pub(crate) batch: u64,
    /// What moves the parameters.
    pub(crate) optimizer: Optimizer,
    /// How the learning rate changes over the stage.
    pub(crate) schedule: Schedule,
    /// Ends the stage after this many epochs without a better validation score.
    pub(crate) patience: Option<u64>,
    /// By what the best epoch is selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) select: Option<Metric>,
}

/// What is measured on the validation samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Metric {
    /// The loss that the stage learns by.
    #[default]
    Loss,
    /// The share of samples whose class is right.
    Accuracy,
    /// F1 from the counts of all labels together.
    MicroF1,
    /// The mean of F1 over classes or labels.
    MacroF1,
    /// The mean of F1 over classes, each weighted by how often it occurs.
    WeightedF1,
    /// The share of samples whose labels are all right.
    SubsetAccuracy,
    /// The mean absolute error.
    Mae,
    /// Pearson's correlation.
    Correlation,
    /// The share of values whose being above zero is right.
    BinaryAccuracy,
}

impl Metric {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
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
}

/// The stage of the shortcuts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shortcuts {
    /// What is trained along with the shortcuts.
    pub(crate) method: Method,
    /// The settings of each shortcut's training.
    #[serde(flatten)]
    pub(crate) stage: Stage,
}

/// What is trained along with the shortcuts: the two methods of Section IV-A of the paper, and a third.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Method {
    /// Each block learns together with its shortcut and is then frozen: better exits.
    #[default]
    Integral,
    /// Encoders stay frozen: much faster.
    Peripheral,
    /// All parts but the navigator learn together, by a loss at every exit: good exits, and a full route that keeps up.
    /// They begin with the pre-trained parameters, or with freshly drawn ones where `pretrain` has 0 epochs.
    Joint,
}

/// What moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Optimizer {
    /// AdamW (Loshchilov and Hutter, 2019).
    #[serde(rename = "adamw")]
    AdamW {
        /// The learning rate at its peak; 0.001 where left out.
        #[serde(default = "Optimizer::lr")]
        lr: f64,
        /// The decoupled weight decay; 0.01 where left out.
        #[serde(default = "Optimizer::weight_decay")]
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum.
    #[serde(rename = "sgd")]
    Sgd {
        /// The learning rate at its peak.
        lr: f64,
        /// The momentum; 0.9 where left out.
        #[serde(default = "Optimizer::momentum")]
        momentum: f64,
        /// The weight decay, added to the gradient; 0 where left out.
        #[serde(default)]
        weight_decay: f64,
    },
}

/// How the learning rate changes over a stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Schedule {
    /// The same throughout.
    Constant,
    /// A linear rise, then half a cosine down to zero.
    Cosine {
        /// The share of the steps that the rise takes; 0.05 where left out.
        #[serde(default = "Schedule::warmup")]
        warmup: f64,
    },
    /// A drop every few epochs.
    Step {
        /// The epochs between two drops.
        epochs: u64,
        /// The factor of a drop; 0.1 where left out.
        #[serde(default = "Schedule::gamma")]
        gamma: f64,
    },
}

/// The training as it is written.
#[derive(Default, Deserialize)]
#[serde(rename = "Training", default, deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Written {
    /// Decides every random choice of the training; 0 where left out.
    seed: u64,
    /// What the network learns by in every stage; where left out cross-entropy, binary cross-entropy or the mean absolute
    /// error, by the task.
    loss: Option<Loss>,
    /// By what the best epoch of every stage but the navigator's is selected, on the validation samples: `loss` where left
    /// out. `patience` counts by it too.
    select: Metric,
    /// Late fusion and the heads of the single modalities; 20 epochs where left out. With the shortcut method `joint` it may
    /// have 0 epochs: everything then learns together from freshly drawn parameters.
    /// The other stages take its `batch` (64 where left out), `optimizer` (AdamW) and `schedule` (cosine) as defaults.
    pretrain: WrittenStage,
    /// The shortcuts; 5 epochs for each where left out.
    shortcuts: WrittenShortcuts,
    /// Fusion and head on the features of randomly drawn routes; 5 epochs where left out.
    fusion: WrittenStage,
    /// The navigator; 10 epochs where left out.
    navigator: WrittenStage,
    /// How training samples are changed at random where encoders learn from them, by modality: in pre-training, and in the
    /// shortcuts' stage with `joint`, or up to the first shortcut with `integral`. What learns from features of frozen parts
    /// sees samples as they are.
    augment: Ordered<Augment>,
}

/// One stage of the training.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WrittenStage {
    /// Passes over the training samples.
    epochs: Option<u64>,
    /// Samples a step.
    batch: Option<u64>,
    /// What moves the parameters.
    optimizer: Option<Optimizer>,
    /// How the learning rate changes over the stage.
    schedule: Option<Schedule>,
    /// Ends the stage after this many epochs without a better validation score; never where left out.
    patience: Option<u64>,
    /// By what the best epoch is selected; as for the whole training where left out. The navigator's stage has a loss of its
    /// own, which weighs time, and no choice.
    select: Option<Metric>,
}

/// The stage of the shortcuts.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WrittenShortcuts {
    /// What is trained along with the shortcuts; `integral` where left out.
    method: Method,
    /// Passes over the training samples for each shortcut.
    epochs: Option<u64>,
    /// Samples a step.
    batch: Option<u64>,
    /// What moves the parameters.
    optimizer: Option<Optimizer>,
    /// How the learning rate changes over the training of a shortcut.
    schedule: Option<Schedule>,
    /// Ends a shortcut's training after this many epochs without a better validation score; never where left out.
    patience: Option<u64>,
    /// By what the best epoch is selected; as for the whole training where left out.
    select: Option<Metric>,
}

impl Default for Training {
    fn default() -> Self {
        Written::default().into()
    }
}

impl From<Written> for Training {
    fn from(Written { seed, loss, select, pretrain, shortcuts, fusion, navigator, augment }: Written) -> Self {
        let defaults = Stage {
            epochs: 20,
            batch: 64,
            optimizer: Optimizer::AdamW { lr: Optimizer::lr(), weight_decay: Optimizer::weight_decay() },
            schedule: Schedule::Cosine { warmup: Schedule::warmup() },
            patience: None,
            select: None,
        };
        let pretrain = pretrain.or(&defaults);
        let defaults = |epochs| Stage { epochs, ..pretrain.clone() };
        let WrittenShortcuts { method, epochs, batch, optimizer, schedule, patience, select: own } = shortcuts;
        let shortcuts = WrittenStage { epochs, batch, optimizer, schedule, patience, select: own };
        Self {
            seed,
            loss,
            select,
            shortcuts: Shortcuts { method, stage: shortcuts.or(&defaults(5)) },
            fusion: fusion.or(&defaults(5)),
            navigator: navigator.or(&defaults(10)),
            pretrain,
            augment,
        }
    }
}

impl WrittenStage {
    fn or(self, defaults: &Stage) -> Stage {
        Stage {
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch: self.batch.unwrap_or(defaults.batch),
            optimizer: self.optimizer.unwrap_or(defaults.optimizer),
            schedule: self.schedule.unwrap_or(defaults.schedule),
            patience: self.patience,
            select: self.select,
        }
    }
}

impl Optimizer {
    fn lr() -> f64 {
        1e-3
    }

    fn weight_decay() -> f64 {
        0.01
    }

    fn momentum() -> f64 {
        0.9
    }
}

impl Schedule {
    fn warmup() -> f64 {
        0.05
    }

    fn gamma() -> f64 {
        0.1
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Training {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Training".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}
