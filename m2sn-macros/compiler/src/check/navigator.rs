use std::collections::HashMap;

use super::{Context, encoder, heads, layer, total, width};
use crate::cost::Cost;
use crate::layer::{MAX_SIZE, Site};
use crate::model::{Layer, Modality, Name, Navigator};
use crate::place::Place;
use crate::report::{Errors, suggest};
use crate::shape::Shape;
use crate::spec::{self, Activation, Extent, Layer as Spec, Ordered, Positions};
use crate::unfold::{Written, unfold};

/// The embedding layers of each modality: as the spec has them or by default, and checked.
pub(super) type Embeddings = Vec<(Vec<Spec>, Vec<Layer>)>;

/// Checks the embedding of each modality whose input is sound.
pub(super) fn embeddings(
    spec: &spec::Spec,
    inputs: &[Option<Shape>],
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<Embeddings> {
    let place = Place::default().key("navigator").key("embed");
    let names: Vec<_> = spec.modalities.0.iter().map(|(name, _)| name.as_str()).collect();
    for (name, _) in &spec.navigator.embed.0 {
        if !names.contains(&name.as_str()) {
            errors
                .error(&place.key(name).on_key(), format!("an embedding of `{name}`, which is no modality"))
                .help(suggest(name, &names, "the modalities are"));
        }
    }
    let each: Vec<_> = spec
        .modalities
        .0
        .iter()
        .zip(inputs)
        .map(|((name, modality), input)| {
            let layers = spec.navigator.embed.get(name);
            embedding(name, modality, (*input)?, layers, &place.key(name), context, errors)
        })
        .collect();
    each.into_iter().collect()
}

fn embedding(
    name: &str,
    modality: &spec::Modality,
    input: Shape,
    layers: Option<&Vec<Spec>>,
    place: &Place,
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<(Vec<Spec>, Vec<Layer>)> {
    let mut specs = layers.cloned().unwrap_or_else(|| default(input));
    let mut counts = HashMap::new();
    let mut named = |layer: &Spec| unnamed(layer, counts.entry(layer.kind()).or_default());
    let written = specs.iter().enumerate().map(|(index, layer)| {
        let place = place.entry(index);
        Written { name: named(layer), named: place.clone(), layer, place }
    });
    let parts = unfold(&written.collect::<Vec<_>>(), "an embedding", place, errors)?;
    let tokens = encoder::tokens(modality.input);
    let mut layers = encoder::layers(&parts, tokens, input.in_floats(), context, errors)?;
    let mut shape = layers.last().map_or(input, |layer| layer.output);
    // The last layer may leave the average over pixels or steps to the compiler.
    if matches!(shape, Shape::Image { .. } | Shape::Video { .. } | Shape::Sequence { .. }) {
        let average = Spec::GlobalAveragePool;
        let place = place.entry(specs.len());
        let name = Name::new(&named(&average), context.line(&place));
        let mut site = Site { input: shape, tokens, place, errors };
        let layer = layer(name, &average, &mut site)?;
        shape = layer.output;
        layers.push(layer);
        specs.push(average);
    }
    if width(shape).is_none() {
        errors
            .error(place, format!("the embedding of `{name}` ends in `{shape}`, but the navigator needs a vector"))
            .help(match shape {
                Shape::Waveform { .. } => "begin it with a layer that makes features of sound, such as `mel`",
                _ => "add an `embedding`",
            });
        return None;
    }
    Some((specs, layers))
}

/// The name of an embedding's layer: its kind, with a number where `earlier` ones are of the same kind.
fn unnamed(layer: &Spec, earlier: &mut usize) -> String {
    *earlier += 1;
    match earlier {
        1 => layer.kind().to_owned(),
        count => format!("{}{count}", layer.kind()),
    }
}

/// A light embedding for a modality that the spec leaves out.
fn default(input: Shape) -> Vec<Spec> {
    let linear = || Spec::Linear(spec::Linear { size: WIDTH, activation: Activation::Relu });
    match input {
        Shape::Image { height, width, .. } | Shape::ByteImage { height, width, .. } => {
            let kernel = Extent([height, width].map(|side| side.div_ceil(GRID)));
            let padding = Extent([0, 0]);
            vec![
                Spec::AveragePool(spec::Pool { kernel, stride: kernel, padding }),
                Spec::Residual(spec::Residual { channels: 8, blocks: 1, stride: 1, bottleneck: None }),
            ]
        }
        Shape::Video { channels, height, width, .. } | Shape::ByteVideo { channels, height, width, .. } => {
            let frame = default(Shape::Image { channels, height, width });
            vec![Spec::Frames(spec::Frames { layers: [frame, vec![Spec::GlobalAveragePool]].concat() })]
        }
        Shape::Waveform { .. } => vec![Spec::Mel(spec::Mel { mels: WIDTH, ..spec::Mel::default() }), linear()],
        Shape::Tokens { .. } => {
            vec![Spec::Embedding(spec::Embedding {
                size: WIDTH,
                positions: Positions::None,
                places: None,
                types: 0,
                norm: false,
                epsilon: None,
                dropout: 0.0,
            })]
        }
        Shape::Sequence { .. } | Shape::Vector { .. } => vec![linear()],
    }
}

/// The features of a default embedding.
const WIDTH: u64 = 16;

/// The most pixels on a side that a default embedding leaves of an image.
const GRID: u64 = 8;

/// Checks the settings of the navigator's training.
pub(super) fn settings(navigator: &spec::Navigator, place: &Place, errors: &mut Errors) {
    let (kind, value) = match navigator.latency {
        spec::Latency::Ratio(ratio) => ("ratio", ratio),
        spec::Latency::Weight(weight) => ("weight", weight),
    };
    if !(0.0..=MAX_WEIGHT).contains(&value) {
        errors
            .error(&place.key("latency").key(kind), format!("a latency {kind} of {value} is out of range"))
            .help(format!("write a number from 0, which ignores latency, to {MAX_WEIGHT}"));
    }
    if !(0.0..=MAX_PRICE).contains(&navigator.price) {
        errors.error(&place.key("price"), format!("a price of {} is out of range", navigator.price)).help(format!(
            "write a number from 0, at which time costs nothing, to {MAX_PRICE}; useful are 0.01 to 0.5"
        ));
    }
    let temperature = place.key("temperature");
    let spec::Temperature { from, to, .. } = navigator.temperature;
    for (key, value) in [("from", from), ("to", to)] {
        if !(MIN_TEMPERATURE..=MAX_TEMPERATURE).contains(&value) {
            errors
                .error(&temperature.key(key), format!("a temperature of {value} is out of range"))
                .help(format!("write a number from {MIN_TEMPERATURE} to {MAX_TEMPERATURE}"));
        }
    }
    if to > from {
        errors
            .error(&temperature.key("to"), format!("the temperature rises from {from} to {to}"))
            .help("start high, for even choices, and end low, for clear ones: swap the two");
    }
}

/// The highest λ that the paper tries is 100.
const MAX_WEIGHT: f64 = 1000.0;

/// No answer is worth more.
const MAX_PRICE: f64 = 100.0;

/// The most routes that a learned policy of the runtime weighs; with more, a network has none, and nothing by which the
/// paper's reads what the first blocks leave.
const MOST_ROUTES: u64 = 1024;

const MIN_TEMPERATURE: f64 = 0.001;
const MAX_TEMPERATURE: f64 = 1000.0;

/// Joins the embeddings with the decision; the embeddings as a spec has them come along, for the resolved one.
pub(super) fn model(
    spec: &spec::Spec,
    embeddings: Embeddings,
    modalities: &[Modality],
    context: &Context<'_>,
    errors: &mut Errors,
) -> Option<(Navigator, Ordered<Vec<Spec>>)> {
    let place = Place::default().key("navigator");
    let exits = modalities.iter().map(|modality| modality.exits.len() as u64).sum();
    let (specs, embeddings): (Vec<_>, Vec<Vec<Layer>>) = embeddings.into_iter().unzip();
    let inputs = modalities.iter().zip(&embeddings).fold(0_u64, |sum, (modality, layers)| {
        let shape = layers.last().map_or(modality.input, |layer| layer.output);
        sum.saturating_add(width(shape).unwrap_or_default())
    });
    if inputs > MAX_SIZE {
        errors
            .error(&place.key("embed"), format!("the embeddings side by side have more than {MAX_SIZE} features"))
            .help("end them in smaller vectors");
        return None;
    }
    let normalized = |(modality, layers): (&Modality, Vec<Layer>)| {
        let first = modality.fitted.and_then(|_| modality.layers.first().cloned());
        first.into_iter().chain(layers).collect()
    };
    let embeddings: Vec<Vec<Layer>> = modalities.iter().zip(embeddings).map(normalized).collect();
    let name = Name::new("decision", context.line(&place));
    let mut site = Site { input: Shape::Vector { size: inputs }, tokens: None, place, errors };
    let decision = layer(name, &heads::linear(exits), &mut site)?;
    let cost = embeddings.iter().map(|layers| total(layers)).sum::<Cost>() + decision.cost;
    let names = spec.modalities.0.iter().map(|(name, _)| name.clone());
    let embed = Ordered(names.zip(specs).collect());
    let spec::Navigator { policy, from, price, latency, temperature, soften, .. } = spec.navigator;
    // To take no part is one more way through a modality that may be missing, but not through all of them at once.
    let ways = modalities.iter().map(|modality| modality.exits.len() as u64 + u64::from(modality.may_be_missing()));
    let without_any = u64::from(modalities.iter().all(Modality::may_be_missing));
    let routes = ways.fold(1, u64::saturating_mul) - without_any;
    if policy != spec::Policy::Paper && routes > MOST_ROUTES {
        errors
            .error(
                &Place::default().key("navigator").key("policy"),
                format!("{routes} routes are more than a learned policy weighs against each other"),
            )
            .help(format!("take fewer shortcuts, for at most {MOST_ROUTES} routes, or `policy: paper`"));
        return None;
    }
    let read = match from {
        spec::Reads::Inputs => None,
        spec::Reads::Stem => Some("stem"),
        spec::Reads::Posterior => Some("posterior"),
    };
    if let Some(read) = read.filter(|_| routes > MOST_ROUTES) {
        errors
            .error(
                &Place::default().key("navigator").key("from"),
                format!("{routes} routes are more than the {read} is read for"),
            )
            .help(format!("take fewer shortcuts, for at most {MOST_ROUTES} routes, or `from: inputs`"));
        return None;
    }
    Some((Navigator { policy, from, price, embeddings, decision, cost, latency, temperature, soften }, embed))
}
