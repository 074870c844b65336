//! `cargo m2sn`: the compiler of m2sn on the command line, without a build and without LibTorch.
//!
//! Results go to standard output, everything else to standard error. The exit code is 0 where all is well,
//! 1 where a spec or a file is at fault, and 2 where the command itself is wrong.

mod arguments;
mod check;
mod cost;
mod expand;
mod graph;
mod init;
mod spec;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// How a command ends well: whether everything that it looked at is sound.
type Outcome = Result<bool, Fault>;

/// Why a command cannot go on.
#[derive(Debug)]
enum Fault {
    /// What the user is told.
    Message(String),
    /// Standard output takes no more.
    Output(io::Error),
}

fn main() -> ExitCode {
    // Cargo calls `cargo-m2sn m2sn check`; by hand it is `cargo-m2sn check`.
    let words = std::env::args_os().enumerate().filter(|(at, word)| *at != 1 || word != "m2sn").map(|(_, word)| word);
    let arguments = Arguments::parse_from(words);
    let mut output = io::stdout().lock();
    match run(arguments.command, &mut output).and_then(|sound| Ok(output.flush().map(|()| sound)?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader has had enough, as in `cargo m2sn schema | head -1`.
        Err(Fault::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            let text = match fault {
                Fault::Message(text) => text,
                Fault::Output(error) => format!("standard output: {error}"),
            };
            say(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, output: &mut dyn Write) -> Outcome {
    match command {
        Command::Init(init) => init::run(&init),
        Command::Check(check) => check::run(&check, output),
        Command::Expand { spec } => expand::run(&spec, output),
        Command::Graph { spec, format } => graph::run(&spec, format, output),
        Command::Cost { spec, json } => cost::run(&spec, json, output),
        Command::Schema => Ok(output.write_all(m2sn_compiler::SCHEMA.as_bytes()).map(|()| true)?),
    }
}

/// Writes a line to standard error; where nobody listens, it is left unsaid.
fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

impl From<io::Error> for Fault {
    /// A bare error is one of standard output, because those of files are messages that name the file.
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
