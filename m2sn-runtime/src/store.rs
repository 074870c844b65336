//! Room for tensors that may be too many for the memory: up to a bound there, past it in mapped files.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// The bytes that are held in memory where nothing else is said.
pub(crate) const MEMORY: u64 = 4 << 30;

/// Hands out room, and knows how much of the memory is taken.
#[derive(Debug)]
pub(crate) struct Store {
    /// The bytes that may be held in memory.
    limit: u64,
    used: Cell<u64>,
    /// Where mapped files go.
    folder: PathBuf,
    files: Cell<u32>,
}

impl Store {
    pub(crate) fn new(limit: u64, folder: PathBuf) -> Self {
        Self { limit, used: Cell::new(0), folder, files: Cell::new(0) }
    }

    /// Takes so many bytes of the memory, where there are as many left.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let fits = self.used.get() + bytes <= self.limit;
        if fits {
            self.used.set(self.used.get() + bytes);
        }
        fits
    }

    /// Gives bytes back that were taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.set(self.used.get() - bytes);
    }

    /// Room for a tensor, which is not given back before the store is gone. What is to lie on another device than the
    /// processor lies there, whatever the bound.
    ///
    /// # Errors
    /// [`Error::Io`] where the bound is passed and there is no room for a file either.
    pub(crate) fn room(&self, shape: &[i64], (kind, device): (Kind, Device)) -> Result<Tensor> {
        if device != Device::Cpu || self.take(bytes(shape, kind)) {
            return Ok(Tensor::f_empty(shape, (kind, device))?);
        }
        self.mapped(shape, kind)
    }

    /// A tensor in a file that is gone as soon as nobody uses the tensor, also where the program is killed.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no room for the file.
    pub(crate) fn mapped(&self, shape: &[i64], kind: Kind) -> Result<Tensor> {
        let bytes = bytes(shape, kind);
        std::fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        let count = self.files.replace(self.files.get() + 1);
        let path = self.folder.join(format!(".m2sn-cache-{}-{count}", std::process::id()));
        let name = path.to_str().ok_or_else(|| Error::file(&path, "the path is not Unicode; choose another folder"))?;
        if let Err(error) = File::create(&path).and_then(|mut file| reserve(&mut file, bytes)) {
            let _ = std::fs::remove_file(&path);
            let what = format!(
                "{bytes} bytes of cached features do not fit: {error}; allow more memory (`Trainer::memory`), or choose a \
                 run folder with more room"
            );
            return Err(Error::io(path)(io::Error::new(error.kind(), what)));
        }
        let tensor = Tensor::f_from_file(name, true, shape.iter().product::<i64>(), (kind, Device::Cpu));
        // The mapping outlives the name.
        std::fs::remove_file(&path).map_err(Error::io(&path))?;
        tracing::debug!(bytes, "cached features go to disk: the bound on memory is reached");
        Ok(tensor?.view(shape))
    }
}

/// The bytes of a tensor.
pub(crate) fn bytes(shape: &[i64], kind: Kind) -> u64 {
    shape.iter().product::<i64>().unsigned_abs() * kind.elt_size_in_bytes() as u64
}

/// Takes the room on the disk that a mapping will need: a write to a mapped file that finds none ends the process.
///
/// Only what has reached the disk has its blocks: a file system may take zeros, and find no room for them later.
fn reserve(file: &mut File, bytes: u64) -> io::Result<()> {
    const BLOCK: &[u8] = &[0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(BLOCK.len() as u64);
        file.write_all(&BLOCK[..length as usize])?;
        left -= length;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_before_it_is_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        reserve(&mut File::create(&path).unwrap(), (3 << 20) + 7).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), (3 << 20) + 7);
        #[cfg(unix)]
        {
            // A sparse file would have the length as well.
            let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&path).unwrap());
            assert!(blocks * 512 >= 3 << 20, "{blocks} blocks");
        }
    }

    fn refusal(folder: PathBuf) -> String {
        let store = Store::new(0, folder);
        let error = store.mapped(&[7, 3], Kind::Float).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        error.to_string()
    }

    #[test]
    fn a_place_that_is_no_folder_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = file.path().join("cache");
        let message = refusal(place.clone());
        assert!(message.starts_with(&format!("{}: ", place.display())), "{message}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_file_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!(".m2sn-cache-{}-0", std::process::id());
        std::os::unix::fs::symlink("/dev/full", folder.path().join(&name)).unwrap();
        let message = refusal(folder.path().into());
        assert!(message.contains(&name) && message.contains("84 bytes of cached features do not fit: "), "{message}");
        assert!(message.contains("allow more memory (`Trainer::memory`)"), "{message}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left that would keep it full");
    }

    #[test]
    fn room_is_in_memory_as_long_as_there_is_any() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(100, folder.path().into());
        let options = (Kind::Float, Device::Cpu);
        let tensors: Vec<Tensor> = (0..3).map(|_| store.room(&[5, 2], options).unwrap()).collect();
        assert_eq!((store.used.get(), store.files.get()), (80, 1));
        tensors
            .into_iter()
            .for_each(|mut tensor| assert_eq!(tensor.fill_(1.0).sum(Kind::Float).double_value(&[]), 10.0));
        store.give_back(80);
        assert!(store.take(100) && !store.take(1));
    }
}
