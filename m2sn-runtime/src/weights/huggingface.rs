//! The names of Hugging Face's `BertModel`, and its queries, keys and values, which are parameters of their own there.

use std::collections::BTreeMap;

use tch::Tensor;

use super::Renaming;
use crate::Result;

/// The names of the BERT whose layers are `<network>.embeddings` and so on, by itself or, as `bert`, inside a model.
pub(super) fn names(network: &str, layers: usize) -> Renaming {
    let mut pairs = Vec::new();
    // Of two names in the file for the same, the last is the one to write.
    for model in ["bert.", ""] {
        let mut pair =
            |theirs: String, ours: String| pairs.push((format!("{model}{theirs}"), format!("{network}.{ours}")));
        for (theirs, ours) in [
            ("word_embeddings.weight", "weight"),
            ("position_embeddings.weight", "positions"),
            ("token_type_embeddings.weight", "types"),
            ("LayerNorm", "norm"),
        ] {
            pair(format!("embeddings.{theirs}"), format!("embeddings.{ours}"));
        }
        for layer in 0..layers {
            for (theirs, ours) in [
                ("attention.self.in_proj_weight", "self_attn.in_proj_weight"),
                ("attention.self.in_proj_bias", "self_attn.in_proj_bias"),
                ("attention.output.dense", "self_attn.out_proj"),
                ("attention.output.LayerNorm", "norm1"),
                ("intermediate.dense", "linear1"),
                ("output.dense", "linear2"),
                ("output.LayerNorm", "norm2"),
            ] {
                pair(format!("encoder.layer.{layer}.{theirs}"), format!("layer{}.layers.0.{ours}", layer + 1));
            }
        }
        pair("pooler.dense".into(), "pooler".into());
    }
    Renaming::new(pairs)
}

/// What a file holds, with queries, keys and values as one parameter, and norms by today's names.
///
/// Tables of indices, which are the same in every file, are left out. What lacks one of its parts stays as it is.
pub(super) fn joined(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors: BTreeMap<_, _> = tensors
        .into_iter()
        .filter(|(name, _)| !INDICES.iter().any(|indices| name.ends_with(indices)))
        .map(|(name, tensor)| match (name.strip_suffix("LayerNorm.gamma"), name.strip_suffix("LayerNorm.beta")) {
            (Some(norm), _) => (format!("{norm}LayerNorm.weight"), tensor),
            (_, Some(norm)) => (format!("{norm}LayerNorm.bias"), tensor),
            _ => (name, tensor),
        })
        .collect();
    let queries: Vec<_> = tensors.keys().filter_map(|name| attention(name, PARTS[0])).collect();
    for (attention, kind) in queries {
        let names = PARTS.map(|part| format!("{attention}.{part}.{kind}"));
        let parts: Vec<_> = names.iter().filter_map(|name| tensors.get(name)).collect();
        if parts.len() == names.len() && parts.iter().all(|part| part.size() == parts[0].size()) {
            let joined = Tensor::f_cat(&parts, 0)?;
            names.iter().for_each(|name| drop(tensors.remove(name)));
            tensors.insert(format!("{attention}.in_proj_{kind}"), joined);
        }
    }
    Ok(tensors)
}

/// The same the other way.
pub(super) fn parted(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let mut parted = BTreeMap::new();
    for (name, tensor) in tensors {
        match name.split_once(".in_proj_") {
            Some((attention, kind)) => {
                for (part, tensor) in PARTS.iter().zip(tensor.f_chunk(3, 0)?) {
                    parted.insert(format!("{attention}.{part}.{kind}"), tensor.f_contiguous()?);
                }
            }
            None => drop(parted.insert(name, tensor)),
        }
    }
    Ok(parted)
}

/// Numbers from 0 on, and types that are all 0.
const INDICES: [&str; 2] = ["embeddings.position_ids", "embeddings.token_type_ids"];

/// In the order in which they stand in one parameter.
const PARTS: [&str; 3] = ["query", "key", "value"];

/// The attention whose part this is, and whether it is the part's `weight` or its `bias`.
fn attention(name: &str, part: &str) -> Option<(String, String)> {
    let (rest, kind) = name.rsplit_once('.')?;
    let attention = rest.strip_suffix(part)?.strip_suffix('.')?;
    attention.ends_with("attention.self").then(|| (attention.to_owned(), kind.to_owned()))
}
