//! What a predictor's policies decide by.

use crate::network::Network;
use crate::plan::{self, Reads};
use crate::policy::{Paper, Policies, Standing};
use crate::{Error, Result};

/// The policies of a model as they stood when it was frozen.
#[derive(Debug)]
pub(super) struct Decides {
    paper: Result<Paper, String>,
    confidence: Learned,
    value: Learned,
    sequential: Learned,
}

/// A learned policy, and why it must not be asked.
#[derive(Debug)]
struct Learned {
    standing: Result<Standing, String>,
    fault: Option<String>,
}

impl Decides {
    /// Reads them.
    pub(super) fn of<N: Network>(model: &N) -> Self {
        let (policies, reads) = (model.policies(), N::plan().navigator.from);
        Self {
            paper: Paper::of(model).map_err(|fault| fault.to_string()),
            confidence: Learned::of(policies, plan::Policy::Confidence, reads),
            value: Learned::of(policies, plan::Policy::Value, reads),
            sequential: Learned::of(policies, plan::Policy::Sequential, reads),
        }
    }

    /// The paper's navigator.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has not been trained.
    pub(super) fn paper(&self) -> Result<&Paper> {
        self.paper.as_ref().map_err(Error::invalid)
    }

    /// A learned policy that may be asked.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has not been trained, or is none.
    pub(super) fn standing(&self, policy: plan::Policy) -> Result<Option<&Standing>> {
        let Some(learned) = self.learned_of(policy) else { return Ok(None) };
        match &learned.fault {
            Some(fault) => Err(Error::invalid(fault)),
            None => learned.standing.as_ref().map(Some).map_err(Error::invalid),
        }
    }

    /// A learned policy, trained or not.
    pub(super) fn learned(&self, policy: plan::Policy) -> Option<&Standing> {
        self.learned_of(policy)?.standing.as_ref().ok()
    }

    /// Whether there are few enough routes for learned policies to weigh.
    pub(super) fn can_weigh(&self) -> bool {
        self.sequential.standing.is_ok()
    }

    /// Whether a policy has been trained that decides by what parts cost.
    pub(super) fn by_costs(&self) -> bool {
        [&self.confidence, &self.value, &self.sequential].iter().any(|learned| learned.fault.is_none())
    }

    fn learned_of(&self, policy: plan::Policy) -> Option<&Learned> {
        match policy {
            plan::Policy::Paper => None,
            plan::Policy::Confidence => Some(&self.confidence),
            plan::Policy::Value => Some(&self.value),
            plan::Policy::Sequential => Some(&self.sequential),
        }
    }
}

impl Learned {
    fn of(policies: &Policies, policy: plan::Policy, reads: Reads) -> Self {
        let standing = match policies.standing(policy) {
            Ok(Some(standing)) => Ok(standing),
            Ok(None) => Err(format!("the {} policy learns nothing", policy.name())),
            Err(fault) => Err(fault.to_string()),
        };
        Self { standing, fault: policies.check_trained(policy, reads).err().map(|fault| fault.to_string()) }
    }
}
