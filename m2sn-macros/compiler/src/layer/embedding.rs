use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, float, integer, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{EPSILON, Embedding, Positions};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    vocabulary: u64,
    padding: Option<u64>,
    length: u64,
    positions: Positions,
    places: u64,
    types: u64,
    /// What the layer normalisation adds to the variance, where there is one.
    norm: Option<f64>,
    dropout: f64,
}

pub(super) fn infer(spec: &Embedding, site: &mut Site<'_>) -> Option<Inferred> {
    let Embedding { size, positions, types, dropout, .. } = spec;
    let size = site.size("embedding", "size", *size);
    let types = if *types == 0 { 0 } else { site.count("embedding", "types", *types) };
    let norm = norm(spec, site);
    let dropout = site.probability("embedding", "dropout", *dropout);
    let (Shape::Tokens { length }, Some((vocabulary, padding))) = (site.input, site.tokens) else {
        return site.misplaced("embedding", "tokens");
    };
    let places = places(spec, length, site);
    let features = size?;
    let learned = if *positions == Positions::Learned { places } else { 0 };
    let rows = vocabulary.saturating_add(learned).saturating_add(types);
    let norm_parameters = if norm.is_some() { 2 * features } else { 0 };
    let parameters = product(&[rows, features]).saturating_add(norm_parameters);
    let positions = *positions;
    Some(Inferred {
        operation: Operation::Embedding(Settings {
            vocabulary,
            padding,
            length,
            positions,
            places,
            types,
            norm,
            dropout,
        }),
        output: Shape::Sequence { length, features },
        cost: Cost { parameters, multiply_adds: 0 },
    })
}

/// What the normalisation adds to the variance, where there is one.
fn norm(spec: &Embedding, site: &mut Site<'_>) -> Option<f64> {
    match (spec.norm, spec.epsilon) {
        (true, epsilon) => Some(site.epsilon("embedding", epsilon.unwrap_or(EPSILON))),
        (false, None) => None,
        (false, Some(_)) => {
            let place = site.setting("embedding", "epsilon").on_key();
            site.errors
                .error(&place, "an `epsilon` without a normalisation")
                .help("add `norm: true`, or leave `epsilon` out");
            None
        }
    }
}

/// The rows of the table of positions: those asked for, where an input of this length finds all of its places there.
fn places(spec: &Embedding, length: u64, site: &mut Site<'_>) -> u64 {
    let Some(places) = spec.places else { return length };
    let place = site.setting("embedding", "places");
    if spec.positions != Positions::Learned {
        site.errors
            .error(&place.on_key(), "only learned positions have a table of `places`")
            .help("add `positions: learned`, or leave `places` out");
    } else if places < length {
        site.errors
            .error(&place, format!("a table of {places} places for an input of {length} tokens"))
            .help(format!("write at least {length}, or shorten the input"));
    } else {
        return site.count("embedding", "places", places);
    }
    length
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
            Positions::Learned => {
                let places = integer(self.places);
                quote!(Positions::Learned(#places))
            }
            Positions::Sinusoidal => quote!(Positions::Sinusoidal),
        };
        let norm = match self.norm.map(float) {
            None => quote!(None),
            Some(epsilon) => quote!(Some(#epsilon)),
        };
        let (types, dropout) = (integer(self.types), float(self.dropout));
        quote!(embedding::Settings {
            vocabulary: #vocabulary,
            padding: #padding,
            positions: #positions,
            types: #types,
            norm: #norm,
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
        match self.positions {
            Positions::None => {}
            Positions::Learned if self.places > self.length => write!(f, " {} learned positions", self.places)?,
            Positions::Learned => f.write_str(" learned positions")?,
            Positions::Sinusoidal => f.write_str(" sinusoidal positions")?,
        }
        if self.types > 0 {
            write!(f, " types {}", self.types)?;
        }
        match self.norm {
            None => Ok(()),
            Some(EPSILON) => f.write_str(" norm"),
            Some(epsilon) => write!(f, " norm epsilon {epsilon:e}"),
        }
    }
}
