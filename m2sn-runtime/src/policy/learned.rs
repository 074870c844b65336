//! What a model has learned to decide by, and the milliseconds of the machine that it is on.

use tch::nn::Path;

use super::cost::MOST_STATES;
use super::front::highest_price;
use super::{Allowance, Balance, Budget, Costs, Grid, Sequential, Value};
use crate::latency::Table;
use crate::network::{Description, Network};
use crate::plan;
use crate::{Error, Result};

/// The learned policies of a model, and the costs by which they decide here.
///
/// Their parameters are among the model's variables, `policies.…`. The last stage of a training teaches the one that its
/// plan names.
#[derive(Debug)]
pub struct Policies {
    model: &'static str,
    /// None where there are too many routes to weigh against each other.
    learned: Option<(Value, Sequential)>,
    costs: Option<Costs>,
}

impl Policies {
    /// Policies for a network of this description, with freshly drawn parameters under `root`.
    pub fn new(root: &Path<'_>, description: &'static Description) -> Self {
        let states = Grid::of(description.modalities).len();
        let learned = (states <= MOST_STATES).then(|| {
            let path = root / "policies";
            let value = Value::new(&(&path / "value"), description, states as i64);
            (value, Sequential::new(&(&path / "sequential"), description, states as i64))
        });
        Self { model: description.name, learned, costs: None }
    }

    /// The policy that decides once.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network has too many routes for a learned policy.
    pub fn value(&self) -> Result<&Value> {
        self.learned.as_ref().map(|(value, _)| value).ok_or_else(|| self.too_many())
    }

    /// The policy that decides after every block.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub fn sequential(&self) -> Result<&Sequential> {
        self.learned.as_ref().map(|(_, sequential)| sequential).ok_or_else(|| self.too_many())
    }

    /// What ways cost on this machine.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that is not known.
    pub fn costs(&self) -> Result<&Costs> {
        self.costs.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "`{}` does not know what its parts cost on this machine, and a learned policy weighs quality against \
                 milliseconds; measure them by `routing::measure`",
                self.model
            ))
        })
    }

    /// Has the policies decide by a table of their network; without a learned policy nobody asks for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the table is of another network.
    pub(crate) fn decide_by<N: Network>(&mut self, table: &Table) -> Result<()> {
        if self.learned.is_some() {
            self.set_costs(Costs::new::<N>(table.clone())?);
        }
        Ok(())
    }

    /// Makes these the costs by which the policies decide.
    pub fn set_costs(&mut self, costs: Costs) {
        self.costs = Some(costs);
    }

    /// What the balances of a policy came to on validation samples, at the end of its training; empty before, and for
    /// the paper's, which has one balance.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub fn balances(&self, policy: plan::Policy) -> Result<Vec<Balance>> {
        match policy {
            plan::Policy::Paper => Ok(Vec::new()),
            plan::Policy::Value => self.value()?.front.balances(),
            plan::Policy::Sequential => self.sequential()?.front.balances(),
        }
    }

    /// Checks that a policy has been trained: one that has not would decide at random.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has not; as [`Policies::value`].
    pub(crate) fn check_trained(&self, policy: plan::Policy) -> Result<()> {
        let is_trained = match policy {
            plan::Policy::Paper => true,
            plan::Policy::Value => self.value()?.front.is_set(),
            plan::Policy::Sequential => self.sequential()?.front.is_set(),
        };
        if !is_trained {
            return Err(Error::invalid(format!(
                "`{}`: the {} policy has not been trained; run the navigator's stage with this policy in its plan",
                self.model,
                policy.name()
            )));
        }
        Ok(())
    }

    /// What a budget allows a sample; none where only late fusion will do.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the budget cannot be one.
    pub(crate) fn allowance(&self, costs: &Costs, policy: plan::Policy, budget: Budget) -> Result<Option<Allowance>> {
        budget.check()?;
        let late_fusion = costs.late_fusion();
        let free = f64::INFINITY;
        Ok(match budget {
            Budget::Milliseconds(milliseconds) => Some(Allowance { lambda: 0.0, milliseconds }),
            Budget::Lambda(lambda) => Some(Allowance { lambda, milliseconds: free }),
            Budget::Price(price) => {
                Some(Allowance { lambda: price * self.unit(policy)? / late_fusion, milliseconds: free })
            }
            Budget::AccuracyWithin(points) => match highest_price(&self.balances(policy)?, points / 100.0) {
                Some(price) => self.allowance(costs, policy, Budget::Price(price))?,
                None => None,
            },
        })
    }

    /// In what quality is counted: 1 for accuracies and F1, the mean absolute error that was learned from for real values.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub(crate) fn unit(&self, policy: plan::Policy) -> Result<f64> {
        Ok(match policy {
            plan::Policy::Value => self.value()?.quality.unit(),
            _ => self.sequential()?.quality.unit(),
        })
    }

    fn too_many(&self) -> Error {
        Error::invalid(format!(
            "`{}` has more than {MOST_STATES} routes, too many for a learned policy to weigh; take fewer shortcuts",
            self.model
        ))
    }
}
