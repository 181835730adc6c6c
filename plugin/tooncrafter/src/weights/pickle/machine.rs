//! The stack machine that a pickle is a program for: constants, containers and the memo.

use std::collections::HashMap;

use super::opcodes::opcode_name;
use super::{Error, Id, Object, Result, malformed};

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    pub(super) objects: Vec<Object>,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// About to run `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let (objects, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        Self { bytes, objects, stack, marks, memo: HashMap::new() }
    }

    /// Does what `opcode` says.
    pub(super) fn step(&mut self, opcode: u8) -> Result<()> {
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

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Result<&'a str> {
        let length = self.bytes.iter().position(|&b| b == b'\n').ok_or(Error::Truncated)?;
        let line = self.take(length + 1)?;
        str::from_utf8(&line[..length]).or_else(|_| malformed("has a name that is no text"))
    }

    pub(super) fn push(&mut self, object: Object) -> Result<()> {
        // The pickle is far shorter than 4 GiB, so the number fits.
        self.stack.push(self.objects.len() as Id);
        self.objects.push(object);
        Ok(())
    }

    /// The lowest place of the stack that belongs to the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        self.peek()?;
        self.stack.pop().ok_or(Error::Truncated)
    }

    pub(super) fn peek(&self) -> Result<Id> {
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

    pub(super) fn object(&self, id: Id) -> &Object {
        &self.objects[id as usize]
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
