use serde::{Deserialize, Serialize};

use super::Layer;

/// A layer again and again, each time with parameters of its own: `name.1`, `name.2`, ….
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Repeat {
    /// How often, 1 or more.
    pub(crate) times: u64,
    /// The layer. What it yields is what the next one takes.
    pub(crate) layer: Box<Layer>,
}

/// A ResNet without its classifier, as torchvision has it: `name.stem`, `name.pool`, `name.layer1` to `name.layer4`, and
/// `name.feature`, the average over all pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Resnet {
    /// The number of layers that count: 18, 34, 50, 101 or 152.
    pub(crate) depth: u64,
}
