//! A weight file, opened: a map of the file and an index of the tensors in it.
//!
//! Nothing is read but the index until a tensor is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inbetween_core::files;
use memmap2::Mmap;

use super::error::{Result, WeightError};
pub use super::index::{Element, TensorEntry};
use super::{safetensors, torch};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.safetensors`.
    Safetensors,
    /// `.ckpt`, `.pth`, `.pt`, `.bin`: a zip archive with a pickle, as PyTorch 1.6 and later write.
    Torch,
}

impl Format {
    /// For people.
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
    /// Opens `path` and reads its index. The kind of file is found by its first bytes, whatever
    /// its name.
    ///
    /// # Errors
    /// When it cannot be read, is of another kind, contradicts itself or asks for anything but
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
        // SAFETY: the map is read-only and private to this struct. Whoever changes the file while
        // it is open changes the weights, and whoever truncates it takes the process down on the
        // next read; the same holds for every program that maps its data, and the worker process
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

    /// The file.
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

    /// Notes in the file's header; empty for PyTorch files.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The bytes of a tensor, or of the storage that it is a view of.
    pub(super) fn bytes(&self, stored: &TensorEntry) -> &[u8] {
        &self.map[stored.bytes.clone()]
    }

    /// All bytes after the header: what a digest covers. None for PyTorch files.
    pub(super) fn data_section(&self) -> Option<&[u8]> {
        let header = safetensors::data_start(&self.map)?;
        (self.format == Format::Safetensors).then(|| &self.map[header..])
    }

    /// Lets the system take back the memory behind a tensor that has been copied out.
    pub(super) fn release(&self, stored: &TensorEntry) {
        #[cfg(unix)]
        {
            // A failure only means that the pages stay until memory runs short.
            // SAFETY: the mapping is read-only and backed by a file, so pages that are dropped are
            // read from the file again when touched; no byte changes.
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

/// What a file seems to be that is neither of the two kinds.
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
