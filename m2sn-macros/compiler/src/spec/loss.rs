use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// What the network learns by, as its task has it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Loss {
    /// Cross-entropy, for a classification.
    CrossEntropy {
        /// How much of each target is spread evenly over all classes, from 0 to below 1; 0 where left out.
        #[serde(default)]
        label_smoothing: f64,
        /// What each class weighs: `balanced`, which weighs a class by how rare it is among the training samples, or one
        /// number a class; the same for all where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<ClassWeights>,
    },
    /// Binary cross-entropy, for labels.
    BinaryCrossEntropy {
        /// What a label weighs where it is there, against 1 where it is not: `balanced`, by which both weigh the same over
        /// the training samples, or one number a label; 1 where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        positive_weights: Option<ClassWeights>,
    },
    /// The mean absolute error, for real values.
    Mae,
    /// The mean squared error, for real values.
    Mse,
    /// The squared error up to a difference of `delta`, and the absolute one beyond, for real values: outliers count for
    /// less.
    Huber {
        /// The difference, above 0; 1 where left out.
        #[serde(default = "Loss::delta")]
        delta: f64,
    },
}

/// What classes or labels weigh: `balanced`, or a number each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ClassWeights {
    Balanced,
    Listed(Vec<f64>),
}

impl Loss {
    fn delta() -> f64 {
        1.0
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::BinaryCrossEntropy { .. } => "binary_cross_entropy",
            Self::Mae => "mae",
            Self::Mse => "mse",
            Self::Huber { .. } => "huber",
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BalancedOrNumbers;

        impl<'de> Visitor<'de> for BalancedOrNumbers {
            type Value = ClassWeights;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`balanced`, or a sequence of numbers")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<ClassWeights, E> {
                match word {
                    "balanced" => Ok(ClassWeights::Balanced),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<ClassWeights, A::Error> {
                let mut all = Vec::new();
                while let Some(number) = numbers.next_element()? {
                    all.push(number);
                }
                Ok(ClassWeights::Listed(all))
            }
        }

        deserializer.deserialize_any(BalancedOrNumbers)
    }
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => serializer.serialize_str("balanced"),
            Self::Listed(numbers) => numbers.serialize(serializer),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for ClassWeights {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClassWeights".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What classes or labels weigh: `balanced`, or a number each.",
            "anyOf": [{ "const": "balanced" }, { "type": "array", "items": { "type": "number" } }],
        })
    }
}
