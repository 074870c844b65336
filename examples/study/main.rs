//! What does adaptive computation buy, against what one would use otherwise, and can the number be trusted?
//!
//! ```text
//! cargo run --release --example study                                      # generated digits
//! cargo run --release --example study -- --data DIR --seeds 5              # handwritten and spoken ones
//! cargo run --release --example study -- --network mustard --data DIR      # sarcasm in texts, fold by fold
//! ```
//!
//! Trains late fusion, the paper's M²SN by each of its methods, the learned policies and every rival from the same
//! pre-trained encoders, lets each choose its balance of quality and time on validation samples, and writes a report:
//! `report.html`, Markdown, CSV, JSON and figures.

mod arguments;
#[path = "../avdigits/digits.rs"]
mod digits;
#[path = "../program/mod.rs"]
mod program;
#[path = "../avdigits/recorded.rs"]
mod recorded;
mod samples;
#[path = "../avdigits/synthetic/mod.rs"]
mod synthetic;
#[path = "../mustard/texts.rs"]
mod texts;

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use m2sn::network::Network;
use m2sn::plan::Plan;
use m2sn::prelude::*;
use m2sn::study::{self, Results, Study};
use m2sn::{Error, Result};

use arguments::{Arguments, Which};
use program::say;
use samples::Texts;

/// Digits from their picture and from the sound of them being spoken.
#[m2sn_model("specs/avdigits.yaml")]
#[derive(Debug)]
pub struct AvDigits;

/// The same with wider encoders.
#[m2sn_model("specs/avdigits_wide.yaml")]
#[derive(Debug)]
pub struct AvDigitsWide;

/// Sarcasm from an utterance and what was said before.
#[m2sn_model("examples/mustard/mustard.yaml")]
#[derive(Debug)]
pub struct MustardText;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One sample at a time keeps one core busy.
    m2sn::tch::set_num_threads(1);
    program::run(|out| run(&arguments, out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> program::Outcome {
    let folder = arguments.run_folder();
    // Whether all of it can be kept should be known before it is computed.
    fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    // A file that cannot be read should be known of by then, too.
    let other = arguments.against.as_ref().map(Results::load).transpose()?;
    let results = match arguments.network {
        Which::Digits => digits::<AvDigits>(arguments)?,
        Which::DigitsWide => digits::<AvDigitsWide>(arguments)?,
        Which::Mustard => sarcasm(arguments)?,
    };
    results.save(&folder)?;
    let against = other.map(|other| study::against(&results, &other));
    against.iter().try_for_each(|against| against.save(&folder))?;
    match (arguments.json, &against) {
        (true, Some(against)) => writeln!(out, "{}", against.json()?)?,
        (true, None) => writeln!(out, "{}", results.json()?)?,
        (false, against) => {
            writeln!(out, "{results}")?;
            against.iter().try_for_each(|against| writeln!(out, "{against}"))?;
            writeln!(out, "Written to {}; open report.html.", folder.display())?;
        }
    }
    Ok(())
}

/// A study of digits, recorded or generated.
fn digits<N: Network>(arguments: &Arguments) -> Result<Results> {
    let study = study(arguments, N::plan(), arguments.seeds(1));
    study.run::<N>(|seed| samples::digits::<N>(arguments, seed), &mut Progress::bars(), say)
}

/// A study of sarcasm; its seeds are the folds of the authors.
fn sarcasm(arguments: &Arguments) -> Result<Results> {
    let texts = Texts::read(arguments)?;
    let plan = Plan { weights: texts.weights(MustardText::plan().weights), ..MustardText::plan() };
    let study = study(arguments, plan, arguments.seeds(texts.folds()));
    study.run::<MustardText>(|seed| texts.fold(seed), &mut Progress::bars(), say)
}

fn study(arguments: &Arguments, plan: Plan, seeds: Vec<u64>) -> Study {
    let study = Study::new(arguments.data_in_words(), arguments.run_folder())
        .seeds(seeds)
        .within(arguments.within / 100.0)
        .quick(arguments.quick);
    if !arguments.quick {
        return study.plan(plan);
    }
    let mut plan = plan;
    for stage in plan.stages_mut() {
        stage.epochs = stage.epochs.min(3);
    }
    study.plan(plan).ratios([0.1, 1.0]).batches([1, 32]).timed(30)
}
