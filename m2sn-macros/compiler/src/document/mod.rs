//! A spec file as a tree: anchors and merge keys are followed, and every key and value still knows where it stands.

mod deserialize;
mod node;
mod read;
mod syntax;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use crate::lines::Lines;
use crate::place::{Place, Step};
use crate::report::{At, Fault};

pub(crate) use node::Node;
use node::{Scalar, Value};

/// The text of a spec and the tree in it.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    lines: Lines<'a>,
    root: Node,
}

impl<'a> Document<'a> {
    /// Reads the YAML. Where the text is none, the tree is what stands before the first fault, and the faults say why.
    pub(crate) fn read(text: &'a str) -> (Self, Vec<Fault>) {
        // Editors on Windows begin a file so, and count columns after it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, mut faults) = read::read(text);
        if faults.is_empty() && root.is_null() {
            let mut fault = Fault::new(At::Offset(text.len()), "the spec is empty");
            fault.help("begin with `model: Name`");
            faults.push(fault);
        }
        (Self { lines: Lines::new(text), root }, faults)
    }

    pub(crate) fn lines(&self) -> &Lines<'a> {
        &self.lines
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Makes a value of the whole document.
    pub(crate) fn parse<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Fault> {
        T::deserialize(&self.root).map_err(|refusal| refusal.at(self.root.at))
    }

    /// The byte that a place begins at, as far as the file has it: for a mapping or a sequence, that of its key.
    pub(crate) fn offset(&self, place: &Place) -> usize {
        let mut node = &self.root;
        let mut key = None;
        let mut whole = true;
        for step in &place.steps {
            let next = match (step, &node.value) {
                (Step::Key(name), Value::Mapping(entries)) => {
                    entries.iter().find(|entry| *entry.key == **name).map(|entry| (&entry.value, Some(entry.at)))
                }
                (Step::Entry(index), Value::Sequence(entries)) => entries.get(*index).map(|entry| (entry, None)),
                _ => None,
            };
            match next {
                Some((value, at)) => (node, key) = (value, at.or(key)),
                None => {
                    whole = false;
                    break;
                }
            }
        }
        let container = !matches!(&node.value, Value::Scalar(scalar, _) if *scalar != Scalar::Null);
        match key {
            Some(key) if place.on_key && whole || container => key,
            _ => node.at,
        }
    }
}
