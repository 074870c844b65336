//! Tensors whose shape is their type, and the erased form in which the runtime passes them on.

use std::marker::PhantomData;

use tch::{Device, Kind, Tensor};

use crate::shape::{Padded, Shape};
use crate::{Error, Result};

/// A batch of samples of shape `S`: a tensor `[batch, S…]`.
///
/// The one check at run time is where data enters: [`Batch::new`].
/// From there on the compiler checks the wiring.
///
/// ```
/// use m2sn_runtime::{Batch, shape::Image, tch::{Device, Kind, Tensor}};
///
/// let pixels = Tensor::zeros([8, 1, 28, 28], (Kind::Float, Device::Cpu));
/// let batch = Batch::<Image<1, 28, 28>>::new(pixels)?;
/// assert_eq!(batch.len(), 8);
///
/// let wrong = Tensor::zeros([8, 28, 28], (Kind::Float, Device::Cpu));
/// let error = Batch::<Image<1, 28, 28>>::new(wrong).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "batch of `Image<1, 28, 28>`: expected [batch, 1, 28, 28] of Float, found [8, 28, 28] of Float"
/// );
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch<S> {
    feature: Feature,
    shape: PhantomData<fn() -> S>,
}

impl<S: Shape> Batch<S> {
    /// Checks that `tensor` is `[batch, S…]` of the shape's element type.
    ///
    /// # Errors
    /// [`Error::Shape`] with both shapes where it is not.
    pub fn new(tensor: Tensor) -> Result<Self> {
        Self::try_from_feature(Feature { tensor, mask: None })
    }

    /// Takes the erased form back, checked as in [`Batch::new`].
    ///
    /// # Errors
    /// [`Error::Shape`] with both shapes where they differ.
    pub fn try_from_feature(feature: Feature) -> Result<Self> {
        let size = feature.tensor.size();
        let fits = size.len() == S::DIMS.len() + 1 && size.ends_with(S::DIMS) && feature.tensor.kind() == S::KIND;
        if !fits {
            let dims: String = S::DIMS.iter().map(|dim| format!(", {dim}")).collect();
            return Err(Error::Shape {
                what: format!("batch of `{}`", S::describe()),
                expected: format!("[batch{dims}] of {:?}", S::KIND),
                found: format!("{size:?} of {:?}", feature.tensor.kind()),
            });
        }
        Ok(Self::trusted(feature))
    }

    /// Takes the erased form back without a check, where the generated wiring vouches for the shape.
    pub fn trusted(feature: Feature) -> Self {
        debug_assert!(feature.tensor.size().ends_with(S::DIMS), "{:?} is no {}", feature.tensor.size(), S::describe());
        Self { feature, shape: PhantomData }
    }

    /// A batch with the same padding and another tensor, where a layer vouches for the shape.
    pub fn map<O: Shape>(&self, tensor: Tensor) -> Batch<O> {
        Batch::trusted(Feature { tensor, mask: self.feature.mask.as_ref().map(Tensor::shallow_clone) })
    }
}

impl<S: Padded> Batch<S> {
    /// Checks `tensor` as [`Batch::new`] does, and marks the steps from each sample's length on as padding.
    ///
    /// `lengths` is `[batch]` of `i64`, each from 1 to the number of steps.
    ///
    /// # Errors
    /// [`Error::Shape`] where either tensor does not fit; [`Error::Invalid`] names the first length out of range.
    pub fn with_lengths(tensor: Tensor, lengths: &Tensor) -> Result<Self> {
        let batch = Self::new(tensor)?;
        if lengths.size() != [batch.len()] || lengths.kind() != Kind::Int64 {
            return Err(Error::Shape {
                what: format!("lengths of a batch of `{}`", S::describe()),
                expected: format!("[{}] of Int64", batch.len()),
                found: format!("{:?} of {:?}", lengths.size(), lengths.kind()),
            });
        }
        let steps = S::DIMS[0];
        let values = Vec::<i64>::try_from(lengths.to_device(Device::Cpu))?;
        if let Some(row) = values.iter().position(|length| !(1..=steps).contains(length)) {
            return Err(Error::invalid(format!(
                "lengths of a batch of `{}`: row {row} is {}, expected 1 to {steps}",
                S::describe(),
                values[row],
            )));
        }
        let mask = Tensor::arange(steps, (Kind::Int64, lengths.device())).unsqueeze(0).lt_tensor(&lengths.unsqueeze(1));
        let Feature { tensor, .. } = batch.feature;
        let mask = mask.to_device(tensor.device());
        Ok(Self::trusted(Feature { tensor, mask: Some(mask) }))
    }
}

impl<S> Batch<S> {
    /// The number of samples.
    pub fn len(&self) -> i64 {
        self.feature.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensor, `[batch, S…]`.
    pub fn tensor(&self) -> &Tensor {
        &self.feature.tensor
    }

    /// Where steps are real and not padding, `[batch, T]` of `bool`; `None` where every step is real.
    pub fn mask(&self) -> Option<&Tensor> {
        self.feature.mask.as_ref()
    }

    /// The erased form, sharing the tensor.
    pub fn feature(&self) -> Feature {
        self.feature.clone()
    }

    /// The erased form.
    pub fn into_feature(self) -> Feature {
        self.feature
    }
}

impl<S> Clone for Batch<S> {
    /// Shares the tensor; copies no data.
    fn clone(&self) -> Self {
        Self { feature: self.feature.clone(), shape: PhantomData }
    }
}

impl<S: Shape> TryFrom<Tensor> for Batch<S> {
    type Error = Error;

    fn try_from(tensor: Tensor) -> Result<Self> {
        Self::new(tensor)
    }
}

/// A batch whose shape only its place in the network knows: what flows between the blocks of an encoder.
#[derive(Debug)]
pub struct Feature {
    /// The tensor, `[batch, …]`.
    pub tensor: Tensor,
    /// Where steps are real and not padding, `[batch, T]` of `bool`; `None` where every step is real.
    pub mask: Option<Tensor>,
}

impl Feature {
    /// The number of samples.
    pub fn len(&self) -> i64 {
        self.tensor.size().first().copied().unwrap_or(0)
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples at `index`, a tensor `[n]` of `i64` on the same device.
    pub fn select(&self, index: &Tensor) -> Self {
        self.map(|tensor| tensor.index_select(0, index))
    }

    /// The `length` samples from `start` on, sharing the tensor.
    pub fn narrow(&self, start: i64, length: i64) -> Self {
        self.map(|tensor| tensor.narrow(0, start, length))
    }

    /// The same samples on `device`.
    pub fn to_device(&self, device: Device) -> Self {
        self.map(|tensor| tensor.to_device(device))
    }

    fn map(&self, apply: impl Fn(&Tensor) -> Tensor) -> Self {
        Self { tensor: apply(&self.tensor), mask: self.mask.as_ref().map(&apply) }
    }
}

impl From<Tensor> for Feature {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, mask: None }
    }
}

impl Clone for Feature {
    /// Shares the tensors; copies no data.
    fn clone(&self) -> Self {
        self.map(Tensor::shallow_clone)
    }
}
