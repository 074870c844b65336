//! Writing a file so that it is there as a whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes `contents` beside `path` and renames it into place, so that an interruption leaves the old file.
///
/// # Errors
/// [`Error::Io`] with the path that was refused.
pub(crate) fn write_atomically(path: &Path, contents: &str) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(contents.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|source| {
        // The error to report is the first one; a partial file that stays behind does no harm.
        let _ = fs::remove_file(&partial);
        Error::io(path)(source)
    })
}
