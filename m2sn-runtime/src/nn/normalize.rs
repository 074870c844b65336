//! Inputs brought to a mean of zero and a deviation of one.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::Layer;
use super::program::{Operation, Program, Value};
use crate::Batch;
use crate::batch::blank;
use crate::shape::Shape;

/// Each channel less its mean, over its deviation: `y = (x − mean) / deviation`; bytes are divided by 255 first.
///
/// `[batch, …]` → the same, as floats. The channels of an image are its first dimension, those of a video its second; of a
/// sequence and of a vector they are the features, and sound has one.
/// A channel without deviation is only moved. Padding, and samples that lack the modality, are blank.
///
/// Variables, none of them trained: `mean` and `deviation`, `[C]` each. Where a training is to fit them they are zeros at
/// first, and the layer changes nothing but the range of bytes.
///
/// The twins are torchvision's `Normalize`, after `ToTensor` for bytes, and scikit-learn's `StandardScaler`.
///
/// ```
/// use m2sn_runtime::nn::{Layer, Normalize};
/// use m2sn_runtime::shape::{Bytes, Image};
/// use m2sn_runtime::tch::{Device, Kind, Tensor, nn::VarStore};
/// use m2sn_runtime::Batch;
///
/// let variables = VarStore::new(Device::Cpu);
/// let floats = Normalize::<Bytes<Image<1, 2, 2>>, Image<1, 2, 2>>::declared(variables.root(), &[0.5], &[0.5]);
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

impl<I: Shape, O: Shape> Normalize<I, O> {
    /// One that the training fits, with its variables under `path`.
    pub fn fitted(path: Path<'_>) -> Self {
        debug_assert!(I::DIMS == O::DIMS, "a normalisation from {:?} to {:?}", I::DIMS, O::DIMS);
        let [mean, deviation] = ["mean", "deviation"].map(|name| path.zeros_no_train(name, &[I::CHANNELS]));
        Self { mean, deviation, shapes: PhantomData }
    }

    /// One by these numbers, one of each a channel, or one for all, with its variables under `path`.
    pub fn declared(path: Path<'_>, mean: &[f64], deviation: &[f64]) -> Self {
        let layer = Self::fitted(path);
        for (variable, values) in [(&layer.mean, mean), (&layer.deviation, deviation)] {
            let count = values.len() as i64;
            debug_assert!(count == 1 || count == I::CHANNELS, "{count} values of {} channels", I::CHANNELS);
            tch::no_grad(|| variable.shallow_clone().copy_(&Tensor::from_slice(values)));
        }
        layer
    }

    /// What each channel is multiplied by, and what is added then, `[C]` each.
    fn scale_and_shift(&self) -> [Tensor; 2] {
        let [mean, deviation] = [&self.mean, &self.deviation].map(|tensor| tensor.detach().to_kind(Kind::Double));
        let scale = divisor(&deviation).reciprocal();
        let shift = -(mean * &scale);
        [scale / range(I::KIND), shift].map(|tensor| tensor.to_kind(Kind::Float))
    }
}

impl<I: Shape, O: Shape> Layer<I, O> for Normalize<I, O> {
    fn forward(&self, input: &Batch<I>, _train: bool) -> Batch<O> {
        let places = places(I::DIMS);
        let (mean, divisor) = (self.mean.view(places), divisor(&self.deviation).view(places));
        let mut tensor = blank(&((in_range(input.tensor(), Kind::Float) - mean) / divisor), input.mask());
        if let Some(present) = input.present() {
            let rows: Vec<i64> = (0..tensor.dim()).map(|dim| if dim == 0 { -1 } else { 1 }).collect();
            tensor = tensor.masked_fill(&present.logical_not().view(&rows[..]), 0.0);
        }
        input.map(tensor)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let [scale, shift] = self.scale_and_shift();
        program.push(Operation::Scale { scale, shift }, input, O::DIMS)
    }
}

/// By what deviations divide: one in place of none.
fn divisor(deviation: &Tensor) -> Tensor {
    deviation.masked_fill(&deviation.le(0.0), 1.0)
}

/// What one is once inputs of a kind are brought to their range.
pub(crate) fn range(kind: Kind) -> f64 {
    if kind == Kind::Uint8 { f64::from(u8::MAX) } else { 1.0 }
}

/// Floats as they are, and bytes from 0 to 1, as floats of a kind.
pub(crate) fn in_range(tensor: &Tensor, kind: Kind) -> Tensor {
    let floats = tensor.to_kind(kind);
    if tensor.kind() == Kind::Uint8 { floats / range(Kind::Uint8) } else { floats }
}

/// Each channel of `[batch, …]` times its scale and plus its shift, `[C]` each, as floats; zeros where steps are padding.
pub(crate) fn scaled(tensor: &Tensor, mask: Option<&Tensor>, scale: &Tensor, shift: &Tensor) -> Tensor {
    let places = places(&tensor.size()[1..]);
    blank(&(tensor.to_kind(Kind::Float) * scale.view(places) + shift.view(places)), mask)
}

