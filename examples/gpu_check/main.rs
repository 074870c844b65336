//! Compares a CUDA device with the processor: the same training, the same logits, and both latency tables.
//!
//! ```sh
//! M2SN_TORCH=cuda cargo run --release --example gpu_check             # the first CUDA device
//! M2SN_TORCH=cuda cargo run --release --example gpu_check -- cuda:1   # another one
//! ```
//!
//! Without a CUDA device it says so and ends well. `cpu` compares the processor with itself.

#[path = "../program/mod.rs"]
mod program;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use m2sn::latency::{self, Settings};
use m2sn::network::Input;
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::{Kind, Tensor, manual_seed};
use m2sn::training::Report;

/// A network with a layer of most families.
#[m2sn_model("specs/gpu_check.yaml")]
pub struct GpuCheck;

/// The classes of the spec.
const CLASSES: i64 = 4;
/// The samples to train on, and as many to validate with.
const SAMPLES: i64 = 256;
/// The largest difference between losses: over the steps of a training, differences in rounding grow.
const LOSS_TOLERANCE: f64 = 0.02;
/// The largest difference between logits of the same parameters: GPUs convolve in TF32, with 10 bits of mantissa.
const LOGIT_TOLERANCE: f64 = 0.02;

fn main() -> ExitCode {
    program::run(gpu_check)
}

fn gpu_check(out: &mut dyn Write) -> program::Outcome {
    let device = match std::env::args().nth(1) {
        Some(text) => text.parse().and_then(|device: Device| device.check().map(|()| device))?,
        None => match Device::cuda(0) {
            Ok(device) => device,
            Err(error) => {
                return Ok(writeln!(out, "There is no other device to compare the processor with.\n{error}")?);
            }
        },
    };
    if compare(device, out)? {
        Ok(writeln!(out, "{device} computes what the processor computes.")?)
    } else {
        Err(format!("{device} does not compute what the processor computes").into())
    }
}

/// Whether `device` computes what the processor computes.
fn compare(device: Device, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let data = samples()?;
    let folder = tempfile::tempdir().map_err(|source| m2sn::Error::Io { path: std::env::temp_dir(), source })?;
    let mut host = GpuCheck::new(Device::Cpu)?;
    let mut other = GpuCheck::new(device)?;

    host.save(folder.path())?;
    other.load(folder.path())?;
    writeln!(out, "Training on cpu and {device}, from the same parameters …")?;
    let mut progress = Progress::silent();
    let (on_host, on_other) = (host.train(&data, &mut progress)?, other.train(&data, &mut progress)?);
    let losses = compare_losses(&on_host, &on_other, device, out)?;

    host.save(folder.path())?;
    other.load(folder.path())?;
    let input = &data.valid.input()?;
    let there = gpu_check::Input::from_features(
        input.features().iter().map(|feature| feature.to_device(device.into())).collect(),
    )?;
    let logits = compare_logits((&host, input), (&other, &there), out)?;

    for (network, input) in [(&host, input), (&other, &there)] {
        writeln!(out, "\n{}", latency::measure(network, &input.features(), &Settings::default())?)?;
    }
    Ok(losses && logits)
}

/// Prints the last loss of each phase on both devices; the navigator's depends on noise and latencies of each device.
fn compare_losses(host: &Report, other: &Report, device: Device, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "\n{:28} {:>10} {:>10} {:>10}", "training loss", "cpu", device.to_string(), "differ by")?;
    let mut close = true;
    for (host, other) in host.stages.iter().zip(&other.stages) {
        let compared = host.stage != "navigator";
        for (host, other) in host.phases.iter().zip(&other.phases) {
            let Some((host, other)) = host.epochs.last().zip(other.epochs.last()) else { continue };
            let difference = (host.loss - other.loss).abs();
            let note = if compared { "" } else { "  by its own noise and latencies" };
            writeln!(out, "{:28} {:10.5} {:10.5} {difference:10.1e}{note}", host.phase, host.loss, other.loss)?;
            close &= !compared || difference <= LOSS_TOLERANCE;
        }
    }
    Ok(close)
}

/// Prints how far the logits of the same parameters are apart at most, over all routes.
fn compare_logits(
    (host, input): (&GpuCheck, &gpu_check::Input),
    (other, there): (&GpuCheck, &gpu_check::Input),
    out: &mut dyn Write,
) -> Result<bool, Box<dyn Error>> {
    let mut largest = 0.0f64;
    for route in routing::all::<GpuCheck>() {
        let expected = host.predict_by(input, route)?.logits;
        let found = other.predict_by(there, route)?.logits.to_device(expected.device());
        largest = largest.max((found - expected).abs().max().double_value(&[]));
    }
    let (expected, found) = (host.predict(input)?.routes, other.predict(there)?.routes);
    let same = expected.iter().zip(&found).filter(|(expected, found)| expected == found).count();
    writeln!(out, "\nThe logits of {} routes differ by at most {largest:.1e}.", routing::count::<GpuCheck>())?;
    writeln!(out, "The navigator sends {same} of {} samples the same way.", expected.len())?;
    Ok(largest <= LOGIT_TOLERANCE)
}

/// Samples whose class shows in each modality, under noise.
fn samples() -> m2sn::Result<Splits<gpu_check::Input>> {
    manual_seed(5);
    let options = (Kind::Float, Device::Cpu.into());
    let total = 2 * SAMPLES;
    let target = Tensor::randint(CLASSES, [total], (Kind::Int64, Device::Cpu.into()));
    // A pattern for each class, then noise on top.
    let show = |dims: &[i64]| {
        let pattern = Tensor::randn([&[CLASSES], dims].concat(), options).index_select(0, &target);
        pattern * 0.5 + Tensor::randn([&[total], dims].concat(), options)
    };
    let image = Batch::new(show(&[3, 32, 32]))?;
    let voice = Batch::new(show(&[40, 16]))?;
    // Each class has 20 words of its own.
    let words = Tensor::randint(20, [total, 32], (Kind::Int64, Device::Cpu.into())) + 1;
    let text = Batch::new(words + target.unsqueeze(1) * 20)?;

    let input = gpu_check::Input { image, text, voice };
    let all = Dataset::new(input, target, GpuCheck::description().task)?;
    Ok(Splits { train: all.narrow(0, SAMPLES)?, valid: all.narrow(SAMPLES, SAMPLES)? })
}
