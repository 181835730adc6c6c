//! Looking after a disk cache from outside: what lies in it, whether it is whole, making room.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::SystemTime;

use super::{DiskCache, Kind, entry, span};
use crate::ContentHash;

/// What a file of the cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A finished in-between.
    Drawing,
    /// A key or a sketch on its way to another process.
    Picture,
    /// The frames that an engine generated for a whole span.
    Span,
}

/// A file of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub holds: Holds,
    /// Its size.
    pub bytes: u64,
    /// When it was written or last read.
    pub used: SystemTime,
}

impl DiskCache {
    /// Everything that counts towards the limit, the longest unused first. An absent directory
    /// holds nothing.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut kept = Vec::new();
        for file in files {
            let Ok(file) = file else { continue };
            let path = file.path();
            let Some(kind) = kind_of(&path) else { continue };
            // Another process may have deleted it in the meantime.
            let Ok(about) = file.metadata() else { continue };
            let holds = match kind {
                Kind::Drawing => Holds::Drawing,
                Kind::Picture => Holds::Picture,
                Kind::Span => Holds::Span,
            };
            let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push(Kept { path, holds, bytes: about.len(), used });
        }
        kept.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        Ok(kept)
    }

    /// Deletes the longest unused until no more than `bytes` remain. The files deleted.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file not be deleted.
    pub fn prune(&self, bytes: u64) -> io::Result<Vec<Kept>> {
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

    /// Whether the file is whole, byte by byte. `None` when it has gone in the meantime.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_whole(&self, kept: &Kept) -> io::Result<Option<bool>> {
        let mut file = match File::open(&kept.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let stem = kept.path.file_stem().and_then(|stem| stem.to_str());
        let Some(key) = stem.and_then(parse) else { return Ok(Some(false)) };
        let read = match kept.holds {
            Holds::Drawing | Holds::Picture => entry::read(&mut file, &key).map(drop),
            Holds::Span => span::read(&mut file, &key).map(drop),
        };
        match read {
            Ok(()) => Ok(Some(true)),
            Err(entry::Unreadable::Io(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                Err(error)
            }
            Err(_) => Ok(Some(false)),
        }
    }
}

fn kind_of(path: &std::path::Path) -> Option<Kind> {
    let extension = path.extension()?;
    Kind::ALL.into_iter().find(|kind| extension == kind.extension())
}

/// The content address that [`ContentHash`] shows as this text.
fn parse(text: &str) -> Option<ContentHash> {
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(|byte| digit(2 * byte)).collect();
    let bytes = bytes?.try_into().ok()?;
    (text.len() == 64).then_some(ContentHash(bytes))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::DiskConfig;
    use super::*;
    use crate::{Drawn, Frame};

    #[test]
    fn what_was_stored_is_listed_checked_and_pruned() {
        let dir = TempDir::new().unwrap();
        let cache = DiskCache::new(DiskConfig { dir: dir.path().to_owned(), limit_bytes: 1 << 20 });
        assert_eq!(cache.list().unwrap(), []);
        let frame = Frame::transparent(4, 4).unwrap();
        let key = |of: u8| ContentHash::of(&[of]);
        cache.put(&key(0), &Drawn { frame: frame.clone(), confidence: 1.0, cut: false });
        cache.put_picture(&key(1), &frame);
        cache.put_span(&key(2), &[frame.clone(), frame]);
        fs::write(dir.path().join("drawings-1").join("notes.txt"), "not the cache's").unwrap();
        let all = cache.list().unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|kept| cache.is_whole(kept).unwrap() == Some(true)));
        let span = all.iter().find(|kept| kept.holds == Holds::Span).unwrap();
        let mut bytes = fs::read(&span.path).unwrap();
        bytes[100] ^= 1;
        fs::write(&span.path, &bytes).unwrap();
        assert_eq!(cache.is_whole(span).unwrap(), Some(false));
        fs::write(&span.path, &bytes[..50]).unwrap();
        assert_eq!(cache.is_whole(span).unwrap(), Some(false));
        assert_eq!(cache.prune(u64::MAX).unwrap(), []);
        assert_eq!(cache.prune(0).unwrap().len(), 3);
        assert_eq!(cache.is_whole(span).unwrap(), None);
        assert!(dir.path().join("drawings-1").join("notes.txt").exists());
    }
}
