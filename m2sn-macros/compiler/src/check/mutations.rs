//! Specs that someone has mistreated: whatever they hold, the compiler answers with code or with faults that have a
//! place, and never panics.

use std::path::Path;

use proc_macro2::TokenStream;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_yaml::{Mapping, Value};
use syn::parse_quote;

use super::check;
use crate::args::Args;
use crate::document::Document;
use crate::source::{Base, Source};

/// What is done to one value of a spec.
#[derive(Debug, Clone)]
enum Mutation {
    Drop,
    Rename(String),
    Replace(Value),
    Nest(usize),
    Reverse,
    Repeat,
    /// Puts a value from elsewhere in the spec here.
    Graft(Index),
}

/// Stands for a number that no value of the YAML library holds, until the spec is text.
const HUGE: &str = "HUGE";

fn mutation() -> impl Strategy<Value = Mutation> {
    let names = [
        "",
        "x",
        "full",
        "new",
        "self",
        "match",
        "Input",
        "1st",
        "größe",
        "a-b",
        "stem",
        "<<",
        "null",
        "kernel",
        "conv",
        "x-a",
        "flatten",
        "🦀",
        "a\nb",
        "\"",
        "crate::A",
        "r#type",
        "_",
        "train",
        "input",
        "fn main() {}",
        "/* ",
        "true",
    ];
    let numbers = [
        "0",
        "1",
        "2",
        "3",
        "-1",
        "0.5",
        "1.0",
        "1e-300",
        "1e308",
        ".inf",
        "-.inf",
        ".nan",
        "2147483647",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        HUGE,
        "-9223372036854775808",
        "true",
        "~",
        "[]",
        "{}",
        "[1, 2]",
        "[0, 0]",
        "[1, 2, 3, 4]",
        "{ a: 1 }",
        "text",
        "global_average_pool",
        "{ flatten: ~ }",
        "{ conv: { channels: 1, kernel: 1 } }",
        "{ mlp: { hidden: [2147483647, 2147483647], size: 2147483647 } }",
        "{ vector: { size: 2147483647 } }",
        "{ image: { channels: 2147483647, height: 2147483647, width: 2147483647 } }",
        "{ transformer: { heads: 1, layers: 2147483647, feed_forward: 2147483647 } }",
        "tensor",
        "{ gated: { size: 2147483647 } }",
        "{ low_rank_tensor: { size: 2147483647, rank: 2147483647 } }",
        "{ film: { base: image, gamma: audio, hidden: [2147483647, 2147483647] } }",
        "{ custom: { path: crate::A, output: [2147483647, 2147483647, 2147483647], parameters: 18446744073709551615 } }",
    ];
    let number = |text: &str| serde_yaml::from_str::<Value>(text).expect("a value");
    prop_oneof![
        2 => Just(Mutation::Drop),
        2 => prop::sample::select(names.map(str::to_owned).to_vec()).prop_map(Mutation::Rename),
        6 => prop::sample::select(numbers.map(number).to_vec()).prop_map(Mutation::Replace),
        2 => any::<u64>().prop_map(|value| Mutation::Replace(value.into())),
        1 => prop::sample::select(names.map(str::to_owned).to_vec()).prop_map(|name| Mutation::Replace(name.into())),
        1 => prop_oneof![1..40_usize, 100..400_usize].prop_map(Mutation::Nest),
        1 => Just(Mutation::Reverse),
        1 => Just(Mutation::Repeat),
        3 => any::<Index>().prop_map(Mutation::Graft),
    ]
}

/// The specs of the repository, and those with one fault.
fn specs() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["../../specs", "../../specs/multibench", "../../specs/paper", "faulty"]
        .iter()
        .flat_map(|specs| std::fs::read_dir(folder.join(specs)).expect("a folder"))
        .map(|entry| entry.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("a spec")).collect()
}

