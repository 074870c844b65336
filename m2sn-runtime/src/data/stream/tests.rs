//! What is streamed is what lies in memory, and what cannot be used is named.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tch::kind::FLOAT_CPU;

use super::*;
use crate::Batch;
use crate::data::{By, Dataset};
use crate::network::{Input, Network};
use crate::shape::Sequence;
use crate::task::Task;
use crate::tiny::{Tiny, TinyInput, samples, streamed};

/// A source whose rows are what a function makes of them.
struct Made<F> {
    samples: i64,
    present: Option<Vec<bool>>,
    make: F,
}

impl<F: Fn(&[i64]) -> Result<Feature> + Send + Sync> Source for Made<F> {
    fn samples(&self) -> i64 {
        self.samples
    }

    fn read(&self, rows: &[i64]) -> Result<Feature> {
        (self.make)(rows)
    }

    fn present(&self) -> Option<Vec<bool>> {
        self.present.clone()
    }

    fn fingerprint(&self) -> Result<String> {
        panic!("nobody wants to know")
    }
}

fn made(make: impl Fn(&[i64]) -> Result<Feature> + Send + Sync + 'static) -> Box<dyn Source> {
    Box::new(Made { samples: 10, present: None, make })
}

/// Rows of `width` equal values, which are their numbers.
fn numbered(rows: &[i64], width: i64) -> Feature {
    Tensor::from_slice(rows).to_kind(Kind::Float).unsqueeze(1).repeat([1, width]).into()
}

fn target(samples: i64) -> Tensor {
    Tensor::arange(samples, (Kind::Int64, Device::Cpu)).remainder(3)
}

/// Ten samples of [`TinyInput`], of which this is the left modality.
fn with_left(left: Box<dyn Source>) -> Result<Dataset<TinyInput>> {
    let right = made(|rows| Ok(numbered(rows, 5)));
    Dataset::streamed(vec![("right", right), ("left", left)], target(10), Tiny::description().task)
}

fn values(data: &Dataset<TinyInput>) -> [Tensor; 3] {
    let TinyInput { left, right } = data.input().unwrap();
    [left.tensor().copy(), right.tensor().copy(), data.target().copy()]
}

#[test]
fn parts_and_batches_are_those_of_the_same_samples_in_memory() {
    let held = samples(100, 1).unwrap().train;
    let streamed = streamed(&held).unwrap();
    let rows = [99, 0, 0, 57, 3];
    let part = |data: &Dataset<TinyInput>| data.part(0.3, By::Class, 4).unwrap();
    for (held, streamed) in [
        (held.narrow(0, 100), streamed.narrow(0, 100)),
        (held.narrow(40, 17), streamed.narrow(40, 17)),
        (held.select(&rows), streamed.select(&rows)),
        (Ok(part(&held).0), Ok(part(&streamed).0)),
        (part(&held).1.select(&[3, 1]), part(&streamed).1.select(&[3, 1])),
        (held.to_device(Device::Cpu), streamed.to_device(Device::Cpu)),
    ] {
        let (held, streamed) = (held.unwrap(), streamed.unwrap());
        assert_eq!(values(&held), values(&streamed));
        for (size, memory, workers) in [(7, 1 << 20, 3), (1, 1 << 20, 1), (64, 500, 2), (200, 0, 0)] {
            let streamed = streamed.narrow(0, streamed.len()).unwrap().streaming(Streaming { memory, workers });
            let batches: Vec<_> = streamed.batches(size).unwrap().map(|batch| batch.unwrap()).collect();
            // A sample of both modalities takes 44 bytes.
            let most = size.min(memory as i64 / 44).max(1);
            assert!(batches.iter().all(|batch| batch.len() <= most && batch.stream().is_none()));
            assert_eq!(batches.len() as i64, (held.len() + most - 1) / most);
            let whole: [Vec<Tensor>; 3] =
                [0, 1, 2].map(|part| batches.iter().map(|batch| values(batch)[part].shallow_clone()).collect());
            assert_eq!(whole.map(|parts| Tensor::cat(&parts, 0)), values(&held));
        }
    }
    let in_memory: Vec<_> = held.batches(30).unwrap().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(in_memory, [30, 30, 30, 10]);
    assert!(held.batches(0).is_err() && streamed.batches(-1).is_err());
    let all = Streaming { memory: u64::MAX, workers: usize::MAX };
    for data in [held, streamed.streaming(all)] {
        assert_eq!(data.batches(i64::MAX).unwrap().map(|batch| batch.unwrap().len()).collect::<Vec<_>>(), [100]);
    }
}

