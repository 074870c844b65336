//! A light network over the raw inputs: by what rivals decide that decide before anything runs.
//!
//! It is of the size of the paper's navigator, so that nobody wins by a larger or a smaller one: the embedding layers are
//! those of the spec's navigator, in the rival's own copy of the network, and one linear layer for each setting of a rival
//! stands in the place of its decision. All settings share the embedding and learn together, by the sum of their losses;
//! whoever answers by one of them runs the embedding and its layer alone.
//!
//! Of a modality that a sample lacks the embedding sees zeros, as the navigator's does.

use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

use crate::batch::Feature;
use crate::network::{Chain, Network, Part};
use crate::nn::{lower, run};
use crate::policy::Seen;
use crate::{Error, Result};

/// The layers of all settings, over one embedding.
///
/// Variables: `rival.gates.<setting>.weight` and `.bias`, and those of the navigator's embedding.
#[derive(Debug)]
pub(super) struct Gates(Vec<nn::Linear>);

impl Gates {
    /// What learns where gates do.
    pub(super) const PARTS: [Part; 2] = [Part::Navigator, Part::Rival];

    /// Freshly drawn layers to so many scores, one for each of so many settings.
    pub(super) fn new<N: Network>(network: &N, settings: usize, scores: usize) -> Self {
        let widths = N::description().modalities.iter().enumerate().map(|(modality, described)| {
            let program = lower(&network.layers(Chain::Embedding { modality }), described.dims);
            program.dims(program.output()).iter().product::<i64>()
        });
        let (width, root) = (widths.sum::<i64>(), network.variables().root() / "rival" / "gates");
        let layer = |setting: usize| nn::linear(&root / setting, width, scores as i64, nn::LinearConfig::default());
        Self((0..settings).map(layer).collect())
    }

    /// What each setting says of raw inputs, `[batch, scores]` each.
    pub(super) fn scores<N: Network>(&self, network: &N, inputs: &[Feature], train: bool) -> Vec<Tensor> {
        let embedded = embed(network, inputs, train);
        self.0.iter().map(|layer| layer.forward(&embedded)).collect()
    }

    /// One gate for each setting.
    pub(super) fn each<'a, N: Network>(&'a self, network: &'a N) -> impl Iterator<Item = Gate<'a, N>> {
        self.0.iter().map(move |layer| Gate { network, layer })
    }
}

/// The gate of one setting.
#[derive(Debug)]
pub(super) struct Gate<'a, N> {
    network: &'a N,
    layer: &'a nn::Linear,
}

impl<N: Network> Gate<'_, N> {
    /// What it says of raw inputs, `[batch, scores]`.
    pub(super) fn scores(&self, inputs: &[Feature]) -> Tensor {
        self.layer.forward(&embed(self.network, inputs, false))
    }
}

/// The embeddings of all modalities side by side, `[batch, width]`.
fn embed<N: Network>(network: &N, inputs: &[Feature], train: bool) -> Tensor {
    let of = |(modality, input)| run(&network.layers(Chain::Embedding { modality }), input, train).tensor;
    Tensor::cat(&inputs.iter().enumerate().map(of).collect::<Vec<_>>(), 1)
}

/// Inputs without what is `missing`, `[batch]` of `bool` for each modality.
pub(super) fn without(inputs: &[Feature], missing: &[Option<Tensor>]) -> Vec<Feature> {
    let of = |(input, missing): (&Feature, &Option<Tensor>)| match missing {
        Some(missing) => input.without(missing),
        None => input.clone(),
    };
    inputs.iter().zip(missing).map(of).collect()
}

/// The most probable option of each sample as zeros and a one, with the gradient of the probabilities, `[batch, options]`.
pub(super) fn straight_through(probabilities: &Tensor) -> Tensor {
    let options = probabilities.size().last().copied().unwrap_or(1);
    let hard = probabilities.argmax(-1, false).one_hot(options).to_kind(probabilities.kind());
    passed_through(&hard, probabilities)
}

