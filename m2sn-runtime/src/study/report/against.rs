//! Two studies, side by side: what has changed, and whether it can be said.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::super::{Results, Row};
use super::methods::{Method, methods, single};
use super::sheet::Sheet;
use super::tables::{absent, plain, words};
use super::{escape, html, named};
use crate::evaluation::statistics::{Interval, Spread};
use crate::svg::escaped;
use crate::{Result, file};

/// What a study has found other than another: see [`against`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// The model of the new one.
    pub model: String,
    /// What differs between the two studies but their outcome, and which figures do not compare for that.
    pub caveats: Vec<String>,
    /// The methods of both.
    pub changes: Vec<Change>,
    /// The methods that the new one alone has.
    pub only_new: Vec<String>,
    /// The methods that the old one alone has.
    pub only_old: Vec<String>,
}

/// What has become of a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The method.
    pub name: String,
    /// Of the quality.
    pub quality: Option<Difference>,
    /// Of the time of one sample by that of late fusion.
    pub ratio: Option<Difference>,
}

/// A figure in both studies, over their seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// In the new one.
    pub new: Spread,
    /// In the old one.
    pub old: Spread,
    /// The new less the old, with the interval of 95 % by Student's t; of one seed, or where both differ in theirs by more
    /// than chance can be told from, without width.
    pub difference: Interval,
    /// What can be said of it.
    pub verdict: String,
}

/// Compares two studies method by method.
///
/// Where both have the same seeds, differences are taken seed by seed, since a seed decides data and training; else those of
/// the two means, by Welch's interval.
pub fn against(new: &Results, old: &Results) -> Against {
    let (ours, theirs) = (methods(new), methods(old));
    let without = |those: &[Method<'_>], others: &[Method<'_>]| {
        let missing = those.iter().filter(|method| !others.iter().any(|other| other.name == method.name));
        missing.map(|method| method.name.to_owned()).collect()
    };
    let changes = ours.iter().filter_map(|method| {
        let other = theirs.iter().find(|other| other.name == method.name)?;
        let of = |figure: &dyn Fn(&Row) -> Option<f64>, words: [&str; 2]| difference(method, other, figure, words);
        Some(Change {
            name: method.name.to_owned(),
            quality: of(&|row| Some(row.scores.quality()), ["higher", "lower"]),
            ratio: of(&|row| Some(single(row)?.ratio.value), ["slower", "faster"]),
        })
    });
    Against {
        model: new.model.clone(),
        caveats: caveats(new, old),
        changes: changes.collect(),
        only_new: without(&ours, &theirs),
        only_old: without(&theirs, &ours),
    }
}

impl Against {
    /// Writes `against.json`, `against.md` and `against.html` into a folder, each as a whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a file cannot be written, [`crate::Error::Invalid`] where the folder's name is empty.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = named(folder.as_ref(), "comparison of studies")?;
        file::write(&folder.join("against.json"), &self.json()?)?;
        file::write(&folder.join("against.md"), &self.to_string())?;
        file::write(&folder.join("against.html"), &self.html())
    }

    /// The comparison as JSON.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where it cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        super::json(self)
    }

    /// The comparison as a page that needs nothing else.
    pub fn html(&self) -> String {
        let mut body = html::header(&self.title(), NOTE);
        if !self.caveats.is_empty() {
            let items = self
                .caveats
                .iter()
                .map(|caveat| format!("<li class=\"warning\">{}</li>\n", escape::html_words(caveat)));
            body += &format!(
                "<section>\n<h2>{DIFFERS}</h2>\n<ul class=\"findings\">\n{}</ul>\n</section>\n",
                items.collect::<String>()
            );
        }
        self.sheet().iter().for_each(|sheet| body += &sheet.html());
        for (title, names) in self.lonely() {
            body += &format!("<p><strong>{title}</strong>: {}.</p>\n", escaped(&names.join(", ")));
        }
        html::page(&self.title(), &body)
    }

    fn title(&self) -> String {
        format!("Two studies of {}", self.model)
    }

    fn sheet(&self) -> Option<Sheet> {
        let cells = |change: &Change| {
            let mut cells = vec![change.name.clone()];
            for (difference, precision) in [(&change.quality, 4), (&change.ratio, 3)] {
                match difference {
                    Some(Difference { new, old, difference: Interval { value, low, high }, verdict }) => {
                        cells.extend([
                            format!("{:.precision$} ({:.precision$})", new.mean, old.mean),
                            if low < high {
                                format!("{value:+.precision$} [{low:+.precision$}, {high:+.precision$}]")
                            } else {
                                format!("{value:+.precision$}")
                            },
                            verdict.clone(),
                        ])
                    }
                    None => cells.extend(vec![absent(); 3]),
                }
            }
            cells
        };
        let head = words(&[
            "method",
            "quality (before)",
            "difference",
            "quality is",
            "ratio to late fusion (before)",
            "difference",
            "it is",
        ]);
        let rows = self.changes.iter().map(cells).collect();
        Sheet::new("changes", "Methods of both", String::new(), head, plain(rows))
    }

    /// The methods of one study alone.
    fn lonely(&self) -> impl Iterator<Item = (&'static str, &Vec<String>)> {
        let named = [("Only in the new study", &self.only_new), ("Only in the old study", &self.only_old)];
        named.into_iter().filter(|(_, names)| !names.is_empty())
    }
}

