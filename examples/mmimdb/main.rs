//! Films by plot and poster: MM-IMDb from its folder of JSON and JPEG to genres with a threshold each.
//!
//! ```sh
//! cargo run --release --example mmimdb
//! cargo run --release --example mmimdb -- --data mmimdb
//! ```
//!
//! Without `--data`, films are made up in the form in which MM-IMDb is published. Plots become tokens by the words of the
//! training plots; posters are read from their files whenever they are needed, so that they never lie in memory all at once.
//! The network is described in `specs/mmimdb_small.yaml`.

#[path = "../program/mod.rs"]
mod program;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use m2sn::checkpoint::{self, Attachments};
use m2sn::data::files::Files;
use m2sn::data::image::{Fit, Picture};
use m2sn::data::mmimdb::{self, GENRES, Part};
use m2sn::data::text::Vocabulary;
use m2sn::data::{Held, generate};
use m2sn::evaluation::metrics::{Average, multilabel_f1};
use m2sn::evaluation::{Candidate, Way, study};
use m2sn::prelude::*;
use m2sn::tch;

#[m2sn_model("specs/mmimdb_small.yaml")]
struct MmImdbSmall;

/// Trains an adaptive network on plots and posters of films, and tells their genres.
#[derive(Debug, Parser)]
#[command(name = "mmimdb")]
struct Arguments {
    /// The folder of MM-IMDb, with `split.json` and `dataset/`; without it, films are generated
    #[arg(long, value_name = "FOLDER", env = "M2SN_MMIMDB")]
    data: Option<PathBuf>,

    /// How many films are generated
    #[arg(long, value_name = "N", default_value_t = 1500, conflicts_with = "data",
        value_parser = clap::value_parser!(u32).range(100..=100_000))]
    films: u32,

    /// Decides every random choice, generated films included
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Where the trained network goes, and generated films
    #[arg(long, value_name = "FOLDER", default_value = "runs/mmimdb")]
    run: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(|out| mmimdb(&arguments, out))
}

fn mmimdb(Arguments { data, films, seed, run }: &Arguments, out: &mut dyn Write) -> program::Outcome {
    tch::manual_seed(*seed as i64);
    let folder = match data {
        Some(folder) => folder.clone(),
        None => {
            let folder = run.join("films");
            generate::mmimdb::folder(&folder, *films as usize, *seed)?;
            writeln!(out, "{films} generated films, in {}: they say nothing of the real ones.", folder.display())?;
            folder
        }
    };
    let films = mmimdb::read(&folder)?;
    // Of the training plots alone, as a program meets words that it has never seen.
    let vocabulary = Vocabulary::of(&films.train.plots, 2).truncated(WORDS);
    let data = Splits { train: dataset(&films.train, &vocabulary)?, valid: dataset(&films.valid, &vocabulary)? };
    let test = dataset(&films.test, &vocabulary)?;

    let mut plan = MmImdbSmall::plan();
    plan.seed = *seed;
    let mut model = MmImdbSmall::seeded(Device::cuda_if_available(), *seed)?;
    writeln!(out, "Training on {} films and {} words, in stages:", data.train.len(), vocabulary.words().len())?;
    for stage in Trainer::new(plan).train(&mut model, &data, &mut Progress::bars())?.stages {
        writeln!(out, "  {:<10} {:>6.1} s", stage.stage, stage.seconds)?;
    }
    // A program that only predicts needs the words too.
    let attachments = Attachments::from([("vocabulary.txt".into(), vocabulary.to_text().into_bytes())]);
    checkpoint::save_with(&model, run.join("model"), &attachments)?;

    write_genres(&model, &test, out)?;
    let candidates =
        [Candidate::new("late fusion", &model, Way::LateFusion), Candidate::new("M²SN", &model, Way::Navigator)];
    writeln!(out, "\n{}", study(&candidates, &test, &Default::default())?)?;
    Ok(())
}

/// The most words that the spec's `vocabulary` has room for.
const WORDS: usize = 8000;

/// Plots in memory, which are small, and posters on disk.
fn dataset(films: &Part, vocabulary: &Vocabulary) -> m2sn::Result<Dataset<mm_imdb_small::Input>> {
    let plots = vocabulary.encode::<64>(&films.plots)?.into_feature();
    let picture = Picture { channels: 3, height: 64, width: 40, fit: Fit::Stretch, floats: false };
    let posters = Files::new(films.posters.iter().cloned().map(Some).collect(), picture)?;
    let sources: Vec<(&str, Box<dyn m2sn::data::Source>)> =
        vec![("plot", Box::new(Held::new(plots))), ("poster", Box::new(posters))];
    Dataset::streamed(sources, films.genres.shallow_clone(), MmImdbSmall::description().task)
}

/// A line a genre: how many films it has, the threshold that validation has chosen for it, and how well it is told.
fn write_genres(model: &MmImdbSmall, test: &Dataset<mm_imdb_small::Input>, out: &mut dyn Write) -> program::Outcome {
    let (mut predicted, mut target, mut thresholds) = (Vec::new(), Vec::new(), Vec::new());
    for batch in test.batches(256)? {
        let batch = batch?;
        let answer = model.predict(&batch.input()?)?;
        predicted.extend(answer.labels()?);
        target.extend(Vec::<Vec<bool>>::try_from(batch.target().gt(0.5).to_device(tch::Device::Cpu))?);
        thresholds = answer.rule().thresholds().unwrap_or_default();
    }
    writeln!(out, "\n{:<12} {:>6} {:>10} {:>6}", "genre", "films", "threshold", "F1")?;
    for ((genre, name), threshold) in GENRES.iter().enumerate().zip(thresholds) {
        let column = |rows: &[Vec<bool>]| rows.iter().map(|row| vec![row[genre]]).collect::<Vec<_>>();
        let (predicted, target) = (column(&predicted), column(&target));
        let films = target.iter().filter(|row| row[0]).count();
        let f1 = multilabel_f1(&predicted, &target, Average::Macro)?;
        writeln!(out, "{name:<12} {films:>6} {threshold:>10.2} {f1:>6.3}")?;
    }
    let macro_f1 = multilabel_f1(&predicted, &target, Average::Macro)?;
    writeln!(out, "The mean of F1 over the genres, macro F1, is {macro_f1:.3} over {} films.", test.len())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn genres_of_the_spec_are_those_of_the_reader() {
        let outputs = MmImdbSmall::description().outputs;
        assert_eq!(outputs, GENRES);
    }

    #[test]
    fn every_stage_is_trained_from_files_and_written() {
        let run = tempfile::tempdir().expect("a folder");
        let arguments = Arguments { data: None, films: 40, seed: 1, run: run.path().into() };
        let mut out = Vec::new();
        mmimdb(&arguments, &mut out).expect("a trained network");
        let out = String::from_utf8(out).expect("text");
        for part in ["navigator", "Film-Noir", "macro F1", "late fusion"] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let words = checkpoint::attachment(run.path().join("model"), "vocabulary.txt").expect("words");
        assert!(words.starts_with(b"<pad>\n<unk>\n"));
    }
}
