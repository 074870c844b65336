//! What executes: the parts of a network as inference runs them, over erased features.
//!
//! Whoever routes samples needs no more than this. [`Live`] is a network whose blocks run;
//! [`Cached`] is one whose blocks have run already, so that a policy can be tried on a whole data set,
//! as often as one likes, for the price of what it looks at.

use std::fmt::Debug;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::batch::Feature;
use crate::network::{Description, Modality, Network, leave};
use crate::policy::{Grid, State};
use crate::scattered::Scattered;
use crate::task::Rule;

/// The parts of a network.
///
/// Modalities, blocks and exits are counted from zero.
pub(crate) trait Parts: Debug {
    fn description(&self) -> &'static Description;

    /// The states in which samples can leave.
    fn grid(&self) -> Grid {
        Grid::of(self.description().modalities)
    }

    /// The rule by which logits decide.
    fn rule(&self) -> Result<Rule>;

    /// Where inputs have to be.
    fn device(&self) -> Device;

    /// Runs one block of one encoder.
    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature;

    /// The deepest feature by an exit, from the output of the block that ends there, `[batch, feature]`.
    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor;

    /// As [`Parts::block`], of samples wherever they lie; by default they are brought together for it.
    fn block_of(&self, modality: usize, block: usize, input: &Scattered<'_>) -> Feature {
        self.block(modality, block, &input.gather())
    }

    /// As [`Parts::leave`], of samples wherever they lie; by default they are brought together for it.
    fn leave_of(&self, modality: usize, exit: usize, output: &Scattered<'_>) -> Tensor {
        self.leave(modality, exit, &output.gather())
    }

    /// What is cheap to know of the output of a modality's first block, `[batch, …]` of `f32`: see [`stem`].
    fn stem(&self, modality: usize, output: &Feature) -> Tensor;

    /// Predicts the task from the feature of one modality alone, `[batch, outputs]`.
    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor;

    /// What the head of each modality says of its feature alone in a state whose answer is `logits`; of one that takes no
    /// part nothing, which is zeros.
    fn alone(&self, state: &State, features: &[Tensor], logits: &Tensor) -> Vec<Tensor> {
        let of = |(modality, feature)| match state.blocks()[modality] {
            0 => logits.zeros_like(),
            _ => self.task_head(modality, feature),
        };
        features.iter().enumerate().map(of).collect()
    }

    /// What fusion takes in place of a modality that takes no part, `[batch, feature]`.
    fn stand_in(&self, modality: usize, samples: i64) -> Tensor;

    /// Fuses one feature a modality and predicts the task, `[batch, outputs]`.
    fn fuse(&self, features: &[Tensor]) -> Tensor;

    /// The answer to the samples at `rows`, which stand in their `states`, from one feature a modality wherever it lies,
    /// `[batch, outputs]`.
    fn answer(&self, _states: &[State], _rows: &[usize], features: &[Scattered<'_>]) -> Tensor {
        self.fuse(&tensors(features))
    }

    /// The answer of late fusion: every encoder to its end, then fusion and head.
    fn late_fusion(&self, inputs: &[Feature]) -> Tensor {
        let modalities = self.description().modalities.iter().zip(inputs).enumerate();
        let deepest = modalities.map(|(m, (modality, input))| {
            let full = modality.exits.len() - 1;
            let output = (0..=full).fold(input.clone(), |output, block| self.block(m, block, &output));
            self.leave(m, full, &output)
        });
        self.fuse(&deepest.collect::<Vec<_>>())
    }

    /// Scores the exits of each modality from the raw inputs.
    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor>;
}

/// A network whose parts run.
#[derive(Debug)]
pub(crate) struct Live<'a, N>(pub(crate) &'a N);

