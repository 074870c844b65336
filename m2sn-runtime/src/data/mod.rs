//! Data sets in memory, and readers of common file formats.

pub mod idx;
pub mod npy;
pub mod npz;
mod split;
pub mod text;

use tch::{Device, Kind, Tensor};

use crate::batch::Feature;
use crate::network::Input;
use crate::task::Task;
use crate::{Error, Result};

pub use split::{By, Splits};

/// Inputs and targets of some samples.
#[derive(Debug)]
pub struct Dataset<I> {
    input: I,
    target: Tensor,
}

impl<I: Input> Dataset<I> {
    /// Joins inputs and targets; see [`Task`] for the target's shape.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Invalid`] where modalities or target differ in their number of samples,
    /// where there are none, where the target does not fit `task`, or where a value is not finite: the first row that
    /// holds one is named. Padding steps are of no account.
    pub fn new(input: I, target: Tensor, task: Task) -> Result<Self> {
        let features = input.features();
        let samples = features.first().map_or(0, |feature| feature.len());
        if samples == 0 {
            return Err(Error::invalid("data set: there are no samples"));
        }
        if let Some((index, other)) = features.iter().enumerate().find(|(_, feature)| feature.len() != samples) {
            return Err(Error::Shape {
                what: format!("data set, modality `{}`", I::MODALITIES[index]),
                expected: format!("{samples} samples, as in `{}`", I::MODALITIES[0]),
                found: format!("{} samples", other.len()),
            });
        }
        task.check(&target, samples)?;
        for (name, feature) in I::MODALITIES.iter().zip(&features) {
            check_finite(&format!("data set, modality `{name}`"), feature)?;
        }
        check_finite("data set, target", &target.shallow_clone().into())?;
        Ok(Self { input, target })
    }

    /// The inputs.
    pub fn input(&self) -> &I {
        &self.input
    }

    /// The targets.
    pub fn target(&self) -> &Tensor {
        &self.target
    }

    /// The number of samples.
    pub fn len(&self) -> i64 {
        self.target.size()[0]
    }

    /// Whether there are no samples; [`Dataset::new`] sees to it that there are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `length` samples from `start` on, sharing the tensors.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are not all there.
    pub fn narrow(&self, start: i64, length: i64) -> Result<Self> {
        let end = start.checked_add(length).filter(|end| start >= 0 && length >= 1 && *end <= self.len());
        if end.is_none() {
            return Err(Error::invalid(format!(
                "data set: {length} samples from {start} on were asked for, there are {}",
                self.len()
            )));
        }
        let features = self.input.features().iter().map(|feature| feature.narrow(start, length)).collect();
        Ok(Self { input: I::from_features(features)?, target: self.target.narrow(0, start, length) })
    }

    /// The samples at the given rows, in that order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that does not exist, or where none is asked for.
    pub fn select(&self, rows: &[i64]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::invalid("data set: no row was asked for, and a data set has at least one"));
        }
        if let Some(row) = rows.iter().find(|row| !(0..self.len()).contains(row)) {
            return Err(Error::invalid(format!("data set: there is no row {row} among {}", self.len())));
        }
        let index = Tensor::from_slice(rows).to_kind(Kind::Int64).to_device(self.target.device());
        let features = self.input.features().iter().map(|feature| feature.select(&index)).collect();
        Ok(Self { input: I::from_features(features)?, target: self.target.index_select(0, &index) })
    }

    /// The same samples on `device`.
    ///
    /// # Errors
    /// None in practice: shapes stay as they are.
    pub fn to_device(&self, device: impl Into<Device>) -> Result<Self> {
        let device = device.into();
        let features = self.input.features().iter().map(|feature| feature.to_device(device)).collect();
        Ok(Self { input: I::from_features(features)?, target: self.target.to_device(device) })
    }
}

