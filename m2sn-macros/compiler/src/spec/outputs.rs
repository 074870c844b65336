use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// What a head yields: so many numbers, or one for each of these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outputs {
    Count(u64),
    Names(Vec<String>),
}

impl Outputs {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Names(names) => names.len() as u64,
        }
    }

    /// What they are called, where they have names.
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::Count(_) => &[],
            Self::Names(names) => names,
        }
    }
}

impl<'de> Deserialize<'de> for Outputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrNames;

        impl<'de> Visitor<'de> for NumberOrNames {
            type Value = Outputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a sequence of names")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Outputs, E> {
                Ok(Outputs::Count(count))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Outputs, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = names.next_element()? {
                    all.push(name);
                }
                Ok(Outputs::Names(all))
            }
        }

        deserializer.deserialize_any(NumberOrNames)
    }
}

impl Serialize for Outputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Names(names) => names.serialize(serializer),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Outputs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Outputs".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A whole number, or a sequence of names.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "array", "items": { "type": "string" } },
            ],
        })
    }
}
