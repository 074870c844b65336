//! Folds of a data set: every sample is once among those to validate by.

use super::split::members;
use super::{By, Dataset, Splits};
use crate::network::Input;
use crate::random::SplitMix64;
use crate::{Error, Result};

impl<I: Input> Dataset<I> {
    /// Parts the data set so many times, each time with other samples to validate by: every sample is once among them,
    /// and else to learn from. By [`By::Sample`] and [`By::Class`] folds are as large as each other to within one sample;
    /// by class they have the same number of each class to within one sample, too. By [`By::Group`] whole groups go where
    /// the fewest samples are, the largest first.
    ///
    /// Samples keep their order, and the same seed draws the same folds on every machine. One fold is made at a time, so
    /// that data in memory are there twice and no more. What is to be told of a model over folds is a matter of
    /// [`crate::evaluation::Folds`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are less than two folds, or more than there are samples or groups to fill them; else
    /// as [`Dataset::part`].
    pub fn folds<'a>(
        &'a self,
        count: usize,
        by: By<'_>,
        seed: u64,
    ) -> Result<impl ExactSizeIterator<Item = Result<Splits<I>>> + use<'a, I>> {
        let kinds = self.kinds(by)?;
        let (most, what) = match by {
            By::Group(_) => (members(&kinds).len(), "groups"),
            By::Sample | By::Class => (kinds.len(), "samples"),
        };
        if !(2..=most).contains(&count) {
            return Err(Error::invalid(format!(
                "data set: {count} folds were asked for, expected 2 to {most}, the number of {what}"
            )));
        }
        let folds = match by {
            By::Group(_) => by_group(&kinds, count, seed),
            By::Sample | By::Class => by_class(&kinds, count, seed),
        };
        Ok((0..count).map(move |fold| {
            let rows = |valid: bool| -> Vec<i64> {
                let rows = folds.iter().zip(0..).filter(|(other, _)| (**other == fold) == valid);
                rows.map(|(_, row)| row).collect()
            };
            Ok(Splits { train: self.select(&rows(false))?, valid: self.select(&rows(true))? })
        }))
    }
}

/// The fold of each sample: those of a class are dealt out one after the other, and each class goes on where the one before
/// has ended.
fn by_class(classes: &[i64], count: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64::new(seed);
    let mut folds = vec![0; classes.len()];
    let mut turn = (0..count).cycle();
    for mut rows in members(classes).into_values() {
        random.shuffle(&mut rows);
        for (row, fold) in rows.into_iter().zip(turn.by_ref()) {
            folds[row] = fold;
        }
    }
    folds
}

/// The fold of each sample: the largest group that is left goes to the fold with the fewest samples.
fn by_group(groups: &[i64], count: usize, seed: u64) -> Vec<usize> {
    let mut members: Vec<_> = members(groups).into_values().collect();
    SplitMix64::new(seed).shuffle(&mut members);
    // The sort is stable: among groups of the same size the seed decides.
    members.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let mut folds = vec![0; groups.len()];
    let mut sizes = vec![0; count];
    for rows in members {
        let smallest = (0..count).min_by_key(|fold| sizes[*fold]).unwrap_or(0);
        sizes[smallest] += rows.len();
        rows.into_iter().for_each(|row| folds[row] = smallest);
    }
    folds
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tch::Kind;

    use super::*;
    use crate::tiny::{TinyInput, numbered as data};

    /// The rows of a part, which the inputs hold.
    fn rows(part: &Dataset<TinyInput>) -> Vec<usize> {
        let rows = part.input().unwrap().left.tensor().select(1, 0).to_kind(Kind::Int64);
        Vec::<i64>::try_from(rows).unwrap().into_iter().map(|row| row as usize).collect()
    }

    /// By fold, the samples to learn from and those to validate by.
    fn folds(data: &Dataset<TinyInput>, count: usize, by: By<'_>, seed: u64) -> Vec<[Vec<usize>; 2]> {
        let folds = data.folds(count, by, seed).unwrap();
        assert_eq!(folds.len(), count);
        folds.map(|splits| splits.map(|splits| [rows(&splits.train), rows(&splits.valid)]).unwrap()).collect()
    }

    /// Each sample is once among those to validate by, and never on both sides.
    fn check(folds: &[[Vec<usize>; 2]], samples: usize) {
        let mut all: Vec<usize> = folds.iter().flat_map(|[_, valid]| valid.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..samples).collect::<Vec<_>>());
        for [train, valid] in folds {
            assert!(train.is_sorted() && valid.is_sorted() && train.len() + valid.len() == samples);
            assert!(valid.iter().all(|row| !train.contains(row)));
        }
    }

    #[test]
    fn every_sample_is_validated_by_once() {
        for (samples, count) in [(50, 5), (23, 4), (7, 7), (2, 2)] {
            let data = data(&vec![0; samples]);
            let found = folds(&data, count, By::Sample, 1);
            check(&found, samples);
            let sizes: Vec<usize> = found.iter().map(|[_, valid]| valid.len()).collect();
            assert!(sizes.iter().all(|size| size.abs_diff(samples / count) <= 1), "{sizes:?}");
            assert_eq!(folds(&data, count, By::Sample, 1), found);
        }
        let data = data(&[0; 50]);
        assert_ne!(folds(&data, 5, By::Sample, 2), folds(&data, 5, By::Sample, 1));
        // The same on every machine; a program in another language finds these.
        assert_eq!(folds(&data, 10, By::Sample, 7)[0][1], [8, 13, 16, 23, 41]);
    }

    #[test]
    fn folds_have_the_same_share_of_every_class() {
        let classes = [vec![2; 31], vec![0; 12], vec![1; 3]].concat();
        let data = data(&classes);
        for seed in 0..5 {
            let found = folds(&data, 5, By::Class, seed);
            check(&found, classes.len());
            for [_, valid] in &found {
                assert!(valid.len().abs_diff(46 / 5) <= 1);
                for (class, samples) in [(2, 31.0), (0, 12.0), (1, 3.0)] {
                    let count = valid.iter().filter(|row| classes[**row] == class).count() as f64;
                    assert!((count - samples / 5.0).abs() < 1.0, "{count} of class {class}");
                }
            }
        }
    }

    #[test]
    fn groups_are_never_parted() {
        // Twelve groups of one to twelve samples, in no order.
        let groups: Vec<i64> = (1..=12).flat_map(|group| vec![group * 7 % 13; group as usize]).collect();
        let data = data(&vec![0; groups.len()]);
        for seed in 0..5 {
            let found = folds(&data, 4, By::Group(&groups), seed);
            check(&found, groups.len());
            for [train, valid] in &found {
                let of = |rows: &[usize]| rows.iter().map(|row| groups[*row]).collect::<BTreeSet<_>>();
                assert!(of(train).is_disjoint(&of(valid)));
                assert!(valid.len().abs_diff(78 / 4) <= 2, "{}", valid.len());
            }
        }
    }

    #[test]
    fn what_cannot_be_folded_is_refused() {
        let data = data(&[0, 1, 2]);
        let refused = |count, by| data.folds(count, by, 0).map(drop).unwrap_err().to_string();
        for count in [0, 1, 4] {
            assert_eq!(
                refused(count, By::Class),
                format!("data set: {count} folds were asked for, expected 2 to 3, the number of samples")
            );
        }
        assert!(refused(3, By::Group(&[5, 5, 6])).ends_with("expected 2 to 2, the number of groups"));
        assert!(refused(2, By::Group(&[5])).contains("a group for each of 3 samples, found 1"));
    }
}
