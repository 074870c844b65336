//! Learned policies as they stand: plain numbers, which cost a decision nothing to read and which any thread may.

use super::front::highest_price;
use super::quality::Frozen;
use tch::Tensor;

use super::{Allowance, Balance, Budget, Costs, Policy, Sequencing, Sequential, State, Terms, Value, Valuing};
use crate::Result;
use crate::network::Description;

/// What a learned policy of a model has learned.
#[derive(Debug, Clone)]
pub struct Standing {
    description: &'static Description,
    quality: Frozen,
    /// Whether it decides after every block.
    is_sequential: bool,
    /// Empty where they have not been tried.
    balances: Vec<Balance>,
}

impl Standing {
    pub(super) fn new(
        description: &'static Description,
        quality: Frozen,
        is_sequential: bool,
        balances: Vec<Balance>,
    ) -> Self {
        Self { description, quality, is_sequential, balances }
    }

    /// The policy on these terms.
    pub fn on<'a>(&'a self, terms: Terms<'a>) -> Box<dyn Policy + 'a> {
        match self.is_sequential {
            false => Box::new(Valuing::new(&self.quality, terms)),
            true => Box::new(Sequencing::new(self.description, &self.quality, terms)),
        }
    }

    /// The quality of the answer by every route, from the pooled outputs of the first blocks: of the value policy.
    pub(crate) fn qualities_by_stems(&self, stems: &[Tensor]) -> Result<Vec<Vec<f64>>> {
        Value::qualities(&self.quality, stems)
    }

    /// The quality of the answer in every state, from what the network would answer in this one: of the sequential policy.
    pub(crate) fn qualities_by_answer(
        &self,
        state: &State,
        logits: &Tensor,
        alone: &[Tensor],
    ) -> Result<Vec<Vec<f64>>> {
        Sequential::qualities(self.description, &self.quality, state, logits, alone)
    }

    /// What a budget allows a sample; none where only late fusion will do.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the budget cannot be one.
    pub(crate) fn allowance(&self, costs: &Costs, budget: Budget) -> Result<Option<Allowance>> {
        budget.check()?;
        let free = f64::INFINITY;
        let at =
            |price: f64| Allowance { lambda: price * self.quality.unit() / costs.late_fusion(), milliseconds: free };
        Ok(match budget {
            Budget::Milliseconds(milliseconds) => Some(Allowance { lambda: 0.0, milliseconds }),
            Budget::Lambda(lambda) => Some(Allowance { lambda, milliseconds: free }),
            Budget::Price(price) => Some(at(price)),
            Budget::AccuracyWithin(points) => highest_price(&self.balances, points / 100.0).map(at),
        })
    }
}
