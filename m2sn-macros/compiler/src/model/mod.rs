//! The checked network: identifiers made, shapes and costs known, shortcut points resolved.
//!
//! Whoever holds a [`Model`] need not doubt it: `check` is the only place that makes one.

mod name;

use std::fmt;
use std::ops::{Add, Range};

use crate::layer::Operation;
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
    pub(crate) modalities: Vec<Modality>,
    /// The width of the fused feature.
    pub(crate) fused: u64,
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
    /// The encoder's layers, in order; the last one yields [`Shape::Vector`].
    pub(crate) layers: Vec<Layer>,
    /// The exits from the shallowest to `full`; block `j` leads from exit `j - 1` (or the input) to exit `j`.
    pub(crate) exits: Vec<Exit>,
    /// The width of the deepest feature.
    pub(crate) feature: u64,
    /// Predicts the task from this modality alone.
    pub(crate) task_head: Layer,
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

/// A shortcut module (Section III-B of the paper).
#[derive(Debug)]
pub(crate) struct Shortcut {
    pub(crate) alignment: Alignment,
    pub(crate) input: Shape,
    /// The width of the deepest feature.
    pub(crate) feature: u64,
    pub(crate) cost: Cost,
}

/// How a shortcut brings a feature to the deepest one's dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// One large-stride average pooling to a grid and three 1x1 convolutions of these widths.
    Image { kernel: [u64; 2], stride: [u64; 2], widths: [u64; 3] },
    /// The mean over the real steps, and three 1x1 convolutions of these widths.
    Sequence { widths: [u64; 3] },
    /// Three 1x1 convolutions of these widths on a vector.
    Vector { widths: [u64; 3] },
    /// The dimensions match: for a sequence the mean over the real steps, for a vector nothing.
    None,
}

/// The navigator (Section III-C).
#[derive(Debug)]
pub(crate) struct Navigator {
    /// One list of layers a modality, each ending in [`Shape::Vector`].
    pub(crate) embeddings: Vec<Vec<Layer>>,
    /// From all embeddings side by side to the exits of all modalities side by side.
    pub(crate) decision: Layer,
    pub(crate) cost: Cost,
    pub(crate) latency: spec::Latency,
    pub(crate) temperature: spec::Temperature,
}

/// One layer, with the shapes on both its sides.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: Name,
    pub(crate) operation: Operation,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) cost: Cost,
}

/// The shape of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Image { channels: u64, height: u64, width: u64 },
    Vector { size: u64 },
    Tokens { length: u64 },
    Sequence { length: u64, features: u64 },
}

/// What a part of the network costs for one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) parameters: u64,
    pub(crate) multiply_adds: u64,
}

impl Shape {
    /// The dimensions without the batch.
    pub(crate) fn dims(self) -> Vec<u64> {
        match self {
            Self::Image { channels, height, width } => vec![channels, height, width],
            Self::Vector { size } => vec![size],
            Self::Tokens { length } => vec![length],
            Self::Sequence { length, features } => vec![length, features],
        }
    }
}

impl fmt::Display for Shape {
    /// The Rust type, such as `Image<16, 28, 28>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Image { .. } => "Image",
            Self::Vector { .. } => "Vector",
            Self::Tokens { .. } => "Tokens",
            Self::Sequence { .. } => "Sequence",
        };
        let dims: Vec<_> = self.dims().iter().map(u64::to_string).collect();
        write!(f, "{name}<{}>", dims.join(", "))
    }
}

impl Cost {
    /// The cost of as many of the same.
    pub(crate) fn times(self, count: u64) -> Self {
        Self {
            parameters: self.parameters.saturating_mul(count),
            multiply_adds: self.multiply_adds.saturating_mul(count),
        }
    }
}

impl Add for Cost {
    type Output = Self;

    /// The cost of both; saturates, since `check` bounds every layer's cost on its own.
    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters.saturating_add(other.parameters),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}
