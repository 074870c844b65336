//! A spec file as a tree: anchors and merge keys are followed, and every key and value still knows where it stands.

mod deserialize;
mod locate;
mod node;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use crate::report::{At, Fault, Place, Position, Step};

pub(crate) use locate::Spot;
use node::{Node, Value};

/// The text of a spec and the tree in it.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    root: Node,
}

impl<'a> Document<'a> {
    /// Reads the YAML. Where the text is none, the tree is empty and the faults say why.
    pub(crate) fn read(text: &'a str) -> (Self, Vec<Fault>) {
        let (root, mut faults) = node::read(text);
        if faults.is_empty() && matches!(root.value, Value::Null) {
            let mut fault = Fault::new(At::Spot(Spot::value(&[])), "the spec is empty");
            fault.help("begin with `model: Name`");
            faults.push(fault);
        }
        (Self { text, root }, faults)
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Makes a value of the whole document.
    pub(crate) fn parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Fault> {
        T::deserialize(&self.root).map_err(|refusal| refusal.at(Spot::value(&[])))
    }

    /// Where a fault lies in the file: for a mapping or a sequence, at its key.
    pub(crate) fn position(&self, at: &At) -> Position {
        let spot = match at {
            At::Position(position) => return *position,
            At::Spot(spot) => spot.clone(),
            At::Place(place) => self.spot(place),
        };
        locate::locate(self.text, &spot).unwrap_or(Position { line: 1, column: 1 })
    }

    /// Follows a place as far as the file has it.
    fn spot(&self, place: &Place) -> Spot {
        let mut node = &self.root;
        let mut key = None;
        let mut whole = true;
        for step in &place.steps {
            let next = match (step, &node.value) {
                (Step::Key(name), Value::Mapping(entries)) => {
                    entries.iter().find(|entry| entry.key == *name).map(|entry| (&entry.value, Some(entry.spot())))
                }
                (Step::Entry(index), Value::Sequence(entries)) => entries.get(*index).map(|entry| (entry, None)),
                _ => None,
            };
            match next {
                Some((value, spot)) => (node, key) = (value, spot.or(key)),
                None => {
                    whole = false;
                    break;
                }
            }
        }
        let container = matches!(node.value, Value::Mapping(_) | Value::Sequence(_) | Value::Null);
        match key {
            Some(key) if place.on_key && whole || container => key,
            _ => Spot::value(&node.path),
        }
    }
}
