//! Fusion and head.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, batch, binding, dims, docs};
use crate::model::Model;
use crate::shape::Shape;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let fused = Shape::Vector { size: model.fused };
    let (ty, output) = (model.head.ty(), batch(model.head.output));
    let layer = model.head.construct(quote!(root / "head"));
    let names: Vec<_> = model.modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let bindings: Vec<_> = model.modalities.iter().map(|modality| binding(&modality.name, context)).collect();
    let concatenated = super::tuple(&names.iter().map(|name| quote!(&features.#name)).collect::<Vec<_>>());
    let title = docs::lines(&format!(
        "Puts the features side by side, `{}`, and predicts the task, `{}`.",
        dims(fused),
        dims(model.head.output)
    ));
    let fused = batch(fused);
    quote! {
        /// Fusion and head: from one feature a modality to the prediction.
        #[derive(Debug)]
        pub struct Head {
            layer: #ty,
        }

        impl Head {
            pub(super) fn new(root: &Path<'_>) -> Self {
                Self { layer: #layer }
            }

            #title
            pub fn forward(&self, features: &Features, train: bool) -> #output {
                let fused: #fused = fusion::concat(#concatenated);
                self.layer.forward(&fused, train)
            }

            pub(super) fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
                let [#(#bindings),*] = network::one_each(features);
                let features = Features { #(#names: Batch::trusted(#bindings.shallow_clone().into())),* };
                self.forward(&features, train).into_feature().tensor
            }
        }
    }
}
