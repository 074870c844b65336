//! What a learned policy knows of a sample, in numbers.

use tch::{Device, Kind, Tensor};

use super::State;
use crate::Result;
use crate::network::Description;
use crate::parts::stem_width;
use crate::task::Task;

/// The highest log-probabilities that are looked at.
const HIGHEST: i64 = 3;
/// Below this, a log-probability says no more than that there is none.
const LEAST_LOG: f64 = -20.0;

/// The width of what is known by the stems: see [`stems_rows`].
pub(crate) fn stems_width(description: &Description) -> i64 {
    description.modalities.iter().map(stem_width).sum()
}

/// Pooled outputs of the first blocks side by side, a row for each sample.
pub(crate) fn stems_rows(stems: &[Tensor]) -> Result<Vec<Vec<f32>>> {
    Ok(Vec::try_from(Tensor::cat(stems, 1).to_device(Device::Cpu))?)
}

/// The width of what is known by a posterior: see [`posterior`].
pub(crate) fn posterior_width(description: &Description) -> i64 {
    let places: i64 = description.modalities.iter().map(|modality| modality.exits.len() as i64).sum();
    let modalities = description.modalities.len() as i64;
    places
        + match description.task {
            Task::Classification { classes } => classes.min(HIGHEST) + 2 + 3 * modalities,
            Task::Multilabel { .. } => 4 + 2 * modalities,
            Task::Regression { targets } => targets + modalities,
        }
}

/// What the network would answer in a state, and which state it is, `[batch, known]`.
///
/// * Classes: the three highest log-probabilities, the highest probability, the entropy; for each modality alone the
///   highest probability, the entropy, and how probable it finds the class that all together find the most probable.
/// * Labels: mean and maximum of their entropies, the least distance of a logit from zero, how many are expected; for
///   each modality alone the mean entropy, and the mean difference of its probabilities from those of all together.
/// * Values: themselves; for each modality alone the mean difference of its values from them.
///
/// Then, for each modality, a one at the place of its exit: `places`, `[batch or 1, exits of all modalities]`. Of one that
/// takes no part they are all zeros, and so is what it says alone.
pub(crate) fn posterior(description: &Description, logits: &Tensor, alone: &[Tensor], places: &Tensor) -> Tensor {
    let logits = logits.to_kind(Kind::Float);
    let said = match description.task {
        Task::Classification { classes } => {
            let log = logits.log_softmax(-1, Kind::Float).clamp_min(LEAST_LOG);
            let (highest, _) = log.topk(classes.min(HIGHEST), -1, true, true);
            let class = log.argmax(-1, true);
            let mut said = vec![highest.narrow(1, 0, 1).exp(), highest, entropy(&log)];
            for alone in alone {
                let log = alone.log_softmax(-1, Kind::Float).clamp_min(LEAST_LOG);
                said.extend([log.amax(-1, true).exp(), entropy(&log), log.gather(1, &class, false)]);
            }
            Tensor::cat(&said, 1)
        }
        Task::Multilabel { .. } => {
            let entropies = entropies(&logits);
            let mean = entropies.mean_dim(-1, true, Kind::Float);
            let probabilities = logits.sigmoid();
            let expected = probabilities.sum_dim_intlist(-1, true, Kind::Float);
            let mut said = vec![mean, entropies.amax(-1, true), logits.abs().amin(-1, true), expected];
            for alone in alone {
                let entropy = self::entropies(alone).mean_dim(-1, true, Kind::Float);
                let difference = (alone.sigmoid() - &probabilities).abs().mean_dim(-1, true, Kind::Float);
                said.extend([entropy, difference]);
            }
            Tensor::cat(&said, 1)
        }
        Task::Regression { .. } => {
            let differences = alone.iter().map(|alone| (alone - &logits).abs().mean_dim(-1, true, Kind::Float));
            Tensor::cat(&std::iter::once(logits.shallow_clone()).chain(differences).collect::<Vec<_>>(), 1)
        }
    };
    let rows = said.size()[0];
    Tensor::cat(&[said, places.to_device(logits.device()).expand([rows, -1], false)], 1)
}

/// The entropy of each label, `[batch, labels]`.
fn entropies(logits: &Tensor) -> Tensor {
    let (there, missing) = (logits.log_sigmoid().clamp_min(LEAST_LOG), (-logits).log_sigmoid().clamp_min(LEAST_LOG));
    -(there.exp() * &there + missing.exp() * &missing)
}

