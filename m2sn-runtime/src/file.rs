//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Writes a text file as [`atomically`] does.
///
/// # Errors
/// [`Error::Io`] where one of the steps is refused.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    atomically(path, |file| file.write_all(text.as_bytes()))
}

/// Writes a value as JSON, as [`write`] does.
///
/// # Errors
/// As [`write`]; [`Error::File`] where the value cannot be written as JSON.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::file(path, error.to_string()))?;
    write(path, &text)
}

/// Reads what [`write_json`] has written.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it holds something else.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::file(path, format!("it does not hold what was written here ({error}); remove it to have it made anew"))
    })
}

/// Writes a file beside `path`, makes sure that it has reached the disk, and lets it take the name.
///
/// The folder is made where it is missing. A failure leaves the old file; only a program that is killed leaves a partial
/// one beside it.
///
/// # Errors
/// [`Error::Io`] where one of the steps is refused.
pub(crate) fn atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let attempt = || {
        let mut file = BufWriter::new(File::create(&partial)?);
        write(&mut file)?;
        file.into_inner()?.sync_all()?;
        std::fs::rename(&partial, path)?;
        // The new name itself is only safe once its folder is.
        match folder {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    attempt().map_err(|error| {
        // On a full disk it would keep the disk full.
        let _ = std::fs::remove_file(&partial);
        Error::io(path)(error)
    })
}

/// Removes a file, where there is one.
///
/// # Errors
/// [`Error::Io`] where it cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, "old").unwrap();
        let full = |file: &mut dyn Write| {
            file.write_all(b"ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        };
        assert!(matches!(atomically(&path, full), Err(Error::Io { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file is left");
    }
}
