//! All that learns in one seed of a study.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::memory::Since;
use super::results::Training;
use crate::data::Splits;
use crate::latency::Table;
use crate::network::Network;
use crate::plan::{Latency, Method, Navigator, Plan, Policy, Reads, Shortcuts, Temperature};
use crate::policy::Costs;
use crate::rivals::{Begins, Lesson, Rival};
use crate::training::{PhaseReport, Progress, StageReport, Trainer};
use crate::{Device, Error, Result, checkpoint, file};

/// Where and from what networks learn. Whatever has been learned is taken from the folder, so a study that was
/// interrupted goes on.
#[derive(Debug)]
pub(super) struct School<'a, N: Network> {
    pub(super) plan: &'a Plan,
    pub(super) splits: &'a Splits<N::Input>,
    pub(super) costs: &'a Costs,
    pub(super) device: Device,
    pub(super) folder: &'a Path,
}

/// A network whose shortcuts have learned by one method, and fusion after them.
#[derive(Debug)]
pub(super) struct Shortcut<N> {
    pub(super) method: Method,
    pub(super) network: N,
    /// But for what the test samples say.
    pub(super) training: Training,
}

/// The paper's navigator for one λ, in a network of its own.
#[derive(Debug)]
pub(super) struct Navigated<N> {
    pub(super) ratio: f64,
    pub(super) lambda: f64,
    pub(super) network: N,
    /// What has been done about a navigator that sent all samples one way.
    pub(super) repair: Option<String>,
}

impl<N: Network> School<'_, N> {
    /// Late fusion and the uni-modal networks, from which everything else begins.
    ///
    /// # Errors
    /// As [`Trainer::pretrain`].
    pub(super) fn pretrained(&self, progress: &mut Progress) -> Result<N> {
        let mut network = N::seeded(self.device, self.plan.seed)?;
        self.trainer(self.plan, "pretrain").pretrain(&mut network, self.splits, progress)?;
        checkpoint::save(&network, self.place(PRETRAINED))?;
        Ok(network)
    }

    /// Shortcuts by a method, and fusion after them.
    ///
    /// # Errors
    /// As [`Trainer::shortcuts`].
    pub(super) fn shortcuts(&self, method: Method, progress: &mut Progress) -> Result<Shortcut<N>> {
        let plan = &Plan { shortcuts: Shortcuts { method, ..self.plan.shortcuts.clone() }, ..self.plan.clone() };
        let name = name_of(method);
        let mut network = self.load(PRETRAINED)?;
        let trainer = self.trainer(plan, name);
        let before = parameters(&network);
        let since = Since::now();
        let report = trainer.shortcuts(&mut network, self.splits, progress)?;
        let costs = Spent { seconds: report.seconds, memory: since.most(), parameters: changed(&before, &network) };
        let Spent { seconds, memory, parameters } = kept(&self.place(name).join("training.json"), costs)?;
        trainer.fusion(&mut network, self.splits, progress)?;
        checkpoint::save(&network, self.place(name).join(FUSED))?;
        let training = Training { method: name.into(), seconds, memory, parameters, quality: 0.0, milliseconds: 0.0 };
        Ok(Shortcut { method, network, training })
    }

    /// Has a network learn a policy of its own, beside those that it has.
    ///
    /// # Errors
    /// As [`Trainer::navigator`].
    pub(super) fn policy(&self, network: &mut N, policy: Policy, progress: &mut Progress) -> Result<()> {
        let plan = self.with(Navigator { policy, ..self.plan.navigator.clone() });
        self.trainer(&plan, policy.name()).navigator(network, self.splits, progress)?;
        Ok(())
    }

    /// As [`School::policy`], of the navigator that reads what the first blocks leave, from softened answers: what we found to
    /// be best for it.
    ///
    /// # Errors
    /// As [`Trainer::navigator`].
    pub(super) fn reading(&self, network: &mut N, from: Reads, progress: &mut Progress) -> Result<()> {
        let navigator = Navigator { policy: Policy::Paper, from, soften: true, ..self.plan.navigator.clone() };
        let folder = format!("reading-{}", from.name());
        self.trainer(&self.with(navigator), &folder).navigator(network, self.splits, progress)?;
        Ok(())
    }

    /// The paper's navigator for one λ, as the paper has it, over the network whose shortcuts have learned by `method`.
    ///
    /// One that sends all samples one way begins anew with softer decisions, and what has come of that is kept where it is
    /// better by the navigator's own loss on validation samples.
    ///
    /// # Errors
    /// As [`Trainer::navigator`].
    pub(super) fn navigated(&self, method: Method, latency: Latency, progress: &mut Progress) -> Result<Navigated<N>> {
        let navigator =
            Navigator { policy: Policy::Paper, from: Reads::Inputs, latency, ..self.plan.navigator.clone() };
        let (ratio, folder) = match latency {
            Latency::Ratio(ratio) => (ratio, format!("{}-lambda-{ratio}", name_of(method))),
            Latency::Weight(weight) => (0.0, format!("{}-weight-{weight}", name_of(method))),
        };
        let mut learn = |navigator: Navigator, folder: &str| -> Result<(N, StageReport)> {
            let mut network = self.load(&format!("{}/{FUSED}", name_of(method)))?;
            let report = self.trainer(&self.with(navigator), folder).navigator(&mut network, self.splits, progress)?;
            Ok((network, report))
        };
        let (mut network, mut report) = learn(navigator.clone(), &folder)?;
        let mut repair = None;
        // Where milliseconds mean nothing, one way for all is no fault.
        if is_one_way(&report) && latency != Latency::Weight(0.0) {
            let Temperature { from, .. } = navigator.temperature;
            let warmer = Temperature { from: (WARMER * from).max(WARM), ..navigator.temperature };
            let (again, anew) = learn(Navigator { temperature: warmer, ..navigator }, &format!("{folder}-warmer"))?;
            let helped = score(&anew) < score(&report);
            let came = match (helped, is_one_way(&anew)) {
                (true, false) => "which repaired it",
                (true, true) => "which found a better way for all",
                (false, _) => "which did not help",
            };
            repair = Some(format!(
                "at λ ratio {ratio} it sent all validation samples one way, and began anew with a temperature of {:.1} in \
                 place of {from}, {came}",
                warmer.from
            ));
            if helped {
                (network, report) = (again, anew);
            }
        }
        Ok(Navigated { ratio, lambda: report.lambda.unwrap_or_default(), network, repair })
    }

    /// A rival over a network of its own; `Err` within says why there can be none of this network.
    ///
    /// # Errors
    /// As [`Rival::train`].
    pub(super) fn rival<R: Rival<N>>(
        &self,
        trained: Method,
        progress: &mut Progress,
    ) -> Result<std::result::Result<R, String>> {
        let begins = match R::BEGINS {
            Begins::Pretrained => PRETRAINED.to_owned(),
            Begins::Trained => format!("{}/{FUSED}", name_of(trained)),
        };
        // What it draws for itself follows from the seed, too, and not from what has learned before.
        tch::manual_seed(self.plan.seed as i64);
        let mut rival = match R::new(self.load(&begins)?) {
            Ok(rival) => rival,
            Err(Error::Invalid(reason)) => return Ok(Err(reason)),
            Err(error) => return Err(error),
        };
        let place = self.place(&R::NAME.replace(' ', "-").to_lowercase());
        if place.join("manifest.json").exists() {
            checkpoint::load(rival.network_mut(), &place)?;
        } else {
            rival.train(&Lesson { plan: self.plan, splits: self.splits, costs: self.costs }, progress)?;
            checkpoint::save(rival.network(), &place)?;
        }
        Ok(Ok(rival))
    }

    fn with(&self, navigator: Navigator) -> Plan {
        Plan { navigator, ..self.plan.clone() }
    }

    fn trainer(&self, plan: &Plan, folder: &str) -> Trainer {
        Trainer::new(plan.clone()).folder(self.place(folder)).latency(self.table().clone())
    }

    fn table(&self) -> &Table {
        self.costs.table()
    }

    fn load(&self, folder: &str) -> Result<N> {
        let mut network = N::new(self.device)?;
        checkpoint::load(&mut network, self.place(folder))?;
        Ok(network)
    }

    fn place(&self, folder: &str) -> PathBuf {
        self.folder.join(folder)
    }
}

