//! What was studied, on what, and where, in words.

use super::super::{Comparison, Finding, Results, Weight};

/// The title of everything that is written.
pub(super) fn title(results: &Results) -> String {
    format!("What adaptive computation buys {}", results.model)
}

/// What the samples are, how many seeds there are, and on what device.
pub(super) fn introduction(results: &Results) -> String {
    let seeds = results.seeds.len();
    let fingerprint = &results.fingerprint;
    let device = if fingerprint.device == "cpu" { String::new() } else { format!("{}, ", fingerprint.device) };
    format!(
        "{}. {seeds} seed{}; {}. {device}{}, {} thread{}.",
        results.data.trim_end_matches('.'),
        if seeds == 1 { "" } else { "s" },
        samples(results),
        fingerprint.processor,
        fingerprint.threads,
        if fingerprint.threads == 1 { "" } else { "s" },
    )
}

/// Findings, the worst first.
pub(super) fn findings(results: &Results) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = results.findings.iter().collect();
    findings.sort_by_key(|finding| finding.weight);
    findings
}

/// Comparisons by what is compared with, in their order.
pub(super) fn verdicts(comparisons: &[Comparison]) -> Vec<(&str, Vec<&Comparison>)> {
    let mut groups: Vec<(&str, Vec<&Comparison>)> = Vec::new();
    for comparison in comparisons {
        match groups.iter_mut().find(|(against, _)| *against == comparison.against) {
            Some((_, group)) => group.push(comparison),
            None => groups.push((&comparison.against, vec![comparison])),
        }
    }
    groups
}

/// A word for a weight.
pub(super) fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Failure => "Failure",
        Weight::Warning => "Warning",
        Weight::Note => "Note",
    }
}

/// Names and values of how all was made.
pub(super) fn setup(results: &Results) -> Vec<(&'static str, String)> {
    let list = |values: Vec<String>| values.join(", ");
    let settings = &results.settings;
    let fingerprint = &results.fingerprint;
    let engines = if fingerprint.engines.is_empty() { "the network".into() } else { list(fingerprint.engines.clone()) };
    let mut setup = vec![
        ("Model", results.model.clone()),
        ("Data", results.data.clone()),
        ("Samples", samples(results)),
        ("Seeds", list(results.seeds.iter().map(|seed| seed.seed.to_string()).collect())),
        ("Quality that may be lost", format!("{} on validation samples, against late fusion", settings.within)),
        ("Batch sizes", list(settings.batches.iter().map(usize::to_string).collect())),
        ("λ as ratios", list(settings.ratios.iter().map(f64::to_string).collect())),
        ("Version", format!("m2sn {}, LibTorch {}", results.version, fingerprint.libtorch)),
        ("Device", fingerprint.device.clone()),
        ("Processor", format!("{}, {} threads used", fingerprint.processor, fingerprint.threads)),
        ("System", fingerprint.system.clone()),
        ("Run by", engines),
    ];
    if settings.quick {
        setup.push(("Cut short", "samples and epochs".into()));
    }
    setup.retain(|(_, value)| !value.is_empty());
    setup
}

fn samples(results: &Results) -> String {
    let Some(first) = results.seeds.first() else { return "no samples".into() };
    let [train, valid, test] = first.samples;
    let others = if results.seeds.iter().all(|seed| seed.samples == first.samples) { "" } else { " (seeds differ)" };
    format!("{train} training, {valid} validation and {test} test samples{others}")
}
