use std::fs;
use std::path::{Path, PathBuf};

use super::Step;
use crate::Fault;

/// Puts a folder back as it was, unless it is to be kept.
#[derive(Debug)]
pub(super) struct Undo {
    /// What was not there, inner things first.
    absent: Vec<PathBuf>,
    /// What was there, with its text.
    texts: Vec<(PathBuf, String)>,
}

impl Undo {
    /// Notes what the steps may change: the files that they write, and what cargo makes of a package and its workspace.
    pub(super) fn before(folder: &Path, steps: &[Step]) -> Result<Self, Fault> {
        let fault = |path: &Path, error: std::io::Error| Fault::Message(format!("{}: {error}", path.display()));
        let written = steps.iter().filter_map(|step| match step {
            Step::Write { path, .. } => Some(*path),
            _ => None,
        });
        let made = ["src/main.rs", "Cargo.toml", ".gitignore", ".git", "src", "specs", "examples"];
        let paths = written.chain(made).map(|path| folder.join(path)).chain([folder.to_owned()]);
        let absent = paths.filter(|path| path.symlink_metadata().is_err()).collect();

        let absolute = std::path::absolute(folder).map_err(|error| fault(folder, error))?;
        let manifests = absolute.ancestors().map(|folder| folder.join("Cargo.toml")).filter(|path| path.is_file());
        let text = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(error) => Err(fault(&path, error)),
        };
        Ok(Self { absent, texts: manifests.map(text).collect::<Result<_, _>>()? })
    }

    /// All went well.
    pub(super) fn keep(mut self) {
        self.absent.clear();
        self.texts.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // There is an error on its way to the user already; what cannot be undone adds nothing to it.
        for path in &self.absent {
            _ = match path.file_name().is_some_and(|name| name == ".git") {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path).or_else(|_| fs::remove_dir(path)),
            };
        }
        for (path, text) in &self.texts {
            if fs::read_to_string(path).is_ok_and(|now| now != *text) {
                _ = fs::write(path, text);
            }
        }
    }
}
