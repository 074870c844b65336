//! DOT, the language of Graphviz.

use m2sn_compiler::Outline;

use super::{Way, labels, ways};

pub(super) fn draw(network: &Outline) -> String {
    let mut text = format!("digraph {} {{\n    rankdir=LR;\n    node [shape=box];\n", quoted(&[&network.model]));
    for (at, modality) in network.modalities.iter().enumerate() {
        text += &format!("    subgraph cluster_{at} {{\n        label={};\n", quoted(&[&modality.name]));
        text += &format!("        m{at}l0 [shape=ellipse, label={}];\n", quoted(&[&modality.input]));
        for (index, layer) in modality.layers.iter().enumerate() {
            text += &format!("        m{at}l{} [label={}];\n", index + 1, quoted(&labels(layer)));
            text += &format!("        m{at}l{index} -> m{at}l{};\n", index + 1);
        }
        text += "    }\n";
        for Way { layer, label, is_shortcut } in ways(modality) {
            let style = if is_shortcut { "dashed" } else { "solid" };
            text += &format!("    m{at}l{layer} -> fusion [style={style}, label={}];\n", quoted(&[&label]));
        }
    }
    text += &format!("    fusion [label={}];\n", quoted(&[&network.fusion, &format!("Vector<{}>", network.fused)]));
    text += &format!("    head [label={}];\n", quoted(&labels(&network.head)));
    text += &format!("    outputs [shape=ellipse, label={}];\n", quoted(&[&network.outputs]));
    text += "    fusion -> head -> outputs;\n}\n";
    text
}

/// Lines as one string.
fn quoted(lines: &[&str]) -> String {
    let escaped = |line: &&str| line.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", lines.iter().map(escaped).collect::<Vec<_>>().join("\\n"))
}
