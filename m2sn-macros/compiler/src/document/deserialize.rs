//! Makes the spec of the tree. A refusal takes the place of the innermost node that it is about, and says in the
//! words of the spec what serde says in those of Rust.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::Spot;
use super::node::{Entry, Node, Value};
use crate::report::{At, Fault, suggest};
use crate::spec::{example, retired};

/// Why a node makes no value of the spec.
#[derive(Debug)]
pub(crate) struct Refusal {
    message: String,
    help: Option<String>,
    /// Whether the help may end in an example.
    bare: bool,
    spot: Option<Spot>,
    /// The key that is missing.
    missing: Option<&'static str>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, bare: true, spot: None, missing: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), bare: false, ..self }
    }

    /// Takes a place, unless a node further in has given one.
    fn or_at(mut self, spot: impl FnOnce() -> Spot) -> Self {
        self.spot.get_or_insert_with(spot);
        self
    }

    /// Shows how the value of a key is written, unless a value further in has shown its own.
    fn or_example(mut self, of: &str, key: &str) -> Self {
        if self.bare
            && let Some(example) = example(of, key)
        {
            let whole = if key.is_empty() { example.to_owned() } else { format!("{key}: {example}") };
            let before = self.help.take().map(|help| format!("{help}; ")).unwrap_or_default();
            self = self.help(format!("{before}write `{whole}`, for example"));
        }
        self
    }

    /// Shows how the key is written that a value of this type lacks, or the value itself.
    fn or_missing(mut self, of: &str) -> Self {
        if let Some(key) = self.missing.take() {
            self = self.help(format!("add `{key}: {}`, for example", example(of, key).unwrap_or("…")));
        }
        self.or_example(of, "")
    }

    /// The fault, with a place for a refusal that has none.
    pub(super) fn at(self, spot: Spot) -> Fault {
        let Self { message, help, spot: own, .. } = self;
        let mut fault = Fault::new(At::Spot(own.unwrap_or(spot)), message);
        if let Some(help) = help {
            fault.help(help);
        }
        fault
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::Sequence(entries) => visitor.visit_seq(Sequence(entries.iter())),
            Value::Mapping(entries) => visitor.visit_map(Mapping { of: "", entries: entries.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let kind = words(name);
        let (variant, settings, spot) = match &self.value {
            Value::Text(variant) => (variant, None, Spot::value(&self.path)),
            Value::Mapping(entries) => match entries.as_slice() {
                [entry] => (&entry.key, Some(&entry.value), entry.spot()),
                [] => return Err(choose(&kind, variants, "an empty mapping")),
                [first, second, ..] => {
                    let message = format!("`{}` beside `{}`: only one {kind} can stand here", second.key, first.key);
                    return Err(Refusal::new(message).help("leave one of the two out").or_at(|| second.spot()));
                }
            },
            other => return Err(choose(&kind, variants, &other.to_string())),
        };
        if !variants.contains(&variant.as_str()) {
            return Err(Refusal::new(format!("unknown {kind} `{variant}`"))
                .help(suggest(variant, variants, &format!("the choices of {kind} are")))
                .or_at(|| spot));
        }
        visitor.visit_enum(Variant { of: name, variant, settings }).map_err(|refusal| refusal.or_at(|| spot))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        of: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.settings(of, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

fn choose(kind: &str, variants: &[&str], found: &str) -> Refusal {
    let help = suggest("", variants, &format!("the choices of {kind} are"));
    Refusal { help: Some(help), ..Refusal::new(format!("expected a choice of {kind}, found {found}")) }
}

/// A Rust name in words: `GruOutput` is `gru output`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

struct Sequence<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for Sequence<'de> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let element = |node: &'de Node| seed.deserialize(node).map_err(|refusal| refusal.or_at(|| node.spot()));
        self.0.next().map(element).transpose()
    }
}

struct Mapping<'de> {
    /// The type whose settings these are.
    of: &'de str,
    entries: std::slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
}

impl<'de> de::MapAccess<'de> for Mapping<'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        let key: StrDeserializer<'_, Refusal> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|refusal| {
            let refusal = refusal.or_at(|| entry.spot());
            match retired(self.of, &entry.key) {
                Some(help) => refusal.help(help),
                None => refusal,
            }
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let entry = self.value.take().ok_or_else(|| Refusal::new("a value without a key"))?;
        seed.deserialize(&entry.value).map_err(|refusal| {
            refusal.or_example(self.of, &entry.key).or_at(|| match entry.value.value {
                // A mapping or a sequence is best pointed at by its key.
                Value::Null | Value::Sequence(_) | Value::Mapping(_) => entry.spot(),
                _ => entry.value.spot(),
            })
        })
    }
}

