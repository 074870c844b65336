//! Tensors that many threads read.

use std::ops::Deref;

use tch::{Kind, Tensor};

use crate::nn::Activation;
use crate::{Error, Result};

/// Tensors that are only read from when they were given here, and so may be read by many threads at once.
#[derive(Debug)]
pub(in crate::predictor) struct Shared<T: Tensors = Tensor>(T);

/// What holds tensors, and beside them only what is `Sync` by itself.
///
/// # Safety
/// Nothing of it changes through `&self`.
#[expect(unsafe_code, reason = "`tch` declares no tensor `Sync`, since methods can change them through `&self`")]
pub(in crate::predictor) unsafe trait Tensors: Send {}

// SAFETY: a tensor is one, and the others hold tensors and plain numbers.
#[expect(unsafe_code, reason = "as above")]
mod tensors {
    unsafe impl super::Tensors for tch::Tensor {}
    unsafe impl super::Tensors for crate::nn::conv1d::Kernel {}
    unsafe impl super::Tensors for crate::nn::embedding::Lookup {}
    unsafe impl super::Tensors for crate::nn::recurrent::Cells {}
}

// SAFETY: nothing changes the tensors any more: they are lent as `&T`, and neither a layer here nor the model that they
// may come from, which is frozen, writes to what they hold. LibTorch lets any number of threads read a tensor; its reference
// counts are atomic.
#[expect(unsafe_code, reason = "as above")]
unsafe impl<T: Tensors> Sync for Shared<T> {}

impl<T: Tensors> Shared<T> {
    /// What was made for this alone.
    pub(in crate::predictor) fn new(tensors: T) -> Self {
        Self(tensors)
    }
}

impl Shared {
    /// A copy of a parameter in this kind, without its gradient.
    pub(in crate::predictor) fn copy(parameter: &Tensor, kind: Kind) -> Result<Self> {
        Ok(Self(parameter.detach().f_contiguous()?.f_to_dtype(kind, false, true)?))
    }
}

impl<T: Tensors> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The tensor in this kind: itself where it is of that kind.
pub(super) fn in_kind(tensor: &Tensor, kind: Kind) -> Result<Tensor> {
    if tensor.kind() == kind { Ok(tensor.shallow_clone()) } else { Ok(tensor.f_totype(kind)?) }
}

/// What is added to an output of this size.
///
/// oneDNN's operators do not all look whether it fits before they read it.
pub(super) fn addend<'a>(tensor: &'a Tensor, output: &[i64]) -> Result<&'a Tensor> {
    let found = tensor.size();
    if found == output {
        return Ok(tensor);
    }
    Err(Error::Shape {
        what: "addition to the output of a layer".into(),
        expected: format!("{output:?}"),
        found: format!("{found:?}"),
    })
}

/// What is not fused with a layer, of an output that nobody else holds: the addition, then the activation.
pub(super) fn finish(mut output: Tensor, add: Option<&Tensor>, activation: Option<Activation>) -> Result<Tensor> {
    if let Some(add) = add {
        output = output.f_add_(add)?;
    }
    Ok(match activation {
        Some(activation) => activation.apply(output),
        None => output,
    })
}
