//! The JSON Schema of the spec, by which editors complete and explain, and what follows from it: every setting has an
//! example, and whoever writes a value of the wrong form is shown it.

use std::collections::BTreeSet;
use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Spec;
use super::example::{EXAMPLES, example};
use crate::document::Document;
use crate::report::Errors;

/// Compares the schema, here and beside the specs, with the types; `M2SN_BLESS=1` writes it anew.
#[test]
fn the_schema_is_current() {
    // As a schema, not as any value, it is written in the customary order.
    let schema = schemars::Schema::try_from(schema().0).expect("a schema");
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    for place in ["src", "../../specs"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join("m2sn.schema.json");
        if std::env::var_os("M2SN_BLESS").is_some() {
            std::fs::write(&file, &text).expect("the schema can be written");
        }
        let current = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(current == text, "{} is out of date: run this test with M2SN_BLESS=1", file.display());
    }
}

#[test]
fn every_setting_has_an_example_and_every_example_a_setting() {
    let (_, settings) = schema();
    let missing: Vec<_> = settings.iter().filter(|(of, key)| example(of, key).is_none()).collect();
    assert!(missing.is_empty(), "without an example: {missing:?}");
    for (of, examples) in EXAMPLES {
        for (key, _) in examples.iter().filter(|(key, _)| !key.is_empty()) {
            assert!(settings.contains(&((*of).to_owned(), (*key).to_owned())), "no such setting: {of}, {key}");
        }
    }
}

#[test]
fn every_example_parses_where_it_belongs() {
    let places = places();
    assert!(places.len() > 150, "the walk found {} places only", places.len());
    for Place { spec, steps, .. } in places {
        assert_eq!(refusal(&spec), None, "{steps:?}");
    }
}

#[test]
fn values_of_the_wrong_form_are_shown_the_right_one() {
    let wrong = [
        json!({ "wrong": 0.5 }),
        json!({ "wrong": 1, "form": 2 }),
        json!({}),
        json!(["wrong"]),
        json!([["wrong"], { "wrong": 1 }]),
        json!([]),
        json!("wrong"),
        json!(true),
        json!(-1.5),
        json!(3),
        Value::Null,
    ];
    let mut shown = 0;
    for Place { spec, steps, .. } in places() {
        for wrong in &wrong {
            let mut faulty = spec.clone();
            set(&mut faulty, &steps, wrong.clone());
            let Some(report) = refusal(&faulty) else { continue };
            let help = report.split(" = help: ").nth(1).unwrap_or_else(|| panic!("no help: {report}"));
            if written(help).is_none() {
                assert!(report.starts_with("unknown ") || report.contains("only one"), "no example: {report}");
                continue;
            }
            assert!(heeded(&faulty, &steps), "the example does not parse: {report}");
            shown += 1;
        }
    }
    assert!(shown > 800, "{shown} examples only");
}

/// Whoever comments all lines of a section out is not told otherwise by an editor than by the compiler.
#[test]
fn what_the_schema_lets_be_nothing_may_be_nothing() {
    let nullable = |schema: &Value| {
        let types = schema["type"].as_array().into_iter().flatten();
        let choices = schema["anyOf"].as_array().into_iter().flatten().map(|choice| &choice["type"]);
        types.chain(choices).any(|of| of == "null")
    };
    let mut sections = Vec::new();
    for Place { mut spec, steps, schema } in places() {
        set(&mut spec, &steps, Value::Null);
        if nullable(&schema) {
            assert_eq!(refusal(&spec), None, "{steps:?}");
            sections.extend(steps.last().map(|step| format!("{step:?}")));
        }
    }
    for section in ["training", "pretrain", "navigator", "latency", "embed", "head", "shortcuts", "norm"] {
        assert!(sections.contains(&format!("Key({section:?})")), "{section}");
    }
}

/// The schema with the examples, and all its settings by type and key.
fn schema() -> (Value, BTreeSet<(String, String)>) {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Spec>();
    schema.insert("title".into(), "m2sn spec".into());
    let (mut schema, mut settings) = (schema.to_value(), BTreeSet::new());
    let mut definitions = std::mem::take(&mut schema["definitions"]);
    let sections = sections(&definitions);
    for (name, definition) in definitions.as_object_mut().expect("definitions") {
        illustrate(definition, name, &sections, &mut settings);
    }
    illustrate(&mut schema, "Spec", &sections, &mut settings);
    schema["definitions"] = definitions;
    (schema, settings)
}

/// The definitions that are written as mappings, by the references to them.
fn sections(definitions: &Value) -> BTreeSet<String> {
    let is_mapping = |schema: &Value| schema["type"] == "object";
    let definitions = definitions.as_object().expect("definitions").iter();
    definitions
        .filter(|(_, schema)| {
            is_mapping(schema) || schema["oneOf"].as_array().is_some_and(|choices| choices.iter().any(is_mapping))
        })
        .map(|(name, _)| format!("#/definitions/{name}"))
        .collect()
}

