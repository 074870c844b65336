//! Inference: the navigator decides, the chosen blocks run, the rest do not.
//!
//! Whatever decides, what follows is the same: [`predict`] asks the navigator, [`predict_by`] and [`predict_as`] are told
//! routes, and [`predict_with`] asks any [`Policy`], block by block where it likes.
//!
//! # Sharing a model between threads
//!
//! A model is [`Send`] and not [`Sync`], as LibTorch's tensors are: it may move to another thread, but no two threads
//! may use it at once. Frozen, as a [`Predictor`](crate::predictor::Predictor), it is both, and answers any number of
//! threads at once:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::mpsc::{Receiver, Sender};
//!
//! use m2sn_runtime::Result;
//! use m2sn_runtime::network::Network;
//! use m2sn_runtime::predictor::Predictor;
//!
//! /// A request, and where its answer goes.
//! type Request<N> = (<N as Network>::Input, Sender<Result<Vec<i64>>>);
//!
//! /// What each worker thread runs, until no more requests can come.
//! fn work<N: Network>(predictor: &Predictor<N>, requests: &Receiver<Request<N>>) {
//!     while let Ok((request, reply)) = requests.recv() {
//!         // Whoever has asked may have gone.
//!         let _ = reply.send(predictor.predict(&request).and_then(|answer| answer.classes()));
//!     }
//! }
//!
//! /// A worker of its own for each queue, over one predictor.
//! fn serve<N: Network + 'static>(predictor: Predictor<N>, queues: Vec<Receiver<Request<N>>>) {
//!     let predictor = Arc::new(predictor);
//!     for requests in queues {
//!         let predictor = Arc::clone(&predictor);
//!         std::thread::spawn(move || work(&predictor, &requests));
//!     }
//! }
//! ```

mod answer;
mod executor;
mod explain;
mod prediction;
mod routes;
mod shelf;

pub use answer::{Answer, Summary};
pub use explain::{
    Decider, ExplainedExit, ExplainedGoal, ExplainedModality, ExplainedMove, ExplainedRoute, ExplainedStep,
    Explanation, explain,
};
pub use prediction::Prediction;
pub use routes::{all, count, full};

pub(crate) use executor::{Clock, Decisions, Outcome, decide as decisions, encode, run, starts};

use std::borrow::Cow;

use crate::latency::{self, Stopwatch, Table};
use crate::network::{Input, Network, Route, check_inputs};
use crate::parts::{Live, Parts};
use crate::policy::{Budget, Budgets, Costs, Fixed, Given, Paper, Policy, Standing, State, Terms};
use crate::{Error, Result, plan};

/// Predicts each sample as the policy of the spec decides, `navigator: { policy: … }`.
///
/// The paper's navigator decides first, Eq. (3), on the raw inputs or, with `from: stem` and `from: posterior`, on the
/// outputs of the first blocks and on what the network would answer there. Then each block runs once, on the samples
/// whose exit lies at or beyond it, and the others leave through their shortcut. A learned policy decides at the price of
/// the spec, see [`Budget::Price`].
///
/// # Errors
/// [`Error::Invalid`] for an empty batch, for inputs on another device than the model, where what decides is not finite,
/// and where the navigator is to read no inputs and has not been trained to; [`Error::Shape`] where modalities differ
/// in their number of samples; with a learned policy those of [`predict_within`].
pub fn predict<N: Network>(network: &N, input: &N::Input) -> Result<Answer<N::Route>> {
    let plan::Navigator { policy, price, .. } = N::plan().navigator;
    match policy {
        plan::Policy::Paper => predict_with(network, input, &Paper::of(network)?),
        _ => predict_within(network, input, policy, Budget::Price(price)),
    }
}

/// Predicts each sample as a learned policy decides within a budget, or within one for each sample.
///
/// # Errors
/// As [`predict`]; [`Error::Invalid`] where the policy is the paper's, which has no budget but the λ that it was trained
/// with, where a budget cannot be one, where the policy has not been trained as the budget needs it, or where it is not
/// known what the network's parts cost on this machine: see [`measure`]; [`Error::Shape`] where budgets are given one a
/// sample and their number is another.
pub fn predict_within<N: Network>(
    network: &N,
    input: &N::Input,
    policy: plan::Policy,
    budgets: impl Into<Budgets>,
) -> Result<Answer<N::Route>> {
    let policies = network.policies();
    let by = || {
        policies.check_trained(policy, N::plan().navigator.from)?;
        Ok((policies.standing(policy)?.map(Cow::Owned), policies.costs()?))
    };
    answer_within::<N>(&Live(network), input, by, budgets.into())
}

/// Hands a learned policy, on the terms of these budgets and costs, to whoever runs it.
///
/// # Errors
/// [`Error::Invalid`] where the policy is the paper's, which is none, or a budget cannot be one.
pub(crate) fn within<T>(
    standing: Option<&Standing>,
    costs: &Costs,
    budgets: &[Budget],
    run: impl FnOnce(&dyn Policy) -> Result<T>,
) -> Result<T> {
    let Some(standing) = standing else {
        return Err(Error::invalid(
            "the paper's navigator knows no budget but the λ that it was trained with; name a learned policy in the \
             spec, `navigator: { policy: sequential }`, or ask for one",
        ));
    };
    let allowances = budgets.iter().map(|budget| standing.allowance(costs, *budget));
    let allowances = allowances.collect::<Result<Vec<_>>>()?;
    run(&*standing.on(Terms { costs, allowances: &allowances }))
}

