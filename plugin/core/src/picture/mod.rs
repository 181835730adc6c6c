//! Reads key pictures from files (PNG, JPEG, TIFF, WebP and EXR) as frames, in the encoding and
//! size of a job.
//!
//! Files with 8 or 16 bits are read as sRGB, float files (EXR, float TIFF) as scene-linear with
//! sRGB primaries. Colour profiles are not applied. The picture is turned upright according to its
//! orientation tag. Straight alpha is multiplied in. If an EXR file has layers, the one with the
//! whole picture is used (see [`exr_channels`]).

mod decode;
mod exr;
mod fit;
mod memo;
mod odd_tiff;
mod stored;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

pub use self::exr::{ExrChannels, exr_channels};
pub use decode::MAX_PICTURE_PIXELS;
pub use fit::Fit;
use memo::Memo;
pub use stored::Stored;

use crate::budget::Budget;
use crate::process_memo::ProcessMemo;
use crate::{ContentHash, Encoding, Error, Frame};

/// Largest picture file that is opened, in bytes.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

static OF_PROCESS: ProcessMemo<Memo> =
    ProcessMemo::new(|| Memo::new(Budget::of_process()), Memo::forget_all);

/// A key picture and its content address.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The picture.
    pub frame: Arc<Frame>,
    /// Its content address.
    pub hash: ContentHash,
}

impl From<Arc<Frame>> for Picture {
    fn from(frame: Arc<Frame>) -> Self {
        Self { hash: frame.content_hash(), frame }
    }
}

/// Reads the picture at `path` in the given encoding. When `fit` gives a frame, the picture is
/// fitted into it (see [`Frame::fitted`]).
///
/// The process remembers the pictures it read last by path, modification time and length, so a
/// changed file is read again. Threads that ask for the same picture at the same time share one
/// reading.
///
/// # Errors
/// [`Error::Picture`] names the file and says why it cannot be read; [`Error::Size`] when no frame
/// can have the size `fit`.
pub fn load(path: &Path, encoding: Encoding, fit: Option<Fit>) -> Result<Picture, Error> {
    OF_PROCESS.get().load(path, encoding, fit)
}

/// What the picture file at `path` stores. Only its head is read.
///
/// # Errors
/// As [`load`], as far as the head reveals them.
pub fn stored(path: &Path) -> Result<Stored, Error> {
    about(path)?;
    decode::stored(path)
}

impl From<Frame> for Picture {
    fn from(frame: Frame) -> Self {
        Self { hash: frame.content_hash(), frame: Arc::new(frame) }
    }
}

fn about(path: &Path) -> Result<fs::Metadata, Error> {
    let refuse =
        |reason: &str| Err(Error::Picture { path: path.to_path_buf(), reason: reason.into() });
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => refuse("it is a directory"),
        Ok(about) if !about.is_file() => refuse("it is not a file"),
        Ok(about) if about.len() == 0 => refuse("the file is empty"),
        Ok(about) if about.len() > MAX_FILE_BYTES => refuse("the file is larger than 2 GiB"),
        Ok(about) => Ok(about),
        Err(_) if path.as_os_str().is_empty() => refuse("no file is chosen"),
        Err(error) if error.kind() == ErrorKind::NotFound => refuse("there is no such file"),
        Err(error) => refuse(&error.to_string()),
    }
}
