//! A sample's journey: where a policy looked at it and what it expected there, what that cost, and what every other way
//! would have said.

mod explanation;
mod journey;
mod svg;
mod text;

use tch::{Kind, Tensor};

use super::prediction::{self, Prediction};
use super::{predict_with, predict_within, routes};
use crate::latency;
use crate::network::{Description, Input, Network, Route, check_inputs, features_after, route_features};
use crate::plan;
use crate::policy::{Budget, Grid, Move, Paper, Policy, State, achieved};
use crate::task::Rule;
use crate::{Error, Result};

pub use explanation::{
    ExplainedExit, ExplainedGoal, ExplainedModality, ExplainedMove, ExplainedRoute, ExplainedStep, Explanation,
};

use journey::Journey;

/// The most routes whose predictions are listed.
const MOST_ROUTES: usize = 64;

/// Who decides where a sample goes.
#[derive(Debug, Clone, Copy)]
pub enum Decider<'a> {
    /// The paper's navigator.
    Paper,
    /// A learned policy within a budget.
    Within(plan::Policy, Budget),
    /// A policy of the caller's own.
    Other(&'a dyn Policy),
}

impl Decider<'_> {
    /// Who decides in [`super::predict`]: the policy of the spec, at the price of the spec.
    pub fn of_spec<N: Network>() -> Self {
        let plan::Navigator { policy, price, .. } = N::plan().navigator;
        match policy {
            plan::Policy::Paper => Self::Paper,
            _ => Self::Within(policy, Budget::Price(price)),
        }
    }

    /// The name of the policy, as the spec has it.
    fn name(self) -> &'static str {
        match self {
            Self::Paper => plan::Policy::Paper.name(),
            Self::Within(policy, _) => policy.name(),
            Self::Other(_) => "other",
        }
    }

    /// What the answer may cost, in words.
    fn budget(self) -> Option<String> {
        match self {
            Self::Within(_, budget) => Some(budget.to_string()),
            Self::Paper | Self::Other(_) => None,
        }
    }
}

/// Explains the journey of one sample on which `decider` sends it.
///
/// `target` is that of the sample, as the task has it for a batch of one, `[1]` or `[1, outputs]`; with it, the explanation
/// says how good each answer really is. Milliseconds are expected by the costs of [`Network::policies`], where it knows
/// them.
///
/// The sample runs three times: through all exits, as [`super::predict`] does it, for the time, and watched, for the
/// journey.
///
/// ```
/// use m2sn_runtime::Result;
/// use m2sn_runtime::network::Network;
/// use m2sn_runtime::plan::Policy;
/// use m2sn_runtime::policy::Budget;
/// use m2sn_runtime::routing::{Decider, explain};
///
/// /// Why is this sample answered as it is, within eight milliseconds? A picture for the browser.
/// fn picture<N: Network>(network: &N, input: &N::Input) -> Result<String> {
///     let decider = Decider::Within(Policy::Sequential, Budget::Milliseconds(8.0));
///     let explanation = explain(network, input, decider, None)?;
///     println!("{explanation}");
///     Ok(explanation.svg())
/// }
/// ```
///
/// # Errors
/// [`Error::Invalid`] where there is not exactly one sample; [`Error::Shape`] or [`Error::Invalid`] where the target does
/// not fit the task; else as [`super::predict_with`] and, for learned policies, [`super::predict_within`].
pub fn explain<N: Network>(
    network: &N,
    input: &N::Input,
    decider: Decider<'_>,
    target: Option<&Tensor>,
) -> Result<Explanation> {
    let inputs = input.features();
    let samples = check_inputs(N::description(), network.variables().device(), &inputs)?;
    if samples != 1 {
        return Err(Error::invalid(format!("explain: expected one sample, found {samples}; narrow the batch to one")));
    }
    let description = N::description();
    if let Some(target) = target {
        description.task.check(target, 1)?;
    }
    let _no_grad = tch::no_grad_guard();

    let features: Vec<Vec<Tensor>> =
        inputs.iter().enumerate().map(|(modality, input)| route_features(network, modality, input)).collect();
    let answers = Answers { network, rule: network.policies().rule()?, features, target };
    let timed = match decider {
        Decider::Paper => predict_with(network, input, &Paper::of(network)?)?,
        Decider::Other(policy) => predict_with(network, input, policy)?,
        Decider::Within(policy, budget) => predict_within(network, input, policy, budget)?,
    };
    let journey = Journey::watch(network, &inputs, decider)?;
    let route: N::Route = super::route::<N>(&journey.end)?;

    let costs = network.policies().costs().ok();
    let mut warnings = costs.map(|costs| latency::unpaid::<N>(costs.table())).transpose()?.unwrap_or_default();
    if let Some(other) = timed.routes.first().filter(|other| **other != route) {
        warnings.push(format!(
            "the clock decides: when the sample was timed, it left by {other}, and when it was watched, by {route}"
        ));
    }
    let prediction = answers.after(&route.blocks())?.0;
    Ok(Explanation {
        model: description.name.into(),
        policy: decider.name().into(),
        budget: decider.budget(),
        route: route.to_string(),
        prediction,
        milliseconds: timed.milliseconds,
        expected: costs.map(|costs| costs.journey(&journey.looks, &journey.end).expected),
        steps: answers.steps(&journey)?,
        modalities: answers.modalities(&journey, &route.blocks())?,
        routes: answers.routes(&journey)?,
        warnings,
    })
}

