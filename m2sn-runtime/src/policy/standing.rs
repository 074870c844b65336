//! Learned policies as they stand: plain numbers, which cost a decision nothing to read and which any thread may.

use super::front::highest_price;
use super::quality::Frozen;
use super::{Allowance, Balance, Budget, Confident, Costs, Exiting, Policy, Sequencing, Terms, Valuing};
use crate::Result;
use crate::network::Description;

/// What a learned policy of a model has learned.
#[derive(Debug, Clone)]
pub struct Standing {
    description: &'static Description,
    learned: Learned,
    /// Empty where they have not been tried.
    balances: Vec<Balance>,
}

/// What it has learned, by policy.
#[derive(Debug, Clone)]
pub(super) enum Learned {
    Confidence(Confident),
    Value(Frozen),
    Sequential(Frozen),
}

impl Standing {
    pub(super) fn new(description: &'static Description, learned: Learned, balances: Vec<Balance>) -> Self {
        Self { description, learned, balances }
    }

    /// The policy on these terms.
    pub fn on<'a>(&'a self, terms: Terms<'a>) -> Box<dyn Policy + 'a> {
        match &self.learned {
            Learned::Confidence(confident) => Box::new(Exiting::new(self.description.task, confident, terms)),
            Learned::Value(quality) => Box::new(Valuing::new(quality, terms)),
            Learned::Sequential(quality) => Box::new(Sequencing::new(self.description, quality, terms)),
        }
    }

    /// By what qualities are predicted; none where none are.
    pub(crate) fn quality(&self) -> Option<&Frozen> {
        match &self.learned {
            Learned::Confidence(_) => None,
            Learned::Value(quality) | Learned::Sequential(quality) => Some(quality),
        }
    }

    fn unit(&self) -> f64 {
        match &self.learned {
            Learned::Confidence(confident) => confident.unit(),
            Learned::Value(quality) | Learned::Sequential(quality) => quality.unit(),
        }
    }

    /// What a budget allows a sample; none where only late fusion will do.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the budget cannot be one.
    pub(crate) fn allowance(&self, costs: &Costs, budget: Budget) -> Result<Option<Allowance>> {
        budget.check()?;
        let free = f64::INFINITY;
        let at = |price: f64| Allowance { lambda: price * self.unit() / costs.late_fusion(), milliseconds: free };
        Ok(match budget {
            Budget::Milliseconds(milliseconds) => Some(Allowance { lambda: 0.0, milliseconds }),
            Budget::Lambda(lambda) => Some(Allowance { lambda, milliseconds: free }),
            Budget::Price(price) => Some(at(price)),
            Budget::AccuracyWithin(points) => highest_price(&self.balances, points / 100.0).map(at),
        })
    }
}
