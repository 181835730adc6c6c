//! The index of a weight file: its tensors, and where each of them is stored.

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
    /// 16-bit float with the range of 32-bit float.
    BF16,
    /// A type that is not used for weights, with its name and its size in bytes.
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

    /// The usual short name of the type.
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

/// Where a tensor is stored in its file. The reader that created this entry has checked it against
/// the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Type of the elements.
    pub element: Element,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// Bytes in the file: the tensor itself, or the storage it is a view of.
    pub bytes: Range<usize>,
    /// For a view that is not contiguous, the first element and the strides, in elements of the
    /// storage.
    pub view: Option<(usize, Vec<usize>)>,
}

impl TensorEntry {
    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// An index as created by a reader.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) tensors: BTreeMap<String, TensorEntry>,
    pub(super) metadata: BTreeMap<String, String>,
}
