//! What rivals learn from that run encoders to their end or not at all: the deepest features, and what time weighs.

use tch::{Kind, Tensor};

use crate::Result;
use crate::latency::Table;
use crate::network::Network;
use crate::policy::State;
use crate::routing;
use crate::training::{Context, Features, Run, Samples};

/// What the time of late fusion weighs against the task loss, a setting each.
///
/// The paper calls .05 to 1 useful. It takes more on either side until a gate runs everything, or no more than it must.
pub(super) const RATIOS: [f64; 6] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// How a setting is called.
pub(super) fn by(ratio: f64) -> String {
    format!("ratio {ratio}")
}

/// Where every encoder has come to its end: the state of late fusion.
pub(super) fn state<N: Network>() -> State {
    State::of(&N::description().modalities.iter().map(|modality| modality.exits.len()).collect::<Vec<_>>())
}

/// The deepest features of all samples, from one pass through the encoders: `[samples, feature]` for each modality.
///
/// # Errors
/// Those of what is read, and of the room for what is kept.
pub(super) fn features<'a, N: Network>(
    context: &'a Context<'_, N>,
    samples: &Samples,
    run: &Run<'_>,
) -> Result<Vec<Features<'a>>> {
    let (chunk, said) = (context.plan.navigator.stage.batch, (&*run.progress, "deepest features"));
    context.cache.fill(samples.reads(), chunk, context.device, said, |inputs| {
        let encode = |(m, input)| routing::encode(context.network, m, input, context.exits(m) - 1).into();
        inputs.iter().enumerate().map(encode).collect()
    })
}

/// How a setting weighs time against the task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    ratio: f64,
    /// What late fusion's whole time weighs in the loss.
    pub(super) time: f64,
}

impl Weight {
    /// The loss of a setting, from that of the task and the share of late fusion's time.
    ///
    /// Settings learn together, and one by which time weighs much must not drown the others.
    pub(super) fn of(self, task: Tensor, time: Tensor) -> Tensor {
        (task + time * self.time) / (1.0 + self.ratio)
    }
}

/// The weights of all [`RATIOS`].
///
/// As for the navigator, a ratio is one of the task loss that the heads of the modalities have, on average: the loss of
/// the fused features on samples that the encoders have learned from is next to nothing.
pub(super) fn weights<N: Network>(context: &Context<'_, N>, deepest: &[Features<'_>]) -> [Weight; RATIOS.len()] {
    let all = Tensor::arange(context.train.len(), (Kind::Int64, tch::Device::Cpu));
    let lacking = context.lacking(&context.train, &all);
    let losses = deepest.iter().zip(lacking).enumerate().map(|(modality, (features, lacking))| {
        let rows = match lacking {
            Some(lacking) => lacking.logical_not().nonzero().squeeze_dim(1),
            None => all.shallow_clone(),
        };
        tch::no_grad(|| {
            let logits = context.network.task_head(modality, &features.rows(&rows).tensor);
            context.loss(&logits, &context.train.target(&rows))
        })
    });
    let mean = losses.sum::<f64>() / deepest.len() as f64;
    RATIOS.map(|ratio| Weight { ratio, time: ratio * mean })
}

/// The share of late fusion's time that each encoder takes from its beginning to its end.
pub(super) fn shares(table: &Table) -> Vec<f64> {
    let full = |(m, modality): (usize, &crate::latency::Modality)| table.exit(m, modality.exits.len() - 1);
    table.modalities.iter().enumerate().map(|place| full(place) / table.late_fusion()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny::table;

    #[test]
    fn shares_by_hand() {
        assert_eq!(shares(&table()), [7.0 / 77.25, 70.0 / 77.25]);
    }

    #[test]
    fn time_is_weighed_by_hand() {
        let weight = Weight { ratio: 3.0, time: 6.0 };
        assert_eq!(weight.of(Tensor::from(2.0), Tensor::from(0.5)).double_value(&[]), (2.0 + 3.0) / 4.0);
    }
}
