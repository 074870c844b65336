//! Mermaid, as Markdown on GitHub draws it.

use m2sn_compiler::Outline;

use super::{Way, labels, ways};

pub(super) fn draw(network: &Outline) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, modality) in network.modalities.iter().enumerate() {
        text += &format!("    subgraph m{at}[{}]\n", quoted(&[&modality.name]));
        text += &format!("        m{at}l0([{}])\n", quoted(&[&modality.input]));
        for (index, layer) in modality.layers.iter().enumerate() {
            text += &format!("        m{at}l{} --> m{at}l{}[{}]\n", index, index + 1, quoted(&labels(layer)));
        }
        text += "    end\n";
        for Way { layer, label, is_shortcut } in ways(modality) {
            let arrow = if is_shortcut { "-.->" } else { "-->" };
            text += &format!("    m{at}l{layer} {arrow}|{}| fusion\n", quoted(&[&label]));
        }
    }
    let fusion = quoted(&[&network.fusion, &format!("Vector<{}>", network.fused)]);
    text += &format!("    fusion[{fusion}] --> head[{}]\n", quoted(&labels(&network.head)));
    text += &format!("    head --> outputs([{}])\n", quoted(&[&network.outputs]));
    text
}

/// Lines as one label, in which nothing is markup.
fn quoted(lines: &[&str]) -> String {
    let escaped = |line: &&str| line.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!("\"{}\"", lines.iter().map(escaped).collect::<Vec<_>>().join("<br>"))
}
