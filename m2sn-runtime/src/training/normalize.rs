//! Means and deviations of the training samples, for the modalities whose spec says `normalize: fitted`.
//!
//! They are fitted once, before a network learns anything: later stages, and trainings that go on from a checkpoint, find
//! them there, since what has been learned is of inputs that were normalised by them.

use tch::{Kind, Tensor};

use super::cache::chunks;
use super::context::Context;
use super::reading::{Read, Reading, Rows};
use crate::batch::Feature;
use crate::network::{Modality, Network, Normalization};
use crate::nn::in_range;
use crate::{Error, Result};

/// Fits what is to be fitted and is not.
///
/// # Errors
/// [`Error::Invalid`] with the first sample that holds a number that is not finite; those of what is read.
pub(super) fn fit<N: Network>(context: &Context<'_, N>) -> Result<()> {
    let variables = context.network.variables().variables();
    for (modality, samples) in N::description().modalities.iter().zip(&context.train.inputs) {
        if modality.normalize != Some(Normalization::Fitted) {
            continue;
        }
        // One copy for the encoder, one for what the navigator reads.
        let own: Vec<[&Tensor; 2]> = modality
            .normalized()
            .iter()
            .filter_map(|place| {
                Some([variables.get(&format!("{place}.mean"))?, variables.get(&format!("{place}.deviation"))?])
            })
            .collect();
        let is_zero = |tensor: &&Tensor| tensor.count_nonzero(None).int64_value(&[]) == 0;
        if !own.iter().flatten().all(is_zero) {
            continue;
        }
        let Some([mean, _]) = own.first() else { continue };
        let channels = mean.numel() as i64;
        let moments = moments(modality, samples.read(), channels, context.plan.pretrain.batch as i64)?;
        tracing::info!(modality = modality.name, "inputs are normalised by the training samples");
        for (variable, values) in own.iter().flat_map(|own| own.iter().zip(&moments)) {
            tch::no_grad(|| variable.shallow_clone().f_copy_(values))?;
        }
    }
    Ok(())
}

/// Mean and deviation of each channel, `[C]` of `f64`, over the samples that have the modality and their real steps.
///
/// The deviation is that of all values, not an estimate for others, and zero where they are all the same.
///
/// They are read twice, `chunk` samples at a time.
fn moments(modality: &Modality, samples: Read<'_>, channels: i64, chunk: i64) -> Result<[Tensor; 2]> {
    let ranges = || chunks(samples.len(), chunk);
    let reading = || Reading::new(vec![samples], ranges().map(Rows::Range).collect());
    let one = |reading: &mut Reading<'_>| Ok::<_, Error>(reading.next()?.swap_remove(0));
    let mut count = 0;
    let mut sums: Option<[Tensor; 3]> = None;
    let mut all = reading()?;
    for range in ranges() {
        let feature = one(&mut all)?;
        let values = values(&feature, channels);
        if !bool::try_from(values.isfinite().all())? {
            return Err(not_finite(modality, range.start, &feature, channels));
        }
        if values.size()[1] == 0 {
            continue;
        }
        count += values.size()[1];
        let [sum, low, high] =
            [values.sum_dim_intlist(1, false, Kind::Double), values.amin(1, false), values.amax(1, false)];
        sums = Some(match sums {
            None => [sum, low, high],
            Some([sums, lowest, highest]) => [sums + sum, lowest.minimum(&low), highest.maximum(&high)],
        });
    }
    let Some([sum, low, high]) = sums else {
        return Err(Error::invalid(format!("modality `{}`: no training sample has it to normalise by", modality.name)));
    };
    let mean = sum / count as f64;
    let mut squares = mean.zeros_like();
    let mut all = reading()?;
    for _ in ranges() {
        squares +=
            (values(&one(&mut all)?, channels) - mean.unsqueeze(1)).square().sum_dim_intlist(1, false, Kind::Double);
    }
    let deviation = (squares / count as f64).sqrt();
    // What is all the same may differ from its mean by rounding, which is nothing to divide by.
    let deviation = deviation.masked_fill(&low.eq_tensor(&high), 0.0);
    Ok([mean, deviation])
}

