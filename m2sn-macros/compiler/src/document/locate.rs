//! The exact line and column of a key or a value: the text is read once more along the path there, which ends in a
//! failure made on purpose, and the YAML reader stamps each failure with its place.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::report::Position;

/// A key or a value by the numbers of the entries that lead there, as the text has them before any merge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    path: Vec<usize>,
    on_key: bool,
}

impl Spot {
    pub(crate) fn value(path: &[usize]) -> Self {
        Self { path: path.to_vec(), on_key: false }
    }

    pub(crate) fn key(path: &[usize]) -> Self {
        Self { path: path.to_vec(), on_key: true }
    }
}

/// Finds a key or a value. Inside an alias that is where the anchor stands.
pub(super) fn locate(text: &str, spot: &Spot) -> Option<Position> {
    let walk = Walk { path: &spot.path, on_key: spot.on_key };
    let failure = walk.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    failure.location().map(|location| Position { line: location.line(), column: location.column() })
}

/// The way that is still to go.
#[derive(Clone, Copy)]
struct Walk<'a> {
    path: &'a [usize],
    on_key: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() { deserializer.deserialize_any(Arrived) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a sequence")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (entry, path) = (self.path[0], &self.path[1..]);
        for _ in 0..entry {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if path.is_empty() && self.on_key {
            map.next_key_seed(Walk { path, on_key: false })?;
        } else {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(Walk { path, ..self })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (entry, path) = (self.path[0], &self.path[1..]);
        for _ in 0..entry {
            entries.next_element::<IgnoredAny>()?;
        }
        entries.next_element_seed(Walk { path, ..self })?;
        Ok(())
    }
}

/// Fails at whatever it meets, for where it stands is wanted: a visitor without methods refuses everything.
struct Arrived;

impl Visitor<'_> for Arrived {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom("arrived"))
    }
}
