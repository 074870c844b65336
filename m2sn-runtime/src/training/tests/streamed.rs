//! Trainings whose samples are read as they are needed.

use super::*;
use crate::data::{Dataset, Held, Source, Streaming};
use crate::network::Input;
use crate::tiny::{Lacking, TinyOf};

/// A tensor of which rows are read, as from a disk that takes its time now and then.
#[derive(Debug)]
struct Slow {
    held: Held,
    /// A row that cannot be read.
    broken: Option<i64>,
}

impl Source for Slow {
    fn samples(&self) -> i64 {
        self.held.samples()
    }

    fn read(&self, rows: &[i64]) -> Result<Feature> {
        if rows[0] % 5 == 0 {
            std::thread::sleep(std::time::Duration::from_micros(300));
        }
        match self.broken.filter(|broken| rows.contains(broken)) {
            Some(row) => Err(Error::file(format!("{row}.png"), "is no image")),
            None => self.held.read(rows),
        }
    }

    fn present(&self) -> Option<Vec<bool>> {
        self.held.present()
    }

    fn fingerprint(&self) -> Result<String> {
        self.held.fingerprint()
    }
}

/// The same samples, of which memory holds a tenth.
fn streamed(data: &Splits<TinyInput>, workers: usize, broken: Option<i64>) -> Splits<TinyInput> {
    let of = |data: &Dataset<TinyInput>| {
        let features = data.input().unwrap().features();
        let bytes: usize = features.iter().map(|feature| feature.tensor.numel() * 4).sum();
        let source = |feature| -> Box<dyn Source> { Box::new(Slow { held: Held::new(feature), broken }) };
        let sources = TinyInput::MODALITIES.iter().copied().zip(features.into_iter().map(source)).collect();
        let data = Dataset::streamed(sources, data.target().shallow_clone(), Tiny::description().task).unwrap();
        data.streaming(Streaming { memory: bytes as u64 / 10, workers })
    };
    Splits { train: of(&data.train), valid: of(&data.valid) }
}

/// Samples some of which lack one of the modalities.
fn incomplete() -> Splits<TinyInput> {
    let without = |data: &Dataset<TinyInput>| {
        let samples = data.len();
        let rows = Tensor::arange(samples, (tch::Kind::Int64, tch::Device::Cpu)).remainder(5);
        let features = data.input().unwrap().features();
        let features = features.iter().zip(1..).map(|(feature, rest)| feature.without(&rows.eq(rest)));
        let input = TinyInput::from_features(features.collect()).unwrap();
        Dataset::new(input, data.target().shallow_clone(), Tiny::description().task).unwrap()
    };
    let Splits { train, valid } = data();
    Splits { train: without(&train), valid: without(&valid) }
}

/// A whole training by this plan, its report without the time it took.
fn trained<const LACKING: bool>(plan: &Plan, data: &Splits<TinyInput>) -> (Values, Vec<Epoch>) {
    let mut network = TinyOf::<LACKING>::seeded(Device::Cpu, 1).unwrap();
    let report = trainer(plan.clone()).train(&mut network, data, &mut Progress::silent()).unwrap();
    let phases = report.stages.into_iter().flat_map(|stage| stage.phases);
    let epochs = phases.flat_map(|phase| phase.epochs).map(|epoch| Epoch { seconds: 0.0, ..epoch });
    (values(&network), epochs.collect())
}

/// Two epochs a stage, in steps of at most eight samples: those of which memory holds two.
fn plan(method: Method, policy: Policy, from: Reads) -> Plan {
    let mut plan = short();
    plan.shortcuts.method = method;
    (plan.navigator.policy, plan.navigator.from) = (policy, from);
    for stage in plan.stages_mut() {
        stage.batch = 8;
    }
    plan
}