/// The entropy of log-probabilities, `[batch, 1]`.
fn entropy(log: &Tensor) -> Tensor {
    -(log.exp() * log).sum_dim_intlist(-1, true, Kind::Float)
}

/// A state as [`posterior`] has it.
fn place(description: &Description, state: &State) -> Vec<f32> {
    let modalities = description.modalities.iter().zip(state.blocks());
    modalities
        .flat_map(|(modality, blocks)| (1..=modality.exits.len()).map(move |exit| f32::from(u8::from(exit == *blocks))))
        .collect()
}

/// As [`posterior`], for samples that all stand in one state: a row each.
///
/// A policy asks this of single samples, where the calls of a dozen operators would take longer than what they compute.
pub(crate) fn posterior_rows(
    description: &Description,
    state: &State,
    logits: &Tensor,
    alone: &[Tensor],
) -> Result<Vec<Vec<f32>>> {
    let width = description.task.outputs().unsigned_abs() as usize;
    let values = |tensor: &Tensor| -> Result<Vec<f32>> {
        Ok(Vec::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1))?)
    };
    let (logits, alone) = (values(logits)?, alone.iter().map(values).collect::<Result<Vec<_>>>()?);
    let place = place(description, state);
    let row = |(row, logits): (usize, &[f32])| {
        let alone: Vec<&[f32]> = alone.iter().map(|all| &all[row * width..(row + 1) * width]).collect();
        let mut known = match description.task {
            Task::Classification { .. } => classes(logits, &alone),
            Task::Multilabel { .. } => labels(logits, &alone),
            Task::Regression { .. } => real_values(logits, &alone),
        };
        known.extend(&place);
        known
    };
    Ok(logits.chunks_exact(width.max(1)).enumerate().map(row).collect())
}

fn classes(logits: &[f32], alone: &[&[f32]]) -> Vec<f32> {
    let log = log_softmax(logits);
    let mut highest = log.clone();
    highest.sort_by(|left, right| right.total_cmp(left));
    highest.truncate(HIGHEST as usize);
    // Of equals the first, as `argmax` has it.
    let class = log.iter().position(|value| *value == highest[0]).unwrap_or_default();
    let mut known = vec![highest[0].exp()];
    known.extend(highest);
    known.push(-log.iter().map(|value| value.exp() * value).sum::<f32>());
    for alone in alone {
        let log = log_softmax(alone);
        let highest = log.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        known.extend([highest.exp(), -log.iter().map(|value| value.exp() * value).sum::<f32>(), log[class]]);
    }
    known
}

fn labels(logits: &[f32], alone: &[&[f32]]) -> Vec<f32> {
    let count = logits.len() as f32;
    let entropies: Vec<f32> = logits.iter().map(|logit| label_entropy(*logit)).collect();
    let mut known = vec![
        entropies.iter().sum::<f32>() / count,
        entropies.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        logits.iter().map(|logit| logit.abs()).fold(f32::INFINITY, f32::min),
        logits.iter().map(|logit| sigmoid(*logit)).sum(),
    ];
    for alone in alone {
        known.push(alone.iter().map(|logit| label_entropy(*logit)).sum::<f32>() / count);
        let differences = alone.iter().zip(logits).map(|(alone, all)| (sigmoid(*alone) - sigmoid(*all)).abs());
        known.push(differences.sum::<f32>() / count);
    }
    known
}

fn real_values(values: &[f32], alone: &[&[f32]]) -> Vec<f32> {
    let differences = alone.iter().map(|alone| {
        alone.iter().zip(values).map(|(alone, all)| (alone - all).abs()).sum::<f32>() / values.len() as f32
    });
    values.iter().copied().chain(differences).collect()
}