fn apply(root: &mut Value, place: Index, mutation: Mutation) {
    let place = place.index(count(root).max(1));
    let graft = match &mutation {
        Mutation::Graft(from) => {
            let mut from = from.index(count(root).max(1));
            visit(root, &mut from).map(|(value, _)| value.clone())
        }
        _ => None,
    };
    let mut left = place;
    let Some((value, name)) = visit(root, &mut left) else { return };
    match mutation {
        Mutation::Drop => match (&mut *value, name) {
            (Value::Mapping(entries), Some(name)) => drop(entries.remove(&name)),
            (Value::Sequence(entries), _) => drop(entries.pop()),
            (value, _) => *value = Value::Null,
        },
        Mutation::Rename(new) => {
            let renamed = name.zip(value.as_mapping_mut()).map(|(old, mapping)| {
                let entries: Vec<_> = std::mem::take(mapping).into_iter().collect();
                mapping.extend(
                    entries
                        .into_iter()
                        .map(|(key, value)| (if key == old { Value::from(new.clone()) } else { key }, value)),
                );
            });
            if renamed.is_none() {
                *value = new.into();
            }
        }
        Mutation::Replace(new) => *value = new,
        Mutation::Nest(depth) => {
            for level in 0..depth {
                let inner = std::mem::take(value);
                *value = if level % 2 == 0 {
                    Value::Sequence(vec![inner])
                } else {
                    Value::Mapping(Mapping::from_iter([("a".into(), inner)]))
                };
            }
        }
        Mutation::Reverse => match value {
            Value::Sequence(entries) => entries.reverse(),
            Value::Mapping(entries) => {
                let mut reversed: Vec<_> = std::mem::take(entries).into_iter().collect();
                reversed.reverse();
                entries.extend(reversed);
            }
            _ => {}
        },
        Mutation::Repeat => {
            if let Value::Sequence(entries) = value {
                entries.extend(entries.clone());
            }
        }
        Mutation::Graft(_) => *value = graft.unwrap_or_default(),
    }
}

/// The number of values below and with this one.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Sequence(entries) => entries.iter().map(count).sum(),
        Value::Mapping(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

/// The value with this number, and for a mapping the first of its keys.
fn visit<'a>(value: &'a mut Value, number: &mut usize) -> Option<(&'a mut Value, Option<Value>)> {
    if *number == 0 {
        let key = value.as_mapping().and_then(|mapping| mapping.keys().next().cloned());
        return Some((value, key));
    }
    *number -= 1;
    match value {
        Value::Sequence(entries) => entries.iter_mut().find_map(|entry| visit(entry, number)),
        Value::Mapping(entries) => entries.values_mut().find_map(|entry| visit(entry, number)),
        _ => None,
    }
}

/// Sends a text through the whole compiler.
fn compile(text: &str) -> Result<(), TestCaseError> {
    if let Err(faults) = check(text, "a.yaml", None) {
        prop_assert!(!faults.is_empty());
        let lines = text.split(['\n', '\r']).count();
        for fault in faults {
            prop_assert!((1..=lines).contains(&fault.line), "no place: {fault:?}");
        }
    }
    let args = Args::of("a.yaml");
    let source = Source { path: "a.yaml".to_owned(), base: Base::Package, text: text.to_owned() };
    let name = text.lines().find_map(|line| syn::parse_str::<syn::Ident>(line.strip_prefix("model: ")?).ok());
    let name = name.unwrap_or_else(|| parse_quote!(Faulty));
    let code: TokenStream = crate::generate(&args, Ok(source), parse_quote!(pub struct #name;));
    prop_assert!(syn::parse2::<syn::File>(code).is_ok(), "no Rust");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_values(spec in any::<Index>(), mutations in prop::collection::vec((any::<Index>(), mutation()), 1..5)) {
        let specs = specs();
        let Ok(mut root) = serde_yaml::from_str::<Value>(&specs[spec.index(specs.len())]) else { return Ok(()) };
        for (place, mutation) in mutations {
            apply(&mut root, place, mutation);
        }
        if let Ok(text) = serde_yaml::to_string(&root) {
            let (document, faults) = Document::read(&text);
            if faults.is_empty() && !text.contains("<<") && !text.contains("x-") {
                prop_assert_eq!(Value::from(document.root()), root, "read otherwise than by `serde_yaml`");
            }
            compile(&text.replace(HUGE, "340282366920938463463374607431768211456"))?;
        }
    }

    #[test]
    fn mutated_text(
        spec in any::<Index>(),
        cuts in prop::collection::vec((any::<Index>(), 0..40_usize, prop::sample::select(vec![
            "", " ", "\n", "\t", ":", "- ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "!t ", "'", "\"", "#", "|\n", "---\n", "\u{0}", "ü", "? ",
            "\r", "\r\n", "\u{1}", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}", "!!str ", "!<x> ", "%YAML 1.1\n", "...\n", "\\", "64.0",
        ])), 1..6),
    ) {
        let specs = specs();
        let mut text: Vec<char> = specs[spec.index(specs.len())].chars().collect();
        for (place, length, put) in cuts {
            let start = place.index(text.len() + 1);
            let end = (start + length / 2).min(text.len());
            text.splice(start..end, put.chars());
        }
        compile(&String::from_iter(text))?;
    }
}
