//! Data sets, in memory or read as they are needed, and readers of common file formats.
//!
//! | what there is | what reads it | feature |
//! |---|---|---|
//! | arrays: `.npy`, `.npz`, idx, safetensors | [`npy`], [`npz`], [`idx`], [`safetensors`] | |
//! | arrays: HDF5, whole or by rows | `hdf5` | `hdf5` |
//! | pickles of Python, as far as they are data | [`pickle`] | |
//! | tables: JSON lines, CSV, Parquet | [`table`] | none, `csv`, `parquet` |
//! | a file a sample: JPEG and PNG, WAV, or your own | [`files`] with `image`, `audio`, or an [`files::Item`] | `image`, `audio` |
//! | texts | [`text`] | `tokenizers` for pre-trained ones |
//! | MultiBench's affect data, MUStARD, MM-IMDb, extracted videos | [`affect`], [`mustard`], [`mmimdb`], [`kinetics`] | |
//! | nothing yet | [`generate`] writes small data in the form of each | |
//!
//! `audio`, `csv`, `hdf5` and `image` are on by default.

pub mod affect;
mod ahead;
#[cfg(feature = "audio")]
pub mod audio;
mod faults;
pub mod files;
mod folds;
pub mod generate;
#[cfg(feature = "hdf5")]
pub mod hdf5;
pub mod idx;
#[cfg(feature = "image")]
pub mod image;
pub mod kinetics;
pub mod mmimdb;
pub mod mustard;
pub mod npy;
pub mod npz;
pub mod pickle;
pub mod safetensors;
mod source;
mod split;
mod stream;
pub mod table;
pub mod text;

#[cfg(test)]
mod mutations;

use tch::{Device, Kind, Tensor};

use crate::batch::{Feature, over_steps};
use crate::network::Input;
use crate::task::Task;
use crate::{Error, Result};

pub use source::{Held, Source, Streaming};
pub use split::{By, Splits};

pub(crate) use ahead::Ahead;
pub(crate) use stream::Stream;

/// Inputs and targets of some samples.
///
/// Inputs lie in memory ([`Dataset::new`]), or are read batch by batch whenever they are needed ([`Dataset::streamed`]).
/// Whatever takes a data set takes both, and comes to the same.
#[derive(Debug)]
pub struct Dataset<I> {
    inputs: Inputs<I>,
    target: Tensor,
}

/// Where inputs are.
#[derive(Debug)]
enum Inputs<I> {
    Held(I),
    Streamed(Stream),
}

impl<I: Input> Dataset<I> {
    /// Joins inputs and targets; see [`Task`] for the target's shape.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Invalid`] where modalities or target differ in their number of samples,
    /// where there are none, where the target does not fit `task`, or where a value is not finite: the first row that
    /// holds one is named. Padding steps are of no account.
    pub fn new(input: I, target: Tensor, task: Task) -> Result<Self> {
        let features = input.features();
        let samples = features.first().map_or(0, |feature| feature.len());
        if samples == 0 {
            return Err(Error::invalid("data set: there are no samples"));
        }
        if let Some((index, other)) = features.iter().enumerate().find(|(_, feature)| feature.len() != samples) {
            return Err(Error::Shape {
                what: format!("data set, modality `{}`", I::MODALITIES[index]),
                expected: format!("{samples} samples, as in `{}`", I::MODALITIES[0]),
                found: format!("{} samples", other.len()),
            });
        }
        task.check(&target, samples)?;
        for (name, feature) in I::MODALITIES.iter().zip(&features) {
            check_finite(&format!("data set, modality `{name}`"), feature)?;
        }
        check_finite("data set, target", &target.shallow_clone().into())?;
        Ok(Self { inputs: Inputs::Held(input), target })
    }

