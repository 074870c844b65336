//! Text to tree, in one pass over the events of the YAML parser: aliases share what they repeat, and limits hold
//! before anything is built that goes beyond them.

use std::collections::HashSet;
use std::rc::Rc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag, options};

use super::node::{Entry, Node, Scalar, Value};
use super::syntax;
use crate::report::{At, Fault, suggest};

const MERGE: &str = "<<";

/// Keys of the whole document that begin so are a place for anchors.
const EXTENSION: &str = "x-";

/// The deepest nesting, aliases followed.
pub(super) const MAX_DEPTH: usize = 64;

/// The most values of a spec, aliases followed; a long text counts as several.
const MAX_VALUES: usize = 100_000;

/// The faults after which nothing more is read.
const MAX_FAULTS: usize = 1000;

/// The anchors that one which is not there may have meant: so many of the last.
const MAX_NAMES: usize = 20;

/// The bytes of a text that count as one value.
const VALUE: usize = 64;

/// Reads a text. Where it is no YAML, the node is what stands before the first fault that ends the reading.
pub(super) fn read(text: &str) -> (Node, Vec<Fault>) {
    let mut reader = Reader::default();
    if let Err(fault) = reader.events(text) {
        reader.faults.push(fault);
    }
    // What was open when the reading ended holds what had been read of it.
    while !reader.open.is_empty() {
        reader.close();
    }
    (reader.root.unwrap_or_else(|| Node::null(0)), reader.faults)
}

#[derive(Default)]
struct Reader {
    /// The sequences and mappings around the place of reading.
    open: Vec<Open>,
    /// What the anchors stand for, by their numbers; none where that is still being read.
    anchors: Vec<Option<Subtree>>,
    /// The names of the anchors so far.
    names: Vec<String>,
    /// The values so far, aliases followed.
    values: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A node, how many values it holds and how deep it is, aliases followed.
#[derive(Clone)]
struct Subtree {
    node: Node,
    values: usize,
    depth: usize,
    /// Whether a fault has been found with it, so that nothing more need be said.
    is_refused: bool,
}

struct Open {
    at: usize,
    anchor: usize,
    content: Content,
    values: usize,
    depth: usize,
    is_refused: bool,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Written>,
        keys: HashSet<Rc<str>>,
        /// The key whose value is next.
        key: Option<Key>,
    },
}

struct Key {
    text: Rc<str>,
    at: usize,
    is_merge: bool,
    /// Whether its entry is left out: the key is at fault, or an extension.
    is_left_out: bool,
}

/// An entry before merging.
struct Written {
    entry: Entry,
    is_merge: bool,
}