/// The folder of the pre-trained network.
const PRETRAINED: &str = "pretrained";
/// The folder, within that of a method, of the network after the fusion stage.
const FUSED: &str = "fused";

/// By how much softer decisions begin that are to be repaired, and how soft they are at least.
const WARMER: f64 = 4.0;
const WARM: f64 = 5.0;

/// The share of samples at one exit of each modality from which on a navigator sends all samples one way.
const ONE_WAY: f64 = 0.95;

/// Whether the navigator of a stage sends nearly all validation samples to one exit of each modality.
fn is_one_way(report: &StageReport) -> bool {
    let Some(best) = report.phases.first().and_then(PhaseReport::best) else { return false };
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, share) in &best.metrics {
        if let Some((modality, _)) = name.strip_prefix("share/").and_then(|name| name.rsplit_once('/')) {
            let most = most.entry(modality).or_default();
            *most = most.max(*share);
        }
    }
    !most.is_empty() && most.values().all(|share| *share >= ONE_WAY)
}

/// The navigator's own loss on validation samples.
fn score(report: &StageReport) -> f64 {
    report.phases.first().and_then(PhaseReport::best).map_or(f64::INFINITY, |best| best.score)
}

/// What a method is called.
pub(super) fn name_of(method: Method) -> &'static str {
    match method {
        Method::Integral => "integral",
        Method::Peripheral => "peripheral",
        Method::Joint => "joint",
    }
}

/// What a stage has taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Spent {
    seconds: f64,
    memory: Option<f64>,
    parameters: u64,
}

/// What a file holds; it is written where it is not there yet, since a stage that was taken from its folder took nothing.
fn kept(path: &Path, spent: Spent) -> Result<Spent> {
    if path.exists() {
        return file::read_json(path);
    }
    file::write_json(path, &spent)?;
    Ok(spent)
}

/// The parameters of a network as they are now, by name.
fn parameters<N: Network>(network: &N) -> Vec<(String, Tensor)> {
    let variables = network.variables();
    let trained: Vec<_> = variables.trainable_variables().iter().map(Tensor::data_ptr).collect();
    let all = variables.variables().into_iter().filter(|(_, tensor)| trained.contains(&tensor.data_ptr()));
    all.map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// How many parameters lie in tensors that are no longer what they were.
fn changed<N: Network>(before: &[(String, Tensor)], network: &N) -> u64 {
    let now = network.variables().variables();
    let moved = before.iter().filter(|(name, tensor)| now.get(name).is_some_and(|now| !tensor.equal(now)));
    moved.map(|(_, tensor)| tensor.numel() as u64).sum()
}