/// Puts its example on each setting of a type, notes the setting, and lets a section be nothing where it has a default.
fn illustrate(schema: &mut Value, of: &str, sections: &BTreeSet<String>, settings: &mut BTreeSet<(String, String)>) {
    let required = schema["required"].clone();
    for (key, setting) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        settings.insert((of.to_owned(), key.clone()));
        // The settings of a variant stand below its name.
        illustrate(setting, key, sections, settings);
        let Some(example) = example(of, key) else { continue };
        let has_default = required.as_array().is_none_or(|required| !required.contains(&json!(key)));
        if let Some(reference) = setting.as_object_mut().and_then(|setting| setting.remove("$ref")) {
            // What stands beside a reference is not read.
            setting["allOf"] = json!([{ "$ref": reference }]);
        }
        if has_default && setting["allOf"][0]["$ref"].as_str().is_some_and(|name| sections.contains(name)) {
            let section = setting.as_object_mut().and_then(|setting| setting.remove("allOf"));
            setting["anyOf"] = json!([section.unwrap_or_default()[0], { "type": "null" }]);
        }
        if has_default && (setting["type"] == "array" || setting["type"] == "object") {
            setting["type"] = json!([setting["type"], "null"]);
        }
        setting["examples"] = json!([yaml(example)]);
    }
    for variant in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        illustrate(variant, of, sections, settings);
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("`{text}` is no YAML: {error}"))
}

/// What the reader refuses in a spec, rendered.
fn refusal(spec: &Value) -> Option<String> {
    let text = serde_yaml::to_string(spec).expect("YAML");
    let (document, mut faults) = Document::read(&text);
    let fault = faults.pop().or_else(|| document.parse::<Spec>().err())?;
    let mut errors = Errors::default();
    errors.push(fault);
    errors
        .take(document.lines(), "spec.yaml", |place| document.offset(place))
        .pop()
        .map(|diagnostic| diagnostic.rendered)
}

/// The example in a help line.
fn written(help: &str) -> Option<Value> {
    let (_, text) = help.split_once("write `").or_else(|| help.split_once("add `"))?;
    let (text, _) = text.split_once("`, for example").or_else(|| text.split_once("` alone"))?;
    Some(yaml(text))
}

/// Whether the spec parses once its help lines are followed.
fn heeded(faulty: &Value, way: &[Step]) -> bool {
    let mut spec = faulty.clone();
    // Where several keys are missing, each has a help line of its own.
    while let Some((written, report)) = refusal(&spec).and_then(|report| Some((written(&report)?, report))) {
        let add = |value: &mut Value| {
            // Nothing is a mapping without entries.
            if value.is_null() {
                *value = json!({});
            }
            if let (Value::Object(settings), Value::Object(written)) = (value, &written) {
                settings.extend(written.clone());
            }
        };
        if report.starts_with("the key") {
            at(&mut spec, way).map(add);
            continue;
        }
        // The example stands for the value at the place, or for one around it.
        return (0..=way.len()).rev().any(|length| {
            let sound = |put: &dyn Fn(&mut Value)| {
                let mut spec = spec.clone();
                at(&mut spec, &way[..length]).map(put);
                refusal(&spec).is_none()
            };
            sound(&|value| *value = written.clone())
                || sound(&|value| *value = written.get(0).cloned().unwrap_or_default())
                || sound(&add)
        });
    }
    refusal(&spec).is_none()
}

/// A sound spec, the way to a value in it, and what the schema says of that.
struct Place {
    spec: Value,
    steps: Vec<Step>,
    schema: Value,
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Entry(usize),
}

fn at<'a>(value: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Entry(index) => value.get_mut(index),
    })
}

fn set(value: &mut Value, steps: &[Step], new: Value) {
    *at(value, steps).expect("a place of this spec") = new;
}

/// A place for each setting of each type, wherever the schema lets it stand.
fn places() -> Vec<Place> {
    let (schema, _) = schema();
    let mut places = Vec::new();
    visit(&schema, &schema, &["Spec"], (json!({}), Vec::new()), &mut places);
    places
}

/// Visits a value and what is below it; `within` are the types around it, the last its own.
fn visit(root: &Value, schema: &Value, within: &[&str], place: (Value, Vec<Step>), places: &mut Vec<Place>) {
    let (mut spec, steps) = place;
    let of = within.last().copied().unwrap_or_default();
    let inside = |of| [within, &[of]].concat();
    let below = |step| steps.iter().cloned().chain([step]).collect::<Vec<_>>();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.trim_start_matches("#/definitions/");
        // A layer inside a layer is one that is visited already.
        if within.contains(&name) {
            return;
        }
        return visit(root, &root["definitions"][name], &inside(name), (spec, steps), places);
    }
    for choices in ["oneOf", "anyOf", "allOf"] {
        for choice in schema.get(choices).and_then(Value::as_array).into_iter().flatten() {
            visit(root, choice, within, (spec.clone(), steps.clone()), places);
        }
    }
    let required: Map<String, Value> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|key| (key.to_owned(), yaml(example(of, key).unwrap_or_else(|| panic!("no example: {of}, {key}")))))
        .collect();
    for (key, setting) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut settings = required.clone();
        settings.insert(key.clone(), setting["examples"][0].clone());
        set(&mut spec, &steps, settings.into());
        let steps = below(Step::Key(key.clone()));
        places.push(Place { spec: spec.clone(), steps: steps.clone(), schema: setting.clone() });
        visit(root, setting, &inside(key), (spec.clone(), steps), places);
    }
    // The entries of a sequence or of a mapping from names are those of the example that is there.
    let first = match at(&mut spec, &steps) {
        Some(Value::Array(_)) => Some(Step::Entry(0)),
        Some(Value::Object(entries)) => entries.keys().next().cloned().map(Step::Key),
        _ => None,
    };
    let entries =
        schema.get("items").or_else(|| schema.get("additionalProperties").filter(|schema| schema.is_object()));
    if let (Some(entries), Some(step)) = (entries, first) {
        let steps = below(step);
        places.push(Place { spec: spec.clone(), steps: steps.clone(), schema: entries.clone() });
        visit(root, entries, within, (spec, steps), places);
    }
}