#[test]
fn threads_read_at_a_time_what_memory_holds_and_no_more() {
    // The rows that are being read, and the most that ever were.
    let counts = Arc::new(Mutex::new([0, 0]));
    let here = Arc::clone(&counts);
    let left = made(move |rows| {
        let start = Instant::now();
        {
            let mut counts = here.lock().unwrap();
            counts[0] += rows.len();
            counts[1] = counts[1].max(counts[0]);
        }
        // Others have their time to come, and where they do there is no more to wait for.
        while here.lock().unwrap()[1] < 4 && start.elapsed() < Duration::from_millis(100) {
            std::thread::sleep(Duration::from_millis(1));
        }
        here.lock().unwrap()[0] -= rows.len();
        Ok(numbered(rows, 6))
    });
    let data = with_left(left).unwrap();
    for (memory, least, most) in [(44 * 100, 4, 10), (44 * 5, 4, 4), (44 * 3, 2, 2), (0, 2, 2)] {
        counts.lock().unwrap()[1] = 0;
        let data = data.narrow(0, 10).unwrap().streaming(Streaming { memory, workers: 8 });
        let batches = (0..10).collect::<Vec<i64>>().chunks(2).map(<[i64]>::to_vec).collect();
        assert_eq!(data.stream().unwrap().along(&[0, 1], batches).unwrap().map(Result::unwrap).count(), 5);
        let found = counts.lock().unwrap()[1];
        assert!((least..=most).contains(&found), "{found} rows of {memory} bytes");
    }
}

#[test]
fn sources_have_to_be_those_of_the_modalities() {
    let of = |names: &[&'static str]| {
        let sources = names.iter().map(|name| (*name, made(|rows| Ok(numbered(rows, 6))))).collect();
        Dataset::<TinyInput>::streamed(sources, target(10), Tiny::description().task).unwrap_err().to_string()
    };
    assert_eq!(
        of(&["left", "left", "up"]),
        "data set: expected one source for each of `left`, `right`: there is none for `right`, there are two for `left`, \
         `up` is no modality of the spec"
    );
    // The first sample is checked at once.
    assert_eq!(of(&["left", "right"]), "batch of `Vector<5>`: expected [batch, 5] of Float, found [1, 6] of Float");

    let sources = vec![("left", made(|rows| Ok(numbered(rows, 6)))), ("right", made(|rows| Ok(numbered(rows, 5))))];
    let message = Dataset::<TinyInput>::streamed(sources, target(9), Tiny::description().task).unwrap_err().to_string();
    assert_eq!(message, "data set, modality `left`: expected 9 samples, as in the target, found 10 samples");
    let none = Tensor::zeros([0], (Kind::Int64, Device::Cpu));
    let message = Dataset::<TinyInput>::streamed(Vec::new(), none, Tiny::description().task).unwrap_err().to_string();
    assert_eq!(message, "data set: there are no samples");
}

