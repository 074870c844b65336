use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// How inputs are brought to a mean of zero and a deviation of one: `fitted`, or `{ mean: […], deviation: […] }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Normalize {
    /// By the mean and the deviation of the training samples.
    Fitted,
    /// By these.
    Declared { mean: Vec<f64>, deviation: Vec<f64> },
}

/// Means and deviations that are known beforehand, one of each a channel or feature, or one for all.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Declared {
    /// The means; of bytes, once they run from 0 to 1.
    mean: Vec<f64>,
    /// The deviations, each above 0.
    deviation: Vec<f64>,
}

impl<'de> Deserialize<'de> for Normalize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FittedOrDeclared;

        impl<'de> Visitor<'de> for FittedOrDeclared {
            type Value = Normalize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`fitted`, or a mapping with `mean` and `deviation`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                match word {
                    "fitted" => Ok(Normalize::Fitted),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let Declared { mean, deviation } = Declared::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Normalize::Declared { mean, deviation })
            }
        }

        deserializer.deserialize_struct("Declared", &[], FittedOrDeclared)
    }
}

impl Serialize for Normalize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fitted => serializer.serialize_str("fitted"),
            Self::Declared { mean, deviation } => {
                Declared { mean: mean.clone(), deviation: deviation.clone() }.serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Normalize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Normalize".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How inputs are brought to a mean of zero and a deviation of one: `fitted`, or `{ mean: […], deviation: […] }`.",
            "anyOf": [{ "const": "fitted" }, generator.subschema_for::<Declared>()],
        })
    }
}
