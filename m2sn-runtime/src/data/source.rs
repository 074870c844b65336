//! Where samples come from that are not all held in memory.

use std::sync::{Mutex, PoisonError};

use tch::{Kind, Tensor};

use crate::Result;
use crate::batch::Feature;
use crate::checkpoint::tensors::sha256_of;

/// One modality of a data set whose samples are read when they are needed: images of a folder, say, or rows of a file.
///
/// [`crate::data::Dataset::streamed`] joins one source a modality. Rows are asked for in any order, more than once, and
/// by several threads at a time; the same row is the same sample each time. Sources draw nothing from LibTorch's random
/// generator: there is one a process, and trainings owe it that they can be repeated.
///
/// ```
/// use m2sn_runtime::tch::{Device, Kind, Tensor};
/// use m2sn_runtime::{Result, batch::Feature, data::Source};
///
/// /// The binary digits of each row's number.
/// struct Digits {
///     samples: i64,
/// }
///
/// impl Source for Digits {
///     fn samples(&self) -> i64 {
///         self.samples
///     }
///
///     fn read(&self, rows: &[i64]) -> Result<Feature> {
///         let digits: Vec<f32> = rows.iter().flat_map(|row| (0..8).map(move |digit| (row >> digit & 1) as f32)).collect();
///         Ok(Tensor::from_slice(&digits).view([-1, 8]).into())
///     }
///
///     fn fingerprint(&self) -> Result<String> {
///         Ok("binary digits, least first".into())
///     }
/// }
/// ```
pub trait Source: Send + Sync {
    /// The number of samples.
    fn samples(&self) -> i64;

    /// Reads the samples at these rows, in this order: `[rows, …]`, on the processor.
    ///
    /// All samples have the same dimensions, and either all of them have a mask or none.
    ///
    /// # Errors
    /// Whatever keeps a sample from being read, with its file and row. It ends the training, or whatever else has asked.
    fn read(&self, rows: &[i64]) -> Result<Feature>;

    /// Which samples have the modality at all; `None` where all do. Of those that do not, [`Source::read`] may return
    /// anything that has the right shape.
    fn present(&self) -> Option<Vec<bool>> {
        None
    }

    /// What tells this source from another, whose samples differ: the SHA-256 of its files, say, and its settings.
    ///
    /// A run folder knows by it that it goes on with the data it has begun with.
    ///
    /// # Errors
    /// Where files that it is taken of cannot be read.
    fn fingerprint(&self) -> Result<String>;
}

/// How samples are read that do not lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streaming {
    /// The bytes that samples may take which have been read, or are being read, and are not done with: as tensors, without
    /// what a source needs to make them. One batch there is, whatever its size.
    pub memory: u64,
    /// The threads that read. Their number changes nothing but the speed.
    pub workers: usize,
}

impl Default for Streaming {
    /// 1 GiB, and as many threads as the machine runs at a time, up to eight.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory: 1 << 30, workers: threads.min(8) }
    }
}

/// A modality that lies in memory, beside others that are streamed.
#[derive(Debug)]
pub struct Held {
    // One thread at a time: tensors can be handed on between threads, and not shared.
    feature: Mutex<Feature>,
    samples: i64,
    present: Option<Vec<bool>>,
}

impl Held {
    /// These samples; see [`crate::Batch::into_feature`].
    pub fn new(feature: Feature) -> Self {
        let flags = |present: &Tensor| {
            let present = present.to_kind(Kind::Uint8).to_device(tch::Device::Cpu).contiguous();
            let mut flags = vec![0_u8; present.numel()];
            present.copy_data(&mut flags, present.numel());
            flags.into_iter().map(|flag| flag != 0).collect()
        };
        Self { samples: feature.len(), present: feature.present.as_ref().map(flags), feature: Mutex::new(feature) }
    }
}

impl Source for Held {
    fn samples(&self) -> i64 {
        self.samples
    }

    fn read(&self, rows: &[i64]) -> Result<Feature> {
        let feature = self.feature.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = Tensor::from_slice(rows).to_device(feature.tensor.device());
        Ok(feature.select(&rows).to_device(tch::Device::Cpu))
    }

    fn present(&self) -> Option<Vec<bool>> {
        self.present.clone()
    }

    fn fingerprint(&self) -> Result<String> {
        let feature = self.feature.lock().unwrap_or_else(PoisonError::into_inner);
        let Feature { tensor, mask, present } = &*feature;
        let hashes = [Some(tensor), mask.as_ref(), present.as_ref()].into_iter().flatten().map(sha256_of);
        Ok(hashes.collect::<Result<Vec<_>>>()?.join(" "))
    }
}
