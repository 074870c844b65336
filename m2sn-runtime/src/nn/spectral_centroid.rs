//! The mean frequency of sound.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::Layer;
use super::spectrum::Spectrum;
use crate::Batch;
use crate::batch::Feature;
use crate::shape::{Sequence, Shape, Waveform};

/// The mean of all frequencies, in Hz, each weighed by its magnitude, over time.
///
/// `[batch, N]` → `[batch, 1 + ⌊N / hop⌋, 1]`, frames as of [`super::Mel`]; of silence zero.
///
/// The twin is `librosa.feature.spectral_centroid`. There are no variables. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct SpectralCentroid<I, O> {
    spectrum: Spectrum,
    /// `[window / 2 + 1]`.
    frequencies: Tensor,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`SpectralCentroid`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The samples of a window.
    pub window: i64,
    /// The samples from one window to the next.
    pub hop: i64,
}

impl<const N: i64, const R: i64, const T: i64> SpectralCentroid<Waveform<N, R>, Sequence<T, 1>> {
    /// A layer of mean frequencies, where `path` is.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { window, hop } = settings;
        let frames = Spectrum::frames(N, hop);
        debug_assert!(frames == T, "{N} samples have {frames} frames, but the type says {T}");
        let bins = Tensor::arange(window / 2 + 1, (Kind::Float, path.device()));
        let frequencies = bins * (R as f64 / window as f64);
        Self { spectrum: Spectrum::new(window, hop, path.device()), frequencies, shapes: PhantomData }
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for SpectralCentroid<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let magnitudes = self.spectrum.power(input.tensor()).sqrt().transpose(1, 2);
        let sum = magnitudes.sum_dim_intlist([2].as_slice(), false, None);
        let silent = sum.le(f64::from(f32::MIN_POSITIVE));
        let centroid = magnitudes.matmul(&self.frequencies) / sum.masked_fill(&silent, 1.0);
        let mask = input.mask().map(|mask| self.spectrum.mask(mask));
        Batch::trusted(Feature { tensor: centroid.unsqueeze(-1), mask, present: None })
    }
}
