//! The imports of the generated module: of what the runtime offers, the names that the module uses.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::Context;

/// The runtime's modules and what generated code may name in them.
const NAMES: [(&str, &[&str]); 9] = [
    ("", &["Batch", "Result", "fusion", "navigator", "network", "nn", "plan"]),
    ("batch", &["Feature"]),
    ("fusion", &["StandIn"]),
    ("network", &["Chain", "Cost", "Description", "Exit", "Modality", "Normalization"]),
    (
        "nn",
        &[
            "Activation",
            "AnyLayer",
            "AttentionPool",
            "AveragePool",
            "BatchNorm",
            "Branches",
            "Conv",
            "Conv1d",
            "Conv3d",
            "Custom",
            "Delta",
            "Dropout",
            "Embedding",
            "FirstStep",
            "Flatten",
            "Frames",
            "GlobalAveragePool",
            "Gru",
            "LastStep",
            "Layer",
            "Linear",
            "Lstm",
            "MaxPool",
            "Maxout",
            "Mel",
            "Mfcc",
            "Mlp",
            "Norm",
            "Normalize",
            "Order",
            "Path",
            "Positions",
            "Residual",
            "Residual3d",
            "Scale",
            "Sequential",
            "SpectralCentroid",
            "ToImage",
            "Transformer",
            "conv",
            "conv1d",
            "conv3d",
            "delta",
            "embedding",
            "gru",
            "lstm",
            "mel",
            "mfcc",
            "mlp",
            "pool",
            "residual",
            "residual3d",
            "spectral_centroid",
            "transformer",
        ],
    ),
    ("shape", &["Bytes", "Image", "Sequence", "Tokens", "Vector", "Video", "Waveform"]),
    ("shortcut", &["Alignment", "Shortcut"]),
    ("task", &["Task"]),
    ("tch", &["Kind", "Tensor"]),
];

/// Imports what `parts` name.
pub(super) fn expand(parts: &[TokenStream], context: &Context) -> TokenStream {
    let mut used = BTreeSet::new();
    for part in parts {
        collect(part.clone(), &mut used);
    }
    let krate = &context.krate;
    let imports = NAMES.iter().filter_map(|(module, names)| {
        let names: Vec<_> =
            names.iter().filter(|name| used.contains(**name)).map(|name| format_ident!("{name}")).collect();
        let module = (!module.is_empty()).then(|| format_ident!("{module}")).map(|module| quote!(#module::));
        match names.as_slice() {
            [] => None,
            [name] => Some(quote!(use #krate::#module #name;)),
            names => Some(quote!(use #krate::#module {#(#names),*};)),
        }
    });
    quote! {
        use std::fmt::{self, Display, Formatter};

        #(#imports)*
    }
}

/// Collects the names that begin a path: those of types stand alone, those of modules before `::`.
///
/// Fields and methods may bear a module's name, and variants a type's, so what is around a name decides.
fn collect(tokens: TokenStream, used: &mut BTreeSet<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_path = |index: usize| {
        let colon = |index: usize| matches!(tokens.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        colon(index) && colon(index + 1)
    };
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => collect(group.stream(), used),
            TokenTree::Ident(_) if index >= 2 && is_path(index - 2) => {}
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                if name == "forward" {
                    // A method's trait must be in scope, although nothing names it.
                    used.insert("Layer".to_owned());
                } else if is_path(index + 1) || name.starts_with(char::is_uppercase) {
                    used.insert(name);
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::{BTreeSet, collect};

    #[test]
    fn paths_are_told_from_fields_and_variants() {
        let mut used = BTreeSet::new();
        collect(quote!(pub conv: Conv<Image<1>>, x.pool.mlp(gru::Settings { a: Self::Linear })), &mut used);
        assert_eq!(used, ["Conv", "Image", "Self", "gru"].map(String::from).into());
    }
}
