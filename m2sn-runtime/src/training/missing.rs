//! Samples that lack a modality, and those from which one is dropped so that the network learns to do without.
//!
//! An encoder never sees a sample that lacks its modality: neither does it learn from it, nor do its normalisations count
//! it. Fusion takes a learned stand-in in the place of its feature. Dropping a modality (Neverova et al., 2016) is the same
//! at fusion alone: the encoder learns from the sample, and fusion does not see what it says.

use tch::{Device, Kind, Tensor};

use super::context::{Context, Samples};
use crate::batch::Feature;
use crate::network::Network;

impl<N: Network> Context<'_, N> {
    /// From which of some samples each modality is dropped, `[samples]` of `bool` on the processor; `None` for those that
    /// are always there. From no sample all are.
    pub(crate) fn dropped(&self, samples: i64) -> Vec<Option<Tensor>> {
        let draw = |rate: f64| Tensor::rand([samples], (Kind::Float, Device::Cpu)).lt(rate);
        let drawn: Vec<Option<Tensor>> =
            N::description().modalities.iter().map(|modality| modality.missing.map(draw)).collect();
        match drawn.iter().map(Option::as_ref).collect::<Option<Vec<&Tensor>>>() {
            Some(all) => {
                let rest = Tensor::stack(&all, 0).all_dim(0, false).logical_not();
                all.iter().map(|dropped| Some(dropped.logical_and(&rest))).collect()
            }
            None => drawn,
        }
    }

    /// By modality, [`Samples::lacking`].
    pub(crate) fn lacking(&self, samples: &Samples, rows: &Tensor) -> Vec<Option<Tensor>> {
        self.modalities().map(|modality| samples.lacking(modality, rows)).collect()
    }

    /// Which of the samples at `rows` are to be taken as lacking a modality: those that do, and those from which it is
    /// dropped; as by [`Context::dropped`], but for samples that lack another one, which keep what they have.
    pub(crate) fn missing(&self, samples: &Samples, rows: &Tensor) -> Vec<Option<Tensor>> {
        let lacking = self.lacking(samples, rows);
        let incomplete = lacking.iter().fold(None, |any, lacking| either(any.as_ref(), lacking.as_ref()));
        let keep = |dropped: Tensor| match &incomplete {
            Some(incomplete) => dropped.logical_and(&incomplete.logical_not()),
            None => dropped,
        };
        let dropped = self.dropped(rows.size()[0]).into_iter().map(|dropped| dropped.map(keep));
        lacking.iter().zip(dropped).map(|(lacking, dropped)| either(lacking.as_ref(), dropped.as_ref())).collect()
    }

    /// Whether any modality may be missing.
    pub(crate) fn may_lack(&self) -> bool {
        N::description().modalities.iter().any(|modality| modality.missing.is_some())
    }

    /// The features of one modality, `[batch, feature]`, with its stand-in, as it is by now, where `missing` says so.
    pub(crate) fn without(&self, modality: usize, features: Tensor, missing: Option<&Tensor>) -> Tensor {
        match (self.network.stand_in(modality), missing) {
            (Some(stand_in), Some(missing)) => {
                let there = missing.to_device(self.device).logical_not().unsqueeze(1);
                features.where_self(&there, stand_in)
            }
            _ => features,
        }
    }

    /// As [`Context::without`], of samples whose features were chosen from [`Context::route_features`] at these places.
    ///
    /// What stands there for samples that lack the modality, or pass it by, is the stand-in as it was.
    pub(crate) fn renewed(
        &self,
        modality: usize,
        features: Tensor,
        places: &Tensor,
        lacking: Option<&Tensor>,
    ) -> Tensor {
        let passed_by = self.network.stand_in(modality).map(|_| places.eq(0));
        let missing = either(passed_by.as_ref(), lacking);
        self.without(modality, features, missing.as_ref())
    }
}

