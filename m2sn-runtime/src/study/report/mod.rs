//! What a study writes: its results as data, as tables, as figures and as one page that holds all of it.

mod against;
mod csv;
mod escape;
mod figures;
mod html;
mod markdown;
mod means;
mod methods;
mod sheet;
mod summary;
mod tables;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

pub use against::{Against, Change, Difference, against};

use super::Results;
use crate::{Error, Result, file};

/// The name of the results as data within their folder.
const DATA: &str = "results.json";

impl Results {
    /// Writes into a folder, each file as a whole or not at all:
    ///
    /// * `results.json`, which [`Results::load`] reads again;
    /// * `results.csv`: one line a method, seed and batch size;
    /// * `results.md`: findings, verdicts and tables, as `Display` writes them;
    /// * `figures/`: the front of quality against time, what the time goes into, samples by difficulty, the paper's navigator
    ///   by λ, and the routes of the recommended policy and of the paper's, as SVG, those for which there is something to show;
    /// * `report.html`: all of it as one page without scripts, which needs no other file and no network.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written, [`Error::Invalid`] where the folder's name is empty.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = named(folder.as_ref(), "results")?;
        let figures = figures::all(self)?;
        file::write(&folder.join(DATA), &self.json()?)?;
        file::write(&folder.join("results.csv"), &csv::csv(self))?;
        file::write(&folder.join("results.md"), &self.to_string())?;
        for name in figures::NAMES {
            let path = folder.join("figures").join(name).with_extension("svg");
            match figures.iter().find(|figure| figure.name == name) {
                Some(figure) => file::write(&path, &figure.svg)?,
                // One of earlier results would be taken for theirs.
                None => file::remove(&path)?,
            }
        }
        file::write(&folder.join("report.html"), &html::report(self, &figures))
    }

    /// The results as the JSON of `results.json`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        json(self)
    }

    /// Reads `results.json`, or that of a folder.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it holds no results: the message says what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join(DATA) } else { path.to_owned() };
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text).map_err(|error| {
            Error::file(
                &path,
                format!(
                    "not the results of a study: {error}\nhelp: expected the file `{DATA}` that a study of this version has \
                     written; run the study anew where it is an older one"
                ),
            )
        })
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::invalid(format!("study: no JSON: {error}")))
}

/// A folder that has a name.
fn named<'a>(folder: &'a Path, what: &str) -> Result<&'a Path> {
    if folder.as_os_str().is_empty() {
        return Err(Error::invalid(format!(
            "{what}: expected a folder, found an empty path; `.` is the working folder"
        )));
    }
    Ok(folder)
}
