//! Writes frames of the output as picture files, in the style of the source's.

use std::path::{Path, PathBuf};

use inbetween_core::{ContentHash, Encoding, Frame};

use super::atomic_file;
use crate::failure::{Failure, Kind, Result};
pub(super) use crate::pictures::{Depth, Form, Style};

/// The style of a clip. Its form can hold every picture of the clip; metadata is taken from the first picture of that
/// form.
pub(super) fn style_of(files: &[PathBuf]) -> Result<Style> {
    let mut forms = Vec::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        // A held frame is the same file several times.
        let known = at.checked_sub(1).filter(|before| files[*before] == *file);
        forms.push(known.map_or_else(|| Form::of(file), |before| Ok(forms[before]))?);
    }
    let whole = forms.iter().copied().reduce(Form::with);
    let whole = whole.ok_or_else(|| Failure::new(Kind::File, "The clip holds no frames."))?;
    let like = forms.iter().position(|form| *form == whole).unwrap_or(0);
    Ok(Style::of(&files[like])?.with_form(whole))
}

/// Writes the frame, whose values are in `encoding`, to `path`, completely or not at all. Returns
/// the file's checksum.
pub(super) fn save(
    frame: &Frame,
    encoding: Encoding,
    style: &Style,
    path: &Path,
) -> Result<ContentHash> {
    atomic_file::write(path, &file_of(frame, encoding, style)?)
}

/// The contents of a file with the frame.
pub(super) fn file_of(frame: &Frame, encoding: Encoding, style: &Style) -> Result<Vec<u8>> {
    style
        .encode(frame, encoding)
        .map_err(|err| Failure::new(Kind::File, format!("A frame cannot be stored: {err}.")))
}
