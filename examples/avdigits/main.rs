//! Reads digits from an image and a sound, and shows what adaptive routes are worth.
//!
//! ```sh
//! cargo run --release --example avdigits              # generated digits
//! cargo run --release --example avdigits -- --help    # recorded digits, variants, seeds
//! ```

mod arguments;
mod digits;
mod recorded;
mod study;
mod synthetic;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser;
use digits::Splits;
use m2sn::evaluation::{Report, Seeds};
use m2sn::prelude::*;
use tracing_subscriber::EnvFilter;

/// Reads a digit from its image and from the sound of it being spoken.
#[m2sn_model("specs/avdigits.yaml")]
pub struct AvDigits;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> m2sn::Result<()> {
    let device = Device::cuda_if_available();
    // At batch 1 these small encoders are faster on one thread, and so are their figures steadier.
    m2sn::tch::set_num_threads(1);
    let seeds = arguments.seed..arguments.seed + arguments.seeds;
    let mut reports: Vec<Report> = Vec::new();
    for seed in seeds.clone() {
        let digits = read(arguments, seed)?;
        let folder = arguments.run_folder().join(format!("seed-{seed}"));
        let report = study::run(arguments, seed, digits, device, &folder)?;
        if !arguments.json {
            println!("# {}, seed {seed}\n\n{report}", arguments.data_in_words());
            println!("Results, checkpoints and metrics: {}\n", folder.display());
        } else if seeds.end == seeds.start + 1 {
            println!("{}", json(&report));
        }
        reports.push(report);
    }
    if reports.len() > 1 {
        let seeds = Seeds::of(&reports)?;
        seeds.save(arguments.run_folder())?;
        if arguments.json {
            println!("{}", json(&seeds));
        } else {
            println!("# {}, {} seeds\n\n{seeds}", arguments.data_in_words(), reports.len());
        }
    }
    Ok(())
}

fn read(arguments: &Arguments, seed: u64) -> m2sn::Result<Splits> {
    match &arguments.data {
        Some(folder) => recorded::read(folder, arguments.image, arguments.audio),
        None if arguments.quick => Ok(synthetic::generate(seed, synthetic::Size::QUICK)),
        None => Ok(synthetic::generate(seed, synthetic::Size::FULL)),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("a report is made of names and numbers")
}
