//! Fusion and head.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Context, batch, binding, dims, docs, tuple};
use crate::model::Model;
use crate::shape::Shape;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let fused = Shape::Vector { size: model.fused };
    let (ty, output) = (model.head.ty(), batch(model.head.output));
    let layer = model.head.construct(quote!(root / "head"));
    let names: Vec<_> = model.modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let bindings: Vec<_> = model.modalities.iter().map(|modality| binding(&modality.name, context)).collect();
    let each: Vec<_> = model
        .modalities
        .iter()
        .zip(&bindings)
        .map(|(modality, binding)| {
            let name = context.snake(&modality.name);
            if modality.may_be_missing() { quote!(&#binding) } else { quote!(&features.#name) }
        })
        .collect();
    let concatenated = tuple(&each);
    let typed = model.modalities.iter().zip(&bindings).map(|(modality, binding)| {
        let batch = quote!(Batch::trusted(#binding.shallow_clone().into()));
        if modality.may_be_missing() { quote!(Some(#batch)) } else { batch }
    });
    let StandIns { field, construct, fill, method, item } = stand_ins(model, context).unwrap_or_default();
    let filled = if model.may_lack() { "with a stand-in for each that is missing, " } else { "" };
    let title = docs::lines(&format!(
        "Puts the features side by side, `{}`, {filled}and predicts the task, `{}`.",
        dims(fused),
        dims(model.head.output)
    ));
    let fused = batch(fused);
    quote! {
        /// Fusion and head: from one feature a modality to the prediction.
        #[derive(Debug)]
        pub struct Head {
            #field
            layer: #ty,
        }

        impl Head {
            pub(super) fn new(root: &Path<'_>) -> Self {
                Self { #construct layer: #layer }
            }

            #title
            pub fn forward(&self, features: &Features, train: bool) -> #output {
                #fill
                let fused: #fused = fusion::concat(#concatenated);
                self.layer.forward(&fused, train)
            }

            pub(super) fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
                let [#(#bindings),*] = network::one_each(features);
                let features = Features { #(#names: #typed),* };
                self.forward(&features, train).into_feature().tensor
            }

            #method

            pub(super) fn layers(&self) -> Vec<Box<dyn AnyLayer + '_>> {
                Vec::from([nn::erase(&self.layer)])
            }
        }

        #item
    }
}

/// What the head has more where some modality may be missing.
#[derive(Default)]
struct StandIns {
    field: TokenStream,
    /// The field's value, in the head's constructor.
    construct: TokenStream,
    /// Fills in for missing features, in `forward`.
    fill: TokenStream,
    method: TokenStream,
    item: TokenStream,
}

/// The stand-ins for missing modalities; `None` where every input has all.
fn stand_ins(model: &Model, context: &Context) -> Option<StandIns> {
    if !model.may_lack() {
        return None;
    }
    let counts = model.modalities.iter().map(|modality| {
        let name = context.snake(&modality.name);
        match modality.may_be_missing() {
            true => quote!(features.#name.as_ref().map(Batch::len)),
            false => quote!(Some(features.#name.len())),
        }
    });
    let missing: Vec<_> =
        model.modalities.iter().enumerate().filter(|(_, modality)| modality.may_be_missing()).collect();
    let numbers = missing.iter().map(|(number, _)| Literal::usize_unsuffixed(*number));
    let names: Vec<_> = missing.iter().map(|(_, modality)| context.snake(&modality.name)).collect();
    let bindings = missing.iter().map(|(_, modality)| binding(&modality.name, context));
    let texts = missing.iter().map(|(_, modality)| &modality.name.text);
    let widths = missing.iter().map(|(_, modality)| Literal::u64_unsuffixed(modality.feature));
    let lines = missing.iter().map(|(_, modality)| docs::lines(&format!("For `{}`.", modality.name.text)));
    Some(StandIns {
        field: quote!(stand_ins: StandIns,),
        construct: quote!(stand_ins: StandIns { #(#names: StandIn::new(root / "fusion" / "missing" / #texts)),* },),
        fill: quote! {
            let samples = fusion::samples(&[#(#counts),*]);
            #(let #bindings = self.stand_ins.#names.fill(features.#names.as_ref(), samples);)*
        },
        method: quote! {
            pub(super) fn stand_in(&self, modality: usize) -> Option<&Tensor> {
                match modality {
                    #(#numbers => Some(self.stand_ins.#names.feature()),)*
                    _ => None,
                }
            }
        },
        item: quote! {
            /// What fusion takes in place of a missing modality's feature, learned.
            #[derive(Debug)]
            pub struct StandIns {
                #(#lines pub #names: StandIn<#widths>,)*
            }
        },
    })
}
