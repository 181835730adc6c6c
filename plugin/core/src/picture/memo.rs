//! The pictures read last, so that each key is read once for a whole span.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use lru::LruCache;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{Picture, about, decode};
use crate::{Encoding, Error};

/// Entries held at most; failed readings leave an empty one each.
pub(super) const MEMO_ENTRIES: usize = 64;

/// Pictures by what was asked for and the state of the file, bounded in bytes.
pub(super) struct Memo {
    limit: usize,
    pictures: Mutex<LruCache<Id, Arc<OnceCell<Picture>>>>,
}

/// What tells one reading from another.
#[derive(PartialEq, Eq, Hash)]
struct Id {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    encoding: Encoding,
    fit: Option<(usize, usize)>,
}

impl Memo {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, pictures: Mutex::new(LruCache::unbounded()) }
    }

    pub(super) fn load(
        &self,
        path: &Path,
        encoding: Encoding,
        fit: Option<(usize, usize)>,
    ) -> Result<Picture, Error> {
        let about = about(path)?;
        let modified = about.modified().ok();
        let id = Id { path: path.to_path_buf(), modified, length: about.len(), encoding, fit };
        let remembered = self.pictures.lock().get_or_insert(id, Arc::default).clone();
        let mut new = false;
        let picture = remembered.get_or_try_init(|| {
            new = true;
            match fit {
                Some(size) => self.load(path, encoding, None)?.fitted(size),
                None => decode::read(path, encoding).map(Picture::from),
            }
        });
        if new {
            self.forget_beyond_limits();
        }
        picture.cloned()
    }

    pub(super) fn forget_all(&self) {
        self.pictures.lock().clear();
    }

    /// Forgets the pictures that were asked for longest ago, and attempts that failed.
    fn forget_beyond_limits(&self) {
        let mut pictures = self.pictures.lock();
        let (mut bytes, mut keep) = (0, 0);
        for (_, picture) in pictures.iter() {
            bytes += picture.get().map_or(0, |picture| picture.frame.byte_len());
            if bytes > self.limit || keep == MEMO_ENTRIES {
                break;
            }
            keep += 1;
        }
        while pictures.len() > keep {
            pictures.pop_lru();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pictures.lock().len()
    }
}

impl Picture {
    fn fitted(self, (width, height): (usize, usize)) -> Result<Self, Error> {
        if (self.frame.width(), self.frame.height()) == (width, height) {
            return Ok(self);
        }
        self.frame.fitted(width, height).map(Self::from)
    }
}
