use std::rc::Rc;

/// A value, and where it begins in the text. What an alias repeats is shared, and begins where its anchor stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(super) value: Value,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// With the text that it was written as.
    Scalar(Scalar, Rc<str>),
    Sequence(Rc<[Node]>),
    /// In the order of the text; what is merged stands where its `<<` does.
    Mapping(Rc<[Entry]>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    /// Where the key stands.
    pub(super) at: usize,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn null(at: usize) -> Self {
        Self { value: Value::Scalar(Scalar::Null, "".into()), at }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar(Scalar::Null, _))
    }

    /// The value below a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The keys of a mapping with their values; none where this is something else.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries = match &self.value {
            Value::Mapping(entries) => &**entries,
            _ => &[],
        };
        entries.iter().map(|entry| (&*entry.key, &entry.value))
    }

    /// The values of a sequence; none where this is something else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(Scalar::Text, text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_flag(&self) -> Option<bool> {
        match self.value {
            Value::Scalar(Scalar::Bool(flag), _) => Some(flag),
            _ => None,
        }
    }

    pub(crate) fn as_count(&self) -> Option<u64> {
        match self.value {
            Value::Scalar(Scalar::Unsigned(count), _) => Some(count),
            _ => None,
        }
    }
}

impl Scalar {
    /// What a scalar without quotes is, by the rules of `serde_yaml`.
    pub(super) fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => Self::number(text),
            _ => Self::Text,
        }
    }

    fn number(text: &str) -> Self {
        if let Ok(number) = text.parse::<serde_yaml::Number>() {
            let unsigned = number.as_u64().map(Self::Unsigned);
            let signed = || number.as_i64().map(Self::Signed);
            return unsigned.or_else(signed).or_else(|| number.as_f64().map(Self::Float)).unwrap_or(Self::Text);
        }
        // Whole numbers beyond 64 bits.
        let digits = text.trim_start_matches(['+', '-']);
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        match text.parse() {
            Ok(value) if whole && f64::is_finite(value) => Self::Float(value),
            _ => Self::Text,
        }
    }
}