/// What a network says of a sample, wherever it leaves.
#[derive(Debug)]
struct Answers<'a, N> {
    network: &'a N,
    rule: Rule,
    /// By modality, see [`route_features`]; `[1, feature]`.
    features: Vec<Vec<Tensor>>,
    target: Option<&'a Tensor>,
}

impl<N: Network> Answers<'_, N> {
    /// The answer after so many blocks, and its quality where there is a target.
    fn after(&self, blocks: &[usize]) -> Result<(Prediction, Option<f64>)> {
        let rule = &self.rule;
        let logits = self.network.fuse(&features_after::<N>(&self.features, blocks), false);
        let prediction = Prediction::of(rule, &logits)?.swap_remove(0);
        let quality = |target: &Tensor| achieved(rule, &logits, &target.to_device(logits.device())).double_value(&[0]);
        Ok((prediction, self.target.map(quality)))
    }

    fn steps(&self, journey: &Journey) -> Result<Vec<ExplainedStep>> {
        let (description, grid) = (N::description(), Grid::of(N::description().modalities));
        let mut latest: Option<&[f64]> = None;
        let mut steps = Vec::new();
        for stop in &journey.stops {
            if let Some(weighing) = &stop.weighing {
                latest = Some(&weighing.qualities);
            }
            let predicted = |state: &State| latest?.get(grid.number(state)?).copied();
            let goal = stop.weighing.as_ref().map(|weighing| ExplainedGoal {
                state: name(description, &weighing.goal),
                predicted: predicted(&weighing.goal),
                expected: weighing.price.expected,
                for_want_of_time: weighing.for_want_of_time,
            });
            let (prediction, real) = match stop.state.can_leave() {
                true => self.after(stop.state.blocks()).map(|(prediction, real)| (Some(prediction), real))?,
                false => (None, None),
            };
            steps.push(ExplainedStep {
                state: name(description, &stop.state),
                blocks: stop.state.blocks().into(),
                milliseconds: stop.milliseconds,
                prediction,
                predicted: predicted(&stop.state),
                real,
                goal,
                next: match &stop.next {
                    Move::Stop => ExplainedMove::Stop,
                    Move::Cut => ExplainedMove::Cut,
                    Move::Run(modality) => ExplainedMove::Run(description.modalities[*modality].name.into()),
                    Move::Finish(goal) => ExplainedMove::Finish(name(description, goal)),
                },
            });
        }
        Ok(steps)
    }

    fn modalities(&self, journey: &Journey, taken: &[usize]) -> Result<Vec<ExplainedModality>> {
        let description = N::description();
        let table = self.network.policies().costs().ok().map(|costs| costs.table());
        let mut modalities = Vec::new();
        for (m, modality) in description.modalities.iter().enumerate() {
            let (scores, probabilities) = match journey.scores.get(m) {
                Some(scores) => (row(scores)?, row(&scores.softmax(1, Kind::Float))?),
                None => (Vec::new(), Vec::new()),
            };
            let mut exits = Vec::new();
            for (e, exit) in modality.exits.iter().enumerate() {
                let alone = self.network.task_head(m, &self.features[m][e + 1 - modality.least_blocks()]);
                exits.push(ExplainedExit {
                    name: exit.name.into(),
                    taken: taken[m] == e + 1,
                    score: scores.get(e).copied(),
                    probability: probabilities.get(e).copied(),
                    prediction: Prediction::of(&self.rule, &alone)?.swap_remove(0),
                    expected: table.map(|table| table.exit(m, e)),
                });
            }
            modalities.push(ExplainedModality { name: modality.name.into(), exits });
        }
        Ok(modalities)
    }

    fn routes(&self, journey: &Journey) -> Result<Vec<ExplainedRoute>> {
        if routes::count::<N>() > MOST_ROUTES {
            return Ok(Vec::new());
        }
        let first = journey.stops.iter().find_map(|stop| stop.weighing.as_ref());
        let table = self.network.policies().costs().ok().map(|costs| costs.table());
        let explained = |(number, route): (usize, N::Route)| {
            let blocks = route.blocks();
            let (prediction, real) = self.after(&blocks)?;
            Ok(ExplainedRoute {
                route: route.to_string(),
                expected: table.map(|table| table.route(&blocks)),
                prediction,
                predicted: first.and_then(|weighing| weighing.qualities.get(number).copied()),
                real,
                blocks,
            })
        };
        routes::all::<N>().enumerate().map(explained).collect()
    }
}

/// A state by the exits that its modalities have come to.
fn name(description: &Description, state: &State) -> String {
    let modalities = description.modalities.iter().zip(state.blocks());
    let exits = modalities.map(|(modality, blocks)| {
        let exit = blocks.checked_sub(1).and_then(|exit| modality.exits.get(exit)).map_or("-", |exit| exit.name);
        format!("{}: {exit}", modality.name)
    });
    exits.collect::<Vec<_>>().join(", ")
}

/// The only row of a matrix.
fn row(matrix: &Tensor) -> Result<Vec<f64>> {
    Ok(prediction::rows(matrix)?.swap_remove(0))
}

#[cfg(test)]
mod tests;
