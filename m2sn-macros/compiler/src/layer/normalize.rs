use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, float};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Normalize;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

pub(super) fn infer(spec: &Normalize, site: &mut Site<'_>) -> Option<Inferred> {
    let output = site.input.in_floats();
    let channels = match output {
        Shape::Image { channels, .. } | Shape::Video { channels, .. } => channels,
        _ => return site.misplaced("normalize", "an image or a video"),
    };
    let is_mean = |mean: f64| mean.is_finite();
    let mean = numbers("mean", &spec.mean, channels, is_mean, "write a number that is finite", site);
    let is_deviation = |deviation: f64| deviation.is_finite() && deviation > 0.0;
    let deviation = numbers("deviation", &spec.deviation, channels, is_deviation, "write a number above 0", site);
    let operation = Operation::Normalize(Settings { mean: mean?, deviation: deviation? });
    Some(Inferred { operation, output, cost: Cost::default() })
}

/// One number a channel, or one for all, each of which `fits`.
fn numbers(
    setting: &str,
    values: &[f64],
    channels: u64,
    fits: impl Fn(f64) -> bool,
    help: &str,
    site: &mut Site<'_>,
) -> Option<Vec<f64>> {
    let place = site.setting("normalize", setting);
    let mut sound = true;
    if values.len() != 1 && values.len() as u64 != channels {
        let message = format!("a `{setting}` of {} numbers for {channels} channels", values.len());
        site.errors.error(&place, message).help("write one number a channel, or one for all");
        sound = false;
    }
    for (index, value) in values.iter().enumerate().filter(|(_, value)| !fits(**value)) {
        site.errors.error(&place.entry(index), format!("a `{setting}` of {value} is out of range")).help(help);
        sound = false;
    }
    sound.then(|| values.to_vec())
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let [mean, deviation] = [&self.mean, &self.deviation].map(|values| {
            let values = values.iter().map(|value| float(*value));
            quote!(&[#(#values),*])
        });
        quote!(normalize::Settings { mean: #mean, deviation: #deviation })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mean {:?} deviation {:?}", self.mean, self.deviation)
    }
}
