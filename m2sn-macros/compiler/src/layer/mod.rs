//! The layers: one file a family, with its shape rule, its cost rule, and how it is written in Rust.
//!
//! Costs count trained parameters, and the multiply-adds of one sample in convolutions, linear layers, recurrent
//! layers and attention. Normalisation, activation, pooling, additions and look-ups count as nothing.

mod batch_norm;
mod conv;
mod conv1d;
mod custom;
mod dropout;
mod embedding;
mod linear;
mod maxout;
mod mlp;
mod pool;
mod recurrent;
mod residual;
mod shortcut;
mod site;
#[cfg(test)]
mod tests;
mod transformer;

use std::fmt;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{self, Activation};

pub(crate) use conv::divisor_help;
pub(crate) use shortcut::{Alignment, Shortcut, align};
pub(crate) use site::{MAX_SIZE, Site, countable, epsilon, probability, size};

/// What a layer does, with checked settings.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Conv(conv::Settings),
    Conv1d(conv1d::Settings),
    Residual(residual::Settings),
    MaxPool(pool::Settings),
    AveragePool(pool::Settings),
    GlobalAveragePool,
    FirstStep,
    LastStep,
    Flatten,
    Linear(linear::Settings),
    Maxout(maxout::Settings),
    Mlp(mlp::Settings),
    Embedding(embedding::Settings),
    Transformer(transformer::Settings),
    Recurrent(recurrent::Settings),
    BatchNorm(batch_norm::Settings),
    Dropout(dropout::Settings),
    Custom(custom::Settings),
}

/// What the rules of a layer say of it at its site.
#[derive(Debug)]
pub(crate) struct Inferred {
    pub(crate) operation: Operation,
    pub(crate) output: Shape,
    pub(crate) cost: Cost,
}

/// Applies the rules of a layer at its site; `None` where a fault was reported.
pub(crate) fn infer(layer: &spec::Layer, site: &mut Site<'_>) -> Option<Inferred> {
    let inferred = match layer {
        spec::Layer::Conv(settings) => conv::infer(settings, site),
        spec::Layer::Conv1d(settings) => conv1d::infer(settings, site),
        spec::Layer::Residual(settings) => residual::infer(settings, site),
        spec::Layer::MaxPool(settings) => pool::infer(settings, Operation::MaxPool, site),
        spec::Layer::AveragePool(settings) => pool::infer(settings, Operation::AveragePool, site),
        spec::Layer::GlobalAveragePool => pool::infer_global(site),
        spec::Layer::FirstStep => pool::infer_step(Operation::FirstStep, site),
        spec::Layer::LastStep => pool::infer_step(Operation::LastStep, site),
        spec::Layer::Flatten => pool::infer_flatten(site),
        spec::Layer::Linear(settings) => linear::infer(settings, site),
        spec::Layer::Maxout(settings) => maxout::infer(settings, site),
        spec::Layer::Mlp(settings) => mlp::infer(settings, site),
        spec::Layer::Embedding(settings) => embedding::infer(settings, site),
        spec::Layer::Transformer(settings) => transformer::infer(settings, site),
        spec::Layer::Gru(settings) => recurrent::infer(settings, recurrent::Cell::Gru, site),
        spec::Layer::Lstm(settings) => recurrent::infer(settings, recurrent::Cell::Lstm, site),
        spec::Layer::BatchNorm(settings) => batch_norm::infer(settings, site),
        spec::Layer::Dropout(probability) => dropout::infer(*probability, site),
        spec::Layer::Custom(settings) => custom::infer(settings, site),
        spec::Layer::Repeat(_) | spec::Layer::Resnet(_) | spec::Layer::Bert(_) => {
            unreachable!("`unfold` leaves no layer that stands for several")
        }
    }?;
    site.affordable(inferred)
}

