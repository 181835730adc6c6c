//! The stack machine that runs a pickle: constants, containers and the memo.

use super::opcodes::opcode_name;
use super::{Error, Id, Object, Result, Storage, Stretch, View, malformed};

/// Most memory that a pickle may take, as a multiple of its length, and the amount that even a
/// short one may take.
pub(super) const TIMES: usize = 8;
const LEAST_BYTES: usize = 64 << 10;

/// Marks an empty slot of the memo.
const NOTHING: Id = Id::MAX;

#[derive(Debug)]
pub(super) struct Machine<'a> {
    all: &'a [u8],
    bytes: &'a [u8],
    objects: Vec<Object>,
    /// The items of tuples.
    items: Vec<Id>,
    dicts: Vec<Vec<(Id, Id)>>,
    pub(super) stack: Vec<Id>,
    marks: Vec<u32>,
    memo: Vec<Id>,
    remembered: u32,
    /// Memory of dictionaries, storages and tensors, in bytes.
    elsewhere: usize,
}

impl<'a> Machine<'a> {
    /// A machine that is ready to run `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            all: bytes,
            bytes,
            objects: Vec::new(),
            items: Vec::new(),
            dicts: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            remembered: 0,
            elsewhere: 0,
        }
    }

    /// Bytes of memory used by everything read so far.
    pub(super) fn spent(&self) -> usize {
        let ids = self.items.capacity() + self.stack.capacity() + self.memo.capacity();
        size_of::<Object>() * self.objects.capacity()
            + size_of::<Vec<(Id, Id)>>() * self.dicts.capacity()
            + size_of::<Id>() * (ids + self.marks.capacity())
            + self.elsewhere
    }

    /// Whether `more` bytes are within what this pickle may take.
    pub(super) fn affords(&self, more: usize) -> bool {
        self.spent() + more <= LEAST_BYTES.max(TIMES * self.all.len())
    }

    /// Executes `opcode`.
    pub(super) fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO and FRAME have no effect here.
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
            b')' => self.tuple(&[]),
            b']' => self.push(Object::List),
            b'}' => self.new_dict(Vec::new()),
            b'(' => {
                add(&mut self.marks, self.stack.len() as u32);
                Ok(())
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.tuple(&items)
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(&items)
            }
            b'l' => {
                self.pop_to_mark()?;
                self.push(Object::List)
            }
            b'd' => {
                let items = pairs(&self.pop_to_mark()?)?;
                self.new_dict(items)
            }
            b'a' => {
                self.pop()?;
                self.appended()
            }
            b'e' => {
                self.pop_to_mark()?;
                self.appended()
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
                self.push_known(top)
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
            0x94 => self.remember(self.remembered),
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)
            }
            // Names and the objects made with them.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)
            }
            0x93 => {
                let ids = self.pop_many(2)?;
                let [Some(module), Some(name)] = [0, 1].map(|i| self.text_of(ids[i])) else {
                    return malformed("names something that is not text");
                };
                self.name(module, name)
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
        str::from_utf8(&line[..length]).or_else(|_| malformed("has a name that is not text"))
    }

    pub(super) fn push(&mut self, object: Object) -> Result<()> {
        // The pickle is far shorter than 4 GiB, so the number fits.
        let id = self.objects.len() as Id;
        add(&mut self.objects, object);
        self.push_known(id)
    }

    /// Pushes an existing object onto the stack.
    pub(super) fn push_known(&mut self, id: Id) -> Result<()> {
        add(&mut self.stack, id);
        Ok(())
    }

    pub(super) fn push_storage(&mut self, storage: Storage) -> Result<()> {
        self.elsewhere += size_of::<Storage>() + storage.key.len();
        self.push(Object::Storage(Box::new(storage)))
    }

    pub(super) fn push_tensor(&mut self, view: View) -> Result<()> {
        let sides = size_of::<usize>() * (view.shape.capacity() + view.strides.capacity());
        self.elsewhere += size_of::<View>() + view.storage.key.len() + sides;
        self.push(Object::Tensor(Box::new(view)))
    }

    pub(super) fn new_dict(&mut self, items: Vec<(Id, Id)>) -> Result<()> {
        self.elsewhere += size_of::<(Id, Id)>() * items.capacity();
        let number = self.dicts.len() as u32;
        add(&mut self.dicts, items);
        self.push(Object::Dict(number))
    }

    fn tuple(&mut self, items: &[Id]) -> Result<()> {
        let stretch = Stretch { start: self.items.len() as u32, length: items.len() as u32 };
        reserve(&mut self.items, items.len());
        self.items.extend_from_slice(items);
        self.push(Object::Tuple(stretch))
    }

    /// The lowest position of the stack that belongs to the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |mark| *mark as usize)
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
            Some(from) => Ok(self.stack.split_off(from as usize)),
            None => malformed("ends a group that did not begin"),
        }
    }

    fn text(&mut self, length: u64) -> Result<()> {
        let length = usize::try_from(length).map_err(|_| Error::Truncated)?;
        let start = (self.all.len() - self.bytes.len()) as u32;
        match str::from_utf8(self.take(length)?) {
            Ok(_) => self.push(Object::Text(Stretch { start, length: length as u32 })),
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

    /// Items of lists are not needed here.
    fn appended(&mut self) -> Result<()> {
        match self.object(self.peek()?) {
            Object::List => Ok(()),
            _ => malformed("appends to something that is not a list"),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let &Object::Dict(number) = self.object(self.peek()?) else {
            return malformed("sets items of something that is not a dictionary");
        };
        let items = pairs(items)?;
        let dict = &mut self.dicts[number as usize];
        let before = dict.capacity();
        reserve(dict, items.len());
        self.elsewhere += size_of::<(Id, Id)>() * (dict.capacity() - before);
        dict.extend(items);
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        let top = self.peek()?;
        let slot = slot as usize;
        if slot >= self.all.len() {
            return malformed("remembers more than it holds");
        }
        if slot >= self.memo.len() {
            let more = slot + 1 - self.memo.len();
            if !self.affords(size_of::<Id>() * more) {
                return malformed("is made to fill memory");
            }
            reserve(&mut self.memo, more);
            self.memo.resize(slot + 1, NOTHING);
        }
        self.remembered += u32::from(self.memo[slot] == NOTHING);
        self.memo[slot] = top;
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<()> {
        match self.memo.get(slot as usize) {
            Some(&id) if id != NOTHING => self.push_known(id),
            _ => malformed("recalls what was never remembered"),
        }
    }

    /// The items of a tuple.
    pub(super) fn tuple_of(&self, id: Id) -> Option<&[Id]> {
        match self.object(id) {
            Object::Tuple(stretch) => Some(stretch.of(&self.items)),
            _ => None,
        }
    }

    pub(super) fn text_of(&self, id: Id) -> Option<&'a str> {
        match self.object(id) {
            // It was validated when it was read.
            Object::Text(stretch) => str::from_utf8(stretch.of(self.all)).ok(),
            _ => None,
        }
    }

    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.object(id) {
            Object::Dict(number) => self.dicts.get(*number as usize).map(Vec::as_slice),
            _ => None,
        }
    }

    pub(super) fn object(&self, id: Id) -> &Object {
        &self.objects[id as usize]
    }
}

/// Like [`Vec::push`], but with little spare capacity: the usual doubling would waste half of all
/// memory.
fn add<T>(list: &mut Vec<T>, item: T) {
    reserve(list, 1);
    list.push(item);
}

fn reserve<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 4).max(16));
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
