use crate::cost::Cost;
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec::{self, Activation};

use super::Inferred;

/// The largest size of a dimension, and of any count in a spec: what fits into an `i32`.
pub(crate) const MAX_SIZE: u64 = i32::MAX as u64;

/// The most features of a shape, parameters of a layer and multiply-adds of a layer: what a float counts exactly.
const MAX_COUNT: u64 = 1 << 53;

/// Where a layer stands: what comes in, where it is written, and who takes the faults.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) input: Shape,
    /// The vocabulary and the padding id of the modality's tokens.
    pub(crate) tokens: Option<(u64, Option<u64>)>,
    /// The layer's entry, whose settings lie below it under the name of its kind.
    pub(crate) place: Place,
    pub(crate) errors: &'a mut Errors,
}

impl Site<'_> {
    /// The place of one setting of a layer of this kind.
    pub(crate) fn setting(&self, kind: &str, setting: &str) -> Place {
        self.place.key(kind).key(setting)
    }

    /// The channels, height and width that come in.
    pub(crate) fn image(&mut self, kind: &str) -> Option<[u64; 3]> {
        match self.input {
            Shape::Image { channels, height, width } => Some([channels, height, width]),
            _ => self.misplaced(kind, "an image"),
        }
    }

    /// The length and features of the sequence that comes in.
    pub(crate) fn sequence(&mut self, kind: &str) -> Option<[u64; 2]> {
        match self.input {
            Shape::Sequence { length, features } => Some([length, features]),
            _ => self.misplaced(kind, "a sequence"),
        }
    }

    /// The frames, channels, height and width of the video that comes in.
    pub(crate) fn video(&mut self, kind: &str) -> Option<[u64; 4]> {
        match self.input {
            Shape::Video { frames, channels, height, width } => Some([frames, channels, height, width]),
            _ => self.misplaced(kind, "a video"),
        }
    }

    /// The samples of the sound that comes in, and how many of them are a second.
    pub(crate) fn waveform(&mut self, kind: &str) -> Option<[u64; 2]> {
        match self.input {
            Shape::Waveform { samples, rate } => Some([samples, rate]),
            _ => self.misplaced(kind, "a waveform"),
        }
    }

    /// Reports that the layer cannot take what comes in.
    pub(crate) fn misplaced<T>(&mut self, kind: &str, wanted: &str) -> Option<T> {
        let input = self.input;
        let place = self.place.key(kind);
        let error = self.errors.error(&place, format!("`{kind}` takes {wanted}, but its input is `{input}`"));
        let help = match (input, wanted) {
            (Shape::Tokens { .. }, _) => "put an `embedding` before it",
            (_, "a waveform") => "put it first, on an input of `waveform`",
            (Shape::Waveform { .. }, _) => "put a layer before it that makes features of sound, such as `mel`",
            (Shape::Video { .. }, "an image") => "put it into a `frames`, which runs it on every frame",
            (Shape::Video { .. }, _) => "put `global_average_pool` before it, or a `frames` that ends in one",
            (
                Shape::Image { .. } | Shape::Vector { .. } | Shape::Sequence { .. },
                "a video" | "a video or a sequence",
            ) => "put it behind an input of `video`, or behind layers that yield one",
            (Shape::Image { .. } | Shape::Sequence { .. }, "a vector" | "a vector or a sequence") => {
                "put `global_average_pool` or `flatten` before it"
            }
            (Shape::Sequence { .. }, "an image") => "put `to_image` before it",
            (Shape::Vector { .. }, wanted) if wanted.contains("image") || wanted.contains("sequence") => {
                "put it before the layer that yields the vector"
            }
            _ => return None,
        };
        error.help(help);
        None
    }

    /// A size or a count: at least 1, at most [`MAX_SIZE`].
    pub(crate) fn size(&mut self, kind: &str, setting: &str, value: u64) -> Option<u64> {
        let place = self.setting(kind, setting);
        size(value, setting, &place, self.errors)
    }

    /// A count that the output's shape does not depend on; 1 stands in for a wrong one, so that checks go on.
    pub(crate) fn count(&mut self, kind: &str, setting: &str, value: u64) -> u64 {
        self.size(kind, setting, value).unwrap_or(1)
    }

    /// A probability: at least 0 and below 1; 0 stands in for a wrong one.
    pub(crate) fn probability(&mut self, kind: &str, setting: &str, value: f64) -> f64 {
        let place = self.setting(kind, setting);
        probability(value, &place, self.errors)
    }

    /// What a normalisation adds to the variance: above 0; the default stands in for a wrong one.
    pub(crate) fn epsilon(&mut self, kind: &str, value: f64) -> f64 {
        let place = self.setting(kind, "epsilon");
        epsilon(value, &place, self.errors)
    }

    /// The activation between the layers of a layer, where none would make them one linear map.
    pub(crate) fn activation(&mut self, kind: &str, activation: Activation) -> &'static str {
        activation.variant().unwrap_or_else(|| {
            let place = self.setting(kind, "activation");
            self.errors
                .error(&place, format!("`{kind}` needs an activation: without one its linear layers are a single one"))
                .help("leave the key out for the default, or choose `relu`, `gelu`, `silu`, `tanh` or `sigmoid`");
            "Relu"
        })
    }

    /// Lets a layer pass whose shape and cost can be counted.
    pub(super) fn affordable(&mut self, inferred: Inferred) -> Option<Inferred> {
        let features = super::product(&inferred.output.dims());
        countable("layer", features, inferred.cost, &self.place, self.errors).then_some(inferred)
    }
}

/// Whether the features that a part of a network yields, and its cost, can be counted; reports what cannot.
pub(crate) fn countable(part: &str, features: u64, cost: Cost, place: &Place, errors: &mut Errors) -> bool {
    let Cost { parameters, multiply_adds } = cost;
    let counts = [(features, "features in its output"), (parameters, "parameters"), (multiply_adds, "multiply-adds")];
    let Some((_, what)) = counts.iter().find(|(count, _)| *count > MAX_COUNT) else { return true };
    errors
        .error(place, format!("the {part} would have more than {MAX_COUNT} {what}"))
        .help(format!("check the sizes of the {part} and of its input"));
    false
}

/// A size or a count: at least 1, at most [`MAX_SIZE`].
pub(crate) fn size(value: u64, setting: &str, place: &Place, errors: &mut Errors) -> Option<u64> {
    match value {
        0 => {
            errors.error(place, format!("`{setting}` is 0")).help("write a whole number of at least 1");
            None
        }
        1..=MAX_SIZE => Some(value),
        _ => {
            errors
                .error(place, format!("`{setting}` is {value}, which is out of range"))
                .help(format!("write a whole number from 1 to {MAX_SIZE}"));
            None
        }
    }
}

/// A probability: at least 0 and below 1; 0 stands in for a wrong one.
pub(crate) fn probability(value: f64, place: &Place, errors: &mut Errors) -> f64 {
    if (0.0..1.0).contains(&value) {
        return value;
    }
    errors
        .error(place, format!("a probability of dropout of {value} is out of range"))
        .help("write a number from 0 to below 1");
    0.0
}

/// What a normalisation adds to the variance: above 0; the default stands in for a wrong one.
pub(crate) fn epsilon(value: f64, place: &Place, errors: &mut Errors) -> f64 {
    if value > 0.0 && value.is_finite() {
        return value;
    }
    errors
        .error(place, format!("an `epsilon` of {value} is out of range"))
        .help("write a small number above 0, such as 1e-5");
    spec::EPSILON
}
