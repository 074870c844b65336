//! The fusions: one file a family, with its width rule, its cost rule, and how it is written in Rust.
//!
//! All take the features of the modalities side by side, in the order of the spec. Costs are counted as those of layers
//! are, and with them the products of one modality's values with another's, of which tensor fusion has nothing else.

mod attention;
mod concat;
mod film;
mod gated;
mod low_rank_tensor;
mod pointwise;
mod site;
mod tensor;
#[cfg(test)]
mod tests;

use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use crate::cost::Cost;
use crate::layer::{countable, integer};
use crate::shape::Shape;
use crate::spec;

pub(crate) use site::Site;

/// How the features become one, with checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Fusion {
    operation: Operation,
    /// The widths of the features, in the order of the modalities.
    widths: Vec<u64>,
    /// The width of the fused feature.
    pub(crate) size: u64,
    pub(crate) cost: Cost,
}

#[derive(Debug, Clone)]
enum Operation {
    Concat,
    Sum,
    Mean,
    Gated,
    Tensor,
    LowRankTensor(low_rank_tensor::Settings),
    Attention,
    Film(film::Settings),
}

/// Applies the rules of a fusion at its site; `None` where a fault was reported, or the features are not known.
pub(crate) fn infer(fusion: &spec::Fusion, site: &mut Site<'_>) -> Option<Fusion> {
    let fusion = match fusion {
        spec::Fusion::Concat => concat::infer(site),
        spec::Fusion::Sum => pointwise::infer("sum", Operation::Sum, site),
        spec::Fusion::Mean => pointwise::infer("mean", Operation::Mean, site),
        spec::Fusion::Gated(settings) => gated::infer(*settings, site),
        spec::Fusion::Tensor => tensor::infer(site),
        spec::Fusion::LowRankTensor(settings) => low_rank_tensor::infer(*settings, site),
        spec::Fusion::Attention(settings) => attention::infer(*settings, site),
        spec::Fusion::Film(settings) => film::infer(settings, site),
    }?;
    countable("fusion", fusion.size, fusion.cost, &site.place, site.errors).then_some(fusion)
}

impl Fusion {
    /// The features side by side.
    pub(crate) fn joined(&self) -> Shape {
        Shape::Vector { size: self.widths.iter().sum() }
    }

    /// The fused feature.
    pub(crate) fn output(&self) -> Shape {
        Shape::Vector { size: self.size }
    }

    /// The key that it is written with.
    pub(crate) fn kind(&self) -> &'static str {
        match self.operation {
            Operation::Concat => "concat",
            Operation::Sum => "sum",
            Operation::Mean => "mean",
            Operation::Gated => "gated",
            Operation::Tensor => "tensor",
            Operation::LowRankTensor(_) => "low_rank_tensor",
            Operation::Attention => "attention",
            Operation::Film(_) => "film",
        }
    }

    /// Whether the features side by side are the fused feature already.
    pub(crate) fn is_concat(&self) -> bool {
        matches!(self.operation, Operation::Concat)
    }

    /// The type in Rust of what computes on the features side by side, such as `fusion::Gated<Vector<240>, Vector<64>>`.
    pub(crate) fn ty(&self) -> Option<TokenStream> {
        let family = match self.operation {
            Operation::Concat => return None,
            Operation::Sum => quote!(Sum),
            Operation::Mean => quote!(Mean),
            Operation::Gated => quote!(Gated),
            Operation::Tensor => quote!(TensorProduct),
            Operation::LowRankTensor(_) => quote!(LowRankTensor),
            Operation::Attention => quote!(Attention),
            Operation::Film(_) => quote!(Film),
        };
        let (input, output) = (self.joined().ty(), self.output().ty());
        Some(quote!(fusion::#family<#input, #output>))
    }

    /// The expression that builds it with its variables under `path`.
    pub(crate) fn construct(&self, path: TokenStream) -> Option<TokenStream> {
        let widths = self.widths.iter().map(|width| integer(*width));
        let widths = quote!(&[#(#widths),*]);
        Some(match &self.operation {
            Operation::Concat => return None,
            Operation::Sum => quote!(fusion::Sum::new()),
            Operation::Mean => quote!(fusion::Mean::new()),
            Operation::Gated => quote!(fusion::Gated::new(#path, #widths)),
            Operation::Tensor => quote!(fusion::TensorProduct::new(#widths)),
            Operation::LowRankTensor(settings) => {
                let rank = settings.tokens();
                quote!(fusion::LowRankTensor::new(#path, #widths, #rank))
            }
            Operation::Attention => quote!(fusion::Attention::new(#path, #widths)),
            Operation::Film(settings) => {
                let settings = settings.tokens();
                quote!(fusion::Film::new(#path, #widths, #settings))
            }
        })
    }

    /// One line with shapes and settings: what decides whether a stored fusion is this one.
    pub(crate) fn describe(&self) -> String {
        format!("{} -> {}, {self}", self.joined(), self.output())
    }
}

impl fmt::Display for Fusion {
    /// The kind and the settings that its parameters depend on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match &self.operation {
            Operation::LowRankTensor(settings) => write!(f, " {settings}"),
            Operation::Film(settings) => write!(f, " {settings}"),
            _ => Ok(()),
        }
    }
}
