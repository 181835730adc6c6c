//! Recently read pictures, so that each key is read only once for a whole span.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{Picture, about, decode};
use crate::budget::{Budget, Shelf};
use crate::{Encoding, Error};

/// Pictures by request and state of the file, within a budget.
pub(super) struct Memo {
    kept: Shelf<Id, Picture>,
    /// Pictures that are being read right now. Whoever asks for one of them waits for that reading.
    reading: Mutex<HashMap<Id, Arc<OnceCell<Picture>>>>,
}

/// What distinguishes one reading from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Id {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    encoding: Encoding,
    fit: Option<(usize, usize)>,
}

impl Memo {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { kept: Shelf::new(budget), reading: Mutex::default() }
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
        if let Some(known) = self.kept.get(&id) {
            return Ok(Picture::clone(&known));
        }
        let reading = self.reading.lock().entry(id.clone()).or_default().clone();
        let read = reading.get_or_try_init(|| {
            // Another reading may have ended just now.
            if let Some(known) = self.kept.get(&id) {
                return Ok(Picture::clone(&known));
            }
            let picture = match fit {
                Some(size) => self.load(path, encoding, None)?.fitted(size),
                None => decode::read(path, encoding).map(Picture::from),
            }?;
            let bytes = picture.frame.byte_len();
            self.kept.put(id.clone(), Arc::new(picture.clone()), bytes);
            Ok(picture)
        });
        let picture = read.cloned();
        self.reading.lock().remove(&id);
        picture
    }

    pub(super) fn forget_all(&self) {
        self.kept.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.reading.lock().len()
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
