//! A pickle reader that knows tensors, containers and nothing else.
//!
//! Pickles are programs: Python's reader calls whatever function they name. This one calls
//! nothing. It knows the opcodes that PyTorch writes and the handful of names that describe
//! tensors; the first thing beyond ends the reading with the name of what was asked for.
//!
//! Objects live in one list and refer to each other by number, so neither deep nesting nor
//! objects that contain themselves can exhaust the stack, and memory is bounded by the length of
//! the pickle: every object takes at least one byte of it.

use std::collections::HashMap;

use super::stored::Element;

/// The number of an object.
pub(super) type Id = u32;

/// Most axes of a tensor.
const MAX_RANK: usize = 8;

/// Most arguments of a call; a tensor has seven.
const MAX_ARGUMENTS: usize = 16;

/// Longest name of a storage, in bytes; PyTorch counts them.
const MAX_KEY: usize = 64;

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
    let mut machine = Machine { bytes, ..Machine::default() };
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

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    objects: Vec<Object>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME: nothing depends on them.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            // Constants.
            b'N' => self.push(Object::None),
            0x88 | 0x89 => self.push(Object::Bool),
            b'K' => {
                let value = self.byte()?.into();
                self.push(Object::Int(value))
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?).into();
                self.push(Object::Int(value))
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?).into();
                self.push(Object::Int(value))
            }
            0x8a => self.long(),
            b'G' => {
                self.take(8)?;
                self.push(Object::Float)
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())
            }
            0x8c => {
                let length = self.byte()?;
                self.text(length.into())
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)
            }
            // Containers.
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Object::Tuple(items))
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items))
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Object::List(items))
            }
            b'd' => {
                let items = pairs(&self.pop_to_mark()?)?;
                self.push(Object::Dict(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.peek()?;
                self.stack.push(top);
                Ok(())
            }
            // Memo.
            b'q' => {
                let slot = self.byte()?.into();
                self.remember(slot)
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)
            }
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)
            }
            // Names and what is made with them.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)
            }
            0x93 => {
                let ids = self.pop_many(2)?;
                let [Object::Text(module), Object::Text(name)] =
                    [0, 1].map(|i| &self.objects[ids[i] as usize])
                else {
                    return malformed("names something that is no text");
                };
                let (module, name) = (module.clone(), name.clone());
                self.name(&module, &name)
            }
            b'Q' => self.persistent(),
            b'R' => self.reduce(),
            b'b' => self.build(),
            other => Err(Error::Forbidden(format!("opcode {}", opcode_name(other)))),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Error::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Result<&'a str> {
        let length = self.bytes.iter().position(|&b| b == b'\n').ok_or(Error::Truncated)?;
        let line = self.take(length + 1)?;
        str::from_utf8(&line[..length]).or_else(|_| malformed("has a name that is no text"))
    }

    fn push(&mut self, object: Object) -> Result<()> {
        // The pickle is far shorter than 4 GiB, so the number fits.
        self.stack.push(self.objects.len() as Id);
        self.objects.push(object);
        Ok(())
    }

    /// The lowest place of the stack that belongs to the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id> {
        self.peek()?;
        self.stack.pop().ok_or(Error::Truncated)
    }

    fn peek(&self) -> Result<Id> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => malformed("takes more than there is"),
        }
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>> {
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= self.floor() => Ok(self.stack.split_off(from)),
            _ => malformed("takes more than there is"),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(from) => Ok(self.stack.split_off(from)),
            None => malformed("ends a group that did not begin"),
        }
    }

    fn text(&mut self, length: u64) -> Result<()> {
        let length = usize::try_from(length).map_err(|_| Error::Truncated)?;
        match str::from_utf8(self.take(length)?) {
            Ok(text) => self.push(Object::Text(text.into())),
            Err(_) => malformed("has a text that is no UTF-8"),
        }
    }

    fn long(&mut self) -> Result<()> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return malformed("has a number of more than 64 bits");
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = if negative { [0xff; 8] } else { [0; 8] };
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Object::Int(i64::from_le_bytes(wide)))
    }

    fn append(&mut self, items: &[Id]) -> Result<()> {
        let list = self.peek()?;
        match &mut self.objects[list as usize] {
            Object::List(list) => list.extend_from_slice(items),
            _ => return malformed("appends to something that is no list"),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.peek()?;
        match &mut self.objects[dict as usize] {
            Object::Dict(dict) => dict.extend(pairs(items)?),
            _ => return malformed("sets items of something that is no dictionary"),
        }
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        let top = self.peek()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<()> {
        match self.memo.get(&slot) {
            Some(&id) => self.stack.push(id),
            None => return malformed("recalls what was never remembered"),
        }
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Name::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Name::RebuildParameter,
            ("torch", "DoubleStorage") => Name::Storage(Element::F64),
            ("torch", "FloatStorage") => Name::Storage(Element::F32),
            ("torch", "HalfStorage") => Name::Storage(Element::F16),
            ("torch", "BFloat16Storage") => Name::Storage(Element::BF16),
            ("torch", "LongStorage") => Name::Storage(Element::Other("64-bit integers", 8)),
            ("torch", "IntStorage") => Name::Storage(Element::Other("32-bit integers", 4)),
            ("torch", "ShortStorage") => Name::Storage(Element::Other("16-bit integers", 2)),
            ("torch", "CharStorage" | "ByteStorage") => {
                Name::Storage(Element::Other("8-bit integers", 1))
            }
            ("torch", "BoolStorage") => Name::Storage(Element::Other("truth values", 1)),
            _ => {
                let shown: String = format!("{module}.{name}").chars().take(120).collect();
                return Err(Error::Forbidden(shown));
            }
        };
        self.push(Object::Name(known))
    }

    /// `("storage", type, key, location, count)`: a storage in an entry of the archive.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let fields = self.tuple(id)?;
        let &[kind, element, key, _, count] = fields.get(..5).unwrap_or_default() else {
            return malformed("has a storage with too few fields");
        };
        let (Object::Text(kind), Object::Name(Name::Storage(element)), Object::Text(key)) =
            (self.object(kind), self.object(element), self.object(key))
        else {
            return malformed("has a storage whose fields make no sense");
        };
        if **kind != *"storage" {
            return Err(Error::Forbidden("a persistent object that is no storage".into()));
        }
        if key.len() > MAX_KEY {
            return malformed("has a storage with an absurdly long name");
        }
        let (element, key) = (*element, key.clone());
        let count = self.size(count)?;
        self.push(Object::Storage(Storage { element, key, count }))
    }

    /// The only "calls": an empty dictionary, a tensor, a tensor wrapped as parameter.
    fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        // A few fields at most, so that a giant tuple is not copied a million times.
        let arguments = match self.tuple(arguments)? {
            arguments if arguments.len() <= MAX_ARGUMENTS => arguments.to_vec(),
            arguments => return malformed(format!("passes {} arguments", arguments.len())),
        };
        match self.object(callee) {
            Object::Name(Name::OrderedDict) if arguments.is_empty() => {
                self.push(Object::Dict(Vec::new()))
            }
            Object::Name(Name::OrderedDict) => malformed("makes a dictionary of something"),
            Object::Name(Name::RebuildTensor) => {
                let view = self.view(&arguments)?;
                self.push(Object::Tensor(view))
            }
            Object::Name(Name::RebuildParameter) => match arguments.first() {
                Some(&tensor) if matches!(self.object(tensor), Object::Tensor(_)) => {
                    self.stack.push(tensor);
                    Ok(())
                }
                _ => malformed("has a parameter that is no tensor"),
            },
            _ => malformed("calls something that is no function"),
        }
    }

    /// `(storage, offset, shape, strides, ...)`
    fn view(&self, arguments: &[Id]) -> Result<View> {
        let &[storage, offset, shape, strides] = arguments.get(..4).unwrap_or_default() else {
            return malformed("has a tensor with too few fields");
        };
        let Object::Storage(storage) = self.object(storage) else {
            return malformed("has a tensor without storage");
        };
        let (shape, strides) = (self.tuple(shape)?, self.tuple(strides)?);
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return malformed(format!(
                "has a tensor of {} axes and {} strides",
                shape.len(),
                strides.len()
            ));
        }
        let sizes = |ids: &[Id]| ids.iter().map(|&id| self.size(id)).collect::<Result<Vec<_>>>();
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        Ok(View { storage: storage.clone(), offset: self.size(offset)?, shape, strides })
    }

    /// Attributes of a dictionary (PyTorch notes versions there) are dropped.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        let target = self.peek()?;
        match self.object(target) {
            Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => malformed("sets attributes of something that has none"),
        }
    }

    fn object(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }

    fn tuple(&self, id: Id) -> Result<&[Id]> {
        match self.object(id) {
            Object::Tuple(items) => Ok(items),
            _ => malformed("has something else where a tuple belongs"),
        }
    }

    fn size(&self, id: Id) -> Result<usize> {
        match self.object(id) {
            Object::Int(value) => match usize::try_from(*value) {
                Ok(size) => Ok(size),
                Err(_) => malformed(format!("has {value} where a size belongs")),
            },
            _ => malformed("has something else where a size belongs"),
        }
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    } else {
        malformed("has a key without value")
    }
}

/// The official name of an opcode that is not known here, for the message.
fn opcode_name(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'B' | b'C' | 0x8e => "BYTES",
        0x96 => "BYTEARRAY8",
        0x97 | 0x98 => "BUFFER",
        0x8b => "LONG4",
        0x8f..=0x91 => "SET",
        b'p' | b'g' => "text memo",
        _ => return format!("0x{opcode:02x}"),
    };
    format!("{name} (0x{opcode:02x})")
}
