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
        Self::try_from_feature(tensor.into())
    }

    /// Takes the erased form back, checked as in [`Batch::new`].
    ///
    /// # Errors
    /// [`Error::Shape`] with both shapes where they differ.
    pub fn try_from_feature(feature: Feature) -> Result<Self> {
        let tensor = &feature.tensor;
        let is_dense = tensor.defined() && !tensor.is_sparse();
        let sized = is_dense && tensor.dim() == S::DIMS.len() + 1 && tensor.size().ends_with(S::DIMS);
        if !sized || tensor.kind() != S::KIND {
            let dims: String = S::DIMS.iter().map(|dim| format!(", {dim}")).collect();
            let hint = if sized { format!("; convert it by `.to_kind(Kind::{:?})`", S::KIND) } else { String::new() };
            return Err(Error::Shape {
                what: format!("batch of `{}`", S::describe()),
                expected: format!("[batch{dims}] of {:?}", S::KIND),
                found: describe(tensor) + &hint,
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
        let mask = self.feature.mask.as_ref().map(Tensor::shallow_clone);
        Batch::trusted(Feature { tensor, mask, present: None })
    }

    /// Marks the samples where `present`, `[batch]` of `bool`, is false as missing: of a modality whose spec says
    /// `missing`, a batch may hold some samples that lack it.
    ///
    /// What the tensor holds in their place is of no account, be it NaN. For tokens and sequences of different lengths
    /// give such samples any length and mark them here.
    ///
    /// ```
    /// use m2sn_runtime::{Batch, shape::Vector, tch::{Kind, Tensor, kind::FLOAT_CPU}};
    ///
    /// // Three readings of a sensor, the second of which failed.
    /// let readings = Tensor::randn([3, 8], FLOAT_CPU);
    /// let batch = Batch::<Vector<8>>::new(readings)?.where_present(&Tensor::from_slice(&[true, false, true]))?;
    /// assert!(batch.present().is_some());
    /// # Ok::<(), m2sn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `present` does not fit.
    pub fn where_present(self, present: &Tensor) -> Result<Self> {
        let is_dense = present.defined() && !present.is_sparse();
        if !is_dense || present.size() != [self.len()] || present.kind() != Kind::Bool {
            return Err(Error::Shape {
                what: format!("present samples of a batch of `{}`", S::describe()),
                expected: format!("[{}] of Bool", self.len()),
                found: describe(present),
            });
        }
        Ok(Self::trusted(self.feature.without(&present.logical_not())))
    }

    /// A batch of samples that are all missing, with zeros in their place, of which memory holds one.
    pub(crate) fn missing(samples: i64, device: Device) -> Self {
        let ones = vec![1; S::DIMS.len() + 1];
        let tensor = Tensor::zeros(ones, (S::KIND, device)).expand([&[samples], S::DIMS].concat(), false);
        let present = Some(Tensor::zeros([samples], (Kind::Bool, device)));
        Self::trusted(Feature { tensor, mask: None, present })
    }
}

impl<S: Padded> Batch<S> {
    /// Checks `tensor` as [`Batch::new`] does, and marks the steps from each sample's length on as padding.
    ///
    /// `lengths` is `[batch]` of `i64`, each from 1 to the number of steps. Padding stands at the end; for samples that
    /// are padded in front, or that miss steps in between, there is [`Batch::with_mask`].
    ///
    /// # Errors
    /// [`Error::Shape`] where either tensor does not fit; [`Error::Invalid`] names the first length out of range.
    pub fn with_lengths(tensor: Tensor, lengths: &Tensor) -> Result<Self> {
        let batch = Self::new(tensor)?;
        let is_dense = lengths.defined() && !lengths.is_sparse();
        if !is_dense || lengths.size() != [batch.len()] || lengths.kind() != Kind::Int64 {
            return Err(Error::Shape {
                what: format!("lengths of a batch of `{}`", S::describe()),
                expected: format!("[{}] of Int64", batch.len()),
                found: describe(lengths),
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
        Ok(Self::padded(batch, mask))
    }

    /// Checks `tensor` as [`Batch::new`] does, and takes the steps where `mask` is false for padding, wherever they stand.
    ///
    /// `mask` is `[batch, T]` of `bool`, with at least one real step a sample.
    ///
    /// ```
    /// use m2sn_runtime::{Batch, shape::Sequence, tch::{Kind, Tensor, kind::FLOAT_CPU}};
    ///
    /// // One sample of three steps, the first of which is padding.
    /// let steps = Tensor::randn([1, 3, 2], FLOAT_CPU);
    /// let mask = Tensor::from_slice(&[false, true, true]).view([1, 3]);
    /// let batch = Batch::<Sequence<3, 2>>::with_mask(steps, &mask)?;
    /// assert_eq!(batch.mask(), Some(&mask));
    /// # Ok::<(), m2sn_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where either tensor does not fit; [`Error::Invalid`] names the first row without a real step.
    pub fn with_mask(tensor: Tensor, mask: &Tensor) -> Result<Self> {
        let batch = Self::new(tensor)?;
        let expected = [batch.len(), S::DIMS[0]];
        let is_dense = mask.defined() && !mask.is_sparse();
        if !is_dense || mask.size() != expected || mask.kind() != Kind::Bool {
            return Err(Error::Shape {
                what: format!("mask of a batch of `{}`", S::describe()),
                expected: format!("{expected:?} of Bool"),
                found: describe(mask),
            });
        }
        let empty = mask.any_dim(1, false).logical_not().nonzero();
        if empty.size()[0] > 0 {
            return Err(Error::invalid(format!(
                "mask of a batch of `{}`: row {} has no real step, expected at least one",
                S::describe(),
                empty.int64_value(&[0, 0]),
            )));
        }
        Ok(Self::padded(batch, mask.shallow_clone()))
    }

    /// The batch with its padding marked, and blanked: what a file holds there, be it NaN, must reach no real step.
    fn padded(batch: Self, mask: Tensor) -> Self {
        let Feature { tensor, present, .. } = batch.feature;
        let mask = mask.to_device(tensor.device());
        Self::trusted(Feature { tensor: blank_input(tensor, &mask), mask: Some(mask), present })
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

    /// Which samples are there, `[batch]` of `bool`; `None` where all are.
    pub fn present(&self) -> Option<&Tensor> {
        self.feature.present.as_ref()
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
    /// Of inputs, which samples are there and not missing, `[batch]` of `bool`; `None` where all are.
    pub present: Option<Tensor>,
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

    /// The samples of some batches of the same kind, one after the other.
    pub(crate) fn cat(parts: &[&Self]) -> Self {
        let cat = |tensors: Vec<&Tensor>| (!tensors.is_empty()).then(|| Tensor::cat(&tensors, 0));
        Self {
            tensor: Tensor::cat(&parts.iter().map(|part| &part.tensor).collect::<Vec<_>>(), 0),
            mask: cat(parts.iter().filter_map(|part| part.mask.as_ref()).collect()),
            present: cat(parts.iter().filter_map(|part| part.present.as_ref()).collect()),
        }
    }

    /// The same without the samples where `missing`, `[batch]` of `bool`, is true; what they held is blanked.
    pub fn without(&self, missing: &Tensor) -> Self {
        let missing = missing.to_device(self.tensor.device());
        let places: Vec<i64> = (0..self.tensor.dim()).map(|dim| if dim == 0 { -1 } else { 1 }).collect();
        let present = match &self.present {
            Some(present) => present.logical_and(&missing.logical_not()),
            None => missing.logical_not(),
        };
        Self {
            tensor: self.tensor.masked_fill(&missing.view(&places[..]), 0.0),
            mask: self.mask.as_ref().map(Tensor::shallow_clone),
            present: Some(present),
        }
    }

    fn map(&self, apply: impl Fn(&Tensor) -> Tensor) -> Self {
        Self {
            tensor: apply(&self.tensor),
            mask: self.mask.as_ref().map(&apply),
            present: self.present.as_ref().map(&apply),
        }
    }
}

/// Inputs with zeros at their padding; token ids stay, since a look-up of padding is as good as any other.
pub(crate) fn blank_input(tensor: Tensor, mask: &Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Int64 => tensor,
        _ => blank(&tensor, Some(mask)),
    }
}

/// The same tensor, `[batch, T, …]`, with zeros at the steps where `mask`, `[batch, T]`, is false.
pub(crate) fn blank(tensor: &Tensor, mask: Option<&Tensor>) -> Tensor {
    fill(tensor, mask, 0.0)
}

/// The same tensor, `[batch, T, …]`, with a value at the steps where `mask`, `[batch, T]`, is false.
///
/// Filled, not multiplied: whatever stands at a padding step, infinities included, must not count.
pub(crate) fn fill(tensor: &Tensor, mask: Option<&Tensor>, value: f64) -> Tensor {
    match mask {
        Some(mask) => tensor.masked_fill(&over_steps(mask, tensor).logical_not(), value),
        None => tensor.shallow_clone(),
    }
}

/// What is said of each step, `[batch, T]`, of all that a tensor `[batch, T, …]` holds there.
pub(crate) fn over_steps(mask: &Tensor, tensor: &Tensor) -> Tensor {
    let size = [mask.size(), vec![1; tensor.dim().saturating_sub(2)]].concat();
    mask.view(&size[..])
}

/// What a tensor is, whatever it is.
pub(crate) fn describe(tensor: &Tensor) -> String {
    if !tensor.defined() {
        return "an undefined tensor".into();
    }
    let layout = if tensor.is_sparse() { ", sparse" } else { "" };
    format!("{:?} of {:?}{layout}", tensor.size(), tensor.kind())
}

impl From<Tensor> for Feature {
    fn from(tensor: Tensor) -> Self {
        Self { tensor, mask: None, present: None }
    }
}

impl Clone for Feature {
    /// Shares the tensors; copies no data.
    fn clone(&self) -> Self {
        self.map(Tensor::shallow_clone)
    }
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;
    use crate::shape::{Sequence, Tokens, Vector};

    fn refusal<S: Shape>(tensor: Tensor) -> String {
        Batch::<S>::new(tensor).unwrap_err().to_string()
    }

    #[test]
    fn no_tensor_ends_the_program() {
        let expected = "batch of `Vector<2>`: expected [batch, 2] of Float, found ";
        let found = |tensor| refusal::<Vector<2>>(tensor).strip_prefix(expected).expect("the place").to_owned();
        assert_eq!(found(Tensor::new()), "an undefined tensor");
        assert_eq!(
            found(Tensor::zeros([3, 2], FLOAT_CPU).to_sparse(None, None::<i64>, None)),
            "[3, 2] of Float, sparse"
        );
        assert_eq!(found(Tensor::from(1.0)), "[] of Double");
        let double = Tensor::zeros([3, 2], (Kind::Double, Device::Cpu));
        assert_eq!(found(double), "[3, 2] of Double; convert it by `.to_kind(Kind::Float)`");
        type Steps = Batch<Sequence<3, 2>>;
        let steps = || Tensor::zeros([2, 3, 2], FLOAT_CPU);
        for wrong in [Tensor::new(), Tensor::from(1), Tensor::from_slice(&[1i64, 4]), Tensor::from_slice(&[0i64, 1])] {
            assert!(Steps::with_lengths(steps(), &wrong).is_err());
            assert!(Steps::with_mask(steps(), &wrong).is_err());
        }
        let empty = Tensor::from_slice(&[true, false, false, false, false, false]).view([2, 3]);
        let error = Steps::with_mask(steps(), &empty).unwrap_err().to_string();
        assert_eq!(error, "mask of a batch of `Sequence<3, 2>`: row 1 has no real step, expected at least one");
    }

    #[test]
    fn samples_that_are_missing_are_blank() {
        let steps = Tensor::full([2, 3, 2], f64::NAN, FLOAT_CPU);
        let _ = steps.get(0).fill_(2.0);
        let lengths = Tensor::from_slice(&[2i64, 1]);
        let present = Tensor::from_slice(&[true, false]);
        let batch = Batch::<Sequence<3, 2>>::with_lengths(steps, &lengths).unwrap().where_present(&present).unwrap();
        assert_eq!(batch.present(), Some(&present));
        assert_eq!(batch.tensor().double_value(&[0, 1, 0]), 2.0);
        assert_eq!(batch.tensor().get(1).abs().sum(Kind::Float).double_value(&[]), 0.0);
        // Whatever becomes of the batch, the marks go with its samples.
        let second = batch.feature().select(&Tensor::from_slice(&[1i64]));
        assert_eq!(second.present, Some(Tensor::from_slice(&[false])));
        let message = batch.where_present(&Tensor::from_slice(&[true])).unwrap_err().to_string();
        assert_eq!(message, "present samples of a batch of `Sequence<3, 2>`: expected [2] of Bool, found [1] of Bool");

        let none = Batch::<Tokens<3>>::missing(4, Device::Cpu);
        assert_eq!((none.len(), none.tensor().kind()), (4, Kind::Int64));
        assert_eq!(none.present(), Some(&Tensor::from_slice(&[false; 4])));
    }

    #[test]
    fn padding_is_blank_and_the_callers_tensor_is_not_touched() {
        let steps = Tensor::full([1, 3, 2], f64::NAN, FLOAT_CPU);
        let _ = steps.narrow(1, 1, 2).fill_(2.0);
        let mask = Tensor::from_slice(&[false, true, true]).view([1, 3]);
        let batch = Batch::<Sequence<3, 2>>::with_mask(steps.shallow_clone(), &mask).unwrap();
        assert_eq!(Vec::<f32>::try_from(batch.tensor().flatten(0, -1)).unwrap(), [0.0, 0.0, 2.0, 2.0, 2.0, 2.0]);
        assert!(bool::try_from(steps.isnan().any()).unwrap());
        let tokens = Tensor::from_slice(&[5i64, 6, 7]).view([1, 3]);
        let batch = Batch::<Tokens<3>>::with_mask(tokens.shallow_clone(), &mask).unwrap();
        assert_eq!(*batch.tensor(), tokens);
    }
}
