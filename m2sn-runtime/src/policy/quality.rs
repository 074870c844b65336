//! How good the answer by each route would be, as learned from samples.

use tch::nn::Path;
use tch::{Device, Kind, Reduction, Tensor};

use crate::nn::Affine;
use crate::task::Task;
use crate::{Error, Result};

/// Predicts, from what is known of a sample, the quality of its answer by every route.
///
/// Quality is the task's own: the probability that the class is right, the expected F1 of the labels, or the negative
/// expected mean absolute error.
///
/// ```text
/// known, standardised ─ linear ─ relu ─ linear ─ sigmoid (softplus for an error)
/// ```
///
/// Variables: `mean` and `deviation` of what is known, `hidden.weight`, `hidden.bias`, `output.weight`, `output.bias`, and
/// `unit`, in which errors are predicted; all but the four of the linear maps have no gradient.
#[derive(Debug)]
pub(crate) struct Quality {
    task: Task,
    mean: Tensor,
    deviation: Tensor,
    hidden: Affine,
    output: Affine,
    unit: Tensor,
}

/// The width of the hidden layer.
const HIDDEN: i64 = 64;
/// Keeps what does not vary from being divided by nothing.
const LEAST_DEVIATION: f64 = 1e-3;

impl Quality {
    /// A predictor with freshly drawn parameters, from `known` values to the quality in each of `states`.
    pub(crate) fn new(path: &Path<'_>, task: Task, known: i64, states: i64) -> Self {
        Self {
            task,
            mean: path.zeros_no_train("mean", &[known]),
            deviation: path.ones_no_train("deviation", &[known]),
            hidden: Affine::new(&(path / "hidden"), known, HIDDEN),
            output: Affine::new(&(path / "output"), HIDDEN, states),
            unit: path.ones_no_train("unit", &[1]),
        }
    }

    /// The predictor as it stands, to be asked about single samples.
    pub(crate) fn frozen(&self) -> Result<Frozen> {
        let values = |tensor: &Tensor| -> Result<Vec<f32>> {
            Ok(Vec::try_from(tensor.detach().to_device(Device::Cpu).contiguous().view(-1))?)
        };
        let affine = |affine: &Affine| -> Result<[Vec<f32>; 2]> {
            let [weight, bias] = affine.variables();
            Ok([values(weight)?, values(bias)?])
        };
        Ok(Frozen {
            task: self.task,
            mean: values(&self.mean)?,
            deviation: values(&self.deviation)?,
            hidden: affine(&self.hidden)?,
            output: affine(&self.output)?,
            unit: self.unit(),
        })
    }

    fn scores(&self, known: &Tensor) -> Tensor {
        let known = (known - &self.mean) / &self.deviation;
        self.output.forward(&self.hidden.forward(&known).relu())
    }

    /// The mean loss of predictions against what qualities came to, over the places where `counts`, of zeros and ones, has
    /// a one.
    pub(crate) fn loss(&self, known: &Tensor, quality: &Tensor, counts: &Tensor) -> Tensor {
        let scores = self.scores(known);
        let each = match self.task {
            Task::Regression { .. } => {
                let error = -quality / &self.unit;
                scores.softplus().mse_loss(&error, Reduction::None)
            }
            _ => scores.binary_cross_entropy_with_logits::<Tensor>(quality, None, None, Reduction::None),
        };
        (each * counts).sum(Kind::Float) / counts.sum(Kind::Float).clamp_min(1.0)
    }

    /// Sets by what known values are standardised.
    pub(crate) fn standardise(&self, known: &Tensor) {
        tch::no_grad(|| {
            let (deviation, mean) = known.std_mean_dim(0, false, false);
            let (mut own_mean, mut own_deviation) = (self.mean.shallow_clone(), self.deviation.shallow_clone());
            own_mean.copy_(&mean);
            own_deviation.copy_(&deviation.clamp_min(LEAST_DEVIATION));
        });
    }

    /// Sets the unit in which errors are predicted: their mean.
    pub(crate) fn set_unit(&self, quality: &Tensor) {
        if let Task::Regression { .. } = self.task {
            let mut unit = self.unit.shallow_clone();
            tch::no_grad(|| unit.copy_(&quality.mean(Kind::Float).abs().clamp_min(f64::EPSILON).view(1)));
        }
    }

    /// What a point of quality is worth: a hundredth, for errors a hundredth of the unit.
    pub(crate) fn unit(&self) -> f64 {
        self.unit.double_value(&[0])
    }
}

/// A [`Quality`] as plain numbers.
///
/// A decision on one sample is some thousand multiplications: as calls to LibTorch it would take ten times as long.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    task: Task,
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// Weight, row by row, and bias.
    hidden: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
    unit: f64,
}

