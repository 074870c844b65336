use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::Spot;
use crate::report::{At, Fault, Position};

/// A value, and the entries that lead to it in the text.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) path: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    /// In the order of the text; what is merged stands where its `<<` does.
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Node,
}

impl Entry {
    /// Where the key stands.
    pub(super) fn spot(&self) -> Spot {
        Spot::key(&self.value.path)
    }
}

const MERGE: &str = "<<";

/// Keys of the whole document that begin so are a place for anchors.
const EXTENSION: &str = "x-";

/// Reads a text; where it is no YAML, the node is empty and the fault says why.
pub(super) fn read(text: &str) -> (Node, Vec<Fault>) {
    let faults = RefCell::new(Vec::new());
    let build = Build { path: Vec::new(), faults: &faults };
    let node = build.deserialize(serde_yaml::Deserializer::from_str(text));
    let mut faults = faults.into_inner();
    let node = node.unwrap_or_else(|error| {
        faults.push(refusal(text, &error));
        Node { value: Value::Null, path: Vec::new() }
    });
    (node, faults)
}

/// The reader's own error, without the place that its text repeats.
fn refusal(text: &str, error: &serde_yaml::Error) -> Fault {
    let position = error
        .location()
        .map_or(Position { line: 1, column: 1 }, |place| Position { line: place.line(), column: place.column() });
    let full = error.to_string();
    let message = full.split(" at line ").next().unwrap_or_default();
    // The reader names the way to the place first, such as `modalities.image: `, which the excerpt shows better.
    let message = match message.split_once(": ") {
        Some((way, message)) if !way.contains(' ') => message,
        _ => message,
    };
    if message.contains("more than one document") {
        let second = text.lines().collect::<Vec<_>>().iter().rposition(|line| line.starts_with("---")).unwrap_or(0);
        let mut fault = Fault::new(At::Position(Position { line: second + 1, column: 1 }), "a second YAML document");
        fault.help("a spec is one document: write each network to a file of its own");
        return fault;
    }
    let mut fault = Fault::new(At::Position(position), message);
    let line = text.lines().nth(position.line - 1).unwrap_or_default();
    if line.chars().take(position.column).any(|c| c == '\t') {
        fault.help("YAML indents with spaces, not with tabs");
    }
    fault
}

/// Builds the node at a path.
struct Build<'a> {
    path: Vec<usize>,
    faults: &'a RefCell<Vec<Fault>>,
}

impl Build<'_> {
    fn below(&self, index: usize) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        Self { path, faults: self.faults }
    }

    fn fault(&self, spot: Spot, message: String, help: &str) {
        let mut fault = Fault::new(At::Spot(spot), message);
        fault.help(help);
        self.faults.borrow_mut().push(fault);
    }

    /// Puts the merged mappings where their `<<` stands, without the keys that the mapping has of its own.
    fn merge(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut own: Vec<_> = entries.iter().map(|entry| entry.key.clone()).filter(|key| key != MERGE).collect();
        let mut merged = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.key != MERGE {
                merged.push(entry);
                continue;
            }
            let spot = entry.spot();
            let sources = match entry.value.value {
                Value::Sequence(sources) => sources,
                value => vec![Node { value, path: entry.value.path }],
            };
            for source in sources {
                let Value::Mapping(entries) = source.value else {
                    self.fault(
                        spot.clone(),
                        "`<<` merges mappings only".into(),
                        "write `<<: *anchor` or `<<: [*a, *b]`",
                    );
                    continue;
                };
                for entry in entries {
                    if !own.contains(&entry.key) {
                        own.push(entry.key.clone());
                        merged.push(entry);
                    }
                }
            }
        }
        merged
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let path = self.path.clone();
        let value = deserializer.deserialize_any(self)?;
        Ok(Node { value, path })
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut sequence = Vec::new();
        while let Some(entry) = entries.next_element_seed(self.below(sequence.len()))? {
            sequence.push(entry);
        }
        Ok(Value::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut count = 0;
        while let Some(key) = map.next_key_seed(Key)? {
            let build = self.below(count);
            let spot = Spot::key(&build.path);
            count += 1;
            let value = map.next_value_seed(build)?;
            if self.path.is_empty() && key.starts_with(EXTENSION) {
                continue;
            }
            if entries.iter().any(|entry| entry.key == key) {
                let help = if key == MERGE { "merge several by `<<: [*a, *b]`" } else { "keep one of the two" };
                self.fault(spot, format!("the key `{key}` stands here for the second time"), help);
                continue;
            }
            entries.push(Entry { key, value });
        }
        Ok(Value::Mapping(self.merge(entries)))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("a spec has no YAML tags such as `!tag`"))
    }
}

/// A key, whatever scalar it is.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name as the key")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }
}