    /// Joins a source for each modality, by its name in the spec, and targets, which are few and lie in memory.
    ///
    /// Samples are read in batches by several threads, ahead of whoever needs them, within the bounds of [`Streaming`]; so
    /// a data set may be larger than memory. Training draws the same order by the same seed as it does in memory, and
    /// comes to the same parameters bit for bit, whatever the number of threads. What is read is checked, and an error
    /// names modality and row.
    ///
    /// Stages of training that go on from frozen features read each sample once; pre-training, the joint method and the
    /// paper's navigator read all samples once an epoch.
    ///
    /// ```
    /// # use m2sn_runtime::{Result, data::{By, Dataset, Held, Source, Splits}, batch::Feature, network::Input};
    /// # use m2sn_runtime::{task::Task, tch::Tensor};
    /// # fn load<I: Input>(frames: impl Source + 'static, text: Feature, label: Tensor, task: Task) -> Result<Splits<I>> {
    /// let sources: Vec<(&str, Box<dyn Source>)> = vec![
    ///     ("video", Box::new(frames)),       // read from disk
    ///     ("text", Box::new(Held::new(text))), // in memory
    /// ];
    /// let data = Dataset::<I>::streamed(sources, label, task)?;
    /// let (train, valid) = data.part(0.2, By::Class, 0)?;
    /// # Ok(Splits { train, valid })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sources are not those of the modalities; [`Error::Shape`] where one has another number
    /// of samples than the target, or where its first sample is not of the modality's shape; those of that sample; and of
    /// the target as by [`Dataset::new`].
    pub fn streamed(sources: Vec<(&str, Box<dyn Source>)>, target: Tensor, task: Task) -> Result<Self> {
        let samples = match target.defined() {
            true => target.size().first().copied().unwrap_or(0),
            false => 0,
        };
        task.check(&target, samples)?;
        if samples == 0 {
            return Err(Error::invalid("data set: there are no samples"));
        }
        check_finite("data set, target", &target.shallow_clone().into())?;
        let stream = Stream::new(I::MODALITIES, in_order(I::MODALITIES, sources)?, samples)?;
        let data = Self { inputs: Inputs::Streamed(stream), target };
        data.narrow(0, 1)?.input()?;
        Ok(data)
    }

    /// The same samples, streamed by other settings; in memory there is nothing to set.
    pub fn streaming(mut self, settings: Streaming) -> Self {
        if let Inputs::Streamed(stream) = &mut self.inputs {
            stream.settings = settings;
        }
        self
    }

    /// The inputs, all of them: of a streamed data set they are read. Where they are too many for memory, go through
    /// [`Dataset::batches`], or take some of them first by [`Dataset::narrow`] or [`Dataset::select`].
    ///
    /// # Errors
    /// None in memory; else those of [`Source::read`], and those of samples that cannot be used.
    pub fn input(&self) -> Result<I> {
        match &self.inputs {
            Inputs::Held(input) => Ok(input.clone()),
            Inputs::Streamed(stream) => {
                let rows: Vec<i64> = (0..stream.len()).collect();
                let batches = rows.chunks(READ).map(<[i64]>::to_vec).collect();
                let all: Vec<usize> = (0..I::MODALITIES.len()).collect();
                let parts = stream.along(&all, batches)?.collect::<Result<Vec<Vec<Feature>>>>()?;
                let whole = |modality: usize| {
                    let parts: Vec<&Feature> = parts.iter().map(|part| &part[modality]).collect();
                    Feature::cat(&parts).to_device(stream.device)
                };
                I::from_features(all.into_iter().map(whole).collect())
            }
        }
    }

