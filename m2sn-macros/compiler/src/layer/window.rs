//! Windows that slide over what has places: convolutions and poolings of all dimensions.

use std::{array, fmt};

use proc_macro2::TokenStream;
use quote::quote;

use super::{Site, integer};
use crate::shape::Shape;

/// A window over rows and columns, or over frames, rows and columns; over a sequence as over an image of one column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<const N: usize> {
    pub(super) kernel: [u64; N],
    pub(super) stride: [u64; N],
    pub(super) padding: [u64; N],
}

impl<const N: usize> Window<N> {
    /// Checks that the sizes are in range; zero only the padding may be.
    pub(super) fn check(kind: &str, [kernel, stride, padding]: [[u64; N]; 3], site: &mut Site<'_>) -> Option<Self> {
        let mut all = |setting: &str, sides: [u64; N]| {
            let worst = if sides.contains(&0) { 0 } else { sides.into_iter().max().unwrap_or(0) };
            site.size(kind, setting, worst)
        };
        let (is_kernel, is_stride) = (all("kernel", kernel), all("stride", stride));
        let is_padding = all("padding", padding.map(|side| side.max(1)));
        is_kernel.and(is_stride).and(is_padding)?;
        Some(Self { kernel, stride, padding })
    }

    /// The sides of what the window leaves.
    pub(super) fn slide(self, sides: [u64; N], kind: &str, site: &mut Site<'_>) -> Option<[u64; N]> {
        // All sizes are at most `MAX_SIZE`, so that nothing here overflows.
        let padded: [u64; N] = array::from_fn(|axis| sides[axis] + 2 * self.padding[axis]);
        if (0..N).any(|axis| self.kernel[axis] > padded[axis]) {
            let of = |sides: [u64; N]| sides.map(|side| side.to_string()).join("x");
            let (kernel, whole) = (of(self.kernel), of(padded));
            let (kernel, whole) = match site.input {
                Shape::Sequence { .. } => (format!("{} steps", self.kernel[0]), format!("a sequence of {}", padded[0])),
                Shape::Video { .. } => (kernel, format!("a video of {whole}")),
                _ => (kernel, format!("an image of {whole}")),
            };
            let border = if self.padding == [0; N] { "" } else { " with its padding" };
            let place = site.setting(kind, "kernel");
            site.errors
                .error(&place, format!("a kernel of {kernel} does not fit into {whole}{border}"))
                .help("use a smaller kernel, more padding, or fewer strides before");
            return None;
        }
        Some(array::from_fn(|axis| (padded[axis] - self.kernel[axis]) / self.stride[axis] + 1))
    }

    /// The fields of the runtime's settings.
    pub(super) fn tokens(self) -> TokenStream {
        let [kernel, stride, padding] = [self.kernel, self.stride, self.padding].map(|sides| {
            let sides = sides.map(integer);
            quote!([#(#sides),*])
        });
        quote!(kernel: #kernel, stride: #stride, padding: #padding)
    }
}

impl Window<2> {
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
}

impl<const N: usize> fmt::Display for Window<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, stride, padding } = self;
        write!(f, "kernel {kernel:?} stride {stride:?} padding {padding:?}")
    }
}
