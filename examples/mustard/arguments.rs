//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Trains an adaptive network on MUStARD's texts, fold by fold: is an utterance sarcastic, and how much must be read?
#[derive(Debug, Parser)]
#[command(name = "mustard", after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// MUStARD's folder, with `sarcasm_data.json` and `split_indices.p` or `splits.json`; without it, data are generated
    #[arg(long, value_name = "FOLDER", env = "M2SN_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// Word vectors of 300 values as GloVe's text files have them; without it, those of `vocab.txt` and
    /// `glove300_f32.npy` in the folder of the data, and where there are none either, they are learned from the texts
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,

    /// The accuracy that late fusion's time has to bring, 0.03 for three points; what is trained serves every price
    /// [default: that of the spec]
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub(crate) price: Option<f64>,

    /// Only the first folds, so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    folds: Option<u64>,

    /// Decides every random choice, generated data included
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Repeats all folds for this many seeds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) seeds: u64,

    /// Where checkpoints and results go; an interrupted run goes on from there [default: runs/mustard-…]
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,

    /// Prints the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  # Generated texts, ready in less than a minute
  cargo run --release --example mustard

  # The five folds of the authors, with the word vectors that lie beside the data
  cargo run --release --example mustard -- --data DIR

  # The repository of the authors, and GloVe as it is published
  cargo run --release --example mustard -- --data MUStARD/data --vectors glove.840B.300d.txt

  # Once more at a lower price, which trains nothing anew
  cargo run --release --example mustard -- --data DIR --price 0.01

  # Three seeds
  cargo run --release --example mustard -- --data DIR --seeds 3";

impl Arguments {
    /// The folder for all that the run writes.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let name = if self.data.is_some() { "text" } else { "generated" };
        self.run.clone().unwrap_or_else(|| PathBuf::from(format!("runs/mustard-{name}")))
    }

    /// How many folds are wanted of those that the data have.
    pub(crate) fn folds(&self) -> usize {
        self.folds.and_then(|folds| usize::try_from(folds).ok()).unwrap_or(usize::MAX)
    }
}

/// Reads a price, which is refused before anything is trained by it.
fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "expected a number of at least 0".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_folders_tell_what_was_run() {
        let folder = |line: &str| Arguments::parse_from(line.split(' ')).run_folder();
        assert_eq!(folder("mustard --data d"), PathBuf::from("runs/mustard-text"));
        assert_eq!(folder("mustard --data d --run here"), PathBuf::from("here"));
    }

    #[test]
    fn prices_are_numbers_of_at_least_zero() {
        let price = |price: &str| Arguments::try_parse_from(["mustard", &format!("--price={price}")]);
        assert_eq!(price("0.03").unwrap().price, Some(0.03));
        for wrong in ["-0.1", "NaN", "inf", "low"] {
            let message = price(wrong).unwrap_err().to_string();
            assert!(message.contains("expected a number of at least 0"), "{message}");
        }
    }
}