/// What is said where the sample at row 7, whose feature is made by `make`, is read with others.
fn said(make: impl Fn(Feature) -> Result<Feature> + Send + Sync + 'static) -> String {
    let left = made(move |rows| {
        let feature = numbered(rows, 6);
        if rows.contains(&7) { make(feature) } else { Ok(feature) }
    });
    let data = with_left(left).unwrap().select(&[9, 1, 7, 8]).unwrap();
    let message = data.input().unwrap_err().to_string();
    let batches = || data.batches(4).unwrap();
    assert_eq!(batches().try_for_each(|batch| batch.map(drop)).unwrap_err().to_string(), message);
    assert_eq!(batches().count(), 1, "an error is the end");
    data.select(&[0, 1]).unwrap().input().unwrap();
    message
}

#[test]
fn samples_that_cannot_be_used_are_named_by_their_row_in_the_source() {
    let place = "data set, modality `left`: row 9 or one of 3 read with it";
    assert_eq!(said(|_| Err(Error::file("7.png", "is no image"))), "7.png: is no image");
    assert_eq!(said(|_| panic!("index out of bounds")), format!("{place}: reading panicked: index out of bounds"));
    assert_eq!(
        said(|feature| Ok(feature.narrow(0, 3))),
        format!("{place}: expected [4, …]: one sample a row, found [3, 6] of Float")
    );
    assert_eq!(
        said(|feature| Ok(feature.tensor.narrow(1, 0, 5).into())),
        format!("{place}: expected [4, 6] of Float, as in the first sample, found [4, 5] of Float")
    );
    assert_eq!(
        said(|feature| Ok(feature.tensor.to_kind(Kind::Double).into())),
        format!("{place}: expected [4, 6] of Float, as in the first sample, found [4, 6] of Double")
    );
    assert!(said(|_| Ok(Tensor::new().into())).ends_with("found an undefined tensor"));
    assert!(said(|feature| Ok(feature.tensor.to_sparse_sparse_dim(2).into())).ends_with("Float, sparse"));
    let with = |value: f64| {
        move |feature: Feature| {
            let _ = feature.tensor.get(2).get(4).fill_(value);
            Ok(feature)
        }
    };
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            said(with(value)),
            "data set, modality `left`: row 7 holds a value that is not finite (NaN or infinite); repair the sample or \
             leave it out"
        );
    }
    let marked = |feature: Feature| {
        let present = Tensor::from_slice(&[true, true, false, true]);
        Ok(Feature { present: Some(present), ..feature })
    };
    assert_eq!(
        said(marked),
        "data set, modality `left`: row 7 is missing, and `Source::present` does not say so; say it there, or leave the \
         sample out"
    );
    let masked =
        |feature: Feature| Ok(Feature { mask: Some(Tensor::ones([4, 6], (Kind::Bool, Device::Cpu))), ..feature });
    assert_eq!(
        said(masked),
        format!("{place}: expected no mask of padding, as of the first sample, found [4, 6] of Bool")
    );
}

#[test]
fn a_source_that_panics_at_once_is_an_error() {
    let message = with_left(made(|_| panic!("no disk"))).unwrap_err().to_string();
    assert_eq!(message, "data set, modality `left`: row 0: reading panicked: no disk");
    let data = with_left(made(|rows| Ok(numbered(rows, 6)))).unwrap();
    let message = data.stream().unwrap().fingerprints().unwrap_err().to_string();
    assert_eq!(message, "data set, modality `left`: reading panicked: nobody wants to know");
}

#[test]
fn what_is_missing_is_blank_and_marked() {
    let present: Vec<bool> = (0..10).map(|row| row % 4 != 2).collect();
    let left = |present: Option<Vec<bool>>| -> Box<dyn Source> {
        let make = |rows: &[i64]| {
            // What stands for missing samples is of no account.
            let feature = numbered(rows, 6);
            for (place, row) in rows.iter().enumerate().filter(|(_, row)| **row % 4 == 2) {
                let _ = feature.tensor.get(place as i64).fill_(if *row == 2 { f64::NAN } else { 1.0 });
            }
            Ok(feature)
        };
        Box::new(Made { samples: 10, present, make })
    };
    let data = with_left(left(Some(present))).unwrap();
    assert_eq!(
        data.present()[0],
        Some(Tensor::from_slice(&[true, true, false, true, true, true, false, true, true, true]))
    );
    assert_eq!(data.present()[1], None);
    let part = data.select(&[6, 2, 5]).unwrap();
    assert_eq!(part.present()[0], Some(Tensor::from_slice(&[false, false, true])));
    let TinyInput { left: found, .. } = part.input().unwrap();
    assert_eq!(found.present(), part.present()[0].as_ref());
    assert_eq!(Vec::<f32>::try_from(found.tensor().select(1, 0)).unwrap(), [0.0, 0.0, 5.0]);

    let message = with_left(left(Some(vec![true; 9]))).unwrap_err().to_string();
    assert_eq!(message, "data set, modality `left`: expected of 10 samples whether they are present, found of 9");
}

