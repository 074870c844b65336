use std::collections::HashMap;

use super::{Context, heads, names, total, weights, width};
use crate::cost::{Cost, grouped};
use crate::layer::{MAX_SIZE, Site, align, size};
use crate::model::{Exit, Layer, Modality, Name};
use crate::place::Place;
use crate::report::{Errors, suggest};
use crate::shape::Shape;
use crate::spec::{self, Named, Point};
use crate::unfold::{Part, Written, unfold};

pub(super) fn modality(
    name: &str,
    spec: &spec::Modality,
    input: Option<Shape>,
    place: &Place,
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<Modality> {
    let name = names::name(name, "modality", &place.clone().on_key(), context, errors);
    let encoder = place.key("encoder");
    if spec.encoder.is_empty() {
        errors.error(&encoder, "the encoder has no layer").help("add at least one, such as `- feature: flatten`");
        return None;
    }
    let parts = parts(&spec.encoder, &encoder, context, errors)?;
    let points = points(&parts, spec, place, errors);
    let weights = weights::check(spec, &parts, place, errors);
    let normalize = normalize(spec, input, place, context, errors);
    let layers = layers(&parts, tokens(spec.input), input?.in_floats(), context, errors)?;

    let (last, part) = (layers.last()?, parts.last()?);
    let Some(feature) = width(last.output) else {
        errors
            .error(&part.named, format!("the encoder ends in `{}`, but the deepest feature is a vector", last.output))
            .help("end it with `- feature: global_average_pool`, `- feature: flatten` or a `gru`");
        return None;
    };
    let vocabulary = tokens(spec.input).map(|(vocabulary, _)| vocabulary);
    let (fitted, normalize) = normalize?;
    // What normalises the inputs stands before the layers of the spec, which shortcuts point at.
    let shift = normalize.iter().len();
    let layers: Vec<_> = normalize.into_iter().chain(layers).collect();
    let points: Vec<_> = points?.into_iter().map(|(position, point)| (position + shift, point)).collect();
    let exits = exits(&layers, &points, feature, place, context, errors)?;
    let task_head = heads::task_head(feature, place, context, errors)?;
    let missing = spec.missing;
    Some(Modality {
        name: name?,
        input: input?,
        vocabulary,
        missing,
        fitted,
        layers,
        exits,
        feature,
        task_head,
        weights,
    })
}

/// What the layer is called that normalises inputs.
const NORMALIZE: &str = "normalize";

/// The layer that normalises the inputs of a modality, where it says so, and whether it is fitted.
fn normalize(
    spec: &spec::Modality,
    input: Option<Shape>,
    place: &Place,
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<(Option<bool>, Option<Layer>)> {
    let Some(normalize) = &spec.normalize else {
        if input?.is_bytes() {
            errors
                .error(&place.key("input"), "the input is in bytes, and layers take floats")
                .help("add `normalize: fitted` to the modality, which makes them floats");
            return None;
        }
        return Some((None, None));
    };
    let encoder = place.key("encoder");
    let namesake = spec.encoder.iter().position(|layer| Name::new(&layer.name, 0).snake == NORMALIZE);
    if let Some(index) = namesake {
        let name = &spec.encoder[index].name;
        errors
            .error(
                &encoder.entry(index).key(name).on_key(),
                format!("`{name}` cannot be the name of a layer here: the one that `normalize` adds is called so"),
            )
            .help("give it another name");
    }
    let place = place.key("normalize");
    let input = input?;
    let operation = crate::layer::normalize(normalize, input, &place, errors)?;
    let name = Name::new(NORMALIZE, context.line(&place));
    let fitted = matches!(normalize, spec::Normalize::Fitted);
    let layer = Layer { name, operation, input, output: input.in_floats(), cost: Cost::default() };
    namesake.is_none().then_some((Some(fitted), Some(layer)))
}

/// Checks whether a modality may be missing; `alone` where the network has no other.
pub(super) fn missing(share: Option<f64>, alone: bool, place: &Place, errors: &mut Errors) {
    let Some(share) = share else { return };
    let place = place.key("missing");
    if !(0.0..1.0).contains(&share) {
        errors
            .error(&place, format!("a share of {share} is out of range"))
            .help("write the share of training samples to drop it from, from 0 to below 1");
    }
    if alone {
        errors
            .error(&place.on_key(), "the only modality may be missing, and nothing is left without it")
            .help("leave `missing` out, or add a modality");
    }
}

/// The shape of an input.
pub(super) fn input(input: spec::Input, place: &Place, errors: &mut Errors) -> Option<Shape> {
    let mut sized = |kind: &str, setting: &str, value| size(value, setting, &place.key(kind).key(setting), errors);
    match input {
        spec::Input::Image { channels, height, width, bytes } => {
            let channels = sized("image", "channels", channels);
            let (height, width) = (sized("image", "height", height), sized("image", "width", width));
            let (channels, height, width) = (channels?, height?, width?);
            Some(match bytes {
                false => Shape::Image { channels, height, width },
                true => Shape::ByteImage { channels, height, width },
            })
        }
        spec::Input::Video { frames, channels, height, width, bytes } => {
            let (frames, channels) = (sized("video", "frames", frames), sized("video", "channels", channels));
            let (height, width) = (sized("video", "height", height), sized("video", "width", width));
            let (frames, channels, height, width) = (frames?, channels?, height?, width?);
            Some(match bytes {
                false => Shape::Video { frames, channels, height, width },
                true => Shape::ByteVideo { frames, channels, height, width },
            })
        }
        spec::Input::Waveform { samples, rate } => {
            let (samples, rate) = (sized("waveform", "samples", samples), sized("waveform", "rate", rate));
            Some(Shape::Waveform { samples: samples?, rate: rate? })
        }
        spec::Input::Tokens { length, vocabulary, padding } => {
            let (length, vocabulary) = (sized("tokens", "length", length), sized("tokens", "vocabulary", vocabulary));
            if let (Some(padding), Some(vocabulary)) = (padding, vocabulary)
                && padding >= vocabulary
            {
                let place = place.key("tokens").key("padding");
                errors
                    .error(&place, format!("the padding id {padding} is not in a vocabulary of {vocabulary}"))
                    .help(format!("ids run from 0 to {}", vocabulary - 1));
                return None;
            }
            vocabulary?;
            Some(Shape::Tokens { length: length? })
        }
        spec::Input::Sequence { length, features } => {
            let (length, features) = (sized("sequence", "length", length), sized("sequence", "features", features));
            Some(Shape::Sequence { length: length?, features: features? })
        }
        spec::Input::Vector { size } => Some(Shape::Vector { size: sized("vector", "size", size)? }),
    }
}

/// The vocabulary and the padding id of an input of tokens.
pub(super) fn tokens(input: spec::Input) -> Option<(u64, Option<u64>)> {
    match input {
        spec::Input::Tokens { vocabulary, padding, .. } => Some((vocabulary.min(MAX_SIZE), padding)),
        _ => None,
    }
}

/// The layers with their names checked, each standing for itself alone.
fn parts<'a>(encoder: &'a [Named], place: &Place, context: &Context<'_>, errors: &mut Errors) -> Option<Vec<Part<'a>>> {
    let written = encoder.iter().enumerate().map(|(index, Named { name, layer })| {
        let place = place.entry(index).key(name);
        Written { name: name.clone(), named: place.clone().on_key(), layer, place }
    });
    let written: Vec<_> = written.collect();
    for Written { name, named, .. } in &written {
        names::layer(name, named, errors);
        names::name(name, "layer", named, context, errors);
    }
    let distinct =
        names::distinct(written.iter().map(|written| (written.name.as_str(), written.named.clone())), "layer", errors);
    let parts = unfold(&written, "an encoder", place, errors)?;
    if distinct {
        names::distinct(parts.iter().map(|part| (part.name.as_str(), part.named.clone())), "layer", errors);
    }
    Some(parts)
}

/// Sends the input through the layers, up to the first that is at fault: what follows has no input then.
pub(super) fn layers(
    parts: &[Part<'_>],
    tokens: Option<(u64, Option<u64>)>,
    mut shape: Shape,
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<Vec<Layer>> {
    let mut layers = Vec::with_capacity(parts.len());
    for Part { name, named, layer, place } in parts {
        let name = Name::new(name, context.line(named));
        let mut site = Site { input: shape, tokens, place: place.clone(), errors };
        let layer = super::layer(name, layer, &mut site)?;
        shape = layer.output;
        layers.push(layer);
    }
    Some(layers)
}

/// The layers that shortcuts follow, by index, each with the point that names it.
fn points<'a>(
    parts: &[Part<'_>],
    spec: &'a spec::Modality,
    place: &Place,
    errors: &mut Errors,
) -> Option<Vec<(usize, &'a Point)>> {
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    let last = names.len() - 1;
    // Of layers with the same name, which are reported already, the first counts.
    let positions: HashMap<_, _> = names.iter().enumerate().rev().map(|(position, name)| (*name, position)).collect();
    let mut taken = vec![false; names.len()];
    let mut points: Vec<(usize, &Point)> = Vec::new();
    let mut unknown = 0;
    let mut sound = true;
    for (index, point) in spec.shortcuts.iter().enumerate() {
        let place = place.key("shortcuts").entry(index);
        let at = point.at.as_str();
        let position = positions.get(at).copied();
        let before = points.last().copied();
        let (message, help) = match position {
            None => {
                let candidates = if last == 0 { &names[..] } else { &names[..last] };
                unknown += 1;
                let help = match unknown {
                    ..=MAX_SUGGESTIONS => suggest(at, candidates, "the layers that a shortcut can follow are"),
                    _ => "write the name of a layer of this encoder".to_owned(),
                };
                (format!("a shortcut after `{at}`, which is no layer of this encoder"), help)
            }
            Some(position) if position == last => (
                format!("a shortcut after `{at}`, the last layer: nothing is left to skip"),
                "leave it out: the end of the encoder is always the exit `full`".to_owned(),
            ),
            Some(position) if taken[position] => {
                (format!("a second shortcut after `{at}`"), "leave one of the two out".to_owned())
            }
            Some(position) => match before {
                Some((earlier, previous)) if earlier > position => (
                    format!("the shortcut after `{at}` stands behind that after `{}`, a later layer", previous.at),
                    "write the shortcuts in the order of the encoder".to_owned(),
                ),
                _ => {
                    points.push((position, point));
                    taken[position] = true;
                    continue;
                }
            },
        };
        errors.error(&place, message).help(help);
        sound = false;
    }
    sound.then_some(points)
}

/// How many unknown names are compared with those of all layers.
const MAX_SUGGESTIONS: usize = 16;

/// Cuts the encoder into blocks, each ending in an exit.
fn exits(
    layers: &[Layer],
    points: &[(usize, &Point)],
    feature: u64,
    place: &Place,
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<Vec<Exit>> {
    let mut exits = Vec::with_capacity(points.len() + 1);
    let rests = rests(layers);
    let mut start = 0;
    let mut sound = true;
    for (index, (position, point)) in points.iter().enumerate() {
        let layer = &layers[*position];
        let block = start..position + 1;
        let place = place.key("shortcuts").entry(index);
        let grid = size(point.grid, "grid", &place.key("grid"), errors);
        start = position + 1;
        let Some(shortcut) = grid.and_then(|grid| align(layer.output, feature, grid)) else {
            if grid.is_some() {
                errors
                    .error(&place, format!("a shortcut after `{}`, which yields `{}`", point.at, layer.output))
                    .help("tokens have no features yet: place it after the `embedding`");
            }
            sound = false;
            continue;
        };
        let skipped = &rests[start];
        let features = Cost { parameters: 0, multiply_adds: shortcut.cost.multiply_adds };
        if features.multiply_adds > MAX_COST {
            errors
                .error(
                    &place,
                    format!("the shortcut after `{}` would have more than {MAX_COST} multiply-adds", point.at),
                )
                .help("place it after a layer with fewer features");
            sound = false;
        } else if skipped.known && shortcut.cost.multiply_adds >= skipped.multiply_adds {
            errors
                .warning(
                    &place,
                    format!(
                        "the shortcut after `{}` takes {} multiply-adds, the layers that it skips {}",
                        point.at,
                        grouped(shortcut.cost.multiply_adds),
                        grouped(skipped.multiply_adds),
                    ),
                )
                .help("leave it out, or place it after an earlier layer");
        }
        exits.push(Exit {
            name: layer.name.clone(),
            block: total(&layers[block.clone()]),
            layers: block,
            shape: layer.output,
            shortcut: Some(shortcut),
        });
    }
    let name = Name::new("full", context.line(&place.key("encoder")));
    let shape = Shape::Vector { size: feature };
    exits.push(Exit { name, layers: start..layers.len(), shape, block: total(&layers[start..]), shortcut: None });
    sound.then_some(exits)
}

/// The most multiply-adds of a shortcut: what a float counts exactly.
const MAX_COST: u64 = 1 << 53;

/// What is left of an encoder from some layer to its end.
struct Rest {
    multiply_adds: u64,
    /// Whether the cost of each layer is known; that of a custom layer may not be declared.
    known: bool,
}

/// What is left from each layer on, and after the last one.
fn rests(layers: &[Layer]) -> Vec<Rest> {
    let mut rests = vec![Rest { multiply_adds: 0, known: true }];
    for layer in layers.iter().rev() {
        let Rest { multiply_adds, known } = rests[rests.len() - 1];
        rests.push(Rest {
            multiply_adds: multiply_adds.saturating_add(layer.cost.multiply_adds),
            known: known && !(layer.is_custom() && layer.cost.multiply_adds == 0),
        });
    }
    rests.reverse();
    rests
}