const DIFFERS: &str = "What else differs";

/// What holds for all rows.
const NOTE: &str = "The new study less the old one, with the interval of 95 % over seeds by Student's t. Of twenty methods that have \
                    not changed one is expected to differ by chance.";

impl fmt::Display for Against {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}\n\n{NOTE}", escape::markdown(&self.title()))?;
        if !self.caveats.is_empty() {
            writeln!(f, "\n## {DIFFERS}\n")?;
        }
        self.caveats.iter().try_for_each(|caveat| writeln!(f, "* {}", escape::markdown_words(caveat)))?;
        self.sheet().iter().try_for_each(|sheet| write!(f, "\n{}", sheet.markdown()))?;
        self.lonely().try_for_each(|(title, names)| writeln!(f, "\n{title}: {}.", escape::markdown(&names.join(", "))))
    }
}

/// What differs between two studies but their outcome, a sentence or two each.
fn caveats(new: &Results, old: &Results) -> Vec<String> {
    let mut caveats = Vec::new();
    if new.data != old.data {
        caveats.push(format!("The data differ, so qualities do not compare: `{}`, before `{}`.", new.data, old.data));
    }
    let samples =
        |results: &Results| results.seeds.iter().map(|seed| (seed.seed, seed.samples)).collect::<BTreeMap<_, _>>();
    let (ours, theirs) = (samples(new), samples(old));
    if ours.keys().ne(theirs.keys()) {
        let list = |samples: &BTreeMap<u64, _>| samples.keys().map(u64::to_string).collect::<Vec<_>>().join(", ");
        caveats.push(format!("The seeds differ: {}, before {}.", list(&ours), list(&theirs)));
    }
    if ours.iter().any(|(seed, samples)| theirs.get(seed).is_some_and(|other| other != samples)) {
        caveats.push("The numbers of samples differ for the same seed, so qualities are of different samples.".into());
    }
    if new.settings.quick != old.settings.quick {
        let which = if new.settings.quick { "new" } else { "old" };
        caveats.push(format!(
            "The {which} study was cut short, so neither its qualities nor what is chosen by them compare."
        ));
    }
    if new.settings.within != old.settings.within {
        caveats.push(format!(
            "Balances were chosen differently: {} of quality might be lost on validation samples, before {}.",
            new.settings.within, old.settings.within
        ));
    }
    if new.spec != old.spec {
        caveats.push(format!("The specs differ{}.", line(&new.spec, &old.spec)));
    }
    if new.version != old.version {
        caveats.push(format!("Version {} of m2sn, before {}.", new.version, old.version));
    }
    let differences = old.fingerprint.differences(&new.fingerprint);
    if !differences.is_empty() {
        let differences = differences.join("; ");
        caveats.push(format!(
            "The model or the device differs, so times, and ratios of them, do not compare ({differences}; here is the new study)."
        ));
    }
    caveats
}

