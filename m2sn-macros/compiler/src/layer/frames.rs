use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, infer as infer_layer};
use crate::shape::Shape;
use crate::spec::Frames;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    layer: Box<Operation>,
}

/// What a layer of images is to every frame of a video; `unfold` leaves one of them.
pub(super) fn infer(spec: &Frames, site: &mut Site<'_>) -> Option<Inferred> {
    let frames = match site.input {
        Shape::Video { frames, .. } => frames,
        // What the layers before have made of every frame, if not the input itself.
        Shape::Sequence { length, .. } => length,
        _ => return site.misplaced("frames", "a video or a sequence"),
    };
    let [layer] = &spec.layers[..] else { unreachable!("`unfold` leaves one layer") };
    let place = site.place.clone();
    let mut inner = Site { input: frame(site.input), tokens: None, place, errors: &mut *site.errors };
    let Inferred { operation, output, cost } = infer_layer(layer, &mut inner)?;
    let output = match output {
        Shape::Image { channels, height, width } => Shape::Video { frames, channels, height, width },
        Shape::Vector { size } => Shape::Sequence { length: frames, features: size },
        other => {
            let place = site.place.key(layer.kind());
            site.errors
                .error(&place, format!("`{}` yields `{other}` of every frame", layer.kind()))
                .help("let it yield an image or a vector of a frame, and put what takes a sequence behind `frames`");
            return None;
        }
    };
    let operation = Operation::Frames(Settings { layer: Box::new(operation) });
    // Parameters are the same for every frame.
    let cost = crate::cost::Cost { multiply_adds: cost.times(frames).multiply_adds, ..cost };
    Some(Inferred { operation, output, cost })
}

impl Settings {
    /// The types of the layer between what it takes and what it yields.
    pub(super) fn ty(&self, input: Shape, output: Shape) -> TokenStream {
        let layer = self.layer.ty(frame(input), frame(output));
        let (input, output) = (input.ty(), output.ty());
        quote!(Frames<#input, #output, #layer>)
    }

    pub(super) fn construct(&self, path: TokenStream, input: Shape, output: Shape) -> TokenStream {
        let layer = self.layer.construct(path, frame(input), frame(output));
        quote!(Frames::new(#layer))
    }

    /// What is done to each frame.
    pub(crate) fn layer(&self) -> &Operation {
        &self.layer
    }
}

/// The shape of a frame, or of what is known of it.
fn frame(shape: Shape) -> Shape {
    match shape {
        Shape::Video { channels, height, width, .. } => Shape::Image { channels, height, width },
        Shape::Sequence { features, .. } => Shape::Vector { size: features },
        other => other,
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}
