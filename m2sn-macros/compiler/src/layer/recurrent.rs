use std::fmt;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{Inferred, MAX_SIZE, Operation, Site, float, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Recurrent, RecurrentOutput};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) cell: Cell,
    layers: u64,
    bidirectional: bool,
    dropout: f64,
}

/// What goes through the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Gru,
    Lstm,
}

pub(super) fn infer(spec: &Recurrent, cell: Cell, site: &mut Site<'_>) -> Option<Inferred> {
    let kind = cell.kind();
    let Recurrent { hidden, layers, bidirectional, dropout, output } = spec;
    let hidden = site.size(kind, "hidden", *hidden);
    let layers = site.count(kind, "layers", *layers);
    let dropout = site.probability(kind, "dropout", *dropout);
    if dropout > 0.0 && layers == 1 {
        let place = site.setting(kind, "dropout");
        site.errors
            .warning(&place, format!("dropout lies between the layers of {cell}, and this one has a single layer"))
            .help(format!("leave it out, or put `dropout` after the `{kind}`"));
    }
    let [length, inputs] = site.sequence(kind)?;
    let hidden = hidden?;
    let directions = if *bidirectional { 2 } else { 1 };
    let features = hidden * directions;
    if features > MAX_SIZE {
        let place = site.setting(kind, "hidden");
        site.errors
            .error(&place, format!("two directions of {hidden} features are more than {MAX_SIZE}"))
            .help("use a smaller state");
        return None;
    }

    // Each gate has a linear map of its input and one of the state, both with biases.
    let gates = cell.gates();
    let layer = |inputs: u64| {
        let weights = product(&[directions, gates, hidden, inputs.saturating_add(hidden)]);
        Cost {
            parameters: weights.saturating_add(product(&[directions, 2 * gates, hidden])),
            multiply_adds: product(&[length, weights]),
        }
    };
    let output = match output {
        RecurrentOutput::Last => Shape::Vector { size: features },
        RecurrentOutput::Sequence => Shape::Sequence { length, features },
    };
    Some(Inferred {
        operation: Operation::Recurrent(Settings { cell, layers, bidirectional: *bidirectional, dropout }),
        output,
        cost: layer(inputs) + layer(features).times(layers - 1),
    })
}

impl Cell {
    fn kind(self) -> &'static str {
        match self {
            Self::Gru => "gru",
            Self::Lstm => "lstm",
        }
    }

    fn gates(self) -> u64 {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// The type in Rust.
    pub(super) fn family(self) -> TokenStream {
        match self {
            Self::Gru => quote!(Gru),
            Self::Lstm => quote!(Lstm),
        }
    }
}

impl fmt::Display for Cell {
    /// The name with its article, as it is spoken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gru => "a `gru`",
            Self::Lstm => "an `lstm`",
        })
    }
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (layers, bidirectional, dropout) = (integer(self.layers), self.bidirectional, float(self.dropout));
        let module = Ident::new(self.cell.kind(), Span::call_site());
        quote!(#module::Settings { layers: #layers, bidirectional: #bidirectional, dropout: #dropout })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = if self.bidirectional { " bidirectional" } else { "" };
        write!(f, "{} layers {}{both}", self.cell.kind(), self.layers)
    }
}
