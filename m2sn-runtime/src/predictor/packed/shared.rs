//! Tensors that many threads read.

use std::ops::Deref;

use tch::{Kind, Tensor};

use crate::{Error, Result};

/// A tensor that is only read from when it was made, and so may be read by many threads at once.
#[derive(Debug)]
pub(in crate::predictor) struct Shared<T = Tensor>(T);

// SAFETY: nobody else holds the tensor, and nothing changes it: it is lent as `&Tensor`, and no layer here writes to
// what it holds. LibTorch lets any number of threads read a tensor; its reference counts are atomic.
#[expect(unsafe_code, reason = "`tch` declares no tensor `Sync`, since methods can change them through `&self`")]
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
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

impl<T> Deref for Shared<T> {
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