impl Samples {
    /// Which of the samples at `rows` lack a modality, `[n]` of `bool` on the processor; `None` where none of all does.
    pub(crate) fn lacking(&self, modality: usize, rows: &Tensor) -> Option<Tensor> {
        let present = self.inputs[modality].present()?;
        Some(present.index_select(0, &rows.to_device(present.device())).logical_not().to_device(Device::Cpu))
    }
}

/// Where one of the two says so; both are on the processor.
pub(crate) fn either(left: Option<&Tensor>, right: Option<&Tensor>) -> Option<Tensor> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.to_device(Device::Cpu).logical_or(&right.to_device(Device::Cpu))),
        (left, right) => left.or(right).map(Tensor::shallow_clone),
    }
}

/// The samples of a mini-batch that have a modality.
#[derive(Debug)]
pub(crate) struct Present {
    /// Their places in the mini-batch, `[n]` of `i64`; `None` where all have it.
    places: Option<Tensor>,
    samples: i64,
}

impl Present {
    /// Those of an input.
    ///
    /// A single one counts as none where it would have to be trained on: no variance can be taken of it.
    pub(crate) fn of(input: &Feature, train: bool) -> Self {
        let places = input.present.as_ref().map(|present| present.nonzero().squeeze_dim(1));
        let least = if train { 2 } else { 1 };
        let places = places.map(|places| if places.size()[0] < least { places.narrow(0, 0, 0) } else { places });
        Self { places, samples: input.len() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.as_ref().is_some_and(|places| places.size()[0] == 0)
    }

    /// These samples of an input.
    pub(crate) fn input(&self, input: Feature) -> Feature {
        match &self.places {
            None => input,
            Some(places) => Feature { present: None, ..input.select(places) },
        }
    }

    /// These samples of a tensor.
    pub(crate) fn select(&self, tensor: &Tensor) -> Tensor {
        match &self.places {
            None => tensor.shallow_clone(),
            Some(places) => tensor.index_select(0, places),
        }
    }

    /// The features of these samples, `[n, feature]`, at their places among all, and the stand-in at all others; there are
    /// features where there are such samples.
    pub(crate) fn spread(&self, features: Option<&Tensor>, stand_in: Option<&Tensor>) -> Tensor {
        match (features, &self.places, stand_in) {
            (Some(features), Some(places), Some(stand_in)) => {
                stand_in.expand([self.samples, -1], false).index_copy(0, places, features)
            }
            (None, _, Some(stand_in)) => stand_in.expand([self.samples, -1], false),
            (Some(features), ..) => features.shallow_clone(),
            (None, _, None) => panic!("samples lack a modality that has no stand-in"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;

    #[test]
    fn features_come_to_their_places() {
        let input = |present: &[bool]| Feature {
            present: Some(Tensor::from_slice(present)),
            ..Tensor::ones([present.len() as i64, 2], FLOAT_CPU).into()
        };
        let stand_in = Tensor::from_slice(&[-1f32, -2.0]).set_requires_grad(true);
        let two = Present::of(&input(&[false, true, false, true]), true);
        let features = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0]).view([2, 2]);
        let spread = two.spread(Some(&features), Some(&stand_in));
        let expected = Tensor::from_slice(&[-1f32, -2.0, 1.0, 2.0, -1.0, -2.0, 3.0, 4.0]).view([4, 2]);
        assert_eq!(spread, expected);
        spread.sum(Kind::Float).backward();
        assert_eq!(stand_in.grad(), Tensor::from_slice(&[2f32, 2.0]));
        assert_eq!(two.select(&Tensor::from_slice(&[5i64, 6, 7, 8])), Tensor::from_slice(&[6i64, 8]));

        let lone = Present::of(&input(&[false, true]), true);
        assert!(lone.is_empty());
        assert_eq!(lone.spread(None, Some(&stand_in)), stand_in.expand([2, -1], false));
        assert!(!Present::of(&input(&[false, true]), false).is_empty());
        let all = Present::of(&Tensor::ones([2, 2], FLOAT_CPU).into(), true);
        assert_eq!(all.spread(Some(&features), None), features);
    }
}
