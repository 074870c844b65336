use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Residual3d;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    blocks: u64,
    stride: u64,
    factored: bool,
}

pub(super) fn infer(spec: &Residual3d, site: &mut Site<'_>) -> Option<Inferred> {
    let Residual3d { channels, blocks, stride, factored } = spec;
    let channels = site.size("residual3d", "channels", *channels);
    let blocks = site.count("residual3d", "blocks", *blocks);
    let stride = site.size("residual3d", "stride", *stride);
    let [frames, inputs, height, width] = site.video("residual3d")?;
    let (channels, stride) = (channels?, stride?);
    // A kernel of 3 with a padding of 1 leaves a place wherever its centre is put down.
    let strided = [frames, height, width].map(|side| (side - 1) / stride + 1);
    let [after, height, width] = strided;
    // Convolutions with their normalisation; a factored one strides in space first.
    let conv = |inputs: u64, channels: u64, kernel: u64, places: [u64; 3]| {
        let weights = product(&[inputs, channels, kernel]);
        Cost { parameters: weights.saturating_add(2 * channels), multiply_adds: product(&[weights, product(&places)]) }
    };
    let block = |inputs: u64, before: u64| {
        let one = |between: Option<u64>, inputs: u64, before: u64| match between {
            None => conv(inputs, channels, 27, strided),
            Some(between) => conv(inputs, between, 9, [before, height, width]) + conv(between, channels, 3, strided),
        };
        let between = factored.then(|| {
            let sum = product(&[inputs, 9]).saturating_add(product(&[3, channels]));
            product(&[inputs, channels, 27]) / sum
        });
        one(between, inputs, before) + one(between, channels, after)
    };
    let projection = match stride != 1 || inputs != channels {
        true => conv(inputs, channels, 1, strided),
        false => Cost::default(),
    };
    Some(Inferred {
        operation: Operation::Residual3d(Settings { blocks, stride, factored: *factored }),
        output: Shape::Video { frames: after, channels, height, width },
        cost: block(inputs, frames) + projection + block(channels, after).times(blocks - 1),
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (blocks, stride, factored) = (integer(self.blocks), integer(self.stride), self.factored);
        quote!(residual3d::Settings { blocks: #blocks, stride: #stride, factored: #factored })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factored = if self.factored { " factored" } else { "" };
        write!(f, "blocks {} stride {}{factored}", self.blocks, self.stride)
    }
}
