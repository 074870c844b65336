//! Everything in which a file and an encoder differ, told at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tch::Tensor;

use crate::plan::Weights;
use crate::{Error, Result};

/// The differences found so far.
#[derive(Debug, Default)]
pub(super) struct Mismatches {
    lines: Vec<String>,
    /// What the names of what was not expected begin with, and of what is missing.
    unexpected: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Mismatches {
    /// Notes a tensor of the file that is no parameter of the encoder.
    pub(super) fn unexpected(&mut self, theirs: &str, tensor: &Tensor) {
        self.unexpected.insert(beginning(theirs));
        self.lines.push(format!("only in the file: `{theirs}` {:?}", tensor.size()));
    }

    /// Notes a variable of the encoder that the file does not hold; `theirs` is what it would be called there.
    pub(super) fn missing(&mut self, ours: &str, theirs: Option<&str>, variable: &Tensor) {
        self.missing.insert(beginning(ours));
        let there = theirs.map_or_else(|| "without a name there".to_owned(), |theirs| format!("`{theirs}` there"));
        self.lines.push(format!("not in the file: `{ours}` {:?}, {there}", variable.size()));
    }

    /// Whether a tensor of the file can be the value of a variable; notes why not.
    pub(super) fn fits(&mut self, theirs: &str, tensor: &Tensor, variable: &Tensor) -> Result<bool> {
        if tensor.size() != variable.size() {
            let (there, here) = (tensor.size(), variable.size());
            self.lines.push(format!("another shape: `{theirs}` is {there:?} in the file, {here:?} here"));
        } else if !tensor.is_floating_point() {
            self.lines.push(format!("another type: `{theirs}` holds {:?}, expected real numbers", tensor.kind()));
        } else if !bool::try_from(tensor.isfinite().all())? {
            self.lines.push(format!("not finite: `{theirs}` holds values that are no finite numbers"));
        } else {
            return Ok(true);
        }
        Ok(false)
    }

    /// # Errors
    /// [`Error::File`] with all that was noted, where something was.
    pub(super) fn refuse(mut self, weights: &Weights) -> Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.lines.sort();
        let mut message = format!("does not fit the encoder of `{}`", weights.modality);
        for line in &self.lines {
            let _ = write!(message, "\n  {line}");
        }
        for (key, names, what) in [
            ("ignore", &self.unexpected, "what of the file is not meant to be loaded"),
            ("fresh", &self.missing, "what is meant to keep its drawn parameters"),
        ] {
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let _ = write!(message, "\nhelp: {what}, name by `{key}`, of [{}]", names.join(", "));
            }
        }
        Err(Error::file(&weights.file, message))
    }
}

/// The first part of a name.
fn beginning(name: &str) -> String {
    name.split('.').next().unwrap_or_default().to_owned()
}
