use std::collections::HashSet;

use crate::model::{Names, Torchvision, Weights};
use crate::place::Place;
use crate::report::{Errors, suggest};
use crate::spec::{self, Layer, Named};
use crate::unfold::{Part, written};

/// Checks what a modality says of the parameters that its encoder begins with; `None` where it says nothing, or where a
/// fault was reported.
pub(super) fn check(spec: &spec::Modality, parts: &[Part<'_>], place: &Place, errors: &mut Errors) -> Option<Weights> {
    let place = place.key("weights");
    let spec::Weights { file, names, ignore, fresh, freeze, learning_rate } = spec.weights.as_ref()?;
    let mut layers = Layers::of(parts);
    if file.trim().is_empty() {
        errors
            .error(&place.key("file"), "the file has no name")
            .help("write its path, such as `weights/resnet18.safetensors`");
    }
    for (key, names) in [("fresh", fresh), ("freeze", freeze)] {
        for (index, name) in names.iter().enumerate() {
            layers.check(name, &place.key(key).entry(index), errors);
        }
    }
    if matches!(names, spec::Names::Glove(_)) {
        for (key, names) in [("ignore", ignore), ("fresh", fresh)] {
            if !names.is_empty() {
                errors
                    .error(
                        &place.key(key).on_key(),
                        format!("word vectors are one table, and have nothing for `{key}`"),
                    )
                    .help("leave it out: all but the embedding begins with drawn parameters");
            }
        }
    }
    if !(*learning_rate > 0.0 && *learning_rate <= MAX_FACTOR) {
        let message = format!("a learning rate of {learning_rate} times that of the others is out of range");
        errors.error(&place.key("learning_rate"), message).help(format!(
            "write a number above 0, at most {MAX_FACTOR}; 0.1 is common, and what `freeze` names is not trained at all"
        ));
    }
    Some(Weights {
        file: file.clone(),
        names: self::names(names, &spec.encoder, &mut layers, &place.key("names"), errors)?,
        ignore: ignore.clone(),
        fresh: fresh.clone(),
        freeze: freeze.clone(),
        learning_rate: *learning_rate,
    })
}

/// The largest factor of a learning rate.
const MAX_FACTOR: f64 = 100.0;

fn names(
    names: &spec::Names,
    encoder: &[Named],
    layers: &mut Layers<'_>,
    place: &Place,
    errors: &mut Errors,
) -> Option<Names> {
    match names {
        spec::Names::Torchvision => {
            let network = |(name, layer): (String, &Layer)| {
                let kind = match layer {
                    Layer::Resnet(_) => Torchvision::Resnet,
                    Layer::R3d(_) => Torchvision::R3d,
                    Layer::R2plus1d(_) => Torchvision::R2plus1d,
                    _ => return None,
                };
                Some(Names::Torchvision { kind, network: name })
            };
            let found = encoder.iter().flat_map(|named| written(&named.name, &named.layer)).find_map(network);
            if found.is_none() {
                nothing_of("torchvision", "`resnet`, an `r3d` or an `r2plus1d`", place, errors);
            }
            found
        }
        spec::Names::Huggingface => {
            let bert = |named: &Named| match &named.layer {
                Layer::Bert(bert) => Some((named.name.clone(), bert.layers)),
                _ => None,
            };
            let found = encoder.iter().find_map(bert);
            if found.is_none() {
                nothing_of("huggingface", "`bert`", place, errors);
            }
            let (network, layers) = found?;
            Some(Names::Huggingface { network, layers })
        }
        spec::Names::Glove(spec::Glove { vocabulary }) => {
            if vocabulary.trim().is_empty() {
                errors
                    .error(&place.key("glove").key("vocabulary"), "the file has no name")
                    .help("write its path, such as `weights/vocabulary.txt`");
            }
            let embedding = encoder.iter().find(|named| matches!(named.layer, Layer::Embedding(_)));
            if embedding.is_none() {
                errors
                    .error(place, "word vectors are for an `embedding`, and this encoder has none")
                    .help("begin it with `- words: { embedding: { size: 300 } }`, of the size of the vectors");
            }
            Some(Names::Glove { layer: embedding?.name.clone(), vocabulary: vocabulary.clone() })
        }
        spec::Names::Map(map) => {
            let place = place.key("map");
            if map.0.is_empty() {
                errors
                    .error(&place, "the map names nothing")
                    .help("write `their_name: layer`, such as `map: { conv1: stem }`");
            }
            for (theirs, ours) in &map.0 {
                layers.check(ours, &place.key(theirs), errors);
            }
            Some(Names::Map(map.0.clone()))
        }
    }
}

/// Reports that an encoder has no layer of the kinds whose parameters a scheme names.
fn nothing_of(scheme: &str, kinds: &str, place: &Place, errors: &mut Errors) {
    errors
        .error(place, format!("`{scheme}` names the parameters of a {kinds}, and this encoder has none"))
        .help("say what is what by `names: { map: { their_name: layer } }`");
}

/// The names of an encoder's layers, to find others among them.
struct Layers<'a> {
    all: Vec<&'a str>,
    names: HashSet<&'a str>,
    /// The names, and all that they begin with up to a dot.
    beginnings: HashSet<&'a str>,
    unknown: usize,
}

/// More dots than the name of a layer has.
const MAX_DEPTH: usize = 100;

/// How many unknown names are compared with those of all layers.
const MAX_SUGGESTIONS: usize = 16;

impl<'a> Layers<'a> {
    fn of(parts: &'a [Part<'_>]) -> Self {
        let all: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
        let beginnings = all.iter().flat_map(|name| beginnings(name)).collect();
        Self { names: all.iter().copied().collect(), all, beginnings, unknown: 0 }
    }

    /// Checks that a name is that of a layer, what those of several layers begin with, or of what is inside a layer.
    fn check(&mut self, name: &str, place: &Place, errors: &mut Errors) {
        // What there is inside a layer, the runtime knows.
        let is_inside = || beginnings(name).take(MAX_DEPTH).any(|part| self.names.contains(part));
        if self.beginnings.contains(name) || is_inside() {
            return;
        }
        self.unknown += 1;
        let help = match self.unknown {
            ..=MAX_SUGGESTIONS => suggest(name, &self.all, "the layers are"),
            _ => "write the name of a layer of this encoder".to_owned(),
        };
        errors.error(place, format!("`{name}` is no layer of this encoder, nor part of one")).help(help);
    }
}

/// A name, and all that it begins with up to a dot.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[..dot]).chain([name])
}
