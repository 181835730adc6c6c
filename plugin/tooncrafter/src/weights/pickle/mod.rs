//! A pickle reader that knows only tensors and containers.
//!
//! Pickles are programs: Python's reader calls whatever functions they name. This one calls
//! nothing. It knows the opcodes that PyTorch writes and the few names that describe tensors.
//! Anything else ends the reading with an error that names what was requested.
//!
//! Objects are kept in one list and refer to each other by number, so neither deep nesting nor
//! objects that contain themselves can exhaust the stack. They are small, since texts stay in the
//! file, and their total size is counted: a pickle of weights needs about four times its length,
//! and one that would need more than eight times is rejected.

mod machine;
mod opcodes;
mod tensors;

use super::index::Element;
use machine::Machine;

/// The index of an object.
pub(super) type Id = u32;

/// Why a pickle could not be read.
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

/// The objects in a pickle. Kept small, because the shortest takes only one byte of the pickle.
#[derive(Debug)]
pub(super) enum Object {
    None,
    Bool,
    Int(i64),
    Float,
    /// A range of the pickle.
    Text(Stretch),
    /// A range of the list of items.
    Tuple(Stretch),
    /// Its items are not needed here.
    List,
    /// The index of the dictionary.
    Dict(u32),
    Name(Name),
    Storage(Box<Storage>),
    Tensor(Box<View>),
}

const _: () = assert!(size_of::<Object>() <= 16);

/// A range within a longer sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    start: u32,
    length: u32,
}

impl Stretch {
    fn of<T>(self, all: &[T]) -> &[T] {
        let start = self.start as usize;
        all.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// The names to which a pickle may refer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// The index of the element type in [`tensors::ELEMENTS`].
    Storage(u8),
}

/// A sequence of numbers in an entry of the archive.
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

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    machine: Machine<'a>,
    top: Id,
}

impl Pickle<'_> {
    /// The top-level object.
    pub(super) fn top(&self) -> Id {
        self.top
    }

    /// The items of a dictionary, in order.
    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        self.machine.dict(id)
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        self.machine.text_of(id)
    }

    pub(super) fn tensor(&self, id: Id) -> Option<&View> {
        match self.machine.object(id) {
            Object::Tensor(view) => Some(view),
            _ => None,
        }
    }

    /// Whether the pickle may take `more` bytes in addition to what it has taken.
    pub(super) fn affords(&self, more: usize) -> bool {
        self.machine.affords(more)
    }
}

/// Reads `bytes`, which must be fewer than 4 GiB. Takes at most [`machine::TIMES`] times their
/// length of memory.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle<'_>> {
    let mut machine = Machine::new(bytes);
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let top = machine.pop()?;
            return Ok(Pickle { machine, top });
        }
        machine.step(opcode)?;
        if !machine.affords(0) {
            return malformed("is made to fill memory");
        }
    }
}

fn malformed<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Malformed(reason.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor as PyTorch writes it, with a name of typical length.
    fn tensor(at: usize) -> Vec<u8> {
        let text = |text: &str| {
            let mut bytes = vec![b'X'];
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
            bytes
        };
        let slot = |at: usize| [&b"r"[..], &(at as u32).to_le_bytes()].concat();
        let name = format!("model.diffusion_model.output_blocks.{at}.transformer.weight");
        let sizes = |at: usize| [&b"(M\x40\x01M\x40\x01K\x03K\x03t"[..], &slot(at)].concat();
        let parts: [&[u8]; 14] = [
            &text(&name),
            &slot(10 * at),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            &text("storage"),
            b"ctorch\nFloatStorage\n",
            &text(&at.to_string()),
            &text("cpu"),
            b"J\x00\x10\x0e\x00tQK\x00",
            &sizes(10 * at + 1),
            &sizes(10 * at + 2),
            b"\x89ccollections\nOrderedDict\n)Rt",
            &slot(10 * at + 3),
            b"R",
            &slot(10 * at + 4),
        ];
        parts.concat()
    }

    #[test]
    fn weights_take_some_times_their_length_and_bombs_are_refused() {
        let mut good = b"\x80\x02}(".to_vec();
        (0..3000).for_each(|at| good.extend(tensor(at)));
        good.extend_from_slice(b"u.");
        let pickle = read(&good).unwrap();
        assert_eq!(pickle.dict(pickle.top()).unwrap().len(), 3000);
        let times = pickle.machine.spent() as f64 / good.len() as f64;
        assert!(times < 6.0, "{times:.1} times its length");

        for opcode in [b"N", b"]", b"}", b")", b"(", b"\x89", b"\x94"] {
            let mut bomb = b"\x80\x02N".to_vec();
            bomb.extend(opcode.repeat(1 << 20));
            let refused = read(&bomb).unwrap_err();
            // Some of them are as long as what they make, and end without a final opcode.
            assert!(matches!(refused, Error::Malformed(_) | Error::Truncated), "{refused:?}");
        }
        let mut bomb = tensor(0);
        bomb.splice(0..0, *b"\x80\x02");
        bomb.extend(b"0h\x04".repeat(1 << 19));
        assert!(read(&bomb).is_err());
    }
}
