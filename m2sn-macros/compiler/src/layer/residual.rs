use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Residual;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    blocks: u64,
    stride: u64,
}

pub(super) fn infer(spec: &Residual, site: &mut Site<'_>) -> Option<Inferred> {
    let Residual { channels, blocks, stride } = spec;
    let channels = site.size("residual", "channels", *channels);
    let blocks = site.count("residual", "blocks", *blocks);
    let stride = site.size("residual", "stride", *stride);
    let [inputs, height, width] = site.image("residual")?;
    let (channels, stride) = (channels?, stride?);
    // A 3x3 kernel with a padding of 1 leaves a pixel wherever its centre is put down.
    let [height, width] = [height, width].map(|side| (side - 1) / stride + 1);

    let conv = |inputs: u64, kernel: u64| Cost {
        parameters: product(&[channels, inputs, kernel, kernel]).saturating_add(2 * channels),
        multiply_adds: product(&[channels, inputs, kernel, kernel, height, width]),
    };
    let projection = if stride != 1 || inputs != channels { conv(inputs, 1) } else { Cost::default() };
    let further = conv(channels, 3).times(2 * (blocks - 1));
    Some(Inferred {
        operation: Operation::Residual(Settings { blocks, stride }),
        output: Shape::Image { channels, height, width },
        cost: conv(inputs, 3) + conv(channels, 3) + projection + further,
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (blocks, stride) = (integer(self.blocks), integer(self.stride));
        quote!(residual::Settings { blocks: #blocks, stride: #stride })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks {} stride {}", self.blocks, self.stride)
    }
}
