//! Maintenance of a disk cache from outside: listing, checking and pruning it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::{self, EntryKind, Unreadable};
use super::{DiskCache, LOCK_FILE};
use crate::{ContentHash, files};

/// A file of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub holds: EntryKind,
    /// Its size.
    pub bytes: u64,
    /// When it was written or last read.
    pub used: SystemTime,
    /// Width and height in pixels and the number of frames, if they can be read from the file.
    pub shape: Option<((usize, usize), usize)>,
}

impl DiskCache {
    /// Every file that counts towards the limit, the one unused for longest first. The list of a
    /// missing directory is empty.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<CacheFile>> {
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut kept = Vec::new();
        for file in files {
            let Ok(file) = file else { continue };
            let path = file.path();
            let Some(holds) = of_name(&path) else { continue };
            // Another process may have deleted the file in the meantime. Folders are never ours.
            let Ok(about) = file.metadata() else { continue };
            if about.is_dir() {
                continue;
            }
            let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let shape = shape(&path);
            kept.push(CacheFile { path, holds, bytes: about.len(), used, shape });
        }
        kept.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        Ok(kept)
    }

    /// Deletes files, the one unused for longest first, until no more than `bytes` remain. Returns
    /// the deleted ones.
    ///
    /// # Errors
    /// When the directory cannot be read or a file cannot be deleted.
    pub fn prune(&self, bytes: u64) -> io::Result<Vec<CacheFile>> {
        let mut kept = self.list()?;
        let mut total: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let mut deleted = 0;
        for kept in &kept {
            if total <= bytes {
                break;
            }
            match fs::remove_file(&kept.path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            total -= kept.bytes;
            deleted += 1;
        }
        kept.truncate(deleted);
        Ok(kept)
    }

    /// Whether every byte of the file is intact. `None` when the file has gone in the meantime.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_whole(&self, kept: &CacheFile) -> io::Result<Option<bool>> {
        let mut file = match files::open(&kept.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(Some(false)),
            Err(error) => return Err(error),
        };
        let Some(key) = key_of(&kept.path) else { return Ok(Some(false)) };
        match entry::read(&mut file, &key, |head| head.holds == kept.holds) {
            Ok(_) => Ok(Some(true)),
            Err(Unreadable::Io(error)) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
            Err(_) => Ok(Some(false)),
        }
    }
}

/// What a file of this name holds, judging by its extension.
pub(super) fn of_name(path: &Path) -> Option<EntryKind> {
    let extension = path.extension()?;
    EntryKind::ALL.into_iter().find(|holds| extension == holds.extension())
}

/// Size and number of frames, read from the head of the file alone.
fn shape(path: &Path) -> Option<((usize, usize), usize)> {
    let head = entry::head(&mut files::open(path).ok()?, &key_of(path)?).ok()?;
    Some((head.size, head.frames))
}

/// The key in a file's name.
fn key_of(path: &Path) -> Option<ContentHash> {
    parse(path.file_stem()?.to_str()?)
}

/// Deletes files in formats that no version reads any more, and their directory if nothing else is
/// in it.
pub(super) fn remove_former(dir: &Path) {
    let Ok(found) = fs::read_dir(dir) else { return };
    for path in found.flatten().map(|file| file.path()) {
        if of_name(&path).is_some() || path.file_name().is_some_and(|name| name == LOCK_FILE) {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_dir(dir);
}

/// The content address that [`ContentHash`] shows as this text.
fn parse(text: &str) -> Option<ContentHash> {
    if text.len() != 64 {
        return None;
    }
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(|byte| digit(2 * byte)).collect();
    Some(ContentHash(bytes?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::DiskConfig;
    use super::*;
    use crate::{Drawn, Frame, Remarks};

    #[test]
    fn what_was_stored_is_listed_checked_and_pruned() {
        let dir = TempDir::new().unwrap();
        let cache = DiskCache::new(DiskConfig { dir: dir.path().to_owned(), limit_bytes: 1 << 20 });
        assert_eq!(cache.list().unwrap(), []);
        let frame = Frame::transparent(4, 4).unwrap();
        let key = |of: u8| ContentHash::of(&[of]);
        cache.put(
            &key(0),
            &Drawn {
                frame: frame.clone(),
                confidence: 1.0,
                cut: false,
                remarks: Remarks::default(),
            },
        );
        cache.put_picture(&key(1), &frame);
        cache.put_span(&key(2), &[frame.clone(), frame]);
        fs::write(dir.path().join("drawings-2").join("notes.txt"), "not the cache's").unwrap();
        let all = cache.list().unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|kept| cache.is_whole(kept).unwrap() == Some(true)));
        let span = all.iter().find(|kept| kept.holds == EntryKind::Span).unwrap();
        let mut bytes = fs::read(&span.path).unwrap();
        bytes[100] ^= 1;
        fs::write(&span.path, &bytes).unwrap();
        assert_eq!(cache.is_whole(span).unwrap(), Some(false));
        fs::write(&span.path, &bytes[..50]).unwrap();
        assert_eq!(cache.is_whole(span).unwrap(), Some(false));
        assert_eq!(cache.prune(u64::MAX).unwrap(), []);
        assert_eq!(cache.prune(0).unwrap().len(), 3);
        assert_eq!(cache.is_whole(span).unwrap(), None);
        assert!(dir.path().join("drawings-2").join("notes.txt").exists());
    }
}
