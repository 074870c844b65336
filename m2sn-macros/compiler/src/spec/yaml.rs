//! Values as YAML that every reader takes for the same, whether it follows YAML 1.1, as PyYAML does, or YAML 1.2.

use std::fmt::Write;

use serde_yaml::Value;

/// Writes a value in block style.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Mapping(entries) if !entries.is_empty() => mapping(entries, 0, &mut text),
        Value::Sequence(entries) if !entries.is_empty() => sequence(entries, 0, &mut text),
        scalar => text += &format!("{}\n", self::scalar(scalar)),
    }
    text
}

fn mapping(entries: &serde_yaml::Mapping, indent: usize, text: &mut String) {
    for (index, (key, value)) in entries.iter().enumerate() {
        // The first key stands where the caller has come to: after a dash, or at the margin.
        let margin = if index == 0 { 0 } else { indent };
        let _ = write!(text, "{:margin$}{}:", "", scalar(key));
        match value {
            Value::Mapping(entries) if !entries.is_empty() => {
                let _ = write!(text, "\n{:1$}", "", indent + 2);
                mapping(entries, indent + 2, text);
            }
            Value::Sequence(entries) if !entries.is_empty() => {
                let _ = write!(text, "\n{:indent$}", "");
                sequence(entries, indent, text);
            }
            scalar => {
                let _ = writeln!(text, " {}", self::scalar(scalar));
            }
        }
    }
}

fn sequence(entries: &[Value], indent: usize, text: &mut String) {
    for (index, value) in entries.iter().enumerate() {
        let margin = if index == 0 { 0 } else { indent };
        let _ = write!(text, "{:margin$}- ", "");
        match value {
            Value::Mapping(entries) if !entries.is_empty() => mapping(entries, indent + 2, text),
            Value::Sequence(entries) if !entries.is_empty() => sequence(entries, indent + 2, text),
            scalar => {
                let _ = writeln!(text, "{}", self::scalar(scalar));
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => self::float(float),
            _ => number.to_string(),
        },
        Value::String(text) => self::text(text),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) => "{}".to_owned(),
        Value::Tagged(tagged) => scalar(&tagged.value),
    }
}

/// A float, which YAML 1.1 asks for a point, and for a sign before the exponent.
fn float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

/// A text, in quotes where it could be read as anything else.
fn text(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            c if is_printable(c) => write!(quoted, "{c}"),
            c => match u32::from(c) {
                code @ ..=0xff => write!(quoted, "\\x{code:02x}"),
                code @ ..=0xffff => write!(quoted, "\\u{code:04x}"),
                code => write!(quoted, "\\U{code:08x}"),
            },
        };
    }
    quoted + "\""
}