impl<N: Network> Parts for Live<'_, N> {
    fn description(&self) -> &'static Description {
        N::description()
    }

    fn rule(&self) -> Result<Rule> {
        self.0.policies().rule()
    }

    fn device(&self) -> Device {
        self.0.variables().device()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        self.0.block(modality, block, input, false)
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        leave(self.0, modality, exit, output, false)
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        stem(&N::description().modalities[modality], output, None)
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        self.0.task_head(modality, feature)
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        stand_in(self.0.stand_in(modality), modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.0.fuse(features, false)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        self.0.navigate(inputs, false)
    }
}

/// A network whose encoders have run on all samples of a data set.
///
/// What flows between its blocks are the numbers of the samples, `[batch]` of `i64`: see [`Cached::inputs`].
#[derive(Debug)]
pub(crate) struct Cached<'a, N> {
    pub(crate) network: &'a N,
    /// By modality, as by [`crate::network::route_features`].
    pub(crate) features: &'a [Vec<Tensor>],
    /// By modality, as by [`stem`].
    pub(crate) stems: &'a [Tensor],
    /// By modality, `[samples, exits]`.
    pub(crate) scores: &'a [Tensor],
    /// By modality, which samples have it, `[samples]` of `bool`; `None` where all do.
    pub(crate) present: &'a [Option<Tensor>],
}

impl<N: Network> Cached<'_, N> {
    /// The samples of these numbers, as inputs.
    pub(crate) fn inputs(&self, rows: &Tensor) -> Vec<Feature> {
        let rows = rows.to_device(self.network.variables().device());
        let of = |present: &Option<Tensor>| Feature {
            present: present.as_ref().map(|present| present.index_select(0, &rows)),
            ..rows.shallow_clone().into()
        };
        self.present.iter().map(of).collect()
    }
}

impl<N: Network> Parts for Cached<'_, N> {
    fn description(&self) -> &'static Description {
        N::description()
    }

    fn rule(&self) -> Result<Rule> {
        self.network.policies().rule()
    }

    fn device(&self) -> Device {
        self.network.variables().device()
    }

    fn block(&self, _: usize, _: usize, input: &Feature) -> Feature {
        input.clone()
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        let place = exit + 1 - N::description().modalities[modality].least_blocks();
        self.features[modality][place].index_select(0, &output.tensor)
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        self.stems[modality].index_select(0, &output.tensor)
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        self.network.task_head(modality, feature)
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        stand_in(self.network.stand_in(modality), modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.network.fuse(features, false)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        self.scores.iter().zip(inputs).map(|(scores, input)| scores.index_select(0, &input.tensor)).collect()
    }
}

