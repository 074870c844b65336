#![doc = include_str!("../README.md")]

pub use m2sn_macros::{m2sn_model, m2sn_source};
pub use m2sn_runtime::{
    Batch, Device, Error, Result, batch, checkpoint, data, device, evaluation, fusion, latency, navigator, network, nn,
    plan, policy, predictor, routing, shape, shortcut, study, task, tch, training, weights,
};

/// What most programs name.
///
/// ```
/// use m2sn::prelude::*;
/// ```
pub mod prelude {
    pub use crate::data::{Dataset, Splits};
    pub use crate::network::Network;
    pub use crate::policy::Budget;
    pub use crate::routing::Answer;
    pub use crate::training::{Progress, Trainer};
    pub use crate::{Batch, Device, m2sn_model, m2sn_source};
}