/// Measures what the parts of a model cost on its device, and has its policies decide by that.
///
/// A model that was trained or loaded on the machine where it had been measured knows it already. Takes about two
/// seconds; `input` holds a few samples such as will come.
///
/// # Errors
/// As [`latency::measure`].
pub fn measure<N: Network>(network: &mut N, input: &N::Input) -> Result<Table> {
    let table = latency::measure(network, &input.features(), &latency::Settings::default())?;
    network.policies_mut().decide_by::<N>(&table)?;
    Ok(table)
}

/// Predicts every sample by the same route; the navigator does not run.
///
/// # Errors
/// As [`predict`].
pub fn predict_by<N: Network>(network: &N, input: &N::Input, route: N::Route) -> Result<Answer<N::Route>> {
    predict_with(network, input, &Fixed(State::of(&route.blocks())))
}

/// Predicts each sample by its own route, given by the caller; the navigator does not run.
///
/// # Errors
/// As [`predict`]; [`Error::Shape`] where there is not one route a sample.
pub fn predict_as<N: Network>(network: &N, input: &N::Input, routes: &[N::Route]) -> Result<Answer<N::Route>> {
    let samples = check_inputs(N::description(), network.variables().device(), &input.features())?;
    predict_with(network, input, &given(routes, samples)?)
}

/// The policy that sends each sample its own way.
///
/// # Errors
/// [`Error::Shape`] where there is not one route a sample.
pub(crate) fn given<R: Route>(routes: &[R], samples: i64) -> Result<Given> {
    if routes.len() as i64 != samples {
        return Err(Error::Shape {
            what: "routes".into(),
            expected: format!("{samples}, one a sample"),
            found: routes.len().to_string(),
        });
    }
    Ok(Given(routes.iter().map(|route| State::of(&route.blocks())).collect()))
}

/// Predicts each sample by the route on which a policy sends it.
///
/// # Errors
/// As [`predict`]; those of the policy, and [`Error::Invalid`] where it asks for a block or an exit that the network
/// does not have.
pub fn predict_with<N: Network>(network: &N, input: &N::Input, policy: &dyn Policy) -> Result<Answer<N::Route>> {
    answer_by::<N>(&Live(network), input, policy)
}

/// The routes that the paper's navigator decides on, one a sample, without running more of them than it reads.
///
/// # Errors
/// As [`predict`].
pub fn decide<N: Network>(network: &N, input: &N::Input) -> Result<Vec<N::Route>> {
    let inputs = input.features();
    check_inputs(N::description(), network.variables().device(), &inputs)?;
    let _no_grad = tch::no_grad_guard();
    let decisions = executor::decide(&Live(network), &inputs, &Paper::of(network)?)?;
    decisions.goals.iter().map(route::<N>).collect()
}

/// Answers each sample by the route on which a policy sends it, whatever runs the blocks.
///
/// # Errors
/// As [`predict_with`].
pub(crate) fn answer_by<N: Network>(
    parts: &impl Parts,
    input: &N::Input,
    policy: &dyn Policy,
) -> Result<Answer<N::Route>> {
    let inputs = input.features();
    check_inputs(parts.description(), parts.device(), &inputs)?;
    let _no_grad = tch::no_grad_guard();
    let mut watch = Stopwatch::start(parts.device());
    let outcome = run(parts, &inputs, policy, None)?;
    answer::<N>(parts, outcome, watch.lap())
}

/// Answers each sample as a learned policy decides within budgets, whatever runs the blocks; `by` has the policy and the
/// costs, and is asked once the inputs are known to fit.
///
/// # Errors
/// As [`predict_within`].
pub(crate) fn answer_within<'a, N: Network>(
    parts: &impl Parts,
    input: &N::Input,
    by: impl FnOnce() -> Result<(Option<Cow<'a, Standing>>, &'a Costs)>,
    budgets: Budgets,
) -> Result<Answer<N::Route>> {
    let mut watch = Stopwatch::start(parts.device());
    let inputs = input.features();
    let samples = check_inputs(parts.description(), parts.device(), &inputs)?;
    let (standing, costs) = by()?;
    let budgets = budgets.of(samples)?;
    let clock = Clock::of(&budgets, samples, costs);
    let _no_grad = tch::no_grad_guard();
    let outcome = within(standing.as_deref(), costs, &budgets, |policy| run(parts, &inputs, policy, clock.as_ref()))?;
    answer::<N>(parts, outcome, watch.lap())
}

fn answer<N: Network>(parts: &impl Parts, outcome: Outcome, milliseconds: f64) -> Result<Answer<N::Route>> {
    let routes = outcome.states.iter().map(route::<N>).collect::<Result<_>>()?;
    Ok(Answer::new(parts.rule()?, outcome.logits, routes, milliseconds, outcome.cut))
}

/// The route that ends in a state.
pub(crate) fn route<N: Network>(state: &State) -> Result<N::Route> {
    N::Route::from_blocks(state.blocks()).ok_or_else(|| {
        Error::invalid(format!("`{}` has no route that ends after {state} blocks", N::description().name))
    })
}

#[cfg(test)]
mod missing;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod tests;
