//! What each part of `specs/avdigits.yaml` takes, so that a part that has become slower shows.
//!
//! ```sh
//! cargo bench --bench parts            # compares with the last time
//! cargo bench --bench parts -- image   # the parts of one encoder
//! ```

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use m2sn::batch::Feature;
use m2sn::network::Input;
use m2sn::predictor::{Options, Predictor};
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::{self, Kind, Tensor};

/// The network whose parts are timed.
#[m2sn_model("specs/avdigits.yaml")]
struct AvDigits;

criterion_main!(benches);

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700))
        .sample_size(20)
        .without_plots();
    targets = parts
}

fn parts(criterion: &mut Criterion) {
    // More threads would wait for each other, and for whatever else the machine does.
    tch::set_num_threads(1);
    let _no_grad = tch::no_grad_guard();
    let model = AvDigits::seeded(Device::Cpu, 0).expect("the processor is there");
    for batch in [1, 32] {
        time(criterion, &model, batch);
    }
    let full = routing::full::<AvDigits>();
    let inputs = [1, 32].map(|batch| (batch, draw(batch)));
    for (batch, input) in &inputs {
        criterion.bench_function(&format!("late fusion/{batch}"), |bencher| {
            bencher.iter(|| model.predict_by(black_box(input), full));
        });
    }
    let predictor = Predictor::new(model, Options::default()).expect("a network that is there can be frozen");
    for (batch, input) in &inputs {
        criterion.bench_function(&format!("late fusion, frozen/{batch}"), |bencher| {
            bencher.iter(|| predictor.predict_by(black_box(input), full));
        });
    }
}

/// Times the parts in sequence, each on what the one before it makes.
fn time(criterion: &mut Criterion, model: &AvDigits, batch: i64) {
    let mut features = Vec::new();
    for (m, (modality, mut feature)) in
        AvDigits::description().modalities.iter().zip(draw(batch).features()).enumerate()
    {
        for (e, exit) in modality.exits.iter().enumerate() {
            let name = |part: &str| format!("{}/{part}/{batch}", modality.name);
            criterion.bench_function(&name(exit.name), |bencher| {
                bencher.iter(|| model.block(m, e, black_box(&feature), false));
            });
            feature = model.block(m, e, &feature, false);
            if e + 1 < modality.exits.len() {
                criterion.bench_function(&name(&format!("shortcut {}", exit.name)), |bencher| {
                    bencher.iter(|| model.shortcut(m, e, black_box(&feature), false));
                });
            }
        }
        features.push(feature.tensor);
    }
    criterion.bench_function(&format!("head/{batch}"), |bencher| {
        bencher.iter(|| model.fuse(black_box(&features), false));
    });
}

fn draw(samples: i64) -> av_digits::Input {
    let modalities = AvDigits::description().modalities.iter();
    let inputs = modalities.map(|modality| {
        let size = [&[samples], modality.dims].concat();
        Feature::from(Tensor::randn(size, (Kind::Float, tch::Device::Cpu)))
    });
    av_digits::Input::from_features(inputs.collect()).expect("inputs as the description has them")
}
