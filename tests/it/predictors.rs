//! Frozen models answer as the models do.

use m2sn::network::Network;
use m2sn::predictor::{Options, Predictor, Threads};
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::no_grad;

use crate::alone::Moods;
use crate::networks::{AvDigits, AvDigitsMissing, Gated, Genres, Quickstart, Sentiment, Signals, random_of};

#[test]
fn a_predictor_answers_as_its_model_by_every_route() -> m2sn::Result<()> {
    answers_alike::<AvDigits>()?;
    answers_alike::<AvDigitsMissing>()?;
    answers_alike::<Genres>()?;
    answers_alike::<Gated>()?;
    answers_alike::<Quickstart>()?;
    answers_alike::<Sentiment>()?;
    answers_alike::<Signals>()?;
    answers_alike::<Moods>()
}

/// Compares the logits by every route for one sample and for seven.
pub(super) fn answers_alike<N: Network>() -> m2sn::Result<()> {
    let model = N::seeded(Device::Cpu, 3)?;
    spread_statistics(&model);
    let inputs = [random_of::<N>(1)?, random_of::<N>(7)?];
    let routes: Vec<N::Route> = routing::all::<N>().collect();
    let mut expected = Vec::new();
    for input in &inputs {
        for route in &routes {
            expected.push(routing::predict_by(&model, input, *route)?.logits);
        }
    }
    let predictor = Predictor::new(model, Options::default())?;
    let mut expected = expected.into_iter();
    for input in &inputs {
        for route in &routes {
            let found = predictor.predict_by(input, *route)?.logits;
            let expected = expected.next().expect("one a route");
            let scale = expected.abs().max().double_value(&[]);
            let off = (found - expected).abs().max().double_value(&[]);
            assert!(
                off <= 1e-5 * scale,
                "{} by {route}: off by {off}, where logits go up to {scale}",
                N::description().name
            );
        }
    }
    Ok(())
}

/// Gives batch normalisations statistics that matter.
fn spread_statistics<N: Network>(model: &N) {
    m2sn::tch::manual_seed(5);
    for (name, mut variable) in model.variables().variables() {
        if name.ends_with("running_mean") {
            no_grad(|| variable.copy_(&(variable.randn_like() * 0.3)));
        } else if name.ends_with("running_var") {
            no_grad(|| variable.copy_(&(variable.rand_like() + 0.5)));
        }
    }
}

#[test]
fn the_number_of_threads_is_measured_and_kept() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let latency = Some(folder.path().join("predictor.json"));
    let options = Options { threads: Threads::Fastest, latency, ..Default::default() };
    let freeze = || Quickstart::seeded(Device::Cpu, 0)?.into_predictor(options.clone());
    let first = freeze()?;
    let threads = m2sn::tch::get_num_threads();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as i32);
    assert!(threads == 1 || threads == cores, "{threads}");
    assert_eq!(first.table().map(|table| table.fingerprint.threads), Some(threads));

    m2sn::tch::set_num_threads(3 - threads.min(2));
    let again = freeze()?;
    assert_eq!((again.table(), m2sn::tch::get_num_threads()), (first.table(), threads));
    Ok(())
}
