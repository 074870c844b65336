//! The Gumbel-softmax of Eq. (5).

use tch::{Kind, Tensor};

/// A relaxed one-hot decision for each sample, `[batch, exits]` → `[batch, exits]`, each row a distribution.
///
/// `scores` are logits; their softmax is `y` of Eq. (5).
/// For τ towards zero a row becomes one-hot, and its place is then distributed as `y` says.
pub(crate) fn softmax(scores: &Tensor, temperature: f64) -> Tensor {
    // For E from Exp(1), −log E is distributed as Gumbel(0, 1).
    let noise = -tch::no_grad(|| scores.empty_like().exponential_(1.0).log());
    relax(scores, &noise, temperature)
}

fn relax(scores: &Tensor, noise: &Tensor, temperature: f64) -> Tensor {
    ((scores.log_softmax(-1, Kind::Float) + noise) / temperature).softmax(-1, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    #[test]
    fn follows_equation_five_in_a_case_by_hand() {
        // y = (1/2, 1/4, 1/4), G = (0, ln 2, ln 4), τ = 1/2: (y · exp G)² = (1/4, 1/4, 1), so ê = (1/6, 1/6, 2/3).
        let scores = Tensor::from_slice(&[2f32.ln(), 0.0, 0.0]).unsqueeze(0) + 3.0;
        let noise = Tensor::from_slice(&[0.0, 2f32.ln(), 4f32.ln()]).unsqueeze(0);
        let relaxed = values(&relax(&scores, &noise, 0.5));
        for (found, expected) in relaxed.iter().zip([1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{relaxed:?}");
        }
    }

    #[test]
    fn chooses_as_often_as_the_softmax_says() {
        tch::manual_seed(3);
        let probabilities = [0.6, 0.3, 0.1];
        let draws = 40_000;
        let scores = Tensor::from_slice(&probabilities.map(|p: f32| p.ln())).unsqueeze(0).repeat([draws, 1]);
        for temperature in [0.2, 1.0, 5.0] {
            let relaxed = softmax(&scores, temperature);
            assert!((relaxed.sum_dim_intlist(-1, false, Kind::Float) - 1.0).abs().max().double_value(&[]) < 1e-5);
            let chosen = relaxed.argmax(-1, false).bincount::<Tensor>(None, 3);
            for (count, p) in values(&chosen).iter().zip(probabilities.map(f64::from)) {
                // Five standard deviations of a binomial distribution.
                let deviation = (p * (1.0 - p) / draws as f64).sqrt();
                assert!((count / draws as f64 - p).abs() < 5.0 * deviation, "{count} of {draws} for {p}");
            }
        }
    }

    #[test]
    fn temperature_decides_between_uniform_and_one_hot() {
        tch::manual_seed(3);
        let scores = Tensor::from_slice(&[1f32, 0.0, -1.0]).unsqueeze(0).repeat([2_000, 1]);
        let largest = |temperature| softmax(&scores, temperature).amax(-1, false).mean(Kind::Float).double_value(&[]);
        assert!(largest(0.01) > 0.98, "{}", largest(0.01));
        assert!(largest(100.0) < 0.36, "{}", largest(100.0));
    }
}
