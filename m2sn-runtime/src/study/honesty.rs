//! What a reader should know before believing a study.

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
    let adaptive = |row: &&Row| matches!(row.kind, Kind::Paper | Kind::Learned | Kind::Rival);
    pairs.extend(rows().filter(adaptive).map(|row| (&row.name[..], FIXED)));
    for learned in rows().filter(|row| row.kind == Kind::Learned) {
        let others = rows().filter(adaptive).filter(|row| row.kind != Kind::Learned);
        pairs.extend(others.map(|row| (&learned.name[..], &row.name[..])));
    }
    let answers = |name: &str| -> Option<Vec<&Answers>> {
        let of = |outcome: &'_ Outcome| outcome.seed.rows.iter().position(|row| row.name == name);
        outcomes.iter().map(|outcome| outcome.answers.get(of(outcome)?)).collect()
    };
    let compared = pairs.into_iter().filter_map(|(name, against)| {
        compare(name, &answers(name)?, against, &answers(against)?, noise)
    });
    compared.collect()
}

/// By what share the time of late fusion differed from itself, at most.
fn noise(outcomes: &[Outcome]) -> f64 {
    let again = outcomes.iter().flat_map(|outcome| outcome.seed.rows.iter().filter(|row| row.name == AGAIN));
    let off = again.filter_map(|row| row.latencies.first()).map(|latency| (latency.ratio.value - 1.0).abs());
    off.fold(0.0, f64::max)
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
    let mut findings = Vec::new();
    let mut find = |weight, text: String| {
        if !findings.iter().any(|finding: &Finding| finding.text == text) {
            findings.push(Finding { weight, text });
        }
    };
    if settings.quick {
        find(Weight::Warning, "Samples and epochs were cut short: this shows that all works, and not how well.".into());
    }
    for Outcome { seed, left_out, .. } in outcomes {
        let place = format!("Seed {}", seed.seed);
        for row in &seed.rows {
            for text in idle_savings(row) {
                find(Weight::Failure, format!("{place}: {text}"));
            }
            busy(row).into_iter().for_each(|text| find(Weight::Warning, format!("{place}: {text}")));
            collapse(row).into_iter().for_each(|text| find(Weight::Note, format!("{place}: {text}")));
        }
        for text in against_itself(&seed.rows) {
            find(Weight::Warning, format!("{place}: {text}"));
        }
        for doubt in seed.table.doubts() {
            find(Weight::Warning, format!("{place}, latency table: {doubt}."));
        }
        for text in latency::unpaid::<N>(&seed.table)? {
            find(Weight::Note, format!("By the latency table, {text}."));
        }
        for text in left_out {
            find(Weight::Note, format!("Left out, {text}."));
        }
        if seed.samples[2] < FEW {
            let count = seed.samples[2];
            find(Weight::Warning, format!("{place}: {count} test samples are few, and intervals of so few too narrow."));
        }
    }
    if outcomes.len() < 2 {
        find(Weight::Warning, "One seed: how much training itself varies is not in the intervals.".into());
    }
    for Comparison { name, against, points, ratio, .. } in comparisons {
        let no_better = points.low <= 0.0 && ratio.high >= 1.0 && against == FIXED;
        if no_better {
            find(
                Weight::Note,
                format!("`{name}` is not shown to be better than the {FIXED}, which decides nothing."),
            );
        }
    }
    findings.sort_by_key(|finding| finding.weight);
    Ok(findings)
}

/// Below so many samples, intervals by the percentile bootstrap are visibly too narrow.
const FEW: usize = 100;
/// The share of work that has to be left out before time has to follow.
const LEFT_OUT: f64 = 0.1;
/// The share of samples on one route from which on nothing is decided any more.
const ONE_ROUTE: f64 = 0.95;
/// The time on the clock by that of the processor from which on other programs were in the way.
const BUSY: f64 = 1.15;

/// Multiply-adds that are left out and save no time: at each batch size where that is so.
fn idle_savings(row: &Row) -> Vec<String> {
    if row.work > 1.0 - LEFT_OUT {
        return Vec::new();
    }
    let idle = row.latencies.iter().filter(|latency| latency.ratio.high >= 1.0);
    let text = idle.map(|latency| {
        format!(
            "`{}` leaves out {:.0} % of the multiply-adds and saves no time in batches of {}: it takes {:.2} of late \
             fusion's. Either it computes what it says it leaves out, or deciding costs what it saves.",
            row.name,
            100.0 * (1.0 - row.work),
            latency.batch,
            latency.ratio
        )
    });
    text.collect()
}

/// A method whose measurement other programs were in the way of.
fn busy(row: &Row) -> Option<String> {
    let latency = row.latencies.first()?;
    let share = latency.milliseconds.value / latency.processor;
    (share > BUSY).then(|| {
        format!(
            "while `{}` was timed, the clock went {share:.2} times as fast as the processor's: other programs were in the way",
            row.name
        )
    })
}

/// Late fusion against itself, at each batch size where the interval excludes that it is the same.
fn against_itself(rows: &[Row]) -> Vec<String> {
    let again = rows.iter().find(|row| row.name == AGAIN);
    let off = again.into_iter().flat_map(|row| &row.latencies).filter(|latency| {
        let ratio = latency.ratio;
        ratio.low > 1.0 || ratio.high < 1.0
    });
    let text = off.map(|latency| {
        format!(
            "in batches of {} late fusion takes {:.3} of its own time; no smaller difference is one.",
            latency.batch, latency.ratio
        )
    });
    text.collect()
}

/// A policy that sends nearly all samples the same way.
fn collapse(row: &Row) -> Option<String> {
    let decides = matches!(row.kind, Kind::Paper | Kind::Learned | Kind::Rival);
    let (route, share) = row.routes.first().filter(|(_, share)| decides && *share >= ONE_ROUTE)?;
    Some(format!("`{}` has collapsed: it sends {:.0} % of the samples by one route, {}.", row.name, 100.0 * share, route.join(", ")))
}
