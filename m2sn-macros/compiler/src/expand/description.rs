//! What the spec says and the compiler inferred, for the runtime to read.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Context, feature};
use crate::cost::Cost;
use crate::model::{self, Exit, Layer, Modality, Model};
use crate::shape::Shape;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let Context { spec_path, include, .. } = context;
    let name = &model.name.text;
    let resolved = verbatim(&model.resolved);
    let architecture = architecture(model);
    let task = task(model.task);
    let outputs = &model.outputs;
    let modalities = model.modalities.iter().map(modality);
    let (head, navigator) = (cost(model.fusion_and_head()), cost(model.navigator.cost));
    quote! {
        pub(super) static DESCRIPTION: Description = Description {
            name: #name,
            spec_path: #spec_path,
            spec: #include,
            resolved_spec: #resolved,
            architecture: &[#(#architecture),*],
            task: #task,
            outputs: &[#(#outputs),*],
            modalities: &[#(#modalities),*],
            head: #head,
            navigator: #navigator,
        };
    }
}

/// One line a layer, under the name that its variables have in a checkpoint.
fn architecture(model: &Model) -> Vec<String> {
    let line = |place: &str, layer: &Layer| format!("{place}{}", layer.describe());
    let mut lines = Vec::new();
    for modality in &model.modalities {
        let name = &modality.name.text;
        lines.extend(modality.layers.iter().map(|layer| line(&format!("encoders.{name}."), layer)));
        for exit in &modality.exits {
            if let Some(shortcut) = &exit.shortcut {
                let text = format!(
                    "shortcuts.{name}.{}: {} -> Vector<{}>, {:?}",
                    exit.name.text, shortcut.input, shortcut.feature, shortcut.alignment
                );
                lines.push(text);
            }
        }
        lines.push(format!("task_heads.{name}: {}", without_name(&modality.task_head)));
    }
    let missing = model.modalities.iter().filter(|modality| modality.may_be_missing());
    lines.extend(missing.map(|modality| format!("fusion.missing.{}: {}", modality.name.text, feature(modality))));
    // Without variables of its own, a fusion still decides what the head's are of.
    if !model.fusion.is_concat() {
        lines.push(format!("fusion: {}", model.fusion.describe()));
    }
    lines.push(format!("head: {}", without_name(&model.head)));
    for (modality, layers) in model.modalities.iter().zip(&model.navigator.embeddings) {
        let place = format!("navigator.embed.{}.", modality.name.text);
        lines.extend(layers.iter().map(|layer| line(&place, layer)));
    }
    lines.push(format!("navigator.decision: {}", without_name(&model.navigator.decision)));
    lines
}

/// Layers that are alone in their place bear the place's name.
fn without_name(layer: &Layer) -> String {
    format!("{} -> {}, {}", layer.input, layer.output, layer.operation)
}

fn modality(modality: &Modality) -> TokenStream {
    let (name, input) = (&modality.name.text, modality.input.to_string());
    let (dims, feature) = (dims(modality.input), Literal::u64_unsuffixed(modality.feature));
    let kind = kind(modality.input);
    let vocabulary = optional(modality.vocabulary.map(Literal::u64_unsuffixed));
    let missing = optional(modality.missing.map(Literal::f64_unsuffixed));
    let normalize = match modality.fitted {
        None => quote!(None),
        Some(true) => quote!(Some(Normalization::Fitted)),
        Some(false) => quote!(Some(Normalization::Declared)),
    };
    let exits = modality.exits.iter().map(|exit| self::exit(exit, modality));
    let task_head = cost(modality.task_head.cost);
    quote! {
        Modality {
            name: #name,
            input: #input,
            dims: #dims,
            kind: #kind,
            vocabulary: #vocabulary,
            missing: #missing,
            normalize: #normalize,
            feature: #feature,
            exits: &[#(#exits),*],
            task_head: #task_head,
        }
    }
}

/// The element type of inputs.
fn kind(input: Shape) -> TokenStream {
    match input {
        Shape::Tokens { .. } => quote!(Kind::Int64),
        _ if input.is_bytes() => quote!(Kind::Uint8),
        _ => quote!(Kind::Float),
    }
}

fn exit(exit: &Exit, modality: &Modality) -> TokenStream {
    let layers = modality.layers.get(exit.layers.clone()).unwrap_or_default();
    let layers = layers.iter().map(|layer| &layer.name.text);
    let (name, dims, block) = (&exit.name.text, dims(exit.shape), cost(exit.block));
    let shortcut = cost(exit.shortcut.as_ref().map_or_else(Default::default, |shortcut| shortcut.cost));
    quote! {
        Exit {
            name: #name,
            layers: &[#(#layers),*],
            dims: #dims,
            block: #block,
            shortcut: #shortcut,
        }
    }
}

fn optional(value: Option<Literal>) -> TokenStream {
    value.map_or_else(|| quote!(None), |value| quote!(Some(#value)))
}

fn dims(shape: Shape) -> TokenStream {
    let dims = shape.dims().into_iter().map(Literal::u64_unsuffixed);
    quote!(&[#(#dims),*])
}

fn cost(cost: Cost) -> TokenStream {
    let (parameters, multiply_adds) =
        (Literal::u64_unsuffixed(cost.parameters), Literal::u64_unsuffixed(cost.multiply_adds));
    quote!(Cost { parameters: #parameters, multiply_adds: #multiply_adds })
}

fn task(task: model::Task) -> TokenStream {
    match task {
        model::Task::Classification { classes } => {
            let classes = Literal::u64_unsuffixed(classes);
            quote!(Task::Classification { classes: #classes })
        }
        model::Task::Multilabel { labels } => {
            let labels = Literal::u64_unsuffixed(labels);
            quote!(Task::Multilabel { labels: #labels })
        }
        model::Task::Regression { targets } => {
            let targets = Literal::u64_unsuffixed(targets);
            quote!(Task::Regression { targets: #targets })
        }
    }
}

/// A raw string literal, in which the lines of a text are lines of the source.
fn verbatim(text: &str) -> Literal {
    let hashes =
        "#".repeat(1 + text.split('"').map(|part| part.len() - part.trim_start_matches('#').len()).max().unwrap_or(0));
    format!("r{hashes}\"{text}\"{hashes}").parse().unwrap_or_else(|_| Literal::string(text))
}

#[cfg(test)]
mod tests {
    use super::verbatim;

    #[test]
    fn verbatim_text_survives_quotes_and_hashes() {
        for text in ["a: 1\nb: 2\n", "say \"hi\"", "\"##\" \"#", "bare \r return"] {
            let literal: syn::LitStr = syn::parse_str(&verbatim(text).to_string()).expect("a string literal");
            assert_eq!(literal.value(), text);
        }
    }
}
