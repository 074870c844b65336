//! Parameters that other programs have trained: read into encoders, written for others to read, and compared.
//!
//! The format is safetensors. A file of PyTorch's own, `.pth`, becomes one by five lines of Python:
//!
//! ```python
//! import torch
//! from safetensors.torch import save_file
//! state = torch.load("resnet18.pth", map_location="cpu", weights_only=True)
//! state = {name: tensor.contiguous().clone() for name, tensor in state.get("state_dict", state).items()}
//! save_file(state, "resnet18.safetensors")
//! ```
//!
//! How a file names what is here, one file a scheme says: `torchvision` of ResNets, those of every frame of a video
//! included, of R3Ds and of R(2+1)Ds, `huggingface` of BERTs. A new scheme is a variant of [`Names`], and a file that turns it
//! into `Renaming` pairs. Word vectors have a format of their own, a text, which [`crate::data::text`] reads.

mod certificate;
mod huggingface;
mod mismatch;
mod renaming;
mod torchvision;

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

pub use certificate::{Certificate, Comparison, certify};

use mismatch::Mismatches;
use renaming::{Renaming, is_below};

use crate::checkpoint::assign;
use crate::checkpoint::tensors::Tensors;
use crate::data::text::{Vectors, Vocabulary};
use crate::network::Network;
use crate::plan::{Names, Weights};
use crate::{Error, Result};

/// Counters of PyTorch's batch normalisations, which nothing here reads.
const COUNTER: &str = "num_batches_tracked";

/// Reads the parameters of encoders from their files, as [`crate::training::Trainer`] does before the first stage.
///
/// Half precision becomes `f32`. `num_batches_tracked` of PyTorch's batch normalisations, which only counts, is passed over,
/// and so is `position_ids` of BERTs, which only counts, too.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] where a file cannot be read; [`Error::File`] with everything that does not fit: what is
/// missing in the file, what it holds beyond, what has another shape or is no finite number. [`Error::Invalid`] for a
/// modality or a layer that the network does not have. In any case the network stays as it is.
pub fn load<N: Network>(network: &mut N, weights: &[Weights]) -> Result<()> {
    let mut all = BTreeMap::new();
    for weights in weights {
        all.append(&mut read(network, weights)?);
    }
    assign(network.variables(), &all)
}

/// Writes the parameters of an encoder to a file, by the names of a scheme: what [`load`] reads of the same `weights`.
///
/// PyTorch loads it by `model.load_state_dict(safetensors.torch.load_file(path), strict=False)`, or with `strict=True` where
/// `model` has nothing else, such as a `fc` that was replaced by `torch.nn.Identity()`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; [`Error::Invalid`] for a modality or a layer that the network does not
/// have, and with the variables that the scheme has no name for and that are not `fresh`.
pub fn save<N: Network>(network: &N, weights: &Weights, path: impl AsRef<Path>) -> Result<()> {
    let renaming = renaming_of(&weights.names);
    let (mut tensors, mut nameless) = (BTreeMap::new(), Vec::new());
    for (name, tensor) in encoder(network, weights)? {
        match renaming.theirs(&name) {
            _ if weights.is_fresh(&name) => {}
            Some(theirs) => drop(tensors.insert(theirs, tensor.detach().shallow_clone())),
            None => nameless.push(format!("`{name}`")),
        }
    }
    if !nameless.is_empty() {
        return Err(Error::invalid(format!(
            "weights of `{}`: the scheme has no name for {}; leave them out by `fresh`",
            weights.modality,
            nameless.join(", ")
        )));
    }
    if let Names::Huggingface { .. } = weights.names {
        tensors = huggingface::parted(tensors)?;
    }
    Tensors { tensors, metadata: [("format".to_owned(), "pt".to_owned())].into() }.write(path.as_ref())
}

/// What a file says of an encoder, by the names of the network's variables.
fn read<N: Network>(network: &N, weights: &Weights) -> Result<BTreeMap<String, Tensor>> {
    let mut variables = encoder(network, weights)?;
    variables.retain(|name, _| !weights.is_fresh(name));
    if let Names::Glove { layer, vocabulary } = &weights.names {
        return vectors(weights, layer, vocabulary, &variables);
    }
    let renaming = renaming_of(&weights.names);
    let mut found = BTreeMap::new();
    let mut mismatches = Mismatches::default();
    let mut tensors = Tensors::read(&weights.file)?.tensors;
    if let Names::Huggingface { .. } = weights.names {
        tensors = huggingface::joined(tensors)?;
    }
    for (theirs, tensor) in tensors {
        let is_counter = theirs.rsplit('.').next() == Some(COUNTER);
        if is_counter || weights.ignore.iter().any(|prefix| is_below(&theirs, prefix)) {
            continue;
        }
        let ours = renaming.ours(&theirs);
        match ours.as_ref().and_then(|ours| variables.remove(ours)) {
            Some(variable) if mismatches.fits(&theirs, &tensor, &variable)? => {
                found.insert(weights.variable(&ours.unwrap_or_default()), tensor);
            }
            Some(_) => {}
            None if ours.as_ref().is_some_and(|ours| weights.is_fresh(ours)) => {}
            None => mismatches.unexpected(&theirs, &tensor),
        }
    }
    for (name, variable) in &variables {
        mismatches.missing(name, renaming.theirs(name).as_deref(), variable);
    }
    mismatches.refuse(weights)?;
    Ok(found)
}

