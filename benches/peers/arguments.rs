//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::networks::Subject;
use crate::runner::Runner;

/// Compares m2sn with PyTorch, ONNX Runtime and OpenVINO on the same networks and weights, interleaved in one session
#[derive(Debug, Parser)]
#[command(name = "peers", after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// A network; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    network: Vec<Subject>,

    /// A runner; may be given several times. What all are compared with, `tch`, always runs [default: all]
    #[arg(long, value_name = "NAME")]
    runner: Vec<Runner>,

    /// The samples of a call
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,8,32")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) batch: Vec<u16>,

    /// The threads of a runner
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Vec<u16>,

    /// How often each runner has its turn; an interval of 95 % takes 6
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,

    /// The milliseconds of a turn, of which there is one call at least
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) turn: u16,

    /// Writes the figures there too, those of each round included
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

const EXAMPLES: &str = "\
Examples:
  # Everything, in an hour or two; the first start installs Python packages into the target folder
  cargo run --release --example peers

  # One network, one sample at a time on one core
  taskset -c 1 cargo run --release --example peers -- --network avdigits --batch 1 --threads 1

  # Two runners, and the figures as JSON
  cargo run --release --example peers -- --runner onnxruntime --runner openvino --json peers.json";

/// What this program can be besides the conductor.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Work(Work),
}

/// One network, run in one way; the same for `worker.py`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Work {
    #[arg(long)]
    pub(crate) runner: Runner,
    #[arg(long)]
    pub(crate) network: Subject,
    #[arg(long)]
    pub(crate) threads: u16,
    /// Holds weights and inputs.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

impl Arguments {
    /// The networks asked for, each once.
    pub(crate) fn networks(&self) -> Vec<Subject> {
        chosen(Subject::ALL, &self.network)
    }

    /// The runners asked for, each once, and first the one that they are compared with.
    pub(crate) fn runners(&self) -> Vec<Runner> {
        let mut runners = chosen(Runner::ALL, &self.runner);
        runners.retain(|runner| *runner != Runner::REFERENCE);
        runners.insert(0, Runner::REFERENCE);
        runners
    }
}

/// Those of all that were named, or all where none was.
fn chosen<T: Copy + PartialEq>(all: &[T], named: &[T]) -> Vec<T> {
    all.iter().copied().filter(|one| named.is_empty() || named.contains(one)).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Arguments {
        Arguments::try_parse_from(format!("peers {line}").split_whitespace()).unwrap()
    }

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn everything_runs_where_nothing_is_named() {
        let arguments = parse("");
        assert_eq!(arguments.networks(), Subject::ALL);
        assert_eq!(arguments.runners(), Runner::ALL);
        assert_eq!((arguments.batch, arguments.threads), (vec![1, 8, 32], vec![1, 2]));
    }

    #[test]
    fn the_reference_runs_whatever_is_named() {
        let arguments = parse("--runner openvino --runner pytorch --runner openvino --batch 1,4");
        assert_eq!(arguments.runners(), [Runner::Tch, Runner::Pytorch, Runner::Openvino]);
        assert_eq!(arguments.batch, [1, 4]);
    }
}
