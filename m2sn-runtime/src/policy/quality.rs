//! How good the answer by each route would be, as learned from samples.

use tch::nn::Path;
use tch::{Kind, Reduction, Tensor};

use super::perceptron::{self, Perceptron};
use crate::Result;
use crate::task::{Rule, Task};

/// Predicts, from what is known of a sample, the quality of its answer by every route: a [`Perceptron`], whose scores pass
/// a sigmoid (a softplus for an error).
///
/// Variables: those of the perceptron, and `unit`, in which errors are predicted; it has no gradient.
#[derive(Debug)]
pub(crate) struct Quality {
    task: Task,
    perceptron: Perceptron,
    unit: Tensor,
}

impl Quality {
    /// A predictor with freshly drawn parameters, from `known` values to the quality in each of `states`.
    pub(crate) fn new(path: &Path<'_>, task: Task, known: i64, states: i64) -> Self {
        Self { task, perceptron: Perceptron::new(path, known, states), unit: path.ones_no_train("unit", &[1]) }
    }

    /// The predictor as it stands, to be asked about single samples.
    pub(crate) fn frozen(&self) -> Result<Frozen> {
        Ok(Frozen { task: self.task, perceptron: self.perceptron.frozen()?, unit: self.unit() })
    }

    /// The mean loss of predictions against what qualities came to, over the places where `counts`, of zeros and ones, has
    /// a one.
    pub(crate) fn loss(&self, known: &Tensor, quality: &Tensor, counts: &Tensor) -> Tensor {
        let scores = self.perceptron.scores(known);
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
        self.perceptron.standardise(known);
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
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    task: Task,
    perceptron: perceptron::Frozen,
    unit: f64,
}

impl Frozen {
    /// As [`Quality::unit`].
    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// The quality in every state for each sample, in the task's own terms.
    ///
    /// # Errors
    /// As [`perceptron::Frozen::scores_each`].
    pub(crate) fn predict_each(&self, known: &[Vec<f32>]) -> Result<Vec<Vec<f64>>> {
        let scores = self.perceptron.scores_each(known, "policy", "predicted quality")?;
        Ok(scores.into_iter().map(|scores| scores.into_iter().map(|score| self.quality(score)).collect()).collect())
    }

    fn quality(&self, score: f32) -> f64 {
        let score = f64::from(score);
        match self.task {
            // The softplus, written so that it overflows nowhere.
            Task::Regression { .. } => -self.unit * (score.max(0.0) + (-score.abs()).exp().ln_1p()),
            _ => 1.0 / (1.0 + (-score).exp()),
        }
    }
}

/// What each sample's answer is worth, `[samples]` of `f32`: 1 for the right class, the F1 of its labels as the rule
/// decides them (1 where there are none and none is found), or the negative mean absolute error.
///
/// `logits` are `[samples, outputs]`, finite, and `target` is as the task has it.
pub(crate) fn achieved(rule: &Rule, logits: &Tensor, target: &Tensor) -> Tensor {
    match rule.task() {
        Task::Classification { .. } => logits.argmax(-1, false).eq_tensor(target).to_kind(Kind::Float),
        Task::Multilabel { .. } => {
            let found = rule.labels(logits).to_kind(Kind::Float);
            let sum = |tensor: &Tensor| tensor.sum_dim_intlist(-1, false, Kind::Float);
            let (both, all) = (sum(&(&found * target)) * 2.0, sum(&found) + sum(target));
            (&both / all.clamp_min(1.0)).where_self(&all.gt(0.0), &both.ones_like())
        }
        Task::Regression { .. } => -(logits - target).abs().mean_dim(-1, false, Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
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
            let scores = tch::no_grad(|| quality.perceptron.scores(&known));
            let expected = match task {
                Task::Regression { .. } => -scores.softplus(),
                _ => scores.sigmoid(),
            };
            let rows = Vec::<Vec<f32>>::try_from(&known).unwrap();
            let found = quality.frozen().unwrap().predict_each(&rows).unwrap();
            for (row, found) in (0..).zip(found) {
                let expected = Vec::<f64>::try_from(expected.get(row)).unwrap();
                for (found, expected) in found.iter().zip(expected) {
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
        assert_eq!(values(achieved(&Task::Classification { classes: 2 }.into(), &logits, &classes)), [1.0, 0.0, 0.0]);
        // Found are (1, 1), (0, 1), (0, 0): one of two right, none of one, and nothing where there is nothing.
        let labels = Tensor::from_slice(&[1f32, 0.0, 1.0, 0.0, 0.0, 0.0]).view([3, 2]);
        let found = values(achieved(&Task::Multilabel { labels: 2 }.into(), &logits, &labels));
        assert!((found[0] - 2.0 / 3.0).abs() < 1e-6 && found[1..] == [0.0, 1.0], "{found:?}");
        // By other thresholds (1, 1), (0, 1), (1, 0) are found.
        let found = values(achieved(&Rule::of_labels(vec![-0.75, 0.0]), &logits, &labels));
        assert!((found[0] - 2.0 / 3.0).abs() < 1e-6 && found[1..] == [0.0, 0.0], "{found:?}");
        let targets = Tensor::from_slice(&[1f32, 1.0, -1.0, 1.0, 0.5, 0.0]).view([3, 2]);
        assert_eq!(values(achieved(&Task::Regression { targets: 2 }.into(), &logits, &targets)), [-0.5, -1.0, -1.5]);
    }
}