/// The view of a number a channel that lies over samples of these dimensions.
pub(crate) fn places(dims: &[i64]) -> &'static [i64] {
    // The channels of images and videos have rows and columns behind them.
    if dims.len() > 2 { &[-1, 1, 1] } else { &[-1] }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::kind::FLOAT_CPU;
    use tch::nn::VarStore;

    use super::*;
    use crate::batch::Feature;
    use crate::nn::{Linear, erase, lower};
    use crate::predictor::by_every_engine;
    use crate::shape::{Bytes, Image, Sequence, Vector, Video, Waveform};

    #[test]
    fn channels_come_to_mean_and_deviation() {
        let store = VarStore::new(Device::Cpu);
        let layer = Normalize::<Image<2, 3, 4>, Image<2, 3, 4>>::declared(store.root(), &[1.0, -2.0], &[0.5, 4.0]);
        let images = Tensor::randn([5, 2, 3, 4], FLOAT_CPU);
        let expected = Tensor::stack(&[(images.select(1, 0) - 1.0) / 0.5, (images.select(1, 1) + 2.0) / 4.0], 1);
        let found = layer.forward(&Batch::new(images.shallow_clone()).unwrap(), true);
        assert!(found.tensor().allclose(&expected, 1e-6, 1e-6, false));
        for (engine, found) in by_every_engine(&[erase(&layer)], &[2, 3, 4], &images.into()) {
            assert!(found.allclose(&expected, 1e-6, 1e-6, false), "{engine}");
        }
        assert!(store.trainable_variables().is_empty());
    }

    #[test]
    fn sound_is_one_channel_and_one_number_does_for_all() {
        let store = VarStore::new(Device::Cpu);
        type Sound = Waveform<50, 8000>;
        type Clip = Video<2, 3, 4, 5>;
        let sound = Normalize::<Sound, Sound>::declared(&store.root() / "sound", &[0.25], &[2.0]);
        let clip = Normalize::<Bytes<Clip>, Clip>::declared(&store.root() / "clip", &[0.5], &[0.1, 0.2, 0.4]);
        assert_eq!(store.variables()["sound.mean"].size(), [1]);
        assert_eq!(store.variables()["clip.mean"].size(), [3]);

        let tensor = Tensor::randn([2, 50], FLOAT_CPU);
        let batch = Batch::<Sound>::with_lengths(tensor, &Tensor::from_slice(&[50i64, 20])).unwrap();
        let expected = (batch.tensor() - 0.25) / 2.0;
        let expected = blank(&expected, batch.mask());
        assert!(sound.forward(&batch, false).tensor().allclose(&expected, 1e-6, 1e-6, false));
        for (engine, found) in by_every_engine(&[erase(&sound)], &[50], &batch.feature()) {
            assert!(found.allclose(&expected, 1e-6, 1e-6, false), "{engine}");
        }

        let bytes = Tensor::randint(256, [4, 2, 3, 4, 5], (Kind::Uint8, Device::Cpu));
        let deviations = Tensor::from_slice(&[0.1f32, 0.2, 0.4]).view([3, 1, 1]);
        let expected = (bytes.to_kind(Kind::Float) / 255 - 0.5) / deviations;
        let found = clip.forward(&Batch::new(bytes).unwrap(), true);
        assert!(found.tensor().allclose(&expected, 1e-6, 1e-6, false));
    }

    #[test]
    fn what_is_not_fitted_changes_nothing() {
        let store = VarStore::new(Device::Cpu);
        let layer = Normalize::<Vector<3>, Vector<3>>::fitted(store.root());
        let input = Batch::new(Tensor::randn([4, 3], FLOAT_CPU)).unwrap();
        assert_eq!(layer.forward(&input, false).tensor(), input.tensor());
    }

    #[test]
    fn padding_and_what_is_missing_stay_blank() {
        let store = VarStore::new(Device::Cpu);
        type Steps = Sequence<3, 2>;
        let layer = Normalize::<Steps, Steps>::declared(store.root(), &[1.0, 2.0], &[2.0, 2.0]);
        let steps = Tensor::full([2, 3, 2], 3.0, FLOAT_CPU);
        let batch = Batch::<Steps>::with_lengths(steps, &Tensor::from_slice(&[2i64, 3])).unwrap();
        let batch = batch.where_present(&Tensor::from_slice(&[true, false])).unwrap();
        let output = layer.forward(&batch, false);
        let expected = [1.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(Vec::<f32>::try_from(output.tensor().flatten(0, -1)).unwrap(), expected);
        assert_eq!(output.mask(), batch.mask());
        // Of samples that are missing predictors take care where they read the inputs.
        let one = batch.feature().narrow(0, 1);
        for (engine, found) in by_every_engine(&[erase(&layer)], &[3, 2], &Feature { present: None, ..one }) {
            assert_eq!(Vec::<f32>::try_from(found.flatten(0, -1)).unwrap(), expected[..6], "{engine}");
        }
    }

    #[test]
    fn a_linear_map_takes_the_scale_into_its_weights() {
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let (mean, deviation) = (&[100.0, -3.0, 0.5], &[20.0, 0.01, 1.0]);
        let first = Normalize::<Vector<3>, Vector<3>>::declared(&root / "first", mean, deviation);
        let second = Linear::<Vector<3>, Vector<4>>::new(&root / "second", Some(crate::nn::Activation::Tanh));
        let layers = [erase(&first), erase(&second)];
        assert_eq!(lower(&layers, &[3]).steps().len(), 1);
        let input = Tensor::randn([6, 3], FLOAT_CPU) * Tensor::from_slice(&[20f32, 0.01, 1.0])
            + Tensor::from_slice(&[100f32, -3.0, 0.5]);
        let expected = crate::nn::run(&layers, &input.shallow_clone().into(), false).tensor;
        for (engine, found) in by_every_engine(&layers, &[3], &input.into()) {
            let error = (found - &expected).abs().max().double_value(&[]);
            // Of a number that lies 300 deviations off the mean, single precision keeps that much.
            assert!(error < 1e-4, "{engine}: off by {error:e}");
        }
    }
}
