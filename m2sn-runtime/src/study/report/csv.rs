//! All rows in one flat table, for a spreadsheet or a data frame.

use super::super::{Kind, Latency, Results, Row};
use super::escape;

/// What each line has besides its scores, before and behind them.
const BEFORE: [&str; 7] = ["model", "data", "seed", "method", "kind", "at", "quality"];
const BEHIND: [&str; 22] = [
    "multiply_adds",
    "multiply_adds_ratio",
    "regret",
    "closed",
    "encoders_ms",
    "shortcuts_ms",
    "decisions_ms",
    "fusion_ms",
    "routing_ms",
    "batch",
    "ms",
    "ms_low",
    "ms_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "clock_ms",
    "clock_median_batch_ms",
    "clock_p95_batch_ms",
    "samples_train",
    "samples_valid",
    "samples_test",
];

/// One line a row, seed and batch size, under a head; a row that was not timed has one line.
pub(super) fn csv(results: &Results) -> String {
    let mut scores: Vec<&str> = Vec::new();
    for row in results.seeds.iter().flat_map(|seed| &seed.rows) {
        for (name, _) in row.scores.named() {
            if !scores.contains(&name) {
                scores.push(name);
            }
        }
    }
    let head = BEFORE.iter().chain(&scores).chain(&BEHIND).map(|name| escape::csv(name));
    let mut text = head.collect::<Vec<_>>().join(",") + "\n";
    for seed in &results.seeds {
        for row in &seed.rows {
            let timed = row.latencies.iter().map(Some);
            let untimed = row.latencies.is_empty().then_some(None);
            for latency in timed.chain(untimed) {
                let mut cells = vec![
                    escape::csv(&results.model),
                    escape::csv(&results.data),
                    seed.seed.to_string(),
                    escape::csv(&row.name),
                    kind(row.kind).into(),
                    escape::csv(&row.by),
                    number(row.scores.quality()),
                ];
                let named = row.scores.named();
                let score =
                    |name: &&str| named.iter().find(|(other, _)| other == name).map(|(_, score)| number(*score));
                cells.extend(scores.iter().map(|name| score(name).unwrap_or_default()));
                cells.extend(figures(row).map(number));
                cells.extend(times(latency));
                cells.extend(seed.samples.map(|samples| samples.to_string()));
                text += &(cells.join(",") + "\n");
            }
        }
    }
    text
}

fn figures(row: &Row) -> [f64; 9] {
    let parts = row.parts;
    [
        row.multiply_adds,
        row.work,
        row.regret,
        row.closed,
        parts.encoders,
        parts.shortcuts,
        parts.decisions,
        parts.fusion,
        parts.routing,
    ]
}

fn times(latency: Option<&Latency>) -> [String; 10] {
    let Some(Latency { batch, milliseconds, ratio, clock, median, p95 }) = latency else { return Default::default() };
    let [value, low, high] = [milliseconds.value, milliseconds.low, milliseconds.high].map(number);
    let [ratio, ratio_low, ratio_high] = [ratio.value, ratio.low, ratio.high].map(number);
    let [clock, median, p95] = [*clock, *median, *p95].map(number);
    [batch.to_string(), value, low, high, ratio, ratio_low, ratio_high, clock, median, p95]
}

/// All digits; nothing for what is no number.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// As results.json has it.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Alone => "alone",
        Kind::Static => "static",
        Kind::Paper => "paper",
        Kind::Learned => "learned",
        Kind::Rival => "rival",
    }
}
