//! Why a sample took its route, what that cost, and what the other exits would have said.

use std::fmt;

use serde::Serialize;
use tch::{Kind, Tensor};

use super::prediction::{self, Prediction};
use super::routes;
use crate::batch::Feature;
use crate::latency::{self, Stopwatch, Table};
use crate::network::{Input, Network, Route, check_inputs, exit_features};
use crate::{Error, Result, navigator};

/// The most routes whose predictions are listed.
const MOST_ROUTES: usize = 64;

/// The trace of one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The model's name.
    pub model: String,
    /// The route that the navigator chose.
    pub route: String,
    /// What the model says by that route.
    pub prediction: Prediction,
    /// The wall time from the inputs to the logits.
    pub milliseconds: f64,
    /// The navigator's part of it.
    pub navigator: f64,
    /// The part of fusion and head.
    pub head: f64,
    /// The encoders.
    pub modalities: Vec<ExplainedModality>,
    /// What every route would have said; empty where there are more than 64.
    pub routes: Vec<ExplainedRoute>,
    /// What does not pay by the latency table, as by [`crate::latency::unpaid`].
    pub warnings: Vec<String>,
}

/// One encoder in the trace of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedModality {
    /// The name in the spec.
    pub name: String,
    /// The exits from the shallowest to `full`.
    pub exits: Vec<ExplainedExit>,
}

/// One exit in the trace of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedExit {
    /// The name.
    pub name: String,
    /// The navigator's score, a logit.
    pub score: f64,
    /// The softmax of the scores.
    pub probability: f64,
    /// What became of the exit.
    pub choice: Choice,
    /// What the task head of the modality alone says of the exit's feature.
    pub prediction: Prediction,
    /// What the latency table says of the way to this exit, in milliseconds.
    pub expected: Option<f64>,
}

/// Whether an exit's block ran, and the milliseconds that it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The sample went on beyond the exit.
    Passed {
        /// The block's time.
        block: f64,
    },
    /// The sample left here.
    Taken {
        /// The block's time.
        block: f64,
        /// The shortcut's time; zero at `full`.
        shortcut: f64,
    },
    /// The block did not run.
    Skipped,
}

/// One route that the sample could have taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedRoute {
    /// The route.
    pub route: String,
    /// What the model says by it.
    pub prediction: Prediction,
    /// What the latency table says of it, with fusion and head and without the navigator, in milliseconds.
    pub expected: Option<f64>,
}

/// Explains the route of one sample.
///
/// The other exits are looked at first and outside the times, which are those of one ordinary run afterwards.
/// `table` adds what is to be expected of the exits that were not taken.
///
/// # Errors
/// [`Error::Invalid`] where there is not exactly one sample, or the table has not the network's exits;
/// else as [`super::predict`].
pub fn explain<N: Network>(network: &N, input: &N::Input, table: Option<&Table>) -> Result<Explanation> {
    let inputs = input.features();
    let samples = check_inputs(network, &inputs)?;
    if samples != 1 {
        return Err(Error::invalid(format!("explain: expected one sample, found {samples}; narrow the batch to one")));
    }
    let description = N::description();
    let warnings = table.map(latency::unpaid::<N>).transpose()?.unwrap_or_default();
    let _no_grad = tch::no_grad_guard();

    let features: Vec<Vec<Tensor>> =
        inputs.iter().enumerate().map(|(modality, input)| exit_features(network, modality, input, false)).collect();
    let trace = Trace::run(network, &inputs)?;
    let chosen = N::Route::from_exits(&trace.exits)
        .ok_or_else(|| Error::invalid(format!("navigator: there is no route {:?}", trace.exits)))?;

    let read = |logits: &Tensor| -> Result<Prediction> { Ok(Prediction::of(description.task, logits)?.swap_remove(0)) };
    let mut modalities = Vec::new();
    for (m, modality) in description.modalities.iter().enumerate() {
        let scores = prediction::rows(&trace.scores[m])?.swap_remove(0);
        let probabilities = prediction::rows(&trace.scores[m].softmax(1, Kind::Float))?.swap_remove(0);
        let mut exits = Vec::new();
        for (e, exit) in modality.exits.iter().enumerate() {
            exits.push(ExplainedExit {
                name: exit.name.into(),
                score: scores[e],
                probability: probabilities[e],
                choice: trace.choices[m][e],
                prediction: read(&network.task_head(m, &features[m][e]))?,
                expected: table.map(|table| table.exit(m, e)),
            });
        }
        modalities.push(ExplainedModality { name: modality.name.into(), exits });
    }
    let mut all = Vec::new();
    if routes::count::<N>() <= MOST_ROUTES {
        for route in routes::all::<N>() {
            let exits = route.exits();
            let picked: Vec<Tensor> =
                exits.iter().zip(&features).map(|(e, features)| features[*e].shallow_clone()).collect();
            all.push(ExplainedRoute {
                route: route.to_string(),
                prediction: read(&network.fuse(&picked, false))?,
                expected: table.map(|table| table.route(&exits)),
            });
        }
    }
    Ok(Explanation {
        model: description.name.into(),
        route: chosen.to_string(),
        prediction: read(&trace.logits)?,
        milliseconds: trace.milliseconds,
        navigator: trace.navigator,
        head: trace.head,
        modalities,
        routes: all,
        warnings,
    })
}

