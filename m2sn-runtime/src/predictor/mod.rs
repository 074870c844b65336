//! Inference with a model that is trained.
//!
//! A [`Predictor`] answers as its model does, and faster: what only training needs is gone, weights are packed once, and
//! each part runs by the engine that is fastest on the machine at hand. Many threads may ask the same predictor at once.

mod decides;
mod floats;
mod frozen;
mod kernels;
mod memory;
mod native;
mod packed;
mod precisions;
mod runner;
mod threads;
mod torch;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::batch::Feature;
use crate::data::Dataset;
use crate::dispatcher::InferenceMode;
use crate::latency::{self, Fingerprint, Table};
use crate::network::{Input, Network, Route, check_inputs};
use crate::parts::Parts;
use crate::policy::{Budget, Budgets, Costs, Fixed, Policy, State};
use crate::routing::{Answer, answer_by, answer_within, given};
use crate::{Error, Result, plan};

pub use packed::Precision;
pub use precisions::{Compared, Precisions};

#[cfg(test)]
pub(crate) use runner::by_every_engine;

use decides::Decides;
use frozen::Frozen;

/// How a model is frozen.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// In what numbers it computes.
    pub precision: Precision,
    /// How many threads work on one answer.
    pub threads: Threads,
    /// The file that keeps what its parts cost here, and by which engines they run. It is read where it was measured on
    /// this machine for this model and precision; else that is measured now, in about two seconds, and written there.
    /// Without a file it is measured at every start, where the model has learned to decide by it.
    pub latency: Option<PathBuf>,
}

/// How many threads work on one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Threads {
    /// As many as LibTorch is set to: `tch::set_num_threads`, by default the number of cores.
    #[default]
    AsSet,
    /// One, or as many as there are cores, whichever answers faster: measured once, and kept with the latency table. Small
    /// networks are slower with two than with one.
    ///
    /// LibTorch has one number of threads for the whole process, and this sets it.
    Fastest,
}

/// A model that is frozen for inference.
///
/// It routes samples as the model does, by the same policies, and its logits differ from the model's by rounding alone
/// where its [`Precision`] is single. Any number of threads may ask it at once; layers of the user's own that do not say
/// what they compute ([`crate::nn::Layer::lower`]) run for one of them at a time.
///
/// ```no_run
/// use m2sn_runtime::Result;
/// use m2sn_runtime::network::Network;
/// use m2sn_runtime::predictor::{Options, Predictor};
///
/// fn classes<N: Network>(model: N, input: &N::Input) -> Result<Vec<i64>> {
///     let predictor = Predictor::new(model, Options::default())?;
///     predictor.predict(input)?.classes()
/// }
/// ```
#[derive(Debug)]
pub struct Predictor<N: Network> {
    frozen: Frozen<N>,
    decides: Decides,
    costs: Option<Costs>,
    table: Option<Table>,
}

impl<N: Network> Predictor<N> {
    /// Freezes a model.
    ///
    /// # Errors
    /// [`Error::Torch`] where LibTorch cannot read the weights, [`Error::Io`] where a latency table cannot be written.
    pub fn new(model: N, options: Options) -> Result<Self> {
        memory::keep_freed();
        let decides = Decides::of(&model);
        let Options { precision, threads, latency } = options;
        let kept = latency.as_deref().and_then(|path| kept(path, &model, precision, threads));
        let measured = kept.as_ref().map(|table| &table.fingerprint);
        let model = Arc::new(Mutex::new(model));
        let frozen = match (threads, measured) {
            (Threads::Fastest, None) => threads::fastest(&model, precision)?,
            (Threads::Fastest, Some(measured)) => {
                tch::set_num_threads(measured.threads.max(1));
                Frozen::new(&model, precision, Some(measured))?
            }
            (Threads::AsSet, measured) => Frozen::new(&model, precision, measured)?,
        };
        // The parts keep the model where they have to ask it.
        drop(model);
        memory::give_back();
        let mut predictor = Self { frozen, decides, costs: None, table: None };
        if let Some(table) = kept {
            match predictor.decide_by(table) {
                Ok(()) => return Ok(predictor),
                // Such as where an engine is not there any more.
                Err(fault) => tracing::info!("measuring anew: {fault}"),
            }
        }
        predictor.measured(latency.as_deref())
    }

