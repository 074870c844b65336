//! The stack machine of pickle, reduced to what builds data.
//!
//! It calls nothing and recurses nowhere. An instruction makes one value at most and copies no other, so that memory grows
//! with the file and not with what the file says of itself: what would have to be copied or counted is only referred to,
//! and looked at when it is read.

use std::collections::HashMap;
use std::ops::Range;

/// The place of a value among all values of a pickle.
pub(super) type Id = u32;

/// A value; others are named by their place, since a pickle may use one twice, or within itself.
#[derive(Debug, Clone)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits.
    Huge,
    Float(f64),
    Text(Range<usize>),
    Bytes(Range<usize>),
    /// The bytes whose values are the characters of a text: how protocol 2 writes bytes.
    Latin1(Id),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// An element type of NumPy: its code, such as `f8`, and its byte order, once it is known.
    Dtype {
        code: Id,
        order: Option<Id>,
    },
    /// An array that is not filled yet.
    Blank,
    Array(Array),
}

/// An array of NumPy; its parts are checked when it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Array {
    pub(super) dtype: Id,
    /// A tuple; a single number has none.
    pub(super) dims: Option<Id>,
    pub(super) is_fortran: bool,
    pub(super) data: Id,
}

/// What a pickle may name. Nothing of it is called: each stands for a way to write data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    Reconstruct,
    FromBuffer,
    Scalar,
    Ndarray,
    Dtype,
    Encode,
    Bytes,
}

/// More instructions than files of arrays have, and few enough that their values fit in memory.
const MOST_INSTRUCTIONS: usize = 1 << 25;

