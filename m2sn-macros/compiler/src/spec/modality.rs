use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::choice::NotedLayer;
use super::layer::Layer;
use super::normalize::Normalize;
use super::weights::Weights;

/// One modality.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Modality {
    /// What one sample is.
    pub(crate) input: Input,
    /// The share of training samples from which this modality is dropped, so that the network learns to do without it:
    /// inputs may then lack it, and routes may pass it by. 0 drops none, for data that lack it often enough themselves.
    /// Where left out, every input has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<f64>,
    /// How inputs are brought to a mean of zero and a deviation of one, each channel of images and videos and each feature
    /// of sequences and vectors by itself, and sound as a whole: `fitted` to the training samples, padding and samples that
    /// lack the modality left out, or as `{ mean: […], deviation: […] }`. Bytes are divided by 255 first, and need it. It is
    /// a part of the model, and lies in its checkpoints: whoever loads one feeds it numbers as they come. Where left out,
    /// they are taken as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) normalize: Option<Normalize>,
    /// The layers in order, each as `name: layer`; the last one has to yield a vector, the deepest feature.
    pub(crate) encoder: Vec<Named>,
    /// The layers after which an exit leads to the deepest feature, in the order of the encoder.
    /// The deepest feature itself is always an exit too, named `full`.
    #[serde(default)]
    pub(crate) shortcuts: Vec<Point>,
    /// Parameters that another program has trained, for the encoder to begin with; all are drawn where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weights: Option<Weights>,
}

/// What one sample of a modality is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Input {
    /// An image or a spectrogram, `[batch, channels, height, width]`.
    ///
    /// Bytes take a quarter of the memory of floats; the modality needs `normalize` then, which makes them floats.
    Image {
        /// The channels: 1 for grey, 3 for colour.
        channels: u64,
        /// The height in pixels.
        height: u64,
        /// The width in pixels.
        width: u64,
        /// Whether pixels are bytes, from 0 to 255, and not floats.
        #[serde(default, skip_serializing_if = "is_false")]
        bytes: bool,
    },
    /// Frames over time, `[batch, frames, channels, height, width]`; a batch carries the samples' lengths where some have
    /// fewer frames. Optical flow has two channels.
    Video {
        /// The longest sample, in frames.
        frames: u64,
        /// The channels: 1 for grey, 3 for colour, 2 for optical flow.
        channels: u64,
        /// The height in pixels.
        height: u64,
        /// The width in pixels.
        width: u64,
        /// Whether pixels are bytes, from 0 to 255, and not floats.
        #[serde(default, skip_serializing_if = "is_false")]
        bytes: bool,
    },
    /// Sound, `[batch, samples]`; a batch carries the samples' lengths where some are shorter.
    Waveform {
        /// The longest sound, in samples.
        samples: u64,
        /// The samples of a second.
        rate: u64,
    },
    /// Token ids, `[batch, length]`, padded at the end.
    Tokens {
        /// The longest sample, in tokens.
        length: u64,
        /// The number of different tokens; ids run from 0 to `vocabulary - 1`.
        vocabulary: u64,
        /// The id that fills the places after the end of a sample; none where every sample is full.
        #[serde(default)]
        padding: Option<u64>,
    },
    /// Features over time, `[batch, length, features]`; a batch carries the samples' lengths, and the padding stands
    /// at the end. For samples that are padded in front, a batch carries a mask instead.
    Sequence {
        /// The longest sample, in steps.
        length: u64,
        /// The features of a step.
        features: u64,
    },
    /// A vector of features, `[batch, size]`.
    Vector {
        /// The number of features.
        size: u64,
    },
}

/// A layer of an encoder with its name, written `name: layer`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) layer: Layer,
}

/// A shortcut point: the name of a layer, or `{ at: layer, grid: 2 }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: String,
    /// The side of the grid that the pooling of an image's shortcut leads to.
    pub(crate) grid: u64,
}

/// What is not said need not be written out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Point {
    pub(crate) const GRID: u64 = 2;
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a layer with its name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(name) = map.next_key::<String>()? else {
                    return Err(de::Error::custom("a layer without a name"));
                };
                let is_layer = Cell::new(false);
                let layer = map.next_value_seed(NotedLayer(&is_layer)).map_err(|refusal| {
                    // Who leaves the name out writes settings where the layer should be.
                    if Layer::KINDS.contains(&name.as_str()) && !is_layer.get() {
                        de::Error::custom("a layer without a name")
                    } else {
                        refusal
                    }
                })?;
                if let Some(second) = map.next_key::<String>()? {
                    let message = format!("`{second}` in the entry of `{name}`: each layer is an entry of its own");
                    return Err(de::Error::custom(message));
                }
                Ok(Named { name, layer })
            }
        }

        deserializer.deserialize_struct("Named", &[], Entry)
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&self.name, &self.layer)?;
        map.end()
    }
}

/// A shortcut point with its settings.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DetailedPoint {
    /// The layer that the exit follows.
    at: String,
    /// The side of the grid that an image's shortcut is pooled to; 2 where left out.
    #[serde(default = "default_grid")]
    grid: u64,
}

fn default_grid() -> u64 {
    Point::GRID
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrSettings;

        impl<'de> Visitor<'de> for NameOrSettings {
            type Value = Point;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a layer, or a mapping with `at` and `grid`")
            }

            fn visit_str<E: de::Error>(self, at: &str) -> Result<Self::Value, E> {
                Ok(Point { at: at.to_owned(), grid: Point::GRID })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let DetailedPoint { at, grid } =
                    DetailedPoint::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Point { at, grid })
            }
        }

        deserializer.deserialize_struct("DetailedPoint", &[], NameOrSettings)
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DetailedPoint { at: self.at.clone(), grid: self.grid }.serialize(serializer)
    }
}

#[cfg(test)]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{DetailedPoint, Layer, Named, Point};

    impl JsonSchema for Named {
        fn schema_name() -> Cow<'static, str> {
            "Named".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A layer with its name, written `name: layer`.",
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": generator.subschema_for::<Layer>(),
            })
        }
    }

    impl JsonSchema for Point {
        fn schema_name() -> Cow<'static, str> {
            "Point".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A shortcut point: the name of a layer, or `{ at: layer, grid: 2 }`.",
                "anyOf": [{ "type": "string" }, generator.subschema_for::<DetailedPoint>()],
            })
        }
    }
}
