//! Mel spectrograms.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use super::Layer;
use super::spectrum::Spectrum;
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Sequence, Shape, Waveform};

/// The power of sound in bands that part the mel scale evenly, over time.
///
/// `[batch, N]` → `[batch, 1 + ⌊N / hop⌋, mels]`. Frame `t` is about sample `t · hop`, weighed by a Hann window, with zeros
/// beyond both ends. Bands are Slaney's: triangles on his mel scale, linear below 1 kHz, of the same area each. A sound gives
/// the same frames whatever it is padded to.
///
/// The twin is `librosa.feature.melspectrogram`, followed by `power_to_db` where the scale is decibels.
/// There are no variables. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Mel<I, O> {
    bands: Bands,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Mel`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The samples of a window.
    pub window: i64,
    /// The samples from one window to the next.
    pub hop: i64,
    /// The lowest frequency, in Hz.
    pub fmin: f64,
    /// The highest frequency, in Hz.
    pub fmax: f64,
    /// What the power is told in.
    pub scale: Scale,
}

/// What the power of a band is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The power itself.
    Power,
    /// Decibels of the power, at least 1e-10, and no less than 80 below the largest of the sound.
    Decibels,
    /// The natural logarithm of the power, at least 1e-10.
    Natural,
}

impl<const N: i64, const R: i64, const T: i64, const F: i64> Mel<Waveform<N, R>, Sequence<T, F>> {
    /// A mel spectrogram by these settings, where `path` is.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let frames = Spectrum::frames(N, settings.hop);
        debug_assert!(frames == T, "{N} samples have {frames} frames, but the type says {T}");
        Self { bands: Bands::new(R, F, settings, path.device()), shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Mel<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let (tensor, mask) = self.bands.of(input.tensor(), input.mask());
        Batch::trusted(Feature { tensor, mask, present: None })
    }
}

/// What a [`Mel`] is whatever its shapes.
#[derive(Debug)]
pub(super) struct Bands {
    spectrum: Spectrum,
    /// `[window / 2 + 1, mels]`.
    filters: Tensor,
    scale: Scale,
}

/// No power counts as less.
const LEAST: f64 = 1e-10;
/// How far below the largest power of a sound decibels go.
const RANGE: f64 = 80.0;

impl Bands {
    pub(super) fn new(rate: i64, mels: i64, settings: Settings, device: Device) -> Self {
        let Settings { window, hop, fmin, fmax, scale } = settings;
        let filters = Tensor::from_slice(&filters(rate, window, mels, [fmin, fmax]));
        let filters = filters.to_kind(Kind::Float).view([mels, -1]).tr().contiguous().to_device(device);
        Self { spectrum: Spectrum::new(window, hop, device), filters, scale }
    }

    /// The bands over time, and where frames are real: `[batch, N]` → `[batch, frames, mels]`, `[batch, frames]`.
    pub(super) fn of(&self, sound: &Tensor, mask: Option<&Tensor>) -> (Tensor, Option<Tensor>) {
        let power = self.spectrum.power(sound).transpose(1, 2).matmul(&self.filters);
        let mask = mask.map(|mask| self.spectrum.mask(mask));
        let scaled = match self.scale {
            Scale::Power => power,
            Scale::Natural => power.clamp_min(LEAST).log(),
            Scale::Decibels => {
                let decibels = power.clamp_min(LEAST).log10() * 10.0;
                let loudest = match &mask {
                    Some(mask) => decibels.masked_fill(&mask.logical_not().unsqueeze(-1), f64::NEG_INFINITY),
                    None => decibels.shallow_clone(),
                };
                decibels.maximum(&(loudest.amax([1, 2].as_slice(), true) - RANGE))
            }
        };
        (scaled, mask)
    }
}

/// The weight of each frequency of a spectrum in each band, band by band.
fn filters(rate: i64, window: i64, mels: i64, [fmin, fmax]: [f64; 2]) -> Vec<f64> {
    let (lowest, highest) = (mel_of(fmin), mel_of(fmax));
    let corner = |index: i64| hz_of(lowest + (highest - lowest) * index as f64 / (mels + 1) as f64);
    let frequency = |bin: i64| bin as f64 * rate as f64 / window as f64;
    let band = |index: i64| {
        let [left, middle, right] = [corner(index), corner(index + 1), corner(index + 2)];
        (0..=window / 2).map(move |bin| {
            let rise = (frequency(bin) - left) / (middle - left);
            let fall = (right - frequency(bin)) / (right - middle);
            rise.min(fall).max(0.0) * 2.0 / (right - left)
        })
    };
    (0..mels).flat_map(band).collect()
}

/// Where the mel scale turns from linear to logarithmic, in Hz and in mels.
const TURN: [f64; 2] = [1000.0, 15.0];
/// Hz a mel below the turn.
const LINEAR: f64 = 200.0 / 3.0;
/// Mels for each factor of 6.4 above the turn.
const LOGARITHMIC: f64 = 27.0;

fn mel_of(hz: f64) -> f64 {
    if hz < TURN[0] { hz / LINEAR } else { TURN[1] + (hz / TURN[0]).ln() * LOGARITHMIC / 6.4_f64.ln() }
}

fn hz_of(mel: f64) -> f64 {
    if mel < TURN[1] { mel * LINEAR } else { TURN[0] * ((mel - TURN[1]) * 6.4_f64.ln() / LOGARITHMIC).exp() }
}
