//! What a reader should know before believing a study.

use std::collections::BTreeMap;

use super::compare::{Answers, compare};
use super::results::{Comparison, Finding, Kind, Row, Settings, Weight};
use super::seed::Outcome;
use super::{AGAIN, FIXED, LATE_FUSION};
use crate::network::Network;
use crate::{Result, latency};

/// Every method against late fusion; those that decide by sample against the best fixed route; the learned policies against
/// everything that is not theirs.
pub(super) fn comparisons(outcomes: &[Outcome]) -> Vec<Comparison> {
    let Some(first) = outcomes.first() else { return Vec::new() };
    let noise = noise(outcomes);
    let rows = || first.seed.rows.iter();
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    pairs.extend(rows().filter(|row| row.name != LATE_FUSION).map(|row| (&row.name[..], LATE_FUSION)));
    pairs.extend(rows().filter(|row| decides(row)).map(|row| (&row.name[..], FIXED)));
    for learned in rows().filter(|row| row.kind == Kind::Learned) {
        let others = rows().filter(|row| decides(row) && row.kind != Kind::Learned);
        pairs.extend(others.map(|row| (&learned.name[..], &row.name[..])));
    }
    let answers = |name: &str| -> Option<Vec<&Answers>> {
        let of = |outcome: &Outcome| outcome.seed.rows.iter().position(|row| row.name == name);
        outcomes.iter().map(|outcome| outcome.answers.get(of(outcome)?)).collect()
    };
    let compared = pairs
        .into_iter()
        .filter_map(|(name, against)| compare(name, &answers(name)?, against, &answers(against)?, noise));
    compared.collect()
}

/// By what share the time of late fusion differed from itself, at most.
fn noise(outcomes: &[Outcome]) -> f64 {
    let again = outcomes.iter().flat_map(|outcome| outcome.seed.rows.iter().filter(|row| row.name == AGAIN));
    let off = again.filter_map(|row| row.latencies.first()).map(|latency| (latency.ratio.value - 1.0).abs());
    off.fold(0.0, f64::max)
}

/// Whether what a method computes depends on the sample.
fn decides(row: &Row) -> bool {
    matches!(row.kind, Kind::Paper | Kind::Learned | Kind::Rival)
}

/// What is known against the figures, the worst first.
///
/// # Errors
/// As [`latency::unpaid`].
pub(super) fn findings<N: Network>(
    outcomes: &[Outcome],
    comparisons: &[Comparison],
    settings: &Settings,
) -> Result<Vec<Finding>> {
    let mut findings = Findings::default();
    if settings.quick {
        let text = "Samples and epochs were cut short: this shows that all works, and not how well.";
        findings.once(Weight::Warning, text.into());
    }
    if outcomes.len() < 2 {
        let text = "There is one seed: how much training itself varies is not in the intervals.";
        findings.once(Weight::Warning, text.into());
    }
    for Outcome { seed, remarks, .. } in outcomes {
        let mut find = |weight, text: String| findings.of(seed.seed, weight, text);
        let late_fusion = seed.rows.iter().find(|row| row.name == LATE_FUSION);
        let full = late_fusion.and_then(|row| Some(&row.routes.first()?.0[..]));
        for row in &seed.rows {
            if let Some(route) = collapsed(row, full) {
                find(
                    Weight::Note,
                    format!("`{}` has collapsed: it sends nearly all samples by one route, {route}", row.name),
                );
            }
        }
        if let Some(share) = busiest(&seed.rows) {
            find(
                Weight::Warning,
                format!(
                    "other programs were in the way: the clock went up to {share:.1} times as fast as the processor's"
                ),
            );
        }
        seed.table.doubts().into_iter().for_each(|doubt| find(Weight::Warning, format!("the latency table: {doubt}")));
        if seed.samples[2] < FEW {
            find(Weight::Warning, format!("intervals of {} test samples are too narrow", seed.samples[2]));
        }
        for text in latency::unpaid::<N>(&seed.table)? {
            find(Weight::Note, format!("by the latency table, {text}"));
        }
        remarks.iter().for_each(|text| find(Weight::Note, text.clone()));
    }
    idle_savings(&outcomes.iter().map(|outcome| &outcome.seed.rows[..]).collect::<Vec<_>>())
        .into_iter()
        .chain(against_itself(outcomes))
        .for_each(|(weight, text)| findings.once(weight, text));
    let no_better: Vec<String> = comparisons
        .iter()
        .filter(|pair| pair.against == FIXED && pair.points.low <= 0.0 && pair.ratio.high >= 1.0)
        .map(|pair| format!("`{}`", pair.name))
        .collect();
    if !no_better.is_empty() {
        let text = format!(
            "Neither better nor faster than the {FIXED}, which decides nothing, as far as is shown: {}.",
            no_better.join(", ")
        );
        findings.once(Weight::Note, text);
    }
    Ok(findings.all(outcomes.len()))
}

/// Findings, and the seeds of which each holds.
#[derive(Debug, Default)]
struct Findings {
    once: Vec<Finding>,
    by_seed: BTreeMap<(Weight, String), Vec<u64>>,
}

impl Findings {
    fn once(&mut self, weight: Weight, text: String) {
        self.once.push(Finding { weight, text });
    }

    fn of(&mut self, seed: u64, weight: Weight, text: String) {
        self.by_seed.entry((weight, text)).or_default().push(seed);
    }

