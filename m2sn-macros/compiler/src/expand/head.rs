//! Fusion and head.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Context, batch, binding, dims, docs, tuple};
use crate::model::Model;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
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
    let joins = match model.fusion.is_concat() {
        true => "Puts the features side by side".to_owned(),
        false => format!("Fuses the features by `{}`", model.fusion.kind()),
    };
    let title = docs::lines(&format!(
        "{joins}, `{}`, {filled}and predicts the task, `{}`.",
        dims(model.fusion.output()),
        dims(model.head.output)
    ));
    let Fused { declare, build, fuse, layer: fusion } = fused(model, &concatenated);
    quote! {
        /// Fusion and head: from one feature a modality to the prediction.
        #[derive(Debug)]
        pub struct Head {
            #field
            #declare
            layer: #ty,
        }

        impl Head {
            pub(super) fn new(root: &Path<'_>) -> Self {
                Self { #construct #build layer: #layer }
            }

            #title
            pub fn forward(&self, features: &Features, train: bool) -> #output {
                #fill
                #fuse
                self.layer.forward(&fused, train)
            }

            pub(super) fn fuse(&self, features: &[Tensor], train: bool) -> Tensor {
                let [#(#bindings),*] = network::one_each(features);
                let features = Features { #(#names: #typed),* };
                self.forward(&features, train).into_feature().tensor
            }

            #method

            pub(super) fn layers(&self) -> Vec<Box<dyn AnyLayer + '_>> {
                Vec::from([#fusion nn::erase(&self.layer)])
            }
        }

        #item
    }
}

/// What the head does with the features first.
struct Fused {
    /// The field of what computes on the features side by side, where more is done with them.
    declare: TokenStream,
    /// The field's value, in the head's constructor.
    build: TokenStream,
    /// Makes them one, in `forward`.
    fuse: TokenStream,
    /// The same as a layer.
    layer: TokenStream,
}

/// From the features in a tuple to the fused feature.
fn fused(model: &Model, features: &TokenStream) -> Fused {
    let joined = batch(model.fusion.joined());
    match (model.fusion.ty(), model.fusion.construct(quote!(root / "fusion"))) {
        (Some(ty), Some(construct)) => Fused {
            declare: quote!(fusion: #ty,),
            build: quote!(fusion: #construct,),
            fuse: quote! {
                let joined: #joined = fusion::concat(#features);
                let fused = self.fusion.forward(&joined, train);
            },
            layer: quote!(nn::erase(&self.fusion),),
        },
        _ => Fused {
            declare: TokenStream::new(),
            build: TokenStream::new(),
            fuse: quote!(let fused: #joined = fusion::concat(#features);),
            layer: TokenStream::new(),
        },
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
