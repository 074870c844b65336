//! Whether an encoder computes what another program does, layer by layer.

use std::fmt;
use std::path::Path;

use tch::{Kind, Tensor};

use crate::batch::Feature;
use crate::checkpoint::tensors::Tensors;
use crate::network::{Chain, Network};
use crate::{Error, Result};

/// How far the outputs of an encoder's layers are from those of a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// The modality.
    pub modality: String,
    /// The layers that the reference knows, in their order.
    pub layers: Vec<Comparison>,
}

/// How far one layer's output is from the reference's.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The layer, as the spec names it.
    pub layer: String,
    /// The shape of the output.
    pub shape: Vec<i64>,
    /// The largest difference of two values.
    pub difference: f64,
    /// The largest value of the reference, without its sign.
    pub largest: f64,
}

impl Certificate {
    /// The largest difference in all layers.
    pub fn difference(&self) -> f64 {
        // What is no number is as far as can be, and stays.
        let worse = |worst: f64, next: f64| if next > worst || next.is_nan() { next } else { worst };
        self.layers.iter().map(|layer| layer.difference).fold(0.0, worse)
    }
}

impl fmt::Display for Certificate {
    /// A line a layer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.layers.iter().map(|layer| layer.layer.len()).max().unwrap_or(0).max(self.modality.len());
        writeln!(f, "{:width$}  largest difference  largest value  shape", self.modality)?;
        for Comparison { layer, shape, difference, largest } in &self.layers {
            writeln!(f, "{layer:width$}  {difference:>18.2e}  {largest:>13.2e}  {shape:?}")?;
        }
        Ok(())
    }
}

/// Sends the input of a reference through an encoder in evaluation, and compares the outputs of its layers.
///
/// The reference is a safetensors file of what another program computed with the same parameters: the tensor `input`, for
/// padded sequences `mask` with it (true where a step is real), and `output.<layer>` for as many layers as one likes.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] where the reference cannot be used: where it cannot be read, has no input that fits,
/// names no layer or one that the encoder does not have, or where an output has another shape. [`Error::Invalid`] where the
/// network does not have the modality.
pub fn certify<N: Network>(network: &N, modality: &str, reference: impl AsRef<Path>) -> Result<Certificate> {
    let path = reference.as_ref();
    let modalities = N::description().modalities;
    let Some(index) = modalities.iter().position(|known| known.name == modality) else {
        return Err(Error::invalid(format!("the network has no modality `{modality}`")));
    };
    let mut tensors = Tensors::read(path)?.tensors;
    let device = network.variables().device();
    let wrong = |message: String| Error::file(path, message);
    let (dims, input) = (modalities[index].dims, tensors.remove("input"));
    let Some(tensor) = input.filter(|input| input.size().get(1..) == Some(dims)) else {
        return Err(wrong(format!(
            "holds no `input` of shape [batch{}]",
            dims.iter().map(|dim| format!(", {dim}")).collect::<String>()
        )));
    };
    let mask = tensors.remove("mask").map(|mask| mask.to_device(device));
    let mut value = Feature { mask, ..tensor.to_device(device).into() };
    let mut layers = Vec::new();
    for (block, exit) in modalities[index].exits.iter().enumerate() {
        let chain = network.layers(Chain::Block { modality: index, block });
        for (layer, name) in chain.iter().zip(exit.layers) {
            value = tch::no_grad(|| layer.forward(&value, false));
            let Some(expected) = tensors.remove(&format!("output.{name}")) else { continue };
            let shape = value.tensor.size();
            if shape != expected.size() {
                return Err(wrong(format!("`output.{name}` is {:?}, expected {shape:?}", expected.size())));
            }
            layers.push(compare(name, &value, &expected.to_device(device)));
        }
    }
    if let Some(unknown) = tensors.keys().next() {
        return Err(wrong(format!("holds `{unknown}`, expected `output.<layer>` of layers of `{modality}`")));
    }
    if layers.is_empty() {
        return Err(wrong("holds no `output.<layer>` to compare with".into()));
    }
    Ok(Certificate { modality: modality.into(), layers })
}

fn compare(layer: &str, found: &Feature, expected: &Tensor) -> Comparison {
    // What stands at padding steps means nothing.
    let real = |tensor: &Tensor| match &found.mask {
        Some(mask) if tensor.dim() == 3 => tensor.masked_fill(&mask.logical_not().unsqueeze(-1), 0.0),
        _ => tensor.shallow_clone(),
    };
    let (found, expected) = (real(&found.tensor).to_kind(Kind::Double), real(expected).to_kind(Kind::Double));
    let largest = |tensor: Tensor| tensor.abs().max().double_value(&[]);
    Comparison {
        layer: layer.to_owned(),
        shape: found.size(),
        difference: largest(&found - &expected),
        largest: largest(expected),
    }
}
