//! Scores from what is known of a sample: what all that is learned here stands on.

use tch::nn::Path;
use tch::{Device, Kind, Tensor};

use crate::nn::Affine;
use crate::{Error, Result};

/// Scores what is known of a sample.
///
/// ```text
/// known, standardised ─ linear ─ relu ─ linear
/// ```
///
/// Variables: `mean` and `deviation` of what is known, which have no gradient, `hidden.weight`, `hidden.bias`,
/// `output.weight`, `output.bias`.
#[derive(Debug)]
pub(crate) struct Perceptron {
    mean: Tensor,
    deviation: Tensor,
    hidden: Affine,
    output: Affine,
}

/// The width of the hidden layer.
const HIDDEN: i64 = 64;
/// Keeps what does not vary from being divided by nothing.
const LEAST_DEVIATION: f64 = 1e-3;

impl Perceptron {
    /// A perceptron with freshly drawn parameters, from `known` values to so many scores.
    pub(crate) fn new(path: &Path<'_>, known: i64, scores: i64) -> Self {
        Self {
            mean: path.zeros_no_train("mean", &[known]),
            deviation: path.ones_no_train("deviation", &[known]),
            hidden: Affine::new(&(path / "hidden"), known, HIDDEN),
            output: Affine::new(&(path / "output"), HIDDEN, scores),
        }
    }

    /// `[batch, known]` → `[batch, scores]`.
    pub(crate) fn scores(&self, known: &Tensor) -> Tensor {
        let known = (known - &self.mean) / &self.deviation;
        self.output.forward(&self.hidden.forward(&known).relu())
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

    /// The perceptron as it stands, to be asked about single samples.
    pub(crate) fn frozen(&self) -> Result<Frozen> {
        let values = |tensor: &Tensor| -> Result<Vec<f32>> {
            let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float);
            Ok(Vec::try_from(tensor.contiguous().view(-1))?)
        };
        let affine = |affine: &Affine| -> Result<[Vec<f32>; 2]> {
            let [weight, bias] = affine.variables();
            Ok([values(weight)?, values(bias)?])
        };
        Ok(Frozen {
            mean: values(&self.mean)?,
            deviation: values(&self.deviation)?,
            hidden: affine(&self.hidden)?,
            output: affine(&self.output)?,
        })
    }
}

/// A [`Perceptron`] as plain numbers.
///
/// A decision on one sample is some thousand multiplications: as calls to LibTorch it would take ten times as long.
#[derive(Debug, Clone)]
pub(crate) struct Frozen {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    /// Weight, row by row, and bias.
    hidden: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
}

impl Frozen {
    /// The scores of each sample; `who` is to decide by them, and `what` they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first sample of which something is known that is not finite, or whose scores are not:
    /// it decides nothing.
    pub(crate) fn scores_each(&self, known: &[Vec<f32>], who: &str, what: &str) -> Result<Vec<Vec<f32>>> {
        let is_finite = |row: &[f32]| row.iter().all(|value| value.is_finite());
        let of = |(row, known): (usize, &Vec<f32>)| {
            let scores = if is_finite(known) { self.scores(known) } else { vec![f32::NAN] };
            if is_finite(&scores) {
                return Ok(scores);
            }
            Err(Error::invalid(format!(
                "{who}: sample {row} of those asked about has no {what}, because what was seen of it is not finite; look \
                 for values that are not finite in its inputs, and else in the parameters"
            )))
        };
        known.iter().enumerate().map(of).collect()
    }

    fn scores(&self, known: &[f32]) -> Vec<f32> {
        let scales = self.mean.iter().zip(&self.deviation);
        let known: Vec<f32> = known.iter().zip(scales).map(|(value, (mean, scale))| (value - mean) / scale).collect();
        // What is not a number stays none.
        let relu = |value: f32| if value < 0.0 { 0.0 } else { value };
        let hidden: Vec<f32> = affine(&self.hidden, &known).map(relu).collect();
        affine(&self.output, &hidden).collect()
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

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;
    use tch::nn::VarStore;

    use super::*;

    #[test]
    fn plain_numbers_score_as_tensors_do() {
        let store = VarStore::new(Device::Cpu);
        let perceptron = Perceptron::new(&store.root(), 5, 4);
        let known = Tensor::randn([7, 5], FLOAT_CPU) * 3.0;
        perceptron.standardise(&known);
        let expected = Vec::<Vec<f32>>::try_from(tch::no_grad(|| perceptron.scores(&known))).unwrap();
        let rows = Vec::<Vec<f32>>::try_from(&known).unwrap();
        let found = perceptron.frozen().unwrap().scores_each(&rows, "policy", "scores").unwrap();
        for (found, expected) in found.concat().iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }

    #[test]
    fn what_is_not_finite_has_no_scores() {
        let store = VarStore::new(Device::Cpu);
        let perceptron = Perceptron::new(&store.root(), 2, 3);
        let message = |known: &[Vec<f32>]| {
            perceptron.frozen().unwrap().scores_each(known, "navigator", "scores").unwrap_err().to_string()
        };
        let expected = "navigator: sample 1 of those asked about has no scores, because what was seen of it is not";
        for value in [f32::NAN, f32::INFINITY] {
            let message = message(&[vec![0.0, 1.0], vec![value, 1.0]]);
            assert!(message.starts_with(expected), "{message}");
        }
        let _ = tch::no_grad(|| store.variables()["hidden.weight"].shallow_clone().fill_(f64::NAN));
        assert!(message(&[vec![0.0, 1.0]]).starts_with("navigator: sample 0 of those"));
    }
}