/// One tensor's values with the gradient of another.
pub(super) fn passed_through(values: &Tensor, gradient: &Tensor) -> Tensor {
    // Nothing is added to the values: what is taken from itself is exactly zero.
    (gradient - gradient.detach()) + values
}

/// What a gate has said of the samples that a policy is asked about, a row each.
///
/// # Errors
/// [`Error::Invalid`] with the first sample of which it has said what is not finite: that decides nothing.
pub(super) fn said(seen: &Seen) -> Result<Vec<Vec<f64>>> {
    let Some(scores) = seen.scores.first() else { return Err(Error::invalid("gate: nothing was seen of the samples")) };
    let said = Vec::<Vec<f64>>::try_from(scores.to_device(Device::Cpu).to_kind(Kind::Double))?;
    match said.iter().position(|row| row.iter().any(|score| !score.is_finite())) {
        Some(place) => Err(Error::invalid(format!(
            "gate: row {} has scores that are not finite, and they decide nothing; look for values that are not finite in \
             the inputs of that sample, and else in the parameters",
            seen.rows.get(place).copied().unwrap_or(place)
        ))),
        None => Ok(said),
    }
}

/// The place of the highest score among those that are `allowed`; of equals the first. `None` where none is.
pub(super) fn highest(scores: &[f64], allowed: impl Fn(usize) -> bool) -> Option<usize> {
    let better = |best: Option<usize>, place: usize| match best {
        Some(best) if scores[place] <= scores[best] => Some(best),
        _ => Some(place),
    };
    (0..scores.len()).filter(|place| allowed(*place)).fold(None, better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Input;
    use crate::tiny::{Tiny, samples};

    #[test]
    fn a_setting_says_alone_what_it_says_beside_others() {
        let network = Tiny::new(crate::Device::Cpu).unwrap();
        let gates = Gates::new(&network, 3, 4);
        let inputs = samples(5, 1).unwrap().train.input().unwrap().features();
        let together = gates.scores(&network, &inputs, false);
        assert_eq!(together.iter().map(Tensor::size).collect::<Vec<_>>(), [[5, 4]; 3]);
        assert!(gates.each(&network).zip(&together).all(|(gate, scores)| gate.scores(&inputs).equal(scores)));
        // What a gate decides by is what the navigator decides by.
        let embedded = embed(&network, &inputs, false);
        let decision = run(&network.layers(Chain::Decision), &embedded.into(), false).tensor;
        assert!(decision.equal(&Tensor::cat(&network.navigate(&inputs, false), 1)));
    }

    #[test]
    fn decisions_are_hard_and_their_gradients_soft() {
        let scores = Tensor::from_slice(&[1f32, 3.0, 2.0]).view([1, 3]).set_requires_grad(true);
        let soft = scores.softmax(-1, Kind::Float);
        let hard = straight_through(&soft);
        assert_eq!(hard, Tensor::from_slice(&[0f32, 1.0, 0.0]).view([1, 3]));
        let weights = Tensor::from_slice(&[1f32, 2.0, 4.0]);
        let gradient = |of: Tensor| Tensor::run_backward(&[(of * &weights).sum(Kind::Float)], &[&scores], true, false);
        assert!(gradient(hard)[0].allclose(&gradient(soft)[0], 1e-6, 1e-6, false));
    }

    #[test]
    fn what_is_not_finite_decides_nothing() {
        let scores = Tensor::from_slice(&[1f32, 2.0, 3.0, f32::NAN]).view([2, 2]);
        let seen = Seen { rows: vec![4, 7], scores: vec![scores], ..Seen::default() };
        let message = said(&seen).unwrap_err().to_string();
        assert!(message.starts_with("gate: row 7 has scores that are not finite"), "{message}");
        assert!(said(&Seen::default()).is_err());
        assert_eq!(highest(&[1.0, 3.0, 3.0, 9.0], |place| place < 3), Some(1));
        assert_eq!(highest(&[1.0], |_| false), None);
    }
}
