//! What stages read of the inputs: from memory, or from where they are streamed, ahead of the steps that need them.

use std::ops::Range;
use std::vec::IntoIter;

use tch::{Device, Tensor};

use super::cache::Features;
use crate::batch::Feature;
use crate::data::{Ahead, Stream};
use crate::network::Modality;
use crate::{Error, Result};

/// One modality of some samples.
#[derive(Debug)]
pub(crate) enum Inputs {
    Held(Features<'static>),
    Streamed(Streamed),
}

/// One modality of samples that are read whenever they are needed.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) stream: Stream,
    pub(crate) modality: usize,
    pub(crate) described: &'static Modality,
    pub(crate) device: Device,
}

/// What a stage reads batch by batch: inputs, or cached features.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read<'a> {
    Held(&'a Features<'a>),
    Streamed(&'a Streamed),
}

/// Some samples, by their places in a data set.
#[derive(Debug)]
pub(crate) enum Rows {
    /// `[n]` of `i64`.
    At(Tensor),
    Range(Range<i64>),
}

/// Batches of the same samples of one or several modalities, in an order that is known beforehand.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    reads: Vec<Read<'a>>,
    batches: IntoIter<Rows>,
    /// What is streamed of each batch.
    ahead: Option<Ahead<Vec<Feature>>>,
}

impl Inputs {
    pub(crate) fn read(&self) -> Read<'_> {
        match self {
            Self::Held(features) => Read::Held(features),
            Self::Streamed(streamed) => Read::Streamed(streamed),
        }
    }

    /// Which samples are there, `[samples]` of `bool`, wherever they lie; `None` where all are.
    pub(crate) fn present(&self) -> Option<Tensor> {
        match self {
            Self::Held(features) => features.present().map(Tensor::shallow_clone),
            Self::Streamed(Streamed { stream, modality, .. }) => stream.present(*modality),
        }
    }

    /// The same once more, where they lie.
    pub(crate) fn all(&self) -> Self {
        match self {
            Self::Held(features) => Self::Held(features.all()),
            Self::Streamed(streamed) => Self::Streamed(Streamed { stream: streamed.stream.clone(), ..*streamed }),
        }
    }

    /// Those at `rows`, `[n]` of `i64`, where they lie.
    ///
    /// # Errors
    /// Where LibTorch cannot read the rows.
    pub(crate) fn only(&self, rows: &Tensor) -> Result<Self> {
        Ok(match self {
            Self::Held(features) => Self::Held(features.only(rows)),
            Self::Streamed(streamed) => {
                let stream = streamed.stream.select(&Rows::At(rows.shallow_clone()).numbers()?);
                Self::Streamed(Streamed { stream, ..*streamed })
            }
        })
    }
}

impl Read<'_> {
    pub(crate) fn len(&self) -> i64 {
        match self {
            Self::Held(features) => features.len(),
            Self::Streamed(Streamed { stream, .. }) => stream.len(),
        }
    }
}

impl Rows {
    /// The places one by one.
    fn numbers(&self) -> Result<Vec<i64>> {
        Ok(match self {
            Self::At(rows) => Vec::try_from(rows.to_device(Device::Cpu))?,
            Self::Range(range) => range.clone().collect(),
        })
    }
}

