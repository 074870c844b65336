//! Training samples changed at random, anew in every mini-batch: what the encoders then learn to overlook.
//!
//! Whatever reads inputs and trains an encoder gets them so: pre-training, the joint method, and the first blocks of the
//! integral one. Features of frozen parts are kept from the samples as they are, and nothing is ever changed where
//! samples are measured. What is drawn follows from the generator that every epoch seeds, on the processor, so that a
//! resumed run draws the same, and every device.

use tch::{Device, Kind, Tensor};

use super::context::Context;
use crate::batch::{Feature, blank, over_steps};
use crate::network::{Description, Modality, Network};
use crate::plan::{Augment, Plan, SpecAugment};
use crate::{Error, Result};

impl<N: Network> Context<'_, N> {
    /// Inputs of a modality as training shows them.
    pub(super) fn augmented(&self, modality: usize, input: &Feature) -> Feature {
        match self.plan.augment.get(N::description().modalities[modality].name) {
            Some(augment) => augmented(augment, input.clone()),
            None => input.clone(),
        }
    }

    /// Inputs of all modalities as training shows them.
    pub(crate) fn all_augmented(&self, inputs: &[Feature]) -> Vec<Feature> {
        inputs.iter().enumerate().map(|(modality, input)| self.augmented(modality, input)).collect()
    }
}

/// Checks that the plan changes no modality in a way that its samples do not have.
///
/// # Errors
/// [`Error::Invalid`] names the first that does not fit.
pub(super) fn check(plan: &Plan, description: &Description) -> Result<()> {
    for (name, augment) in &plan.augment {
        let wrong = |what: String| Error::invalid(format!("plan, `training.augment.{name}`: {what}"));
        let Some(modality) = description.modalities.iter().find(|modality| modality.name == name) else {
            let names: Vec<_> = description.modalities.iter().map(|modality| modality.name).collect();
            return Err(wrong(format!("expected one of the modalities {}", names.join(", "))));
        };
        fits(augment, modality).map_err(wrong)?;
    }
    Ok(())
}

fn fits(augment: &Augment, modality: &Modality) -> std::result::Result<(), String> {
    let Augment { flip, crop, spec_augment } = augment;
    let dims = modality.dims;
    if (*flip || crop.is_some()) && dims.len() < 3 {
        return Err(format!("expected an image or a video to flip or to crop, found `{}`", modality.input));
    }
    if let Some(padding) = crop.filter(|padding| *padding < 1) {
        return Err(format!("expected a padding of at least 1, found {padding}"));
    }
    let Some(SpecAugment { time, frequency, masks }) = spec_augment else { return Ok(()) };
    let [steps, features] = match dims {
        [steps, features] => [*steps, *features],
        [_, features, steps] => [*steps, *features],
        _ => return Err(format!("expected a sequence or an image for `spec_augment`, found `{}`", modality.input)),
    };
    if !(0..=steps).contains(time) || !(0..=features).contains(frequency) || *masks < 1 {
        return Err(format!("expected at least one mask of at most {steps} steps and {features} features"));
    }
    Ok(())
}

fn augmented(augment: &Augment, input: Feature) -> Feature {
    let Feature { mut tensor, mask, present } = input;
    if augment.flip {
        tensor = flipped(&tensor);
    }
    if let Some(padding) = augment.crop {
        tensor = cropped(&tensor, padding);
    }
    if let Some(settings) = &augment.spec_augment {
        tensor = masked(&tensor, mask.as_ref(), settings);
    }
    Feature { tensor, mask, present }
}

/// A whole number from 0 to below `end` for each sample, `[samples]` of `i64` on `device`.
fn drawn(end: i64, samples: i64, device: Device) -> Tensor {
    Tensor::randint(end, [samples], (Kind::Int64, Device::Cpu)).to_device(device)
}

/// Half of the images, `[batch, …, H, W]`, with left and right changed over; of a video all frames or none.
fn flipped(images: &Tensor) -> Tensor {
    let places = vec![1; images.dim() - 1];
    let flip = drawn(2, images.size()[0], images.device()).eq(1).view(&[&[-1], &places[..]].concat()[..]);
    images.flip([-1]).where_self(&flip, images)
}

/// Images, `[batch, …, H, W]`, moved by up to `padding` pixels each way, zeros behind them; all frames of a video alike.
fn cropped(images: &Tensor, padding: i64) -> Tensor {
    let size = images.size();
    let padded = images.constant_pad_nd([padding; 4]);
    [-2, -1].into_iter().fold(padded, |images, dim| {
        let axis = (images.dim() as i64 + dim) as usize;
        let starts = drawn(2 * padding + 1, size[0], images.device());
        let places = Tensor::arange(size[axis], (Kind::Int64, images.device()));
        let index = starts.unsqueeze(1) + places.unsqueeze(0);
        let mut shape = vec![1; images.dim()];
        (shape[0], shape[axis]) = (size[0], size[axis]);
        let mut whole = images.size();
        whole[axis] = size[axis];
        images.gather(dim, &index.view(&shape[..]).expand(&whole[..], false), false)
    })
}

