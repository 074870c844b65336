use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, activation, float, integer, linear_cost};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Mlp;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    hidden: Vec<u64>,
    activation: &'static str,
    dropout: f64,
}

pub(super) fn infer(spec: &Mlp, site: &mut Site<'_>) -> Option<Inferred> {
    let Mlp { hidden, size, activation, dropout } = spec;
    let size = site.size("mlp", "size", *size);
    let activation = site.activation("mlp", *activation);
    let dropout = site.probability("mlp", "dropout", *dropout);
    let hidden = hidden_widths(hidden, site);
    let Shape::Vector { size: inputs } = site.input else { return site.misplaced("mlp", "a vector") };
    let (size, hidden) = (size?, hidden.unwrap_or_default());

    let mut cost = Cost::default();
    let mut width = inputs;
    for next in hidden.iter().chain([&size]) {
        cost = cost + linear_cost(width, *next, 1);
        width = *next;
    }
    let operation = Operation::Mlp(Settings { hidden, activation, dropout });
    Some(Inferred { operation, output: Shape::Vector { size }, cost })
}

fn hidden_widths(hidden: &[u64], site: &mut Site<'_>) -> Option<Vec<u64>> {
    let place = site.setting("mlp", "hidden");
    if hidden.is_empty() {
        site.errors
            .error(&place, "`hidden` is empty: an `mlp` has at least one hidden layer")
            .help("write `linear` instead, or a width such as `hidden: [64]`");
        return None;
    }
    let widths: Vec<_> = hidden
        .iter()
        .enumerate()
        .map(|(index, width)| super::site::size(*width, "hidden", &place.entry(index), site.errors))
        .collect();
    widths.into_iter().collect()
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let hidden = self.hidden.iter().map(|width| integer(*width));
        let (activation, dropout) = (activation(self.activation), float(self.dropout));
        quote!(mlp::Settings { hidden: &[#(#hidden),*], activation: #activation, dropout: #dropout })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hidden {:?} {}", self.hidden, self.activation.to_lowercase())
    }
}
