//! The navigator: embeddings of the raw inputs, and the decision (Section III-C).

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Context, batch, binding, construct, dims, docs, erased, forward, have_variables, tuple};
use crate::model::{Layer, Modality, Model};
use crate::shape::Shape;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let decision = &model.navigator.decision;
    let names: Vec<_> = model.modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let bindings: Vec<_> = model.modalities.iter().map(|modality| binding(&modality.name, context)).collect();
    let types: Vec<_> = model.modalities.iter().map(|modality| context.pascal(&modality.name, "Embedding")).collect();
    let embeddings: Vec<_> = model.modalities.iter().zip(&model.navigator.embeddings).collect();
    let lines = model.modalities.iter().map(|modality| docs::lines(&format!("Of `{}`.", modality.name.text)));
    let each = embeddings.iter().map(|(modality, layers)| embedding(modality, layers, context));
    let (ty, output) = (decision.ty(), batch(decision.output));
    let construct = decision.construct(quote!(root / "navigator" / "decision"));
    let embedded = batch(decision.input);
    let each_embedded: Vec<_> = model
        .modalities
        .iter()
        .zip(&names)
        .map(|(modality, name)| {
            let input = match modality.may_be_missing() {
                true => quote!(&network::or_blank(&input.#name, input)),
                false => quote!(&input.#name),
            };
            quote!(&self.embed.#name.forward(#input, train))
        })
        .collect();
    let concatenated = tuple(&each_embedded);
    let typed = model.modalities.iter().zip(&bindings).map(|(modality, binding)| {
        let batch = quote!(Batch::trusted(#binding.clone()));
        if modality.may_be_missing() { quote!(Some(#batch)) } else { batch }
    });
    let chains = embeddings.iter().zip(&names).enumerate().map(|(m, ((_, layers), name))| {
        let (m, layers) = (Literal::usize_unsuffixed(m), erased(layers, &quote!(self.embed.#name), context));
        quote!(Chain::Embedding { modality: #m } => #layers,)
    });
    let counts: Vec<_> =
        model.modalities.iter().map(|modality| Literal::usize_unsuffixed(modality.exits.len())).collect();
    let title = docs::lines(&format!(
        "Scores the exits of every modality side by side, `{}`, before any encoder runs.",
        dims(decision.output)
    ));
    quote! {
        /// The navigator: scores the exits of each modality from the raw inputs (Section III-C).
        #[derive(Debug)]
        pub struct Navigator {
            embed: Embeddings,
            decision: #ty,
        }

        /// The navigator's embedding of each modality.
        #[derive(Debug)]
        pub struct Embeddings {
            #(#lines pub #names: #types,)*
        }

        impl Navigator {
            pub(super) fn new(root: &Path<'_>) -> Self {
                let embed = Embeddings { #(#names: #types::new(root)),* };
                let decision = #construct;
                Self { embed, decision }
            }

            #title
            pub fn forward(&self, input: &Input, train: bool) -> #output {
                let embedded: #embedded = navigator::concat(#concatenated);
                self.decision.forward(&embedded, train)
            }

            pub(super) fn navigate(&self, inputs: &[Feature], train: bool) -> Vec<Tensor> {
                let [#(#bindings),*] = network::one_each(inputs);
                let input = Input { #(#names: #typed),* };
                navigator::split(self.forward(&input, train).tensor(), &[#(#counts),*])
            }

            pub(super) fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
                match chain {
                    #(#chains)*
                    Chain::Decision => Vec::from([nn::erase(&self.decision)]),
                    _ => network::no_such_chain(chain),
                }
            }
        }

        #(#each)*
    }
}

/// The embedding of one modality: its layers from input to vector.
fn embedding(modality: &Modality, layers: &[Layer], context: &Context) -> TokenStream {
    let ty = context.pascal(&modality.name, "Embedding");
    let name = &modality.name.text;
    let fields = layers.iter().map(|layer| {
        let (name, ty) = (context.snake(&layer.name), layer.ty());
        quote!(#name: #ty,)
    });
    let layers_built = construct(layers, context);
    let (root, path) = if have_variables(layers) {
        (quote!(root), Some(quote!(let path = root / "navigator" / "embed" / #name;)))
    } else {
        (quote!(_root), None)
    };
    let output: Shape = layers.last().map_or(modality.input, |layer| layer.output);
    let title = docs::lines(&format!("Embeds `{name}` for the navigator."));
    let way = docs::lines(&format!("`{}` → `{}`.", dims(modality.input), dims(output)));
    let (input, output) = (batch(modality.input), batch(output));
    let body = forward(layers, context);
    quote! {
        #title
        #[derive(Debug)]
        pub struct #ty {
            #(#fields)*
        }

        impl #ty {
            fn new(#root: &Path<'_>) -> Self {
                #path
                Self { #layers_built }
            }

            #way
            pub fn forward(&self, input: &#input, train: bool) -> #output {
                #body
            }
        }
    }
}
