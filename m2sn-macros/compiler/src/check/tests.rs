use std::collections::BTreeMap;

use insta::{assert_snapshot, glob, with_settings};

use super::check;
use crate::model::Model;
use crate::report::{Diagnostic, Severity};

/// Every fault of each spec in `faulty/`, as the user reads it.
#[test]
fn faulty_specs() {
    glob!("../../faulty", "*.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a spec");
        let name = path.file_name().expect("a file").to_string_lossy();
        let faults = check(&text, &format!("faulty/{name}"), None).expect_err("the spec is at fault");
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        let reports: Vec<_> = errors.map(|fault| format!("error: {}\n", fault.rendered)).collect();
        with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            assert_snapshot!("faulty", reports.join("\n"));
        });
    });
}

#[test]
fn the_struct_bears_the_name_of_the_model() {
    let reports = check(&small(""), "small.yaml", Some("Tiny")).unwrap_err();
    assert_snapshot!(rendered(&reports), @r"
    the spec is of `Small`, but the struct is `Tiny`
     --> small.yaml:1:8
      |
    1 | model: Small
      |        ^^^^^
      = help: write `model: Tiny`, or call the struct `Small`
    ");
}

#[test]
fn a_shortcut_that_saves_nothing_is_warned_of() {
    let checked = check(&small("    shortcuts: [first]\n"), "small.yaml", Some("Small")).expect("a sound spec");
    assert_snapshot!(rendered(&checked.warnings), @r"
    the shortcut after `first` takes 512 multiply-adds, the layers that it skips 128
     --> small.yaml:9:17
      |
    9 |     shortcuts: [first]
      |                 ^^^^^
      = help: leave it out, or place it after an earlier layer
    ");
}

#[test]
fn dropout_that_does_nothing_is_warned_of() {
    let text = small("").replace("{ vector: { size: 4 } }", "{ sequence: { length: 4, features: 4 } }");
    let text = text.replace("second: { linear: { size: 16 } }", "second: { gru: { hidden: 4, dropout: 0.5 } }");
    let checked = check(&text, "small.yaml", None).expect("a sound spec");
    assert_snapshot!(rendered(&checked.warnings), @r"
    dropout lies between the layers of a `gru`, and this one has a single layer
     --> small.yaml:8:46
      |
    8 |       - second: { gru: { hidden: 4, dropout: 0.5 } }
      |                                              ^^^
      = help: leave it out, or put `dropout` after the `gru`
    ");
}

/// What the compiler makes of each spec of the repository: costs, exits, and every default.
#[test]
fn sound_specs() {
    glob!("../../../../specs", "**/*.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a spec");
        let name = path.file_name().expect("a file").to_string_lossy();
        let checked = check(&text, &format!("specs/{name}"), None).expect("a sound spec");
        with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            assert_snapshot!("sound", summary(&checked.model, &checked.warnings));
        });
    });
}

/// What `tests/fixtures/paper.py` counts with torchvision and transformers.
#[test]
fn the_networks_of_the_paper_have_as_many_parameters_as_in_pytorch() {
    let counts: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(include_str!("../../../../tests/fixtures/paper.json")).expect("counts by model and part");
    let mut found = BTreeMap::new();
    glob!("../../../../specs/paper", "*.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a spec");
        let model = check(&text, "paper.yaml", None).expect("a sound spec").model;
        let encoders = model.modalities.iter().map(|modality| {
            let blocks = modality.exits.iter().map(|exit| exit.block.parameters);
            (modality.name.text.clone(), blocks.sum())
        });
        let head = ("head".to_owned(), model.head.cost.parameters);
        found.insert(model.name.text, encoders.chain([head]).collect());
    });
    assert_eq!(found, counts);
}

#[test]
fn the_resolved_spec_says_the_same() {
    glob!("../../../../specs", "**/*.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a spec");
        let model = check(&text, "a.yaml", None).expect("a sound spec").model;
        let again = check(&model.resolved, "b.yaml", None).expect("the resolved spec is sound").model;
        assert_eq!(model.resolved, again.resolved);
        assert_eq!(model.training, again.training);
        assert_eq!(architecture(&model), architecture(&again));
    });
}

