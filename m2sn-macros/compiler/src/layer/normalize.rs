//! What the inputs of a modality are normalised by, before its encoder and before the navigator's embedding.

use proc_macro2::TokenStream;
use quote::quote;

use super::{Operation, float};
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec::Normalize;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Mean and deviation of each channel, or one for all; none where they are fitted.
    declared: Option<[Vec<f64>; 2]>,
}

/// The largest mean or deviation, either way.
const MOST: f64 = 1e9;
/// The smallest deviation: what is divided by less is no longer told apart in single precision.
const LEAST: f64 = 1e-9;

/// Checks how a modality's inputs of a shape are normalised.
pub(crate) fn normalize(normalize: &Normalize, input: Shape, place: &Place, errors: &mut Errors) -> Option<Operation> {
    let (channels, what) = match input.in_floats() {
        Shape::Sequence { features, .. } => (features, "feature"),
        Shape::Vector { size } => (size, "feature"),
        Shape::Image { channels, .. } | Shape::Video { channels, .. } => (channels, "channel"),
        Shape::Waveform { .. } => (1, "channel"),
        _ => {
            errors
                .error(&place.clone().on_key(), format!("`normalize` is of numbers, but the input is `{input}`"))
                .help("leave it out: token ids are no quantities");
            return None;
        }
    };
    let Normalize::Declared { mean, deviation } = normalize else {
        return Some(Operation::Normalize(Settings { declared: None }));
    };
    let mut sound = true;
    for (setting, values, least) in [("mean", mean, -MOST), ("deviation", deviation, LEAST)] {
        let place = place.key(setting);
        if values.len() != 1 && values.len() as u64 != channels {
            let plural = if channels == 1 { "" } else { "s" };
            let message =
                format!("`{setting}` has {} entries, but `{input}` has {channels} {what}{plural}", values.len());
            errors.error(&place, message).help(format!("write one a {what}, or one for all"));
            sound = false;
        }
        for (entry, value) in values.iter().enumerate().filter(|(_, value)| !(least..=MOST).contains(*value)) {
            errors
                .error(&place.entry(entry), format!("a {setting} of {value} is out of range"))
                .help(format!("write a number from {least} to {MOST}"));
            sound = false;
        }
    }
    let declared = Some([mean.clone(), deviation.clone()]);
    sound.then_some(Operation::Normalize(Settings { declared }))
}

impl Settings {
    pub(super) fn construct(&self, path: &TokenStream) -> TokenStream {
        match &self.declared {
            None => quote!(Normalize::fitted(#path)),
            Some(declared) => {
                let [mean, deviation] = declared.each_ref().map(|values| values.iter().map(|value| float(*value)));
                quote!(Normalize::declared(#path, &[#(#mean),*], &[#(#deviation),*]))
            }
        }
    }
}
