//! What a plan freezes for the whole of a training.

use tch::Tensor;

use crate::Result;
use crate::network::Network;
use crate::plan::Plan;
use crate::weights;

/// Parameters that stay as they are as long as this lives.
///
/// They require no gradients meanwhile, which keeps them from optimizers, and by which batch normalisations know that
/// their running averages are to stay too.
#[derive(Debug)]
pub(super) struct Frozen(Vec<Tensor>);

impl Frozen {
    /// Freezes what the plan says.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where it names what the network does not have.
    pub(super) fn of<N: Network>(network: &N, plan: &Plan) -> Result<Self> {
        let mut parameters = weights::frozen(network, &plan.weights)?;
        parameters.retain(Tensor::requires_grad);
        parameters.iter().for_each(|parameter| drop(parameter.set_requires_grad(false)));
        Ok(Self(parameters))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.iter().for_each(|parameter| drop(parameter.set_requires_grad(true)));
    }
}
