//! The index of a weight file: which tensors it holds, and where each of them lies.

use std::collections::BTreeMap;
use std::ops::Range;

/// The type of a tensor's elements in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 16-bit float with the range of 32 bits.
    BF16,
    /// Something that is no weight, with its name and its size in bytes.
    Other(&'static str, usize),
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other(_, size) => size,
        }
    }

    /// The usual short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::Other(name, _) => name,
        }
    }
}

/// Where a tensor lies in its file. The reader that made it has checked it against the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Type of the elements.
    pub element: Element,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// Bytes in the file: the tensor itself, or the storage it is a view of.
    pub bytes: Range<usize>,
    /// For a view that is not contiguous: first element and strides, in elements of the storage.
    pub view: Option<(usize, Vec<usize>)>,
}

impl TensorEntry {
    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// An index as a reader makes it.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) tensors: BTreeMap<String, TensorEntry>,
    pub(super) metadata: BTreeMap<String, String>,
}
