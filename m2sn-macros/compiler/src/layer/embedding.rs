use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, float, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{Embedding, Positions};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    vocabulary: u64,
    padding: Option<u64>,
    positions: Positions,
    dropout: f64,
}

pub(super) fn infer(spec: &Embedding, site: &mut Site<'_>) -> Option<Inferred> {
    let Embedding { size, positions, dropout } = spec;
    let size = site.size("embedding", "size", *size);
    let dropout = site.probability("embedding", "dropout", *dropout);
    let (Shape::Tokens { length }, Some((vocabulary, padding))) = (site.input, site.tokens) else {
        return site.misplaced("embedding", "tokens");
    };
    let features = size?;
    let places = match positions {
        Positions::Learned => product(&[length, features]),
        Positions::None | Positions::Sinusoidal => 0,
    };
    let parameters = product(&[vocabulary, features]).saturating_add(places);
    Some(Inferred {
        operation: Operation::Embedding(Settings { vocabulary, padding, positions: *positions, dropout }),
        output: Shape::Sequence { length, features },
        cost: Cost { parameters, multiply_adds: 0 },
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let vocabulary = integer(self.vocabulary);
        let padding = match self.padding.map(integer) {
            None => quote!(None),
            Some(id) => quote!(Some(#id)),
        };
        let positions = match self.positions {
            Positions::None => quote!(Positions::None),
            Positions::Learned => quote!(Positions::Learned),
            Positions::Sinusoidal => quote!(Positions::Sinusoidal),
        };
        let dropout = float(self.dropout);
        quote!(embedding::Settings {
            vocabulary: #vocabulary,
            padding: #padding,
            positions: #positions,
            dropout: #dropout
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vocabulary {}", self.vocabulary)?;
        if let Some(padding) = self.padding {
            write!(f, " padding {padding}")?;
        }
        f.write_str(match self.positions {
            Positions::None => "",
            Positions::Learned => " learned positions",
            Positions::Sinusoidal => " sinusoidal positions",
        })
    }
}
