//! Spectra of sound, which several layers begin with.

use tch::{Device, Kind, Tensor};

/// The windows of samples that spectra are taken of: by Hann, each about the sample in its middle, with zeros before the
/// first sample and behind the last.
#[derive(Debug)]
pub(super) struct Spectrum {
    window: Tensor,
    hop: i64,
}

impl Spectrum {
    /// Windows of so many samples, so many samples apart.
    pub(super) fn new(window: i64, hop: i64, device: Device) -> Self {
        Self { window: Tensor::hann_window(window, (Kind::Float, device)), hop }
    }

    /// How many windows there are in so many samples.
    pub(super) fn frames(samples: i64, hop: i64) -> i64 {
        1 + samples / hop
    }

    /// The power of each frequency: `[batch, samples]` → `[batch, window / 2 + 1, frames]`.
    pub(super) fn power(&self, sound: &Tensor) -> Tensor {
        let size = self.window.size()[0];
        let padded = sound.constant_pad_nd([size / 2, size / 2]);
        let spectrum = padded.stft(size, self.hop, size, Some(&self.window), false, true, true, false);
        spectrum.view_as_real().square().sum_dim_intlist([-1].as_slice(), false, None)
    }

    /// Where frames are real: those that a sound without its padding has. `[batch, samples]` → `[batch, frames]`.
    pub(super) fn mask(&self, samples: &Tensor) -> Tensor {
        let count = samples.size()[1];
        let middles = Tensor::arange(Self::frames(count, self.hop), (Kind::Int64, samples.device())) * self.hop;
        let at = |places: &Tensor| samples.index_select(1, &places.clamp(0, count - 1));
        at(&middles).logical_or(&at(&(&middles - 1)))
    }
}
