//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::recorded::{AudioVariant, ImageVariant};

/// Studies what adaptive computation buys, against late fusion, fixed routes and published rivals
#[derive(Debug, Parser)]
#[command(name = "study", after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What is studied
    #[arg(long, value_enum, default_value = "digits")]
    pub(crate) network: Which,

    /// The folder of the recorded data set, or of MUStARD; without it, data are generated
    #[arg(long, value_name = "FOLDER", env = "M2SN_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// What is done to the recorded images
    #[arg(long, value_enum, default_value = "mix")]
    pub(crate) image: ImageVariant,

    /// What is done to the recorded sounds
    #[arg(long, value_enum, default_value = "noisy")]
    pub(crate) audio: AudioVariant,

    /// The first seed; of MUStARD, the first fold
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// How many seeds, from the first on [default: 1, of MUStARD its five folds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: Option<u64>,

    /// The points that may be lost on validation samples, by whoever chooses a threshold, a price, a route or λ
    #[arg(long, value_name = "POINTS", default_value_t = 0.5)]
    pub(crate) within: f64,

    /// Where checkpoints and the report go; an interrupted study goes on from there [default: runs/study-…]
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,

    /// The `results.json` of another study, to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,

    /// Fewer samples and epochs: shows in a minute or two that all works, not how well
    #[arg(long)]
    pub(crate) quick: bool,

    /// Prints the results as JSON, or the comparison where there is one
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be studied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Image and sound of digits
    Digits,
    /// The same with encoders that are nine times as heavy
    DigitsWide,
    /// Sarcasm in texts, fold by fold
    Mustard,
}

const EXAMPLES: &str = "\
Examples:
  # Generated digits, few samples and epochs
  cargo run --release --example study -- --quick

  # Handwritten and spoken digits; half of the images are reduced, all sounds are noisy; five seeds
  cargo run --release --example study -- --data DIR --seeds 5

  # The same with clean images
  cargo run --release --example study -- --data DIR --image clean --seeds 5

  # The same on two cores: two programs share a folder, and a third collects what they have come to
  cargo run --release --example study -- --data DIR --seeds 3 &
  cargo run --release --example study -- --data DIR --seed 3 --seeds 2; wait
  cargo run --release --example study -- --data DIR --seeds 5

  # The five folds of MUStARD
  cargo run --release --example study -- --network mustard --data DIR

  # Once more, against an earlier one
  cargo run --release --example study -- --data DIR --run runs/again --against runs/study-mix-noisy/results.json";

impl Arguments {
    /// The folder for all that the study writes. What decides the results is in its name.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.run.clone().unwrap_or_else(|| {
            let network = match self.network {
                Which::Digits => "",
                Which::DigitsWide => "-wide",
                Which::Mustard => "-mustard",
            };
            let data = match (self.network, &self.data) {
                (_, None) => "generated".into(),
                (Which::Mustard, _) => "folds".into(),
                (_, Some(_)) => format!("{:?}-{:?}", self.image, self.audio).to_lowercase(),
            };
            PathBuf::from(format!("runs/study{network}-{data}{}", if self.quick { "-quick" } else { "" }))
        })
    }

    /// The seeds: so many as were asked for, else so many as are usual.
    pub(crate) fn seeds(&self, usual: u64) -> Vec<u64> {
        (self.seed..self.seed.saturating_add(self.seeds.unwrap_or(usual))).collect()
    }

    /// The data set in words, for the heads of all results.
    pub(crate) fn data_in_words(&self) -> String {
        match (self.network, &self.data) {
            (Which::Mustard, None) => "generated utterances, which say nothing of real ones".into(),
            (Which::Mustard, _) => "the texts of MUStARD, by the folds of its authors".into(),
            (_, None) => "generated digits: drawn glyphs and a synthesised voice".into(),
            (_, Some(_)) => format!(
                "MNIST and Free Spoken Digit Dataset, image {}, audio {}",
                format!("{:?}", self.image).to_lowercase(),
                format!("{:?}", self.audio).to_lowercase(),
            ),
        }
    }
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
        assert_eq!(folder("study --data d --image clean"), PathBuf::from("runs/study-clean-noisy"));
        assert_eq!(folder("study --network digits-wide --data d"), PathBuf::from("runs/study-wide-mix-noisy"));
        assert_eq!(folder("study --network mustard --quick --data d"), PathBuf::from("runs/study-mustard-folds-quick"));
        assert_eq!(folder("study --run here"), PathBuf::from("here"));
    }
}