impl Reader {
    /// Reads to the end, or to a fault after which nothing can be read.
    fn events(&mut self, text: &str) -> Result<(), Fault> {
        let options = options! {
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
            block_scalar_eof_without_line_feed: true,
            emit_anchor_events: true,
            emit_comments: false,
            emit_unresolved_aliases: true,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            if self.faults.len() >= MAX_FAULTS {
                break;
            }
            let (event, span) = event.map_err(|error| syntax::fault(text, offset(text, error.marker()), &error))?;
            let at = offset(text, &span.start);
            match event {
                Event::DocumentStart(..) if self.root.is_some() => {
                    let help = "a spec is one document: write each network to a file of its own";
                    return Err(fault(at, "a second YAML document", help));
                }
                Event::Anchor(_, name) => self.names.push(name.into_owned()),
                Event::Scalar(written, style, anchor, tag) => {
                    let is_refused = self.refuse_tag(text, &span, tag.as_deref());
                    let is_text = style != ScalarStyle::Plain
                        || tag.is_some_and(|tag| tag.core_suffix() == Some("str") || tag.original() == "!");
                    let scalar = if is_text { Scalar::Text } else { Scalar::plain(&written) };
                    let is_merge = !is_text && written == MERGE;
                    let values = 1 + written.len() / VALUE;
                    self.count(values, at, false)?;
                    let node = Node { value: Value::Scalar(scalar, written.into()), at };
                    self.put(Subtree { node, values, depth: 0, is_refused }, anchor, at, is_merge);
                }
                Event::SequenceStart(_, anchor, tag) => {
                    let is_refused = self.refuse_tag(text, &span, tag.as_deref());
                    self.open(at, anchor, Content::Sequence(Vec::new()), is_refused)?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let is_refused = self.refuse_tag(text, &span, tag.as_deref());
                    let content = Content::Mapping { entries: Vec::new(), keys: HashSet::new(), key: None };
                    self.open(at, anchor, content, is_refused)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(),
                Event::Alias(anchor) => {
                    let Some(subtree) = self.anchors.get(anchor).cloned().flatten() else {
                        return Err(fault(at, "an alias in what its own anchor holds", "write out what it stands for"));
                    };
                    self.count(subtree.values, at, true)?;
                    self.deepen(subtree.depth, at)?;
                    self.put(subtree, 0, at, false);
                }
                Event::UnresolvedAlias(name) => {
                    let names: Vec<_> = self.names.iter().rev().take(MAX_NAMES).map(String::as_str).collect();
                    let help = suggest(&name, &names, "anchors above this line");
                    self.faults.push(fault(at, format!("unknown anchor `{name}`"), help));
                    self.put(Subtree { node: Node::null(at), values: 1, depth: 0, is_refused: true }, 0, at, false);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses a tag that is not of YAML itself, and says whether it did.
    fn refuse_tag(&mut self, text: &str, span: &Span, tag: Option<&Tag>) -> bool {
        let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() && tag.original() != "!") else { return false };
        let at = span.tag_start().map_or(0, |start| offset(text, &start));
        let (written, name) = (tag.original(), tag.suffix());
        let help = format!("leave it out; a choice is a key, such as `{{ {name}: … }}`");
        self.faults.push(fault(at, format!("`{written}` is a YAML tag, and a spec has none"), help));
        true
    }

    fn count(&mut self, values: usize, at: usize, is_alias: bool) -> Result<(), Fault> {
        self.values = self.values.saturating_add(values);
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        Err(if is_alias {
            let message = format!("with what this alias repeats, the spec has more than {MAX_VALUES} values");
            fault(at, message, "aliases of aliases multiply: write out what is needed")
        } else {
            fault(at, format!("the spec has more than {MAX_VALUES} values"), "write less, or share by anchors")
        })
    }

    /// Refuses a node that would lead too deep from here.
    fn deepen(&self, depth: usize, at: usize) -> Result<(), Fault> {
        if self.open.len() + depth > MAX_DEPTH { Err(syntax::too_deep(at)) } else { Ok(()) }
    }

    fn open(&mut self, at: usize, anchor: usize, content: Content, is_refused: bool) -> Result<(), Fault> {
        self.deepen(1, at)?;
        self.count(1, at, false)?;
        self.open.push(Open { at, anchor, content, values: 1, depth: 1, is_refused });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { at, anchor, content, values, depth, is_refused }) = self.open.pop() else { return };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items.into()),
            Content::Mapping { entries, keys, .. } => Value::Mapping(self.merge(entries, keys)),
        };
        self.put(Subtree { node: Node { value, at }, values, depth, is_refused }, anchor, at, false);
    }

    /// Puts a node where it belongs. `at` is where it is written, be it by an alias.
    fn put(&mut self, subtree: Subtree, anchor: usize, at: usize, is_merge: bool) {
        if anchor > 0 {
            self.anchors.resize(self.anchors.len().max(anchor + 1), None);
            self.anchors[anchor] = Some(subtree.clone());
        }
        let Subtree { node, values, depth, is_refused } = subtree;
        let is_root = self.open.len() == 1;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.values = open.values.saturating_add(values);
        open.depth = open.depth.max(depth + 1);
        match &mut open.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, keys, key } => match key.take() {
                Some(Key { is_left_out: true, .. }) => {}
                Some(Key { is_merge: true, .. }) if is_refused => {}
                Some(Key { text, at, is_merge, .. }) => {
                    entries.push(Written { entry: Entry { key: text, at, value: node }, is_merge });
                }
                None => {
                    let (text, is_scalar) = match node.value {
                        Value::Scalar(_, text) => (text, true),
                        _ => ("".into(), false),
                    };
                    let is_extension = is_root && text.starts_with(EXTENSION);
                    let is_new = is_extension || !is_scalar || keys.insert(text.clone());
                    *key = Some(Key { is_left_out: is_extension || !is_scalar || !is_new, text, at, is_merge });
                    if !is_scalar && !is_refused {
                        self.faults.push(fault(at, "a key that is no name", "write a name as the key"));
                    } else if !is_new {
                        let text = key.as_ref().map_or("", |key| &key.text);
                        let help = if is_merge { "merge several by `<<: [*a, *b]`" } else { "keep one of the two" };
                        self.faults.push(fault(at, format!("the key `{text}` stands here for the second time"), help));
                    }
                }
            },
        }
    }

    /// Puts the merged mappings where their `<<` stands, without the keys that the mapping has of its own.
    fn merge(&mut self, written: Vec<Written>, mut keys: HashSet<Rc<str>>) -> Rc<[Entry]> {
        let mut merged = Vec::with_capacity(written.len());
        for Written { entry, is_merge } in written {
            if !is_merge {
                merged.push(entry);
                continue;
            }
            let sources = match &entry.value.value {
                Value::Sequence(sources) => &**sources,
                _ => std::slice::from_ref(&entry.value),
            };
            for source in sources {
                let Value::Mapping(entries) = &source.value else {
                    let help = "write `<<: *anchor` or `<<: [*a, *b]`";
                    self.faults.push(fault(entry.at, "`<<` merges mappings only", help));
                    continue;
                };
                merged.extend(entries.iter().filter(|entry| keys.insert(entry.key.clone())).cloned());
            }
        }
        merged.into()
    }
}

fn fault(at: usize, message: impl Into<String>, help: impl Into<String>) -> Fault {
    let mut fault = Fault::new(At::Offset(at), message);
    fault.help(help);
    fault
}

/// The byte that a mark stands for.
fn offset(text: &str, mark: &Marker) -> usize {
    mark.byte_offset().unwrap_or_else(|| text.char_indices().nth(mark.index()).map_or(text.len(), |(at, _)| at))
}
