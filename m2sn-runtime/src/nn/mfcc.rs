//! Mel-frequency cepstral coefficients.

use std::f64::consts::PI;
use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::Layer;
use super::mel::{self, Bands};
use super::spectrum::Spectrum;
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Sequence, Shape, Waveform};

/// The first coefficients of the cosine transform (DCT-II, orthonormal) of each frame of a mel spectrogram.
///
/// `[batch, N]` → `[batch, 1 + ⌊N / hop⌋, coefficients]`, frames as of [`super::Mel`].
///
/// The twin is `librosa.feature.mfcc`, where the spectrogram is in decibels.
/// There are no variables. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Mfcc<I, O> {
    bands: Bands,
    /// `[mels, coefficients]`.
    transform: Tensor,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Mfcc`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The bands of the spectrogram.
    pub mels: i64,
    /// The spectrogram.
    pub mel: mel::Settings,
}

impl<const N: i64, const R: i64, const T: i64, const F: i64> Mfcc<Waveform<N, R>, Sequence<T, F>> {
    /// Coefficients by these settings, where `path` is.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { mels, mel } = settings;
        let frames = Spectrum::frames(N, mel.hop);
        debug_assert!(frames == T, "{N} samples have {frames} frames, but the type says {T}");
        debug_assert!(F <= mels, "{F} coefficients of {mels} bands");
        let transform = Tensor::from_slice(&cosines(mels, F)).to_kind(Kind::Float).view([mels, F]);
        Self {
            bands: Bands::new(R, mels, mel, path.device()),
            transform: transform.to_device(path.device()),
            shapes: PhantomData,
        }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Mfcc<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let (bands, mask) = self.bands.of(input.tensor(), input.mask());
        Batch::trusted(Feature { tensor: bands.matmul(&self.transform), mask, present: None })
    }
}

/// The weight of each band in each coefficient, band by band.
fn cosines(bands: i64, coefficients: i64) -> Vec<f64> {
    let count = bands as f64;
    let weight = |band: i64, coefficient: i64| {
        let norm = if coefficient == 0 { 1.0 / count } else { 2.0 / count };
        norm.sqrt() * (PI / count * (band as f64 + 0.5) * coefficient as f64).cos()
    };
    (0..bands).flat_map(|band| (0..coefficients).map(move |coefficient| weight(band, coefficient))).collect()
}
