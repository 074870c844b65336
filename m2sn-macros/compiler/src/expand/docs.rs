//! Documentation of the generated model: the spec, what each exit costs, and a drawing of the network.

use std::fmt::Write;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, dims};
use crate::cost::{Cost, grouped};
use crate::model::{Modality, Model};

/// Doc comments, one a line of the text.
pub(super) fn lines(text: &str) -> TokenStream {
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
    quote!(#(#[doc = #lines])*)
}

/// The documentation of the model's struct, which follows what the user wrote on it.
pub(super) fn model(model: &Model, context: &Context) -> TokenStream {
    let mut text = String::new();
    let documented = context.item.attrs.iter().any(|attr| attr.path().is_ident("doc"));
    if documented {
        text.push('\n');
    }
    if let Some(description) = &model.description {
        text += &format!("{}\n\n", description.trim());
    }
    text += &format!("Generated from `{}`. Its parts are in [`{}`].\n\n", context.spec_path, model.name.snake);
    if model.may_lack() {
        text += &format!("Inputs and routes may do without {}.\n\n", missing(model));
    }
    text += &format!("# Network\n```text\n{}```\n\n", drawing(model));
    text += "# Exits\nOne sample costs this much up to an exit, its shortcut included:\n";
    for modality in &model.modalities {
        text += &format!("\n`{}`, `{}`:\n\n{}", modality.name.text, dims(modality.input), table(modality));
    }
    text += &format!("\nFusion and head add {}", described(model.fusion_and_head()));
    if model.navigator.runs() {
        text += &format!(", the navigator {}", described(model.navigator.cost));
    }
    text += ".\n\n# Spec";
    let (above, include) = (lines(&text), &context.include);
    // The fences stand where the lines of the file do, at the margin, or Markdown would unindent the file.
    quote! {
        #above
        #[doc = "```yaml"]
        #[doc = #include]
        #[doc = "```"]
    }
}

/// The modalities that may be missing, as `image`, `audio` or `text`.
fn missing(model: &Model) -> String {
    let missing = model.modalities.iter().filter(|modality| modality.may_be_missing());
    let names: Vec<_> = missing.map(|modality| format!("`{}`", modality.name.text)).collect();
    match names.as_slice() {
        [names @ .., before, last] => {
            let names: String = names.iter().map(|name| format!("{name}, ")).collect();
            format!("{names}{before} or {last}")
        }
        names => names.concat(),
    }
}

/// The exits of a modality with shapes and costs.
fn table(modality: &Modality) -> String {
    let mut text = "| exit | output of its block | parameters | multiply-adds |\n|---|---|--:|--:|\n".to_owned();
    for (exit, cost) in modality.costs() {
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {} |",
            exit.name.text,
            exit.shape,
            grouped(cost.parameters),
            grouped(cost.multiply_adds)
        );
    }
    text
}

fn described(cost: Cost) -> String {
    format!("{} parameters and {} multiply-adds", grouped(cost.parameters), grouped(cost.multiply_adds))
}

/// The encoders as lines that join in fusion and head; a layer that an exit follows ends in `┬`.
///
/// ```text
/// image ─ stem ┬ stage1 ┬ stage2 ─ feature ┐
///                                          ├ concat ─ mlp ─ 10 classes
/// audio ─ stem ─ stage1 ┬ feature ─────────┘
/// ```
fn drawing(model: &Model) -> String {
    let rows: Vec<String> = model.modalities.iter().map(row).collect();
    let width = rows.iter().map(|row| row.chars().count()).max().unwrap_or(0);
    let (fusion, outputs) = (model.fusion.kind(), model.task);
    // Rows of modalities and of joints take turns, so that there is always one in the middle.
    let (lines, middle) = (2 * rows.len() - 1, rows.len() - 1);
    if let [row] = rows.as_slice() {
        return format!("{row} {fusion} ─ head ─ {outputs}\n");
    }
    let mut text = String::new();
    for line in 0..lines {
        let row = if line % 2 == 0 { rows.get(line / 2) } else { None };
        let (left, filler) = row.map_or(("", ' '), |row| (row.as_str(), '─'));
        let padding: String = std::iter::repeat_n(filler, width - left.chars().count()).collect();
        let joint = match (row.is_some(), line) {
            (true, 0) => '┐',
            (true, last) if last + 1 == lines => '┘',
            (true, center) if center == middle => '┼',
            (true, _) => '┤',
            (false, center) if center == middle => '├',
            (false, _) => '│',
        };
        let _ = write!(text, "{left}{padding}{joint}");
        if line == middle {
            let _ = write!(text, " {fusion} ─ head ─ {outputs}");
        }
        text.push('\n');
    }
    text
}

/// One encoder, `image ─ stem ┬ stage1 ─ feature ─`.
fn row(modality: &Modality) -> String {
    let mut text = format!("{} ─", modality.name.text);
    for exit in &modality.exits {
        let layers = modality.layers.get(exit.layers.clone()).unwrap_or_default();
        for (index, layer) in layers.iter().enumerate() {
            let mark = if index + 1 == layers.len() && exit.shortcut.is_some() { '┬' } else { '─' };
            let _ = write!(text, " {} {mark}", layer.name.text);
        }
    }
    text
}
