//! No text takes long, whatever it holds, and time grows with the text, not with its square.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::check;
use crate::report::Diagnostic;

/// Far above what any text takes, also without optimization and on a busy machine, and far below what a square makes
/// of it.
const BOUND: Duration = Duration::from_secs(5);

/// A spec of modalities with `layers` layers each, every other of them with a shortcut where `shortcuts` says so.
fn deep(modalities: usize, layers: usize, shortcuts: bool) -> String {
    let mut text = "model: Deep\ntask: { classification: { classes: 3 } }\nmodalities:\n".to_owned();
    for modality in 0..modalities {
        let _ = write!(text, "  modality{modality}:\n    input: {{ vector: {{ size: 4 }} }}\n    encoder:\n");
        for layer in 0..layers {
            let _ = writeln!(text, "      - layer{layer}: {{ linear: {{ size: 16, activation: relu }} }}");
        }
        if shortcuts {
            let names: Vec<_> = (0..layers - 1).step_by(2).map(|layer| format!("layer{layer}")).collect();
            let _ = writeln!(text, "    shortcuts: [{}]", names.join(", "));
        }
    }
    text
}

/// A spec with a layer again and again.
fn repeated(layer: &str, times: usize) -> String {
    format!("{}      - a: {{ repeat: {{ times: {times}, layer: {layer} }} }}\n", deep(1, 0, false))
}

/// How long a check takes, and what it answers.
fn timed(text: &str) -> (Duration, Result<(), Vec<Diagnostic>>) {
    let start = Instant::now();
    let answer = check(text, "a.yaml", None).map(drop);
    (start.elapsed(), answer)
}

#[test]
fn time_is_linear_in_the_layers() {
    let time = |layers| {
        let text = deep(4, layers, true);
        (0..3).map(|_| timed(&text).0).min().expect("three runs")
    };
    let (few, many) = (time(125), time(1000));
    assert!(many < BOUND, "1,000 layers a modality take {many:?}");
    assert!(many < 24 * few, "eight times the layers take {few:?} to {many:?}");
}

/// Texts on which something may be done once a value for each value: as large as a file can be, or nearly so.
#[test]
fn no_text_takes_long() {
    let faulty = |count: usize| {
        (0..count).fold("modalities:\n".to_owned(), |text, number| {
            text + &format!(
                "  m{number}: {{ input: {{ vector: {{ size: 4 }} }}, encoder: [{{ a: {{ linear: 1.5 }} }}] }}\n"
            )
        })
    };
    let head = "model: Faulty\ntask: { classification: { classes: 4 } }\n";
    let texts = [
        ("100 modalities", deep(100, 1, false)),
        ("100 faulty modalities", head.to_owned() + &faulty(100)),
        ("20,000 brackets", format!("a: {}", "[".repeat(20_000))),
        ("20,000 braces", format!("a: {}", "{a: ".repeat(20_000))),
        ("20,000 dashes", format!("a:\n  {}", "- ".repeat(20_000))),
        ("20,000 questions", "? ".repeat(20_000)),
        ("1,400 levels of indentation", (0..1400).map(|level| format!("{}a:\n", " ".repeat(level))).collect()),
        ("a comment", format!("# {}\n{}", "x".repeat(1_000_000), deep(1, 1, false))),
        ("a text", format!("model: {}\n", "x".repeat(1_000_000))),
        ("a key", format!("{}: 1\n", "x".repeat(1_000_000))),
        ("one line", format!("a: [{}]", "1, ".repeat(300_000))),
        ("one key again and again", "a: 1\n".repeat(200_000)),
        ("other anchors", (0..80_000).map(|number| format!("- &a{number} 1\n- *b{number}\n")).collect()),
        ("anchors", "- &a 1\n".repeat(100_000)),
        ("unknown anchors", "- *a\n".repeat(100_000)),
        ("unknown anchors among many", "- &a 1\n- *b\n".repeat(50_000)),
        ("tags", "- !a 1\n".repeat(100_000)),
        ("merges", format!("a: &a {{ b: 1 }}\nc: [{}]", "{ <<: *a, d: 2 }, ".repeat(20_000))),
        ("repeated layers", repeated("{ linear: { size: 4 } }", 4095) + "      - b: { linear: { size: 4 } }\n"),
        ("repeated faults", repeated("{ mlp: { hidden: [0], size: 0, dropout: 2, activation: none } }", 2000)),
        ("repeated networks", repeated("{ resnet: { depth: 152 } }", 500)),
        (
            "repetitions of repetitions",
            (0..25).fold(deep(1, 1, false), |text, number| {
                text + &format!("      - a{number}: {{ repeat: {{ times: 4096, layer: {{ repeat: {{ times: 4096, layer: {{ dropout: 0.1 }} }} }} }} }}\n")
            }),
        ),
        (
            "names of weights",
            repeated("{ linear: { size: 4 } }", 4000)
                + &format!("    weights: {{ file: a, names: torchvision, freeze: [{}] }}\n", "a.b, ".repeat(30_000)),
        ),
        (
            "a name of weights",
            repeated("{ linear: { size: 4 } }", 1)
                + &format!("    weights: {{ file: a, names: torchvision, freeze: [{}] }}\n", "b.".repeat(400_000)),
        ),
        ("control characters", format!("a: {}", "\u{1}".repeat(500_000))),
    ];
    for (name, text) in texts {
        let (time, answer) = timed(&text);
        assert!(time < BOUND, "{name}: {time:?}");
        assert!(answer.is_err() || ["a comment", "repeated layers"].contains(&name), "{name}");
    }
}

/// Run it by `cargo test -p m2sn-compiler print_times -- --ignored --nocapture`.
#[test]
#[ignore = "prints times"]
fn print_times() {
    for shortcuts in [false, true] {
        for layers in [20, 100, 400, 1000] {
            let text = deep(4, layers, shortcuts);
            let (time, answer) = timed(&text);
            println!("4 x {layers:4} layers, {:7} bytes, shortcuts {shortcuts:5}: {time:8.1?}", text.len());
            assert_eq!(answer, Ok(()));
        }
    }
}
