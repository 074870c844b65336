//! The layers that take sound, and that make of it what others take.

use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Inferred, Operation, Site, float, integer, product};
use crate::cost::Cost;
use crate::place::Place;
use crate::report::Errors;
use crate::shape::Shape;
use crate::spec::{self, Scale};

#[derive(Debug, Clone)]
pub(crate) struct Mel {
    window: u64,
    hop: u64,
    mels: u64,
    frequencies: [f64; 2],
    scale: Scale,
}

#[derive(Debug, Clone)]
pub(crate) struct Mfcc {
    mel: Mel,
}

#[derive(Debug, Clone)]
pub(crate) struct SpectralCentroid {
    window: u64,
    hop: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Delta {
    width: u64,
    order: u64,
}

pub(super) fn infer_mel(spec: &spec::Mel, site: &mut Site<'_>) -> Option<Inferred> {
    let place = site.place.key("mel");
    let [samples, rate] = site.waveform("mel")?;
    let mel = Mel::check(spec, rate, &place, site.errors)?;
    let length = frames(samples, mel.hop);
    let (output, cost) = (Shape::Sequence { length, features: mel.mels }, mel.cost(length));
    Some(Inferred { operation: Operation::Mel(mel), output, cost })
}

pub(super) fn infer_mfcc(spec: &spec::Mfcc, site: &mut Site<'_>) -> Option<Inferred> {
    let coefficients = site.size("mfcc", "coefficients", spec.coefficients);
    let place = site.setting("mfcc", "mel");
    let [samples, rate] = site.waveform("mfcc")?;
    let mel = Mel::check(&spec.mel, rate, &place, site.errors);
    let (coefficients, mel) = (coefficients?, mel?);
    if coefficients > mel.mels {
        let place = site.setting("mfcc", "coefficients");
        site.errors
            .error(&place, format!("{coefficients} coefficients of {} bands", mel.mels))
            .help(format!("write at most {}, or more `mels`", mel.mels));
        return None;
    }
    let length = frames(samples, mel.hop);
    let transform = Cost { parameters: 0, multiply_adds: product(&[length, mel.mels, coefficients]) };
    let cost = mel.cost(length) + transform;
    let output = Shape::Sequence { length, features: coefficients };
    Some(Inferred { operation: Operation::Mfcc(Mfcc { mel }), output, cost })
}

pub(super) fn infer_spectral_centroid(spec: &spec::SpectralCentroid, site: &mut Site<'_>) -> Option<Inferred> {
    let place = site.place.key("spectral_centroid");
    let [samples, _] = site.waveform("spectral_centroid")?;
    let [window, hop] = windows(spec.window, spec.hop, &place, site.errors)?;
    let length = frames(samples, hop);
    let cost = Cost { parameters: 0, multiply_adds: product(&[length, window / 2 + 1]) };
    let output = Shape::Sequence { length, features: 1 };
    Some(Inferred { operation: Operation::SpectralCentroid(SpectralCentroid { window, hop }), output, cost })
}

pub(super) fn infer_delta(spec: &spec::Delta, site: &mut Site<'_>) -> Option<Inferred> {
    let [length, features] = site.sequence("delta")?;
    let spec::Delta { width, order } = *spec;
    let mut sound = true;
    if width < 3 || width.is_multiple_of(2) || width > length {
        let place = site.setting("delta", "width");
        let least = format!("write an odd number from 3 to {length}, the steps that come in");
        let help = if length < 3 { "a sequence of fewer than 3 steps has no window".to_owned() } else { least };
        site.errors.error(&place, format!("a window of {width} steps")).help(help);
        sound = false;
    }
    if !(1..=2).contains(&order) {
        let place = site.setting("delta", "order");
        site.errors.error(&place, format!("a derivative of order {order}")).help("write 1 or 2");
        sound = false;
    }
    let cost = Cost { parameters: 0, multiply_adds: product(&[length, features, width]) };
    let operation = Operation::Delta(Delta { width, order });
    sound.then_some(Inferred { operation, output: site.input, cost })
}

pub(super) fn infer_to_image(site: &mut Site<'_>) -> Option<Inferred> {
    let [length, features] = site.sequence("to_image")?;
    let output = Shape::Image { channels: 1, height: features, width: length };
    Some(Inferred { operation: Operation::ToImage, output, cost: Cost::default() })
}

/// How many windows there are in so many samples, the first about the first of them.
fn frames(samples: u64, hop: u64) -> u64 {
    1 + samples / hop
}

/// The samples of a window, and from one to the next.
fn windows(window: u64, hop: u64, place: &Place, errors: &mut Errors) -> Option<[u64; 2]> {
    let hop = super::size(hop, "hop", &place.key("hop"), errors);
    let window = super::size(window, "window", &place.key("window"), errors)?;
    if !window.is_multiple_of(2) {
        errors
            .error(&place.key("window"), format!("a window of {window} samples has none in its middle"))
            .help("write an even number; powers of two are fastest");
        return None;
    }
    Some([window, hop?])
}

impl Mel {
    fn check(spec: &spec::Mel, rate: u64, place: &Place, errors: &mut Errors) -> Option<Self> {
        let spec::Mel { window, hop, mels, fmin, fmax, scale } = *spec;
        let windows = windows(window, hop, place, errors);
        let mels = super::size(mels, "mels", &place.key("mels"), errors);
        let half = rate as f64 / 2.0;
        let fmax = fmax.unwrap_or(half);
        let mut sound = true;
        if !(0.0..=half).contains(&fmax) {
            errors
                .error(&place.key("fmax"), format!("a highest frequency of {fmax} Hz is out of range"))
                .help(format!("write at most {half}: {rate} samples a second hold no higher one"));
            sound = false;
        } else if !(0.0..fmax).contains(&fmin) {
            errors
                .error(&place.key("fmin"), format!("a lowest frequency of {fmin} Hz is out of range"))
                .help(format!("write a number from 0 to below {fmax}, the highest"));
            sound = false;
        }
        let ([window, hop], mels) = (windows?, mels?);
        let bins = window / 2 + 1;
        if mels > bins {
            errors
                .error(&place.key("mels"), format!("{mels} bands of a spectrum of {bins} frequencies"))
                .help(format!("write at most {bins}, or a larger `window`"));
            return None;
        }
        sound.then_some(Self { window, hop, mels, frequencies: [fmin, fmax], scale })
    }

