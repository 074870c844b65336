//! Parts of a data set: drawn by a seed, with classes or groups in view, and what they lack of each other.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::Dataset;
use crate::network::Input;
use crate::random::SplitMix64;
use crate::task::Task;
use crate::{Error, Result};

/// The samples that a model learns from, and those that choose its best epoch.
#[derive(Debug)]
pub struct Splits<I> {
    /// The samples to learn from.
    pub train: Dataset<I>,
    /// The samples that choose the best epoch of each stage.
    pub valid: Dataset<I>,
}

/// What the parts of a data set keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// Nothing: every sample is drawn on its own.
    Sample,
    /// Both parts have the same share of every class, as far as whole samples allow. A class with two samples or more
    /// is in both; the only sample of a class is in the first.
    Class,
    /// Samples of the same group, such as all of one speaker, are in the same part. One number a sample.
    Group(&'a [i64]),
}

impl<I: Input> Splits<I> {
    /// What one split lacks of the other: classes without a sample, labels that no sample has. Training warns of it.
    pub fn warnings(&self, task: Task) -> Vec<String> {
        let (what, counts): (_, fn(&Tensor, i64) -> Vec<i64>) = match task {
            Task::Classification { .. } => {
                ("class", |target, classes| counted(&target.to_device(Device::Cpu).bincount::<&Tensor>(None, classes)))
            }
            Task::Multilabel { .. } => {
                ("label", |target, _| counted(&target.sum_dim_intlist([0_i64].as_slice(), false, Kind::Int64)))
            }
            Task::Regression { .. } => return Vec::new(),
        };
        let [train, valid] = [&self.train, &self.valid].map(|data| counts(data.target(), task.outputs()));
        let lacking = |here: &[i64], there: &[i64]| -> Vec<usize> {
            (0..here.len()).filter(|index| here[*index] == 0 && there[*index] > 0).collect()
        };
        let warning = |split: &str, lacking: Vec<usize>, other: &str| {
            let shown: Vec<_> = lacking.iter().take(10).map(usize::to_string).collect();
            let more = if lacking.len() > shown.len() { ", …" } else { "" };
            let shown = shown.join(", ");
            (!lacking.is_empty()).then(|| {
                format!(
                    "no {split} sample is of {what} {shown}{more}, but some {other} samples are; `Dataset::part` draws \
                     both from all samples"
                )
            })
        };
        let warnings = [
            warning("training", lacking(&train, &valid), "validation"),
            warning("validation", lacking(&valid, &train), "training"),
        ];
        warnings.into_iter().flatten().collect()
    }
}

impl<I: Input> Dataset<I> {
    /// Parts the data set in two; the second part has `share` of the samples, or as near as whole groups allow, and at
    /// least one. Samples keep their order. The same seed draws the same parts on every machine.
    ///
    /// ```
    /// # use m2sn_runtime::data::{By, Dataset, Splits};
    /// # use m2sn_runtime::{Result, network::Input};
    /// # fn part<I: Input>(data: &Dataset<I>, speaker: &[i64]) -> Result<()> {
    /// let (train, valid) = data.part(0.2, By::Class, 0)?;
    /// let splits = Splits { train, valid };
    /// // Nobody who is heard in the test was heard in training.
    /// let (rest, test) = data.part(0.1, By::Group(speaker), 0)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] where the share is not between 0 and 1, there is no way to fill both parts,
    /// [`By::Class`] meets a target that is not of classes, or [`By::Group`] has not one number a sample.
    pub fn part(&self, share: f64, by: By<'_>, seed: u64) -> Result<(Self, Self)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::invalid(format!("data set: expected a share between 0 and 1, found {share}")));
        }
        let samples = self.len();
        let kinds = self.kinds(by)?;
        let second = match by {
            By::Group(_) => by_group(&kinds, share, seed),
            By::Sample | By::Class => by_class(&kinds, share, seed),
        };
        let rows = |part: bool| (0..self.len()).filter(|row| second[*row as usize] == part).collect::<Vec<_>>();
        match [rows(false), rows(true)] {
            [first, second] if !first.is_empty() && !second.is_empty() => {
                Ok((self.select(&first)?, self.select(&second)?))
            }
            _ => Err(Error::invalid(format!(
                "data set: {samples} samples cannot be parted by {}: expected two samples, two of one class, or two groups \
                 at least",
                by.name()
            ))),
        }
    }
}

impl<I: Input> Dataset<I> {
    /// The class of each sample, or its group; the same for all where there is neither.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the target is not of classes, or where there is not one group a sample.
    pub(super) fn kinds(&self, by: By<'_>) -> Result<Vec<i64>> {
        let samples = self.len() as usize;
        match by {
            By::Sample => Ok(vec![0; samples]),
            By::Class if self.target.kind() == Kind::Int64 && self.target.dim() == 1 => Ok(counted(&self.target)),
            By::Class => Err(Error::invalid("data set: the target is not of classes; part it by samples")),
            By::Group(groups) if groups.len() == samples => Ok(groups.to_vec()),
            By::Group(groups) => Err(Error::invalid(format!(
                "data set: expected a group for each of {samples} samples, found {}",
                groups.len()
            ))),
        }
    }
}

impl By<'_> {
    fn name(self) -> &'static str {
        match self {
            By::Sample => "sample",
            By::Class => "class",
            By::Group(_) => "group",
        }
    }
}

