//! This program as a worker: runs a network in one of the ways of `m2sn`, as `worker.py` does in those of Python.

use std::io::{BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

use m2sn::tch::{self, Kind};
use rustix::time::{ClockId, clock_gettime};

use crate::arguments::Work;
use crate::ours::Call;
use crate::program::Outcome;
use crate::protocol::{Reply, Request};

/// Answers requests from standard input until it ends.
pub(crate) fn work(work: &Work, out: &mut dyn Write) -> Outcome {
    tch::set_num_threads(i32::from(work.threads));
    let mut call = None;
    for line in std::io::stdin().lock().lines() {
        let request = serde_json::from_str(&line.map_err(|error| format!("standard input: {error}"))?)?;
        let reply = answer(work, &mut call, &request).unwrap_or_else(|error| Reply::Fault(error.to_string()));
        writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        out.flush()?;
    }
    Ok(())
}

fn answer(work: &Work, call: &mut Option<Call>, request: &Request) -> m2sn::Result<Reply> {
    match *request {
        Request::Prepare { batch } => {
            // Two may not fit into memory.
            *call = None;
            let mut prepared = work.network.prepare(work.runner, &work.folder, batch)?;
            let logits = Vec::<f64>::try_from(prepared()?.to_kind(Kind::Double).flatten(0, -1))?;
            warm_up(&mut prepared)?;
            *call = Some(prepared);
            Ok(Reply::Ready { logits })
        }
        Request::Run { discarded, repetitions } => match call {
            Some(call) => run(call, discarded, repetitions),
            None => Ok(Reply::Fault("asked to run before anything was prepared".into())),
        },
    }
}

/// First calls are slow, and some prepare more than one.
fn warm_up(call: &mut Call) -> m2sn::Result<()> {
    let start = Instant::now();
    for count in 0..50 {
        if count >= 5 && start.elapsed() > Duration::from_millis(500) {
            break;
        }
        drop(call()?);
    }
    settle();
    Ok(())
}

fn run(call: &mut Call, discarded: u32, repetitions: u32) -> m2sn::Result<Reply> {
    for _ in 0..discarded {
        drop(call()?);
    }
    let mut wall = Vec::with_capacity(repetitions as usize);
    let busy = processor_time();
    for _ in 0..repetitions {
        let start = Instant::now();
        // Freed with the clock running, as in `worker.py`.
        drop(call()?);
        wall.push(milliseconds(start.elapsed()));
    }
    let cpu = milliseconds(processor_time().saturating_sub(busy)) / f64::from(repetitions.max(1));
    settle();
    Ok(Reply::Times { wall, cpu })
}

/// Waits until no thread of this process spins any more, since the next process is to have the machine.
fn settle() {
    for _ in 0..50 {
        let before = processor_time();
        thread::sleep(Duration::from_millis(20));
        if processor_time().saturating_sub(before) < Duration::from_millis(1) {
            return;
        }
    }
}

/// What this process has taken of all processors so far.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use m2sn::tch::Tensor;

    use super::*;
    use crate::networks::Subject;
    use crate::runner::Runner;

    #[test]
    fn as_many_calls_as_asked_for_are_timed() {
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        let mut call: Call = Box::new(move || {
            count.set(count.get() + 1);
            thread::sleep(Duration::from_millis(2));
            Ok(Tensor::from(0.0))
        });
        let reply = run(&mut call, 2, 3).unwrap();
        assert_eq!(calls.get(), 5);
        // What other tests of this process take of the processors counts, too.
        let Reply::Times { wall, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(wall.len(), 3);
        assert!(wall.iter().all(|time| *time >= 2.0), "{wall:?}");
    }

    #[test]
    fn nothing_runs_before_it_is_prepared() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().into();
        let work = Work { runner: Runner::Tch, network: Subject::AvMnist, threads: 1, folder };
        let request = Request::Run { discarded: 0, repetitions: 1 };
        let reply = answer(&work, &mut None, &request).unwrap();
        assert!(matches!(&reply, Reply::Fault(fault) if fault.contains("before")), "{reply:?}");
        assert!(answer(&work, &mut None, &Request::Prepare { batch: 1 }).is_err(), "nothing was written");
    }
}
