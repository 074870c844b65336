//! Whatever is evaluated on samples in memory comes to the same where they are streamed.

use super::*;
use crate::checkpoint;
use crate::data::{Dataset, Streaming};
use crate::network::Network;
use crate::plan::Policy;
use crate::policy::Budget;
use crate::predictor::{Options, Predictor};
use crate::tiny::{Tiny, TinyInput, TinyRoute, samples, sequential, streamed, table};
use crate::{Device, routing};

const QUICK: timing::Settings = timing::Settings { samples: 3, repetitions: 1, warm_up: 0 };

/// The same samples, of which memory holds so many.
fn few(data: &Dataset<TinyInput>, samples: u64) -> Dataset<TinyInput> {
    streamed(data).unwrap().streaming(Streaming { memory: samples * 44, workers: 3 })
}

#[test]
fn every_route_answers_as_in_memory() {
    let network = Tiny::new(Device::Cpu).unwrap();
    // More samples than go through at a time.
    let data = samples(300, 1).unwrap().train;
    let expected = Exits::of(&network, &data).unwrap();
    let found = Exits::of(&network, &few(&data, 1000)).unwrap();
    assert_eq!((found.routes(), found.target()), (expected.routes(), expected.target()));
    for route in routing::all::<Tiny>() {
        assert_eq!(found.by(route), expected.by(route));
    }
    // In smaller batches, where memory has no room for more, the last bits may differ.
    let found = Exits::of(&network, &few(&data, 20)).unwrap();
    for route in routing::all::<Tiny>() {
        assert!(found.by(route).allclose(&expected.by(route), 1e-5, 1e-6, false));
    }
}

#[test]
fn studies_and_measurements_take_streamed_samples() {
    let (mut network, splits) = sequential().unwrap();
    network.policies_mut().decide_by::<Tiny>(&table()).unwrap();
    let (held, streamed) = (&splits.valid, &few(&splits.valid, 8));
    let (policy, budget) = (Policy::Sequential, Budget::Price(0.1));

    let mut candidates = Candidate::alone(&network);
    candidates.push(Candidate::new("late fusion", &network, Way::LateFusion));
    candidates.push(Candidate::new("fixed", &network, Way::Fixed(TinyRoute::at([0, 1]))));
    candidates.push(Candidate::new("policy", &network, Way::Within(policy, budget)));
    let [expected, found] = [held, streamed].map(|data| study(&candidates, data, &QUICK).unwrap());
    let scores = |report: &Report| report.rows.iter().map(|row| row.scores).collect::<Vec<_>>();
    assert_eq!(scores(&found), scores(&expected));
    assert_eq!((found.samples, found.timed_samples), (expected.samples, 3));

    let [expected, found] = [held, streamed].map(|data| deadlines(&network, data, policy, &[0.0]).unwrap());
    assert_eq!(found[0].scores, expected[0].scores);
    let timed = batches(&network, streamed, policy, budget, &[1, 20]).unwrap();
    assert!(timed.iter().all(|batched| batched.measured > 0.0));
    let message = batches(&network, streamed, policy, budget, &[33]).unwrap_err().to_string();
    assert_eq!(message, "batches: a batch of 33 was asked for, expected 1 to 32, the number of samples");

    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(&network, folder.path()).unwrap();
    let again = || {
        let mut network = Tiny::new(Device::Cpu).unwrap();
        checkpoint::load(&mut network, folder.path()).unwrap();
        network
    };
    let predictor = Predictor::new(again(), Options::default()).unwrap();
    let [expected, found] =
        [held, streamed].map(|data| frozen(&network, &predictor, data, (policy, budget), &QUICK).unwrap());
    let scores = |frozen: &Frozen| frozen.rows.iter().map(|row| row.scores).collect::<Vec<_>>();
    assert_eq!(scores(&found), scores(&expected));
    assert!(routed(&predictor, streamed, &[20]).unwrap().iter().all(|routed| routed.measured > 0.0));

    let qualities = |data| {
        let (_, precisions) = Predictor::within(again(), 100.0, data).unwrap();
        precisions.compared.iter().map(|compared| compared.quality).collect::<Vec<_>>()
    };
    assert_eq!(qualities(streamed), qualities(held));
}

#[test]
fn a_sample_that_cannot_be_read_is_named_wherever_it_is_met() {
    let network = Tiny::new(Device::Cpu).unwrap();
    let data = samples(40, 1).unwrap().train;
    let broken = streamed(&data).unwrap();
    // The tensors are shared, so that this comes after what the sources have told of themselves.
    let _ = data.input().unwrap().right.tensor().get(33).fill_(f64::NAN);
    let candidates = [Candidate::new("late fusion", &network, Way::LateFusion)];
    let messages = [
        Exits::of(&network, &broken).map(drop).unwrap_err().to_string(),
        study(&candidates, &broken, &QUICK).map(drop).unwrap_err().to_string(),
        broken
            .folds(2, crate::data::By::Sample, 0)
            .unwrap()
            .find_map(|fold| fold.unwrap().valid.input().err())
            .unwrap()
            .to_string(),
    ];
    for message in messages {
        assert!(
            message.starts_with("data set, modality `right`: row 33 holds a value that is not finite"),
            "{message}"
        );
    }
}
