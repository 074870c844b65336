//! A worker as the conductor sees it: a process that is asked by a line and answers by one.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::arguments::Work;
use crate::protocol::{Reply, Request};

/// A worker, which ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    /// What it writes to standard error.
    log: PathBuf,
}

impl Process {
    /// Starts a worker by `command`, which is told its work and the number of its threads.
    pub(crate) fn start(mut command: Command, work: &Work, log: &Path) -> Result<Self, String> {
        let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let threads = work.threads.to_string();
        command
            .args(["--runner", work.runner.name(), "--network", work.network.name(), "--threads", &threads])
            .arg("--folder")
            .arg(&work.folder)
            // Read when the libraries are loaded, before anything that a program says to them.
            .env("OMP_NUM_THREADS", &threads)
            .env("MKL_NUM_THREADS", &threads)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file);
        let name = command.get_program().display().to_string();
        let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name}: its input and output cannot be had"));
        };
        Ok(Self { child, requests, replies: BufReader::new(replies), log: log.into() })
    }

    /// Prepares a batch size; returns the logits.
    pub(crate) fn prepare(&mut self, batch: u16) -> Result<Vec<f64>, String> {
        match self.ask(&Request::Prepare { batch })? {
            Reply::Ready { logits } => Ok(logits),
            reply => Err(self.unexpected(&reply)),
        }
    }

    /// Runs what was prepared; returns the milliseconds of each call, and those of the mean call on all processors.
    pub(crate) fn run(&mut self, discarded: u32, repetitions: u32) -> Result<(Vec<f64>, f64), String> {
        match self.ask(&Request::Run { discarded, repetitions })? {
            Reply::Times { wall, cpu } => Ok((wall, cpu)),
            reply => Err(self.unexpected(&reply)),
        }
    }

    /// Whether it is there no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, String> {
        let mut line = serde_json::to_string(request).map_err(|error| error.to_string())?;
        line.push('\n');
        // Where the worker has gone, its last words tell more than this error.
        let asked = self.requests.write_all(line.as_bytes()).and_then(|()| self.requests.flush());
        line.clear();
        match asked.and_then(|()| self.replies.read_line(&mut line)) {
            Ok(length) if length > 0 => {
                serde_json::from_str(&line).map_err(|error| format!("a reply that is none ({error}): {}", line.trim()))
            }
            _ => Err(self.last_words()),
        }
    }

    fn unexpected(&self, reply: &Reply) -> String {
        match reply {
            Reply::Fault(fault) => format!("{fault}; all that it said is in {}", self.log.display()),
            _ => "a reply to another request".into(),
        }
    }

    /// Why it may have ended.
    fn last_words(&mut self) -> String {
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        // What Rust adds to a panic says nothing about this one.
        let words = said.trim().lines().rfind(|line| !line.starts_with("note: ")).unwrap_or("without a word");
        format!("ended ({status}): {words}; all that it said is in {}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; where it cannot be stopped, nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::networks::Subject;
    use crate::runner::Runner;

    /// A worker that is a line of shell.
    fn shell(script: &str) -> (Process, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        let work = Work { runner: Runner::Tch, network: Subject::Mm256, threads: 3, folder: folder.path().into() };
        (Process::start(command, &work, &folder.path().join("log")).unwrap(), folder)
    }

    #[test]
    fn asks_and_is_answered() {
        let script = r#"while read -r line; do
            case "$line" in
                *prepare*) echo '{"ready":{"logits":['$OMP_NUM_THREADS']}}' ;;
                *) echo '{"times":{"wall":[1.5],"cpu":2}}' ;;
            esac
        done"#;
        let (mut process, _folder) = shell(script);
        assert!(!process.has_ended());
        assert_eq!(process.prepare(8).unwrap(), [3.0]);
        assert_eq!(process.run(1, 1).unwrap(), (vec![1.5], 2.0));
    }

    #[test]
    fn says_what_a_worker_said_last() {
        let script = "read -r line; echo import torch; read -r line; echo 'No module named torch' >&2; exit 3";
        let (mut process, _folder) = shell(script);
        let fault = process.prepare(8).unwrap_err();
        assert!(fault.starts_with("a reply that is none") && fault.ends_with(": import torch"), "{fault}");
        let fault = process.prepare(8).unwrap_err();
        assert!(process.has_ended());
        assert!(fault.contains("exit status: 3") && fault.contains("No module named torch; "), "{fault}");

        let (mut process, _folder) = shell(r#"read -r line; echo '{"fault":"no memory"}'"#);
        let fault = process.prepare(8).unwrap_err();
        assert!(fault.starts_with("no memory; "), "{fault}");
    }
}
