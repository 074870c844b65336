//! Pairs of methods over all seeds, and what can be said of them.

use serde::{Deserialize, Serialize};

use super::results::Comparison;
use crate::evaluation::statistics::Interval;
use crate::random::SplitMix64;

/// What one method did on one seed's test samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Answers {
    /// What the answer to each sample is worth: 1 for the right class, the F1 of its labels, or the negative mean absolute
    /// error.
    pub(super) worth: Vec<f64>,
    /// The milliseconds of each sample that was timed alone.
    pub(super) milliseconds: Vec<f64>,
}

/// The resamples of an interval.
const RESAMPLES: usize = 1000;

/// Compares two methods by their answers, one entry a seed each; `noise` is by what share two measurements of the same
/// method differed. `None` where there is nothing to compare, or the seeds' samples do not pair.
pub(super) fn compare(
    name: &str,
    own: &[&Answers],
    against: &str,
    other: &[&Answers],
    noise: f64,
) -> Option<Comparison> {
    let pairs = |of: fn(&Answers) -> &Vec<f64>| -> Option<Vec<(Vec<f64>, Vec<f64>)>> {
        if own.is_empty() || own.len() != other.len() {
            return None;
        }
        let pair = |(own, other): (&&Answers, &&Answers)| {
            let (own, other) = (of(own).clone(), of(other).clone());
            (own.len() == other.len() && !own.is_empty()).then_some((own, other))
        };
        own.iter().zip(other).map(pair).collect()
    };
    let points = resampled(&pairs(|answers| &answers.worth)?, |own, other| 100.0 * (own - other))?;
    let ratio = resampled(&pairs(|answers| &answers.milliseconds)?, |own, other| own / other)?;
    let verdict = verdict(points, ratio, noise);
    Some(Comparison { name: name.into(), against: against.into(), points, ratio, verdict })
}

/// A statistic of the means of paired values, over seeds: seeds are drawn anew, and samples within them, which are the same
/// for all seeds where they are as many, since seeds may share their test samples.
fn resampled(seeds: &[(Vec<f64>, Vec<f64>)], statistic: impl Fn(f64, f64) -> f64) -> Option<Interval> {
    let mut random = SplitMix64::new(0x7061_6972);
    let samples = seeds.iter().map(|(own, _)| own.len()).max()?;
    let mean_of = |chosen: &[usize], rows: Option<&[usize]>| {
        let mean = |values: &[f64]| match rows {
            None => values.iter().sum::<f64>() / values.len() as f64,
            Some(rows) => rows.iter().map(|row| values[row % values.len()]).sum::<f64>() / rows.len() as f64,
        };
        let sums = chosen.iter().map(|seed| (mean(&seeds[*seed].0), mean(&seeds[*seed].1)));
        let (own, other) = sums.fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        statistic(own / chosen.len() as f64, other / chosen.len() as f64)
    };
    let value = mean_of(&(0..seeds.len()).collect::<Vec<_>>(), None);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..seeds.len()).map(|_| random.below(seeds.len())).collect();
            let rows: Vec<usize> = (0..samples).map(|_| random.below(samples)).collect();
            mean_of(&chosen, Some(&rows))
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let outside = RESAMPLES / 40;
    let interval = Interval { value, low: values[outside], high: values[RESAMPLES - 1 - outside] };
    [interval.value, interval.low, interval.high].iter().all(|end| end.is_finite()).then_some(interval)
}

/// What follows, in words: a difference is one where the interval excludes that there is none, and one of time only where it
/// is larger than that of a method to itself.
fn verdict(points: Interval, ratio: Interval, noise: f64) -> String {
    let quality = match (points.low, points.high) {
        (low, _) if low > 0.0 => format!("gains {:.2} points", points.value),
        (_, high) if high < 0.0 => format!("loses {:.2} points", -points.value),
        _ => format!("no difference in quality shown ({:+.2} to {:+.2} points)", points.low, points.high),
    };
    let time = match (ratio.low, ratio.high) {
        (_, high) if high < 1.0 - noise => format!("takes {:.2} of the time", ratio.value),
        (low, _) if low > 1.0 + noise => format!("takes {:.2} times as long", ratio.value),
        _ => format!("no difference in time shown ({:.2} to {:.2} of it)", ratio.low, ratio.high),
    };
    format!("{time}, {quality}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(worth: &[f64], milliseconds: f64) -> Answers {
        Answers { worth: worth.to_vec(), milliseconds: vec![milliseconds; 20] }
    }

    #[test]
    fn a_method_is_no_different_from_itself() {
        let worth: Vec<f64> = (0..300).map(|index| f64::from(index % 10 > 0)).collect();
        let own = answers(&worth, 2.0);
        let found = compare("a", &[&own, &own], "b", &[&own, &own], 0.02).unwrap();
        assert_eq!((found.points.low, found.points.high), (0.0, 0.0));
        assert_eq!(
            found.verdict,
            "no difference in time shown (1.00 to 1.00 of it), no difference in quality shown (+0.00 to +0.00 points)"
        );
    }

    #[test]
    fn what_is_shown_is_said() {
        let (good, bad): (Vec<f64>, Vec<f64>) =
            (0..400).map(|index| (f64::from(index % 20 > 0), f64::from(index % 4 > 0))).unzip();
        let found = compare("a", &[&answers(&good, 1.0)], "b", &[&answers(&bad, 2.0)], 0.02).unwrap();
        assert_eq!(found.verdict, "takes 0.50 of the time, gains 20.00 points");
        assert!((found.points.value - 20.0).abs() < 1e-9 && found.points.low > 10.0 && found.points.high < 30.0);
        let found = compare("b", &[&answers(&bad, 2.0)], "a", &[&answers(&good, 1.0)], 0.02).unwrap();
        assert_eq!(found.verdict, "takes 2.00 times as long, loses 20.00 points");
        let close = compare("a", &[&answers(&good, 1.0)], "b", &[&answers(&good, 1.015)], 0.02).unwrap();
        assert!(close.verdict.starts_with("no difference in time shown"), "{}", close.verdict);
    }

    #[test]
    fn seeds_that_disagree_widen_the_interval() {
        let (good, bad) = (vec![1.0; 200], vec![0.9; 200]);
        let same = [(good.clone(), bad.clone()), (good.clone(), bad.clone())];
        let apart = [(good.clone(), bad.clone()), (bad, good)];
        let width = |seeds: &[(Vec<f64>, Vec<f64>)]| {
            let Interval { low, high, .. } = resampled(seeds, |own, other| own - other).unwrap();
            high - low
        };
        assert!(width(&same) < 1e-9 && width(&apart) > 0.15);
    }

    #[test]
    fn what_does_not_pair_is_not_compared() {
        let (two, three) = (answers(&[1.0, 0.0], 1.0), answers(&[1.0, 0.0, 1.0], 1.0));
        assert_eq!(compare("a", &[&two], "b", &[&three], 0.0), None);
        assert_eq!(compare("a", &[], "b", &[], 0.0), None);
        assert_eq!(compare("a", &[&two], "b", &[&two, &two], 0.0), None);
    }
}
