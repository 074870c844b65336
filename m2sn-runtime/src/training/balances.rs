//! What a policy comes to on validation samples, whose features at all exits are there.

use tch::{Device, Kind, Tensor};

use super::cache::Features;
use super::context::Context;
use crate::network::Network;
use crate::parts::Cached;
use crate::plan;
use crate::policy::{Balance, Budget, Costs, Front, Policy, State, achieved, loss_bound};
use crate::{Result, routing};

/// Two halves of the validation samples, drawn from the run's generator: one to learn or choose by, and one to judge by.
pub(super) fn halves(samples: i64) -> (Tensor, Tensor) {
    let order = Tensor::randperm(samples, (Kind::Int64, Device::Cpu));
    let half = (samples / 2).max(1);
    (order.narrow(0, 0, half), order.narrow(0, samples - half, half))
}

/// Validation samples on which policies are tried.
#[derive(Debug)]
pub(super) struct Trials<'a, N: Network> {
    context: &'a Context<'a, N>,
    costs: &'a Costs,
    /// By modality and exit.
    features: Vec<Vec<Tensor>>,
    stems: Vec<Tensor>,
    present: Vec<Option<Tensor>>,
    target: Tensor,
}

/// What a policy has come to, one a sample.
#[derive(Debug)]
pub(super) struct Trial {
    /// What the answers are worth.
    pub(super) qualities: Vec<f64>,
    /// What they took by the table, looks included.
    pub(super) milliseconds: Vec<f64>,
}

impl<'a, N: Network> Trials<'a, N> {
    /// The validation samples at `rows`: `features` are those of [`Context::route_features`], and `stems` those of
    /// [`Context::route_features_and_stems`]; none where no policy will ask for them.
    pub(super) fn of(
        context: &'a Context<'a, N>,
        costs: &'a Costs,
        features: &[Features<'_>],
        stems: &[Features<'_>],
        rows: &Tensor,
    ) -> Self {
        let present = |lacking: Option<Tensor>| lacking.map(|lacking| lacking.logical_not().to_device(context.device));
        Self {
            context,
            costs,
            features: features.iter().map(|all| all.rows(rows).tensor.unbind(1)).collect(),
            stems: stems.iter().map(|all| all.rows(rows).tensor).collect(),
            present: context.lacking(&context.valid, rows).into_iter().map(present).collect(),
            target: context.valid.target(rows),
        }
    }

    /// Tries a policy.
    ///
    /// # Errors
    /// Those of the policy.
    pub(super) fn run(&self, policy: &dyn Policy) -> Result<Trial> {
        let _no_grad = tch::no_grad_guard();
        let Self { features, stems, present, .. } = self;
        let cached = Cached { network: self.context.network, features, stems, scores: &[], present };
        let inputs = cached.inputs(&Tensor::arange(self.target.size()[0], (Kind::Int64, Device::Cpu)));
        let outcome = routing::run(&cached, &inputs, policy, None)?;
        let ways = outcome.looks.iter().zip(&outcome.states);
        let milliseconds = ways.map(|(looks, end)| self.costs.journey(looks, end).expected).collect();
        Ok(Trial { qualities: self.achieved(&outcome.logits)?, milliseconds })
    }

    /// What the network would answer in a state, `[samples, outputs]`.
    ///
    /// # Panics
    /// Where samples cannot leave in that state.
    pub(super) fn answers(&self, state: &State) -> Tensor {
        let grid = self.context.grid();
        let places = grid.places_of(grid.number(state).expect("whoever asks has the state from the network's grid"));
        let features: Vec<Tensor> =
            places.into_iter().zip(&self.features).map(|(place, all)| all[place].shallow_clone()).collect();
        tch::no_grad(|| self.context.network.fuse(&features, false))
    }

    /// What answers to the samples are worth.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] where they cannot be read.
    pub(super) fn achieved(&self, logits: &Tensor) -> Result<Vec<f64>> {
        let achieved = achieved(&self.context.rule, logits, &self.target);
        Ok(Vec::try_from(achieved.to_device(Device::Cpu).to_kind(Kind::Double))?)
    }

    /// What each balance of quality and time of a learned policy comes to.
    ///
    /// # Errors
    /// Those of the policy.
    pub(super) fn balances(&self, which: plan::Policy) -> Result<Vec<Balance>> {
        let (network, costs) = (self.context.network, self.costs);
        let late_fusion = self.achieved(&self.answers(&self.context.grid().last()))?;
        let unit = network.policies().unit(which)?;
        let standing = network.policies().standing(which)?;
        let balance = |price: f64| {
            let budget = Budget::Lambda(price * unit / costs.late_fusion());
            let tried = routing::within(standing.as_ref(), costs, &[budget], |policy| self.run(policy))?;
            let losses: Vec<f64> =
                late_fusion.iter().zip(&tried.qualities).map(|(full, here)| (full - here) / unit).collect();
            let samples = losses.len() as f64;
            Ok(Balance {
                price,
                loss: losses.iter().sum::<f64>() / samples,
                bound: loss_bound(&losses),
                share: tried.milliseconds.iter().sum::<f64>() / samples / costs.late_fusion(),
            })
        };
        Front::prices().map(balance).collect()
    }
}
