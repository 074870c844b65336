//! Samples that come together out of different batches.

use tch::Tensor;

use crate::batch::Feature;

/// Some samples in an order of their own, each in the batch that it was computed in.
///
/// Whoever needs them side by side has to [`Scattered::gather`] them, which copies; whoever reads them one by one can do so
/// where they lie.
#[derive(Debug)]
pub(crate) struct Scattered<'a> {
    /// The batches that hold some of them, each once.
    batches: Vec<&'a Feature>,
    /// Of each sample the number of its batch, and its place there.
    samples: Vec<(usize, usize)>,
}

impl<'a> Scattered<'a> {
    /// The samples at these places of batches.
    pub(crate) fn new(places: impl Iterator<Item = (&'a Feature, usize)>) -> Self {
        let mut batches: Vec<&'a Feature> = Vec::new();
        let mut samples = Vec::with_capacity(places.size_hint().0);
        for (batch, place) in places {
            let known = batches.iter().position(|known| std::ptr::eq(*known, batch));
            let number = known.unwrap_or_else(|| {
                batches.push(batch);
                batches.len() - 1
            });
            samples.push((number, place));
        }
        Self { batches, samples }
    }

    /// The number of samples.
    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// The batches that hold some of them.
    pub(crate) fn batches(&self) -> &[&'a Feature] {
        &self.batches
    }

    /// Of each sample the number of its batch, and its place there.
    pub(crate) fn samples(&self) -> &[(usize, usize)] {
        &self.samples
    }

    /// The batch that they are all of, in order.
    pub(crate) fn whole(&self) -> Option<&'a Feature> {
        let [batch] = self.batches[..] else { return None };
        let is_whole =
            self.len() as i64 == batch.len() && self.samples.iter().map(|(_, place)| *place).eq(0..self.len());
        is_whole.then_some(batch)
    }

    /// All of them side by side, of which there is at least one; nothing is copied where they are so already.
    pub(crate) fn gather(&self) -> Feature {
        if let Some(batch) = self.whole() {
            return batch.clone();
        }
        let mut own = vec![Vec::new(); self.batches.len()];
        for (number, place) in &self.samples {
            own[*number].push(*place as i64);
        }
        let parts: Vec<Feature> = self.batches.iter().zip(&own).map(|(batch, places)| select(batch, places)).collect();
        let [part] = &parts[..] else {
            // Of each batch, where among all parts the next of its samples is.
            let mut next = Vec::with_capacity(own.len());
            let mut start = 0;
            for places in &own {
                next.push(start);
                start += places.len() as i64;
            }
            let mut order = Vec::with_capacity(self.len());
            for (number, _) in &self.samples {
                order.push(next[*number]);
                next[*number] += 1;
            }
            return select(&concat(&parts), &order);
        };
        part.clone()
    }
}

impl<'a> From<&'a Feature> for Scattered<'a> {
    /// All samples of a batch.
    fn from(batch: &'a Feature) -> Self {
        Self::new((0..batch.len() as usize).map(|place| (batch, place)))
    }
}

/// The samples at these places; the whole where they are all of it in order.
fn select(batch: &Feature, places: &[i64]) -> Feature {
    if places.iter().copied().eq(0..batch.len()) {
        return batch.clone();
    }
    batch.select(&Tensor::from_slice(places).to_device(batch.tensor.device()))
}

fn concat(parts: &[Feature]) -> Feature {
    let tensors: Vec<&Tensor> = parts.iter().map(|part| &part.tensor).collect();
    let masks: Option<Vec<&Tensor>> = parts.iter().map(|part| part.mask.as_ref()).collect();
    // Whoever has come to a block has its modality.
    Feature { mask: masks.map(|masks| Tensor::cat(&masks, 0)), ..Tensor::cat(&tensors, 0).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(values: &[f32]) -> Feature {
        Feature { mask: Some(Tensor::from_slice(values).gt(2.0)), ..Tensor::from_slice(values).into() }
    }

    #[test]
    fn samples_of_several_batches_come_together_in_order() {
        let batches = [batch(&[0.0, 1.0, 2.0]), batch(&[3.0, 4.0]), batch(&[5.0])];
        let of = |places: &[(usize, usize)]| {
            let scattered = Scattered::new(places.iter().map(|(batch, place)| (&batches[*batch], *place)));
            assert_eq!(scattered.len(), places.len());
            let feature = scattered.gather();
            assert_eq!(feature.mask, Some(feature.tensor.gt(2.0)));
            Vec::<f32>::try_from(&feature.tensor).unwrap()
        };
        assert_eq!(of(&[(1, 1), (0, 2), (2, 0), (0, 0), (1, 0)]), [4.0, 2.0, 5.0, 0.0, 3.0]);
        assert_eq!(of(&[(0, 0), (0, 1), (0, 2), (1, 0)]), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(of(&[(0, 2), (0, 0), (0, 2)]), [2.0, 0.0, 2.0]);
    }

    #[test]
    fn a_batch_as_a_whole_is_not_copied() {
        let batch = batch(&[0.0, 1.0, 2.0]);
        let address = |scattered: Scattered<'_>| scattered.gather().tensor.data_ptr();
        assert_eq!(address((&batch).into()), batch.tensor.data_ptr());
        assert!(Scattered::new([(&batch, 0), (&batch, 1)].into_iter()).whole().is_none());
        assert!(Scattered::new([(&batch, 0), (&batch, 2), (&batch, 1)].into_iter()).whole().is_none());
    }
}