/// The first line that differs between two texts.
fn line(new: &str, old: &str) -> String {
    let row = new.lines().zip(old.lines()).take_while(|(new, old)| new == old).count();
    let of = |text: &str| text.lines().nth(row).map_or("nothing".into(), |line| format!("`{}`", line.trim()));
    if new.lines().eq(old.lines()) {
        return String::new();
    }
    format!(", first in line {}: {}, before {}", row + 1, of(new), of(old))
}

/// `None` where the figure of one seed is missing or not finite.
fn difference(
    new: &Method<'_>,
    old: &Method<'_>,
    figure: &dyn Fn(&Row) -> Option<f64>,
    [above, below]: [&str; 2],
) -> Option<Difference> {
    let values = |method: &Method<'_>| {
        method.rows.iter().map(|(seed, row)| Some((*seed, figure(row)?))).collect::<Option<BTreeMap<u64, f64>>>()
    };
    let (ours, theirs) = (values(new)?, values(old)?);
    let spread = |values: &BTreeMap<u64, f64>| Spread::of(&values.values().copied().collect::<Vec<_>>());
    let (new, old) = (spread(&ours)?, spread(&theirs)?);
    let value = new.mean - old.mean;
    let half = if ours.keys().eq(theirs.keys()) {
        let differences: Vec<f64> = ours.values().zip(theirs.values()).map(|(ours, theirs)| ours - theirs).collect();
        half_width(&[(Spread::of(&differences)?.deviation, differences.len())])
    } else {
        half_width(&[(new.deviation, ours.len()), (old.deviation, theirs.len())])
    };
    let verdict = match half {
        _ if value == 0.0 => "the same".to_owned(),
        None => "not to be told from one seed".into(),
        Some(half) if value - half > 0.0 => above.into(),
        Some(half) if value + half < 0.0 => below.into(),
        Some(_) => "no difference shown".into(),
    };
    let half = half.unwrap_or(0.0);
    let difference = Interval { value, low: value - half, high: value + half };
    [difference.low, difference.high].iter().all(|end| end.is_finite()).then_some(Difference {
        new,
        old,
        difference,
        verdict,
    })
}

/// Half of the interval of 95 % of a difference, from deviations and the numbers of values behind them; `None` where a
/// deviation is that of a single value.
fn half_width(parts: &[(f64, usize)]) -> Option<f64> {
    if parts.iter().any(|(_, count)| *count < 2) {
        return None;
    }
    let variances = parts.iter().map(|(deviation, count)| (deviation * deviation / *count as f64, (count - 1) as f64));
    let variance: f64 = variances.clone().map(|(variance, _)| variance).sum();
    if variance <= 0.0 {
        return Some(0.0);
    }
    // Welch's degrees of freedom, which are those of the values where there is one part.
    let freedom = variance * variance / variances.map(|(variance, freedom)| variance * variance / freedom).sum::<f64>();
    Some(quantile(freedom) * variance.sqrt())
}

/// The 97.5th percentile of Student's t, by its degrees of freedom rounded down.
fn quantile(freedom: f64) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    // Rounding leaves four degrees at 3.9999.
    let place = (freedom + 1e-6).floor().clamp(1.0, 1e6) as usize - 1;
    // Beyond, it falls by less than a twentieth.
    QUANTILES.get(place).copied().unwrap_or(2.042)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_by_hand() {
        // Five differences of deviation 0.01: 2.776 · 0.01 / √5.
        assert!((half_width(&[(0.01, 5)]).unwrap() - 0.012_415).abs() < 1e-5);
        // Two equal parts of five: eight degrees, 2.306 · 0.01 · √(2 / 5).
        assert!((half_width(&[(0.01, 5), (0.01, 5)]).unwrap() - 0.014_584).abs() < 1e-5);
        assert_eq!(half_width(&[(0.0, 3)]), Some(0.0));
        assert_eq!(half_width(&[(0.0, 1)]), None);
    }
}
