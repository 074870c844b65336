//! The operators of LibTorch on packed weights.
//!
//! They are PyTorch's own for its compiler, so no promise holds them in place; the bindings are made for one release of
//! LibTorch alone, and in that they are what they are.

use std::sync::OnceLock;

use crate::dispatcher::Operator;
use crate::nn::Activation;
use crate::{Error, Result};

/// oneDNN's operators in f32 and bfloat16.
#[derive(Debug)]
pub(super) struct Operators {
    /// `(self, padding, stride, dilation, groups, input_size?)`
    pub(super) pack_convolution: Operator,
    /// `(X, W, B?, padding, stride, dilation, groups, attr, scalars, algorithm?)`
    pub(super) convolution: Operator,
    /// `(X, other, W, B?, padding, stride, dilation, groups, attr, alpha?, unary_attr?, unary_scalars, unary_algorithm?)`
    pub(super) convolution_add: Operator,
    /// The same but for `(other, X, ..)`, and `other` becomes the output.
    pub(super) convolution_onto: Operator,
    /// `(self, batch_size?)`
    pub(super) pack_linear: Operator,
    /// `(X, W, B?, attr, scalars, algorithm?)`
    pub(super) linear: Operator,
    /// `(X, other, W, B?, attr)`
    pub(super) linear_add: Operator,
}

/// Linear maps in 8-bit integers, whose inputs are quantised by what range they turn out to have.
#[derive(Debug)]
pub(super) struct Quantized {
    /// `(W, B?)`
    pub(super) pack: Operator,
    /// `(X, W_prepack, reduce_range)`
    pub(super) linear: Operator,
    /// The same, and max(0, ·) of it.
    pub(super) linear_relu: Operator,
}

impl Operators {
    pub(super) fn get() -> Result<&'static Self> {
        static FOUND: OnceLock<Result<Operators>> = OnceLock::new();
        once(&FOUND, || {
            Ok(Self {
                pack_convolution: Operator::find("mkldnn::_reorder_convolution_weight", "")?,
                convolution: Operator::find("mkldnn::_convolution_pointwise", "")?,
                convolution_add: Operator::find("mkldnn::_convolution_pointwise", "binary")?,
                convolution_onto: Operator::find("mkldnn::_convolution_pointwise_", "binary")?,
                pack_linear: Operator::find("mkldnn::_reorder_linear_weight", "")?,
                linear: Operator::find("mkldnn::_linear_pointwise", "")?,
                linear_add: Operator::find("mkldnn::_linear_pointwise", "binary")?,
            })
        })
    }
}

impl Quantized {
    pub(super) fn get() -> Result<&'static Self> {
        static FOUND: OnceLock<Result<Quantized>> = OnceLock::new();
        once(&FOUND, || {
            Ok(Self {
                pack: Operator::find("quantized::linear_prepack", "")?,
                linear: Operator::find("quantized::linear_dynamic", "")?,
                linear_relu: Operator::find("quantized::linear_relu_dynamic", "")?,
            })
        })
    }
}

/// An activation as the operators name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fused {
    pub(super) attribute: &'static str,
    pub(super) algorithm: Option<&'static str>,
}

pub(super) fn fused(activation: Option<Activation>) -> Fused {
    let (attribute, algorithm) = match activation {
        None => ("none", None),
        Some(Activation::Relu) => ("relu", None),
        Some(Activation::Gelu) => ("gelu", Some("none")),
        Some(Activation::Silu) => ("swish", None),
        Some(Activation::Tanh) => ("tanh", None),
        Some(Activation::Sigmoid) => ("sigmoid", None),
    };
    Fused { attribute, algorithm }
}

fn once<T>(found: &'static OnceLock<Result<T>>, find: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    found.get_or_init(find).as_ref().map_err(|error| Error::invalid(error.to_string()))
}
