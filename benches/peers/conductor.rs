//! The session: who computes when.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::{Arguments, Work};
use crate::networks::Subject;
use crate::process::Process;
use crate::program::{Outcome, say};
use crate::python::Python;
use crate::report::{Report, Row, Table, Turn, difference};
use crate::runner::Runner;
use crate::statistics::median;

/// Runs all that was asked for, and writes a table as soon as it is there.
pub(crate) fn conduct(arguments: &Arguments, out: &mut dyn Write) -> Outcome {
    let home = home()?;
    fs::create_dir_all(&home).map_err(named(&home))?;
    let runners = arguments.runners();
    let python = match runners.iter().any(|runner| runner.is_python()) {
        true => Some(Python::ready(&home)?),
        false => None,
    };
    if let Some(file) = &arguments.json {
        // Before an hour is spent.
        fs::write(file, "").map_err(named(file))?;
    }
    let session = Session { arguments, home, runners, python };
    let mut report: Option<Report> = None;
    for network in arguments.networks() {
        let folder = session.home.join(network.name());
        say(&format!("{}: drawing weights", network.name()));
        let machine = network.write(&folder, &arguments.batch)?;
        let report = report.get_or_insert_with(|| Report::of(machine));
        for threads in &arguments.threads {
            let mut workers = session.runners.iter().map(|runner| (*runner, None)).collect();
            for batch in &arguments.batch {
                let table = session.measure(&mut workers, network, *threads, *batch)?;
                writeln!(out, "{table}")?;
                out.flush()?;
                report.tables.push(table);
                if let Some(file) = &arguments.json {
                    let text = serde_json::to_string_pretty(report)? + "\n";
                    fs::write(file, text).map_err(named(file))?;
                }
            }
        }
    }
    let faults: usize = report.iter().flat_map(|report| &report.tables).map(|table| table.faults.len()).sum();
    match faults {
        0 => Ok(()),
        _ => Err(format!("{faults} faults, named below the tables").into()),
    }
}

struct Session<'a> {
    arguments: &'a Arguments,
    /// The folder of all that is installed and written.
    home: PathBuf,
    runners: Vec<Runner>,
    python: Option<Python>,
}

/// The workers of one network, those that run.
type Workers = Vec<(Runner, Option<Process>)>;

impl Session<'_> {
    /// Has all runners answer the same inputs: first once, to see that they say the same, then in turns.
    fn measure(&self, workers: &mut Workers, network: Subject, threads: u16, batch: u16) -> Result<Table, String> {
        let mut table = Table { network, batch, threads, rows: Vec::new(), faults: Vec::new() };
        let place = table.title();
        let mut players = Vec::new();
        let mut said = Vec::new();
        for (runner, worker) in workers {
            say(&format!("{place}: preparing {}", runner.name()));
            // One that failed at another batch may do this one.
            if worker.as_mut().is_none_or(Process::has_ended) {
                *worker = Some(self.start(*runner, network, threads, batch)?);
            }
            let Some(process) = worker else { continue };
            match Player::prepare(*runner, process, batch, &mut said) {
                Ok(player) => players.push(player),
                Err(fault) if *runner == Runner::REFERENCE => return Err(format!("{place}, tch: {fault}")),
                Err(fault) => table.faults.push(format!("{}: {fault}", runner.name())),
            }
        }
        say(&format!("{place}: {}", agreement(&players)));
        for player in &mut players {
            player.fit(self.arguments.turn);
        }
        for round in 0..usize::from(self.arguments.rounds) {
            for player in order(players.len(), round) {
                players[player].play();
            }
        }
        let reference = players.first().map(|player| player.turns.clone()).unwrap_or_default();
        for Player { runner, difference, repetitions, turns, fault, .. } in players {
            match fault {
                Some(fault) if runner == Runner::REFERENCE => return Err(format!("{place}, tch: {fault}")),
                Some(fault) => table.faults.push(format!("{}: {fault}", runner.name())),
                None => table.rows.extend(Row::of(runner, turns, &reference, difference, repetitions)),
            }
        }
        Ok(table)
    }

    fn start(&self, runner: Runner, network: Subject, threads: u16, batch: u16) -> Result<Process, String> {
        let command = match &self.python {
            Some(python) if runner.is_python() => python.script("worker.py", &self.home),
            _ => ourselves().map_err(|error| error.to_string())?,
        };
        let folder = self.home.join(network.name());
        let log = folder.join(format!("{}-{threads}-{batch}.log", runner.name()));
        Process::start(command, &Work { runner, network, threads, folder }, &log)
    }
}

