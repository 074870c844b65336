//! The outputs of frozen parts, computed once: in memory up to a bound, past it in a mapped file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};

use super::progress::Progress;
use super::reading::{Read, Reading, Rows};
use crate::batch::Feature;
use crate::{Error, Result};

/// Hands out room for features, and knows how much of the memory is taken.
#[derive(Debug)]
pub(crate) struct Cache {
    /// The bytes that may be held in memory.
    limit: u64,
    used: Cell<u64>,
    /// Where mapped files go.
    folder: PathBuf,
    files: Cell<u32>,
}

/// One feature for each sample of a data set, wherever they lie, to be used on one device.
#[derive(Debug)]
pub(crate) struct Features<'a> {
    feature: Feature,
    device: Device,
    claim: Option<(&'a Cache, u64)>,
}

impl Cache {
    pub(crate) fn new(limit: u64, folder: PathBuf) -> Self {
        Self { limit, used: Cell::new(0), folder, files: Cell::new(0) }
    }

    /// Keeps what `compute` makes of each chunk of all samples, as many features as it returns; they lie on `device`. A bar
    /// says of `what` how far it is.
    ///
    /// # Errors
    /// [`Error::Io`] where the bound is passed and there is no room for a file either; those of what is read.
    pub(crate) fn fill(
        &self,
        reads: Vec<Read<'_>>,
        chunk: usize,
        device: Device,
        (progress, what): (&Progress, &str),
        compute: impl Fn(Vec<Feature>) -> Vec<Feature>,
    ) -> Result<Vec<Features<'_>>> {
        let samples = reads.first().map_or(0, Read::len);
        let ranges: Vec<Range<i64>> = chunks(samples, chunk as i64).collect();
        let mut bar = progress.bar(what, ranges.len());
        let mut reading = Reading::new(reads, ranges.iter().cloned().map(Rows::Range).collect())?;
        let mut stores: Vec<Features<'_>> = Vec::new();
        for (number, range) in ranges.iter().enumerate() {
            let inputs = reading.next()?;
            let parts = tch::no_grad(|| compute(inputs));
            if stores.is_empty() {
                stores = parts.iter().map(|part| self.room(samples, part, device)).collect::<Result<_>>()?;
            }
            for (Features { feature, .. }, part) in stores.iter().zip(&parts) {
                let length = range.end - range.start;
                feature.tensor.narrow(0, range.start, length).f_copy_(&part.tensor)?;
                if let (Some(mask), Some(part)) = (&feature.mask, &part.mask) {
                    mask.narrow(0, range.start, length).f_copy_(part)?;
                }
            }
            bar.step(number + 1);
        }
        Ok(stores)
    }

    /// As [`Cache::fill`], one feature made of one that is read.
    ///
    /// # Errors
    /// As [`Cache::fill`].
    pub(crate) fn fill_one(
        &self,
        read: Read<'_>,
        chunk: usize,
        device: Device,
        said: (&Progress, &str),
        compute: impl Fn(Feature) -> Feature,
    ) -> Result<Features<'_>> {
        let each = |inputs: Vec<Feature>| inputs.into_iter().map(&compute).collect();
        let filled = self.fill(vec![read], chunk, device, said, each)?.pop();
        filled.ok_or_else(|| Error::invalid("data set: there are no samples"))
    }

    /// Room for `samples` samples like those of `part`, which is not given back before the cache is gone. What lies on another
    /// device than the processor stays there.
    ///
    /// # Errors
    /// [`Error::Io`] where the bound is passed and there is no room for a file either.
    pub(crate) fn tensor(&self, samples: i64, part: &Tensor) -> Result<Tensor> {
        let (mut shape, kind, device) = (part.size(), part.kind(), part.device());
        shape[0] = samples;
        let bytes = shape.iter().product::<i64>().unsigned_abs() * kind.elt_size_in_bytes() as u64;
        if device != Device::Cpu || self.used.get() + bytes <= self.limit {
            self.used.set(self.used.get() + bytes);
            return Ok(Tensor::f_empty(&shape, (kind, device))?);
        }
        self.mapped(&shape, kind, bytes)
    }

    /// Room for `samples` samples like those of `part`.
    fn room(&self, samples: i64, part: &Feature, device: Device) -> Result<Features<'_>> {
        let shape = |tensor: &Tensor| -> Vec<i64> {
            let mut shape = tensor.size();
            shape[0] = samples;
            shape
        };
        let bytes = |tensor: &Tensor| -> u64 {
            shape(tensor).iter().product::<i64>().unsigned_abs() * tensor.kind().elt_size_in_bytes() as u64
        };
        let total = bytes(&part.tensor) + part.mask.as_ref().map_or(0, bytes);
        let in_memory = self.used.get() + total <= self.limit;
        let room = |tensor: &Tensor| -> Result<Tensor> {
            if in_memory {
                Ok(Tensor::f_empty(shape(tensor), (tensor.kind(), device))?)
            } else {
                self.mapped(&shape(tensor), tensor.kind(), bytes(tensor))
            }
        };
        let tensor = room(&part.tensor)?;
        let mask = part.mask.as_ref().map(room).transpose()?;
        let claim = in_memory.then(|| {
            self.used.set(self.used.get() + total);
            (self, total)
        });
        // Of a sample that lacks a modality the features are kept like any other's, and nobody asks for them.
        Ok(Features { feature: Feature { tensor, mask, present: None }, device, claim })
    }

    /// A tensor in a file that is gone as soon as nobody uses the tensor, also where the program is killed.
    fn mapped(&self, shape: &[i64], kind: Kind, bytes: u64) -> Result<Tensor> {
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

impl<'a> Features<'a> {
    /// Features that lie somewhere already.
    pub(crate) fn borrowed(feature: Feature, device: Device) -> Self {
        Self { feature, device, claim: None }
    }

    /// The same once more, where they lie.
    pub(crate) fn all(&self) -> Features<'static> {
        Features::borrowed(self.feature.clone(), self.device)
    }

    /// Those at `rows`, `[n]` of `i64`, where they lie.
    pub(crate) fn only(&self, rows: &Tensor) -> Features<'static> {
        Features::borrowed(self.feature.select(&rows.to_device(self.feature.tensor.device())), self.device)
    }

    /// The samples at `rows`, `[n]` of `i64`, on the device.
    pub(crate) fn rows(&self, rows: &Tensor) -> Feature {
        self.feature.select(&rows.to_device(self.feature.tensor.device())).to_device(self.device)
    }

    /// The samples of a range, on the device.
    pub(crate) fn range(&self, range: Range<i64>) -> Feature {
        self.feature.narrow(range.start, range.end - range.start).to_device(self.device)
    }

    pub(crate) fn len(&self) -> i64 {
        self.feature.len()
    }

    /// Of inputs, which samples are there, `[samples]` of `bool`, wherever they lie; `None` where all are.
    pub(crate) fn present(&self) -> Option<&Tensor> {
        self.feature.present.as_ref()
    }
}