    /// The product with the bands' filters; how the spectrum is computed is left open.
    fn cost(&self, length: u64) -> Cost {
        Cost { parameters: 0, multiply_adds: product(&[length, self.window / 2 + 1, self.mels]) }
    }

    pub(super) fn tokens(&self) -> TokenStream {
        let (window, hop) = (integer(self.window), integer(self.hop));
        let [fmin, fmax] = self.frequencies.map(float);
        let scale = match self.scale {
            Scale::Power => quote!(Scale::Power),
            Scale::Decibels => quote!(Scale::Decibels),
            Scale::Natural => quote!(Scale::Natural),
        };
        quote!(mel::Settings { window: #window, hop: #hop, fmin: #fmin, fmax: #fmax, scale: #scale })
    }
}

impl Mfcc {
    pub(super) fn tokens(&self) -> TokenStream {
        let (mels, mel) = (integer(self.mel.mels), self.mel.tokens());
        quote!(mfcc::Settings { mels: #mels, mel: #mel })
    }
}

impl SpectralCentroid {
    pub(super) fn tokens(&self) -> TokenStream {
        let (window, hop) = (integer(self.window), integer(self.hop));
        quote!(spectral_centroid::Settings { window: #window, hop: #hop })
    }
}

impl Delta {
    pub(super) fn tokens(&self) -> TokenStream {
        let (width, order) = (integer(self.width), integer(self.order));
        quote!(delta::Settings { width: #width, order: #order })
    }
}

impl fmt::Display for Mel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, hop, frequencies: [fmin, fmax], scale, .. } = self;
        let scale = match scale {
            Scale::Power => "power",
            Scale::Decibels => "decibels",
            Scale::Natural => "natural",
        };
        write!(f, "window {window} hop {hop} from {fmin} to {fmax} Hz {scale}")
    }
}

impl fmt::Display for Mfcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} bands {}", self.mel.mels, self.mel)
    }
}

impl fmt::Display for SpectralCentroid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window {} hop {}", self.window, self.hop)
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "width {} order {}", self.width, self.order)
    }
}
