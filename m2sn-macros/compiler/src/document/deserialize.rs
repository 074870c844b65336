//! Makes the spec of the tree. A refusal takes the place of the innermost node that it is about, and says in the
//! words of the spec what serde says in those of Rust.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Scalar, Value};
use crate::report::{At, Fault, suggest};
use crate::spec::{example, retired};

/// Why a node makes no value of the spec.
#[derive(Debug)]
pub(crate) struct Refusal {
    message: String,
    help: Option<String>,
    /// Whether the help may end in an example.
    bare: bool,
    at: Option<usize>,
    /// What was expected instead of the value that is there.
    wanted: Option<String>,
    /// The key that is missing.
    missing: Option<&'static str>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, bare: true, at: None, wanted: None, missing: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), bare: false, ..self }
    }

    /// Takes a place, unless a node further in has given one.
    fn or_at(mut self, at: usize) -> Self {
        self.at.get_or_insert(at);
        self
    }

    /// Quotes a value as it was written, where it is the one that is not as expected.
    fn or_written(mut self, written: &str) -> Self {
        if let Some(wanted) = self.wanted.take() {
            self.message = format!("expected {wanted}, found `{written}`");
        }
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
    pub(super) fn at(self, at: usize) -> Fault {
        let Self { message, help, at: own, .. } = self;
        let mut fault = Fault::new(At::Offset(own.unwrap_or(at)), message);
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
            Value::Scalar(scalar, written) => {
                let value = match *scalar {
                    Scalar::Null => return visitor.visit_unit(),
                    Scalar::Text => return visitor.visit_borrowed_str(written),
                    Scalar::Bool(value) => visitor.visit_bool(value),
                    Scalar::Unsigned(value) => visitor.visit_u64(value),
                    Scalar::Signed(value) => visitor.visit_i64(value),
                    Scalar::Float(value) => visitor.visit_f64(value),
                };
                value.map_err(|refusal: Refusal| refusal.or_written(written))
            }
            Value::Sequence(entries) => visitor.visit_seq(Sequence(entries.iter())),
            Value::Mapping(entries) => visitor.visit_map(Mapping::new("", entries)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Nothing is a section whose entries are all left out, as below for sequences and for settings.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_null() { visitor.visit_map(Mapping::new("", &[])) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_null() { visitor.visit_seq(Sequence([].iter())) } else { self.deserialize_any(visitor) }
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
        let (variant, settings, at) = match &self.value {
            Value::Scalar(Scalar::Text, variant) => (variant, None, self.at),
            Value::Mapping(entries) => match &**entries {
                [entry] => (&entry.key, Some(&entry.value), entry.at),
                [] => return Err(choose(&kind, variants, "an empty mapping")),
                [first, second, ..] => {
                    let message = format!("`{}` beside `{}`: only one {kind} can stand here", second.key, first.key);
                    return Err(Refusal::new(message).help("leave one of the two out").or_at(second.at));
                }
            },
            other => return Err(choose(&kind, variants, &other.to_string())),
        };
        if !variants.contains(&&**variant) {
            return Err(Refusal::new(format!("unknown {kind} `{variant}`"))
                .help(suggest(variant, variants, &format!("the choices of {kind} are")))
                .or_at(at));
        }
        visitor.visit_enum(Variant { of: name, variant, at, settings }).map_err(|refusal| refusal.or_at(at))
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
        tuple tuple_struct identifier ignored_any
    }
}

fn choose(kind: &str, variants: &[&str], found: &str) -> Refusal {
    let help = suggest("", variants, &format!("the choices of {kind} are"));
    Refusal { help: Some(help), ..Refusal::new(format!("expected a choice of {kind}, found {found}")) }
}

/// A Rust name in words: `RecurrentOutput` is `recurrent output`.
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
        let element = |node: &'de Node| seed.deserialize(node).map_err(|refusal| refusal.or_at(node.at));
        self.0.next().map(element).transpose()
    }
}

struct Mapping<'de> {
    /// The type whose settings these are.
    of: &'de str,
    entries: std::slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
}

impl<'de> Mapping<'de> {
    fn new(of: &'de str, entries: &'de [Entry]) -> Self {
        Self { of, entries: entries.iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Mapping<'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        let key: StrDeserializer<'_, Refusal> = (*entry.key).into_deserializer();
        seed.deserialize(key).map(Some).map_err(|refusal| {
            let refusal = refusal.or_at(entry.at);
            match retired(self.of, &entry.key) {
                Some(help) => refusal.help(help),
                None => refusal,
            }
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let entry = self.value.take().ok_or_else(|| Refusal::new("a value without a key"))?;
        seed.deserialize(&entry.value)
            .map_err(|refusal| refusal.or_example(self.of, &entry.key).or_at(entry.value.place(entry.at)))
    }
}

struct Variant<'de> {
    /// The type whose variant this is.
    of: &'static str,
    variant: &'de str,
    /// Where the name of the variant stands, in front of its settings.
    at: usize,
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
        seed.deserialize(settings)
            .map_err(|refusal| refusal.or_example(self.of, self.variant).or_at(settings.place(self.at)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.settings()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        let settings = self.settings()?;
        settings
            .settings(self.variant, visitor)
            .map_err(|refusal| refusal.or_example(self.of, self.variant).or_at(self.at))
    }
}

impl Node {
    /// Makes a value of settings, which are those of the type `of`.
    fn settings<'de, V: Visitor<'de>>(&'de self, of: &'de str, visitor: V) -> Result<V::Value, Refusal> {
        let value = match &self.value {
            Value::Mapping(entries) => visitor.visit_map(Mapping::new(of, entries)),
            Value::Scalar(Scalar::Null, _) => visitor.visit_map(Mapping::new(of, &[])),
            // serde would take the fields of a struct from a sequence too.
            Value::Sequence(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        };
        value.map_err(|refusal| refusal.or_missing(of))
    }

    /// Where the value is best pointed at: at the key in front of it where it is a container, or nothing.
    fn place(&self, key: usize) -> usize {
        match self.value {
            Value::Scalar(ref scalar, _) if *scalar != Scalar::Null => self.at,
            _ => key,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(Scalar::Null, _) => f.write_str("nothing"),
            Self::Scalar(_, written) => write!(f, "`{written}`"),
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
        let wanted = wanted(expected);
        Self { wanted: Some(wanted.clone()), ..Self::new(format!("expected {wanted}, found {}", given(found))) }
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
