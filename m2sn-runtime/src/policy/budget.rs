//! What an answer may cost.

use std::fmt;

use crate::{Error, Result};

/// What an answer may cost, given when it is asked for: one trained policy serves every budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// At most so many milliseconds, and within them the best answer.
    ///
    /// A block is begun only where, by the 99th percentiles of the latency table, there is time for it and for the answer
    /// after it. For a single sample the clock is watched as well: what stands when time runs short is the answer. In a
    /// batch the samples share the machine, so each is given the way that it could go alone.
    /// [`crate::routing::Answer::cut`] says whose way ended early by that.
    Milliseconds(f64),
    /// The best balance at this price: how much quality a millisecond must bring.
    ///
    /// Quality is the probability of the right class, the expected F1 of the labels, or the negative expected error.
    Lambda(f64),
    /// The same balance on every machine: how much quality the time of late fusion there must bring. At 0.05 a way that
    /// takes a tenth of late fusion's time longer has to raise the probability of the right class by half a point.
    ///
    /// For real values in units of the mean absolute error.
    Price(f64),
    /// At most so many points below the full route, as validation samples say, in as little time as that allows. 100 points are an accuracy or an F1 of 1, or for real values the mean absolute error.
    ///
    /// With a probability of 95 %, over the draw of the validation samples, the loss is no higher for samples of the same
    /// kind. Of few samples little is sure: with 600, half a point can only be promised where hardly an answer differs.
    /// Where no balance is sure enough, every sample goes the full way.
    ///
    /// Half of the validation samples show what balances lose. On recorded digits, where a policy that loses less than
    /// half a point takes a third of late fusion's time, promises of 0.5, 1 and 2 points saved 20, 45 and 63 % of that
    /// time with 600 such samples, on average over their draws, 53, 64 and 67 % with 2,400, and 0, 0 and 8 % with 150.
    AccuracyWithin(f64),
}

/// Says it in words: `within 8 ms`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds(milliseconds) => write!(f, "within {milliseconds} ms"),
            Self::Lambda(lambda) => write!(f, "λ = {lambda} a ms"),
            Self::Price(price) => write!(f, "at a price of {price}"),
            Self::AccuracyWithin(points) => write!(f, "within {points} points"),
        }
    }
}

impl Budget {
    /// Checks that the number can be one.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is not finite or below zero.
    pub(crate) fn check(self) -> Result<()> {
        let (name, value) = match self {
            Self::Milliseconds(value) => ("milliseconds", value),
            Self::Lambda(value) => ("λ", value),
            Self::Price(value) => ("price", value),
            Self::AccuracyWithin(value) => ("points", value),
        };
        if value.is_finite() && value >= 0.0 {
            Ok(())
        } else {
            Err(Error::invalid(format!("budget: {name} {value}, expected a number of at least 0")))
        }
    }
}

/// One budget for all samples of a call, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum Budgets {
    /// The same for all samples.
    All(Budget),
    /// One a sample, in their order.
    Each(Vec<Budget>),
}

impl Budgets {
    /// One, or as many as there are samples.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is another number of them.
    pub(crate) fn of(self, samples: i64) -> Result<Vec<Budget>> {
        match self {
            Self::All(budget) => Ok(vec![budget]),
            Self::Each(budgets) if budgets.len() as i64 == samples => Ok(budgets),
            Self::Each(budgets) => Err(Error::Shape {
                what: "budgets".into(),
                expected: format!("{samples}, one a sample"),
                found: budgets.len().to_string(),
            }),
        }
    }
}

impl From<Budget> for Budgets {
    fn from(budget: Budget) -> Self {
        Self::All(budget)
    }
}

impl From<Vec<Budget>> for Budgets {
    fn from(budgets: Vec<Budget>) -> Self {
        Self::Each(budgets)
    }
}

/// A budget for a policy: what a millisecond must bring, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// The quality that a millisecond must bring.
    pub lambda: f64,
    /// The milliseconds from the inputs to the logits; infinity where there is no limit.
    pub milliseconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_say_what_they_are() {
        let budgets =
            [Budget::Milliseconds(8.0), Budget::Lambda(0.02), Budget::Price(0.1), Budget::AccuracyWithin(0.5)];
        let words = budgets.map(|budget| budget.to_string()).join(", ");
        assert_eq!(words, "within 8 ms, λ = 0.02 a ms, at a price of 0.1, within 0.5 points");
        assert!(budgets.iter().all(|budget| budget.check().is_ok()));
        let message = Budget::Milliseconds(-1.0).check().unwrap_err().to_string();
        assert_eq!(message, "budget: milliseconds -1, expected a number of at least 0");
        assert!(Budget::Lambda(f64::NAN).check().is_err());
    }

    #[test]
    fn one_for_all_or_one_for_each() {
        let budget = Budget::Lambda(0.1);
        assert_eq!(Budgets::from(budget).of(3).unwrap(), [budget]);
        assert_eq!(Budgets::from(vec![budget; 3]).of(3).unwrap(), [budget; 3]);
        let message = Budgets::from(vec![budget; 2]).of(3).unwrap_err().to_string();
        assert_eq!(message, "budgets: expected 3, one a sample, found 2");
    }
}
