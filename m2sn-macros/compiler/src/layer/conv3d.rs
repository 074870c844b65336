use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::conv::normalisation;
use super::{Inferred, Operation, Site, integer, optional, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Conv3d, Norm};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    window: Window3d,
    norm: Norm,
    activation: Option<&'static str>,
}

/// A window that slides over frames, rows and columns.
#[derive(Debug, Clone, Copy)]
struct Window3d {
    kernel: [u64; 3],
    stride: [u64; 3],
    padding: [u64; 3],
}

pub(super) fn infer(spec: &Conv3d, site: &mut Site<'_>) -> Option<Inferred> {
    let Conv3d { channels, kernel, stride, padding, norm, activation } = spec;
    let channels = site.size("conv3d", "channels", *channels);
    let norm = channels.map(|channels| normalisation("conv3d", *norm, channels, site));
    let [frames, inputs, height, width] = site.video("conv3d")?;
    let window = Window3d::check([kernel.0, stride.0, padding.0], site)?;
    let [frames, height, width] = window.slide([frames, height, width], site)?;
    let (channels, norm) = (channels?, norm?);
    let weights = product(&[channels, inputs, product(&window.kernel)]);
    let others = match norm {
        Norm::None => channels,
        norm => norm.parameters(channels),
    };
    Some(Inferred {
        operation: Operation::Conv3d(Settings { window, norm, activation: activation.variant() }),
        output: Shape::Video { frames, channels, height, width },
        cost: Cost {
            parameters: weights.saturating_add(others),
            multiply_adds: product(&[weights, frames, height, width]),
        },
    })
}

impl Window3d {
    /// Checks that the sizes are in range; zero only the padding may be.
    fn check([kernel, stride, padding]: [[u64; 3]; 3], site: &mut Site<'_>) -> Option<Self> {
        let mut all = |setting: &str, sides: [u64; 3], least: u64| {
            let worst = if sides.contains(&0) { 0 } else { sides.into_iter().max().unwrap_or(0) };
            site.size("conv3d", setting, worst.max(least)).map(|_| sides)
        };
        let (kernel, stride) = (all("kernel", kernel, 0), all("stride", stride, 0));
        let largest = padding.into_iter().max().unwrap_or(0);
        let padding = all("padding", [largest.max(1); 3], 1).map(|_| padding);
        Some(Self { kernel: kernel?, stride: stride?, padding: padding? })
    }

    /// The frames, height and width of what the window leaves.
    fn slide(self, video: [u64; 3], site: &mut Site<'_>) -> Option<[u64; 3]> {
        // All sizes are at most `MAX_SIZE`, so that nothing here overflows.
        let padded: [u64; 3] = std::array::from_fn(|axis| video[axis] + 2 * self.padding[axis]);
        if (0..3).any(|axis| self.kernel[axis] > padded[axis]) {
            let place = site.setting("conv3d", "kernel");
            let of = |sides: [u64; 3]| sides.map(|side| side.to_string()).join("x");
            let border = if self.padding == [0; 3] { "" } else { " with its padding" };
            let message =
                format!("a kernel of {} does not fit into a video of {}{border}", of(self.kernel), of(padded));
            site.errors.error(&place, message).help("use a smaller kernel, more padding, or fewer strides before");
            return None;
        }
        Some(std::array::from_fn(|axis| (padded[axis] - self.kernel[axis]) / self.stride[axis] + 1))
    }
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let triple = |sides: [u64; 3]| {
            let sides = sides.map(integer);
            quote!([#(#sides),*])
        };
        let Window3d { kernel, stride, padding } = self.window;
        let (kernel, stride, padding) = (triple(kernel), triple(stride), triple(padding));
        let (norm, activation) = (self.norm.tokens(), optional(self.activation));
        quote!(conv3d::Settings {
            kernel: #kernel,
            stride: #stride,
            padding: #padding,
            norm: #norm,
            activation: #activation
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window: Window3d { kernel, stride, padding }, norm, activation } = self;
        write!(f, "kernel {kernel:?} stride {stride:?} padding {padding:?}{norm}")?;
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