/// Whether a text needs no quotes: it begins with a letter, as no number, date, mark or merge key does, it is none of
/// the words of YAML 1.1, and nothing in it ends a value.
fn is_plain(text: &str) -> bool {
    /// What a reader of YAML 1.1 takes for a truth value or for nothing, in small letters.
    const WORDS: &[&str] = &["y", "yes", "n", "no", "true", "false", "on", "off", "null"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether a character shows in every editor, and parts no lines in any reader.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;
    use serde_yaml::{Mapping, Number, Value};

    use super::write;
    use crate::document::Document;

    /// Texts that some reader takes for something else where they stand without quotes, and some that none does.
    const TEXTS: &[&str] = &[
        "yes",
        "Yes",
        "YES",
        "no",
        "No",
        "NO",
        "y",
        "Y",
        "n",
        "N",
        "true",
        "True",
        "false",
        "on",
        "On",
        "off",
        "OFF",
        "null",
        "Null",
        "~",
        "",
        " ",
        "0",
        "-1",
        "+1",
        "017",
        "0o17",
        "0x1F",
        "0b101",
        "1_000",
        "1:30",
        "190:20:30",
        "1e3",
        "1.0e-7",
        "1e-7",
        ".5",
        "1.",
        "-.inf",
        ".NaN",
        "inf",
        "nan",
        "2026-11-25",
        "2026-11-25 18:00:00",
        "<<",
        "=",
        "-",
        "- a",
        "?",
        "? a",
        ":",
        ": a",
        "a: b",
        "a:b",
        "a:",
        "a #b",
        "a#b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "[a",
        "{a",
        "]",
        "}",
        ",a",
        "'a'",
        "\"a\"",
        "it's",
        "a, b",
        "back\\slash",
        "a\nb",
        "a\r\nb",
        "tab\ta",
        " a",
        "a ",
        "\u{0}",
        "\u{7}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "größe",
        "🦀",
        "---",
        "...",
        "--- a",
        "Reads digits.",
        "crate::layers::Gate",
        "::a::Gate",
        "stage1",
        "r#type",
        "_",
    ];

    const FLOATS: &[f64] =
        &[0.0, -0.0, 0.5, 5.0, 0.1, 1e-3, 1e-4, 1e-5, 1e-7, 1.5e-7, 1e15, 1e16, 1e21, 2.5e300, 5e-324, f64::MAX, -1e-9];

    fn string(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// The texts as values and as keys, and the floats.
    fn sample() -> Value {
        let texts = TEXTS.iter().map(|text| string(text)).collect();
        let floats = FLOATS.iter().map(|float| Value::Number(Number::from(*float))).collect();
        let keys: Mapping = TEXTS.iter().zip(1_u64..).map(|(text, number)| (string(text), number.into())).collect();
        let nested = Value::Sequence(vec![Value::Sequence(vec![true.into(), Value::Null]), Value::Sequence(vec![])]);
        let parts = [("texts", Value::Sequence(texts)), ("floats", Value::Sequence(floats)), ("nested", nested)];
        parts
            .into_iter()
            .chain([("keys", keys.into())])
            .map(|(key, value)| (string(key), value))
            .collect::<Mapping>()
            .into()
    }

    /// `resolved.json` is what PyYAML reads in `resolved.yaml`, made by `resolved.py`; `M2SN_BLESS=1` writes the YAML.
    #[test]
    fn pyyaml_reads_the_same() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let text = write(&sample());
        if std::env::var_os("M2SN_BLESS").is_some() {
            std::fs::write(folder.join("resolved.yaml"), &text).expect("the sample can be written");
        }
        let current = std::fs::read_to_string(folder.join("resolved.yaml")).expect("the sample is there");
        assert_eq!(text, current, "run this test with M2SN_BLESS=1, then tests/fixtures/resolved.py");
        let read = std::fs::read_to_string(folder.join("resolved.json")).expect("the fixture is there");
        let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(&read).expect("JSON");
        assert_eq!(read["yaml"], text, "run tests/fixtures/resolved.py");
        assert_eq!(read["read"], serde_json::to_value(sample()).expect("keys are texts"));
    }

    #[test]
    fn only_what_needs_them_has_quotes() {
        let plain =
            ["inf", "nan", "a:b", "a#b", "it's", "a, b", "größe", "Reads digits.", "crate::layers::Gate", "stage1"];
        for text in TEXTS {
            let quoted = write(&string(text)).starts_with('"');
            assert!(!quoted || !plain.contains(text), "{text}");
        }
        let floats = [(1e-7, "1.0e-7\n"), (2.5e300, "2.5e+300\n"), (0.001, "0.001\n"), (5.0, "5.0\n")];
        for (float, written) in floats {
            assert_eq!(write(&Value::Number(Number::from(float))), written);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("equal to itself", |float| !float.is_nan()).prop_map(Value::from),
            prop::sample::select(TEXTS).prop_map(string),
            any::<String>().prop_map(Value::String),
            "[ -~]{0,12}".prop_map(Value::String),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            let key = prop_oneof![any::<String>(), "[ -~]{0,8}"].prop_map(Value::String);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
                prop::collection::vec((key, inner), 0..5)
                    .prop_map(|entries| Value::Mapping(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_the_same(value in value()) {
            let text = write(&value);
            let read: Value = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}:\n{text}")))?;
            prop_assert_eq!(&read, &value);
            // Specs are read by another parser, which leaves keys such as `x-a` of a whole document out.
            let whole = Value::Mapping([(string("whole"), value)].into_iter().collect());
            let text = write(&whole);
            let (document, faults) = Document::read(&text);
            prop_assert_eq!(faults, []);
            prop_assert_eq!(Value::from(document.root()), whole);
        }
    }
}