    /// All samples in their order, so many at a time, as data sets in memory. Streamed ones are read ahead, and come in
    /// smaller batches where [`Streaming::memory`] has no room for larger ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a batch is to be of no sample, or where no thread can be started; of the batches as
    /// [`Dataset::input`].
    pub fn batches(&self, size: i64) -> Result<Batches<'_, I>> {
        if size < 1 {
            return Err(Error::invalid(format!(
                "data set: batches of {size} samples were asked for, expected one at least"
            )));
        }
        let (size, ahead) = match &self.inputs {
            Inputs::Held(_) => (size, None),
            Inputs::Streamed(stream) => {
                let all: Vec<usize> = (0..I::MODALITIES.len()).collect();
                let size = size.min(stream.most(&all));
                let rows: Vec<i64> = (0..stream.len()).collect();
                let batches = rows.chunks(size as usize).map(<[i64]>::to_vec).collect();
                (size, Some(stream.along(&all, batches)?))
            }
        };
        Ok(Batches { data: self, size, start: 0, ahead })
    }

    /// The targets.
    pub fn target(&self) -> &Tensor {
        &self.target
    }

    /// The number of samples.
    pub fn len(&self) -> i64 {
        self.target.size()[0]
    }

    /// Whether there are no samples; [`Dataset::new`] sees to it that there are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `length` samples from `start` on, sharing the tensors.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are not all there.
    pub fn narrow(&self, start: i64, length: i64) -> Result<Self> {
        let end = start.checked_add(length).filter(|end| start >= 0 && length >= 1 && *end <= self.len());
        if end.is_none() {
            return Err(Error::invalid(format!(
                "data set: {length} samples from {start} on were asked for, there are {}",
                self.len()
            )));
        }
        self.map(
            |feature| feature.narrow(start, length),
            |stream| stream.narrow(start, length),
            self.target.narrow(0, start, length),
        )
    }

    /// The samples at the given rows, in that order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that does not exist, or where none is asked for.
    pub fn select(&self, rows: &[i64]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::invalid("data set: no row was asked for, and a data set has at least one"));
        }
        if let Some(row) = rows.iter().find(|row| !(0..self.len()).contains(row)) {
            return Err(Error::invalid(format!("data set: there is no row {row} among {}", self.len())));
        }
        let index = Tensor::from_slice(rows).to_kind(Kind::Int64).to_device(self.target.device());
        self.map(|feature| feature.select(&index), |stream| stream.select(rows), self.target.index_select(0, &index))
    }

    /// The same samples on `device`; streamed ones are moved there as they are read.
    ///
    /// # Errors
    /// None in practice: shapes stay as they are.
    pub fn to_device(&self, device: impl Into<Device>) -> Result<Self> {
        let device = device.into();
        self.map(|feature| feature.to_device(device), |stream| stream.to_device(device), self.target.to_device(device))
    }

    /// Another data set, made of this one where its inputs are.
    fn map(
        &self,
        held: impl Fn(&Feature) -> Feature,
        streamed: impl Fn(&Stream) -> Stream,
        target: Tensor,
    ) -> Result<Self> {
        let inputs = match &self.inputs {
            Inputs::Held(input) => Inputs::Held(I::from_features(input.features().iter().map(held).collect())?),
            Inputs::Streamed(stream) => Inputs::Streamed(streamed(stream)),
        };
        Ok(Self { inputs, target })
    }

    /// What the inputs are read from, where they do not lie in memory.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        match &self.inputs {
            Inputs::Held(_) => None,
            Inputs::Streamed(stream) => Some(stream),
        }
    }

    /// By modality, which samples have it, `[samples]` of `bool`; `None` where all do.
    pub(crate) fn present(&self) -> Vec<Option<Tensor>> {
        match &self.inputs {
            Inputs::Held(input) => input.features().into_iter().map(|feature| feature.present).collect(),
            Inputs::Streamed(stream) => (0..I::MODALITIES.len()).map(|modality| stream.present(modality)).collect(),
        }
    }

    /// Inputs to measure on, by batches of so many samples: all where they lie in memory, else the first few.
    pub(crate) fn some(&self, batch: i64) -> Result<I> {
        match &self.inputs {
            Inputs::Held(_) => self.input(),
            Inputs::Streamed(_) => self.narrow(0, batch.max(SOME).min(self.len()))?.input(),
        }
    }
}

/// The samples that a thread reads at once where all of a stream are wanted.
const READ: usize = 64;

/// The samples of a stream that measurements take turns through.
const SOME: i64 = 16;

/// The batches of a data set; see [`Dataset::batches`].
#[derive(Debug)]
pub struct Batches<'a, I> {
    data: &'a Dataset<I>,
    size: i64,
    start: i64,
    /// Of a streamed data set the inputs.
    ahead: Option<Ahead<Vec<Feature>>>,
}

impl<I: Input> Batches<'_, I> {
    /// The next samples in memory.
    fn batch(&mut self, length: i64) -> Result<Dataset<I>> {
        let (Inputs::Streamed(stream), Some(ahead)) = (&self.data.inputs, &mut self.ahead) else {
            return self.data.narrow(self.start, length);
        };
        let features = ahead.next().unwrap_or_else(|| Err(Error::invalid("data set: reading has ended early")))?;
        let features = features.iter().map(|feature| feature.to_device(stream.device)).collect();
        let target = self.data.target.narrow(0, self.start, length);
        Ok(Dataset { inputs: Inputs::Held(I::from_features(features)?), target })
    }
}

impl<I: Input> Iterator for Batches<'_, I> {
    type Item = Result<Dataset<I>>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.size.min(self.data.len() - self.start);
        if length < 1 {
            return None;
        }
        let batch = self.batch(length);
        // After an error there is no more to come.
        self.start = if batch.is_ok() { self.start + length } else { self.data.len() };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.data.len() - self.start).unsigned_abs();
        (0, usize::try_from(left.div_ceil(self.size.unsigned_abs())).ok())
    }
}

/// The sources in the order of the modalities.
///
/// # Errors
/// [`Error::Invalid`] with all that are not there, or that there are too many of.
fn in_order(modalities: &[&str], mut sources: Vec<(&str, Box<dyn Source>)>) -> Result<Vec<Box<dyn Source>>> {
    let mut faults = Vec::new();
    let mut found = Vec::new();
    for name in modalities {
        match sources.iter().position(|(other, _)| other == name) {
            Some(place) => found.push(sources.remove(place).1),
            None => faults.push(format!("there is none for `{name}`")),
        }
    }
    for (name, _) in &sources {
        faults.push(match modalities.contains(name) {
            true => format!("there are two for `{name}`"),
            false => format!("`{name}` is no modality of the spec"),
        });
    }
    if faults.is_empty() {
        return Ok(found);
    }
    let names: Vec<_> = modalities.iter().map(|name| format!("`{name}`")).collect();
    Err(Error::invalid(format!(
        "data set: expected one source for each of {}: {}",
        names.join(", "),
        faults.join(", ")
    )))
}

