//! The batch of inputs: a typed field a modality.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, Face, batch, dims, docs, optional};

pub(super) fn expand(modalities: &[Face], context: &Context) -> TokenStream {
    let names: Vec<_> = modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let texts = modalities.iter().map(|modality| &modality.name.text);
    let types = modalities.iter().map(|modality| optional(batch(modality.input), modality.may_be_missing));
    let lines = modalities.iter().map(|Face { name, input, may_be_missing, .. }| {
        let missing = if *may_be_missing { MISSING } else { "" };
        docs::lines(&format!("The modality `{}`, `{}`{missing}. {}", name.text, dims(*input), context.line(name)))
    });
    let typed = modalities.iter().zip(&names).map(|(modality, name)| {
        let batch = quote!(Batch::try_from_feature(#name)?);
        if modality.may_be_missing { quote!(Some(#batch)) } else { batch }
    });
    quote! {
        /// A batch of inputs: the same samples in every modality.
        #[derive(Debug, Clone)]
        pub struct Input {
            #(#lines pub #names: #types,)*
        }

        impl network::Input for Input {
            const MODALITIES: &'static [&'static str] = &[#(#texts),*];

            fn features(&self) -> Vec<Feature> {
                network::features(&[#(&self.#names),*])
            }

            fn from_features(features: Vec<Feature>) -> Result<Self> {
                let [#(#names),*] = network::try_one_each(features)?;
                Ok(Self { #(#names: #typed),* })
            }
        }
    }
}

/// What the documentation of a modality that may be missing adds.
const MISSING: &str = "; `None` where the whole batch lacks it, and `Batch::where_present` where some samples do";