    /// Freezes a model in the fastest precision that loses no more than so many points, as validation samples say; tells
    /// what each came to.
    ///
    /// The loss is that of late fusion's answers against those in single precision, in points of quality as
    /// [`Budget::AccuracyWithin`] counts them, and as sure: with a probability of 95 % it is no higher.
    ///
    /// # Errors
    /// As [`Predictor::new`]; [`crate::Error::Invalid`] where there is no sample, or the points cannot be any.
    pub fn within(model: N, points: f64, valid: &Dataset<N::Input>) -> Result<(Self, Precisions)> {
        memory::keep_freed();
        let decides = Decides::of(&model);
        let learned = |policy| decides.learned(policy).map(Cow::Borrowed);
        let (frozen, table, precisions) = precisions::fastest(&Arc::new(Mutex::new(model)), points, valid, &learned)?;
        let mut predictor = Self { frozen, decides, costs: None, table: None };
        if predictor.decides.by_costs() {
            predictor.decide_by(table)?;
        }
        Ok((predictor, precisions))
    }

    /// The same with a latency table, where anybody decides by one or a file is to keep it.
    fn measured(mut self, kept: Option<&Path>) -> Result<Self> {
        if self.decides.by_costs() || kept.is_some() {
            let table = self.measure_on(&self.frozen.samples(), &latency::Settings::default())?;
            kept.map(|path| table.save(path)).transpose()?;
        }
        Ok(self)
    }

    /// Predicts each sample as the policy of the spec decides.
    ///
    /// # Errors
    /// As [`crate::routing::predict`].
    pub fn predict(&self, input: &N::Input) -> Result<Answer<N::Route>> {
        let plan::Navigator { policy, price, .. } = N::plan().navigator;
        match policy {
            plan::Policy::Paper => self.predict_with(input, self.decides.paper()?),
            _ => self.by_learned(input, policy, Budget::Price(price).into()),
        }
    }

    /// Predicts within a budget, or within one for each sample, as the learned policy of the spec decides.
    ///
    /// # Errors
    /// As [`crate::routing::predict_within`].
    pub fn predict_within(&self, input: &N::Input, budgets: impl Into<Budgets>) -> Result<Answer<N::Route>> {
        self.by_learned(input, N::plan().navigator.policy, budgets.into())
    }

    /// As [`Predictor::predict_within`], by the learned policy that is named here.
    ///
    /// # Errors
    /// As [`crate::routing::predict_within`].
    pub fn predict_by_policy(
        &self,
        input: &N::Input,
        policy: plan::Policy,
        budgets: impl Into<Budgets>,
    ) -> Result<Answer<N::Route>> {
        self.by_learned(input, policy, budgets.into())
    }

    /// Predicts every sample by the same route.
    ///
    /// # Errors
    /// As [`crate::routing::predict_by`].
    pub fn predict_by(&self, input: &N::Input, route: N::Route) -> Result<Answer<N::Route>> {
        self.predict_with(input, &Fixed(State::of(&route.blocks())))
    }

    /// Predicts each sample by its own route.
    ///
    /// # Errors
    /// As [`crate::routing::predict_as`].
    pub fn predict_as(&self, input: &N::Input, routes: &[N::Route]) -> Result<Answer<N::Route>> {
        let samples = check_inputs(N::description(), self.frozen.device(), &input.features())?;
        self.predict_with(input, &given(routes, samples)?)
    }