/// Runs a pickle: all its values, and the place of the one that it is.
///
/// # Errors
/// What is wrong, and at which byte.
pub(super) fn run(bytes: &[u8]) -> Result<(Vec<Node>, Id), String> {
    let mut machine =
        Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..MOST_INSTRUCTIONS {
        let start = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((machine.nodes, root)),
            Err(message) => return Err(format!("byte {start}: {message}")),
        }
    }
    Err(format!("the pickle has more than {MOST_INSTRUCTIONS} instructions; keep many numbers as arrays of NumPy"))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Where in the stack the open groups begin.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Runs one instruction; the result, where it was the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        match self.take(1)?[0] {
            b'.' => return self.pop().map(Some),

            // The protocol, and the length of the frame that follows, which is of use to streams alone.
            0x80 => match self.take(1)?[0] {
                0..=5 => {}
                other => return Err(format!("expected protocol 2 to 5, found {other}; save with `protocol=4`")),
            },
            0x95 => drop(self.take(8)?),

            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let value = self.take(1)?[0];
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a => {
                let length = self.take(1)?[0].into();
                self.long(length)?;
            }
            0x8b => {
                let length = self.length4()?;
                self.long(length)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Node::Float(value))?;
            }

            b'X' => self.length4().and_then(|length| self.text(length))?,
            0x8c => self.length1().and_then(|length| self.text(length))?,
            0x8d => self.length8().and_then(|length| self.text(length))?,
            b'T' | b'B' => self.length4().and_then(|length| self.raw(length))?,
            b'U' | b'C' => self.length1().and_then(|length| self.raw(length))?,
            0x8e | 0x96 => self.length8().and_then(|length| self.raw(length))?,

            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() {
                // An empty group is dropped with its mark.
                Some(mark) if *mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.group()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }

            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            0x8f => self.push(Node::Set(Vec::new()))?,
            b'l' => self.group().and_then(|items| self.push(Node::List(items)))?,
            b't' => self.group().and_then(|items| self.push(Node::Tuple(items)))?,
            0x91 => self.group().and_then(|items| self.push(Node::Set(items)))?,
            b'd' => self.group().and_then(pairs).and_then(|pairs| self.push(Node::Dict(pairs)))?,
            count @ 0x85..=0x87 => {
                let mut items = (0x85..=count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                self.push(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => self.group().and_then(|items| self.extend(items))?,
            0x90 => {
                let group = self.group()?;
                match self.top()? {
                    Node::Set(items) => items.extend(group),
                    _ => return Err("expected a set to add to".into()),
                }
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => self.group().and_then(pairs).and_then(|pairs| self.set(pairs))?,

            b'q' => {
                let key = self.take(1)?[0].into();
                self.remember(key)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| "too many values are remembered")?;
                self.remember(key)?;
            }
            b'h' => {
                let key = self.take(1)?[0].into();
                self.recall(key)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = self.global(&module, &name)?;
                self.push(Node::Global(global))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let [module, name] = [module, name].map(|id| self.name(id));
                let global = self.global(&module?, &name?)?;
                self.push(Node::Global(global))?;
            }
            b'R' => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                let Node::Tuple(arguments) = self.node(arguments) else {
                    return Err("expected a tuple of arguments".into());
                };
                // Of more arguments than any call here has, no more are looked at.
                let arguments: Vec<Id> = arguments.iter().take(5).copied().collect();
                let node = self.reduce(called, &arguments)?;
                self.push(node)?;
            }
            b'b' => {
                let state = self.pop()?;
                self.build(state)?;
            }

            0x97 | 0x98 => return Err("a buffer is kept outside the pickle; save without `buffer_callback`".into()),
            b'P' | b'Q' => return Err("a value is kept outside the pickle (a persistent id); save plain arrays".into()),
            code @ (0x81 | 0x92 | b'i' | b'o') => {
                return Err(format!(
                    "the pickle wants to make an object of a class (instruction {code:#04x}), and reading runs nothing; {FIX}"
                ));
            }
            b'I' | b'L' | b'F' | b'S' | b'V' | b'g' | b'p' => {
                return Err(
                    "the pickle is of protocol 0 or 1; save it with `pickle.dump(data, file, protocol=4)`".into()
                );
            }
            code => return Err(format!("expected an instruction of pickle, found {code:#04x}; {FIX}")),
        }
        Ok(None)
    }

    /// The next bytes of the file.
    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or_else(|| {
            format!(
                "expected {length} more bytes, found {}; the file ends early, fetch it anew",
                self.bytes.len() - start
            )
        })?;
        Ok(&self.bytes[start..self.at])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn length1(&mut self) -> Result<usize, String> {
        Ok(self.take(1)?[0].into())
    }

    fn length4(&mut self) -> Result<usize, String> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn length8(&mut self) -> Result<usize, String> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| "a value is too long to hold".into())
    }

    /// The rest of a line, of which names are made.
    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length =
            rest.iter().take(256).position(|byte| *byte == b'\n').ok_or("expected a name of 255 bytes at most")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let start = self.at;
        if std::str::from_utf8(self.take(length)?).is_err() {
            return Err("expected text in UTF-8, found other bytes".into());
        }
        self.push(Node::Text(start..self.at))
    }

    fn raw(&mut self, length: usize) -> Result<(), String> {
        let start = self.at;
        self.take(length)?;
        self.push(Node::Bytes(start..self.at))
    }

    /// A whole number of so many bytes, the lowest first, in two's complement.
    fn long(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        let sign = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
        let (low, high) = bytes.split_at(length.min(8));
        let mut value = [sign; 8];
        value[..low.len()].copy_from_slice(low);
        let value = i64::from_le_bytes(value);
        let fits = high.iter().all(|byte| *byte == sign) && (value < 0) == (sign != 0);
        self.push(if fits { Node::Int(value) } else { Node::Huge })
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        let id = Id::try_from(self.nodes.len()).map_err(|_| "the pickle holds too many values")?;
        self.nodes.push(node);
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("an instruction lacks its value; the file is damaged, fetch it anew".into());
        }
        self.stack.pop().ok_or_else(|| "there is no value".into())
    }

    /// The values since the last mark.
    fn group(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("a group ends that never began; the file is damaged, fetch it anew")?;
        Ok(self.stack.split_off(mark))
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    /// The value on top of the stack, to change it.
    fn top(&mut self) -> Result<&mut Node, String> {
        let top = self.pop()?;
        self.stack.push(top);
        Ok(&mut self.nodes[top as usize])
    }

    fn extend(&mut self, group: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Node::List(items) => items.extend(group),
            _ => return Err("expected a list to append to".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<(Id, Id)>) -> Result<(), String> {
        match self.top()? {
            Node::Dict(entries) => entries.extend(pairs),
            _ => return Err("expected a dictionary to set values of".into()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.pop()?;
        self.stack.push(top);
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = self.memo.get(&key).ok_or_else(|| format!("value {key} is recalled and was never remembered"))?;
        self.stack.push(*id);
        Ok(())
    }

    /// A text as part of a name; only its beginning, should it be long.
    fn name(&self, id: Id) -> Result<String, String> {
        match self.node(id) {
            Node::Text(range) | Node::Bytes(range) => {
                let end = range.end.min(range.start + 256);
                Ok(String::from_utf8_lossy(&self.bytes[range.start..end]).into_owned())
            }
            _ => Err("expected the name of a module and what to import from it".into()),
        }
    }

    /// What a name stands for, if it is one of those that stand for data.
    fn global(&self, module: &str, name: &str) -> Result<Global, String> {
        Ok(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::Reconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Global::FromBuffer,
            ("numpy", "ndarray") => Global::Ndarray,
            ("numpy", "dtype") => Global::Dtype,
            ("_codecs", "encode") => Global::Encode,
            ("__builtin__" | "builtins", "bytes") => Global::Bytes,
            _ => {
                return Err(format!(
                    "the pickle wants to import `{}.{}`, and reading runs nothing; {FIX}",
                    module.escape_debug(),
                    name.escape_debug(),
                ));
            }
        })
    }

    /// The data for which a call stands.
    fn reduce(&self, called: Id, arguments: &[Id]) -> Result<Node, String> {
        let Node::Global(called) = self.node(called) else {
            return Err(format!("the pickle wants to call a value, and reading runs nothing; {FIX}"));
        };
        match (called, arguments) {
            (Global::Reconstruct, [class, _, _]) if matches!(self.node(*class), Node::Global(Global::Ndarray)) => {
                Ok(Node::Blank)
            }
            (Global::FromBuffer, [data, dtype, dims, order]) => {
                let is_fortran = matches!(self.name(*order).as_deref(), Ok("F"));
                Ok(Node::Array(Array { dtype: *dtype, dims: Some(*dims), is_fortran, data: *data }))
            }
            (Global::Dtype, [code, ..]) => Ok(Node::Dtype { code: *code, order: None }),
            (Global::Scalar, [dtype, data]) => {
                Ok(Node::Array(Array { dtype: *dtype, dims: None, is_fortran: false, data: *data }))
            }
            (Global::Encode, [text, encoding])
                if matches!(self.name(*encoding).as_deref(), Ok("latin1" | "latin-1")) =>
            {
                Ok(Node::Latin1(*text))
            }
            (Global::Bytes, []) => Ok(Node::Bytes(0..0)),
            (called, _) => Err(format!("`{called:?}` is called with other arguments than NumPy gives it; {FIX}")),
        }
    }

    /// Fills the array or element type on top of the stack.
    fn build(&mut self, state: Id) -> Result<(), String> {
        let fault = || format!("the pickle wants to set the state of an object, and reading runs nothing; {FIX}");
        let Node::Tuple(state) = self.node(state) else { return Err(fault()) };
        let state: Vec<Id> = state.iter().take(10).copied().collect();
        let is_none = |id: &Id| matches!(self.node(*id), Node::None);
        let is_true = |id: &Id| matches!(self.node(*id), Node::Bool(true) | Node::Int(1));
        let top = self.stack.last().map(|top| self.node(*top));
        let built = match (top, &state[..]) {
            (Some(Node::Blank), [_version, dims, dtype, fortran, data]) => {
                Node::Array(Array { dtype: *dtype, dims: Some(*dims), is_fortran: is_true(fortran), data: *data })
            }
            (Some(Node::Dtype { code, .. }), [_version, order, parts, names, fields, ..]) => {
                if ![parts, names, fields].into_iter().all(is_none) {
                    return Err("an array holds records of several fields; save each field as an array".into());
                }
                Node::Dtype { code: *code, order: Some(*order) }
            }
            _ => return Err(fault()),
        };
        *self.top()? = built;
        Ok(())
    }
}

const FIX: &str = "read it with Python, if you trust it, and save arrays and plain values";

fn pairs(items: Vec<Id>) -> Result<Vec<(Id, Id)>, String> {
    if items.len() % 2 == 1 {
        return Err("a key of a dictionary lacks its value; the file is damaged, fetch it anew".into());
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
