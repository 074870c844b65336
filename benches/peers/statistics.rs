//! Medians, and how far they can be trusted.

use serde::Serialize;

/// A median, and the quartiles around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Quartiles {
    /// Those of at least one value; `None` of none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let at = |share| quantile(&sorted, share);
        Some(Self { median: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
    }
}

/// A median, and an interval that holds that of all values there could be with 95 %, whatever their distribution.
///
/// The interval is between two of the values, because as many values fall below the true median as coins show heads.
/// Of fewer than six values not even their whole range is so sure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct MedianInterval {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Whether there were values enough for the 95 %.
    pub(crate) is_sure: bool,
}

impl MedianInterval {
    /// That of at least one value; `None` of none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values);
        let (outside, is_sure) = match outside(sorted.len()) {
            Some(outside) => (outside, true),
            None => (0, false),
        };
        let median = quantile(&sorted, 0.5)?;
        Some(Self { median, low: sorted[outside], high: sorted[sorted.len() - 1 - outside], is_sure })
    }
}

/// The median of at least one value; `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The mean of at least one value; `None` of none.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value with this share of the sorted ones below it, between two of them where need be.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// How many of the values on either side the interval can do without: each tail may have 2.5 %.
fn outside(values: usize) -> Option<usize> {
    let mut probability = 0.5f64.powi(values as i32);
    let mut tail = 0.0;
    for below in 0..values {
        tail += probability;
        if tail > 0.025 {
            return below.checked_sub(1);
        }
        probability *= (values - below) as f64 / (below + 1) as f64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let found = Quartiles::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(found, Some(Quartiles { median: 2.5, low: 1.75, high: 3.25 }));
        assert_eq!(Quartiles::of(&[7.0]), Some(Quartiles { median: 7.0, low: 7.0, high: 7.0 }));
        assert_eq!(Quartiles::of(&[]), None);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (Some(2.0), None));
        assert_eq!((mean(&[3.0, 1.0]), mean(&[])), (Some(2.0), None));
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        // The ranks that tables of the sign test give for 95 %, counted from one.
        for (values, rank) in [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (30, 10), (50, 18), (100, 40)] {
            assert_eq!(outside(values), Some(rank - 1), "{values}");
        }
        for values in 0..6 {
            assert_eq!(outside(values), None, "{values}");
        }
    }

    #[test]
    fn few_values_are_not_sure() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let expected = MedianInterval { median: 3.0, low: 1.0, high: 5.0, is_sure: false };
        assert_eq!(MedianInterval::of(&values), Some(expected));
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let expected = MedianInterval { median: 6.5, low: 3.0, high: 10.0, is_sure: true };
        assert_eq!(MedianInterval::of(&values), Some(expected));
        assert_eq!(MedianInterval::of(&[]), None);
    }
}
