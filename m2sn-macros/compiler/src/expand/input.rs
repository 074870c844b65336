//! The batch of inputs: a typed field a modality.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, batch, dims, docs};
use crate::model::{Model, Name};
use crate::shape::Shape;

/// What the inputs of the model are.
pub(super) fn fields(model: &Model) -> Vec<(&Name, Shape)> {
    model.modalities.iter().map(|modality| (&modality.name, modality.input)).collect()
}

pub(super) fn expand(fields: &[(&Name, Shape)], context: &Context) -> TokenStream {
    let names: Vec<_> = fields.iter().map(|(name, _)| context.snake(name)).collect();
    let texts = fields.iter().map(|(name, _)| &name.text);
    let types = fields.iter().map(|(_, shape)| batch(*shape));
    let lines = fields.iter().map(|(name, shape)| {
        docs::lines(&format!("The modality `{}`, `{}`. {}", name.text, dims(*shape), context.line(name)))
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
                vec![#(self.#names.feature()),*]
            }

            fn from_features(features: Vec<Feature>) -> Result<Self> {
                let [#(#names),*] = network::try_one_each(features)?;
                Ok(Self { #(#names: Batch::try_from_feature(#names)?),* })
            }
        }
    }
}
