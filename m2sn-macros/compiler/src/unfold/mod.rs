//! Layers that stand for several: one file a family.
//!
//! They are written out before anything is checked. What follows knows no more of them than the names, `name.part`, by
//! which shortcuts can follow each part, and the places, which are those of the layers as they were written.

mod bert;
mod frames;
mod repeat;
mod resnet;
mod video;

use std::borrow::Cow;

use crate::place::Place;
use crate::report::Errors;
use crate::spec::Layer;

/// The most layers of an encoder or an embedding: more would be a slip, and each is a field of the generated code.
const MAX_LAYERS: u64 = 4096;

/// A layer as it was written: its name, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) name: String,
    /// Where the name is, or would be.
    pub(crate) named: Place,
    pub(crate) layer: &'a Layer,
    /// Where the layer is.
    pub(crate) place: Place,
}

/// A layer that stands for itself alone.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// The name as it was written; for one of several layers, with that of the part after a dot.
    pub(crate) name: String,
    /// Where the name is as it was written.
    pub(crate) named: Place,
    pub(crate) layer: Cow<'a, Layer>,
    /// Where the layer is, or what stands for it.
    pub(crate) place: Place,
}

/// Writes out all layers of `what`, which is at `place`; `None` where a fault was reported.
pub(crate) fn unfold<'a>(
    layers: &[Written<'a>],
    what: &str,
    place: &Place,
    errors: &mut Errors,
) -> Option<Vec<Part<'a>>> {
    let count = layers.iter().map(|written| count(written.layer)).fold(0, u64::saturating_add);
    if count > MAX_LAYERS {
        errors.error(place, format!("{what} of more than {MAX_LAYERS} layers")).help("write fewer");
        return None;
    }
    let mut parts = Vec::new();
    let mut sound = true;
    for Written { name, named, layer, place } in layers {
        sound &= write_out(name, named, layer, place, &mut parts, errors).is_some();
    }
    sound.then_some(parts)
}

/// A layer as it was written, with its name; of `frames` the layers of each frame.
pub(crate) fn written<'a>(name: &str, layer: &'a Layer) -> Vec<(String, &'a Layer)> {
    match layer {
        Layer::Frames(settings) => {
            frames::named(settings).map(|(kind, layer)| (format!("{name}.{kind}"), layer)).collect()
        }
        layer => vec![(name.to_owned(), layer)],
    }
}

fn write_out<'a>(
    name: &str,
    named: &Place,
    layer: &'a Layer,
    place: &Place,
    parts: &mut Vec<Part<'a>>,
    errors: &mut Errors,
) -> Option<()> {
    let mut part = |name: String, layer: Cow<'a, Layer>| {
        parts.push(Part { name, named: named.clone(), layer, place: place.clone() });
    };
    match layer {
        Layer::Repeat(settings) => {
            let times = repeat::times(settings, place, errors)?;
            let place = place.key("repeat").key("layer");
            for number in 1..=times {
                write_out(&format!("{name}.{number}"), named, &settings.layer, &place, parts, errors)?;
            }
        }
        Layer::Resnet(settings) => {
            for (stage, layer) in resnet::stages(settings, place, errors)? {
                part(format!("{name}.{stage}"), Cow::Owned(layer));
            }
        }
        Layer::Bert(settings) => {
            for (layer, settings) in bert::layers(settings, place, errors)? {
                part(format!("{name}.{layer}"), Cow::Owned(settings));
            }
        }
        Layer::R3d(settings) => {
            for (stage, layer) in video::r3d(settings, place, errors)? {
                part(format!("{name}.{stage}"), Cow::Owned(layer));
            }
        }
        Layer::R2plus1d(settings) => {
            for (stage, layer) in video::r2plus1d(settings, place, errors)? {
                part(format!("{name}.{stage}"), Cow::Owned(layer));
            }
        }
        Layer::Frames(settings) => {
            let mut inner = Vec::new();
            for (kind, place, layer) in frames::layers(settings, place, errors)? {
                write_out(&format!("{name}.{kind}"), named, layer, &place, &mut inner, errors)?;
            }
            parts.extend(inner.into_iter().map(frames::of_every_frame));
        }
        Layer::Branches(branches) => {
            let place = place.key("branches");
            for (index, layers) in branches.iter().enumerate() {
                for (number, layer) in layers.iter().enumerate() {
                    single(layer, &place.entry(index).entry(number), errors)?;
                }
            }
            part(name.to_owned(), Cow::Borrowed(layer));
        }
        layer => part(name.to_owned(), Cow::Borrowed(layer)),
    }
    Some(())
}

/// Refuses what stands for several layers, where there is no name for each of them.
fn single(layer: &Layer, place: &Place, errors: &mut Errors) -> Option<()> {
    let kind = layer.kind();
    match layer {
        Layer::Repeat(_)
        | Layer::Resnet(_)
        | Layer::Bert(_)
        | Layer::R3d(_)
        | Layer::R2plus1d(_)
        | Layer::Frames(_)
        | Layer::Branches(_) => {
            errors
                .error(&place.key(kind), format!("`{kind}` in a branch, which takes single layers"))
                .help("put it before the `branches`");
            None
        }
        _ => Some(()),
    }
}

/// How many layers a layer stands for. Those inside an `mlp` count, too, since their number is anybody's.
fn count(layer: &Layer) -> u64 {
    match layer {
        Layer::Repeat(settings) => settings.times.saturating_mul(count(&settings.layer)),
        Layer::Resnet(_) => resnet::COUNT,
        Layer::Bert(settings) => settings.layers.saturating_add(bert::BESIDE),
        Layer::R3d(_) | Layer::R2plus1d(_) => video::MOST,
        Layer::Frames(settings) => settings.layers.iter().map(count).fold(0, u64::saturating_add),
        Layer::Branches(branches) => branches.iter().flatten().map(count).fold(1, u64::saturating_add),
        Layer::Mlp(settings) => settings.hidden.len() as u64 + 1,
        _ => 1,
    }
}
