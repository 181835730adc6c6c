//! A pickle reader that knows tensors, containers and nothing else.
//!
//! Pickles are programs: Python's reader calls whatever function they name. This one calls
//! nothing. It knows the opcodes that PyTorch writes and the handful of names that describe
//! tensors; the first thing beyond ends the reading with the name of what was asked for.
//!
//! Objects live in one list and refer to each other by number, so neither deep nesting nor
//! objects that contain themselves can exhaust the stack, and memory is bounded by the length of
//! the pickle: every object takes at least one byte of it.

mod machine;
mod opcodes;
mod tensors;

use super::index::Element;
use machine::Machine;

/// The number of an object.
pub(super) type Id = u32;

/// Why a pickle was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// It ends within an opcode, or without the final one.
    Truncated,
    /// It uses known opcodes in a way that makes no sense: "has ...".
    Malformed(String),
    /// It uses an opcode or a name that weights never need.
    Forbidden(String),
}

type Result<T> = std::result::Result<T, Error>;

/// What a pickle is made of.
#[derive(Debug)]
pub(super) enum Object {
    None,
    Bool,
    Int(i64),
    Float,
    Text(Box<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Storage(Storage),
    Tensor(View),
}

/// The names that a pickle may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Element),
}

/// A run of numbers in an entry of the archive.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) element: Element,
    pub(super) key: Box<str>,
    pub(super) count: usize,
}

/// A tensor: a view of a storage, in elements.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// A pickle, read.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    top: Id,
}

impl Pickle {
    /// The object that the pickle is of.
    pub(super) fn top(&self) -> Id {
        self.top
    }

    pub(super) fn get(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }

    /// The items of a dictionary, in order.
    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads `bytes`, which must be small enough that some 40 times their length fits in memory.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle> {
    let mut machine = Machine::new(bytes);
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let top = machine.pop()?;
            return Ok(Pickle { objects: machine.objects, top });
        }
        machine.step(opcode)?;
    }
}

fn malformed<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Malformed(reason.into()))
}
