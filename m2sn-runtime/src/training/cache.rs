//! The outputs of frozen parts, computed once: in memory up to a bound, past it in a mapped file.

use std::ops::Range;
use std::path::PathBuf;

use tch::{Device, Tensor};

use super::progress::Progress;
use super::reading::{Read, Reading, Rows};
use crate::batch::Feature;
use crate::store::{self, Store};
use crate::{Error, Result};

/// The outputs of frozen parts.
#[derive(Debug)]
pub(crate) struct Cache(Store);

/// One feature for each sample of a data set, wherever they lie, to be used on one device.
#[derive(Debug)]
pub(crate) struct Features<'a> {
    feature: Feature,
    device: Device,
    claim: Option<(&'a Cache, u64)>,
}

impl Cache {
    pub(crate) fn new(limit: u64, folder: PathBuf) -> Self {
        Self(Store::new(limit, folder))
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

    /// Room for `samples` samples like those of `part`.
    fn room(&self, samples: i64, part: &Feature, device: Device) -> Result<Features<'_>> {
        let shape = |tensor: &Tensor| -> Vec<i64> {
            let mut shape = tensor.size();
            shape[0] = samples;
            shape
        };
        let bytes = |tensor: &Tensor| store::bytes(&shape(tensor), tensor.kind());
        let total = bytes(&part.tensor) + part.mask.as_ref().map_or(0, bytes);
        // A feature and its mask lie in one place.
        let in_memory = self.0.take(total);
        let room = |tensor: &Tensor| -> Result<Tensor> {
            match in_memory {
                true => Ok(Tensor::f_empty(shape(tensor), (tensor.kind(), device))?),
                false => self.0.mapped(&shape(tensor), tensor.kind()),
            }
        };
        let tensor = room(&part.tensor)?;
        let mask = part.mask.as_ref().map(room).transpose()?;
        let claim = in_memory.then_some((self, total));
        // Of a sample that lacks a modality the features are kept like any other's, and nobody asks for them.
        Ok(Features { feature: Feature { tensor, mask, present: None }, device, claim })
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
            cache.0.give_back(bytes);
        }
    }
}

/// The ranges of at most `chunk` samples that make up all of them.
pub(crate) fn chunks(samples: i64, chunk: i64) -> impl Iterator<Item = Range<i64>> {
    (0..samples).step_by(chunk.max(1) as usize).map(move |start| start..samples.min(start + chunk.max(1)))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

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
    fn gives_memory_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(21 * 5, folder.path().into());
        let first = fill(&cache);
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        assert!(!cache.0.take(1) && files() == 0);
        let second = fill(&cache);
        assert!(!cache.0.take(1), "it lies on the disk");
        drop((first, second));
        assert!(cache.0.take(21 * 5));
    }
}