/// Inputs of a single modality with padding.
#[derive(Debug, Clone)]
struct Steps {
    steps: Batch<Sequence<3, 2>>,
}

impl Input for Steps {
    const MODALITIES: &'static [&'static str] = &["steps"];

    fn features(&self) -> Vec<Feature> {
        vec![self.steps.feature()]
    }

    fn from_features(mut features: Vec<Feature>) -> Result<Self> {
        Ok(Self { steps: Batch::try_from_feature(features.remove(0))? })
    }
}

#[test]
fn padding_is_as_in_memory() {
    let padded = || {
        let tensor = Tensor::arange(60, FLOAT_CPU).view([10, 3, 2]);
        let mask = Tensor::arange(30, (Kind::Int64, Device::Cpu)).remainder(4).ne(1).view([10, 3]);
        let blank = mask.logical_not().unsqueeze(-1);
        Feature { mask: Some(mask), ..tensor.masked_fill(&blank, f64::NAN).into() }
    };
    let of = |change: fn(Feature) -> Feature| {
        let source = Mutex::new(padded());
        let make = move |rows: &[i64]| {
            let feature = source.lock().unwrap().select(&Tensor::from_slice(rows));
            Ok(if rows.contains(&4) { change(feature) } else { feature })
        };
        let data =
            Dataset::<Steps>::streamed(vec![("steps", made(make))], target(10), Task::Classification { classes: 3 });
        data.unwrap().input()
    };
    let Feature { tensor, mask, .. } = padded();
    let expected = Batch::<Sequence<3, 2>>::with_mask(tensor, mask.as_ref().unwrap()).unwrap();
    let found = of(|feature| feature).unwrap().steps;
    assert_eq!((found.tensor(), found.mask()), (expected.tensor(), expected.mask()));

    let message = |change| of(change).unwrap_err().to_string();
    let place = "data set, modality `steps`: row 0 or one of 9 read with it";
    assert_eq!(
        message(|feature| Feature { mask: None, ..feature }),
        format!("{place}: expected a mask of padding, as of the first sample, found none")
    );
    let text = message(|feature| Feature { mask: feature.mask.map(|mask| mask.to_kind(Kind::Float)), ..feature });
    assert_eq!(text, format!("{place}: expected a mask [10, 3] of Bool, found [10, 3] of Float"));
    let text = message(|feature| {
        let _ = feature.mask.as_ref().unwrap().get(4).fill_(0);
        feature
    });
    assert_eq!(text, "data set, modality `steps`: row 4 has no real step, expected at least one");
}

#[test]
fn reading_can_be_left_at_any_time() {
    let slow = made(|rows| {
        std::thread::sleep(Duration::from_millis(5));
        Ok(numbered(rows, 6))
    });
    let data = with_left(slow).unwrap().streaming(Streaming { memory: 1 << 20, workers: 4 });
    for taken in 0..3 {
        assert_eq!(
            data.batches(2).unwrap().take(taken).map(|batch| batch.unwrap().len()).sum::<i64>(),
            2 * taken as i64
        );
    }
    // What was left behind is no hindrance to reading again.
    assert_eq!(data.input().unwrap().left.len(), 10);
}
