//! Channels brought to a mean of zero and a deviation of one.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::shape::Shape;

/// Each channel less its mean, over its deviation: `y = (x − mean) / deviation`; bytes are divided by 255 first.
///
/// `[batch, …]` → the same, as floats. The channels of an image are its first dimension, those of a video its second; of a
/// sequence and of a vector they are the features.
///
/// PyTorch's twin for bytes is torchvision's `ToTensor` followed by `Normalize`.
/// Variables, none of them trained: `mean` and `deviation`, `[C]` each.
///
/// ```
/// use m2sn_runtime::nn::{Layer, Normalize, normalize};
/// use m2sn_runtime::shape::{Bytes, Image};
/// use m2sn_runtime::tch::{Device, Kind, Tensor, nn::VarStore};
/// use m2sn_runtime::Batch;
///
/// let variables = VarStore::new(Device::Cpu);
/// let settings = normalize::Settings { mean: &[0.5], deviation: &[0.5] };
/// let floats = Normalize::<Bytes<Image<1, 2, 2>>, Image<1, 2, 2>>::new(variables.root(), settings);
///
/// let white = Batch::new(Tensor::full([1, 1, 2, 2], 255, (Kind::Uint8, Device::Cpu)))?;
/// assert_eq!(floats.forward(&white, false).tensor(), &Tensor::ones([1, 1, 2, 2], (Kind::Float, Device::Cpu)));
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Normalize<I, O> {
    mean: Tensor,
    deviation: Tensor,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Normalize`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The mean of each channel, or one for all; of bytes, once they run from 0 to 1.
    pub mean: &'static [f64],
    /// The deviation of each channel, or one for all, above 0.
    pub deviation: &'static [f64],
}

impl<I: Shape, O: Shape> Normalize<I, O> {
    /// A normalisation by these numbers, with its variables under `path`.
    pub fn new(path: Path<'_>, settings: Settings) -> Self {
        let Settings { mean, deviation } = settings;
        let channels = channels(I::DIMS);
        debug_assert!(I::DIMS == O::DIMS, "a normalisation from {:?} to {:?}", I::DIMS, O::DIMS);
        let numbers = |name: &str, values: &[f64]| {
            let count = values.len() as i64;
            debug_assert!(count == 1 || count == channels, "{count} values of {channels} channels");
            let mut variable = path.zeros_no_train(name, &[channels]);
            tch::no_grad(|| variable.copy_(&Tensor::from_slice(values)));
            variable
        };
        Self { mean: numbers("mean", mean), deviation: numbers("deviation", deviation), shapes: PhantomData }
    }

    /// What each channel is multiplied by, and what is added then, `[C]` each.
    fn scale_and_shift(&self) -> [Tensor; 2] {
        let range = if I::KIND == Kind::Uint8 { f64::from(u8::MAX) } else { 1.0 };
        let [mean, deviation] = [&self.mean, &self.deviation].map(|tensor| tensor.detach().to_kind(Kind::Double));
        [(&deviation * range).reciprocal(), -mean / deviation].map(|tensor| tensor.to_kind(Kind::Float))
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Normalize<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let [scale, shift] = self.scale_and_shift();
        input.map(scaled(input.tensor(), input.mask(), &scale, &shift))
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let [scale, shift] = self.scale_and_shift();
        program.push(Operation::Scale { scale, shift }, input, O::DIMS)
    }
}

/// Each channel of `[batch, …]` times its scale and plus its shift, `[C]` each, as floats; zeros where steps are padding.
pub(crate) fn scaled(tensor: &Tensor, mask: Option<&Tensor>, scale: &Tensor, shift: &Tensor) -> Tensor {
    let places = places(&tensor.size()[1..]);
    let scaled = tensor.to_kind(Kind::Float) * scale.view(places) + shift.view(places);
    match mask {
        Some(mask) => {
            let rest = vec![1; tensor.dim() - 2];
            scaled.masked_fill(&mask.logical_not().view(&[&mask.size()[..], &rest].concat()[..]), 0.0)
        }
        None => scaled,
    }
}

/// The view of a number a channel that lies over samples of these dimensions.
pub(crate) fn places(dims: &[i64]) -> &'static [i64] {
    // The channels of images and videos have rows and columns behind them.
    if dims.len() > 2 { &[-1, 1, 1] } else { &[-1] }
}

/// The number of channels of samples of these dimensions.
pub(super) fn channels(dims: &[i64]) -> i64 {
    match dims {
        [.., channels, _, _] | [.., channels] => *channels,
        [] => 1,
    }
}
