use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, integer, optional, pair, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Conv, Norm};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    kernel: [u64; 2],
    stride: [u64; 2],
    padding: [u64; 2],
    norm: Norm,
    activation: Option<&'static str>,
}

pub(super) fn infer(spec: &Conv, site: &mut Site<'_>) -> Option<Inferred> {
    let Conv { channels, kernel, stride, padding, norm, activation } = spec;
    let channels = site.size("conv", "channels", *channels);
    let norm = channels.map(|channels| normalisation(*norm, channels, site));
    let [inputs, height, width] = site.image("conv")?;
    let window = Window::check("conv", [kernel.0, stride.0, padding.0], site)?;
    let [height, width] = window.slide([height, width], "conv", site)?;
    let (channels, norm) = (channels?, norm?);

    let weights = product(&[channels, inputs, window.kernel[0], window.kernel[1]]);
    let others = match norm {
        Norm::None => channels,
        Norm::Batch | Norm::Group(_) => 2 * channels,
    };
    Some(Inferred {
        operation: Operation::Conv(Settings {
            kernel: window.kernel,
            stride: window.stride,
            padding: window.padding,
            norm,
            activation: activation.variant(),
        }),
        output: Shape::Image { channels, height, width },
        cost: Cost { parameters: weights.saturating_add(others), multiply_adds: product(&[weights, height, width]) },
    })
}

/// The norm of so many channels; none stands in for a wrong one.
fn normalisation(norm: Norm, channels: u64, site: &mut Site<'_>) -> Norm {
    if let Norm::Group(groups) = norm {
        let place = site.setting("conv", "norm").key("group");
        let Some(groups) = super::site::size(groups, "group", &place, site.errors) else { return Norm::None };
        if !channels.is_multiple_of(groups) {
            site.errors
                .error(&place, format!("{groups} groups do not divide {channels} channels"))
                .help(divisor_help(channels, groups));
            return Norm::None;
        }
    }
    norm
}

/// Names the divisors of a width that lie next to a wrong one.
pub(crate) fn divisor_help(width: u64, wrong: u64) -> String {
    let below = (1..wrong.min(width)).rev().take(MAX_TRIES).find(|divisor| width.is_multiple_of(*divisor));
    let above = (wrong.saturating_add(1)..=width).take(MAX_TRIES).find(|divisor| width.is_multiple_of(*divisor));
    match (below, above) {
        (Some(below), Some(above)) => format!("{below} and {above} would divide {width}"),
        (Some(near), None) | (None, Some(near)) => format!("{near} would divide {width}"),
        (None, None) => format!("1 divides {width}"),
    }
}

/// How far from a wrong divisor the search for a right one goes.
const MAX_TRIES: usize = 4096;

/// A window that slides over an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: [u64; 2],
    pub(super) stride: [u64; 2],
    pub(super) padding: [u64; 2],
}

impl Window {
    /// Checks that the sizes are in range; zero only the padding may be.
    pub(super) fn check(kind: &str, [kernel, stride, padding]: [[u64; 2]; 3], site: &mut Site<'_>) -> Option<Self> {
        let mut both = |setting: &str, [height, width]: [u64; 2]| {
            let worst = if height == 0 || height > width && width != 0 { height } else { width };
            site.size(kind, setting, worst).map(|_| [height, width])
        };
        let (kernel, stride) = (both("kernel", kernel), both("stride", stride));
        let padding = if padding == [0, 0] {
            Some(padding)
        } else {
            both("padding", padding.map(|side| side.max(1))).map(|_| padding)
        };
        Some(Self { kernel: kernel?, stride: stride?, padding: padding? })
    }

    /// The height and width of what the window leaves.
    pub(super) fn slide(self, image: [u64; 2], kind: &str, site: &mut Site<'_>) -> Option<[u64; 2]> {
        // All sizes are at most `MAX_SIZE`, so that nothing here overflows.
        let padded = [image[0] + 2 * self.padding[0], image[1] + 2 * self.padding[1]];
        let [kernel_height, kernel_width] = self.kernel;
        if kernel_height > padded[0] || kernel_width > padded[1] {
            let place = site.setting(kind, "kernel");
            let border = if self.padding == [0, 0] { "" } else { " with its padding" };
            let message = format!(
                "a kernel of {kernel_height}x{kernel_width} does not fit into an image of {}x{}{border}",
                padded[0], padded[1],
            );
            site.errors.error(&place, message).help("use a smaller kernel, more padding, or fewer strides before");
            return None;
        }
        let side = |axis: usize| (padded[axis] - self.kernel[axis]) / self.stride[axis] + 1;
        Some([side(0), side(1)])
    }
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (kernel, stride, padding) = (pair(self.kernel), pair(self.stride), pair(self.padding));
        let norm = match self.norm {
            Norm::None => quote!(None),
            Norm::Batch => quote!(Some(Norm::Batch)),
            Norm::Group(groups) => {
                let groups = integer(groups);
                quote!(Some(Norm::Group { groups: #groups }))
            }
        };
        let activation = optional(self.activation);
        quote!(conv::Settings {
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
        let Self { kernel, stride, padding, norm, activation } = self;
        write!(f, "kernel {kernel:?} stride {stride:?} padding {padding:?}")?;
        match norm {
            Norm::None => {}
            Norm::Batch => f.write_str(" batch norm")?,
            Norm::Group(groups) => write!(f, " group norm {groups}")?,
        }
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