#[test]
fn the_resolved_spec_reads_the_same_elsewhere() {
    let tail = "    shortcuts: [first]\n  no: { input: { vector: { size: 2 } }, encoder: [on: { linear: { size: 2 } }] }\n\
                training: { pretrain: { optimizer: { sgd: { lr: 1e-7 } } } }\ndescription: 'no'\n";
    let text = small(tail).replace("left:", "yes:");
    let model = check(&text, "small.yaml", None).expect("a sound spec").model;
    for written in ["description: \"no\"\n", "  \"yes\":\n", "  \"no\":\n", "    - \"on\":\n", "lr: 1.0e-7\n"] {
        assert!(model.resolved.contains(written), "{}", model.resolved);
    }
    let again = check(&model.resolved, "resolved.yaml", None).expect("the resolved spec is sound").model;
    assert_eq!(model.resolved, again.resolved);
    assert_eq!(again.description.as_deref(), Some("no"));
}

#[test]
fn anchors_and_merge_keys() {
    let text = "\
model: Merged
task: { regression: { targets: 2 } }
x-layers:
  small: &small { size: 8, activation: relu }
  large: &large { <<: *small, size: 16 }
modalities:
  left: &left
    input: { vector: { size: 4 } }
    encoder:
      - first: { linear: *large }
      - second: { linear: { <<: [*small, *large] } }
  right:
    <<: *left
    input: { vector: { size: 6 } }
";
    let model = check(text, "merged.yaml", None).expect("a sound spec").model;
    assert_eq!(
        architecture(&model),
        [
            "first: Vector<4> -> Vector<16>, linear relu",
            "second: Vector<16> -> Vector<8>, linear relu",
            "first: Vector<6> -> Vector<16>, linear relu",
            "second: Vector<16> -> Vector<8>, linear relu",
        ]
    );
    let names: Vec<_> = model.modalities.iter().map(|modality| (&*modality.name.text, modality.name.line)).collect();
    assert_eq!(names, [("left", 7), ("right", 12)]);
    let lines: Vec<_> = model.modalities[1].layers.iter().map(|layer| layer.name.line).collect();
    assert_eq!(lines, [10, 11], "what is merged stands where its anchor does");
}

#[test]
fn later_stages_take_over_what_they_do_not_say() {
    let tail =
        "training:\n  pretrain: { batch: 8, optimizer: { sgd: { lr: 0.1 } }, patience: 2 }\n  fusion: { batch: 4 }\n";
    let training = check(&small(tail), "small.yaml", None).expect("a sound spec").model.training;
    let batches = [&training.pretrain, &training.shortcuts.stage, &training.fusion, &training.navigator];
    assert_eq!(batches.map(|stage| stage.batch), [8, 8, 4, 8]);
    assert_eq!(batches.map(|stage| stage.epochs), [20, 5, 5, 10]);
    assert_eq!(batches.map(|stage| stage.patience), [Some(2), None, None, None]);
    assert!(batches.iter().all(|stage| stage.optimizer == training.pretrain.optimizer));
}

#[test]
fn joint_training_needs_no_pretraining() {
    let text = |method: &str| {
        small(&format!("training: {{ pretrain: {{ epochs: 0, batch: 8 }}, shortcuts: {{ method: {method} }} }}\n"))
    };
    let checked = check(&text("joint"), "small.yaml", None).expect("a sound spec");
    let training = &checked.model.training;
    assert_eq!((training.pretrain.epochs, training.shortcuts.stage.epochs, training.fusion.epochs), (0, 5, 5));
    assert_eq!(training.shortcuts.stage.batch, 8, "what `pretrain` says holds for the others all the same");
    let again = check(&checked.model.resolved, "resolved.yaml", None).expect("the resolved spec is sound").model;
    assert_eq!(*training, again.training);

    for method in ["integral", "peripheral"] {
        let faults = check(&text(method), "small.yaml", None).unwrap_err();
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, ["`epochs` is 0"], "{method}");
    }
    let later = text("joint").replace("method: joint", "method: joint, epochs: 0");
    assert!(check(&later, "small.yaml", None).is_err(), "the joint phase itself has to train");
}

