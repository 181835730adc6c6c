//! Recently read pictures, so that each key is read only once for a whole span.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{Fit, Picture, about, decode};
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
    fit: Option<FitId>,
}

/// A [`Fit`], by the bits of its numbers.
type FitId = (usize, usize, [u64; 3]);

fn fit_id(fit: Fit) -> FitId {
    let numbers = [fit.scale[0], fit.scale[1], fit.pixel_aspect];
    (fit.width, fit.height, numbers.map(f64::to_bits))
}

impl Memo {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { kept: Shelf::new(budget), reading: Mutex::default() }
    }

    pub(super) fn load(
        &self,
        path: &Path,
        encoding: Encoding,
        fit: Option<Fit>,
    ) -> Result<Picture, Error> {
        let about = about(path)?;
        let modified = about.modified().ok();
        let (path, length) = (path.to_path_buf(), about.len());
        let id = Id { path, modified, length, encoding, fit: fit.map(fit_id) };
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
                Some(fit) => self.load(&id.path, encoding, None)?.fitted(fit),
                None => decode::read(&id.path, encoding).map(Picture::from),
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
    pub(super) fn fitted(self, fit: Fit) -> Result<Self, Error> {
        let size = (self.frame.width(), self.frame.height());
        if size == (fit.width, fit.height) && size == fit.inner(size) {
            return Ok(self);
        }
        self.frame.fitted(fit).map(Self::from)
    }
}
