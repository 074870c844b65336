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

/// The number of samples of each split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) train: usize,
    pub(crate) valid: usize,
    pub(crate) test: usize,
}

impl Size {
    /// All that the recorded data set has.
    pub(crate) const FULL: Self = Self { train: 9600, valid: 1200, test: 1500 };
    /// Enough to see that all works.
    pub(crate) const QUICK: Self = Self { train: 2400, valid: 300, test: 300 };
}

impl Splits {
    /// The first samples of each split.
    pub(crate) fn at_most(&self, size: Size) -> Self {
        Self {
            train: self.train.at_most(size.train),
            valid: self.valid.at_most(size.valid),
            test: self.test.at_most(size.test),
        }
    }
}

impl Digits {
    /// The number of samples.
    pub(crate) fn len(&self) -> usize {
        self.labels.size()[0] as usize
    }

    fn at_most(&self, samples: usize) -> Self {
        let first = |tensor: &Tensor| tensor.narrow(0, 0, self.len().min(samples) as i64);
        Self {
            images: first(&self.images),
            sounds: first(&self.sounds),
            labels: first(&self.labels),
            image_difficulty: first(&self.image_difficulty),
            signal_to_noise: first(&self.signal_to_noise),
        }
    }
}
