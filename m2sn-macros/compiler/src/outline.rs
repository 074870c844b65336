//! A checked network in words and numbers, for tools that show it.

use serde::Serialize;

use crate::cost::Cost;
use crate::model::{self, Model};

/// A network, as a tool shows it; serialized, it is one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The name of the annotated struct.
    pub model: String,
    /// What the network is for, where the spec says it.
    pub description: Option<String>,
    /// What the head yields, such as `10 classes`.
    pub outputs: String,
    /// The modalities, in the order of the spec.
    pub modalities: Vec<Modality>,
    /// How the features of the modalities become one: kind and settings, such as `low_rank_tensor rank 16`.
    pub fusion: String,
    /// The width of the fused feature.
    pub fused: u64,
    /// What predicts the task from the fused feature; the fusion, and what stands in for missing modalities, count in its
    /// cost.
    pub head: Layer,
    /// What chooses the exits from the raw inputs; `None` where the spec has them chosen by some thousand multiply-adds over
    /// what the encoders yield.
    pub navigator: Option<Navigator>,
}

/// A modality: its encoder, and where it may be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modality {
    /// The name of the modality.
    pub name: String,
    /// The shape of one sample, such as `Image<1, 24, 24>`.
    pub input: String,
    /// Whether inputs may lack it.
    pub may_be_missing: bool,
    /// The layers of the encoder, in order.
    pub layers: Vec<Layer>,
    /// The exits from the shallowest to `full`.
    pub exits: Vec<Exit>,
}

/// A layer, with the shapes on both its sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The name of the layer.
    pub name: String,
    /// Kind and settings, such as `conv kernel [3, 3] stride [2, 2] padding [1, 1] batch norm relu`.
    pub operation: String,
    /// The shape of one sample before it.
    pub input: String,
    /// The shape of one sample behind it.
    pub output: String,
    /// What the layer costs.
    pub cost: Cost,
}

/// An exit of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// The layer that the exit follows, or `full`.
    pub name: String,
    /// The number of layers before the exit.
    pub layers: usize,
    /// The shape that leaves the encoder here.
    pub shape: String,
    /// What the shortcut from here to the deepest feature costs; `None` for `full`.
    pub shortcut: Option<Cost>,
    /// What one sample costs up to here, the shortcut included.
    pub through: Cost,
}

/// The paper's navigator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Navigator {
    /// The embedding layers of each modality, in the order of the modalities.
    pub embeddings: Vec<Vec<Layer>>,
    /// From all embeddings side by side to a score for each exit.
    pub decision: Layer,
    /// What all of it costs.
    pub cost: Cost,
}

impl Outline {
    /// What the route costs on which no modality leaves early, the navigator aside: late fusion.
    pub fn late_fusion(&self) -> Cost {
        self.modalities.iter().filter_map(|modality| modality.exits.last()).map(|exit| exit.through).sum::<Cost>()
            + self.head.cost
    }

    pub(crate) fn of(model: &Model) -> Self {
        Self {
            model: model.name.text.clone(),
            description: model.description.clone(),
            outputs: model.task.to_string(),
            modalities: model.modalities.iter().map(modality).collect(),
            fusion: model.fusion.to_string(),
            fused: model.fusion.size,
            head: Layer { cost: model.fusion_and_head(), ..layer(&model.head) },
            navigator: model.navigator.runs().then(|| Navigator {
                embeddings: model.navigator.embeddings.iter().map(|layers| self::layers(layers)).collect(),
                decision: layer(&model.navigator.decision),
                cost: model.navigator.cost,
            }),
        }
    }
}

fn modality(modality: &model::Modality) -> Modality {
    let exits = modality.costs().map(|(exit, through)| Exit {
        name: exit.name.text.clone(),
        layers: exit.layers.end,
        shape: exit.shape.to_string(),
        shortcut: exit.shortcut.as_ref().map(|shortcut| shortcut.cost),
        through,
    });
    Modality {
        name: modality.name.text.clone(),
        input: modality.input.to_string(),
        may_be_missing: modality.may_be_missing(),
        layers: layers(&modality.layers),
        exits: exits.collect(),
    }
}

fn layers(layers: &[model::Layer]) -> Vec<Layer> {
    layers.iter().map(layer).collect()
}

fn layer(layer: &model::Layer) -> Layer {
    Layer {
        name: layer.name.text.clone(),
        operation: layer.operation.to_string(),
        input: layer.input.to_string(),
        output: layer.output.to_string(),
        cost: layer.cost,
    }
}