/// One ordinary run with a stopwatch beside each part.
#[derive(Debug)]
struct Trace {
    scores: Vec<Tensor>,
    exits: Vec<usize>,
    choices: Vec<Vec<Choice>>,
    logits: Tensor,
    navigator: f64,
    head: f64,
    milliseconds: f64,
}

impl Trace {
    fn run<N: Network>(network: &N, inputs: &[Feature]) -> Result<Self> {
        let device = network.variables().device();
        let mut whole = Stopwatch::start(device);
        let mut part = Stopwatch::start(device);

        let scores = network.navigate(inputs, false);
        let exits: Vec<usize> = navigator::decide(&scores)?.concat();
        let navigator = part.lap();

        let mut choices = Vec::new();
        let mut features = Vec::new();
        for (modality, (input, taken)) in inputs.iter().zip(&exits).enumerate() {
            let full = N::description().modalities[modality].exits.len() - 1;
            let mut times = vec![Choice::Skipped; full + 1];
            let mut feature = input.clone();
            for (block, time) in times[..=*taken].iter_mut().enumerate() {
                part.lap();
                feature = network.block(modality, block, &feature, false);
                *time = Choice::Passed { block: part.lap() };
            }
            let mut tensor = feature.tensor.shallow_clone();
            let mut shortcut = 0.0;
            if *taken < full {
                part.lap();
                tensor = network.shortcut(modality, *taken, &feature, false);
                shortcut = part.lap();
            }
            if let Choice::Passed { block } = times[*taken] {
                times[*taken] = Choice::Taken { block, shortcut };
            }
            choices.push(times);
            features.push(tensor);
        }
        part.lap();
        let logits = network.fuse(&features, false);
        let head = part.lap();
        Ok(Self { scores, exits, choices, logits, navigator, head, milliseconds: whole.lap() })
    }
}

impl Explanation {
    /// The times of all parts together; what is missing from [`Explanation::milliseconds`] lies between the parts.
    pub fn parts(&self) -> f64 {
        let exits = self.modalities.iter().flat_map(|modality| &modality.exits);
        let encoders: f64 = exits
            .map(|exit| match exit.choice {
                Choice::Passed { block } => block,
                Choice::Taken { block, shortcut } => block + shortcut,
                Choice::Skipped => 0.0,
            })
            .sum();
        self.navigator + encoders + self.head
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` says {} by {}, in {:.3} ms", self.model, self.prediction, self.route, self.milliseconds)?;
        writeln!(f, "navigator {:.3} ms, fusion and head {:.3} ms", self.navigator, self.head)?;
        let exits =
            || self.modalities.iter().flat_map(|modality| modality.exits.iter().map(move |exit| (modality, exit)));
        let width = exits().map(|(modality, exit)| modality.name.len() + 2 + exit.name.len()).max().unwrap_or(0);
        writeln!(f, "\n{:width$}  probability  block ms  shortcut ms  expected ms  alone", "")?;
        for (modality, exit) in exits() {
            let (block, shortcut, taken) = match exit.choice {
                Choice::Passed { block } => (format!("{block:.3}"), "-".into(), ""),
                Choice::Taken { block, shortcut } => (format!("{block:.3}"), format!("{shortcut:.3}"), "  <- taken"),
                Choice::Skipped => ("-".into(), "-".into(), ""),
            };
            let name = format!("{}, {}", modality.name, exit.name);
            let probability = format!("{:.1} %", 100.0 * exit.probability);
            let prediction = &exit.prediction;
            let expected = milliseconds(exit.expected);
            writeln!(
                f,
                "{name:width$}  {probability:>11}  {block:>8}  {shortcut:>11}  {expected:>11}  {prediction}{taken}"
            )?;
        }
        let width = self.routes.iter().map(|route| route.route.chars().count()).max().unwrap_or(0);
        if !self.routes.is_empty() {
            writeln!(f, "\n{:width$}  expected ms  together", "")?;
        }
        for ExplainedRoute { route, prediction, expected } in &self.routes {
            let taken = if *route == self.route { "  <- taken" } else { "" };
            writeln!(f, "{route:width$}  {:>11}  {prediction}{taken}", milliseconds(*expected))?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "\nBy the latency table, this does not pay:")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "* {warning}"))
    }
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}
