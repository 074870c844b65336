//! The pickle format of Python, as far as it is data: this reader runs nothing.
//!
//! Python's own reader does what a pickle says, and a pickle may say to run a program. This one knows dictionaries, lists,
//! tuples, sets, text, bytes, numbers and NumPy's arrays, in protocols 2 to 5; where a pickle names anything else, the
//! error says what and where.

mod machine;

use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use self::machine::{Array, Id, Node};
use super::npy::Element;
use crate::{Error, Result};

/// A pickle that has been read.
///
/// ```no_run
/// use m2sn_runtime::{data::pickle, tch::Kind};
///
/// let pickle = pickle::read("mosi_raw.pkl")?;
/// let train = pickle.root().get("train")?;
/// let vision = train.get("vision")?.array(Kind::Float, &[-1, 50, 35])?;
/// let ids = train.get("id")?.texts()?;
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Pickle {
    path: PathBuf,
    bytes: Vec<u8>,
    nodes: Vec<Node>,
    root: Id,
}

/// A value within a pickle, and the way to it, which errors name.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    pickle: &'a Pickle,
    id: Id,
    way: String,
}

/// Reads a file; it is held in memory, and its arrays are copied out of it when they are asked for.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] with the byte at fault where it is no pickle, is damaged,
/// or wants to import or call anything.
pub fn read(path: impl AsRef<Path>) -> Result<Pickle> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    if bytes.starts_with(b"version https://git-lfs") {
        let message = "a pointer of Git LFS stands in for the file; fetch the file by `git lfs pull`";
        return Err(Error::file(path, message));
    }
    let (nodes, root) = machine::run(&bytes).map_err(|message| Error::file(path, message))?;
    Ok(Pickle { path: path.into(), bytes, nodes, root })
}

impl Pickle {
    /// The value that was pickled.
    pub fn root(&self) -> Value<'_> {
        Value { pickle: self, id: self.root, way: String::new() }
    }
}

impl<'a> Value<'a> {
    /// The value of a dictionary under `key`; of several, the last, as Python has it.
    ///
    /// # Errors
    /// [`Error::File`] where this is no dictionary or has no such key; it names those that there are.
    pub fn get(&self, key: &str) -> Result<Self> {
        let Node::Dict(entries) = self.node() else { return Err(self.expected("a dictionary")) };
        let found = entries.iter().rev().find(|(name, _)| self.at(*name).raw() == Some(key.as_bytes()));
        let value = found.map(|(_, value)| Self { way: format!("{}[{key:?}]", self.way), ..self.at(*value) });
        value.ok_or_else(|| {
            let names = entries.iter().take(10).map(|(name, _)| self.at(*name).describe());
            let names: Vec<_> = names.chain((entries.len() > 10).then(|| "…".to_owned())).collect();
            let names = if names.is_empty() { "none".into() } else { names.join(", ") };
            self.fault(format!("there is no key {key:?}; the keys are {names}"))
        })
    }

    /// The keys and values of a dictionary, in their order.
    ///
    /// # Errors
    /// [`Error::File`] where this is none.
    pub fn entries(&self) -> Result<Vec<(Self, Self)>> {
        let Node::Dict(entries) = self.node() else { return Err(self.expected("a dictionary")) };
        let entry = |(index, (key, value)): (usize, &(Id, Id))| {
            let way = format!("{}, entry {index}", self.way);
            (Self { way: way.clone(), ..self.at(*key) }, Self { way, ..self.at(*value) })
        };
        Ok(entries.iter().enumerate().map(entry).collect())
    }

    /// The items of a list, a tuple, a set, or an array of objects.
    ///
    /// # Errors
    /// [`Error::File`] where this is none.
    pub fn items(&self) -> Result<Vec<Self>> {
        let item = |(index, id): (usize, &Id)| Self { way: format!("{}[{index}]", self.way), ..self.at(*id) };
        Ok(self.members().ok_or_else(|| self.expected("a list"))?.iter().enumerate().map(item).collect())
    }

    /// The array of the element type `kind`, as [`super::npy::read`] has it.
    ///
    /// # Errors
    /// [`Error::File`] where this is no such array, or one of another type or other dimensions.
    pub fn array(&self, kind: Kind, dims: &[i64]) -> Result<Tensor> {
        let (element, found, array) = self.numbers()?;
        let data = self.data(array)?;
        element.array(&data, &found, array.is_fortran, kind, dims).map_err(|message| self.fault(message))
    }

    /// The array, whatever numbers it holds, in the element type of LibTorch that holds them all.
    ///
    /// # Errors
    /// [`Error::File`] where this is no array of numbers or booleans.
    pub fn tensor(&self) -> Result<Tensor> {
        let (element, dims, _) = self.numbers()?;
        self.array(element.kind, &dims)
    }

