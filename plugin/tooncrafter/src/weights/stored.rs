//! An open weight file: a memory map of the file and an index of its tensors.
//!
//! Only the index is read until a tensor is requested.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inbetween_core::files;
use memmap2::Mmap;

use super::error::{Result, WeightError};
pub use super::index::{Element, TensorEntry};
use super::{safetensors, torch};

/// The kind of a weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.safetensors`.
    Safetensors,
    /// `.ckpt`, `.pth`, `.pt`, `.bin`: a zip archive with a pickle, as written by PyTorch 1.6 and
    /// later.
    Torch,
}

impl Format {
    /// A name to show to people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Torch => "PyTorch zip",
        }
    }
}

/// An open weight file.
pub struct WeightFile {
    path: PathBuf,
    map: Mmap,
    format: Format,
    tensors: BTreeMap<String, TensorEntry>,
    metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for WeightFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeightFile")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("tensors", &self.tensors.len())
            .finish_non_exhaustive()
    }
}

impl WeightFile {
    /// Opens `path` and reads its index. The kind of file is determined by its first bytes, not by
    /// its name.
    ///
    /// # Errors
    /// When it cannot be read, is of another kind, is inconsistent, or requests anything but
    /// tensors.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let io = |source| WeightError::Io { file: path.clone(), source };
        let file = files::open(&path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length < 8 {
            let reason = format!("it has only {length} bytes");
            return Err(WeightError::NotWeights { file: path, reason });
        }
        // SAFETY: the map is read-only and private to this struct. Changing the file while it is
        // open changes the weights, and truncating it crashes the process on the next read. The
        // same holds for every program that maps its data, and the worker process exists so that
        // nothing else crashes with it.
        // exists so that nothing else goes down with it.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let bytes: &[u8] = &map;

        let (format, index) = if bytes.starts_with(b"PK\x03\x04") {
            (Format::Torch, torch::read_index(&path, bytes)?)
        } else if bytes[8..].first() == Some(&b'{') {
            (Format::Safetensors, safetensors::read_index(&path, bytes)?)
        } else {
            return Err(WeightError::NotWeights { file: path, reason: guess(bytes).into() });
        };
        Ok(Self { path, map, format, tensors: index.tensors, metadata: index.metadata })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of file it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its size in bytes.
    pub fn byte_len(&self) -> usize {
        self.map.len()
    }

    /// All tensors by their name in the file.
    pub fn tensors(&self) -> &BTreeMap<String, TensorEntry> {
        &self.tensors
    }

    /// Metadata in the file's header; empty for PyTorch files.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The bytes of a tensor, or of the storage it is a view of.
    pub(super) fn bytes(&self, stored: &TensorEntry) -> &[u8] {
        &self.map[stored.bytes.clone()]
    }

    /// All bytes after the header, which a digest covers. `None` for PyTorch files.
    pub(super) fn data_section(&self) -> Option<&[u8]> {
        let header = safetensors::data_start(&self.map)?;
        (self.format == Format::Safetensors).then(|| &self.map[header..])
    }

    /// Lets the system reclaim the memory behind a tensor that has been copied.
    pub(super) fn release(&self, stored: &TensorEntry) {
        #[cfg(unix)]
        {
            // A failure only means that the pages stay until memory runs short. SAFETY: the mapping
            // is read-only and backed by a file, so dropped pages are read from the file again when
            // touched, and no byte changes.
            let _ = unsafe {
                self.map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    stored.bytes.start,
                    stored.bytes.len(),
                )
            };
        }
        #[cfg(not(unix))]
        let _ = stored;
    }
}

/// What a file of neither kind appears to be.
fn guess(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"GGUF") {
        "it is a GGUF file"
    } else if bytes.starts_with(b"version https://git-lfs") {
        "it is a Git LFS pointer; the real file has to be downloaded"
    } else if bytes.starts_with(b"<") {
        "it is a web page; the download went wrong"
    } else if bytes.starts_with(&[0x80, 2]) || bytes.starts_with(&[0x80, 4]) {
        "it is a PyTorch file from before version 1.6; save it again with a newer one"
    } else if bytes.starts_with(b"PK") {
        "it is an empty or split zip archive"
    } else {
        "neither a safetensors header nor a PyTorch zip archive begins it"
    }
}
