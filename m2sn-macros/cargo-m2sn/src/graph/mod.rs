mod dot;
mod mermaid;
mod svg;

use std::io::Write;

use m2sn_compiler::{Layer, Modality, grouped};

use crate::Outcome;
use crate::arguments::Format;
use crate::spec::network;

/// Draws a network.
pub(crate) fn run(spec: &str, format: Format, output: &mut dyn Write) -> Outcome {
    let Some(network) = network(spec)? else { return Ok(false) };
    let text = match format {
        Format::Mermaid => mermaid::draw(&network),
        Format::Dot => dot::draw(&network),
        Format::Svg => svg::draw(&network),
    };
    Ok(output.write_all(text.as_bytes()).map(|()| true)?)
}

/// How an exit reaches the fusion.
struct Way {
    /// The number of the layer that it leaves, counted from 1.
    layer: usize,
    label: String,
    is_shortcut: bool,
}

fn ways(modality: &Modality) -> impl Iterator<Item = Way> {
    modality.exits.iter().map(|exit| {
        let label = match exit.shortcut {
            Some(shortcut) => format!("shortcut, {} multiply-adds", grouped(shortcut.multiply_adds)),
            None => "full".to_owned(),
        };
        Way { layer: exit.layers, label, is_shortcut: exit.shortcut.is_some() }
    })
}

/// What is written on a layer: its name, its kind and settings, the shape behind it.
fn labels(layer: &Layer) -> [&str; 3] {
    [&layer.name, &layer.operation, &layer.output]
}
