//! What the logit of each label has to exceed, chosen where F1 is highest.

use tch::{Device, Kind, Tensor};

use crate::Result;

/// For each label the threshold at which its F1 over these samples is highest, of logits and targets
/// `[samples, labels]`.
///
/// Thresholds that part the samples alike are equally good, and the middle between the two logits beside it is taken; zero
/// where zero parts them so, which is a probability of one half. Of cuts with the same F1 the one nearest to zero counts.
/// A label that no sample has keeps zero: nothing is known of it.
///
/// # Errors
/// Where LibTorch cannot read the tensors.
pub(crate) fn best(logits: &Tensor, target: &Tensor) -> Result<Vec<f32>> {
    let columns = |tensor: &Tensor| -> Result<Vec<Vec<f32>>> {
        Ok(Vec::try_from(tensor.tr().to_device(Device::Cpu).to_kind(Kind::Float).contiguous())?)
    };
    let labels = columns(logits)?.into_iter().zip(columns(target)?);
    Ok(labels.map(|(logits, target)| best_of(logits.into_iter().zip(target).collect())).collect())
}

/// Of one label: the logit of each sample, and whether it has the label.
fn best_of(mut samples: Vec<(f32, f32)>) -> f32 {
    samples.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    let positives = samples.iter().filter(|(_, there)| *there > 0.0).count() as u64;
    let (mut hits, mut found) = (0, 0);
    // The best F1 so far as twice its hits by all that were found or there, and its threshold.
    let mut best: ([u64; 2], f32) = ([0, 1], 0.0);
    for (place, (logit, there)) in samples.iter().enumerate() {
        hits += u64::from(*there > 0.0);
        found += 1;
        let below = samples.get(place + 1).map(|(below, _)| *below);
        // Samples of the same logit are on the same side.
        if hits == 0 || below == Some(*logit) {
            continue;
        }
        let (f1, threshold) = ([2 * hits, found + positives], between(below, *logit));
        let (here, there) = (f1[0] * best.0[1], best.0[0] * f1[1]);
        if here > there || here == there && threshold.abs() < best.1.abs() {
            best = (f1, threshold);
        }
    }
    best.1
}

/// A threshold that `above` exceeds and `below`, the next lower logit if there is one, does not.
fn between(below: Option<f32>, above: f32) -> f32 {
    match below {
        _ if above > 0.0 && below.is_none_or(|below| below <= 0.0) => 0.0,
        None => above.next_down(),
        Some(below) => {
            let middle = (f64::from(below) + f64::from(above)) / 2.0;
            // Two neighbours have nothing between them.
            if (middle as f32) < above { middle as f32 } else { below }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::random::SplitMix64;

    #[derive(Deserialize)]
    struct Case {
        logits: Vec<Vec<f32>>,
        target: Vec<Vec<f32>>,
        /// By label, the highest F1 of all thresholds.
        best: Vec<f64>,
    }

    fn f1(samples: &[(f32, f32)], threshold: f32) -> f64 {
        let count = |of: &dyn Fn(bool, bool) -> bool| {
            samples.iter().filter(|(logit, there)| of(*logit > threshold, *there > 0.0)).count() as f64
        };
        let (hits, either) =
            (count(&|found, there| found && there), count(&|found, _| found) + count(&|_, there| there));
        if either == 0.0 { 0.0 } else { 2.0 * hits / either }
    }

    #[test]
    fn f1_is_as_high_as_scikit_learn_finds_it() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/fixtures/thresholds.json")).unwrap();
        assert!(cases.len() >= 3);
        for Case { logits, target, best } in cases {
            let tensor = |rows: &[Vec<f32>]| Tensor::from_slice2(rows);
            let thresholds = super::best(&tensor(&logits), &tensor(&target)).unwrap();
            assert_eq!(thresholds.len(), best.len());
            for (label, (threshold, best)) in thresholds.into_iter().zip(best).enumerate() {
                let samples: Vec<_> =
                    logits.iter().zip(&target).map(|(row, there)| (row[label], there[label])).collect();
                let found = f1(&samples, threshold);
                assert!((found - best).abs() < 1e-12, "label {label}: {found} for {best} at {threshold}");
            }
        }
    }

    #[test]
    fn no_threshold_is_better() {
        let mut random = SplitMix64::new(3);
        for _ in 0..300 {
            // Few different logits, so that many are equal, and some are zero.
            let draw = |random: &mut SplitMix64| (random.below(9) as f32 - 4.0) / 3.0;
            let samples: Vec<(f32, f32)> = (0..1 + random.below(20))
                .map(|_| (draw(&mut random), if random.below(3) == 0 { 1.0 } else { 0.0 }))
                .collect();
            let chosen = best_of(samples.clone());
            let tried = (-20..=20).map(|step| step as f32 / 7.5).chain(samples.iter().map(|(logit, _)| *logit));
            let highest = tried.map(|threshold| f1(&samples, threshold)).fold(0.0, f64::max);
            assert!((f1(&samples, chosen) - highest).abs() < 1e-12, "{samples:?} at {chosen}");
        }
    }

    #[test]
    fn one_half_is_kept_where_nothing_is_better() {
        assert_eq!(best_of(vec![(2.0, 1.0), (0.5, 1.0), (-1.0, 0.0)]), 0.0);
        assert_eq!(best_of(vec![(2.0, 0.0), (-1.0, 0.0)]), 0.0);
        assert_eq!(best_of(Vec::new()), 0.0);
        // None but the first is there, and one in the middle between it and the next is as good as any.
        assert_eq!(best_of(vec![(2.0, 1.0), (1.0, 0.0), (-1.0, 0.0)]), 1.5);
        assert_eq!(best_of(vec![(-2.0, 1.0), (-2.0, 1.0)]), (-2.0f32).next_down());
        let (low, high) = (1.0f32, 1.0f32.next_up());
        assert_eq!(best_of(vec![(low, 0.0), (high, 1.0)]), low);
    }
}
