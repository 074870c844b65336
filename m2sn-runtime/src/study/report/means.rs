//! Means over seeds of what is shown by difficulty and by λ.

use super::super::{Lambda, Results};
use crate::evaluation::Scores;

/// Quality and share of time for each column, where they are known.
type Cells = Vec<Option<(f64, f64)>>;

/// What methods come to on samples of like difficulty.
#[derive(Debug)]
pub(super) struct Means<'a> {
    /// The difficulties, and the number of samples of each, the mean over seeds.
    pub(super) columns: Vec<(&'a str, f64)>,
    /// By method.
    pub(super) rows: Vec<(&'a str, Cells)>,
}

/// The means over seeds by difficulty and method, both as the seeds have them.
pub(super) fn by_difficulty(results: &Results) -> Means<'_> {
    let all = || results.seeds.iter().flat_map(|seed| &seed.difficulties);
    let mut columns: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for difficulty in all() {
        if !columns.contains(&&difficulty.name[..]) {
            columns.push(&difficulty.name);
        }
        for (name, ..) in &difficulty.methods {
            if !names.contains(&&name[..]) {
                names.push(name);
            }
        }
    }
    let of = |column: &str, method: &str| {
        let found = all().filter(|difficulty| difficulty.name == column).flat_map(|difficulty| &difficulty.methods);
        let found: Vec<_> = found.filter(|(name, ..)| name == method).collect();
        Some((mean(found.iter().map(|(_, quality, _)| *quality))?, mean(found.iter().map(|(.., share)| *share))?))
    };
    let rows = names.iter().map(|name| (*name, columns.iter().map(|column| of(column, name)).collect()));
    let rows = rows.collect();
    let samples = |column: &str| {
        let found = all().filter(|difficulty| difficulty.name == column);
        mean(found.map(|difficulty| difficulty.samples as f64)).unwrap_or_default()
    };
    Means { columns: columns.iter().map(|column| (*column, samples(column))).collect(), rows }
}

/// What makes samples easy, medium or hard, in words.
pub(super) fn difficulty_in_words(results: &Results) -> &'static str {
    let rows = || results.seeds.iter().flat_map(|seed| &seed.rows);
    if rows().all(|row| matches!(row.scores, Scores::Classification { .. })) {
        "Easy is a sample whose class every modality alone predicts, hard one that none does, and medium what is between."
    } else {
        "Easy is the third of the samples to which the answers of the modalities alone are worth the most, and hard the third \
         to which they are worth the least."
    }
}

/// The paper's navigators by the ratio of their λ, from the lowest, one a seed.
pub(super) fn by_lambda(results: &Results) -> Vec<(f64, Vec<&Lambda>)> {
    let mut groups: Vec<(f64, Vec<&Lambda>)> = Vec::new();
    for lambda in results.seeds.iter().flat_map(|seed| &seed.lambdas).filter(|lambda| lambda.ratio.is_finite()) {
        match groups.iter_mut().find(|(ratio, _)| *ratio == lambda.ratio) {
            Some((_, group)) => group.push(lambda),
            None => groups.push((lambda.ratio, vec![lambda])),
        }
    }
    groups.sort_by(|left, right| left.0.total_cmp(&right.0));
    groups
}

/// `None` of no value, and where it is not finite.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    crate::evaluation::statistics::mean(&values.collect::<Vec<_>>())
}
