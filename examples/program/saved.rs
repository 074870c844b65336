//! The results of a run as files, the same for all examples that keep any.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use m2sn::{Error, Result};
use serde::Serialize;

/// Results as JSON.
pub(crate) fn json(results: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(results).map_err(|error| Error::Invalid(format!("results as JSON: {error}")))
}

/// Writes `results.json` and `results.md`.
pub(crate) fn save(results: &(impl Serialize + Display), folder: &Path) -> Result<()> {
    for (name, text) in [("results.json", json(results)?), ("results.md", results.to_string())] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| Error::Io { path, source })?;
    }
    Ok(())
}
