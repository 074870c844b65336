//! The tables of a report.

use super::super::{Comparison, Kind, Lambda, Results, Row, Training};
use super::means::{self, Means};
use super::methods::{Method, heading, methods, single};
use super::sheet::{Group, Sheet};
use super::summary;
use crate::evaluation::statistics::{Interval, Spread};

/// All tables that there is something to say in.
pub(super) fn all(results: &Results) -> Vec<Sheet> {
    let methods = methods(results);
    let mut sheets: Vec<Sheet> =
        [scores(results, &methods), comparisons(results), training(results)].into_iter().flatten().collect();
    let mut batches = results.settings.batches.clone();
    batches.sort_unstable();
    batches.dedup();
    sheets.extend(batches.into_iter().filter_map(|batch| latencies(&methods, batch)));
    sheets.extend([difficulties(results), lambdas(results)].into_iter().flatten());
    sheets
}

/// Table III.
fn scores(results: &Results, methods: &[Method<'_>]) -> Option<Sheet> {
    let mut names: Vec<&str> = Vec::new();
    for (_, row) in methods.iter().flat_map(|method| &method.rows) {
        for (name, _) in row.scores.named() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let by = methods.iter().any(|method| !method.by().is_empty());
    let seeds = results.seeds.len();
    let partly = methods.iter().any(|method| method.rows.len() != seeds);
    let mut head = words(&["method"]);
    head.extend(names.iter().map(|name| name.to_string()));
    head.extend(words(&["ms", "ratio to late fusion", "multiply-adds, ratio", "regret", "gap closed, %"]));
    head.extend(partly.then(|| "seeds".to_owned()));
    head.extend(by.then(|| "at".to_owned()));
    let row = |method: &Method<'_>| {
        let mut cells = vec![method.name.to_owned()];
        cells.extend(names.iter().map(|name| {
            let score =
                |row: &Row| row.scores.named().into_iter().find(|(other, _)| other == name).map(|(_, score)| score);
            spread(method, 4, score)
        }));
        cells.push(spread(method, 3, |row| Some(single(row)?.milliseconds.value)));
        cells.push(spread(method, 3, |row| Some(single(row)?.ratio.value)));
        cells.push(spread(method, 3, |row| Some(row.work)));
        cells.push(spread(method, 4, |row| Some(row.regret)));
        cells.push(spread(method, 0, |row| Some(100.0 * row.closed)));
        cells.extend(partly.then(|| method.rows.len().to_string()));
        cells.extend(by.then(|| method.by()));
        cells
    };
    let over = match seeds {
        1 => "Of one seed, so how much training varies does not show".to_owned(),
        _ => format!("The mean over {seeds} seeds ± their standard deviation"),
    };
    let note = format!(
        "{over}; milliseconds are of one sample at a time, with every look and decision, by the processor where that can be \
         told. Regret is what the oracle, which knows the answers, is worth more at the price of the spec, and the gap is that between late fusion and the oracle."
    );
    Sheet::new("scores", "Scores and milliseconds (Table III)", note, head, by_kind(methods, row))
}

fn comparisons(results: &Results) -> Option<Sheet> {
    let row = |comparison: &&Comparison| {
        vec![comparison.name.clone(), interval(&comparison.points, 2, true), interval(&comparison.ratio, 3, false)]
    };
    let groups = summary::verdicts(&results.comparisons).into_iter().map(|(against, comparisons)| Group {
        heading: format!("Against {against}"),
        rows: comparisons.iter().map(row).collect(),
    });
    let head = words(&["method", "quality, points more", "time by time"]);
    let note = "In brackets the interval of 95 %, resampled over seeds and samples, paired.".to_owned();
    Sheet::new("comparisons", "Comparisons in numbers", note, head, groups.collect())
}

/// Table IV.
fn training(results: &Results) -> Option<Sheet> {
    let mut names: Vec<&str> = Vec::new();
    for training in results.seeds.iter().flat_map(|seed| &seed.training) {
        if !names.contains(&&training.method[..]) {
            names.push(&training.method);
        }
    }
    let rows = names.iter().map(|name| {
        let found: Vec<_> =
            results.seeds.iter().flat_map(|seed| &seed.training).filter(|of| of.method == *name).collect();
        let of = |precision, figure: &dyn Fn(&Training) -> Option<f64>| {
            said(found.iter().map(|training| figure(training)).collect::<Option<Vec<_>>>(), precision)
        };
        vec![
            name.to_string(),
            of(4, &|training| Some(training.quality)),
            of(3, &|training| Some(training.milliseconds)),
            of(1, &|training| Some(training.seconds)),
            of(0, &|training| training.memory),
            of(4, &|training| Some(training.parameters as f64 / 1e6)),
        ]
    });
    let head = words(&[
        "shortcuts trained",
        "quality",
        "inference, ms",
        "training, s",
        "peak memory, MiB",
        "parameters trained, M",
    ]);
    let note = "Quality and inference are those of the paper's M²SN with these shortcuts. Memory is the most that the stage took beyond what was held before.";
    Sheet::new("training", "Training the shortcuts (Table IV)", note.into(), head, plain(rows.collect()))
}

fn latencies(methods: &[Method<'_>], batch: usize) -> Option<Sheet> {
    let at = |row: &Row| row.latencies.iter().find(|latency| latency.batch == batch).copied();
    let timed: Vec<&Method<'_>> =
        methods.iter().filter(|method| method.rows.iter().any(|(_, row)| at(row).is_some())).collect();
    let row = |method: &Method<'_>| {
        vec![
            method.name.to_owned(),
            spread(method, 3, |row| Some(at(row)?.milliseconds.value)),
            spread(method, 3, |row| Some(at(row)?.ratio.value)),
            spread(method, 3, |row| Some(at(row)?.clock)),
            spread(method, 3, |row| Some(at(row)?.median)),
            spread(method, 3, |row| Some(at(row)?.p95)),
        ]
    };
    let head = words(&[
        "method",
        "ms a sample",
        "ratio to late fusion",
        "clock, ms a sample",
        "clock, median of a batch",
        "clock, 95th percentile",
    ]);
    let samples = if batch == 1 { "one sample at a time".to_owned() } else { format!("batches of {batch}") };
    let note = match batch {
        1 => {
            "Milliseconds of a sample and ratios are of the processor, in which other programs have no part, or of the clock \
             where several threads work or another device. Where the two drift apart the machine was busy."
        }
        _ => "",
    };
    Sheet::new(
        &format!("batch-{batch}"),
        &format!("Latency in milliseconds: {samples}"),
        note.into(),
        head,
        by_kind(timed, row),
    )
}

/// Figure 4 in figures.
fn difficulties(results: &Results) -> Option<Sheet> {
    let Means { columns, rows } = means::by_difficulty(results);
    let mut head = words(&["method"]);
    for (name, samples) in &columns {
        head.extend([format!("{name} ({samples:.0} samples): quality"), "share of time".to_owned()]);
    }
    let rows = rows.iter().map(|(name, cells)| {
        let figures = cells.iter().flat_map(|cell| match cell {
            Some((quality, share)) => [number(*quality, 4), number(*share, 3)],
            None => [absent(), absent()],
        });
        std::iter::once(name.to_string()).chain(figures).collect()
    });
    let note =
        format!("{} Times are shares of late fusion's, by the latency table.", means::difficulty_in_words(results));
    Sheet::new("difficulty-figures", "Samples by difficulty, in numbers", note, head, plain(rows.collect()))
}

/// Figure 5 in figures.
fn lambdas(results: &Results) -> Option<Sheet> {
    let rows = means::by_lambda(results).into_iter().map(|(ratio, found)| {
        let of = |precision, figure: &dyn Fn(&Lambda) -> f64| {
            said(Some(found.iter().map(|lambda| figure(lambda)).collect()), precision)
        };
        vec![
            format!("{ratio}"),
            of(4, &|lambda| lambda.quality),
            of(3, &|lambda| lambda.share),
            of(0, &|lambda| 100.0 * lambda.one_route),
        ]
    });
    let head = words(&["λ, latency to task loss", "quality", "share of late fusion's time", "most frequent route, %"]);
    let note = "The paper finds ratios from 0.05 to 1 useful. Times are by the latency table.".to_owned();
    Sheet::new("lambda-figures", "The paper's navigator by λ, in numbers", note, head, plain(rows.collect()))
}

/// Rows under the heading of their kind.
fn by_kind<'a: 'b, 'b>(
    methods: impl IntoIterator<Item = &'b Method<'a>>,
    row: impl Fn(&Method<'_>) -> Vec<String>,
) -> Vec<Group> {
    let mut groups: Vec<(Kind, Group)> = Vec::new();
    for method in methods {
        if groups.last().is_none_or(|(kind, _)| *kind != method.kind) {
            groups.push((method.kind, Group { heading: heading(method.kind).into(), rows: Vec::new() }));
        }
        if let Some((_, group)) = groups.last_mut() {
            group.rows.push(row(method));
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

pub(super) fn plain(rows: Vec<Vec<String>>) -> Vec<Group> {
    vec![Group { heading: String::new(), rows }]
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn spread(method: &Method<'_>, precision: usize, figure: impl Fn(&Row) -> Option<f64>) -> String {
    said(method.rows.iter().map(|(_, row)| figure(row)).collect(), precision)
}

/// A mean and a deviation; of one value that alone, and a dash of none.
fn said(values: Option<Vec<f64>>, precision: usize) -> String {
    let values = values.unwrap_or_default();
    match (Spread::of(&values), values.len()) {
        (None, _) => absent(),
        (Some(spread), 1) => number(spread.mean, precision),
        (Some(spread), _) => format!("{} ± {:.precision$}", number(spread.mean, precision), spread.deviation),
    }
}

/// A number; a dash for what is none, and no minus before a zero.
pub(super) fn number(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return absent();
    }
    let text = format!("{value:.precision$}");
    match text.strip_prefix('-') {
        Some(zero) if !zero.contains(|digit| matches!(digit, '1'..='9')) => zero.to_owned(),
        _ => text,
    }
}

fn interval(interval: &Interval, precision: usize, signed: bool) -> String {
    let Interval { value, low, high } = *interval;
    if ![value, low, high].iter().all(|end| end.is_finite()) {
        return absent();
    }
    let [value, low, high] = [value, low, high].map(|end| {
        let text = number(end, precision);
        if signed && !text.starts_with('-') { format!("+{text}") } else { text }
    });
    format!("{value} [{low}, {high}]")
}

pub(super) fn absent() -> String {
    "-".into()
}