/// A worker that takes turns.
struct Player<'a> {
    runner: Runner,
    process: &'a mut Process,
    difference: Option<f64>,
    discarded: u32,
    repetitions: u32,
    turns: Vec<Turn>,
    /// Why it plays no more.
    fault: Option<String>,
}

impl<'a> Player<'a> {
    /// Gets a worker ready, and compares its logits with those that others said before.
    fn prepare(
        runner: Runner,
        process: &'a mut Process,
        batch: u16,
        said: &mut Vec<(Runner, Vec<f64>)>,
    ) -> Result<Self, String> {
        let logits = process.prepare(batch)?;
        said.push((runner, logits.clone()));
        let model = said.iter().find(|(other, _)| *other == runner.model());
        let difference = model.map(|(_, model)| difference(&logits, model));
        let tolerance = runner.tolerance();
        if let Some(found) = difference.filter(|found| *found > tolerance) {
            return Err(format!("its logits differ by {found:.1e}, more than the {tolerance:.0e} of its precision"));
        }
        Ok(Self { runner, process, difference, discarded: 1, repetitions: 1, turns: Vec::new(), fault: None })
    }

    /// Sees how many calls fit into a turn of so many milliseconds.
    fn fit(&mut self, turn: u16) {
        let Some((wall, _)) = self.run(1, 3) else { return };
        let call = median(&wall).unwrap_or_default().max(1e-3);
        let calls = |milliseconds: f64| (milliseconds / call) as u32;
        self.discarded = calls(f64::from(turn) / 5.0).clamp(1, 50);
        self.repetitions = calls(turn.into()).clamp(1, 5000);
    }

    fn play(&mut self) {
        if let Some((wall, cpu)) = self.run(self.discarded, self.repetitions) {
            self.turns.extend(Turn::of(self.runner, &wall, cpu));
        }
    }

    fn run(&mut self, discarded: u32, repetitions: u32) -> Option<(Vec<f64>, f64)> {
        if self.fault.is_some() {
            return None;
        }
        self.process.run(discarded, repetitions).map_err(|fault| self.fault = Some(fault)).ok()
    }
}

/// In what order they play: over the rounds everyone comes at every place, after one neighbour and after the other.
fn order(players: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..players).collect();
    order.rotate_left(round / 2 % players.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// That all say the same, within what their precision allows.
fn agreement(players: &[Player<'_>]) -> String {
    let mut largest: BTreeMap<String, f64> = BTreeMap::new();
    for player in players {
        if let Some(difference) = player.difference {
            let largest = largest.entry(format!("{:.0e}", player.runner.tolerance())).or_default();
            *largest = largest.max(difference);
        }
    }
    let largest: Vec<_> =
        largest.iter().map(|(tolerance, found)| format!("{found:.0e} where {tolerance} is allowed")).collect();
    format!("{} runners agree: logits differ by {}", players.len(), largest.join(", by "))
}

/// A folder among what cargo has built: this program is `target/release/examples/peers`.
fn home() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(3).unwrap_or(&program);
    Ok(target.join("peers"))
}

/// This program once more.
fn ourselves() -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("work");
    Ok(command)
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everyone_comes_at_every_place() {
        let rounds: Vec<_> = (0..8).map(|round| order(4, round)).collect();
        assert_eq!(rounds[..4], [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0], [0, 3, 2, 1]]);
        for place in 0..4 {
            let players: BTreeSet<_> = rounds.iter().map(|order| order[place]).collect();
            assert_eq!(players.len(), 4, "{rounds:?}");
        }
        assert!(order(0, 3).is_empty());
    }
}