impl<'a> Reading<'a> {
    /// Reads these batches; what is streamed is of the same samples in each of `reads`.
    ///
    /// # Errors
    /// Where no thread can be started that reads ahead.
    pub(crate) fn new(reads: Vec<Read<'a>>, batches: Vec<Rows>) -> Result<Self> {
        let streamed = |read: &Read<'a>| match *read {
            Read::Streamed(streamed) => Some(streamed),
            Read::Held(_) => None,
        };
        let modalities: Vec<usize> = reads.iter().filter_map(streamed).map(|streamed| streamed.modality).collect();
        let ahead = match reads.iter().find_map(streamed) {
            Some(Streamed { stream, .. }) => {
                let batches = batches.iter().map(Rows::numbers).collect::<Result<_>>()?;
                Some(stream.along(&modalities, batches)?)
            }
            None => None,
        };
        Ok(Self { reads, batches: batches.into_iter(), ahead })
    }

    /// The next batch, on the device: a field for each of `reads`. Whoever asks for it has done with the one before.
    ///
    /// # Errors
    /// Those of the sources, and of samples that the network cannot take.
    pub(crate) fn next(&mut self) -> Result<Vec<Feature>> {
        let ended = || Error::invalid("data set: there is no further batch to read");
        let rows = self.batches.next().ok_or_else(ended)?;
        let mut streamed = match &mut self.ahead {
            Some(ahead) => ahead.next().ok_or_else(ended)??,
            None => Vec::new(),
        }
        .into_iter();
        let mut read = |read: &Read<'_>| match (*read, &rows) {
            (Read::Held(features), Rows::At(rows)) => Ok(features.rows(rows)),
            (Read::Held(features), Rows::Range(range)) => Ok(features.range(range.clone())),
            (Read::Streamed(Streamed { stream, described, device, .. }), rows) => {
                let feature = streamed.next().ok_or_else(ended)?;
                let row = |row: i64| match rows {
                    Rows::At(rows) => stream.rows()[rows.int64_value(&[row]) as usize],
                    Rows::Range(range) => stream.rows()[(range.start + row) as usize],
                };
                described.check_tokens(&feature.tensor, row)?;
                Ok(feature.to_device(*device))
            }
        };
        self.reads.iter().map(&mut read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use crate::data::{Dataset, Held, Source};
    use crate::network::{Input, Network};
    use crate::shape::Tokens;
    use crate::task::Task;
    use crate::tiny::Tiny;

    /// Inputs of a single modality of tokens.
    #[derive(Debug, Clone)]
    struct Words {
        words: Batch<Tokens<2>>,
    }

    impl Input for Words {
        const MODALITIES: &'static [&'static str] = &["words"];

        fn features(&self) -> Vec<Feature> {
            vec![self.words.feature()]
        }

        fn from_features(mut features: Vec<Feature>) -> Result<Self> {
            Ok(Self { words: Batch::try_from_feature(features.remove(0))? })
        }
    }

    static WORDS: std::sync::LazyLock<Modality> = std::sync::LazyLock::new(|| Modality {
        name: "words",
        vocabulary: Some(19),
        ..Tiny::description().modalities[0]
    });

    #[test]
    fn a_token_that_the_network_does_not_know_is_named_by_its_row_in_the_source() {
        // Row 9 is [18, 19].
        let tokens = Tensor::arange(20, (tch::Kind::Int64, Device::Cpu)).view([10, 2]);
        let source: Box<dyn Source> = Box::new(Held::new(tokens.shallow_clone().into()));
        let target = Tensor::zeros([10], (tch::Kind::Int64, Device::Cpu));
        let data = Dataset::<Words>::streamed(vec![("words", source)], target, Task::Classification { classes: 2 });
        let data = data.unwrap().select(&[3, 9, 4, 0]).unwrap();
        let inputs = Inputs::Streamed(Streamed {
            stream: data.stream().unwrap().clone(),
            modality: 0,
            described: &WORDS,
            device: Device::Cpu,
        });
        let batches = || vec![Rows::At(Tensor::from_slice(&[3i64, 2])), Rows::Range(0..2)];
        let mut reading = Reading::new(vec![inputs.read()], batches()).unwrap();
        let first = reading.next().unwrap().remove(0).tensor;
        assert_eq!(first, tokens.index_select(0, &Tensor::from_slice(&[0i64, 4])));
        let message = reading.next().unwrap_err().to_string();
        let expected = "modality `words`: row 9 holds the token id 19, expected 0 to 18, the vocabulary of its spec";
        assert_eq!(message, expected);

        // The same from memory, where data are checked as a whole before they are read.
        let held =
            Inputs::Held(Features::borrowed(tokens.into(), Device::Cpu)).only(&Tensor::from_slice(&[3i64, 9, 4, 0]));
        let held = held.unwrap();
        let mut reading = Reading::new(vec![held.read()], batches()).unwrap();
        assert_eq!(reading.next().unwrap().remove(0).tensor, first);
        assert_eq!(reading.next().unwrap().remove(0).tensor.int64_value(&[1, 1]), 19);
        assert!(reading.next().is_err());
    }
}
