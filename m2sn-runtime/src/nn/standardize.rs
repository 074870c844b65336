//! Inputs brought to a mean of zero and a deviation of one.

use std::marker::PhantomData;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::normalize::{channels, places};
use super::program::{Operation, Program, Value};
use super::{Layer, blank};
use crate::Batch;
use crate::shape::Shape;

/// Each channel less its mean, over its deviation: `y = (x − mean) / deviation`.
///
/// The shape stays. The channels of an image are its first dimension, those of a sequence and of a vector their features.
/// A channel without deviation is only moved. Padding, and samples that lack the modality, stay blank.
///
/// Variables, none of them trained: `mean` and `deviation`, `[C]` each. Where a training is to fit them they are zeros at
/// first, and the layer changes nothing.
///
/// scikit-learn's twin is `StandardScaler`.
#[derive(Debug)]
pub struct Standardize<I, O> {
    mean: Tensor,
    deviation: Tensor,
    shapes: PhantomData<fn(I) -> O>,
}

impl<S: Shape> Standardize<S, S> {
    /// One that the training fits, with its variables under `path`.
    pub fn fitted(path: Path<'_>) -> Self {
        let channels = [channels(S::DIMS)];
        let [mean, deviation] = ["mean", "deviation"].map(|name| path.zeros_no_train(name, &channels));
        Self { mean, deviation, shapes: PhantomData }
    }

    /// One by these numbers, one of each a channel, with its variables under `path`.
    pub fn declared(path: Path<'_>, mean: &[f64], deviation: &[f64]) -> Self {
        let layer = Self::fitted(path);
        for (variable, values) in [(&layer.mean, mean), (&layer.deviation, deviation)] {
            debug_assert!(variable.size() == [values.len() as i64], "{} values a channel", values.len());
            tch::no_grad(|| variable.shallow_clone().copy_(&Tensor::from_slice(values)));
        }
        layer
    }

    /// What each channel is multiplied by, and what is added then, `[C]` each.
    fn scale_and_shift(&self) -> [Tensor; 2] {
        let [mean, deviation] = [&self.mean, &self.deviation].map(|tensor| tensor.detach().to_kind(Kind::Double));
        let scale = divisor(&deviation).reciprocal();
        let shift = -(mean * &scale);
        [scale, shift].map(|tensor| tensor.to_kind(Kind::Float))
    }
}

impl<S: Shape> Layer<S, S> for Standardize<S, S> {
    fn forward(&self, input: &Batch<S>, _train: bool) -> Batch<S> {
        let places = places(S::DIMS);
        let (mean, divisor) = (self.mean.view(places), divisor(&self.deviation).view(places));
        let mut tensor = blank(&((input.tensor() - mean) / divisor), input.mask());
        if let Some(present) = input.present() {
            let rows: Vec<i64> = (0..tensor.dim()).map(|dim| if dim == 0 { -1 } else { 1 }).collect();
            tensor = tensor.masked_fill(&present.logical_not().view(&rows[..]), 0.0);
        }
        input.map(tensor)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let [scale, shift] = self.scale_and_shift();
        program.push(Operation::Scale { scale, shift }, input, S::DIMS)
    }
}

/// By what deviations divide: one in place of none.
fn divisor(deviation: &Tensor) -> Tensor {
    deviation.masked_fill(&deviation.le(0.0), 1.0)
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
    use crate::shape::{Image, Sequence, Vector};

    #[test]
    fn channels_come_to_mean_and_deviation() {
        let store = VarStore::new(Device::Cpu);
        let layer = Standardize::<Image<2, 3, 4>, Image<2, 3, 4>>::declared(store.root(), &[1.0, -2.0], &[0.5, 4.0]);
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
    fn what_is_not_fitted_changes_nothing() {
        let store = VarStore::new(Device::Cpu);
        let layer = Standardize::<Vector<3>, Vector<3>>::fitted(store.root());
        let input = Batch::new(Tensor::randn([4, 3], FLOAT_CPU)).unwrap();
        assert_eq!(layer.forward(&input, false).tensor(), input.tensor());
    }

    #[test]
    fn padding_and_what_is_missing_stay_blank() {
        let store = VarStore::new(Device::Cpu);
        type Steps = Sequence<3, 2>;
        let layer = Standardize::<Steps, Steps>::declared(store.root(), &[1.0, 2.0], &[2.0, 2.0]);
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
        let first = Standardize::<Vector<3>, Vector<3>>::declared(&root / "first", mean, deviation);
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
