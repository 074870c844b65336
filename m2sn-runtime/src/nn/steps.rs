//! Windows over the steps of sequences that may be padded.

use tch::Tensor;

use super::Window;
use crate::batch::{Feature, blank, fill};

/// The largest real value under each window, `[batch, T, F]` → `[batch, U, F]`.
pub(crate) fn max_over_steps(window: &Window, input: &Feature) -> Feature {
    let Window { kernel: [kernel, _], stride: [stride, _], padding: [padding, _] } = *window;
    let Feature { tensor, mask, .. } = input;
    let steps = fill(tensor, mask.as_ref(), f64::NEG_INFINITY).transpose(1, 2);
    let largest = steps.max_pool1d([kernel], [stride], [padding], [1], false).transpose(1, 2);
    left(window, &largest, mask.as_ref())
}

/// The mean of the real values under each window, `[batch, T, F]` → `[batch, U, F]`.
pub(crate) fn average_over_steps(window: &Window, input: &Feature) -> Feature {
    let Window { kernel: [kernel, _], stride: [stride, _], padding: [padding, _] } = *window;
    let Feature { tensor, mask, .. } = input;
    let mean = |steps: &Tensor| steps.transpose(1, 2).avg_pool1d([kernel], [stride], [padding], false, true);
    let real = match mask {
        Some(mask) => mask.to_kind(tensor.kind()),
        None => tensor.ones_like().narrow(2, 0, 1).squeeze_dim(2),
    };
    // Of means over whole windows, one divides what is real by the share of it.
    let share = mean(&real.unsqueeze(2)).clamp_min(0.5 / kernel as f64);
    let means = (mean(&blank(tensor, mask.as_ref())) / share).transpose(1, 2);
    left(window, &means, mask.as_ref())
}

/// What a window leaves, of which only the real steps mean something; the others are zero.
fn left(window: &Window, steps: &Tensor, mask: Option<&Tensor>) -> Feature {
    let mask = mask.map(|mask| real_steps(window, mask));
    Feature { tensor: blank(steps, mask.as_ref()).contiguous(), mask, present: None }
}

/// Which of the steps that a window leaves are real, `[batch, T]` → `[batch, U]`.
///
/// Those are whose windows, but for as many steps at either end as the padding has, hold real steps alone. So a sample that
/// is padded at one end has as many real steps as it would have by itself, and they are the same. A sample that is too
/// short to have any by itself has those whose windows hold a real step.
pub(crate) fn real_steps(window: &Window, mask: &Tensor) -> Tensor {
    let Window { kernel: [kernel, _], stride: [stride, _], padding: [padding, _] } = *window;
    let inner = kernel - 2 * padding;
    debug_assert!(inner >= 0, "{window:?} has windows of nothing but padding");
    if window.is_trivial() {
        return mask.shallow_clone();
    }
    let any = |mask: &Tensor, kernel: i64, padding: i64| {
        let mask = mask.to_kind(tch::Kind::Float).unsqueeze(1);
        mask.max_pool1d([kernel], [stride], [padding], [1], false).squeeze_dim(1).gt(0.0)
    };
    let whole = match inner {
        // Between two steps, of which one is enough.
        0 => any(mask, 2, 1),
        _ => any(&mask.logical_not(), inner, 0).logical_not(),
    };
    let long_enough = whole.any_dim(1, true);
    whole.where_self(&long_enough, &any(mask, kernel, padding))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn window(kernel: i64, stride: i64, padding: i64) -> Window {
        Window { kernel: [kernel, 1], stride: [stride, 1], padding: [padding, 0] }
    }

    #[test]
    fn a_padded_sample_has_as_many_steps_as_by_itself() {
        const STEPS: i64 = 9;
        let steps = Tensor::arange(STEPS, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        for (kernel, stride, padding) in
            [(1, 1, 0), (3, 1, 1), (3, 1, 0), (5, 2, 1), (2, 2, 0), (2, 3, 1), (4, 1, 2), (1, 2, 0), (3, 4, 1)]
        {
            let window = window(kernel, stride, padding);
            for length in 1..=STEPS {
                let alone = (length + 2 * padding - kernel).div_euclid(stride) + 1;
                let found = real_steps(&window, &steps.lt(length));
                assert_eq!(found.size()[1], window.places([STEPS, 1])[0]);
                let place = Tensor::arange(found.size()[1], (Kind::Int64, Device::Cpu)).unsqueeze(0);
                if alone > 0 {
                    assert_eq!(found, place.lt(alone), "{length} steps by {window:?}");
                } else {
                    assert!(bool::try_from(found.any()).unwrap(), "{length} steps by {window:?}");
                }
                let front = real_steps(&window, &steps.ge(STEPS - length));
                if stride == 1 && alone > 0 {
                    assert_eq!(front, found.flip([1]), "{length} steps at the end by {window:?}");
                }
            }
        }
    }

    #[test]
    fn pools_count_what_is_real_alone() {
        let tensor = Tensor::from_slice(&[1f32, 3.0, -5.0, f32::NAN, f32::INFINITY, -2.0, f32::NAN, 0.0, 0.0, 0.0]);
        let mask = [true, true, true, false, false, true, false, false, false, false];
        let input = Feature { mask: Some(Tensor::from_slice(&mask).view([2, 5])), ..tensor.view([2, 5, 1]).into() };
        let window = window(3, 2, 1);
        let (largest, mean) = (max_over_steps(&window, &input), average_over_steps(&window, &input));
        assert_eq!(largest.mask, Some(Tensor::from_slice(&[true, true, false, true, false, false]).view([2, 3])));
        assert_eq!(largest.tensor, Tensor::from_slice(&[3f32, 3.0, 0.0, -2.0, 0.0, 0.0]).view([2, 3, 1]));
        let expected = Tensor::from_slice(&[2f32, -1.0, 0.0, -2.0, 0.0, 0.0]).view([2, 3, 1]);
        assert!(mean.tensor.allclose(&expected, 1e-6, 0.0, false), "{:?}", Vec::<f32>::try_from(mean.tensor.view(-1)));
    }
}
