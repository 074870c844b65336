//! What a program that serves sees: the time to its first answer, its memory, and the answers a second for so many callers.
//!
//! ```sh
//! cargo bench --bench serving
//! ```

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use m2sn::batch::Feature;
use m2sn::network::Input;
use m2sn::predictor::{Options, Predictor};
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::{self, Kind, Tensor};

/// The network that is served.
#[m2sn_model("specs/avdigits.yaml")]
struct AvDigits;

/// The programs that are started for each figure.
const STARTS: usize = 7;
/// How long callers ask.
const ASKED: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        // What this program starts itself as.
        [mode, folder] if mode == "model" || mode == "predictor" => answer_once(mode, Path::new(folder)),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn compare() -> Outcome {
    let folder = tempfile::tempdir()?;
    AvDigits::seeded(Device::Cpu, 0)?.save(folder.path())?;
    println!("|           | first answer, ms | resident, MiB |\n|-----------|-----------------:|--------------:|");
    for mode in ["model", "predictor"] {
        let mut starts = (0..STARTS).map(|_| start(mode, folder.path())).collect::<Result<Vec<_>, _>>()?;
        starts.sort_by(|left, right| left.0.total_cmp(&right.0));
        let (milliseconds, resident) = starts[STARTS / 2];
        println!("| {mode:<9} | {milliseconds:>16.0} | {resident:>13.0} |");
    }

    tch::set_num_threads(1);
    let model = Mutex::new(AvDigits::seeded(Device::Cpu, 0)?);
    let predictor = Predictor::new(AvDigits::seeded(Device::Cpu, 0)?, Options::default())?;
    let full = routing::full::<AvDigits>();
    println!("\n| callers | model, in turns, answers a second | predictor, answers a second |");
    println!("|--------:|----------------------------------:|----------------------------:|");
    for callers in [1, 2, 4] {
        let by_model = answers_a_second(callers, &|input| {
            model.lock().unwrap_or_else(PoisonError::into_inner).predict_by(input, full).map(drop)
        })?;
        let by_predictor = answers_a_second(callers, &|input| predictor.predict_by(input, full).map(drop))?;
        println!("| {callers:>7} | {by_model:>33.0} | {by_predictor:>27.0} |");
    }
    Ok(())
}

/// Starts this program once more, to answer once: the milliseconds until it has, and the MiB that it took at most.
fn start(mode: &str, folder: &Path) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe()?).arg(mode).arg(folder).output()?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse() {
        Ok(resident) => Ok((milliseconds, resident)),
        Err(_) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into()),
    }
}

/// Loads, answers once, and prints the MiB that the process took at most; nothing where the system does not tell.
fn answer_once(mode: &str, folder: &Path) -> Outcome {
    tch::set_num_threads(1);
    let mut model = AvDigits::new(Device::Cpu)?;
    model.load(folder)?;
    let full = routing::full::<AvDigits>();
    match mode {
        "model" => drop(model.predict_by(&draw(), full)?),
        _ => drop(model.into_predictor(Options::default())?.predict_by(&draw(), full)?),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    println!("{:.0}", peak.unwrap_or(0.0) / 1024.0);
    Ok(())
}

/// How many answers so many callers get in a second, each with a sample of its own.
fn answers_a_second(callers: usize, ask: &(dyn Fn(&av_digits::Input) -> m2sn::Result<()> + Sync)) -> m2sn::Result<f64> {
    let (answers, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    let outcomes: Vec<m2sn::Result<()>> = std::thread::scope(|scope| {
        let call = || {
            let input = draw();
            while !stop.load(Ordering::Relaxed) {
                ask(&input)?;
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
        std::thread::sleep(ASKED);
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    outcomes.into_iter().collect::<m2sn::Result<()>>()?;
    Ok(answers.into_inner() as f64 / seconds)
}

fn draw() -> av_digits::Input {
    let modalities = AvDigits::description().modalities.iter();
    let inputs = modalities.map(|modality| {
        let size = [&[1], modality.dims].concat();
        Feature::from(Tensor::randn(size, (Kind::Float, tch::Device::Cpu)))
    });
    av_digits::Input::from_features(inputs.collect()).expect("inputs as the description has them")
}