    /// Predicts each sample by the route on which a policy sends it.
    ///
    /// # Errors
    /// As [`crate::routing::predict_with`].
    pub fn predict_with(&self, input: &N::Input, policy: &dyn Policy) -> Result<Answer<N::Route>> {
        self.in_inference_mode(|| answer_by::<N>(&self.frozen, input, policy))
    }

    /// Measures what the parts cost here on samples such as will come, and has learned policies decide by that.
    ///
    /// # Errors
    /// As [`latency::measure`].
    pub fn measure(&mut self, input: &N::Input, settings: &latency::Settings) -> Result<Table> {
        self.measure_on(&input.features(), settings)
    }

    /// Times the parts on samples such as will come, and leaves what policies decide by as it is.
    ///
    /// # Errors
    /// As [`latency::measure`].
    pub fn time(&self, input: &N::Input, settings: &latency::Settings) -> Result<Table> {
        self.time_on(&input.features(), settings)
    }

    /// The precision, and what runs each chain of layers: kernels of our own or LibTorch.
    pub fn engines(&self) -> &[String] {
        &self.frozen.fingerprint().engines
    }

    /// What the parts cost here, where it has been measured.
    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    fn measure_on(&mut self, inputs: &[Feature], settings: &latency::Settings) -> Result<Table> {
        let table = self.time_on(inputs, settings)?;
        self.decide_by(table.clone())?;
        Ok(table)
    }

    fn time_on(&self, inputs: &[Feature], settings: &latency::Settings) -> Result<Table> {
        let learned = |policy| self.decides.learned(policy).map(Cow::Borrowed);
        latency::measure_parts(&self.frozen, self.frozen.fingerprint().clone(), &learned, inputs, settings)
    }

    fn decide_by(&mut self, table: Table) -> Result<()> {
        table.check_measured_by::<N>(self.frozen.fingerprint())?;
        self.costs = self.decides.can_weigh().then(|| Costs::new::<N>(table.clone())).transpose()?;
        self.table = Some(table);
        Ok(())
    }

    fn by_learned(&self, input: &N::Input, policy: plan::Policy, budgets: Budgets) -> Result<Answer<N::Route>> {
        let by = || {
            let standing = self.decides.standing(policy)?.map(Cow::Borrowed);
            Ok((standing, self.costs.as_ref().ok_or_else(unmeasured)?))
        };
        self.in_inference_mode(|| answer_within::<N>(&self.frozen, input, by, budgets))
    }

    /// Answers in LibTorch's inference mode; the logits are such as can be used outside of it.
    fn in_inference_mode(&self, answer: impl FnOnce() -> Result<Answer<N::Route>>) -> Result<Answer<N::Route>> {
        let mut answer = {
            let _mode = InferenceMode::enter()?;
            answer()?
        };
        answer.logits = answer.logits.copy();
        Ok(answer)
    }
}

/// The latency table of a file, where it was measured on this machine, for this model in this precision.
///
/// The engines that it names are those to be taken again, so nothing is known of them yet.
fn kept<N: Network>(path: &Path, model: &N, precision: Precision, threads: Threads) -> Option<Table> {
    let table = Table::read(path).inspect_err(|fault| tracing::debug!("no latency table yet: {fault}")).ok()?;
    let found = &table.fingerprint;
    let mut here = Fingerprint { engines: found.engines.clone(), ..Fingerprint::of(model) };
    if threads == Threads::Fastest {
        here.threads = found.threads;
    }
    let differences = found.differences(&here);
    if found.engines.first() != Some(&precision.to_string()) || !differences.is_empty() {
        tracing::info!(
            "{}: measured elsewhere or for another predictor, measuring anew {differences:?}",
            path.display()
        );
        return None;
    }
    Some(table)
}

/// A learned policy is asked that knows no costs.
fn unmeasured() -> Error {
    Error::invalid(
        "this predictor does not know what its parts cost here, and a learned policy weighs quality against milliseconds; \
         measure them by `measure`",
    )
}

#[cfg(test)]
mod tests;