#[test]
fn a_section_without_entries_is_one_that_is_left_out() {
    let whole = check(&small(""), "small.yaml", None).expect("a sound spec").model.resolved;
    for section in [
        "training:",
        "training:\n  pretrain:\n  shortcuts: # none\n  fusion: ~\n  navigator: null",
        "training: { pretrain: { optimizer: , schedule: }, shortcuts: { optimizer: { adamw: } } }",
        "navigator:",
        "navigator:\n  embed:\n  latency:\n  temperature:",
        "fusion:",
        "head:\n  # mlp: { hidden: [4] }",
        "    shortcuts:\n#     - first",
        "description:",
    ] {
        let model = check(&small(&format!("{section}\n")), "small.yaml", None);
        assert_eq!(model.map(|checked| checked.model.resolved), Ok(whole.clone()), "{section}");
    }
}

#[test]
fn a_section_without_entries_that_has_no_default_says_what_is_missing() {
    let spec = |encoder: &str| {
        let text = small("").replace("{ linear: { size: 8 } }", encoder);
        rendered(&check(&text, "small.yaml", None).unwrap_err())
    };
    assert_snapshot!(spec("{ linear: }"), @r"
    the key `size` is missing
     --> small.yaml:7:18
      |
    7 |       - first: { linear: }
      |                  ^^^^^^
      = help: add `size: 32`, for example
    ");
    assert_snapshot!(spec("{ mlp: { hidden: , size: 8 } }"), @r"
    `hidden` is empty: an `mlp` has at least one hidden layer
     --> small.yaml:7:25
      |
    7 |       - first: { mlp: { hidden: , size: 8 } }
      |                         ^^^^^^
      = help: write `linear` instead, or a width such as `hidden: [64]`
    ");
    let text = small("").replace("{ classification: { classes: 3 } }", "").replace("    encoder:\n", "    encoder:\n#");
    assert_snapshot!(rendered(&check(&text, "small.yaml", None).unwrap_err()), @r"
    expected a choice of task, found nothing
     --> small.yaml:2:1
      |
    2 | task:
      | ^^^^
      = help: the choices of task are: `classification`, `multilabel`, `regression`; write `task: { classification: { classes: 10 } }`, for example
    ");
    let text = "model: A\ntask: { classification: { classes: 3 } }\nmodalities:\n";
    assert_snapshot!(rendered(&check(text, "a.yaml", None).unwrap_err()), @r"
    the network has no modality, and so nothing to fuse
     --> a.yaml:3:1
      |
    3 | modalities:
      | ^^^^^^^^^^
      = help: add a modality
    ");
}

#[test]
fn values_are_quoted_as_they_are_written() {
    for written in [
        "64.0",
        "6.4e1",
        "-0x1F",
        "-3",
        "1e3",
        ".5",
        "True",
        ".inf",
        "340282366920938463463374607431768211456",
        "'64'",
        "017",
    ] {
        let text = small("").replace("size: 8", &format!("size: {written}"));
        let fault = check(&text, "small.yaml", None).unwrap_err().remove(0);
        let quoted = written.trim_matches('\'');
        let found = fault.message.split("found ").nth(1);
        assert!(found.is_some_and(|found| found.ends_with(&format!("`{quoted}`"))), "{}", fault.rendered);
    }
}

#[test]
fn what_is_quoted_is_short_and_faults_are_few() {
    let long = "9".repeat(500_000);
    let name = "n".repeat(500_000);
    for text in [
        small("").replace("size: 8", &format!("size: {long}")),
        small("").replace("size: 8", &format!("? {name}\n              : 8")),
        small("").replace("first", &format!("? {name}\n        ")),
        small("").replace("Small", &name),
        small("").replace("classification", &format!("? {name}\n    ")),
        small(&format!("    shortcuts: ['{name}']\n")),
        small(&format!("description: *{name}\n")),
        small(&format!("description: !{name} a\n")),
    ] {
        let faults = check(&text, "small.yaml", None).unwrap_err();
        assert!(faults.iter().all(|fault| fault.rendered.len() < 2500), "{}", faults[0].rendered.len());
    }
    let points: Vec<_> = (0..120).map(|number| format!("none{number}")).collect();
    let faults = check(&small(&format!("    shortcuts: [{}]\n", points.join(", "))), "small.yaml", None).unwrap_err();
    assert_eq!(faults.len(), 51);
    assert_eq!((faults[50].line, &*faults[50].message), (9, "and 70 more from here on"));
}

#[test]
fn encoders_are_as_deep_as_anyone_writes_them() {
    let model = check(&deep(300, true), "deep.yaml", None).expect("a sound spec").model;
    assert_eq!(model.modalities[0].exits.len(), 301);
    let reports = check(&deep(4096, false), "deep.yaml", None).unwrap_err();
    assert!(reports[0].rendered.starts_with("an encoder of more than 4096 layers\n"), "{reports:?}");
}

#[test]
fn modalities_are_as_many_as_the_runtime_fuses() {
    let more = |count| (1..count).map(|number| format!("  copy{number}: *left\n")).collect::<String>();
    let spec = |count| small(&more(count)).replace("left:", "left: &left");
    assert_eq!(check(&spec(12), "many.yaml", None).expect("a sound spec").model.modalities.len(), 12);
    assert_snapshot!(rendered(&check(&spec(13), "many.yaml", None).unwrap_err()), @r"
    a network of 13 modalities
     --> many.yaml:3:1
      |
    3 | modalities:
      | ^^^^^^^^^^
      = help: write at most 12
    ");
}

#[test]
fn to_take_no_part_is_one_more_way() {
    for (navigator, message) in [
        ("policy: sequential", "1056 routes are more than a learned policy weighs against each other"),
        ("from: stem", "1056 routes are more than the stem is read for"),
        ("from: posterior", "1056 routes are more than the posterior is read for"),
    ] {
        let spec = |right: &str| {
            let left = deep(31, true).replace("left:", "left: &left");
            format!("{left}  right: {right}\nnavigator: {{ {navigator} }}\n")
        };
        let model = check(&spec("*left"), "ways.yaml", None).expect("a sound spec").model;
        assert_eq!(model.modalities.iter().map(|modality| modality.exits.len()).product::<usize>(), 1024);
        let faults = check(&spec("{ <<: *left, missing: 0 }"), "ways.yaml", None).map(drop).unwrap_err();
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        let messages: Vec<_> = errors.map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages, [message]);
    }
}

fn small(tail: &str) -> String {
    let text = "\
model: Small
task: { classification: { classes: 3 } }
modalities:
  left:
    input: { vector: { size: 4 } }
    encoder:
      - first: { linear: { size: 8 } }
      - second: { linear: { size: 16 } }
";
    format!("{text}{tail}")
}

/// A deep encoder, with a shortcut after each of its layers where `shortcuts` says so.
fn deep(layers: usize, shortcuts: bool) -> String {
    let mut text = small("");
    for layer in 0..layers {
        text += &format!("      - layer{layer}: {{ linear: {{ size: 16, activation: relu }} }}\n");
    }
    text += "      - last: { linear: { size: 16 } }\n";
    if shortcuts {
        let names: Vec<_> = (0..layers).map(|layer| format!("layer{layer}")).collect();
        text += &format!("    shortcuts: [{}]\n", names.join(", "));
    }
    text
}

fn architecture(model: &Model) -> Vec<String> {
    model.modalities.iter().flat_map(|modality| &modality.layers).map(|layer| layer.describe()).collect()
}

fn summary(model: &Model, warnings: &[Diagnostic]) -> String {
    let mut summary = String::new();
    let mut layers = |title: &str, layers: &[crate::model::Layer]| {
        summary += &format!("{title}\n");
        for layer in layers {
            summary += &format!("    {}\n        {:?}\n", layer.describe(), layer.cost);
        }
    };
    for (modality, embedding) in model.modalities.iter().zip(&model.navigator.embeddings) {
        layers(&modality.name.text, &modality.layers);
        layers("  task head", std::slice::from_ref(&modality.task_head));
        layers("  embedding", embedding);
    }
    layers("head", std::slice::from_ref(&model.head));
    layers("navigator", std::slice::from_ref(&model.navigator.decision));
    for modality in &model.modalities {
        for exit in &modality.exits {
            summary += &format!("{} {}: block {:?}\n", modality.name.text, exit.name.text, exit.block);
            if let Some(shortcut) = &exit.shortcut {
                summary += &format!("    {:?}\n    {:?}\n", shortcut.alignment, shortcut.cost);
            }
        }
    }
    for warning in warnings {
        summary += &format!("\nwarning: {}\n", warning.rendered);
    }
    summary + "\n" + &model.resolved
}

fn rendered(faults: &[Diagnostic]) -> String {
    faults.iter().map(|fault| fault.rendered.as_str()).collect::<Vec<_>>().join("\n")
}
