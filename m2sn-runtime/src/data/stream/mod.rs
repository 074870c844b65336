//! Samples of several sources, by row.

use std::fmt;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::ahead::{Ahead, caught};
use super::{Source, Streaming, not_finite};
use crate::batch::{Feature, blank_input, describe};
use crate::{Error, Result};

/// Some rows of some sources, one source a modality.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    columns: Arc<[Column]>,
    /// The samples, by their rows in the sources.
    rows: Arc<[i64]>,
    pub(super) settings: Streaming,
    /// Where whole data sets are wanted; batches that are read come to the processor.
    pub(super) device: Device,
}

/// One modality.
struct Column {
    name: &'static str,
    source: Box<dyn Source>,
    /// By row, which samples have it; `None` where all do.
    present: Option<Vec<bool>>,
    /// What every sample is like.
    dims: Vec<i64>,
    kind: Kind,
    masked: bool,
    /// What a sample takes in memory.
    bytes: u64,
}

impl Stream {
    /// Joins the sources of these modalities, in their order, and reads the first sample of each.
    ///
    /// # Errors
    /// [`Error::Shape`] where they differ in their number of samples from `samples`; [`Error::Invalid`] where one says of
    /// another number which are present; those of [`Source::read`].
    pub(super) fn new(
        modalities: &'static [&'static str],
        sources: Vec<Box<dyn Source>>,
        samples: i64,
    ) -> Result<Self> {
        let columns = modalities.iter().zip(sources).map(|(name, source)| Column::new(name, source, samples));
        let columns: Arc<[Column]> = columns.collect::<Result<_>>()?;
        let rows = (0..samples).collect();
        Ok(Self { columns, rows, settings: Streaming::default(), device: Device::Cpu })
    }

    pub(crate) fn len(&self) -> i64 {
        self.rows.len() as i64
    }

    /// The samples at these rows, which there are.
    pub(crate) fn select(&self, rows: &[i64]) -> Self {
        Self { rows: self.at(rows).into(), ..self.clone() }
    }

    /// The `length` samples from `start` on, which there are.
    pub(super) fn narrow(&self, start: i64, length: i64) -> Self {
        Self { rows: self.rows[start as usize..(start + length) as usize].into(), ..self.clone() }
    }

    /// The same samples, wanted on another device.
    pub(super) fn to_device(&self, device: Device) -> Self {
        Self { device, ..self.clone() }
    }

    /// Which samples have a modality, `[samples]` of `bool`; `None` where all do.
    pub(crate) fn present(&self, modality: usize) -> Option<Tensor> {
        let present = self.columns[modality].present(&self.rows)?;
        Some(present.to_device(self.device))
    }

    /// What tells the samples of each modality from others.
    ///
    /// # Errors
    /// Those of [`Source::fingerprint`].
    pub(crate) fn fingerprints(&self) -> Result<Vec<String>> {
        let of = |column: &Column| caught(&column.place(&[]), || column.source.fingerprint());
        self.columns.iter().map(of).collect()
    }

    /// The samples, by their rows in the sources.
    pub(crate) fn rows(&self) -> &[i64] {
        &self.rows
    }

    /// The most samples of these modalities that memory is to hold at a time; one at least.
    pub(super) fn most(&self, modalities: &[usize]) -> i64 {
        let bytes: u64 = modalities.iter().map(|modality| self.columns[*modality].bytes).sum();
        i64::try_from(self.settings.memory / bytes.max(1)).unwrap_or(i64::MAX).max(1)
    }

    /// Reads batches of samples, each at these rows, in this order, as far ahead as memory allows: a field for each of
    /// `modalities`, on the processor.
    ///
    /// # Errors
    /// Where no thread can be started; of the batches those of [`Source::read`], and those of samples that cannot be used.
    pub(crate) fn along(&self, modalities: &[usize], batches: Vec<Vec<i64>>) -> Result<Ahead<Vec<Feature>>> {
        let largest = batches.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let Streaming { workers, .. } = self.settings;
        // Twice as many as there are threads, so that none waits as long as one batch takes much longer than the others.
        let limit = (self.most(modalities) as usize / largest).min(workers.max(1).saturating_mul(2));
        let (stream, modalities) = (self.clone(), modalities.to_vec());
        Ahead::new(batches, workers, limit, move |batch| {
            let rows = stream.at(batch);
            modalities.iter().map(|modality| stream.columns[*modality].read(&rows)).collect()
        })
    }

    /// The rows of the sources.
    fn at(&self, rows: &[i64]) -> Vec<i64> {
        rows.iter().map(|row| self.rows[*row as usize]).collect()
    }
}

impl Column {
    fn new(name: &'static str, source: Box<dyn Source>, samples: i64) -> Result<Self> {
        let wrong = |expected: String, found: String| {
            Err(Error::Shape { what: format!("data set, modality `{name}`"), expected, found })
        };
        if source.samples() != samples {
            return wrong(format!("{samples} samples, as in the target"), format!("{} samples", source.samples()));
        }
        let present = source.present();
        if let Some(present) = present.as_ref().filter(|present| present.len() as i64 != samples) {
            return wrong(format!("of {samples} samples whether they are present"), format!("of {}", present.len()));
        }
        // What stands for a sample that is missing has the right shape too, but it is not what errors should speak of.
        let first = present.as_ref().and_then(|present| present.iter().position(|present| *present)).unwrap_or(0);
        let mut column = Self { name, source, present, dims: Vec::new(), kind: Kind::Float, masked: false, bytes: 0 };
        let rows = [first as i64];
        let sample = caught(&column.place(&rows), || column.source.read(&rows))?;
        column.check_dense(&rows, &sample.tensor)?;
        column.kind = sample.tensor.kind();
        column.dims = sample.tensor.size().split_off(1);
        column.masked = sample.mask.is_some();
        let bytes = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        column.bytes = bytes(&sample.tensor) + sample.mask.as_ref().map_or(0, bytes);
        column.checked(&rows, sample)?;
        Ok(column)
    }

