//! Where the features of samples lie while their samples go different ways.

use std::rc::Rc;

use tch::Tensor;

use crate::batch::Feature;
use crate::scattered::Scattered;

/// At most one feature for each sample of a batch, in the pieces in which they were computed.
///
/// Nothing is copied as long as samples stay together: whoever takes the samples of one piece gets the piece.
#[derive(Debug, Clone)]
pub(super) struct Shelf(Vec<Option<(Rc<Feature>, usize)>>);

impl Shelf {
    /// Room for this many samples.
    pub(super) fn new(samples: usize) -> Self {
        Self(vec![None; samples])
    }

    /// All samples in one piece.
    pub(super) fn full(feature: Feature) -> Self {
        let samples = feature.len() as usize;
        let piece = Rc::new(feature);
        Self((0..samples).map(|place| Some((Rc::clone(&piece), place))).collect())
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.0[row].is_some()
    }

    /// Puts down a piece that holds these samples in this order.
    pub(super) fn put(&mut self, rows: &[usize], feature: Feature) {
        let piece = Rc::new(feature);
        for (place, row) in rows.iter().enumerate() {
            self.0[*row] = Some((Rc::clone(&piece), place));
        }
    }

    /// Forgets the features of these samples; a piece goes with its last sample.
    pub(super) fn clear(&mut self, rows: &[usize]) {
        rows.iter().for_each(|row| self.0[*row] = None);
    }

    /// The features of these samples in this order, where they lie; each has one.
    pub(super) fn at(&self, rows: &[usize]) -> Scattered<'_> {
        Scattered::new(rows.iter().map(|row| {
            let (piece, place) = self.0[*row].as_ref().expect("whoever takes a feature has put it here");
            (&**piece, *place)
        }))
    }

    /// The features of these samples in this order, side by side: there is at least one sample.
    pub(super) fn take(&self, rows: &[usize]) -> Feature {
        self.at(rows).gather()
    }

    /// As [`Shelf::take`], where features have no mask.
    pub(super) fn tensor(&self, rows: &[usize]) -> Tensor {
        self.take(rows).tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(values: &[f32]) -> Feature {
        Feature { mask: Some(Tensor::from_slice(values).gt(2.0)), ..Tensor::from_slice(values).into() }
    }

    fn values(feature: &Feature) -> Vec<f32> {
        assert_eq!(feature.mask, Some(feature.tensor.gt(2.0)));
        Vec::try_from(&feature.tensor).unwrap()
    }

    #[test]
    fn pieces_come_together_in_the_order_asked_for() {
        let mut shelf = Shelf::full(feature(&[0.0, 1.0, 2.0, 3.0]));
        shelf.put(&[3, 1], feature(&[13.0, 11.0]));
        shelf.put(&[2], feature(&[12.0]));
        assert_eq!(values(&shelf.take(&[0, 1, 2, 3])), [0.0, 11.0, 12.0, 13.0]);
        assert_eq!(values(&shelf.take(&[3, 0])), [13.0, 0.0]);
        assert_eq!(values(&shelf.take(&[1])), [11.0]);
        shelf.clear(&[0]);
        assert!(!shelf.has(0) && shelf.has(1));
    }

    #[test]
    fn whole_pieces_are_not_copied() {
        let mut shelf = Shelf::new(3);
        shelf.put(&[2, 0, 1], feature(&[2.0, 0.0, 1.0]));
        let whole = shelf.take(&[2, 0, 1]);
        assert_eq!(whole.tensor.data_ptr(), shelf.take(&[2, 0, 1]).tensor.data_ptr());
        assert_ne!(whole.tensor.data_ptr(), shelf.take(&[0, 1, 2]).tensor.data_ptr());
    }
}
