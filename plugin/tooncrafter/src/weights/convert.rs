//! Converts any accepted file to `.safetensors` with the released names, in half precision.

use std::path::Path;

use super::error::{Result, WeightError};
use super::names::Source;
use super::stored::{Element, WeightFile};
use super::writer::{self, DIGEST_KEY, TensorHeader};
use super::{NamedFile, load};

/// The result of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Number of tensors.
    pub tensors: usize,
    /// Size of the new file in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of everything after the header, in hex; also recorded in the header.
    pub digest: String,
}

/// Writes all weights of `file` to `path` with the released names, as `element`. Only one tensor is
/// in memory at a time. Values per training step (the schedule) keep their precision, because they
/// are useless in 16 bits. Tensors without a place in the released layout, and those that are not
/// weights (counters), are left out.
///
/// `progress` is called with the bytes written so far and the total.
///
/// # Errors
/// When a tensor cannot be read, or when `path` cannot be written or is the file being read.
pub fn convert(
    file: &NamedFile,
    path: &Path,
    element: Element,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Converted> {
    let source_path = file.file().path();
    if same_file::is_same_file(source_path, path).unwrap_or(false) {
        let reason = "the converted file cannot replace the one it is read from".into();
        return Err(WeightError::Refused { file: path.into(), reason });
    }
    let tensors: Vec<(TensorHeader, &Source)> = file
        .names()
        .iter()
        .filter_map(|(name, source)| {
            let (shape, found) = file.shape(name)?;
            let element = match found {
                Element::Other(..) => return None,
                _ if is_schedule(name) => Element::F32,
                _ => element,
            };
            Some((TensorHeader { name: name.clone(), element, shape }, source))
        })
        .collect();
    let (announced, sources): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();

    let notes = [("converted_from", file.layout().label().to_owned())];
    let produce = |i: usize| {
        let mut bytes = Vec::new();
        for name in sources[i].names() {
            let missing = || WeightError::Missing { file: source_path.into(), key: name.clone() };
            let stored = file.file().tensors().get(name).ok_or_else(missing)?;
            let part = load::bytes(file.file(), name, stored, announced[i].element)?;
            if bytes.is_empty() { bytes = part } else { bytes.extend(part) }
        }
        Ok(bytes)
    };
    let (bytes, digest) = writer::write(path, &announced, &notes, produce, progress)?;
    Ok(Converted { tensors: announced.len(), bytes, digest })
}

/// The buffers of the noise schedule have names without a dot.
fn is_schedule(name: &str) -> bool {
    !name.contains('.') && (name.contains("alphas") || name.contains("posterior"))
        || name == "betas"
        || name == "scale_arr"
}

/// The digest that a file records for itself, and whether its contents still match it. `None` if it
/// records none.
pub fn digest_of(file: &WeightFile) -> Option<(String, bool)> {
    let noted = file.metadata().get(DIGEST_KEY)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(file.data_section()?);
    let matches = hasher.finalize().to_hex().as_str() == noted;
    Some((noted.clone(), matches))
}
