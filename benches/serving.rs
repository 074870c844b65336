//! What a program that serves sees: the time to its first answer and where that goes, its memory, and the answers a second
//! for so many callers.
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
use m2sn::checkpoint;
use m2sn::network::Input;
use m2sn::predictor::{Options, Predictor};
use m2sn::prelude::*;
use m2sn::routing;
use m2sn::tch::{self, Kind, Tensor};

/// The network that is served.
#[m2sn_model("specs/avdigits.yaml")]
struct AvDigits;

/// One whose weights are most of what a program holds.
#[m2sn_model("benches/peers/specs/mm512.yaml")]
struct Mm512;

/// The programs that are started for each figure.
const STARTS: usize = 7;
/// How long callers ask.
const ASKED: Duration = Duration::from_secs(1);
/// The file of what a predictor's parts cost and which engines run them, beside the checkpoint.
const LATENCY: &str = "predictor.json";

/// What a program does that is started to answer once.
const MODES: [&str; 3] = ["model", "predictor", "predictor, known machine"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        // What this program starts itself as.
        [model, mode, folder] if model == AvDigits::description().name => answer_once::<AvDigits>(mode, folder),
        [model, mode, folder] if model == Mm512::description().name => answer_once::<Mm512>(mode, folder),
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
    println!(
        "| {:<33} | first answer, ms | loaded | frozen | answered | resident then, MiB | at most |\n\
         |{:-<35}|-----------------:|-------:|-------:|---------:|-------------------:|--------:|",
        "", ""
    );
    starts::<AvDigits>()?;
    starts::<Mm512>()?;

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

/// Starts programs that load a network and answer once, each mode in turns with the others, and prints their medians.
fn starts<N: Network>() -> Outcome {
    let folder = tempfile::tempdir()?;
    tch::set_num_threads(1);
    let network = N::seeded(Device::Cpu, 0)?;
    checkpoint::save(&network, folder.path())?;
    Predictor::new(network, Options { latency: Some(folder.path().join(LATENCY)), ..Options::default() })?;
    let mut found = MODES.map(|_| Vec::new());
    for _ in 0..STARTS {
        for (mode, found) in MODES.iter().zip(&mut found) {
            found.push(start(N::description().name, mode, folder.path())?);
        }
    }
    for (mode, found) in MODES.iter().zip(found) {
        let median = |figure: usize| {
            let mut of: Vec<f64> = found.iter().map(|figures| figures[figure]).collect();
            of.sort_by(f64::total_cmp);
            of[of.len() / 2]
        };
        let [first, loaded, frozen, answered, resident, most] = std::array::from_fn(median);
        println!(
            "| {:<33} | {first:>16.0} | {loaded:>6.0} | {frozen:>6.0} | {answered:>8.0} | \
             {resident:>18.0} | {most:>7.0} |",
            format!("{}, {mode}", N::description().name)
        );
    }
    Ok(())
}

/// The figures of one start: the milliseconds from outside, then what the program prints.
type Figures = [f64; 6];

/// Starts this program once more, to answer once.
fn start(model: &str, mode: &str, folder: &Path) -> Result<Figures, Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe()?).args([model, mode]).arg(folder).output()?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    let text = String::from_utf8_lossy(&output.stdout);
    let printed: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match [vec![milliseconds], printed.unwrap_or_default()].concat().try_into() {
        Ok(figures) => Ok(figures),
        Err(_) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into()),
    }
}

/// Loads and answers once. Prints the milliseconds until the network was loaded, from there until it was frozen, and until
/// it had answered; and the MiB that are resident then, and that were at most: zero where the system does not tell.
fn answer_once<N: Network + 'static>(mode: &str, folder: &str) -> Outcome
where
    N::Input: 'static,
{
    let folder = Path::new(folder);
    let (input, full) = (draw::<N>()?, routing::full::<N>());
    tch::set_num_threads(1);
    let mut begin = Instant::now();
    let mut lap = || std::mem::replace(&mut begin, Instant::now()).elapsed().as_secs_f64() * 1e3;
    let network: N = checkpoint::open(folder, Device::Cpu)?;
    let loaded = lap();
    let latency = (mode == MODES[2]).then(|| folder.join(LATENCY));
    let ask: Box<dyn Fn() -> m2sn::Result<()>> = if mode == MODES[0] {
        Box::new(move || routing::predict_by(&network, &input, full).map(drop))
    } else {
        let predictor = Predictor::new(network, Options { latency, ..Options::default() })?;
        Box::new(move || predictor.predict_by(&input, full).map(drop))
    };
    let frozen = lap();
    ask()?;
    println!("{loaded} {frozen} {} {} {}", lap(), memory("VmRSS:"), memory("VmHWM:"));
    Ok(())
}

/// What the system says of this process's memory, in MiB.
fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) / 1024.0
}

/// How many answers so many callers get in a second, each with a sample of its own.
fn answers_a_second(callers: usize, ask: &(dyn Fn(&av_digits::Input) -> m2sn::Result<()> + Sync)) -> m2sn::Result<f64> {
    let (answers, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begin = Instant::now();
    let outcomes: Vec<m2sn::Result<()>> = std::thread::scope(|scope| {
        let call = || {
            let input = draw::<AvDigits>()?;
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

fn draw<N: Network>() -> m2sn::Result<N::Input> {
    let inputs = N::description().modalities.iter().map(|modality| {
        let size = [&[1], modality.dims].concat();
        Feature::from(match modality.vocabulary {
            Some(vocabulary) => Tensor::randint(vocabulary, &size[..], (Kind::Int64, tch::Device::Cpu)),
            None => Tensor::randn(&size[..], (Kind::Float, tch::Device::Cpu)),
        })
    });
    N::Input::from_features(inputs.collect())
}
