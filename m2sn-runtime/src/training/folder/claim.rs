//! Whose run a folder is: the spec, the plan and the data, as a new run would write them.

use serde_json::Value;
use tch::Tensor;

use crate::Result;
use crate::batch::Feature;
use crate::checkpoint::tensors::sha256_of;
use crate::data::{Dataset, Splits};
use crate::network::{Input, Network};

/// What tells one data set from another: of each split its samples, and the SHA-256 of each of its tensors; of inputs that
/// are streamed what their sources say of themselves, and which of their rows are taken.
pub(super) fn fingerprints<N: Network>(splits: &Splits<N::Input>) -> Result<Value> {
    let of = |dataset: &Dataset<N::Input>| -> Result<Value> {
        let target = sha256_of(dataset.target())?;
        if let Some(stream) = dataset.stream() {
            let names = N::description().modalities.iter().map(|modality| modality.name.to_owned());
            let sources: serde_json::Map<_, _> =
                names.zip(stream.fingerprints()?.into_iter().map(Value::from)).collect();
            let rows = sha256_of(&Tensor::from_slice(stream.rows()))?;
            return Ok(serde_json::json!({
                "samples": dataset.len(), "target_sha256": target, "source": sources, "rows_sha256": rows
            }));
        }
        let mut tensors = serde_json::Map::new();
        let features = dataset.input()?.features();
        for (modality, Feature { tensor, mask, present }) in N::description().modalities.iter().zip(&features) {
            tensors.insert(modality.name.into(), sha256_of(tensor)?.into());
            if let Some(mask) = mask {
                tensors.insert(format!("mask of {}", modality.name), sha256_of(mask)?.into());
            }
            if let Some(present) = present {
                tensors.insert(format!("present samples of {}", modality.name), sha256_of(present)?.into());
            }
        }
        Ok(serde_json::json!({ "samples": dataset.len(), "target_sha256": target, "input_sha256": tensors }))
    };
    Ok(serde_json::json!({ "train": of(&splits.train)?, "valid": of(&splits.valid)? }))
}

/// The first line of two texts that differs.
pub(super) fn lines_that_differ(found: &str, expected: &str) -> Result<Vec<String>, String> {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for number in 1.. {
        match (found.next(), expected.next()) {
            (None, None) => break,
            (there, here) if there == here => {}
            (there, here) => {
                let text = |line: Option<&str>| line.map_or("nothing".into(), |line| format!("`{}`", line.trim()));
                return Ok(vec![format!("line {number}: {} in the folder, {} here", text(there), text(here))]);
            }
        }
    }
    Ok(Vec::new())
}

/// The values of two JSON texts that differ, each with its path; an error where the first is no JSON.
pub(super) fn values_that_differ(found: &str, expected: &str) -> Result<Vec<String>, String> {
    fn compare(path: &str, found: &Value, expected: &Value, differences: &mut Vec<String>) {
        match (found, expected) {
            (Value::Object(there), Value::Object(here)) => {
                let keys: std::collections::BTreeSet<_> = there.keys().chain(here.keys()).collect();
                for key in keys {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    let value = |object: &serde_json::Map<_, _>| object.get(key).cloned().unwrap_or(Value::Null);
                    compare(&path, &value(there), &value(here), differences);
                }
            }
            _ if found == expected => {}
            _ => differences.push(format!("{path}: {found} in the folder, {expected} here")),
        }
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let mut differences = Vec::new();
    compare("", &parse(found)?, &parse(expected)?, &mut differences);
    Ok(differences)
}