struct Variant<'de> {
    /// The type whose variant this is.
    of: &'static str,
    variant: &'de str,
    settings: Option<&'de Node>,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn settings(&self) -> Result<&'de Node, Refusal> {
        self.settings.ok_or_else(|| {
            let variant = self.variant;
            Refusal::new(format!("`{variant}` needs settings"))
                .help(format!("write `{{ {variant}: {} }}`, for example", example(self.of, variant).unwrap_or("…")))
        })
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match self.settings {
            None => Ok(()),
            Some(_) => {
                let variant = self.variant;
                Err(Refusal::new(format!("`{variant}` takes no settings")).help(format!("write `{variant}` alone")))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refusal> {
        let settings = self.settings()?;
        seed.deserialize(settings).map_err(|refusal| {
            refusal.or_example(self.of, self.variant).or_at(|| settings.place(|| self.entry_spot(settings)))
        })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.settings()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        let settings = self.settings()?;
        settings
            .settings(self.variant, visitor)
            .map_err(|refusal| refusal.or_example(self.of, self.variant).or_at(|| self.entry_spot(settings)))
    }
}

impl Variant<'_> {
    /// The key that names the variant: it stands in front of its settings.
    fn entry_spot(&self, settings: &Node) -> Spot {
        Spot::key(&settings.path)
    }
}

impl Node {
    /// Makes a value of settings, which are those of the type `of`.
    fn settings<'de, V: Visitor<'de>>(&'de self, of: &'de str, visitor: V) -> Result<V::Value, Refusal> {
        let value = match &self.value {
            Value::Mapping(entries) => visitor.visit_map(Mapping { of, entries: entries.iter(), value: None }),
            // serde would take the fields of a struct from a sequence too.
            Value::Sequence(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        };
        value.map_err(|refusal| refusal.or_missing(of))
    }

    fn spot(&self) -> Spot {
        Spot::value(&self.path)
    }

    /// The value, or the key in front of it where the value is a container.
    fn place(&self, key: impl FnOnce() -> Spot) -> Spot {
        match self.value {
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => key(),
            _ => self.spot(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "`{value}`"),
            Self::Unsigned(value) => write!(f, "`{value}`"),
            Self::Signed(value) => write!(f, "`{value}`"),
            Self::Float(value) => write!(f, "`{value}`"),
            Self::Text(value) => write!(f, "`{value}`"),
            Self::Sequence(_) => f.write_str("a sequence"),
            Self::Mapping(_) => f.write_str("a mapping"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", wanted(expected), given(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found a sequence of {length}", wanted(expected)))
    }

    fn unknown_field(key: &str, keys: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key `{key}`")).help(suggest(key, keys, "the keys here are"))
    }

    fn missing_field(key: &'static str) -> Self {
        Self { missing: Some(key), ..Self::new(format!("the key `{key}` is missing")) }
    }
}

/// What serde expects, in the words of a spec.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u64" => "a whole number that is not negative".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        _ if text.starts_with("struct ") => "a mapping with settings".to_owned(),
        _ => text,
    }
}

fn given(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(value) => format!("the text `{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a sequence".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}
