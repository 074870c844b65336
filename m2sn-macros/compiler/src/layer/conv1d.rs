use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::conv::normalisation;
use super::window::Window;
use super::{Inferred, Operation, Site, integer, optional, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Conv1d, Norm};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    kernel: u64,
    stride: u64,
    padding: u64,
    bias: bool,
    norm: Norm,
    activation: Option<&'static str>,
}

pub(super) fn infer(spec: &Conv1d, site: &mut Site<'_>) -> Option<Inferred> {
    let Conv1d { channels, kernel, stride, padding, bias, norm, activation } = spec;
    let channels = site.size("conv1d", "channels", *channels);
    let norm = channels.map(|channels| normalisation("conv1d", *norm, channels, site));
    let [length, inputs] = site.sequence("conv1d")?;
    let window = Window::check("conv1d", [[*kernel, 1], [*stride, 1], [*padding, 0]], site)?;
    let window = window.holds_more_than_padding("convolution over steps", "conv1d", site)?;
    let [length, _] = window.slide([length, 1], "conv1d", site)?;
    let (channels, norm) = (channels?, norm?);
    let bias = bias.unwrap_or(norm == Norm::None);

    let weights = product(&[channels, inputs, *kernel]);
    let others = if bias { channels } else { 0 } + norm.parameters(channels);
    Some(Inferred {
        operation: Operation::Conv1d(Settings {
            kernel: *kernel,
            stride: *stride,
            padding: *padding,
            bias,
            norm,
            activation: activation.variant(),
        }),
        output: Shape::Sequence { length, features: channels },
        cost: Cost { parameters: weights.saturating_add(others), multiply_adds: product(&[weights, length]) },
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (kernel, stride, padding) = (integer(self.kernel), integer(self.stride), integer(self.padding));
        let (bias, norm, activation) = (self.bias, self.norm.tokens(), optional(self.activation));
        quote!(conv1d::Settings {
            kernel: #kernel,
            stride: #stride,
            padding: #padding,
            bias: #bias,
            norm: #norm,
            activation: #activation
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, stride, padding, bias, norm, activation } = self;
        let bias = if *bias { "" } else { " without bias" };
        write!(f, "kernel {kernel} stride {stride} padding {padding}{bias}{norm}")?;
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
