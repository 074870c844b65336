//! The annotated struct, and the few methods that most programs need.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, docs};
use crate::model::Model;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let Context { krate, item, .. } = context;
    let syn::DeriveInput { attrs, vis, ident, .. } = item;
    let module = context.module(model);
    let docs = docs::model(model, context);
    let derive = derive(attrs);
    let methods = methods(krate, &quote!(#module));
    quote! {
        #(#attrs)*
        #docs
        #derive
        #vis struct #ident {
            encoders: #module::Encoders,
            head: #module::Head,
            navigator: #module::Navigator,
            policies: #krate::policy::Policies,
            variables: #krate::tch::nn::VarStore,
        }

        impl #ident {
            #methods
        }
    }
}

/// One line each: whatever has logic is in the runtime.
pub(super) fn methods(krate: &syn::Path, module: &TokenStream) -> TokenStream {
    quote! {
        /// Builds the model on a device, with freshly drawn parameters.
        ///
        /// # Errors
        /// Where the device cannot be used.
        pub fn new(device: #krate::Device) -> #krate::Result<Self> {
            #krate::network::Network::seeded(device, <Self as #krate::network::Network>::plan().seed)
        }

        /// Builds the model on a device, with the parameters that [`save`](Self::save) wrote.
        ///
        /// # Errors
        /// As [`load`](Self::load); where the device cannot be used.
        pub fn open(folder: impl AsRef<::std::path::Path>, device: #krate::Device) -> #krate::Result<Self> {
            #krate::checkpoint::open(folder, device)
        }

        /// Trains the model in the stages of its spec.
        ///
        /// # Errors
        /// Where the data do not fit the model, or a file cannot be written.
        pub fn train(
            &mut self,
            data: &#krate::data::Splits<#module::Input>,
            progress: &mut #krate::training::Progress,
        ) -> #krate::Result<#krate::training::Report> {
            let plan = <Self as #krate::network::Network>::plan();
            #krate::training::Trainer::new(plan).train(self, data, progress)
        }

        /// Answers each sample by the route that the policy of the spec chooses for it.
        ///
        /// # Errors
        /// Where the modalities differ in their number of samples; with a learned policy as `predict_within`.
        pub fn predict(
            &self,
            input: &#module::Input,
        ) -> #krate::Result<#krate::routing::Answer<#module::Route>> {
            #krate::routing::predict(self, input)
        }

        /// Answers within a budget, or within one for each sample, by the learned policy of the spec.
        ///
        /// # Errors
        /// Where the modalities differ in their number of samples, or a budget cannot be one; where the policy has not
        /// been trained, is the paper's, or does not know what the parts cost on this machine.
        pub fn predict_within(
            &self,
            input: &#module::Input,
            budgets: impl Into<#krate::policy::Budgets>,
        ) -> #krate::Result<#krate::routing::Answer<#module::Route>> {
            let plan = <Self as #krate::network::Network>::plan();
            #krate::routing::predict_within(self, input, plan.navigator.policy, budgets)
        }

        /// Tells a single sample's journey by the policy of the spec: where it was looked at, what that cost, and what every
        /// other route would have said.
        ///
        /// # Errors
        /// Where there is not exactly one sample; else as `predict`.
        pub fn explain(&self, input: &#module::Input) -> #krate::Result<#krate::routing::Explanation> {
            #krate::routing::explain(self, input, #krate::routing::Decider::of_spec::<Self>(), None)
        }

        /// Measures what the parts cost on this machine, for a learned policy that comes from another one.
        ///
        /// # Errors
        /// Where the modalities differ in their number of samples.
        pub fn measure(&mut self, input: &#module::Input) -> #krate::Result<#krate::latency::Table> {
            #krate::routing::measure(self, input)
        }

        /// Answers every sample by the given route.
        ///
        /// # Errors
        /// Where the modalities differ in their number of samples.
        pub fn predict_by(
            &self,
            input: &#module::Input,
            route: #module::Route,
        ) -> #krate::Result<#krate::routing::Answer<#module::Route>> {
            #krate::routing::predict_by(self, input, route)
        }

        /// Freezes the model for inference: the same answers in less time, for any number of threads at once.
        ///
        /// # Errors
        /// Where the options have a latency table that was measured elsewhere.
        pub fn into_predictor(
            self,
            options: #krate::predictor::Options,
        ) -> #krate::Result<#krate::predictor::Predictor<Self>> {
            #krate::predictor::Predictor::new(self, options)
        }

        /// Writes the parameters and a manifest to a folder.
        ///
        /// # Errors
        /// Where a file cannot be written.
        pub fn save(&self, folder: impl AsRef<::std::path::Path>) -> #krate::Result<()> {
            #krate::checkpoint::save(self, folder)
        }

        /// Reads the parameters that [`save`](Self::save) wrote.
        ///
        /// # Errors
        /// Where a file cannot be read, or comes from another spec.
        pub fn load(&mut self, folder: impl AsRef<::std::path::Path>) -> #krate::Result<()> {
            #krate::checkpoint::load(self, folder)
        }
    }
}

/// `Debug`, which the runtime asks for, where the user does not derive it already.
pub(super) fn derive(attrs: &[syn::Attribute]) -> Option<TokenStream> {
    let mut derived = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
        // A derive that cannot be parsed is rustc's to report.
        let _ = attr.parse_nested_meta(|meta| {
            derived |= meta.path.segments.last().is_some_and(|segment| segment.ident == "Debug");
            Ok(())
        });
    }
    (!derived).then(|| quote!(#[derive(Debug)]))
}
