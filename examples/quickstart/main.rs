//! The smallest network worth showing: two sensors see the same scene, by day one of them, at night the other.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```
//!
//! The network is described in `specs/quickstart.yaml`. It learns by itself, from labels and milliseconds alone,
//! that the encoder of a blind sensor need not run to its end.

#[path = "../program/mod.rs"]
mod program;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use m2sn::evaluation::{Candidate, Way, study};
use m2sn::prelude::*;
use m2sn::tch::{self, Kind, Tensor};

#[m2sn_model("specs/quickstart.yaml")]
struct Quickstart;

fn main() -> ExitCode {
    program::run(quickstart)
}

fn quickstart(out: &mut dyn Write) -> program::Outcome {
    // One sample at a time keeps one core busy, and the scenes are the same on every run.
    tch::set_num_threads(1);
    tch::manual_seed(0);
    let device = Device::cuda_if_available();
    let data = Splits { train: scenes(4000, 0.5)?, valid: scenes(400, 0.5)? };

    let mut model = Quickstart::new(device)?;
    writeln!(out, "Training on {} scenes, in stages:", data.train.len())?;
    for stage in model.train(&data, &mut Progress::bars())?.stages {
        writeln!(out, "  {:<10} {:>5.1} s", stage.stage, stage.seconds)?;
    }

    // For `serve_one`, a program that only loads and predicts.
    let folder = Path::new("runs/quickstart");
    model.save(folder)?;
    write_requests(&scenes(20, 0.5)?, &folder.join("requests"))?;

    for (time, days) in [("by day", 1.0), ("at night", 0.0)] {
        let test = scenes(200, days)?.to_device(device)?;
        let answer = model.predict(&test.input()?)?;
        let right =
            answer.classes()?.iter().zip(Vec::<i64>::try_from(test.target())?).filter(|(a, b)| **a == *b).count();
        writeln!(out, "\n200 scenes {time}: {right} are right. The first three took these routes:")?;
        for route in answer.routes.iter().take(3) {
            writeln!(out, "  {route}")?;
        }
    }

    let candidates =
        [Candidate::new("late fusion", &model, Way::LateFusion), Candidate::new("M²SN", &model, Way::Navigator)];
    writeln!(out, "\n{}", study(&candidates, &scenes(400, 0.5)?, &Default::default())?)?;
    Ok(())
}

/// Writes scenes as `serve_one` reads them: one JSON object a line.
fn write_requests(scenes: &Dataset<quickstart::Input>, path: &Path) -> program::Outcome {
    let mut text = String::new();
    for index in 0..scenes.len() {
        let scene = scenes.narrow(index, 1)?;
        let pixels = |batch: &Batch<_>| Vec::<f32>::try_from(batch.tensor().flatten(0, -1));
        let quickstart::Input { camera, thermal } = scene.input()?;
        let request = serde_json::json!({ "camera": pixels(&camera)?, "thermal": pixels(&thermal)? });
        text += &format!("{request}\n");
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Scenes with a disc, a square or a cross; `days` is the share that the camera sees, the thermal sensor sees the rest.
fn scenes(samples: i64, days: f64) -> m2sn::Result<Dataset<quickstart::Input>> {
    let float = (Kind::Float, tch::Device::Cpu);
    let each = [samples, 1, 1, 1];
    let label = Tensor::randint(3, [samples], (Kind::Int64, tch::Device::Cpu));

    let place = || Tensor::rand(each, float) * 10.0 + 7.0;
    let pixels = Tensor::arange(24, float);
    let (across, down) = ((pixels.view([1, 1, 1, 24]) - place()).abs(), (pixels.view([1, 1, 24, 1]) - place()).abs());
    let (far, near) = (across.maximum(&down), across.minimum(&down));
    let size = Tensor::rand(each, float) * 2.0 + 4.0;
    let disc = (across.square() + down.square()).le_tensor(&size.square());
    let square = far.le_tensor(&(&size * 0.85));
    let cross = far.le_tensor(&size).logical_and(&near.le_tensor(&(&size * 0.35)));
    let kind = label.one_hot(3).view([samples, 3, 1, 1]);
    let shape = (Tensor::cat(&[disc, square, cross], 1) * kind).sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);

    let day = Tensor::rand(each, float).lt(days).to_kind(Kind::Float);
    let seen = |light: &Tensor| &shape * light + Tensor::randn([samples, 1, 24, 24], float) * 0.3;
    let input = quickstart::Input { camera: Batch::new(seen(&day))?, thermal: Batch::new(seen(&(1.0 - &day)))? };
    Dataset::new(input, label, Quickstart::description().task)
}
