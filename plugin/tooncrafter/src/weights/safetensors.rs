//! The index of a `.safetensors` file.
//!
//! The `safetensors` crate parses and checks the header: its size is limited, and offsets must
//! follow each other without gaps or overlaps, match the shapes, and end with the file.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

use super::error::{Result, WeightError};
use super::index::{Element, Index, TensorEntry};

/// Longest header, in bytes. The released checkpoint needs less than half a million.
const MAX_HEADER: usize = 16 << 20;

/// Where the tensors begin: after the header and its length.
pub(super) fn data_start(bytes: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    usize::try_from(length).ok()?.checked_add(8).filter(|&start| start <= bytes.len())
}

pub(super) fn read_index(path: &Path, bytes: &[u8]) -> Result<Index> {
    let damaged = |reason: String| WeightError::Damaged { file: path.into(), reason };
    let Some(start) = data_start(bytes) else {
        return Err(damaged("the header is longer than the file".into()));
    };
    if start > MAX_HEADER {
        return Err(damaged(format!("its header of {start} bytes is absurdly long")));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|err| damaged(err.to_string()))?;
    let metadata =
        header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut index = Index { metadata, ..Index::default() };
    for (name, info) in header.tensors() {
        let (from, to) = info.data_offsets;
        let bytes = start + from..start + to;
        let element = match info.dtype {
            Dtype::F64 => Element::F64,
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::BF16,
            Dtype::F8_E4M3 | Dtype::F8_E5M2 => Element::Other("fp8", 1),
            Dtype::I64 | Dtype::U64 => Element::Other("64-bit integers", 8),
            Dtype::I32 | Dtype::U32 => Element::Other("32-bit integers", 4),
            Dtype::I16 | Dtype::U16 => Element::Other("16-bit integers", 2),
            Dtype::I8 | Dtype::U8 => Element::Other("8-bit integers", 1),
            Dtype::BOOL => Element::Other("truth values", 1),
            _ => Element::Other("an unknown type", 0),
        };
        let stored = TensorEntry { element, shape: info.shape.clone(), bytes, view: None };
        index.tensors.insert(name, stored);
    }
    Ok(index)
}
