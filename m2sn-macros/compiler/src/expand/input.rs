//! The batch of inputs: a typed field a modality.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, Face, batch, dims, docs};

pub(super) fn expand(modalities: &[Face], context: &Context) -> TokenStream {
    let names: Vec<_> = modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let texts = modalities.iter().map(|modality| &modality.name.text);
    let types = modalities.iter().map(|modality| batch(modality.input));
    let lines = modalities.iter().map(|Face { name, input, .. }| {
        docs::lines(&format!("The modality `{}`, `{}`. {}", name.text, dims(*input), context.line(name)))
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
                Ok(Self { #(#names: Batch::try_from_feature(#names)?),* })
            }
        }
    }
}
