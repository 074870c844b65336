//! The exits of each modality, and the route: one exit for each of them that takes part.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::{Context, Face, binding, docs, optional};

pub(super) fn expand(modalities: &[Face], context: &Context) -> TokenStream {
    let names: Vec<_> = modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let title = docs::lines(if modalities.iter().any(|modality| modality.may_be_missing) {
        "One exit for each modality that takes part."
    } else {
        "One exit for each modality."
    });
    let fields = modalities.iter().zip(&names).map(|(Face { name, may_be_missing, .. }, field)| {
        let none = if *may_be_missing { "; `None` where it takes no part" } else { "" };
        let line = docs::lines(&format!("The exit of `{}`{none}.", name.text));
        let exit = context.pascal(name, "Exit");
        let ty = optional(quote!(#exit), *may_be_missing);
        quote!(#line pub #field: #ty,)
    });
    let missing: Vec<_> = modalities.iter().filter(|modality| modality.may_be_missing).collect();
    let missing_names: Vec<_> = missing.iter().map(|modality| context.snake(&modality.name)).collect();
    let bindings: Vec<_> = missing.iter().map(|modality| binding(&modality.name, context)).collect();
    let blocks = modalities.iter().zip(&names).map(|(modality, name)| match modality.may_be_missing {
        true => binding(&modality.name, context).into_token_stream(),
        false => quote!(self.#name as usize + 1),
    });
    let exits = modalities.iter().zip(&names).map(|(modality, name)| {
        let exit = context.pascal(&modality.name, "Exit");
        match modality.may_be_missing {
            true => quote!(network::exit_or_none(#exit::ALL, #name)?),
            false => quote!(network::exit(#exit::ALL, #name)?),
        }
    });
    let shown = modalities.iter().zip(&names).map(|(modality, name)| match modality.may_be_missing {
        true => binding(&modality.name, context).into_token_stream(),
        false => quote!(self.#name),
    });
    let enums = modalities.iter().map(|modality| exit(modality, context));
    let text: Vec<_> = modalities.iter().map(|modality| format!("{}: {{}}", modality.name.text)).collect();
    let text = text.join(", ");
    quote! {
        #title
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct Route {
            #(#fields)*
        }

        impl network::Route for Route {
            fn blocks(&self) -> Vec<usize> {
                #(let #bindings = self.#missing_names.map_or(0, |exit| exit as usize + 1);)*
                vec![#(#blocks),*]
            }

            fn from_blocks(blocks: &[usize]) -> Option<Self> {
                let [#(#names),*] = *blocks else { return None };
                Some(Self { #(#names: #exits),* })
            }
        }

        impl Display for Route {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                #(let #bindings = network::shown(&self.#missing_names);)*
                write!(f, #text, #(#shown),*)
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
