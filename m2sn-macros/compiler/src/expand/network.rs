//! The model as training, routing and evaluation see it.

use proc_macro2::TokenStream;
use quote::quote;

use super::Context;
use crate::model::Model;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let Context { krate, item, .. } = context;
    let ident = &item.ident;
    let module = context.module(model);
    let stand_in = model.may_lack().then(|| {
        quote! {
            fn stand_in(&self, modality: usize) -> Option<&#krate::tch::Tensor> {
                self.head.stand_in(modality)
            }
        }
    });
    quote! {
        impl #krate::network::Network for #ident {
            type Input = #module::Input;
            type Route = #module::Route;

            fn new(device: #krate::Device) -> #krate::Result<Self> {
                let variables = #krate::network::variables(device)?;
                let root = variables.root();
                let encoders = #module::Encoders::new(&root);
                let head = #module::Head::new(&root);
                let navigator = #module::Navigator::new(&root);
                let policies = #krate::policy::Policies::new(&root, Self::description());
                Ok(Self { encoders, head, navigator, policies, variables })
            }

            fn description() -> &'static #krate::network::Description {
                &#module::DESCRIPTION
            }

            fn plan() -> #krate::plan::Plan {
                #module::plan()
            }

            fn variables(&self) -> &#krate::tch::nn::VarStore {
                &self.variables
            }

            fn policies(&self) -> &#krate::policy::Policies {
                &self.policies
            }

            fn policies_mut(&mut self) -> &mut #krate::policy::Policies {
                &mut self.policies
            }

            fn layers(&self, chain: #krate::network::Chain) -> Vec<Box<dyn #krate::nn::AnyLayer + '_>> {
                use #krate::network::Chain;
                match chain {
                    Chain::Head => self.head.layers(),
                    Chain::Embedding { .. } | Chain::Decision => self.navigator.layers(chain),
                    _ => self.encoders.layers(chain),
                }
            }

            fn fuse(&self, features: &[#krate::tch::Tensor], train: bool) -> #krate::tch::Tensor {
                self.head.fuse(features, train)
            }

            #stand_in

            fn navigate(&self, inputs: &[#krate::batch::Feature], train: bool) -> Vec<#krate::tch::Tensor> {
                self.navigator.navigate(inputs, train)
            }
        }
    }
}