/// Refuses values that are not finite: a loss would follow them, and blame the learning rate.
fn check_finite(what: &str, feature: &Feature) -> Result<()> {
    let Feature { tensor, mask, .. } = feature;
    // The sum of finite values is finite unless it overflows, and one pass over memory is all that most data need.
    if !tensor.is_floating_point() || tensor.sum(tensor.kind()).double_value(&[]).is_finite() {
        return Ok(());
    }
    let mut wrong = tensor.isfinite().logical_not();
    if let Some(mask) = mask {
        wrong = wrong.logical_and(&mask.unsqueeze(-1));
    }
    let rows =
        wrong.flatten(1.min(wrong.dim() as i64 - 1), -1).view([tensor.size()[0], -1]).any_dim(1, false).nonzero();
    if rows.numel() == 0 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{what}: row {} holds a value that is not finite (NaN or infinite), as do {} rows in all; repair or leave them out",
        rows.int64_value(&[0, 0]),
        rows.size()[0],
    )))
}

/// Whether an array's dimensions are those expected, where `-1` stands for any number.
fn dims_fit(found: &[i64], expected: &[i64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| [*found, -1].contains(expected))
}

/// Dimensions as an error shows them: `[?, 28, 28]`.
fn describe_dims(dims: &[i64]) -> String {
    let dims: Vec<_> = dims.iter().map(|dim| if *dim == -1 { "?".into() } else { dim.to_string() }).collect();
    format!("[{}]", dims.join(", "))
}

/// The number of elements of an array; `None` where a dimension is negative or their product too large to hold, be it
/// only for a dimension of none.
fn elements(dims: &[i64]) -> Option<usize> {
    let product = |least: i64| {
        dims.iter().try_fold(1_usize, |product, dim| {
            product.checked_mul(usize::try_from(if *dim == 0 { least } else { *dim }).ok()?)
        })
    };
    product(1).and(product(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use crate::network::Network;
    use crate::tiny::{Tiny, TinyInput, samples};

    #[test]
    fn rows_that_are_not_there_are_refused_whatever_their_number() {
        let data = samples(6, 1).unwrap().train;
        for (start, length) in [(i64::MAX, 1), (1, i64::MAX), (i64::MIN, i64::MIN), (-1, 2), (0, 0), (0, 7), (6, 1)] {
            assert!(data.narrow(start, length).is_err(), "{start}, {length}");
        }
        assert_eq!(data.narrow(2, 4).unwrap().len(), 4);
        for rows in [&[][..], &[6], &[0, -1], &[i64::MAX], &[i64::MIN]] {
            assert!(data.select(rows).is_err(), "{rows:?}");
        }
        assert_eq!(data.select(&[5, 5, 0]).unwrap().len(), 3);
    }

    #[test]
    fn values_that_are_not_finite_are_named_with_their_row() {
        let target = || Tensor::zeros([4], (Kind::Int64, tch::Device::Cpu));
        let with = |value: f64| {
            let left = Tensor::ones([4, 6], tch::kind::FLOAT_CPU);
            let _ = left.get(2).get(5).fill_(value);
            let right = Tensor::ones([4, 5], tch::kind::FLOAT_CPU);
            let input = TinyInput { left: Batch::new(left).unwrap(), right: Batch::new(right).unwrap() };
            Dataset::new(input, target(), Tiny::description().task)
        };
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = with(value).unwrap_err().to_string();
            assert!(error.starts_with("data set, modality `left`: row 2 holds a value that is not finite"), "{error}");
        }
        // Finite values are taken, also those whose sum is not.
        assert!(with(3e38).is_ok());
        let all = Tensor::full([4, 6], 3e38, tch::kind::FLOAT_CPU);
        let input = TinyInput {
            left: Batch::new(all).unwrap(),
            right: Batch::new(Tensor::ones([4, 5], tch::kind::FLOAT_CPU)).unwrap(),
        };
        assert!(Dataset::new(input, target(), Tiny::description().task).is_ok());
    }
}
