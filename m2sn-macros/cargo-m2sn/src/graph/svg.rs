//! A picture: one column a modality, from the input down; below them fusion, head and outputs.
//!
//! Shortcuts leave an encoder to the right and run down beside it, the earliest farthest out.

use std::fmt::Write;

use m2sn_compiler::{Modality, Outline};

use super::{Way, labels, ways};

/// All in pixels.
const BOX: (usize, usize) = (250, 58);
const GAP: usize = 26;
const MARGIN: usize = 24;
/// Between two shortcuts that run side by side.
const LANE: usize = 20;
/// The letters of a small line that a box holds.
const LETTERS: usize = 38;
/// The colour of a layer.
const LAYER: &str = "#e3edfb";

pub(super) fn draw(network: &Outline) -> String {
    let columns: Vec<usize> = network.modalities.iter().map(width).collect();
    let width = (columns.iter().sum::<usize>() + MARGIN).max(BOX.0 + 2 * MARGIN);
    let deepest = network.modalities.iter().map(|modality| modality.layers.len()).max().unwrap_or(0);
    // The heading, then the input and the layers, then fusion, head and outputs.
    let fusion = row(deepest + 1) + GAP;
    let height = fusion + 3 * (BOX.1 + GAP) + MARGIN - GAP;

    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 Z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        escaped(&network.model)
    );
    let middle = width / 2;
    let mut left = MARGIN;
    for (modality, column) in network.modalities.iter().zip(&columns) {
        draw_modality(&mut text, modality, left, middle, fusion);
        left += column;
    }
    let left = middle - BOX.0 / 2;
    let (kind, settings) = network.fusion.split_once(' ').unwrap_or((&network.fusion, ""));
    boxed(&mut text, left, fusion, "#fff4d6", &[kind, settings, &format!("Vector<{}>", network.fused)]);
    arrow(&mut text, middle, fusion + BOX.1, fusion + BOX.1 + GAP);
    boxed(&mut text, left, fusion + BOX.1 + GAP, LAYER, &labels(&network.head));
    arrow(&mut text, middle, fusion + 2 * BOX.1 + GAP, fusion + 2 * (BOX.1 + GAP));
    boxed(&mut text, left, fusion + 2 * (BOX.1 + GAP), "#eee", &["", &network.outputs, ""]);
    text += "</svg>\n";
    text
}

/// The encoder of a modality, its ways to the fusion included.
fn draw_modality(text: &mut String, modality: &Modality, left: usize, fused_x: usize, fused_y: usize) {
    let middle = left + BOX.0 / 2;
    boxed(text, left, row(0), "#eee", &[&modality.name, "", &modality.input]);
    for (index, layer) in modality.layers.iter().enumerate() {
        arrow(text, middle, row(index) + BOX.1, row(index + 1));
        boxed(text, left, row(index + 1), LAYER, &labels(layer));
    }
    let bend = fused_y - GAP;
    for (number, Way { layer, label, is_shortcut }) in ways(modality).enumerate() {
        let start = if is_shortcut {
            let lane = left + BOX.0 + LANE * (modality.exits.len() - 1 - number);
            format!("M{} {} H{lane} V{bend}", left + BOX.0, row(layer) + BOX.1 / 2)
        } else {
            format!("M{middle} {} V{bend}", row(layer) + BOX.1)
        };
        let dashes = if is_shortcut { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            text,
            "<path d=\"{start} H{fused_x} V{fused_y}\" fill=\"none\" stroke=\"#555\"{dashes} \
             marker-end=\"url(#arrow)\"><title>{}</title></path>",
            escaped(&label)
        );
    }
}

/// A box with a name, small print, and a shape; what is too long for it shows when it is pointed at.
fn boxed(text: &mut String, left: usize, top: usize, fill: &str, [name, small, shape]: &[&str; 3]) {
    let (width, height) = BOX;
    let middle = left + width / 2;
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"5\" \
         fill=\"{fill}\" stroke=\"#555\"/>",
        escaped([name, small, shape].map(|line| *line).join(" ").trim())
    );
    for (line, size, below) in [(name, "13\" font-weight=\"bold", 18), (small, "11", 34), (shape, "11", 50)] {
        if !line.is_empty() {
            let y = top + below;
            let _ = writeln!(text, "<text x=\"{middle}\" y=\"{y}\" font-size=\"{size}\">{}</text>", fitted(line));
        }
    }
    *text += "</g>\n";
}

fn arrow(text: &mut String, x: usize, from: usize, to: usize) {
    let _ = writeln!(text, "<path d=\"M{x} {from} V{to}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#arrow)\"/>");
}

/// The width of a modality's column, with a lane for each shortcut.
fn width(modality: &Modality) -> usize {
    BOX.0 + LANE * modality.exits.len() + GAP
}

/// The top of a row.
fn row(index: usize) -> usize {
    MARGIN + index * (BOX.1 + GAP)
}

/// A line cut to what a box holds.
fn fitted(line: &str) -> String {
    if line.chars().count() <= LETTERS {
        return escaped(line);
    }
    escaped(line.chars().take(LETTERS - 1).collect::<String>().trim_end()) + "…"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
