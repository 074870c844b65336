mod dot;
mod mermaid;
mod svg;

use std::io::Write;

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

/// How an exit reaches the fusion: what the layer is called that it follows, and what is written on the way.
fn ways(modality: &m2sn_compiler::Modality) -> impl Iterator<Item = (usize, String)> {
    modality.exits.iter().map(|exit| {
        let cost = match exit.shortcut {
            Some(shortcut) => format!("shortcut, {} multiply-adds", m2sn_compiler::grouped(shortcut.multiply_adds)),
            None => "full".to_owned(),
        };
        (exit.layers, cost)
    })
}
