//! The results of a study that never ran, small enough to be read.

use super::super::{
    Comparison, Difficulty, Finding, Kind, Lambda, Latency, Parts, Results, Row, Seed, Settings, Training, Weight,
};
use crate::evaluation::statistics::Interval;
use crate::evaluation::{Curve, Point, Scores, Shares};
use crate::latency::Fingerprint;

/// Two seeds, seven methods, of which the last is in one seed only.
pub(super) fn results() -> Results {
    Results {
        model: "Tiny".into(),
        data: "digits by hand".into(),
        spec: "name: Tiny\nnavigator:\n  policy: sequential\n".into(),
        version: "0.1.0".into(),
        fingerprint: Fingerprint {
            model: "Tiny".into(),
            device: "cpu".into(),
            processor: "Some processor".into(),
            threads: 2,
            system: "linux x86_64".into(),
            libtorch: "2.11.0".into(),
            ..Default::default()
        },
        settings: Settings {
            seeds: vec![0, 1],
            within: 0.005,
            batches: vec![1, 8],
            ratios: vec![0.0, 0.2, 2.0],
            quick: false,
        },
        seeds: vec![seed(0, 0.0), seed(1, 0.002)],
        comparisons: vec![Comparison {
            name: "sequential".into(),
            against: "late fusion".into(),
            points: interval(0.4, 0.3),
            ratio: interval(0.42, 0.02),
            verdict: "Better by 0.4 points in 42 % of the time.".into(),
        }],
        findings: vec![
            Finding { weight: Weight::Note, text: "M²SN takes two routes.".into() },
            Finding { weight: Weight::Warning, text: "The machine was busy.".into() },
        ],
    }
}

/// One seed, whose qualities are by so much higher.
fn seed(seed: u64, more: f64) -> Seed {
    let mut rows = vec![
        row("image", Kind::Alone, "", 0.81 + more, 0.4),
        row("late fusion", Kind::Static, "", 0.96 + more, 1.0),
        row("best fixed route", Kind::Static, "image: stem, audio: full", 0.94 + more, 0.6),
        row("M²SN", Kind::Paper, "", 0.95 + more, 0.65),
        row("sequential", Kind::Learned, "price 0.1", 0.964 + more, 0.42),
        row("confidence exits", Kind::Rival, &format!("threshold 0.{seed}"), 0.955, 0.58 + more),
    ];
    if seed == 0 {
        rows.push(row("SkipNet-style", Kind::Rival, "", 0.93, 1.12));
    }
    let point = |share: f64, quality: f64, by: &str| Point { share, quality: quality + more, by: by.into() };
    let curve = |name: &str, points: Vec<Point>| Curve { name: name.into(), points };
    let difficulty = |name: &str, less: f64| Difficulty {
        name: name.into(),
        samples: 50,
        methods: vec![("M²SN".into(), 0.99 - less, 0.5 + less), ("sequential".into(), 0.995 - less, 0.3 + less)],
    };
    let training = |method: &str, seconds: f64, parameters| Training {
        method: method.into(),
        seconds,
        memory: (method == "integral").then_some(812.0),
        parameters,
        quality: 0.95 + more,
        milliseconds: 2.6,
    };
    let lambda = |ratio: f64, quality: f64, share: f64| Lambda {
        ratio,
        lambda: ratio / 4.0,
        quality: quality + more,
        share,
        one_route: 0.5 + share / 4.0,
    };
    Seed {
        seed,
        samples: [300, 100, 150],
        table: Default::default(),
        rows,
        curves: vec![
            curve("best fixed route", vec![point(0.3, 0.9, "a"), point(0.6, 0.94, "b"), point(1.0, 0.96, "c")]),
            curve("sequential", vec![point(0.25, 0.93, "1"), point(0.42, 0.964, "0.1"), point(0.9, 0.967, "0.01")]),
            curve("oracle", vec![point(0.2, 0.999, "knows the answers")]),
        ],
        training: vec![training("integral", 40.5, 120_000), training("peripheral", 9.25, 20_000)],
        lambdas: vec![lambda(0.0, 0.962, 0.8), lambda(0.2, 0.958, 0.6), lambda(2.0, 0.91, 0.35)],
        difficulties: vec![difficulty("easy", 0.0), difficulty("medium", 0.05), difficulty("hard", 0.3)],
    }
}

/// A row of made-up figures that follow from its quality and its ratio.
pub(super) fn row(name: &str, kind: Kind, by: &str, accuracy: f64, ratio: f64) -> Row {
    let latency = |batch: usize| Latency {
        batch,
        milliseconds: interval(4.0 * ratio, 0.05),
        clock: 4.1 * ratio,
        median: 3.9 * ratio * batch as f64,
        p95: 4.4 * ratio * batch as f64,
        ratio: interval(ratio, 0.01),
    };
    let shares = |modality: &str, exits: [f64; 2]| Shares {
        modality: modality.into(),
        exits: vec![("stem".into(), exits[0]), ("full".into(), exits[1])],
    };
    let route = |exits: [&str; 2], share: f64| (exits.map(String::from).to_vec(), share);
    let decides = !matches!(kind, Kind::Alone | Kind::Static);
    Row {
        name: name.into(),
        kind,
        by: by.into(),
        scores: Scores::Classification { accuracy, weighted_f1: accuracy - 0.001, macro_f1: accuracy - 0.002 },
        latencies: vec![latency(1), latency(8)],
        multiply_adds: 1e6 * ratio,
        work: ratio * 0.9,
        parts: Parts {
            encoders: 3.0 * ratio,
            shortcuts: if decides { 0.4 * ratio } else { 0.0 },
            decisions: if decides { 0.2 } else { 0.0 },
            fusion: 0.3,
            routing: 0.1,
        },
        exits: vec![shares("image", [0.75, 0.25]), shares("audio", [0.5, 0.5])],
        routes: if decides {
            vec![route(["stem", "stem"], 0.5), route(["stem", "full"], 0.25), route(["full", "full"], 0.25)]
        } else {
            vec![route(["full", "full"], 1.0)]
        },
        regret: 1.0 - accuracy,
        closed: (accuracy - 0.96) * 20.0,
    }
}

pub(super) fn interval(value: f64, width: f64) -> Interval {
    Interval { value, low: value - width, high: value + width }
}
