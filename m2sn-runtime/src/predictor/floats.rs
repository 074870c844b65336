//! Tensors on the processor as slices of numbers.

use tch::{Device, Kind, Tensor};

use crate::batch::Feature;
use crate::scattered::Scattered;

/// The numbers of each sample where it lies; `None` where that is not in contiguous tensors of `f32`.
pub(super) fn apart<'a>(samples: &Scattered<'a>) -> Option<Vec<&'a [f32]>> {
    let numbers = |batch: &&'a Feature| {
        let numbers = is_plain(&batch.tensor).then(|| of(&batch.tensor))?;
        Some((numbers, numbers.len() / batch.len() as usize))
    };
    let batches: Vec<(&[f32], usize)> = samples.batches().iter().map(numbers).collect::<Option<_>>()?;
    let sample = |(batch, place): &(usize, usize)| {
        let (numbers, len) = batches[*batch];
        &numbers[place * len..][..len]
    };
    Some(samples.samples().iter().map(sample).collect())
}

/// Vectors side by side, `[samples, …]`; `None` as by [`apart`].
pub(super) fn beside(vectors: &[Scattered<'_>]) -> Option<Tensor> {
    let vectors = vectors.iter().map(apart).collect::<Option<Vec<_>>>()?;
    let samples = vectors.first()?.len();
    let width: usize = vectors.iter().map(|vectors| vectors[0].len()).sum();
    Some(filled(&[samples as i64, width as i64], |output| {
        for (sample, mut output) in output.chunks_exact_mut(width).enumerate() {
            for vectors in &vectors {
                let (own, rest) = output.split_at_mut(vectors[sample].len());
                own.copy_from_slice(vectors[sample]);
                output = rest;
            }
        }
    }))
}

/// The numbers of a contiguous tensor of `f32`.
///
/// # Panics
/// Where it is none.
#[expect(unsafe_code, reason = "`tch` lends no slices")]
pub(super) fn of(tensor: &Tensor) -> &[f32] {
    assert_plain(tensor);
    // SAFETY: the tensor holds so many `f32` side by side from there on, which stay as they are while it is lent: nothing
    // in this room writes to a tensor after it was made.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// A tensor of this size, whose numbers `write` sets, all of them.
#[expect(unsafe_code, reason = "`tch` lends no slices")]
pub(super) fn filled(size: &[i64], write: impl FnOnce(&mut [f32])) -> Tensor {
    let tensor = Tensor::empty(size, (Kind::Float, Device::Cpu));
    assert_plain(&tensor);
    // SAFETY: as above, and nobody else has the tensor yet.
    write(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) });
    tensor
}

fn assert_plain(tensor: &Tensor) {
    assert!(is_plain(tensor), "{tensor:?} does not lie in memory as a slice of f32");
}

fn is_plain(tensor: &Tensor) -> bool {
    tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_side_by_side_from_wherever_they_lie() {
        let [one, other] = [[0f32, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]]
            .map(|values| Feature::from(Tensor::from_slice(&values).view([2, 2])));
        let wide = Feature::from(Tensor::from_slice(&[20f32, 21.0, 22.0, 23.0, 24.0, 25.0]).view([2, 3]));
        let left = || Scattered::new([(&other, 1), (&one, 0)].into_iter());
        let found = beside(&[left(), (&wide).into()]).unwrap();
        let expected = [12f32, 13.0, 20.0, 21.0, 22.0, 0.0, 1.0, 23.0, 24.0, 25.0];
        assert_eq!(found, Tensor::from_slice(&expected).view([2, 5]));
        let expanded = Feature::from(Tensor::from_slice(&[1f32, 2.0]).expand([2, 2], false));
        assert!(beside(&[left(), (&expanded).into()]).is_none());
    }
}
