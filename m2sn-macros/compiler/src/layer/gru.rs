use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, MAX_SIZE, Operation, Site, float, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Gru, GruOutput};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    layers: u64,
    bidirectional: bool,
    dropout: f64,
}

pub(super) fn infer(spec: &Gru, site: &mut Site<'_>) -> Option<Inferred> {
    let Gru { hidden, layers, bidirectional, dropout, output } = spec;
    let hidden = site.size("gru", "hidden", *hidden);
    let layers = site.count("gru", "layers", *layers);
    let dropout = site.probability("gru", "dropout", *dropout);
    if dropout > 0.0 && layers == 1 {
        let place = site.setting("gru", "dropout");
        site.errors
            .warning(&place, "dropout lies between the layers of a `gru`, and this one has a single layer")
            .help("leave it out, or put `dropout` after the `gru`");
    }
    let [length, inputs] = site.sequence("gru")?;
    let hidden = hidden?;
    let directions = if *bidirectional { 2 } else { 1 };
    let features = hidden * directions;
    if features > MAX_SIZE {
        let place = site.setting("gru", "hidden");
        site.errors
            .error(&place, format!("two directions of {hidden} features are more than {MAX_SIZE}"))
            .help("use a smaller state");
        return None;
    }

    // A layer has three gates, each with a linear map of its input and one of the state, both with biases.
    let layer = |inputs: u64| {
        let weights = product(&[directions, 3, hidden, inputs.saturating_add(hidden)]);
        Cost {
            parameters: weights.saturating_add(product(&[directions, 6, hidden])),
            multiply_adds: product(&[length, weights]),
        }
    };
    let output = match output {
        GruOutput::Last => Shape::Vector { size: features },
        GruOutput::Sequence => Shape::Sequence { length, features },
    };
    Some(Inferred {
        operation: Operation::Gru(Settings { layers, bidirectional: *bidirectional, dropout }),
        output,
        cost: layer(inputs) + layer(features).times(layers - 1),
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (layers, bidirectional, dropout) = (integer(self.layers), self.bidirectional, float(self.dropout));
        quote!(gru::Settings { layers: #layers, bidirectional: #bidirectional, dropout: #dropout })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = if self.bidirectional { " bidirectional" } else { "" };
        write!(f, "layers {}{both}", self.layers)
    }
}