impl Frozen {
    /// The quality in every state for each sample, in the task's own terms.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first sample of which something is known that is not finite: it decides nothing.
    pub(crate) fn predict_each(&self, known: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
        let is_finite = |row: &Vec<f32>| row.iter().all(|value| value.is_finite());
        match known.iter().position(|row| !is_finite(row)) {
            Some(row) => Err(Error::invalid(format!(
                "policy: sample {row} of those asked about has no predicted quality, because what was seen of it is not \
                 finite; look for values that are not finite in its inputs, and else in the parameters"
            ))),
            None => Ok(known.iter().map(|row| self.predict(row)).collect()),
        }
    }

    fn predict(&self, known: &[f32]) -> Vec<f64> {
        let scales = self.mean.iter().zip(&self.deviation);
        let known: Vec<f32> = known.iter().zip(scales).map(|(value, (mean, scale))| (value - mean) / scale).collect();
        let hidden: Vec<f32> = affine(&self.hidden, &known).map(|value| value.max(0.0)).collect();
        affine(&self.output, &hidden)
            .map(|score| {
                let score = f64::from(score);
                match self.task {
                    // The softplus, written so that it overflows nowhere.
                    Task::Regression { .. } => -self.unit * (score.max(0.0) + (-score.abs()).exp().ln_1p()),
                    _ => 1.0 / (1.0 + (-score).exp()),
                }
            })
            .collect()
    }
}

/// The outputs of a linear map, one after the other.
fn affine<'a>([weight, bias]: &'a [Vec<f32>; 2], input: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    // A chunk of no values would be an error, and a map from nothing yields its bias.
    weight
        .chunks_exact(input.len().max(1))
        .zip(bias)
        .map(move |(row, bias)| bias + row.iter().zip(input).map(|(weight, value)| weight * value).sum::<f32>())
}

/// What each sample's answer is worth, `[samples]` of `f32`: 1 for the right class, the F1 of its labels (1 where there
/// are none and none is found), or the negative mean absolute error.
///
/// `logits` are `[samples, outputs]`, finite, and `target` is as the task has it.
pub(crate) fn achieved(task: Task, logits: &Tensor, target: &Tensor) -> Tensor {
    match task {
        Task::Classification { .. } => logits.argmax(-1, false).eq_tensor(target).to_kind(Kind::Float),
        Task::Multilabel { .. } => {
            let found = logits.gt(0.0).to_kind(Kind::Float);
            let sum = |tensor: &Tensor| tensor.sum_dim_intlist(-1, false, Kind::Float);
            let (both, all) = (sum(&(&found * target)) * 2.0, sum(&found) + sum(target));
            (&both / all.clamp_min(1.0)).where_self(&all.gt(0.0), &both.ones_like())
        }
        Task::Regression { .. } => -(logits - target).abs().mean_dim(-1, false, Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;
    use tch::nn::VarStore;

    use super::*;

    #[test]
    fn a_frozen_predictor_says_what_was_learned() {
        for task in [Task::Classification { classes: 3 }, Task::Regression { targets: 2 }] {
            let store = VarStore::new(Device::Cpu);
            let quality = Quality::new(&store.root(), task, 5, 4);
            let known = Tensor::randn([7, 5], FLOAT_CPU) * 3.0;
            quality.standardise(&known);
            quality.set_unit(&Tensor::from_slice(&[-0.5f32, -1.5]));
            let scores = tch::no_grad(|| quality.scores(&known));
            let expected = match task {
                Task::Regression { .. } => -scores.softplus(),
                _ => scores.sigmoid(),
            };
            let frozen = quality.frozen().unwrap();
            for row in 0..7 {
                let known = Vec::<f32>::try_from(known.get(row)).unwrap();
                let expected = Vec::<f64>::try_from(expected.get(row)).unwrap();
                for (found, expected) in frozen.predict(&known).iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn achieved_by_hand() {
        let values = |tensor: Tensor| Vec::<f64>::try_from(tensor).unwrap();
        let logits = Tensor::from_slice(&[2f32, 1.0, -1.0, 3.0, -0.5, -2.0]).view([3, 2]);
        let classes = Tensor::from_slice(&[0i64, 0, 1]);
        assert_eq!(values(achieved(Task::Classification { classes: 2 }, &logits, &classes)), [1.0, 0.0, 0.0]);
        // Found are (1, 1), (0, 1), (0, 0): one of two right, none of one, and nothing where there is nothing.
        let labels = Tensor::from_slice(&[1f32, 0.0, 1.0, 0.0, 0.0, 0.0]).view([3, 2]);
        let found = values(achieved(Task::Multilabel { labels: 2 }, &logits, &labels));
        assert!((found[0] - 2.0 / 3.0).abs() < 1e-6 && found[1..] == [0.0, 1.0], "{found:?}");
        let targets = Tensor::from_slice(&[1f32, 1.0, -1.0, 1.0, 0.5, 0.0]).view([3, 2]);
        assert_eq!(values(achieved(Task::Regression { targets: 2 }, &logits, &targets)), [-0.5, -1.0, -1.5]);
    }
}