/// Refuses values that are not finite: a loss would follow them, and blame the learning rate.
fn check_finite(what: &str, feature: &Feature) -> Result<()> {
    let rows = not_finite(feature);
    match rows.first() {
        None => Ok(()),
        Some(first) => Err(Error::invalid(format!(
            "{what}: row {first} holds a value that is not finite (NaN or infinite), as do {} rows in all; repair or leave \
             them out",
            rows.len(),
        ))),
    }
}

/// The rows with a value that is not finite; padding steps are of no account.
fn not_finite(feature: &Feature) -> Vec<i64> {
    let Feature { tensor, mask, .. } = feature;
    // The sum of finite values is finite unless it overflows, and one pass over memory is all that most data need.
    if !tensor.is_floating_point() || tensor.sum(tensor.kind()).double_value(&[]).is_finite() {
        return Vec::new();
    }
    let mut wrong = tensor.isfinite().logical_not();
    if let Some(mask) = mask {
        wrong = wrong.logical_and(&over_steps(mask, tensor));
    }
    let rows =
        wrong.flatten(1.min(wrong.dim() as i64 - 1), -1).view([tensor.size()[0], -1]).any_dim(1, false).nonzero();
    (0..rows.size()[0]).map(|index| rows.int64_value(&[index, 0])).collect()
}

/// Whether an array's dimensions are those expected, where `-1` stands for any number.
fn dims_fit(found: &[i64], expected: &[i64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| [*found, -1].contains(expected))
}

/// Dimensions as an error shows them: `[?, 28, 28]`.
fn describe_dims(dims: &[i64]) -> String {
    let dims: Vec<_> = dims.iter().map(|dim| if *dim == -1 { "?".into() } else { dim.to_string() }).collect();
    format!("[{}]", dims.join(", "))
}

/// The number of elements of an array; `None` where a dimension is negative or their product too large to hold, be it
/// only for a dimension of none.
fn elements(dims: &[i64]) -> Option<usize> {
    let product = |least: i64| {
        dims.iter().try_fold(1_usize, |product, dim| {
            product.checked_mul(usize::try_from(if *dim == 0 { least } else { *dim }).ok()?)
        })
    };
    product(1).and(product(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use crate::network::Network;
    use crate::tiny::{Tiny, TinyInput, samples};

    #[test]
    fn rows_that_are_not_there_are_refused_whatever_their_number() {
        let data = samples(6, 1).unwrap().train;
        for (start, length) in [(i64::MAX, 1), (1, i64::MAX), (i64::MIN, i64::MIN), (-1, 2), (0, 0), (0, 7), (6, 1)] {
            assert!(data.narrow(start, length).is_err(), "{start}, {length}");
        }
        assert_eq!(data.narrow(2, 4).unwrap().len(), 4);
        for rows in [&[][..], &[6], &[0, -1], &[i64::MAX], &[i64::MIN]] {
            assert!(data.select(rows).is_err(), "{rows:?}");
        }
        assert_eq!(data.select(&[5, 5, 0]).unwrap().len(), 3);
    }

    #[test]
    fn values_that_are_not_finite_are_named_with_their_row() {
        let target = || Tensor::zeros([4], (Kind::Int64, tch::Device::Cpu));
        let with = |value: f64| {
            let left = Tensor::ones([4, 6], tch::kind::FLOAT_CPU);
            let _ = left.get(2).get(5).fill_(value);
            let right = Tensor::ones([4, 5], tch::kind::FLOAT_CPU);
            let input = TinyInput { left: Batch::new(left).unwrap(), right: Batch::new(right).unwrap() };
            Dataset::new(input, target(), Tiny::description().task)
        };
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = with(value).unwrap_err().to_string();
            assert!(error.starts_with("data set, modality `left`: row 2 holds a value that is not finite"), "{error}");
        }
        // Finite values are taken, also those whose sum is not.
        assert!(with(3e38).is_ok());
        let all = Tensor::full([4, 6], 3e38, tch::kind::FLOAT_CPU);
        let input = TinyInput {
            left: Batch::new(all).unwrap(),
            right: Batch::new(Tensor::ones([4, 5], tch::kind::FLOAT_CPU)).unwrap(),
        };
        assert!(Dataset::new(input, target(), Tiny::description().task).is_ok());
    }
}
