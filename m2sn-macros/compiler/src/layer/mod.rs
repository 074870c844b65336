//! The layers: one file a family, with its shape rule, its cost rule, and how it is written in Rust.
//!
//! Costs count trained parameters, and the multiply-adds of one sample in convolutions, linear layers, recurrent
//! layers and attention. Normalisation, activation, pooling, additions and look-ups count as nothing.

mod attention_pool;
mod batch_norm;
mod branches;
mod conv;
mod conv1d;
mod conv3d;
mod custom;
mod dropout;
mod embedding;
mod frames;
mod linear;
mod maxout;
mod mlp;
mod normalize;
mod pool;
mod recurrent;
mod residual;
mod residual3d;
mod shortcut;
mod site;
mod sound;
#[cfg(test)]
mod tests;
mod transformer;
mod window;

use std::fmt;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::{self, Activation};

pub(crate) use conv::divisor_help;
pub(crate) use normalize::normalize;
pub(crate) use shortcut::{Alignment, Shortcut, align};
pub(crate) use site::{MAX_SIZE, Site, countable, epsilon, probability, size};

/// What a layer does, with checked settings.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Conv(conv::Settings),
    Conv1d(conv1d::Settings),
    Residual(residual::Settings),
    Frames(frames::Settings),
    Conv3d(conv3d::Settings),
    Residual3d(residual3d::Settings),
    Mel(sound::Mel),
    Mfcc(sound::Mfcc),
    SpectralCentroid(sound::SpectralCentroid),
    Delta(sound::Delta),
    ToImage,
    Branches(branches::Settings),
    AttentionPool,
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
    /// Of inputs, by what the modality says: no layer of the spec.
    Normalize(normalize::Settings),
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
        spec::Layer::Frames(settings) => frames::infer(settings, site),
        spec::Layer::Conv3d(settings) => conv3d::infer(settings, site),
        spec::Layer::Residual3d(settings) => residual3d::infer(settings, site),
        spec::Layer::Mel(settings) => sound::infer_mel(settings, site),
        spec::Layer::Mfcc(settings) => sound::infer_mfcc(settings, site),
        spec::Layer::SpectralCentroid(settings) => sound::infer_spectral_centroid(settings, site),
        spec::Layer::Delta(settings) => sound::infer_delta(settings, site),
        spec::Layer::ToImage => sound::infer_to_image(site),
        spec::Layer::Branches(branches) => branches::infer(branches, site),
        spec::Layer::AttentionPool => attention_pool::infer(site),
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
        spec::Layer::Repeat(_)
        | spec::Layer::Resnet(_)
        | spec::Layer::Bert(_)
        | spec::Layer::R3d(_)
        | spec::Layer::R2plus1d(_) => {
            unreachable!("`unfold` leaves no layer that stands for several")
        }
    }?;
    site.affordable(inferred)
}

impl Operation {
    /// The type of the layer in Rust between its shapes, such as `Conv<Image<1, 28, 28>, Image<16, 28, 28>>`.
    pub(crate) fn ty(&self, input: Shape, output: Shape) -> TokenStream {
        if let Self::Frames(settings) = self {
            return settings.ty(input, output);
        }
        let (input, output) = (input.ty(), output.ty());
        let family = match self {
            Self::Conv(_) => quote!(Conv),
            Self::Conv1d(_) => quote!(Conv1d),
            Self::Residual(_) => quote!(Residual),
            Self::Normalize(_) => quote!(Normalize),
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
            Self::Conv3d(_) => quote!(Conv3d),
            Self::Residual3d(_) => quote!(Residual3d),
            Self::Mel(_) => quote!(Mel),
            Self::Mfcc(_) => quote!(Mfcc),
            Self::SpectralCentroid(_) => quote!(SpectralCentroid),
            Self::Delta(_) => quote!(Delta),
            Self::ToImage => quote!(ToImage),
            Self::Branches(_) => quote!(Branches),
            Self::AttentionPool => quote!(AttentionPool),
            Self::Frames(_) => unreachable!("its type is that of its layer, too"),
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
            Self::Frames(settings) => settings.construct(path, input, output),
            Self::Conv3d(settings) => {
                let settings = settings.tokens();
                quote!(Conv3d::new(#path, #settings))
            }
            Self::Residual3d(settings) => {
                let settings = settings.tokens();
                quote!(Residual3d::new(#path, #settings))
            }
            Self::Mel(settings) => {
                let settings = settings.tokens();
                quote!(Mel::new(#path, #settings))
            }
            Self::Mfcc(settings) => {
                let settings = settings.tokens();
                quote!(Mfcc::new(#path, #settings))
            }
            Self::SpectralCentroid(settings) => {
                let settings = settings.tokens();
                quote!(SpectralCentroid::new(#path, #settings))
            }
            Self::Delta(settings) => {
                let settings = settings.tokens();
                quote!(Delta::new(#settings))
            }
            Self::ToImage => quote!(ToImage::new()),
            Self::Branches(settings) => settings.construct(&path),
            Self::AttentionPool => quote!(AttentionPool::new(#path)),
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
            Self::Normalize(settings) => settings.construct(&path),
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
            Self::Frames(settings) => write!(f, "frames of {settings}"),
            Self::Conv3d(settings) => write!(f, "conv3d {settings}"),
            Self::Residual3d(settings) => write!(f, "residual3d {settings}"),
            Self::Mel(settings) => write!(f, "mel {settings}"),
            Self::Mfcc(settings) => write!(f, "mfcc {settings}"),
            Self::SpectralCentroid(settings) => write!(f, "spectral_centroid {settings}"),
            Self::Delta(settings) => write!(f, "delta {settings}"),
            Self::ToImage => f.write_str("to_image"),
            Self::Branches(settings) => write!(f, "branches {settings}"),
            Self::AttentionPool => f.write_str("attention_pool"),
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
            Self::Normalize(_) => f.write_str("normalize"),
            Self::Custom(settings) => write!(f, "custom {settings}"),
        }
    }
}

impl Shape {
    /// The Rust type, such as `Image<16, 28, 28>`.
    pub(crate) fn ty(self) -> TokenStream {
        let dims = self.arguments().into_iter().map(integer);
        if self.is_bytes() {
            let floats = self.in_floats().ty();
            return quote!(Bytes<#floats>);
        }
        match self {
            Self::Image { .. } | Self::ByteImage { .. } => quote!(Image<#(#dims),*>),
            Self::Video { .. } | Self::ByteVideo { .. } => quote!(Video<#(#dims),*>),
            Self::Waveform { .. } => quote!(Waveform<#(#dims),*>),
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
