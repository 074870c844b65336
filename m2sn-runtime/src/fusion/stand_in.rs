//! What takes the place of a modality that is missing.

use tch::Tensor;
use tch::nn::Path;

use crate::Batch;
use crate::shape::Vector;

/// What fusion takes in place of the feature of a modality that is missing: `[D]`, learned with the head.
///
/// Variable: `feature`. It begins as zeros, which tell a linear layer nothing.
#[derive(Debug)]
pub struct StandIn<const D: i64>(Tensor);

impl<const D: i64> StandIn<D> {
    /// A stand-in with its variable under `path`.
    pub fn new(path: Path<'_>) -> Self {
        Self(path.zeros("feature", &[D]))
    }

    /// The feature itself, `[D]`.
    pub fn feature(&self) -> &Tensor {
        &self.0
    }

    /// The features of `samples` samples, `[batch, D]`: those that there are, and this one for all others.
    pub fn fill(&self, feature: Option<&Batch<Vector<D>>>, samples: i64) -> Batch<Vector<D>> {
        let filled = match feature {
            None => self.0.expand([samples, D], false),
            Some(feature) => match feature.present() {
                None => feature.tensor().shallow_clone(),
                Some(present) => feature.tensor().where_self(&present.unsqueeze(1), &self.0),
            },
        };
        Batch::trusted(filled.into())
    }
}

/// The number of samples of modalities some of which are missing; none where all are.
pub fn samples(modalities: &[Option<i64>]) -> i64 {
    modalities.iter().flatten().next().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_stand_in_fills_the_gaps_and_learns_from_them() {
        let store = VarStore::new(Device::Cpu);
        let stand_in = StandIn::<2>::new(store.root());
        let feature = Batch::<Vector<2>>::new(Tensor::ones([3, 2], FLOAT_CPU)).unwrap();
        assert_eq!(stand_in.fill(Some(&feature), 3).tensor(), feature.tensor());
        assert_eq!(stand_in.fill(None, 3).tensor(), &Tensor::zeros([3, 2], FLOAT_CPU));
        let some = feature.where_present(&Tensor::from_slice(&[true, false, false])).unwrap();
        let filled = stand_in.fill(Some(&some), 3);
        assert_eq!(filled.tensor(), &Tensor::from_slice(&[1f32, 1.0, 0.0, 0.0, 0.0, 0.0]).view([3, 2]));
        filled.tensor().sum(Kind::Float).backward();
        assert_eq!(stand_in.feature().grad(), Tensor::from_slice(&[2f32, 2.0]));
        assert_eq!((samples(&[None, Some(3)]), samples(&[None])), (3, 0));
    }
}