    /// Reads samples, and sees to it that they can be used.
    fn read(&self, rows: &[i64]) -> Result<Feature> {
        caught(&self.place(rows), || self.checked(rows, self.source.read(rows)?))
    }

    /// Samples as they go on: what is padded or missing is blank.
    ///
    /// # Errors
    /// [`Error::Shape`] where they are not like the first sample; [`Error::Invalid`] with the first row that cannot be used.
    fn checked(&self, rows: &[i64], samples: Feature) -> Result<Feature> {
        let Feature { tensor, mask, present } = samples;
        self.check_dense(rows, &tensor)?;
        let expected = [&[rows.len() as i64], &self.dims[..]].concat();
        if tensor.size() != expected || tensor.kind() != self.kind {
            return self.wrong(
                rows,
                format!("{expected:?} of {:?}, as in the first sample", self.kind),
                describe(&tensor),
            );
        }
        let mask = self.checked_mask(rows, mask)?;
        let tensor = match &mask {
            Some(mask) => blank_input(tensor, mask),
            None => tensor,
        };
        let samples = Feature { tensor, mask, present: None };
        let told = self.present(rows);
        if let Some(present) = present {
            self.check_present(rows, told.as_ref(), &present)?;
        }
        let samples = match told {
            Some(present) => samples.without(&present.logical_not()),
            None => samples,
        };
        if is_finite(&samples.tensor) {
            return Ok(samples);
        }
        match not_finite(&samples)[..] {
            [] => Ok(samples),
            [first, ..] => Err(Error::invalid(format!(
                "{} holds a value that is not finite (NaN or infinite); repair the sample or leave it out",
                self.place(&rows[first as usize..=first as usize]),
            ))),
        }
    }

    fn check_dense(&self, rows: &[i64], tensor: &Tensor) -> Result<()> {
        if !tensor.defined() || tensor.is_sparse() || tensor.size().first() != Some(&(rows.len() as i64)) {
            return self.wrong(rows, format!("[{}, …]: one sample a row", rows.len()), describe(tensor));
        }
        Ok(())
    }

    fn checked_mask(&self, rows: &[i64], mask: Option<Tensor>) -> Result<Option<Tensor>> {
        let Some(mask) = mask else {
            return match self.masked {
                true => self.wrong(rows, "a mask of padding, as of the first sample".into(), "none".into()),
                false => Ok(None),
            };
        };
        if !self.masked {
            return self.wrong(rows, "no mask of padding, as of the first sample".into(), describe(&mask));
        }
        let expected = [rows.len() as i64, self.dims.first().copied().unwrap_or(0)];
        if !mask.defined() || mask.is_sparse() || mask.kind() != Kind::Bool || mask.size() != expected {
            return self.wrong(rows, format!("a mask {expected:?} of Bool"), describe(&mask));
        }
        let empty = mask.any_dim(1, false).logical_not().nonzero();
        if empty.size()[0] > 0 {
            let row = empty.int64_value(&[0, 0]) as usize;
            let place = self.place(&rows[row..=row]);
            return Err(Error::invalid(format!("{place} has no real step, expected at least one")));
        }
        Ok(Some(mask))
    }

    /// Checks that samples of which the source has said that they are present are.
    fn check_present(&self, rows: &[i64], told: Option<&Tensor>, present: &Tensor) -> Result<()> {
        if !present.defined() || present.kind() != Kind::Bool || present.size() != [rows.len() as i64] {
            return self.wrong(rows, format!("present samples [{}] of Bool", rows.len()), describe(present));
        }
        let lacking = match told {
            Some(told) => told.logical_and(&present.logical_not()),
            None => present.logical_not(),
        };
        let lacking = lacking.nonzero();
        if lacking.size()[0] > 0 {
            let row = lacking.int64_value(&[0, 0]) as usize;
            return Err(Error::invalid(format!(
                "{} is missing, and `Source::present` does not say so; say it there, or leave the sample out",
                self.place(&rows[row..=row])
            )));
        }
        Ok(())
    }

    /// Which samples are there, `[rows]` of `bool`; `None` where all of the source are.
    fn present(&self, rows: &[i64]) -> Option<Tensor> {
        let present = self.present.as_ref()?;
        let present: Vec<bool> = rows.iter().map(|row| present[*row as usize]).collect();
        Some(Tensor::from_slice(&present))
    }

    /// What is read, as errors name it.
    fn place(&self, rows: &[i64]) -> String {
        let Self { name, .. } = self;
        match rows {
            [row] => format!("data set, modality `{name}`: row {row}"),
            [row, rest @ ..] => format!("data set, modality `{name}`: row {row} or one of {} read with it", rest.len()),
            [] => format!("data set, modality `{name}`"),
        }
    }

    fn wrong<T>(&self, rows: &[i64], expected: String, found: String) -> Result<T> {
        Err(Error::Shape { what: self.place(rows), expected, found })
    }
}

/// Whether the sums of all pieces of a tensor are finite, and so its values.
///
/// LibTorch sums larger pieces by threads of its own, as many for each thread that asks as the machine has.
fn is_finite(tensor: &Tensor) -> bool {
    const PIECE: i64 = 1 << 14;
    let sum = |piece: &Tensor| piece.sum(piece.kind()).double_value(&[]);
    !tensor.is_floating_point() || tensor.flatten(0, -1).split(PIECE, 0).iter().all(|piece| sum(piece).is_finite())
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, dims, kind, .. } = self;
        f.debug_struct("Column").field("name", name).field("dims", dims).field("kind", kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
