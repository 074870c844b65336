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
    bottleneck: Option<u64>,
}

pub(super) fn infer(spec: &Residual, site: &mut Site<'_>) -> Option<Inferred> {
    let Residual { channels, blocks, stride, bottleneck } = spec;
    let channels = site.size("residual", "channels", *channels);
    let blocks = site.count("residual", "blocks", *blocks);
    let stride = site.size("residual", "stride", *stride);
    let bottleneck = bottleneck.map(|width| site.count("residual", "bottleneck", width));
    let [inputs, height, width] = site.image("residual")?;
    let (channels, stride) = (channels?, stride?);
    // A 3x3 kernel with a padding of 1 leaves a pixel wherever its centre is put down.
    let strided = [height, width].map(|side| (side - 1) / stride + 1);

    let conv = |kernel: u64, inputs: u64, outputs: u64, [height, width]: [u64; 2]| {
        let weights = product(&[outputs, inputs, kernel, kernel]);
        Cost { parameters: weights.saturating_add(2 * outputs), multiply_adds: product(&[weights, height, width]) }
    };
    // The sides are those of the first convolution's output, which of a bottleneck's is not strided yet.
    let block = |inputs: u64, sides: [u64; 2]| match bottleneck {
        None => conv(3, inputs, channels, strided) + conv(3, channels, channels, strided),
        Some(width) => {
            conv(1, inputs, width, sides) + conv(3, width, width, strided) + conv(1, width, channels, strided)
        }
    };
    let reshapes = stride != 1 || inputs != channels;
    let projection = if reshapes { conv(1, inputs, channels, strided) } else { Cost::default() };
    let further = block(channels, strided).times(blocks - 1);
    let [rows, columns] = strided;
    Some(Inferred {
        operation: Operation::Residual(Settings { blocks, stride, bottleneck }),
        output: Shape::Image { channels, height: rows, width: columns },
        cost: block(inputs, [height, width]) + projection + further,
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (blocks, stride) = (integer(self.blocks), integer(self.stride));
        let bottleneck = self.bottleneck.map(integer);
        let bottleneck = bottleneck.map_or_else(|| quote!(None), |width| quote!(Some(#width)));
        quote!(residual::Settings { blocks: #blocks, stride: #stride, bottleneck: #bottleneck })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks {} stride {}", self.blocks, self.stride)?;
        self.bottleneck.map_or(Ok(()), |width| write!(f, " bottleneck {width}"))
    }
}