/// Which samples the second part has: `share` of each class, one at least and not all.
fn by_class(classes: &[i64], share: f64, seed: u64) -> Vec<bool> {
    let mut random = SplitMix64::new(seed);
    let mut second = vec![false; classes.len()];
    for mut rows in members(classes).into_values() {
        random.shuffle(&mut rows);
        let count = (share * rows.len() as f64).round() as usize;
        for row in &rows[..count.max(1).min(rows.len() - 1)] {
            second[*row] = true;
        }
    }
    second
}

/// Which samples the second part has: whole groups, as long as each brings it nearer to its share, and not all.
fn by_group(groups: &[i64], share: f64, seed: u64) -> Vec<bool> {
    let mut members: Vec<_> = members(groups).into_values().collect();
    SplitMix64::new(seed).shuffle(&mut members);
    let wanted = share * groups.len() as f64;
    let mut second = vec![false; groups.len()];
    let (mut taken, mut count) = (0, 0);
    let smallest = members.iter().map(Vec::len).min();
    for rows in &members {
        let nearer = (wanted - (count + rows.len()) as f64).abs() < (wanted - count as f64).abs();
        let needed = taken == 0 && Some(rows.len()) == smallest;
        if (nearer || needed) && taken + 1 < members.len() {
            rows.iter().for_each(|row| second[*row] = true);
            (taken, count) = (taken + 1, count + rows.len());
        }
    }
    second
}

/// The rows of each value.
pub(super) fn members(values: &[i64]) -> BTreeMap<i64, Vec<usize>> {
    let mut members: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (row, value) in values.iter().enumerate() {
        members.entry(*value).or_default().push(row);
    }
    members
}

/// A vector of whole numbers, wherever it lies.
fn counted(tensor: &Tensor) -> Vec<i64> {
    let tensor = tensor.to_kind(Kind::Int64).to_device(Device::Cpu).contiguous();
    let mut values = vec![0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::tiny::{Tiny, TinyInput, numbered as data};

    /// The rows of a part, which the inputs hold.
    fn rows(part: &Dataset<TinyInput>) -> Vec<i64> {
        counted(&part.input().unwrap().left.tensor().select(1, 0))
    }

    #[test]
    fn parts_are_disjoint_whole_and_drawn_by_the_seed() {
        let data = data(&[0; 50]);
        let parts =
            |seed| data.part(0.2, By::Sample, seed).map(|(first, second)| (rows(&first), rows(&second))).unwrap();
        let (first, second) = parts(1);
        assert_eq!((first.len(), second.len()), (40, 10));
        let mut all = [first.clone(), second.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!(first.is_sorted() && second.is_sorted());
        assert_eq!(parts(1), (first.clone(), second));
        assert_ne!(parts(2).0, first);
    }

    #[test]
    fn every_class_has_its_share_in_both_parts() {
        // Sorted by class, as many files are: 30, 4 and 1 samples.
        let classes = [vec![0; 30], vec![1; 4], vec![2; 1]].concat();
        let (first, second) = data(&classes).part(0.2, By::Class, 3).unwrap();
        let counts = |part: &Dataset<TinyInput>| counted(&part.target().bincount::<&Tensor>(None, 3));
        assert_eq!(counts(&second), [6, 1, 0]);
        assert_eq!(counts(&first), [24, 3, 1]);
        assert!(rows(&second).iter().all(|row| classes[*row as usize] < 2));
    }

    #[test]
    fn groups_stay_whole() {
        let groups: Vec<i64> = (0..60).map(|row| [7, 7, -1, 3, 3, 3][row % 6] * 10 + row as i64 / 30).collect();
        for seed in 0..20 {
            let (first, second) = data(&[0; 60]).part(0.3, By::Group(&groups), seed).unwrap();
            let of = |part| {
                rows(part).into_iter().map(|row| groups[row as usize]).collect::<std::collections::BTreeSet<_>>()
            };
            assert!(of(&first).is_disjoint(&of(&second)));
            // Groups have 10, 5 and 15 samples, so 18 cannot be missed by more than half of the largest.
            assert!((10..=26).contains(&second.len()), "{}", second.len());
        }
        // One large group and a small one: the small one is the nearest to a tenth.
        let groups = [vec![0; 19], vec![1; 1]].concat();
        for seed in 0..4 {
            assert_eq!(data(&[0; 20]).part(0.01, By::Group(&groups), seed).unwrap().1.len(), 1);
        }
    }

    #[test]
    fn what_cannot_be_parted_is_refused() {
        let data = data(&[0, 1, 2]);
        let refused = |share, by| data.part(share, by, 0).unwrap_err().to_string();
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(refused(share, By::Sample).contains("a share between 0 and 1"));
        }
        assert!(refused(0.5, By::Class).contains("two of one class"));
        assert!(refused(0.5, By::Group(&[1, 1, 1])).contains("two groups"));
        assert!(refused(0.5, By::Group(&[1])).contains("for each of 3 samples, found 1"));
    }

    #[test]
    fn a_split_that_lacks_classes_of_the_other_is_warned_of() {
        let task = Tiny::description().task;
        let splits = |train: &[i64], valid: &[i64]| Splits { train: data(train), valid: data(valid) };
        assert_eq!(splits(&[0, 1, 2], &[2, 1, 0]).warnings(task), Vec::<String>::new());
        assert_eq!(splits(&[0, 0], &[0]).warnings(task), Vec::<String>::new());
        assert_eq!(
            splits(&[0, 0, 1], &[2, 2]).warnings(task),
            [
                "no training sample is of class 2, but some validation samples are; `Dataset::part` draws both from all \
                 samples",
                "no validation sample is of class 0, 1, but some training samples are; `Dataset::part` draws both from \
                 all samples",
            ]
        );
    }
}
