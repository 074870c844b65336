//! Runs the same networks with the same weights in `m2sn` and in what one would take instead, and compares the times.
//!
//! ```sh
//! # Everything, in an hour or two.
//! cargo run --release --example peers
//! # A first look, in a few minutes.
//! cargo run --release --example peers -- --network avdigits --batch 1 --threads 1 --rounds 6
//! ```
//!
//! This program conducts and computes nothing that is timed: every runner is a process of its own, `worker.py` or this
//! program once more, which is asked to run by a line of JSON and answers with times. So one computes at a time, each
//! has its threads from its start, and one session holds all that is compared. What has to be installed goes to the
//! target folder.

mod arguments;
mod conductor;
mod networks;
mod ours;
mod process;
#[path = "../../examples/program/mod.rs"]
mod program;
mod protocol;
mod python;
mod report;
mod runner;
mod statistics;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Role};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(|out| match &arguments.role {
        Some(Role::Work(work)) => worker::work(work, out),
        None => conductor::conduct(&arguments, out),
    })
}
