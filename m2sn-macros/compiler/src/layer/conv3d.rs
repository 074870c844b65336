use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::conv::normalisation;
use super::window::Window;
use super::{Inferred, Operation, Site, optional, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Conv3d, Norm};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    window: Window<3>,
    norm: Norm,
    activation: Option<&'static str>,
}

pub(super) fn infer(spec: &Conv3d, site: &mut Site<'_>) -> Option<Inferred> {
    let Conv3d { channels, kernel, stride, padding, norm, activation } = spec;
    let channels = site.size("conv3d", "channels", *channels);
    let norm = channels.map(|channels| normalisation("conv3d", *norm, channels, site));
    let [frames, inputs, height, width] = site.video("conv3d")?;
    let window = Window::check("conv3d", [kernel.0, stride.0, padding.0], site)?;
    let [frames, height, width] = window.slide([frames, height, width], "conv3d", site)?;
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

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (window, norm, activation) = (self.window.tokens(), self.norm.tokens(), optional(self.activation));
        quote!(conv3d::Settings { #window, norm: #norm, activation: #activation })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, norm, activation } = self;
        write!(f, "{window}{norm}")?;
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