    fn all(self, seeds: usize) -> Vec<Finding> {
        let each = self.by_seed.into_iter().map(|((weight, text), of)| {
            let text = match (of.len() == seeds, &of[..]) {
                (true, _) => capitalised(&text),
                (_, [seed]) => format!("Seed {seed}: {text}"),
                (_, of) => format!("Seeds {}: {text}", of.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
            };
            Finding { weight, text: format!("{text}.") }
        });
        let mut all: Vec<Finding> = self.once.into_iter().chain(each).collect();
        all.sort_by_key(|finding| finding.weight);
        all
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Below so many samples, intervals by the percentile bootstrap are visibly too narrow.
const FEW: usize = 100;
/// The share of work that has to be left out before time has to follow.
const LEFT_OUT: f64 = 0.1;
/// The share of samples on one route from which on hardly anything is decided any more.
const ONE_ROUTE: f64 = 0.95;
/// The share of late fusion's work that has to be left out on its route before something was decided there.
const INSIDE: f64 = 0.01;
/// By how much a method may differ from itself before a reader is warned.
const SAME: f64 = 0.02;
/// The time on the clock by that of the processor from which on other programs were in the way.
const BUSY: f64 = 1.15;

/// Methods that leave out multiply-adds and save no time, by batch size, or of which it is not shown; means over seeds, whose
/// rows these are.
pub(super) fn idle_savings(seeds: &[&[Row]]) -> Vec<(Weight, String)> {
    let (mut idle, mut unsure) = (Vec::new(), Vec::new());
    for row in seeds.first().into_iter().flat_map(|rows| rows.iter()) {
        let all: Vec<&Row> = seeds.iter().filter_map(|rows| rows.iter().find(|other| other.name == row.name)).collect();
        let mean = |of: &dyn Fn(&Row) -> f64| all.iter().map(|row| of(row)).sum::<f64>() / all.len() as f64;
        if mean(&|row| row.work) > 1.0 - LEFT_OUT {
            continue;
        }
        let batches = |is_meant: &dyn Fn(usize) -> bool| {
            let places = (0..row.latencies.len()).filter(|place| is_meant(*place));
            places.map(|place| row.latencies[place].batch.to_string()).collect::<Vec<_>>().join(", ")
        };
        let ratio = |place: usize| mean(&|row| row.latencies.get(place).map_or(0.0, |latency| latency.ratio.value));
        let is_open = |place: usize| {
            all.iter().any(|row| row.latencies.get(place).is_some_and(|latency| latency.ratio.high >= 1.0))
        };
        for (list, batches) in [
            (&mut idle, batches(&|place| ratio(place) >= 1.0)),
            (&mut unsure, batches(&|place| ratio(place) < 1.0 && is_open(place))),
        ] {
            if !batches.is_empty() {
                list.push(format!("`{}` in batches of {batches}", row.name));
            }
        }
    }
    let mut found = Vec::new();
    if !idle.is_empty() {
        let text = format!(
            "Multiply-adds are left out, a tenth or more, and no time is saved: {}. Who computes what it says it leaves out is \
             wrong; else deciding, or batches that part, cost what is saved.",
            idle.join("; ")
        );
        found.push((Weight::Failure, text));
    }
    if !unsure.is_empty() {
        let text = format!(
            "Multiply-adds are left out, a tenth or more, and that this saves time is not shown with every seed: {}.",
            unsure.join("; ")
        );
        found.push((Weight::Warning, text));
    }
    found
}

/// The highest ratio of the clock to the processor, where it is high.
fn busiest(rows: &[Row]) -> Option<f64> {
    let alone = rows.iter().filter_map(|row| row.latencies.first());
    let shares = alone.map(|latency| latency.clock / latency.milliseconds.value);
    shares.filter(|share| *share > BUSY).max_by(f64::total_cmp)
}

/// Late fusion against itself, by batch size: the largest difference, where an interval excludes that there is none.
fn against_itself(outcomes: &[Outcome]) -> Option<(Weight, String)> {
    let mut off: BTreeMap<usize, f64> = BTreeMap::new();
    let again = outcomes.iter().flat_map(|outcome| outcome.seed.rows.iter().filter(|row| row.name == AGAIN));
    for latency in again.flat_map(|row| &row.latencies) {
        let ratio = latency.ratio;
        if ratio.low > 1.0 || ratio.high < 1.0 {
            let most = off.entry(latency.batch).or_default();
            *most = most.max((ratio.value - 1.0).abs());
        }
    }
    let most = off.values().copied().fold(0.0, f64::max);
    let batches = off.iter().map(|(batch, off)| format!("{:.1} % in batches of {batch}", 100.0 * off));
    let batches = batches.collect::<Vec<_>>().join(", ");
    (!off.is_empty()).then(|| {
        let weight = if most > SAME { Weight::Warning } else { Weight::Note };
        let text = format!(
            "Late fusion, timed as two methods, differs from itself by up to {batches}: no smaller difference is one."
        );
        (weight, text)
    })
}

/// The route by which a policy sends nearly all samples, where there is one. Who leaves out work on the full route decides
/// inside of it.
fn collapsed(row: &Row, full: Option<&[String]>) -> Option<String> {
    let (route, _) = row.routes.first().filter(|(_, share)| decides(row) && *share >= ONE_ROUTE)?;
    let decides_inside = full == Some(&route[..]) && row.work < 1.0 - INSIDE;
    (!decides_inside).then(|| route.join(", "))
}
