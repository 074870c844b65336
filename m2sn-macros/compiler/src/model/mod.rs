//! The checked network: identifiers made, shapes and costs known, shortcut points resolved.
//!
//! Whoever holds a [`Model`] need not doubt it: `check` is the only place that makes one.

mod name;

use std::fmt;
use std::ops::Range;

use proc_macro2::TokenStream;

use crate::cost::Cost;
use crate::fusion::Fusion;
use crate::layer::{Operation, Shortcut};
use crate::shape::Shape;
use crate::spec;

pub(crate) use name::Name;

/// A network that has passed every check.
#[derive(Debug)]
pub(crate) struct Model {
    /// The name in PascalCase, which the annotated struct bears too, and in snake_case for the module.
    pub(crate) name: Name,
    /// What the network is for, in the user's words.
    pub(crate) description: Option<String>,
    pub(crate) task: Task,
    /// What classes, labels or targets are called, in the order of their numbers; empty where they have no names.
    pub(crate) outputs: Vec<String>,
    pub(crate) modalities: Vec<Modality>,
    /// How the features of the modalities become one.
    pub(crate) fusion: Fusion,
    pub(crate) head: Layer,
    pub(crate) navigator: Navigator,
    /// The training section with every default filled in.
    pub(crate) training: spec::Training,
    /// The spec with every default filled in, as YAML.
    pub(crate) resolved: String,
}

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Classification { classes: u64 },
    Multilabel { labels: u64 },
    Regression { targets: u64 },
}

/// One modality: its encoder, cut into blocks at the exits.
#[derive(Debug)]
pub(crate) struct Modality {
    pub(crate) name: Name,
    pub(crate) input: Shape,
    /// The number of token ids, where the input is of tokens.
    pub(crate) vocabulary: Option<u64>,
    /// The share of training samples that it is dropped from; `None` where every input has it.
    pub(crate) missing: Option<f64>,
    /// Whether its inputs are normalised by the training samples, or by what the spec declares; `None` where they are not.
    pub(crate) fitted: Option<bool>,
    /// The encoder's layers, in order, that which normalises the inputs first; the last one yields [`Shape::Vector`].
    pub(crate) layers: Vec<Layer>,
    /// The exits from the shallowest to `full`; block `j` leads from exit `j - 1` (or the input) to exit `j`.
    pub(crate) exits: Vec<Exit>,
    /// The width of the deepest feature.
    pub(crate) feature: u64,
    /// Predicts the task from this modality alone.
    pub(crate) task_head: Layer,
    /// What the encoder's parameters are before any training, where the spec says it.
    pub(crate) weights: Option<Weights>,
}

/// Parameters that another program has trained; all names are those of layers, or of what is inside them.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) file: String,
    pub(crate) names: Names,
    pub(crate) ignore: Vec<String>,
    pub(crate) fresh: Vec<String>,
    pub(crate) freeze: Vec<String>,
    pub(crate) learning_rate: f64,
}

/// How a file names parameters.
#[derive(Debug)]
pub(crate) enum Names {
    /// As torchvision names those of the network of this name.
    Torchvision { kind: Torchvision, network: String },
    /// As `transformers` names those of the BERT of this name and so many layers.
    Huggingface { network: String, layers: u64 },
    /// Not at all: it holds the vectors of words, of this vocabulary, for this embedding.
    Glove { layer: String, vocabulary: String },
    /// From what names in the file begin with to what they begin with here.
    Map(Vec<(String, String)>),
}

/// The kinds of networks whose parameters torchvision names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Torchvision {
    Resnet,
    R3d,
    R2plus1d,
}

/// One exit of an encoder.
#[derive(Debug)]
pub(crate) struct Exit {
    /// The layer that the exit follows, or `full`.
    pub(crate) name: Name,
    /// The layers of the block that ends here, as indices into [`Modality::layers`].
    pub(crate) layers: Range<usize>,
    /// The shape that the block ends in.
    pub(crate) shape: Shape,
    /// What the block costs.
    pub(crate) block: Cost,
    /// The way from here to the deepest feature; `None` for `full`, which is there already.
    pub(crate) shortcut: Option<Shortcut>,
}

/// What decides; the layers are those of the paper's navigator (Section III-C).
#[derive(Debug)]
pub(crate) struct Navigator {
    pub(crate) policy: spec::Policy,
    /// What the paper's policy decides from.
    pub(crate) from: spec::Reads,
    /// What quality the time of late fusion must bring, for a learned policy.
    pub(crate) price: f64,
    /// One list of layers a modality, each ending in [`Shape::Vector`].
    pub(crate) embeddings: Vec<Vec<Layer>>,
    /// From all embeddings side by side to the exits of all modalities side by side.
    pub(crate) decision: Layer,
    pub(crate) cost: Cost,
    pub(crate) latency: spec::Latency,
    pub(crate) temperature: spec::Temperature,
    /// Whether the paper's policy learns from softened answers.
    pub(crate) soften: bool,
}

impl Navigator {
    /// Whether the layers run where the spec's policy decides. They are there all the same, so that one trained network can be
    /// given any policy.
    pub(crate) fn runs(&self) -> bool {
        self.policy == spec::Policy::Paper && self.from == spec::Reads::Inputs
    }
}

/// One layer, with the shapes on both its sides.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) name: Name,
    pub(crate) operation: Operation,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) cost: Cost,
}

impl fmt::Display for Task {
    /// What the head yields, such as `10 classes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, what) = match self {
            Self::Classification { classes } => return write!(f, "{classes} classes"),
            Self::Multilabel { labels } => (labels, "label"),
            Self::Regression { targets } => (targets, "target"),
        };
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

impl Model {
    /// What every route adds to the encoders: what stands in for missing modalities, the fusion, and the head.
    pub(crate) fn fusion_and_head(&self) -> Cost {
        let missing = self.modalities.iter().filter(|modality| modality.may_be_missing());
        let parameters = missing.map(|modality| modality.feature).fold(0, u64::saturating_add);
        Cost { parameters, multiply_adds: 0 } + self.fusion.cost + self.head.cost
    }

    /// Whether some modality may be missing.
    pub(crate) fn may_lack(&self) -> bool {
        self.modalities.iter().any(Modality::may_be_missing)
    }
}

impl Modality {
    /// Whether inputs may lack it.
    pub(crate) fn may_be_missing(&self) -> bool {
        self.missing.is_some()
    }

    /// The exits, each with what one sample costs up to it, its shortcut included.
    pub(crate) fn costs(&self) -> impl Iterator<Item = (&Exit, Cost)> {
        let mut encoder = Cost::default();
        self.exits.iter().map(move |exit| {
            encoder = encoder + exit.block;
            (exit, encoder + exit.shortcut.as_ref().map_or_else(Cost::default, |shortcut| shortcut.cost))
        })
    }
}

impl Layer {
    /// Whether the layer is the user's own.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.operation, Operation::Custom(_))
    }

    /// The type of the layer in Rust.
    pub(crate) fn ty(&self) -> TokenStream {
        self.operation.ty(self.input, self.output)
    }

    /// The expression that builds the layer with its variables under `path`.
    pub(crate) fn construct(&self, path: TokenStream) -> TokenStream {
        self.operation.construct(path, self.input, self.output)
    }

    /// One line with shapes and settings: what decides whether a stored layer is this one.
    pub(crate) fn describe(&self) -> String {
        format!("{}: {} -> {}, {}", self.name.text, self.input, self.output, self.operation)
    }
}
