//! How the examples speak and end, the same for all: results go to standard output, all else to standard error.
//!
//! `println!` and `eprintln!` panic where nobody listens any more. Here a reader that has had enough, as in
//! `quickstart | head -1`, ends the program quietly and well, and an output that takes nothing, such as a full disk,
//! is an error like any other. What cannot be said on standard error is left unsaid.

use std::env::{self, VarError};
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::prelude::*;

/// How a program ends; a bare [`io::Error`] is one of standard output, because those of files name the file.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Runs a program, which writes its results to what it is given, and says what went wrong.
pub(crate) fn run(program: impl FnOnce(&mut dyn Write) -> Outcome) -> ExitCode {
    log();
    let mut output = io::stdout().lock();
    match program(&mut output).and_then(|()| Ok(output.flush()?)).or_else(fault) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("error: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error.
pub(crate) fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

/// What to tell the user of an error, if anything.
fn fault(error: Box<dyn Error>) -> Result<(), String> {
    match error.downcast_ref::<io::Error>() {
        Some(output) if output.kind() == ErrorKind::BrokenPipe => Ok(()),
        Some(output) => Err(format!("standard output: {output}")),
        None => Err(error.to_string()),
    }
}

/// Logs to standard error what `RUST_LOG` asks for, or else warnings.
fn log() {
    let filter = filter(env::var("RUST_LOG")).unwrap_or_else(|fault| {
        say(&format!("warning: RUST_LOG: {fault}; goes on as if it were not set"));
        warnings()
    });
    // By itself, the log reports a failure to write with `eprintln!`.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// Reads the value of `RUST_LOG`.
fn filter(value: Result<String, VarError>) -> Result<Targets, String> {
    let text = match value {
        Ok(text) => text,
        Err(VarError::NotPresent) => String::new(),
        Err(VarError::NotUnicode(text)) => return Err(format!("`{}` is not Unicode", text.display())),
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Ok(warnings());
    }
    if let Some(part) = parts.iter().find(|part| !is_directive(part)) {
        let levels = "`error`, `warn`, `info`, `debug`, `trace` or `off`";
        return Err(format!("expected {levels}, or one for a part of the program as in `m2sn=info`, found `{part}`"));
    }
    parts.join(",").parse().map_err(|error: ParseError| error.to_string())
}

/// Whether a part of a filter says something.
///
/// A word alone may be a target, all of whose events are wanted; one that is none of ours is a level misspelt.
fn is_directive(part: &str) -> bool {
    match part.split_once('=') {
        // An empty level would be read as `error`.
        Some((_, level)) => !level.is_empty() && level.parse::<LevelFilter>().is_ok(),
        None => part.starts_with("m2sn") || part.parse::<LevelFilter>().is_ok(),
    }
}

/// What is logged where nothing else is asked for.
fn warnings() -> Targets {
    Targets::new().with_default(LevelFilter::WARN)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_reader_that_has_had_enough_is_no_fault_but_a_full_disk_is() {
        let end = |kind: ErrorKind| fault(io::Error::from(kind).into());
        assert_eq!(end(ErrorKind::BrokenPipe), Ok(()));
        assert_eq!(end(ErrorKind::StorageFull), Err("standard output: no storage space".into()));
        let file = m2sn::Error::Io { path: "data".into(), source: ErrorKind::BrokenPipe.into() };
        assert_eq!(fault(file.into()), Err("data: broken pipe".into()), "a file is not the output");
    }

    #[test]
    fn logs_what_is_asked_for() {
        let logs = |text: &str, target: &str, level| filter(Ok(text.into())).unwrap().would_enable(target, &level);
        const OURS: &str = "m2sn_runtime::training";
        for nothing in ["", " ", ","] {
            assert!(logs(nothing, OURS, Level::WARN) && !logs(nothing, OURS, Level::INFO));
        }
        for text in ["info", "INFO", "3", "m2sn=info", "off, m2sn=info", "m2sn"] {
            assert!(logs(text, OURS, Level::INFO), "{text}");
        }
        assert!(!logs("other=info", OURS, Level::WARN));
    }

    #[test]
    fn names_the_part_of_a_filter_that_says_nothing() {
        for (text, part) in
            [("inof", "inof"), ("m2sn=inof", "m2sn=inof"), ("warn,=,m2sn=", "="), ("a=b=info", "a=b=info")]
        {
            let message = filter(Ok(text.into())).unwrap_err();
            assert!(message.ends_with(&format!("found `{part}`")), "{message}");
        }
        assert_eq!(filter(Err(VarError::NotUnicode("x".into()))).unwrap_err(), "`x` is not Unicode");
    }
}
