//! Writes a `.safetensors` file tensor by tensor, with a digest of everything after the header.
//!
//! The file is written beside its destination and renamed once complete. The header reserves space
//! for the digest, which is known only at the end.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::{Result, WeightError};
use super::stored::Element;

/// The metadata key of the digest: BLAKE3 of all bytes after the header, in hex.
pub(super) const DIGEST_KEY: &str = "blake3";

/// Describes a tensor to be written.
pub(super) struct TensorHeader {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
}

impl TensorHeader {
    fn byte_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.element.size()
    }
}

/// Writes `tensors` to `path`. `produce` returns the bytes of each by its index; `progress` is
/// called with the bytes written so far and the total. Returns size and digest.
pub(super) fn write(
    path: &Path,
    tensors: &[TensorHeader],
    notes: &[(&str, String)],
    mut produce: impl FnMut(usize) -> Result<Vec<u8>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(u64, String)> {
    let io = |source| WeightError::Io { file: path.into(), source };
    let blank = "0".repeat(64);
    let header = header(tensors, notes, &blank);
    let digest_at = header.find(&blank).expect("the header was just made with the blank digest");

    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let beside = tempfile::Builder::new()
        .prefix(".inbetween-")
        .suffix(".part")
        .tempfile_in(parent.unwrap_or(Path::new(".")))
        .map_err(io)?;
    let mut out = BufWriter::with_capacity(1 << 20, beside);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    out.write_all(header.as_bytes()).map_err(io)?;

    let total: usize = tensors.iter().map(TensorHeader::byte_len).sum();
    let mut done = 0;
    let mut hasher = blake3::Hasher::new();
    progress(0, total as u64);
    for (i, tensor) in tensors.iter().enumerate() {
        let bytes = produce(i)?;
        assert_eq!(bytes.len(), tensor.byte_len(), "{} was announced otherwise", tensor.name);
        hasher.update_rayon(&bytes);
        out.write_all(&bytes).map_err(io)?;
        done += bytes.len();
        progress(done as u64, total as u64);
    }
    let digest = hasher.finalize().to_hex().to_string();
    out.seek(SeekFrom::Start(8 + digest_at as u64)).map_err(io)?;
    out.write_all(digest.as_bytes()).map_err(io)?;
    let beside = out.into_inner().map_err(|err| io(err.into_error()))?;
    beside.as_file().sync_all().map_err(io)?;
    readable_by_all(beside.as_file()).map_err(io)?;
    beside.persist(path).map_err(|err| io(err.error))?;
    Ok(((8 + header.len() + total) as u64, digest))
}

/// Temporary files are private to their owner, but weight files are shared like any other file.
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let _ = file;
    Ok(())
}

fn header(tensors: &[TensorHeader], notes: &[(&str, String)], blank: &str) -> String {
    let mut metadata = Map::new();
    metadata.insert("format".into(), "pt".into());
    metadata.insert(DIGEST_KEY.into(), blank.into());
    for (key, value) in notes {
        metadata.insert((*key).into(), value.as_str().into());
    }
    let mut entries = Map::new();
    entries.insert("__metadata__".into(), Value::Object(metadata));
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.byte_len();
        let dtype = tensor.element.name().to_uppercase();
        let entry = json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [at, end]});
        entries.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut header = Value::Object(entries).to_string();
    // The tensors begin at a multiple of eight bytes.
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    header
}