/// Some steps and some features of each sample replaced by the mean of its real values: the time and the frequency masks
/// of SpecAugment (Park et al., 2019). A sequence has its steps first, an image, as a spectrogram, last.
fn masked(samples: &Tensor, mask: Option<&Tensor>, settings: &SpecAugment) -> Tensor {
    let SpecAugment { time, frequency, masks } = *settings;
    let (step_dim, feature_dim) = if samples.dim() == 3 { (1, 2) } else { (3, 2) };
    let floats = samples.to_kind(Kind::Float);
    let dims: Vec<i64> = (1..samples.dim() as i64).collect();
    let mean = match mask {
        None => floats.mean_dim(&dims[..], true, None),
        Some(mask) => {
            let count = over_steps(mask, &floats).expand_as(&floats).sum_dim_intlist(&dims[..], true, Kind::Float);
            blank(&floats, Some(mask)).sum_dim_intlist(&dims[..], true, None) / count.clamp_min(1.0)
        }
    };
    let mean = mean.to_kind(samples.kind());
    (0..masks)
        .flat_map(|_| [(step_dim, time), (feature_dim, frequency)])
        .fold(samples.shallow_clone(), |samples, (dim, most)| {
            samples.where_self(&stripes(&samples, dim, most).logical_not(), &mean)
        })
}

/// One stripe for each sample along a dimension, of a width of 0 to `most`, wherever it has room.
fn stripes(samples: &Tensor, dim: usize, most: i64) -> Tensor {
    let (count, length, device) = (samples.size()[0], samples.size()[dim], samples.device());
    let width = drawn(most + 1, count, device);
    let room = Tensor::rand([count], (Kind::Float, Device::Cpu)).to_device(device);
    let start = (room * (&width.neg() + (length + 1))).floor().to_kind(Kind::Int64);
    let places = Tensor::arange(length, (Kind::Int64, device)).unsqueeze(0);
    let (start, end) = (start.unsqueeze(1), (&start + &width).unsqueeze(1));
    let stripe = places.ge_tensor(&start).logical_and(&places.lt_tensor(&end));
    let mut shape = vec![1; samples.dim()];
    (shape[0], shape[dim]) = (count, length);
    stripe.view(&shape[..])
}

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;

    const SAMPLES: i64 = 400;

    fn share(which: &Tensor) -> f64 {
        which.to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
    }

    #[test]
    fn half_of_the_images_are_flipped_and_all_frames_of_a_video_alike() {
        let image = Tensor::arange(6, (Kind::Uint8, Device::Cpu)).view([1, 2, 1, 3]);
        let images = image.expand([SAMPLES, 2, 1, 3], false);
        let found = flipped(&images);
        assert_eq!((found.kind(), found.size()), (Kind::Uint8, images.size()));
        let same = found.eq_tensor(&images).flatten(1, -1).all_dim(1, false);
        let turned = found.eq_tensor(&images.flip([-1])).flatten(1, -1).all_dim(1, false);
        assert!(bool::try_from(same.logical_xor(&turned).all()).unwrap());
        assert!((0.4..0.6).contains(&share(&turned)));
    }

    #[test]
    fn crops_move_every_way_by_as_much_as_they_may() {
        let images = Tensor::zeros([SAMPLES, 1, 2, 5, 4], FLOAT_CPU);
        let _ = images.narrow(3, 2, 1).narrow(4, 1, 1).fill_(1.0);
        let found = cropped(&images, 1);
        assert_eq!(found.size(), images.size());
        // The pixel is where it was, or one further, in all frames and channels alike.
        let places = found.sum_dim_intlist([0, 1, 2].as_slice(), false, Kind::Float);
        assert_eq!(places.sum(Kind::Float).double_value(&[]), 2.0 * SAMPLES as f64);
        let near = places.narrow(0, 1, 3).narrow(1, 0, 3) / (2.0 * SAMPLES as f64);
        assert!(bool::try_from(near.gt(0.06).logical_and(&near.lt(0.17)).all()).unwrap(), "{near}");
        assert!(found.select(2, 0).equal(&found.select(2, 1)));
    }

    #[test]
    fn masks_are_as_wide_as_they_may_be_and_hold_the_mean() {
        let steps = Tensor::rand([SAMPLES, 10, 6], FLOAT_CPU) + 1.0;
        let lengths = Tensor::arange(10, (Kind::Int64, Device::Cpu)).lt(8).expand([SAMPLES, 10], false);
        let settings = SpecAugment { time: 3, frequency: 2, masks: 1 };
        let found = masked(&steps, Some(&lengths), &settings);
        let mean = steps.narrow(1, 0, 8).mean_dim([1, 2].as_slice(), true, None).expand_as(&steps);
        let changed = found.ne_tensor(&steps);
        assert!(found.where_self(&changed, &mean).allclose(&mean, 1e-6, 1e-6, false));
        let whole = |dim: i64| changed.all_dim(dim, false).sum_dim_intlist([1].as_slice(), false, Kind::Int64);
        let (time, frequency) = (whole(2), whole(1));
        assert_eq!((time.max().int64_value(&[]), frequency.max().int64_value(&[])), (3, 2));
        // Widths are drawn evenly: 0 to 3, and 0 to 2.
        let at = |widths: &Tensor, width: i64| share(&widths.eq(width));
        assert!((0..4).all(|width| (0.17..0.34).contains(&at(&time, width))));
        assert!((0..3).all(|width| (0.25..0.42).contains(&at(&frequency, width))));

        let image = Tensor::rand([SAMPLES, 1, 6, 10], FLOAT_CPU) + 1.0;
        let changed = masked(&image, None, &settings).ne_tensor(&image).select(1, 0);
        let steps = changed.all_dim(1, false).sum_dim_intlist([1].as_slice(), false, Kind::Int64);
        assert_eq!(steps.max().int64_value(&[]), 3);
    }
}