/// Log-probabilities, none below what says that there is no chance; what is not a number stays none.
fn log_softmax(logits: &[f32]) -> Vec<f32> {
    if logits.iter().any(|logit| logit.is_nan()) {
        return vec![f32::NAN; logits.len()];
    }
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    logits.iter().map(|logit| (logit - highest - sum.ln()).max(LEAST_LOG as f32)).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The entropy of a label, whose log-probabilities are bounded as those of classes are.
fn label_entropy(logit: f32) -> f32 {
    if logit.is_nan() {
        return f32::NAN;
    }
    let log = |logit: f32| (logit.min(0.0) - (-logit.abs()).exp().ln_1p()).max(LEAST_LOG as f32);
    -(log(logit).exp() * log(logit) + log(-logit).exp() * log(-logit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::tiny::Tiny;

    fn places(description: &Description, state: &State) -> Tensor {
        Tensor::from_slice(&place(description, state)).unsqueeze(0)
    }

    #[test]
    fn single_samples_are_known_as_batches_are() {
        let of = |task| Description { task, ..*Tiny::description() };
        let tasks =
            [Task::Classification { classes: 4 }, Task::Multilabel { labels: 4 }, Task::Regression { targets: 4 }];
        let state = State::of(&[3, 2]);
        for description in tasks.map(of) {
            let draw = || Tensor::randn([6, 4], (Kind::Float, Device::Cpu)) * 12.0;
            let (logits, alone) = (draw(), [draw(), draw()]);
            let expected = posterior(&description, &logits, &alone, &places(&description, &state));
            let found = posterior_rows(&description, &state, &logits, &alone).unwrap();
            near(&expected, &found.concat());
        }
        // Where two classes are equal, both take the first.
        let description = of(Task::Classification { classes: 2 });
        let logits = Tensor::from_slice(&[1f32, 1.0]).view([1, 2]);
        let alone = [Tensor::from_slice(&[0f32, 3.0]).view([1, 2]), Tensor::from_slice(&[0f32, -3.0]).view([1, 2])];
        let expected = posterior(&description, &logits, &alone, &places(&description, &state));
        near(&expected, &posterior_rows(&description, &state, &logits, &alone).unwrap().concat());
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    fn near(found: &Tensor, expected: &[f32]) {
        let found = values(found);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }

    #[test]
    fn classes_by_hand() {
        // Probabilities 1/2, 1/4, 1/4 together; on the left 1/4, 1/2, 1/4, on the right all the same.
        let (half, quarter, third) = (0.5_f32.ln(), 0.25_f32.ln(), (1.0_f32 / 3.0).ln());
        let row = |values: [f32; 3]| Tensor::from_slice(&values).unsqueeze(0);
        let description = Tiny::description();
        let state = places(description, &State::of(&[2, 3]));
        let alone = [row([quarter, half, quarter]), row([0.0, 0.0, 0.0])];
        let entropy = -(0.5 * half + 0.5 * quarter);
        let known = posterior(description, &row([half, quarter, quarter]), &alone, &state);
        let left = [0.5, entropy, quarter];
        let right = [1.0 / 3.0, -third, third];
        let expected = [&[0.5, half, quarter, quarter, entropy][..], &left, &right, &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]];
        near(&known, &expected.concat());
        assert_eq!(known.size()[1], posterior_width(description));
    }

    #[test]
    fn labels_and_values_by_hand() {
        let of = |task| Box::leak(Box::new(Description { task, ..*Tiny::description() }));
        let state = |description: &Description| places(description, &State::of(&[1, 1]));
        let places = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

        // Probabilities 3/4 and 1/2 together; on the left 1/2 twice, on the right 1/4 and 1/2.
        let odds = 3_f32.ln();
        let row = |values: [f32; 2]| Tensor::from_slice(&values).unsqueeze(0);
        let description = of(Task::Multilabel { labels: 2 });
        let alone = [row([0.0, 0.0]), row([-odds, 0.0])];
        let known = posterior(description, &row([odds, 0.0]), &alone, &state(description));
        let (even, uneven) = (2_f32.ln(), -(0.75 * 0.75_f32.ln() + 0.25 * 0.25_f32.ln()));
        let mean = (even + uneven) / 2.0;
        near(&known, &[&[mean, even, 0.0, 1.25, even, 0.125, mean, 0.25][..], &places].concat());
        assert_eq!(known.size()[1], posterior_width(description));

        let description = of(Task::Regression { targets: 2 });
        let alone = [row([1.0, 1.0]), row([0.0, 4.0])];
        let known = posterior(description, &row([1.0, 2.0]), &alone, &state(description));
        near(&known, &[&[1.0, 2.0, 0.5, 1.5][..], &places].concat());
        assert_eq!(known.size()[1], posterior_width(description));
    }

    #[test]
    fn the_width_of_stems_is_known_beforehand() {
        assert_eq!(stems_width(Tiny::description()), 12 + 9);
    }
}
