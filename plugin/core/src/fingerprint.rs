//! Fingerprints of weight files, which are too large to be hashed whole for every render.
//!
//! A fingerprint is the BLAKE3 digest of the file's length, its first and last mebibyte, and 256
//! blocks of 16 KiB spread evenly between them: 6 MiB out of 10 GB. Two releases of a model differ
//! everywhere, so their fingerprints differ. A fingerprint is no protection against forgery. The
//! same file has the same fingerprint on every machine, wherever it is stored.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::process_memo::ProcessMemo;
use crate::{ContentHash, Error};

const FORMAT: &[u8] = b"inbetween weights 1\0";
const END_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: u64 = 16 << 10;
const BLOCKS: u64 = 256;

/// Tells whether a file is still the one that was read, without reading it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    length: u64,
    modified: Option<SystemTime>,
}

static KNOWN: ProcessMemo<Mutex<HashMap<PathBuf, (FileStamp, ContentHash)>>> =
    ProcessMemo::new(Mutex::default, |known| known.lock().clear());

/// The fingerprint of the file at `path`. A file whose length and modification time are the same as
/// in the last call is not read again.
///
/// # Errors
/// [`Error::Weights`] when it is not a regular file or cannot be read.
pub fn of_file(path: &Path) -> Result<ContentHash, Error> {
    read(path).map_err(|error| Error::Weights {
        path: path.to_owned(),
        reason: match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".into(),
            _ => error.to_string(),
        },
    })
}

fn read(path: &Path) -> io::Result<ContentHash> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let stamp = FileStamp { length: meta.len(), modified: meta.modified().ok() };
    if let Some((known, print)) = KNOWN.get().lock().get(path)
        && *known == stamp
        && stamp.modified.is_some()
    {
        return Ok(*print);
    }
    let print = sampled(&mut File::open(path)?, stamp.length)?;
    KNOWN.get().lock().insert(path.to_owned(), (stamp, print));
    Ok(print)
}

fn sampled(file: &mut File, length: u64) -> io::Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(FORMAT);
    hasher.update(&length.to_le_bytes());
    let mut add = |from: u64, bytes: u64| -> io::Result<()> {
        let mut block = vec![0; bytes as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut block)?;
        hasher.update(&block);
        Ok(())
    };
    if length <= 2 * END_BYTES + BLOCKS * BLOCK_BYTES {
        add(0, length)?;
    } else {
        add(0, END_BYTES)?;
        let inner = length - 2 * END_BYTES - BLOCK_BYTES;
        for block in 0..BLOCKS {
            let at = u128::from(inner) * u128::from(block) / u128::from(BLOCKS - 1);
            add(END_BYTES + at as u64, BLOCK_BYTES)?;
        }
        add(length - END_BYTES, END_BYTES)?;
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn it_follows_the_content_and_not_the_place() {
        let (a, b, c) = (file(b"weights"), file(b"weights"), file(b"other"));
        assert_eq!(of_file(a.path()).unwrap(), of_file(b.path()).unwrap());
        assert_ne!(of_file(a.path()).unwrap(), of_file(c.path()).unwrap());
    }

    #[test]
    fn a_long_file_is_sampled_from_end_to_end() {
        let long = vec![7_u8; 24 << 20];
        let print = |bytes: &[u8]| of_file(file(bytes).path()).unwrap();
        let whole = print(&long);
        assert_eq!(whole, print(&long));
        assert_ne!(whole, print(&long[1..]));
        for at in [0, END_BYTES as usize + 5, long.len() - END_BYTES as usize - 5, long.len() - 1] {
            let mut other = long.clone();
            other[at] ^= 1;
            assert_ne!(whole, print(&other), "a change at {at} is not seen");
        }
    }

    #[test]
    fn a_file_that_was_swapped_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.ckpt");
        std::fs::write(&path, b"one").unwrap();
        let one = of_file(&path).unwrap();
        std::fs::write(&path, b"another").unwrap();
        assert_ne!(one, of_file(&path).unwrap());
    }

    #[test]
    fn what_is_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("absent.ckpt")] {
            let message = of_file(&path).unwrap_err().user_message();
            assert!(message.contains(&path.display().to_string()), "{message}");
        }
    }
}