impl Operation {
    /// The type of the layer in Rust between its shapes, such as `Conv<Image<1, 28, 28>, Image<16, 28, 28>>`.
    pub(crate) fn ty(&self, input: Shape, output: Shape) -> TokenStream {
        let (input, output) = (input.ty(), output.ty());
        let family = match self {
            Self::Conv(_) => quote!(Conv),
            Self::Conv1d(_) => quote!(Conv1d),
            Self::Residual(_) => quote!(Residual),
            Self::MaxPool(_) => quote!(MaxPool),
            Self::AveragePool(_) => quote!(AveragePool),
            Self::GlobalAveragePool => quote!(GlobalAveragePool),
            Self::FirstStep => quote!(FirstStep),
            Self::LastStep => quote!(LastStep),
            Self::Flatten => quote!(Flatten),
            Self::Linear(_) => quote!(Linear),
            Self::Maxout(_) => quote!(Maxout),
            Self::Mlp(_) => quote!(Mlp),
            Self::Embedding(_) => quote!(Embedding),
            Self::Transformer(_) => quote!(Transformer),
            Self::Recurrent(settings) => settings.cell.family(),
            Self::BatchNorm(_) => quote!(BatchNorm),
            Self::Dropout(_) => quote!(Dropout),
            Self::Custom(settings) => return settings.path.clone(),
        };
        quote!(#family<#input, #output>)
    }

    /// The expression that builds the layer with its variables under `path`.
    pub(crate) fn construct(&self, path: TokenStream, input: Shape, output: Shape) -> TokenStream {
        match self {
            Self::Conv(settings) => {
                let settings = settings.tokens();
                quote!(Conv::new(#path, #settings))
            }
            Self::Conv1d(settings) => {
                let settings = settings.tokens();
                quote!(Conv1d::new(#path, #settings))
            }
            Self::Residual(settings) => {
                let settings = settings.tokens();
                quote!(Residual::new(#path, #settings))
            }
            Self::MaxPool(settings) => {
                let settings = settings.tokens();
                quote!(MaxPool::new(#settings))
            }
            Self::AveragePool(settings) => {
                let settings = settings.tokens();
                quote!(AveragePool::new(#settings))
            }
            Self::GlobalAveragePool => quote!(GlobalAveragePool::new()),
            Self::FirstStep => quote!(FirstStep::new()),
            Self::LastStep => quote!(LastStep::new()),
            Self::Flatten => quote!(Flatten::new()),
            Self::Linear(settings) => {
                let activation = optional(settings.activation);
                quote!(Linear::new(#path, #activation))
            }
            Self::Maxout(settings) => {
                let pieces = integer(settings.pieces);
                quote!(Maxout::new(#path, #pieces))
            }
            Self::Mlp(settings) => {
                let settings = settings.tokens();
                quote!(Mlp::new(#path, #settings))
            }
            Self::Embedding(settings) => {
                let settings = settings.tokens();
                quote!(Embedding::new(#path, #settings))
            }
            Self::Transformer(settings) => {
                let settings = settings.tokens();
                quote!(Transformer::new(#path, #settings))
            }
            Self::Recurrent(settings) => {
                let (family, settings) = (settings.cell.family(), settings.tokens());
                quote!(#family::new(#path, #settings))
            }
            Self::BatchNorm(settings) => {
                let epsilon = float(settings.epsilon);
                quote!(BatchNorm::new(#path, #epsilon))
            }
            Self::Dropout(settings) => {
                let probability = float(settings.probability);
                quote!(Dropout::new(#probability))
            }
            Self::Custom(settings) => {
                let (ty, input, output) = (&settings.path, input.ty(), output.ty());
                quote!(<#ty as Custom<#input, #output>>::new(#path))
            }
        }
    }
}

impl fmt::Display for Operation {
    /// The kind and the settings that its parameters depend on; the probability of dropout is none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv(settings) => write!(f, "conv {settings}"),
            Self::Conv1d(settings) => write!(f, "conv1d {settings}"),
            Self::Residual(settings) => write!(f, "residual {settings}"),
            Self::MaxPool(settings) => write!(f, "max_pool {settings}"),
            Self::AveragePool(settings) => write!(f, "average_pool {settings}"),
            Self::GlobalAveragePool => f.write_str("global_average_pool"),
            Self::FirstStep => f.write_str("first_step"),
            Self::LastStep => f.write_str("last_step"),
            Self::Flatten => f.write_str("flatten"),
            Self::Linear(settings) => write!(f, "linear{settings}"),
            Self::Maxout(settings) => write!(f, "maxout {settings}"),
            Self::Mlp(settings) => write!(f, "mlp {settings}"),
            Self::Embedding(settings) => write!(f, "embedding {settings}"),
            Self::Transformer(settings) => write!(f, "transformer {settings}"),
            Self::Recurrent(settings) => write!(f, "{settings}"),
            Self::BatchNorm(settings) => write!(f, "batch_norm {settings}"),
            Self::Dropout(_) => f.write_str("dropout"),
            Self::Custom(settings) => write!(f, "custom {settings}"),
        }
    }
}

impl Shape {
    /// The Rust type, such as `Image<16, 28, 28>`.
    pub(crate) fn ty(self) -> TokenStream {
        let dims = self.dims().into_iter().map(integer);
        match self {
            Self::Image { .. } => quote!(Image<#(#dims),*>),
            Self::Vector { .. } => quote!(Vector<#(#dims),*>),
            Self::Tokens { .. } => quote!(Tokens<#(#dims),*>),
            Self::Sequence { .. } => quote!(Sequence<#(#dims),*>),
        }
    }
}

/// The product, or `u64::MAX` where that is smaller.
pub(crate) fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor))
}

/// What a linear map costs that is applied `times` times.
pub(crate) fn linear_cost(input: u64, output: u64, times: u64) -> Cost {
    Cost {
        parameters: product(&[input, output]).saturating_add(output),
        multiply_adds: product(&[input, output, times]),
    }
}

pub(crate) fn integer(value: u64) -> Literal {
    Literal::u64_unsuffixed(value)
}

fn float(value: f64) -> Literal {
    Literal::f64_unsuffixed(value)
}

fn pair([first, second]: [u64; 2]) -> TokenStream {
    let (first, second) = (integer(first), integer(second));
    quote!([#first, #second])
}

/// `None`, or `Some` of the activation.
fn optional(activation: Option<&'static str>) -> TokenStream {
    match activation.map(self::activation) {
        None => quote!(None),
        Some(activation) => quote!(Some(#activation)),
    }
}

fn activation(variant: &'static str) -> TokenStream {
    let variant = Ident::new(variant, Span::call_site());
    quote!(Activation::#variant)
}

impl Activation {
    /// The variant of the runtime's `Activation`.
    fn variant(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Relu => Some("Relu"),
            Self::Gelu => Some("Gelu"),
            Self::Silu => Some("Silu"),
            Self::Tanh => Some("Tanh"),
            Self::Sigmoid => Some("Sigmoid"),
        }
    }
}
