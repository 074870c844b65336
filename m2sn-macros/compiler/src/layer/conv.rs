use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::window::Window;
use super::{Inferred, Operation, Site, integer, optional, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Conv, Norm};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    window: Window<2>,
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

    let weights = product(&[channels, inputs, product(&window.kernel)]);
    let bias = if norm == Norm::None { channels } else { 0 };
    let others = bias + norm.parameters(channels);
    Some(Inferred {
        operation: Operation::Conv(Settings { window, norm, activation: activation.variant() }),
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
        let (window, norm, activation) = (self.window.tokens(), self.norm.tokens(), optional(self.activation));
        quote!(conv::Settings { #window, norm: #norm, activation: #activation })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, norm, activation } = self;
        write!(f, "{window}{norm}")?;
        activation.map_or(Ok(()), |activation| write!(f, " {}", activation.to_lowercase()))
    }
}
