//! Reads digits from their picture and from the sound of them being spoken, with as little computation as each needs.
//!
//! ```text
//! cargo run --release --example avdigits                            # generated digits
//! cargo run --release --example avdigits -- --data DIR   # handwritten and spoken ones
//! ```
//!
//! Trains the network of `specs/avdigits.yaml` in all its stages, and compares it on samples that it has never seen:
//! each modality alone, late fusion, the best fixed shortcut, and the navigator with and without latency in its loss.

mod arguments;
mod digits;
mod interrupt;
mod missing;
#[path = "../program/mod.rs"]
mod program;
mod recorded;
mod results;
#[path = "../program/saved.rs"]
mod saved;
mod study;
mod synthetic;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use m2sn::plan::Plan;
use m2sn::prelude::*;
use m2sn::{Error, Result};

use arguments::Arguments;
use digits::{Digits, Size, Splits};
use program::say;
use results::Results;
use study::Study;

/// The network that all of this is about.
#[m2sn_model("specs/avdigits.yaml")]
#[derive(Debug)]
pub struct AvDigits;

/// The same with wider encoders, which show milliseconds where the small ones show calls.
#[m2sn_model("specs/avdigits_wide.yaml")]
#[derive(Debug)]
pub struct AvDigitsWide;

/// The same network, but that it can do without either modality.
#[m2sn_model("specs/avdigits_missing.yaml")]
#[derive(Debug)]
pub struct AvDigitsMissing;

/// The λ of `--lambdas`, as ratios: the range that the paper finds useful.
const RATIOS: [f64; 5] = [0.05, 0.1, 0.3, 0.5, 1.0];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One sample at a time keeps one core busy.
    m2sn::tch::set_num_threads(1);
    program::run(|out| avdigits(&arguments, out))
}

fn avdigits(arguments: &Arguments, out: &mut dyn Write) -> program::Outcome {
    let folder = arguments.run_folder();
    // Whether all of it can be kept should be known before it is computed.
    fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    interrupt::explain(&folder)?;
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.seeds);
    let studies = seeds.map(|seed| study(arguments, seed, &folder)).collect::<Result<Vec<_>>>()?;
    let results = Results::new(arguments.data_in_words(), arguments.quick, studies)?;
    saved::save(&results, &folder)?;
    if arguments.json {
        writeln!(out, "{}", saved::json(&results)?)?;
    } else {
        writeln!(out, "{results}\nWritten to {} as results.json and results.md.", folder.display())?;
    }
    Ok(())
}

/// Data, training and measurement for one seed.
fn study(arguments: &Arguments, seed: u64, folder: &Path) -> Result<Study> {
    say(&format!("seed {seed}: {}", arguments.data_in_words()));
    let start = Instant::now();
    let splits = splits(arguments, seed)?;
    let [train, valid, test] = [&splits.train, &splits.valid, &splits.test].map(Digits::len);
    say(&format!("{train} + {valid} + {test} samples after {:.1} s", start.elapsed().as_secs_f64()));

    let folder = folder.join(format!("seed-{seed}"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = |plan: Plan, threads| study::Settings {
        plan: adapted(plan, seed, arguments.quick),
        latency: arguments.latency.as_deref(),
        threads,
        ratios: if arguments.lambdas { &RATIOS } else { &[] },
        folder: &folder,
    };
    let data = arguments.data_in_words();
    // With more threads small encoders take longer.
    let study = match (arguments.wide, arguments.missing) {
        (true, _) => study::run::<AvDigitsWide>(&data, &splits, &settings(AvDigitsWide::plan(), cores)),
        (_, true) => study::run::<AvDigitsMissing>(&data, &splits, &settings(AvDigitsMissing::plan(), 1)),
        _ => study::run::<AvDigits>(&data, &splits, &settings(AvDigits::plan(), 1)),
    }?;
    say(&format!("done after {:.0} s", start.elapsed().as_secs_f64()));
    Ok(study)
}

fn splits(arguments: &Arguments, seed: u64) -> Result<Splits> {
    let size = if arguments.quick { Size::QUICK } else { Size::FULL };
    match &arguments.data {
        Some(folder) => Ok(recorded::read(folder, arguments.image, arguments.audio)?.at_most(size)),
        None => Ok(synthetic::generate(seed, size)),
    }
}

/// The training of the spec, in a quick run with fewer epochs.
fn adapted(plan: Plan, seed: u64, quick: bool) -> Plan {
    let mut plan = Plan { seed, ..plan };
    if quick {
        for stage in plan.stages_mut() {
            stage.epochs = stage.epochs.min(3);
        }
    }
    plan
}