#[test]
fn ten_times_more_than_memory_holds_is_learned_from_as_in_memory() {
    alone("streamed::ten_times_more_than_memory_holds_is_learned_from_as_in_memory", || {
        let same =
            |plan: &Plan, data: &Splits<TinyInput>, train: fn(&Plan, &Splits<TinyInput>) -> (Values, Vec<Epoch>)| {
                let expected = train(plan, data);
                for workers in [1, 3] {
                    let found = train(plan, &streamed(data, workers, None));
                    assert_eq!(changed(&expected.0, &found.0), Vec::<String>::new());
                    assert_eq!(found.1, expected.1);
                }
            };
        for (method, policy) in [
            (Method::Integral, Policy::Paper),
            (Method::Peripheral, Policy::Value),
            (Method::Joint, Policy::Sequential),
            (Method::Joint, Policy::Confidence),
        ] {
            same(&plan(method, policy, Reads::Inputs), &data(), trained::<false>);
        }
        for reads in [Reads::Stem, Reads::Posterior] {
            same(&plan(Method::Integral, Policy::Paper, reads), &data(), trained::<false>);
        }
        for method in [Method::Integral, Method::Joint] {
            same(&plan(method, Policy::Paper, Reads::Inputs), &incomplete(), trained::<true>);
        }
    });
}

#[test]
fn a_sample_that_cannot_be_read_ends_the_training_and_is_named() {
    let mut network = network(1);
    let broken = streamed(&data(), 2, Some(60));
    let error = trainer(short()).train(&mut network, &broken, &mut Progress::silent()).unwrap_err().to_string();
    assert_eq!(error, "60.png: is no image");
    let incomplete = streamed(&incomplete(), 2, None);
    let error = trainer(short()).train(&mut network, &incomplete, &mut Progress::silent()).unwrap_err().to_string();
    assert!(error.starts_with("modality `left`: row 1 lacks it, and `tiny.yaml` does not say"), "{error}");
    let mut lacking = Lacking::new(Device::Cpu).unwrap();
    trainer(short()).pretrain(&mut lacking, &incomplete, &mut Progress::silent()).unwrap();
}

#[test]
fn a_run_folder_knows_streamed_data_by_their_sources_and_rows() {
    alone("streamed::a_run_folder_knows_streamed_data_by_their_sources_and_rows", || {
        let folder = tempfile::tempdir().unwrap();
        let whole = trained::<false>(&short(), &data()).0;
        let trainer = trainer(short()).folder(folder.path());
        let begin = || Tiny::seeded(Device::Cpu, 1).unwrap();
        let stop = |epoch: &Epoch| match epoch.phase.as_str() {
            "shortcuts/left/second" => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let here = streamed(&data(), 3, None);
        trainer.train(&mut begin(), &here, &mut Progress::silent().observed(stop)).unwrap_err();

        let refused = |data: &Splits<TinyInput>| {
            trainer.train(&mut begin(), data, &mut Progress::silent()).unwrap_err().to_string()
        };
        let Splits { train, valid } = streamed(&data(), 1, None);
        let reversed: Vec<i64> = (0..train.len()).rev().collect();
        let train = train.select(&reversed).unwrap();
        let error = refused(&Splits { train, valid });
        assert!(error.contains("train.rows_sha256: ") && error.contains("train.target_sha256: "), "{error}");
        assert!(!error.contains("source"), "{error}");
        let Splits { train, valid } = data();
        let shifted = valid.input().unwrap().features().into_iter().map(|feature| (feature.tensor + 1.0).into());
        let input = TinyInput::from_features(shifted.collect()).unwrap();
        let valid = Dataset::new(input, valid.target().shallow_clone(), Tiny::description().task).unwrap();
        let other = Splits { train, valid };
        let error = refused(&streamed(&other, 1, None));
        assert!(error.contains("valid.source.left: ") && !error.contains("train."), "{error}");
        assert!(refused(&data()).contains("train.input_sha256: null in the folder"));

        // Another number of threads is the same run.
        let mut resumed = begin();
        trainer.train(&mut resumed, &streamed(&data(), 1, None), &mut Progress::silent()).unwrap();
        assert_eq!(changed(&whole, &values(&resumed)), Vec::<String>::new());
    });
}
