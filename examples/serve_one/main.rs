//! A program that only loads and predicts: it answers one request a line, as a server answers one at a time.
//!
//! ```sh
//! cargo run --release --example quickstart                             # trains, and leaves a checkpoint and requests
//! cargo run --release --example serve_one < runs/quickstart/requests   # answers them
//! ```
//!
//! A request is a JSON object with the pixels of each sensor, row by row; an answer is one with the class and the
//! probabilities, the route that the navigator chose, and the milliseconds that it took. A request that is at fault is
//! answered with what is wrong, and the next one is read.

#[path = "../program/mod.rs"]
mod program;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use m2sn::predictor::{Options, Predictor};
use m2sn::prelude::*;
use m2sn::routing::Summary;
use m2sn::tch::{self, Tensor};
use serde::Deserialize;

/// The network that `quickstart` trains; what decides whether a checkpoint fits is the spec, not the program.
#[m2sn_model("specs/quickstart.yaml")]
struct Quickstart;

/// Answer requests from standard input, one a line, by a network that `quickstart` has trained
#[derive(Parser)]
#[command(after_help = "\
Example:
  serve_one runs/quickstart < runs/quickstart/requests")]
struct Arguments {
    /// The folder of the checkpoint
    #[arg(default_value = "runs/quickstart")]
    checkpoint: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    camera: Vec<f32>,
    thermal: Vec<f32>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(|out| serve(&arguments, out))
}

fn serve(arguments: &Arguments, out: &mut dyn Write) -> program::Outcome {
    // One sample keeps one core busy; more threads would wait for each other.
    tch::set_num_threads(1);
    let device = Device::cuda_if_available();
    let model = Quickstart::open(&arguments.checkpoint, device)?;
    // What the parts cost on this machine is measured at the first start.
    let latency = Some(arguments.checkpoint.join("predictor.json"));
    let predictor = model.into_predictor(Options { latency, ..Default::default() })?;
    // LibTorch prepares much at first use, which no request should wait for.
    let blank = Request { camera: vec![0.0; PIXELS], thermal: vec![0.0; PIXELS] };
    answer(&predictor, &blank, device)?;
    program::say("ready");

    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("standard input: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let reply = match serde_json::from_str(&line) {
            Ok(request) => answer(&predictor, &request, device).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match reply {
            Ok(summary) => writeln!(out, "{}", serde_json::to_string(&summary)?)?,
            Err(fault) => writeln!(out, "{}", serde_json::json!({ "error": fault }))?,
        }
        out.flush()?;
    }
    Ok(())
}

/// Both sensors have 24 x 24 pixels.
const PIXELS: usize = 24 * 24;

fn answer(predictor: &Predictor<Quickstart>, request: &Request, device: Device) -> m2sn::Result<Summary> {
    let image = |pixels: &[f32]| {
        let pixels = Tensor::from_slice(pixels).to_device(device.into());
        // As it is where it is no image, for the error that names both shapes.
        Batch::new(if pixels.numel() == PIXELS { pixels.view([1, 1, 24, 24]) } else { pixels.unsqueeze(0) })
    };
    let input = quickstart::Input { camera: image(&request.camera)?, thermal: image(&request.thermal)? };
    predictor.predict(&input)?.summary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_a_request_or_says_what_is_wrong_with_it() {
        let model = Quickstart::seeded(Device::Cpu, 0).unwrap();
        let predictor = model.into_predictor(Options::default()).unwrap();
        let request = |pixels| Request { camera: vec![0.5; pixels], thermal: vec![0.0; PIXELS] };
        let summary = answer(&predictor, &request(PIXELS), Device::Cpu).unwrap();
        assert!(summary.routes[0].starts_with("camera: "), "{summary:?}");
        let fault = answer(&predictor, &request(5), Device::Cpu).err().unwrap().to_string();
        assert!(fault.contains("[1, 5]"), "{fault}");
    }
}