impl Drop for Features<'_> {
    fn drop(&mut self) {
        if let Some((cache, bytes)) = self.claim {
            cache.used.set(cache.used.get() - bytes);
        }
    }
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

/// The ranges of at most `chunk` samples that make up all of them.
pub(crate) fn chunks(samples: i64, chunk: i64) -> impl Iterator<Item = Range<i64>> {
    (0..samples).step_by(chunk.max(1) as usize).map(move |start| start..samples.min(start + chunk.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(cache: &Cache) -> Features<'_> {
        let source = Tensor::arange(21, (Kind::Float, Device::Cpu)).view([7, 3]);
        let mask = source.gt(4.0);
        let source = Features::borrowed(Feature { mask: Some(mask), ..source.into() }, Device::Cpu);
        let said = (&Progress::silent(), "doubles");
        let doubled = |input: Feature| Feature { tensor: input.tensor * 2.0, ..input };
        cache.fill_one(Read::Held(&source), 2, Device::Cpu, said, doubled).unwrap()
    }

    #[test]
    fn keeps_the_same_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Cache::new(1_000, folder.path().join("memory"));
        let disk = Cache::new(0, folder.path().join("disk"));
        let (kept, mapped) = (fill(&memory), fill(&disk));
        let expected = Tensor::arange(21, (Kind::Float, Device::Cpu)).view([7, 3]) * 2.0;
        let rows = Tensor::from_slice(&[6i64, 0, 3]);
        for features in [&kept, &mapped] {
            assert_eq!(features.feature.tensor, expected);
            assert_eq!(features.rows(&rows).tensor, expected.index_select(0, &rows));
            let range = features.range(5..7);
            assert_eq!(range.tensor, expected.narrow(0, 5, 2));
            assert_eq!(range.mask.unwrap(), expected.narrow(0, 5, 2).gt(8.0));
        }
        assert!(!folder.path().join("memory").exists());
        assert_eq!(std::fs::read_dir(folder.path().join("disk")).unwrap().count(), 0, "the files have no name");
    }

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
        let cache = Cache::new(0, folder);
        let error = cache.mapped(&[7, 3], Kind::Float, 84).unwrap_err();
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
    fn gives_memory_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(21 * 5, folder.path().into());
        let first = fill(&cache);
        assert_eq!((cache.used.get(), cache.files.get()), (105, 0));
        let second = fill(&cache);
        assert_eq!((cache.used.get(), cache.files.get()), (105, 2), "tensor and mask");
        drop((first, second));
        assert_eq!(cache.used.get(), 0);
    }
}