/// One feature a modality, each sample's side by side.
pub(crate) fn tensors(features: &[Scattered<'_>]) -> Vec<Tensor> {
    features.iter().map(|feature| feature.gather().tensor).collect()
}

/// The learned stand-in of a modality, `[feature]`, for some samples, `[batch, feature]`.
pub(crate) fn stand_in(feature: Option<&Tensor>, modality: usize, samples: i64) -> Tensor {
    match feature {
        Some(feature) => feature.unsqueeze(0).expand([samples, -1], false),
        None => panic!("modality {modality} of this network may not be missing"),
    }
}

/// What is cheap to know of a modality from the output of its first block, `[batch, …]` of `f32`: see [`pool`].
///
/// Of one that may be missing a last column says whether it is there: one, and zeros throughout for samples that lack it.
pub(crate) fn stem(modality: &Modality, output: &Feature, present: Option<&Tensor>) -> Tensor {
    let pooled = pool(output);
    if modality.missing.is_none() {
        return pooled;
    }
    let there = pooled.ones_like().narrow(1, 0, 1);
    let stem = Tensor::cat(&[pooled, there], 1);
    match present {
        Some(present) => stem.masked_fill(&present.logical_not().unsqueeze(1), 0.0),
        None => stem,
    }
}

/// The width of what [`stem`] knows of a modality.
pub(crate) fn stem_width(modality: &Modality) -> i64 {
    let pooled = modality.exits.first().map_or(0, |exit| pooled_width(exit.dims));
    pooled + i64::from(modality.missing.is_some())
}

/// A block's output in a few numbers a channel, `[batch, …]` of `f32`.
///
/// An image `[C, H, W]` gives the mean and the maximum of each channel, `2 C`; a sequence `[T, F]` those of each feature
/// over its real steps, `2 F`; a video `[T, C, H, W]` those of each channel over its real frames, `2 C`; a vector is taken as it is.
fn pool(output: &Feature) -> Tensor {
    let tensor = output.tensor.to_kind(Kind::Float);
    let (mean, maximum) = match (tensor.dim(), &output.mask) {
        // Frame by frame, which are the steps of a sequence then.
        (5, mask) => {
            let flat = tensor.flatten(3, -1);
            let steps = |tensor: Tensor| Feature { mask: mask.as_ref().map(Tensor::shallow_clone), ..tensor.into() };
            let halves = |tensor| {
                let pooled = pool(&steps(tensor));
                let channels = pooled.size()[1] / 2;
                [pooled.narrow(1, 0, channels), pooled.narrow(1, channels, channels)]
            };
            let [mean, _] = halves(flat.mean_dim(-1, false, Kind::Float));
            let [_, maximum] = halves(flat.amax(-1, false));
            (mean, maximum)
        }
        (4.., _) => {
            let flat = tensor.flatten(2, -1);
            (flat.mean_dim(-1, false, Kind::Float), flat.amax(-1, false))
        }
        (3, None) => (tensor.mean_dim(1, false, Kind::Float), tensor.amax(1, false)),
        (3, Some(mask)) => {
            let padding = mask.logical_not().unsqueeze(-1);
            let steps = mask.sum_dim_intlist(1, true, Kind::Float);
            let sum = tensor.masked_fill(&padding, 0.0).sum_dim_intlist(1, false, Kind::Float);
            (sum / steps, tensor.masked_fill(&padding, f64::NEG_INFINITY).amax(1, false))
        }
        _ => return tensor,
    };
    Tensor::cat(&[mean, maximum], 1)
}

/// The width of what [`pool`] makes of a block's output of these dimensions.
fn pooled_width(dims: &[i64]) -> i64 {
    match dims {
        [features] => *features,
        [_, features] | [_, features, _, _] => 2 * features,
        [channels, ..] => 2 * channels,
        [] => 0,
    }
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn pools_by_hand() {
        let image = Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0, 0.0, 0.0, 0.0, -4.0]).view([1, 2, 2, 2]);
        assert_eq!(values(&pool(&image.into())), [3.0, -1.0, 6.0, 0.0]);
        let steps = Tensor::from_slice(&[1f32, 5.0, 3.0, 7.0, 100.0, 100.0]).view([1, 3, 2]);
        let mask = Tensor::from_slice(&[true, true, false]).view([1, 3]);
        assert_eq!(values(&pool(&Feature { mask: Some(mask), ..steps.shallow_clone().into() })), [2.0, 6.0, 3.0, 7.0]);
        assert_eq!(values(&pool(&steps.narrow(1, 0, 2).into())), [2.0, 6.0, 3.0, 7.0]);
        assert_eq!(values(&pool(&Tensor::from_slice(&[1f32, 2.0]).view([1, 2]).into())), [1.0, 2.0]);
        let video = Tensor::from_slice(&[1f32, 3.0, 7.0, 5.0, 90.0, 90.0]).view([1, 3, 1, 1, 2]);
        let mask = Tensor::from_slice(&[true, true, false]).view([1, 3]);
        assert_eq!(values(&pool(&Feature { mask: Some(mask), ..video.into() })), [4.0, 7.0]);
    }

    #[test]
    fn the_width_is_known_beforehand() {
        for dims in [&[7][..], &[3, 5], &[2, 4, 6], &[2, 3, 4, 5]] {
            let output = Tensor::zeros([&[1], dims].concat(), FLOAT_CPU);
            assert_eq!(pool(&output.into()).size(), [1, pooled_width(dims)]);
        }
    }
}
