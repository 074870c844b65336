//! Data sets in memory, and readers of common file formats.

pub mod idx;
pub mod npy;

use tch::{Device, Kind, Tensor};

use crate::network::Input;
use crate::task::Task;
use crate::{Error, Result};

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
    /// where there are none, or where the target does not fit `task`.
    pub fn new(input: I, target: Tensor, task: Task) -> Result<Self> {
        let features = input.features();
        let samples = features.first().map_or(0, |feature| feature.len());
        if samples == 0 {
            return Err(Error::invalid("data set: there are no samples"));
        }
        if let Some((index, other)) = features.iter().enumerate().find(|(_, feature)| feature.len() != samples) {
            return Err(Error::Shape {
                what: format!("data set, modality {index}"),
                expected: format!("{samples} samples, as in modality 0"),
                found: format!("{} samples", other.len()),
            });
        }
        task.check(&target, samples)?;
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
        if start < 0 || length < 1 || start + length > self.len() {
            return Err(Error::invalid(format!(
                "data set: samples {start} to {} were asked for, there are {}",
                start + length,
                self.len()
            )));
        }
        let features = self.input.features().iter().map(|feature| feature.narrow(start, length)).collect();
        Ok(Self { input: I::from_features(features)?, target: self.target.narrow(0, start, length) })
    }

    /// The samples at the given rows, in that order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that does not exist.
    pub fn select(&self, rows: &[i64]) -> Result<Self> {
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

/// The samples that a model learns from, and those that choose its best epoch.
#[derive(Debug)]
pub struct Splits<I> {
    /// The samples to learn from.
    pub train: Dataset<I>,
    /// The samples that choose the best epoch of each stage.
    pub valid: Dataset<I>,
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

/// The number of elements of an array; `None` where a dimension is negative or the number too large to hold.
fn elements(dims: &[i64]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(usize::try_from(*dim).ok()?))
}