/// The real values of each channel, `[C, n]` of `f64`.
fn values(feature: &Feature, channels: i64) -> Tensor {
    let Feature { tensor, mask, present } = feature;
    let (mut tensor, mut mask) = (in_range(tensor, Kind::Double), mask.as_ref().map(Tensor::shallow_clone));
    if let Some(present) = present {
        let rows = present.nonzero().squeeze_dim(1);
        tensor = tensor.index_select(0, &rows);
        mask = mask.map(|mask| mask.index_select(0, &rows));
    }
    if let Some(mask) = mask {
        tensor = tensor.flatten(0, 1).index_select(0, &mask.flatten(0, 1).nonzero().squeeze_dim(1));
    }
    // The channels of images and videos have rows and columns behind them.
    if tensor.dim() > 3 {
        tensor = tensor.movedim_int(-3, -1);
    }
    tensor.reshape([-1, channels]).tr()
}

/// The refusal of the first sample, counted from `start` on, that holds a number that is not finite.
fn not_finite(modality: &Modality, start: i64, feature: &Feature, channels: i64) -> Error {
    let row = (0..feature.len()).find(|row| {
        let values = values(&feature.narrow(*row, 1), channels);
        values.isfinite().all().int64_value(&[]) == 0
    });
    Error::invalid(format!(
        "modality `{}`: training sample {} holds a number that is not finite, and nothing can be fitted to it; mark the \
         sample as one that lacks the modality, or leave it out",
        modality.name,
        start + row.unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::cache::Features;
    use super::*;
    use crate::network::Network;
    use crate::tiny::Tiny;

    /// By scikit-learn's `StandardScaler` over the values that count, see `tests/fixtures/normalize.py`.
    #[test]
    fn moments_are_those_of_scikit_learn() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/normalize.safetensors");
        let fixture: std::collections::BTreeMap<_, _> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
        for case in [
            "vectors",
            "some_vectors",
            "sequences",
            "some_sequences",
            "images",
            "bytes",
            "videos",
            "some_videos_in_bytes",
            "sounds",
            "some_sounds",
        ] {
            let get = |name: &str| fixture.get(&format!("{case}.{name}"));
            let there = |name: &str| get(name).map(|tensor| tensor.to_kind(Kind::Bool));
            let feature = Feature {
                tensor: get("input").unwrap().shallow_clone(),
                mask: there("mask"),
                present: there("present"),
            };
            let samples = Features::borrowed(feature, Device::Cpu);
            let channels = get("mean").unwrap().numel() as i64;
            let found = moments(&Tiny::description().modalities[0], Read::Held(&samples), channels, 64).unwrap();
            for (found, name) in found.iter().zip(["mean", "deviation"]) {
                let expected = get(name).unwrap();
                let error = ((found - expected) / expected.abs().clamp_min(1e-3)).abs().max().double_value(&[]);
                assert!(error < 1e-12, "{case}: {name} is off by {error:e}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let tensor = Tensor::zeros([300, 6], tch::kind::FLOAT_CPU);
        let _ = tensor.get(270).get(2).fill_(f64::NAN);
        let samples = Features::borrowed(tensor.shallow_clone().into(), Device::Cpu);
        let modality = &Tiny::description().modalities[0];
        let message = moments(modality, Read::Held(&samples), 6, 64).unwrap_err().to_string();
        assert!(
            message.starts_with("modality `left`: training sample 270 holds a number that is not finite"),
            "{message}"
        );
        // A sample that lacks the modality may hold anything.
        let present = Tensor::ones([300], (Kind::Bool, Device::Cpu));
        let _ = present.get(270).fill_(0.0);
        let samples = Features::borrowed(Feature { present: Some(present), ..tensor.into() }, Device::Cpu);
        assert!(moments(modality, Read::Held(&samples), 6, 64).is_ok());
    }
}
