//! The lock of a run folder: one process at a time trains there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::{Error, Result};

/// Takes the lock of a run folder; `None` where the folder cannot be written, and so not trained in either.
pub(super) fn lock(path: &Path) -> Result<Option<File>> {
    let mut file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io(path)(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::file(
                path,
                format!("process {} trains in this folder; wait for its end, or choose another folder", holder.trim()),
            ));
        }
        // A file system without locks.
        Err(TryLockError::Error(error)) => {
            tracing::warn!("{}: cannot be locked ({error}): let no other process train here", path.display());
            return Ok(Some(file));
        }
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(Error::io(path))?;
    Ok(Some(file))
}
