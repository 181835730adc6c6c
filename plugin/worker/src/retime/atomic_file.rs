//! Files that are written completely or not at all, and their checksums.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use inbetween_core::ContentHash;
use tempfile::{Builder, NamedTempFile, TempPath};

use crate::failure::{Failure, Kind, Result};

/// Prefix of the names of unfinished files; the rest is random.
const UNFINISHED: &str = ".inbetween-unfinished-";

/// Writes `bytes` to `path` and flushes them to the disk. A symbolic link at `path` is replaced, never followed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<ContentHash> {
    let (folder, _) = split(path);
    let written = new_in(folder, "").and_then(|mut file| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(|_| ()).map_err(|err| err.error)
    });
    written.map_err(|err| not_written(path, &err))?;
    Ok(ContentHash::of(bytes))
}

/// Copies a file, its bytes unchanged.
pub(super) fn copy(from: &Path, to: &Path) -> Result<ContentHash> {
    let bytes = fs::read(from).map_err(|err| not_written(to, &err))?;
    write(to, &bytes)
}

/// A temporary file in `folder` for another program to write to. It is deleted unless it is persisted.
pub(super) fn temporary_in(folder: &Path, ending: &str) -> Result<TempPath> {
    let made = new_in(folder, &format!(".{ending}"));
    made.map(NamedTempFile::into_temp_path).map_err(|err| not_written(folder, &err))
}

/// Flushes what was written at `place` to the disk and moves it to `path`.
pub(super) fn persist(place: TempPath, path: &Path) -> Result<()> {
    let kept = OpenOptions::new().write(true).open(&place).and_then(|file| file.sync_all());
    let kept = kept.and_then(|()| place.persist(path).map_err(|err| err.error));
    kept.map_err(|err| not_written(path, &err))?;
    // Flush the new name too. Not every system can; the content is safe without it.
    let _ = File::open(split(path).0).and_then(|folder| folder.sync_all());
    Ok(())
}

/// The checksum of a file of any size; `None` for a link, a folder, or a missing file.
pub(super) fn checksum(path: &Path) -> Option<ContentHash> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path).ok()?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Some(hasher.finalize().into()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
    }
}

/// The unfinished files that killed runs have left in `folder`.
pub(super) fn unfinished_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)))
        .map(|entry| entry.path())
        .collect()
}

fn new_in(folder: &Path, ending: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED).suffix(ending);
    // A finished file gets the usual permissions of this user, not those of a temporary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The folder of a file, and its name.
fn split(path: &Path) -> (&Path, Option<&std::ffi::OsStr>) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    (folder.unwrap_or(Path::new(".")), path.file_name())
}

fn not_written(path: &Path, err: &io::Error) -> Failure {
    let reason = if err.kind() == io::ErrorKind::StorageFull {
        "the disk is full".into()
    } else {
        err.to_string()
    };
    Failure::new(
        Kind::File,
        format!(
            "{} could not be written: {reason}. What is finished is kept; the same command goes on from there.",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_file_is_all_there_and_has_its_checksum() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.bin");
        let told = write(&path, b"some frame").unwrap();
        assert_eq!(checksum(&path), Some(told));
        assert_eq!(copy(&path, &folder.path().join("b.bin")).unwrap(), told);
        assert!(unfinished_in(folder.path()).is_empty());
        assert!(checksum(folder.path()).is_none(), "a folder is no finished file");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_replaced_and_what_it_names_stays() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::TempDir::new().unwrap();
        let (other, path) = (folder.path().join("precious"), folder.path().join("frame.png"));
        fs::write(&other, b"precious").unwrap();
        symlink(&other, &path).unwrap();
        assert!(checksum(&path).is_none(), "a link is no finished frame");
        write(&path, b"frame").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other), "as any file of this person");
    }
}
