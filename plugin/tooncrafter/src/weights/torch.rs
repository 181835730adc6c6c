//! The index of a PyTorch checkpoint: a zip archive with a pickle and one entry per storage.
//!
//! PyTorch stores every entry without compression, so the archive needs no unpacking. A compressed
//! entry is rejected, which rules out zip bombs. The pickle is read by [`super::pickle`].

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::error::{Result, WeightError};
use super::index::{Index, TensorEntry};
use super::pickle::{self, Pickle, View};

/// Most bytes of the pickle. The released checkpoint's has less than one million.
const MAX_PICKLE: usize = 8 << 20;

/// Most entries of the archive. The released checkpoint has about 2700.
const MAX_ENTRIES: usize = 100_000;

/// Approximate size of a tensor in the index, besides its name.
const ENTRY_BYTES: usize = 200;

/// DeepSpeed puts this many characters (`_forward_module.`) before each name.
const MODULE_PREFIX: usize = 16;

pub(super) fn read_index(path: &Path, bytes: &[u8]) -> Result<Index> {
    let file = path.to_path_buf();
    let damaged = |reason: String| WeightError::Damaged { file: file.clone(), reason };
    let refused = |reason: String| WeightError::Refused { file: file.clone(), reason };

    let entries = list_entries(bytes, &damaged, &refused)?;
    let Some((root, pickle)) = entries.iter().find_map(|(name, range)| {
        name.strip_suffix("data.pkl").map(|root| (root.to_owned(), range.clone()))
    }) else {
        let reason = "the zip archive holds no data.pkl".into();
        return Err(WeightError::NotWeights { file, reason });
    };
    if pickle.len() > MAX_PICKLE {
        return Err(refused(format!(
            "its pickle has {} bytes, weights need far fewer",
            pickle.len()
        )));
    }
    if let Some(order) = entries.get(&format!("{root}byteorder"))
        && bytes[order.clone()] != *b"little"
    {
        return Err(refused("its numbers are not in little-endian order".into()));
    }
    let pickle = pickle::read(&bytes[pickle]).map_err(|err| match err {
        pickle::Error::Truncated => damaged("its pickle ends too early".into()),
        pickle::Error::Malformed(reason) => damaged(format!("its pickle {reason}")),
        pickle::Error::Forbidden(what) => refused(format!("its pickle asks for {what}")),
    })?;

    let (items, skip) = state_dict(&pickle).ok_or_else(|| WeightError::NotWeights {
        file: file.clone(),
        reason: format!("no state_dict in it; it holds {}", top_level(&pickle)),
    })?;
    let (mut index, mut taken) = (Index::default(), 0);
    for &(key, value) in items {
        let (Some(key), Some(view)) = (pickle.text(key), pickle.tensor(value)) else {
            // Counters and settings stored beside the tensors.
            continue;
        };
        taken += ENTRY_BYTES + 2 * key.len();
        if !pickle.affords(taken) {
            return Err(refused("its pickle names one tensor too many times".into()));
        }
        let Some(name) = key.get(skip..).filter(|name| !name.is_empty()) else {
            return Err(damaged(format!("the name {key:?} is too short for its kind of file")));
        };
        let stored = locate(view, &root, &entries)
            .map_err(|reason| damaged(format!("tensor {key}: {reason}")))?;
        if index.tensors.insert(name.to_owned(), stored).is_some() {
            return Err(damaged(format!("the name {name} appears twice")));
        }
    }
    Ok(index)
}