    /// The text; bytes, as Python 2 writes text, where they are UTF-8.
    ///
    /// # Errors
    /// [`Error::File`] where this is none.
    pub fn text(&self) -> Result<String> {
        if let Node::Array(array) = self.node() {
            let mut texts = self.fixed_texts(*array)?;
            return match (texts.pop(), texts.is_empty()) {
                (Some(text), true) => Ok(text),
                _ => Err(self.expected("a text")),
            };
        }
        let text = match self.node() {
            Node::Latin1(_) => self.bytes().map(|bytes| String::from_utf8(bytes.into_owned()).ok())?,
            _ => self.raw().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned),
        };
        text.ok_or_else(|| self.expected("a text"))
    }

    /// The texts of a list, or of an array of texts.
    ///
    /// # Errors
    /// [`Error::File`] where this is none, with the first item that is no text.
    pub fn texts(&self) -> Result<Vec<String>> {
        match self.node() {
            Node::Array(array) if self.members().is_none() => self.fixed_texts(*array),
            _ => self.items()?.iter().map(Self::text).collect(),
        }
    }

    /// The whole number, a number of Python or a scalar of NumPy.
    ///
    /// # Errors
    /// [`Error::File`] where this is none, or one of more than 64 bits.
    pub fn integer(&self) -> Result<i64> {
        match self.node() {
            Node::Int(value) => Ok(*value),
            Node::Array(_) => match self.tensor()? {
                tensor if tensor.numel() == 1 && !tensor.is_floating_point() => Ok(tensor.view(1).int64_value(&[0])),
                _ => Err(self.expected("a whole number")),
            },
            _ => Err(self.expected("a whole number of 64 bits")),
        }
    }

    /// The number, whole or not.
    ///
    /// # Errors
    /// [`Error::File`] where this is none.
    pub fn float(&self) -> Result<f64> {
        match self.node() {
            Node::Float(value) => Ok(*value),
            Node::Int(value) => Ok(*value as f64),
            Node::Array(_) => match self.tensor()? {
                tensor if tensor.numel() == 1 => Ok(tensor.view(1).double_value(&[0])),
                _ => Err(self.expected("a number")),
            },
            _ => Err(self.expected("a number")),
        }
    }

    /// The truth value.
    ///
    /// # Errors
    /// [`Error::File`] where this is none.
    pub fn boolean(&self) -> Result<bool> {
        match self.node() {
            Node::Bool(value) => Ok(*value),
            _ => Err(self.expected("a truth value")),
        }
    }

    /// Whether this is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// An error about this value.
    pub(crate) fn fault(&self, message: impl AsRef<str>) -> Error {
        let way =
            if self.way.is_empty() { String::new() } else { format!("in {}, ", self.way.trim_start_matches(", ")) };
        Error::file(&self.pickle.path, format!("{way}{}", message.as_ref()))
    }

    fn expected(&self, what: &str) -> Error {
        self.fault(format!("expected {what}, found {}", self.describe()))
    }

    fn node(&self) -> &'a Node {
        &self.pickle.nodes[self.id as usize]
    }

    fn at(&self, id: Id) -> Self {
        Self { pickle: self.pickle, id, way: self.way.clone() }
    }

    /// The bytes of a text or of bytes, where they stand in the file as they are.
    fn raw(&self) -> Option<&'a [u8]> {
        match self.node() {
            Node::Text(range) | Node::Bytes(range) => self.pickle.bytes.get(range.clone()),
            _ => None,
        }
    }

    /// The bytes, also where protocol 2 wrote them as the characters of a text.
    fn bytes(&self) -> Result<Cow<'a, [u8]>> {
        match self.node() {
            Node::Bytes(range) => self.pickle.bytes.get(range.clone()).map(Cow::Borrowed),
            Node::Latin1(text) => match self.at(*text).node() {
                Node::Text(range) => std::str::from_utf8(&self.pickle.bytes[range.clone()])
                    .ok()
                    .and_then(|text| text.chars().map(|char| u8::try_from(char).ok()).collect())
                    .map(Cow::Owned),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| self.expected("bytes"))
    }

    /// The members of a list, tuple, set or array of objects.
    fn members(&self) -> Option<&'a [Id]> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => Some(items),
            Node::Array(array) => match self.at(array.data).node() {
                Node::List(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// What is known of an array of numbers: its element type and its dimensions.
    fn numbers(&self) -> Result<(Element, Vec<i64>, Array)> {
        let Node::Array(array) = self.node() else { return Err(self.expected("an array of NumPy")) };
        let (descr, dims) = self.descr(*array).zip(self.dims(*array)).ok_or_else(|| self.expected("a whole array"))?;
        let element = Element::parse(&descr).ok_or_else(|| {
            let descr = descr.escape_debug();
            self.fault(format!("cannot read the element type `{descr}`; save an array of numbers or booleans"))
        })?;
        Ok((element, dims, *array))
    }

    /// The element type of an array as NumPy describes it: byte order, kind, size.
    fn descr(&self, array: Array) -> Option<String> {
        let Node::Dtype { code, order } = self.at(array.dtype).node() else { return None };
        let short = |id: Id| {
            let bytes = self.at(id).raw().filter(|bytes| bytes.len() <= 16)?;
            std::str::from_utf8(bytes).ok()
        };
        let order = order.map_or(Some("<"), short)?;
        Some(format!("{order}{}", short(*code)?))
    }

    fn dims(&self, array: Array) -> Option<Vec<i64>> {
        let Some(dims) = array.dims else { return Some(Vec::new()) };
        let dim = |id: &Id| match self.at(*id).node() {
            Node::Int(dim) if *dim >= 0 => Some(*dim),
            _ => None,
        };
        match self.at(dims).node() {
            // NumPy itself has arrays of 64 dimensions at most.
            Node::Tuple(dims) if dims.len() <= 64 => dims.iter().map(dim).collect(),
            _ => None,
        }
    }

    fn data(&self, array: Array) -> Result<Cow<'a, [u8]>> {
        Self { way: self.way.clone(), ..self.at(array.data) }.bytes()
    }

    /// The texts of an array whose elements are of one length, padded by zeros: `<U12` or `|S12`.
    fn fixed_texts(&self, array: Array) -> Result<Vec<String>> {
        let descr = self.descr(array).unwrap_or_default();
        let unreadable = || self.fault(format!("expected an array of texts, found one of `{}`", descr.escape_debug()));
        let (order, code) = descr.split_at_checked(1).ok_or_else(unreadable)?;
        let (kind, length) = code.split_at_checked(1).ok_or_else(unreadable)?;
        let length: usize = length.parse().map_err(|_| unreadable())?;
        let size = match kind {
            "U" => length.checked_mul(4).ok_or_else(unreadable)?,
            "S" => length,
            _ => return Err(unreadable()),
        };
        let data = self.data(array)?;
        let count = self.dims(array).and_then(|dims| super::elements(&dims)).ok_or_else(unreadable)?;
        if count.checked_mul(size) != Some(data.len()) {
            return Err(
                self.fault(format!("expected {count} texts of {size} bytes, found {} bytes in all", data.len()))
            );
        }
        if size == 0 {
            // Their number is all that the file says of them, and it costs the file nothing.
            return Err(self.fault("expected an array of texts, found one of empty texts alone"));
        }
        let text = |bytes: &[u8]| {
            if kind == "S" {
                return std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\0').to_owned());
            }
            let char = |bytes: &[u8]| {
                let bytes = bytes.try_into().ok()?;
                char::from_u32(if order == ">" { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
            };
            let text = bytes.chunks_exact(4).map(char).collect::<Option<String>>()?;
            Some(text.trim_end_matches('\0').to_owned())
        };
        let texts = data.chunks_exact(size).map(text);
        texts.collect::<Option<_>>().ok_or_else(|| self.fault("an array of texts holds bytes that are no text"))
    }

    /// What the value is, for errors.
    fn describe(&self) -> String {
        let excerpt = |bytes: &[u8]| {
            let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).escape_debug().to_string();
            if bytes.len() > 40 {
                text.push('…');
            }
            format!("\"{text}\"")
        };
        match self.node() {
            Node::None => "None".into(),
            Node::Bool(true) => "True".into(),
            Node::Bool(false) => "False".into(),
            Node::Int(value) => value.to_string(),
            Node::Huge => "a whole number of more than 64 bits".into(),
            Node::Float(value) => value.to_string(),
            Node::Text(_) | Node::Bytes(_) => self.raw().map(excerpt).unwrap_or_default(),
            Node::Latin1(_) => "bytes".into(),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Tuple(items) => format!("a tuple of {}", items.len()),
            Node::Set(items) => format!("a set of {}", items.len()),
            Node::Dict(entries) => format!("a dictionary of {}", entries.len()),
            Node::Global(global) => format!("the name `{global:?}`"),
            Node::Dtype { .. } => "an element type".into(),
            Node::Blank => "an array that was never filled".into(),
            Node::Array(array) => {
                let mut text = "an array".to_owned();
                if let (Some(dims), Some(descr)) = (self.dims(*array), self.descr(*array)) {
                    let _ = write!(text, " {dims:?} of `{}`", descr.escape_debug());
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests;
