//! What a study compares besides rivals: a trained network, used in one way or another.

use tch::Tensor;

use crate::network::{Network, Route};
use crate::parts::Parts;
use crate::plan::{Policy, Reads};
use crate::policy::{Allowance, Balance, Budget, Costs, Fixed, Paper, Standing, State, Terms};
use crate::rivals::{AsIs, Setting, Variant};
use crate::{Error, Result, routing};

/// Every encoder to its end.
pub(super) fn late_fusion<'a, N: Network>() -> Setting<'a> {
    route(&State::of(&routing::full::<N>().blocks()), String::new())
}

/// All routes that are faster than late fusion by the table, each for all samples; late fusion's where there is none.
pub(super) fn routes<'a, N: Network>(costs: &Costs) -> Vec<Setting<'a>> {
    let faster = |route: &N::Route| costs.table().route(&route.blocks()) < costs.late_fusion();
    let each = |taken: N::Route| route(&State::of(&taken.blocks()), taken.to_string());
    let routes: Vec<Setting<'a>> = routing::all::<N>().filter(faster).map(each).collect();
    if routes.is_empty() { vec![late_fusion::<N>()] } else { routes }
}

fn route<'a>(state: &State, by: String) -> Setting<'a> {
    Setting { by, variant: Box::new(AsIs), policy: Box::new(Fixed(state.clone())) }
}

/// One encoder to its end, and its own head.
pub(super) fn alone<'a, N: Network>(modality: usize) -> Setting<'a> {
    let modalities = N::description().modalities.iter().enumerate();
    let blocks = modalities.map(|(index, described)| if index == modality { described.exits.len() } else { 0 });
    let state = State::of(&blocks.collect::<Vec<_>>());
    Setting { by: String::new(), variant: Box::new(Alone { modality }), policy: Box::new(Fixed(state)) }
}

/// A uni-modal network.
#[derive(Debug)]
struct Alone {
    modality: usize,
}

impl Variant for Alone {
    fn passes_by(&self) -> bool {
        true
    }

    /// What nobody fuses.
    fn stand_in(&self, network: &dyn Parts, modality: usize, samples: i64) -> Tensor {
        let width = network.description().modalities[modality].feature;
        Tensor::zeros([samples, width], (tch::Kind::Float, network.device()))
    }

    fn answer(&self, network: &dyn Parts, _: &[State], _: &[usize], features: &[Tensor]) -> Tensor {
        network.task_head(self.modality, &features[self.modality])
    }
}

/// The paper's navigator, by what it reads.
///
/// # Errors
/// As [`Paper::of`].
pub(super) fn paper<'a, N: Network>(network: &N, reads: Reads) -> Result<Setting<'a>> {
    let policy = Box::new(Paper::reading(network, reads)?);
    Ok(Setting { by: String::new(), variant: Box::new(AsIs), policy })
}

/// A learned policy of a network at all prices that were tried on validation samples.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) policy: Policy,
    standing: Standing,
    balances: Vec<Balance>,
    allowances: Vec<[Option<Allowance>; 1]>,
}

impl Learned {
    /// # Errors
    /// As [`crate::policy::Policies::standing`].
    pub(super) fn of<N: Network>(network: &N, policy: Policy, costs: &Costs) -> Result<Self> {
        let policies = network.policies();
        let standing = policies
            .standing(policy)?
            .ok_or_else(|| Error::invalid(format!("study: the {} policy has learned nothing", policy.name())))?;
        let balances = policies.balances(policy)?;
        let allowances = balances.iter().map(|balance| Ok([standing.allowance(costs, Budget::Price(balance.price))?]));
        Ok(Self { policy, allowances: allowances.collect::<Result<_>>()?, standing, balances })
    }

    /// One setting a price.
    pub(super) fn settings<'a>(&'a self, costs: &'a Costs) -> Vec<Setting<'a>> {
        let of = |(balance, allowances): (&Balance, &'a [Option<Allowance>; 1])| Setting {
            by: format!("price {:.4}", balance.price),
            variant: Box::new(AsIs),
            policy: self.standing.on(Terms { costs, allowances }),
        };
        self.balances.iter().zip(&self.allowances).map(of).collect()
    }
}
