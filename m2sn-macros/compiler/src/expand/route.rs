//! The exits of each modality, and the route: one exit for each of them.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, docs};
use crate::model::{Model, Name};

/// The exits of each modality of the model.
pub(super) fn modalities(model: &Model) -> Vec<(&Name, Vec<&Name>)> {
    model
        .modalities
        .iter()
        .map(|modality| (&modality.name, modality.exits.iter().map(|exit| &exit.name).collect()))
        .collect()
}

pub(super) fn expand(modalities: &[(&Name, Vec<&Name>)], context: &Context) -> TokenStream {
    let names: Vec<_> = modalities.iter().map(|(name, _)| context.snake(name)).collect();
    let exits: Vec<_> = modalities.iter().map(|(name, _)| context.pascal(name, "Exit")).collect();
    let lines = modalities.iter().map(|(name, _)| docs::lines(&format!("The exit of `{}`.", name.text)));
    let enums = modalities.iter().map(|(name, exits)| exit(name, exits, context));
    let text = modalities.iter().map(|(name, _)| format!("{}: {{}}", name.text)).collect::<Vec<_>>().join(", ");
    quote! {
        /// One exit for each modality.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Route {
            #(#lines pub #names: #exits,)*
        }

        impl network::Route for Route {
            fn exits(&self) -> Vec<usize> {
                vec![#(self.#names as usize),*]
            }

            fn from_exits(exits: &[usize]) -> Option<Self> {
                let [#(#names),*] = *exits else { return None };
                Some(Self { #(#names: *#exits::ALL.get(#names)?),* })
            }
        }

        impl Display for Route {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, #text, #(self.#names),*)
            }
        }

        #(#enums)*
    }
}

fn exit(modality: &Name, exits: &[&Name], context: &Context) -> TokenStream {
    let ty = context.pascal(modality, "Exit");
    let variants: Vec<_> = exits.iter().map(|exit| context.pascal(exit, "")).collect();
    let names: Vec<_> = exits.iter().map(|exit| &exit.text).collect();
    let title = docs::lines(&format!("Where a sample may leave the encoder of `{}`.", modality.text));
    let lines = exits.iter().enumerate().map(|(index, exit)| {
        docs::lines(&if index + 1 == exits.len() {
            "After the last layer.".to_owned()
        } else {
            format!("After `{}`, by a shortcut. {}", exit.text, context.line(exit))
        })
    });
    quote! {
        #title
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum #ty {
            #(#lines #variants,)*
        }

        impl #ty {
            /// From the shallowest to the deepest.
            pub const ALL: &[Self] = &[#(Self::#variants),*];
        }

        impl Display for #ty {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    #(Self::#variants => #names,)*
                })
            }
        }
    }
}
