//! The exits of each modality, and the route: one exit for each of them.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, Face, docs};

pub(super) fn expand(modalities: &[Face], context: &Context) -> TokenStream {
    let names: Vec<_> = modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let exits: Vec<_> = modalities.iter().map(|modality| context.pascal(&modality.name, "Exit")).collect();
    let lines = modalities.iter().map(|modality| docs::lines(&format!("The exit of `{}`.", modality.name.text)));
    let enums = modalities.iter().map(|modality| exit(modality, context));
    let text: Vec<_> = modalities.iter().map(|modality| format!("{}: {{}}", modality.name.text)).collect();
    let text = text.join(", ");
    quote! {
        /// One exit for each modality.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Route {
            #(#lines pub #names: #exits,)*
        }

        impl network::Route for Route {
            fn blocks(&self) -> Vec<usize> {
                vec![#(self.#names as usize + 1),*]
            }

            fn from_blocks(blocks: &[usize]) -> Option<Self> {
                let [#(#names),*] = *blocks else { return None };
                Some(Self { #(#names: network::exit(#exits::ALL, #names)?),* })
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

fn exit(Face { name, exits, .. }: &Face, context: &Context) -> TokenStream {
    let ty = context.pascal(name, "Exit");
    let variants: Vec<_> = exits.iter().map(|exit| context.pascal(exit, "")).collect();
    let names: Vec<_> = exits.iter().map(|exit| &exit.text).collect();
    let title = docs::lines(&format!("Where a sample may leave the encoder of `{}`.", name.text));
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
