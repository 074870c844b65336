//! How features change over time.

use std::marker::PhantomData;

use tch::{Kind, Tensor};

use super::Layer;
use crate::Batch;
use crate::shape::Sequence;

/// The derivative of each feature over time, of the polynomial that fits the steps of a window best (Savitzky and Golay,
/// 1964). Near the ends the first and the last whole window count.
///
/// `[batch, T, F]` → the same. Padding is passed over wherever it stands; a sample with fewer real steps than the window goes
/// on with its last one.
///
/// The twin is `librosa.feature.delta`. There are no variables. A predictor runs the layer as it is.
#[derive(Debug)]
pub struct Delta<I, O> {
    settings: Settings,
    shapes: PhantomData<fn(I) -> O>,
}

/// What the shapes do not tell of a [`Delta`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The steps of the window: odd, at least 3, at most as many as there are.
    pub width: i64,
    /// Which derivative, the first or the second; also the degree of the polynomial.
    pub order: i64,
}

impl<const T: i64, const F: i64> Delta<Sequence<T, F>, Sequence<T, F>> {
    /// A layer of derivatives.
    pub fn new(settings: Settings) -> Self {
        let Settings { width, order } = settings;
        debug_assert!(width % 2 == 1 && (3..=T).contains(&width), "a window of {width} of {T} steps");
        debug_assert!((1..=2).contains(&order), "a derivative of order {order}");
        Self { settings, shapes: PhantomData }
    }
}

impl<const T: i64, const F: i64> Layer<Sequence<T, F>, Sequence<T, F>> for Delta<Sequence<T, F>, Sequence<T, F>> {
    fn forward(&self, input: &Batch<Sequence<T, F>>, _train: bool) -> Batch<Sequence<T, F>> {
        let steps = input.tensor();
        let half = self.settings.width / 2;
        let device = steps.device();
        let along = |tensor: &Tensor, places: &Tensor| {
            tensor.gather(1, &places.unsqueeze(-1).expand([-1, -1, F], false), false)
        };
        let places = Tensor::arange(T, (Kind::Int64, device)).unsqueeze(0).expand([input.len(), T], false);
        let Some(mask) = input.mask() else {
            return input.map(along(&self.whole_windows(steps), &(places.clamp(half, T - 1 - half) - half)));
        };
        // Real steps first, in their order, then the last of them again and again.
        let order = mask.to_kind(Kind::Int64).argsort_stable(true, 1, true);
        let last = mask.sum_dim_intlist([1].as_slice(), true, Kind::Int64).clamp_min(1) - 1;
        let real = along(steps, &order.gather(1, &places.minimum(&last), false));
        let middles = places.clamp_min(half).minimum(&(last - half).clamp_min(half)) - half;
        let found = along(&self.whole_windows(&real), &middles);
        input.map(along(&found, &order.argsort(1, false)))
    }
}

impl<I, O> Delta<I, O> {
    /// The derivative at the middle of each whole window: `[batch, T, F]` → `[batch, T - width + 1, F]`.
    fn whole_windows(&self, steps: &Tensor) -> Tensor {
        let coefficients = Tensor::from_slice(&self.coefficients()).to_kind(steps.kind()).to_device(steps.device());
        steps.unfold(1, self.settings.width, 1).matmul(&coefficients)
    }

    /// The weight of each step of a window in its derivative.
    fn coefficients(&self) -> Vec<f64> {
        let half = self.settings.width / 2;
        let places = || (-half..=half).map(|place| place as f64);
        let count = self.settings.width as f64;
        let squares: f64 = places().map(|place| place.powi(2)).sum();
        if self.settings.order == 1 {
            return places().map(|place| place / squares).collect();
        }
        let fourths: f64 = places().map(|place| place.powi(4)).sum();
        let scale = 2.0 / (count * fourths - squares.powi(2));
        places().map(|place| scale * (count * place.powi(2) - squares)).collect()
    }
}
