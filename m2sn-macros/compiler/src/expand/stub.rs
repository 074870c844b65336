//! What stands in for the model of a faulty spec, so that the faults are the only errors shown.
//!
//! Methods, inputs and routes are there with the types that they will have; nothing of it can run.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Context, Face, imports, input, route, strukt};
use crate::document::{Document, Node};
use crate::model::Name;
use crate::shape::Shape;

/// What a faulty spec still tells of a model.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    modalities: Vec<Face>,
}

impl Sketch {
    /// Reads as much of a spec as is YAML, from the top.
    pub(crate) fn read(text: &str) -> Self {
        let (document, _) = Document::read(text);
        let modalities = document.root().get("modalities").into_iter().flat_map(Node::entries);
        let modalities = modalities.filter_map(|(name, modality)| {
            let mut exits = Vec::new();
            let points = modality.get("shortcuts").map_or(&[][..], Node::items);
            let at = |point| Node::as_text(point).or_else(|| point.get("at")?.as_text());
            for point in points.iter().filter_map(at).chain(["full"]) {
                if let Some(exit) = self::name(point).filter(|exit| !exits.contains(exit)) {
                    exits.push(exit);
                }
            }
            Some(Face {
                name: self::name(name)?,
                input: modality.get("input").map_or(UNKNOWN, shape),
                exits,
                may_be_missing: modality.get("missing").is_some_and(|share| !share.is_null()),
            })
        });
        let mut distinct: Vec<Face> = Vec::new();
        for modality in modalities {
            if distinct.iter().all(|other| other.name.pascal != modality.name.pascal) {
                distinct.push(modality);
            }
        }
        Self { modalities: distinct }
    }
}

/// The shape of an input that the spec does not tell.
const UNKNOWN: Shape = Shape::Vector { size: 1 };

fn shape(input: &Node) -> Shape {
    let size = |kind: &str, setting: &str| input.get(kind)?.get(setting)?.as_count();
    let image = || {
        let side = |setting| size("image", setting);
        let (channels, height, width) = (side("channels")?, side("height")?, side("width")?);
        let is_bytes = input.get("image")?.get("bytes").and_then(Node::as_flag) == Some(true);
        Some(match is_bytes {
            false => Shape::Image { channels, height, width },
            true => Shape::ByteImage { channels, height, width },
        })
    };
    let video = || {
        let side = |setting| size("video", setting);
        let (frames, channels) = (side("frames")?, side("channels")?);
        let (height, width) = (side("height")?, side("width")?);
        let is_bytes = input.get("video")?.get("bytes").and_then(Node::as_flag) == Some(true);
        Some(match is_bytes {
            false => Shape::Video { frames, channels, height, width },
            true => Shape::ByteVideo { frames, channels, height, width },
        })
    };
    let waveform = || Some(Shape::Waveform { samples: size("waveform", "samples")?, rate: size("waveform", "rate")? });
    let tokens = || Some(Shape::Tokens { length: size("tokens", "length")? });
    let sequence =
        || Some(Shape::Sequence { length: size("sequence", "length")?, features: size("sequence", "features")? });
    let vector = || Some(Shape::Vector { size: size("vector", "size")? });
    image().or_else(video).or_else(waveform).or_else(tokens).or_else(sequence).or_else(vector).unwrap_or(UNKNOWN)
}

/// The name in Rust, where it can be one.
fn name(text: &str) -> Option<Name> {
    let name = Name::new(text, 1);
    let is_identifier = |name: &str| syn::parse_str::<syn::Ident>(name).is_ok();
    (is_identifier(&name.snake) && is_identifier(&name.pascal)).then_some(name)
}

/// Writes the item as the user wrote it, with methods and a module that have the right types.
pub(crate) fn stub(sketch: &Sketch, context: &Context) -> TokenStream {
    let Context { krate, item, .. } = context;
    let syn::DeriveInput { attrs, vis, ident, generics, .. } = item;
    if !generics.params.is_empty() {
        return quote!(#item);
    }
    let name = Name::new(&ident.to_string(), 1);
    let module = context.ident(&name.snake);
    let methods = strukt::methods(krate, &quote!(#module));
    let parts = [input::expand(&sketch.modalities, context)];
    let imports = imports::expand(&parts, context);
    let route = route::expand(&sketch.modalities, context);
    let derive = strukt::derive(attrs);
    let never = quote!(unimplemented!("the spec is at fault"));
    quote! {
        #derive
        #item

        impl #ident {
            #methods
        }

        impl #krate::network::Network for #ident {
            type Input = #module::Input;
            type Route = #module::Route;

            fn new(_: #krate::Device) -> #krate::Result<Self> { #never }
            fn description() -> &'static #krate::network::Description { #never }
            fn plan() -> #krate::plan::Plan { #never }
            fn variables(&self) -> &#krate::tch::nn::VarStore { #never }
            fn policies(&self) -> &#krate::policy::Policies { #never }
            fn policies_mut(&mut self) -> &mut #krate::policy::Policies { #never }
            fn layers(&self, _: #krate::network::Chain) -> Vec<Box<dyn #krate::nn::AnyLayer + '_>> { #never }
            fn fuse(&self, _: &[#krate::tch::Tensor], _: bool) -> #krate::tch::Tensor { #never }
            fn navigate(&self, _: &[#krate::batch::Feature], _: bool) -> Vec<#krate::tch::Tensor> { #never }
        }

        /// What belongs to the model.
        #vis mod #module {
            #imports
            #route
            #(#parts)*
        }
    }
}