/// The variables of an encoder, by their names in it; all names of the plan are checked against them.
fn encoder<N: Network>(network: &N, weights: &Weights) -> Result<BTreeMap<String, Tensor>> {
    let prefix = weights.variable("");
    let variables = network.variables().variables().into_iter();
    let variables: BTreeMap<_, _> =
        variables.filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor))).collect();
    let place = format!("weights of `{}`", weights.modality);
    if variables.is_empty() {
        return Err(Error::invalid(format!("{place}: the network has no encoder of this name with parameters")));
    }
    for (key, names) in [("fresh", &weights.fresh), ("freeze", &weights.freeze)] {
        for part in names {
            if !variables.keys().any(|name| is_below(name, part)) {
                return Err(Error::invalid(format!(
                    "{place}, `{key}`: no parameter is `{part}` or below it; there are `{}`",
                    variables.keys().cloned().collect::<Vec<_>>().join("`, `")
                )));
            }
        }
    }
    Ok(variables)
}

fn renaming_of(names: &Names) -> Renaming {
    match names {
        Names::Torchvision { kind, network } => torchvision::names(*kind, network),
        Names::Huggingface { network, layers } => huggingface::names(network, *layers),
        // Its file names words.
        Names::Glove { .. } => Renaming::new(Vec::new()),
        Names::Map(pairs) => Renaming::new(pairs.clone()),
    }
}

/// What a file of word vectors says of an encoder: the table of an embedding, with the words of a vocabulary as its rows.
fn vectors(
    weights: &Weights,
    layer: &str,
    vocabulary: &Path,
    variables: &BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>> {
    let name = table_of(layer);
    let Some(drawn) = variables.get(&name) else {
        return Err(Error::invalid(format!("weights of `{}`: there is no embedding `{layer}`", weights.modality)));
    };
    let vocabulary = Vocabulary::load(vocabulary)?;
    let size = drawn.size().last().map_or(0, |size| *size as usize);
    let vectors = Vectors::read(&weights.file, &vocabulary, size)?;
    let (found, words) = vectors.coverage();
    tracing::info!("{}: vectors of {found} of {words} words; the others are drawn", weights.file.display());
    let table = drawn.detach().copy();
    vectors.assign(&table)?;
    Ok([(weights.variable(&name), table)].into())
}

/// The variable of an embedding that holds a row for each token.
fn table_of(layer: &str) -> String {
    format!("{layer}.weight")
}

impl Weights {
    /// The name of a variable among all of the network's, from that in the encoder.
    fn variable(&self, name: &str) -> String {
        format!("encoders.{}.{name}", self.modality)
    }

    /// Whether a variable of the encoder keeps what was drawn.
    fn is_fresh(&self, name: &str) -> bool {
        let elsewhere = matches!(&self.names, Names::Glove { layer, .. } if name != table_of(layer));
        elsewhere || self.fresh.iter().any(|part| is_below(name, part))
    }

    /// The learning rate of one of the network's variables, as a factor of the stage's.
    pub(crate) fn rate(&self, variable: &str) -> f64 {
        let loaded = variable.strip_prefix(&self.variable("")).filter(|name| !self.is_fresh(name));
        if loaded.is_some() { self.learning_rate } else { 1.0 }
    }
}

/// The variables that no stage trains.
///
/// # Errors
/// [`Error::Invalid`] for a modality or a layer that the network does not have.
pub(crate) fn frozen<N: Network>(network: &N, weights: &[Weights]) -> Result<Vec<Tensor>> {
    let mut frozen = Vec::new();
    for weights in weights {
        let variables = encoder(network, weights)?.into_iter();
        let of = |name: &str| weights.freeze.iter().any(|part| is_below(name, part));
        frozen.extend(variables.filter(|(name, _)| of(name)).map(|(_, tensor)| tensor));
    }
    Ok(frozen)
}

#[cfg(test)]
mod tests;