/// Every entry of the archive by name, with its range of bytes in the file.
fn list_entries(
    bytes: &[u8],
    damaged: &impl Fn(String) -> WeightError,
    refused: &impl Fn(String) -> WeightError,
) -> Result<HashMap<String, Range<usize>>> {
    let broken = |err: zip::result::ZipError| damaged(format!("zip archive: {err}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MAX_ENTRIES {
        return Err(refused(format!("its zip archive has {} entries", archive.len())));
    }
    let mut entries = HashMap::with_capacity(archive.len());
    let mut ranges = Vec::with_capacity(archive.len());
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(refused(format!("its zip entry {name} is compressed or encrypted")));
        }
        if entry.size() != entry.compressed_size() {
            return Err(damaged(format!("zip entry {name} has two different sizes")));
        }
        let range = entry.data_start().and_then(|start| {
            let end = start.checked_add(entry.size())?;
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        let Some(range) = range.filter(|range| range.end <= bytes.len()) else {
            return Err(damaged(format!("zip entry {name} ends beyond the file")));
        };
        if !range.is_empty() {
            ranges.push((range.clone(), i));
        }
        if entries.insert(name.clone(), range).is_some() {
            return Err(damaged(format!("zip entry {name} appears twice")));
        }
    }
    ranges.sort_unstable_by_key(|(range, _)| range.start);
    if ranges.windows(2).any(|pair| pair[0].0.end > pair[1].0.start) {
        return Err(damaged("entries of its zip archive overlap".into()));
    }
    Ok(entries)
}

/// The items that map names to tensors, and the number of characters to skip in each name.
fn state_dict<'p>(pickle: &'p Pickle<'_>) -> Option<(&'p [(pickle::Id, pickle::Id)], usize)> {
    let top = pickle.dict(pickle.top())?;
    let item = |name: &str| {
        let (_, value) = top.iter().rev().find(|(key, _)| pickle.text(*key) == Some(name))?;
        pickle.dict(*value)
    };
    if let Some(items) = item("state_dict") {
        return Some((items, 0));
    }
    if let Some(items) = item("module") {
        return Some((items, MODULE_PREFIX));
    }
    let bare = top.iter().any(|(_, value)| pickle.tensor(*value).is_some());
    bare.then_some((top, 0))
}

/// The names on the top level, for error messages.
fn top_level(pickle: &Pickle<'_>) -> String {
    let Some(top) = pickle.dict(pickle.top()) else { return "something else".into() };
    let names: Vec<&str> = top.iter().filter_map(|(key, _)| pickle.text(*key)).take(8).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Checks a tensor against the entry that it is stored in.
fn locate(
    view: &View,
    root: &str,
    entries: &HashMap<String, Range<usize>>,
) -> std::result::Result<TensorEntry, String> {
    let storage = &view.storage;
    let Some(bytes) = entries.get(&format!("{root}data/{}", storage.key)) else {
        return Err(format!("its storage {} is not in the file", storage.key));
    };
    let size = storage.element.size();
    let wanted = storage.count.checked_mul(size);
    if wanted != Some(bytes.len()) {
        return Err(format!(
            "its storage {} has {} bytes, but {} elements of {} are announced",
            storage.key,
            bytes.len(),
            storage.count,
            storage.element.name()
        ));
    }
    let count = view
        .shape
        .iter()
        .try_fold(1_usize, |product, &side| product.checked_mul(side))
        .ok_or("its shape is absurd")?;
    // This also prevents a storage of one element from being stretched over terabytes with stride
    // 0.
    if count > storage.count {
        return Err(format!("{count} elements do not fit its storage of {}", storage.count));
    }
    let last = (view.shape.iter().zip(&view.strides))
        .try_fold(view.offset, |at, (&side, stride)| {
            at.checked_add(side.saturating_sub(1).checked_mul(*stride)?)
        })
        .ok_or("its strides are absurd")?;
    if count > 0 && last >= storage.count {
        return Err(format!("it reaches element {last} of a storage of {}", storage.count));
    }
    let shape = view.shape.clone();
    if count == 0 || is_contiguous(&view.shape, &view.strides) {
        let start = if count == 0 { bytes.start } else { bytes.start + view.offset * size };
        let bytes = start..start + count * size;
        return Ok(TensorEntry { element: storage.element, shape, bytes, view: None });
    }
    let view = Some((view.offset, view.strides.clone()));
    Ok(TensorEntry { element: storage.element, shape, bytes: bytes.clone(), view })
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    for (&side, &stride) in shape.iter().zip(strides).rev() {
        if side != 1 && stride != expected {
            return false;
        }
        expected *= side;
    }
    true
}
