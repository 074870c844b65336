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
    let norm = channels.map(|channels| normalisation("conv", *norm, channels, site));
    let [inputs, height, width] = site.image("conv")?;
    let window = Window::check("conv", [kernel.0, stride.0, padding.0], site)?;
    let [height, width] = window.slide([height, width], "conv", site)?;
    let (channels, norm) = (channels?, norm?);

    let weights = product(&[channels, inputs, window.kernel[0], window.kernel[1]]);
    let bias = if norm == Norm::None { channels } else { 0 };
    let others = bias + norm.parameters(channels);
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
pub(super) fn normalisation(kind: &str, norm: Norm, channels: u64, site: &mut Site<'_>) -> Norm {
    if let Norm::Group(groups) = norm {
        let place = site.setting(kind, "norm").key("group");
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

/// A window that slides over an image, or over a sequence as over an image of one column.
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

    /// The window over a sequence that is written as a square over an image.
    pub(super) fn over_steps(self, kind: &str, site: &mut Site<'_>) -> Option<Self> {
        // A stride that is left out is the kernel, so one fault may show twice.
        let sides = [("kernel", self.kernel), ("stride", self.stride), ("padding", self.padding)];
        if let Some((setting, [height, width])) = sides.into_iter().find(|(_, [height, width])| height != width) {
            let place = site.setting(kind, setting);
            site.errors
                .error(&place, format!("`{setting}` has a height and a width, but a sequence has steps alone"))
                .help(format!("write one number, such as {}", height.max(width)));
            return None;
        }
        let [kernel, stride, padding] = [self.kernel[0], self.stride[0], self.padding[0]];
        Some(Self { kernel: [kernel, 1], stride: [stride, 1], padding: [padding, 0] })
    }

    /// Lets a window pass that is never over padding alone.
    pub(super) fn holds_more_than_padding(self, what: &str, kind: &str, site: &mut Site<'_>) -> Option<Self> {
        if (0..2).all(|axis| self.padding[axis] <= self.kernel[axis] / 2) {
            return Some(self);
        }
        let most = self.kernel.map(|side| side / 2);
        let most = match site.input {
            Shape::Sequence { .. } => most[0].to_string(),
            _ => format!("[{}, {}]", most[0], most[1]),
        };
        let place = site.setting(kind, "padding");
        site.errors
            .error(&place, format!("the padding of a {what} is more than half its kernel"))
            .help(format!("write at most {most}"));
        None
    }

    /// The height and width of what the window leaves.
    pub(super) fn slide(self, image: [u64; 2], kind: &str, site: &mut Site<'_>) -> Option<[u64; 2]> {
        // All sizes are at most `MAX_SIZE`, so that nothing here overflows.
        let padded = [image[0] + 2 * self.padding[0], image[1] + 2 * self.padding[1]];
        let [kernel_height, kernel_width] = self.kernel;
        if kernel_height > padded[0] || kernel_width > padded[1] {
            let place = site.setting(kind, "kernel");
            let border = if self.padding == [0, 0] { "" } else { " with its padding" };
            let [height, width] = padded;
            let message = match site.input {
                Shape::Sequence { .. } => {
                    format!("a kernel of {kernel_height} steps does not fit into a sequence of {height}{border}")
                }
                _ => format!(
                    "a kernel of {kernel_height}x{kernel_width} does not fit into an image of {height}x{width}{border}"
                ),
            };
            site.errors.error(&place, message).help("use a smaller kernel, more padding, or fewer strides before");
            return None;
        }
        let side = |axis: usize| (padded[axis] - self.kernel[axis]) / self.stride[axis] + 1;
        Some([side(0), side(1)])
    }
}

impl Norm {
    /// The runtime's `Option<Norm>`.
    pub(super) fn tokens(self) -> TokenStream {
        match self {
            Self::None => quote!(None),
            Self::Batch => quote!(Some(Norm::Batch)),
            Self::Group(groups) => {
                let groups = integer(groups);
                quote!(Some(Norm::Group { groups: #groups }))
            }
        }
    }

    /// How many parameters it has for so many channels.
    pub(super) fn parameters(self, channels: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Batch | Self::Group(_) => 2 * channels,
        }
    }
}

impl fmt::Display for Norm {
    /// What follows the settings of what is normalised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Batch => f.write_str(" batch norm"),
            Self::Group(groups) => write!(f, " group norm {groups}"),
        }
    }
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (kernel, stride, padding) = (pair(self.kernel), pair(self.stride), pair(self.padding));
        let norm = self.norm.tokens();
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
        write!(f, "kernel {kernel:?} stride {stride:?} padding {padding:?}{norm}")?;
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
