//! Pairs of an image and a sound of one digit, wherever they come from.

use m2sn::tch::Tensor;

/// Samples of one split. Which modality is easy differs by sample, and is known.
#[derive(Debug)]
pub(crate) struct Digits {
    /// `[samples, 1, 28, 28]` in 0 to 1.
    pub(crate) images: Tensor,
    /// Log-mel spectrograms, `[samples, 1, 32, 48]` in 0 to 1.
    pub(crate) sounds: Tensor,
    /// `[samples]` of `i64`, 0 to 9.
    pub(crate) labels: Tensor,
    /// How hard the image is, `[samples]` of `f32`, from 0 (clean) to 1.
    pub(crate) image_difficulty: Tensor,
    /// The level of the voice over the noise in dB, `[samples]` of `f32`; infinite where there is no noise.
    pub(crate) signal_to_noise: Tensor,
}

/// The samples to learn from, those that choose the best epoch, and those that are only ever measured on.
#[derive(Debug)]
pub(crate) struct Splits {
    pub(crate) train: Digits,
    pub(crate) valid: Digits,
    pub(crate) test: Digits,
}
