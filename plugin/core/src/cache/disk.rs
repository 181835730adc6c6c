//! Drawings, the pictures they are drawn from and generated spans, in a directory that all
//! processes of a user share, bounded in bytes.
//!
//! Files are named by their content, written beside and renamed, so a reader sees a whole drawing
//! or none. They are not flushed to the medium: after a power cut the checksum finds what is
//! missing, and an engine draws it again. They are read into memory rather than mapped, because a
//! file that shrinks under a mapping would end the host.
//!
//! The limit is kept by one writer at a time, who holds the directory's lock, deletes the drawings
//! that were unused for longest (a reader sets the time of use), and only then renames.
//!
//! Whatever goes wrong here costs time, never a picture: trouble is logged once and counted.

pub(super) mod tend;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tempfile::NamedTempFile;

use super::config::DiskConfig;
use super::entry::{self, Unreadable};
use super::span;
use crate::{ContentHash, Drawn, Error, Frame};

/// The directory within the cache directory; another one when the form of files changes.
const SUBDIRECTORY: &str = "drawings-1";
const BESIDE_PREFIX: &str = ".writing-";
const LOCK_FILE: &str = "lock";

/// A file written beside for this long belongs to a process that ended.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// How often, and at which interval, the lock of another process is tried before a drawing is
/// left unstored: a stopped process that holds it must not stop renders.
const LOCK_TRIES: u32 = 100;
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// What lies in the directory; all of it counts towards the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A finished in-between.
    Drawing,
    /// A key or a sketch on its way to another process.
    Picture,
    /// The frames that an engine generated for a whole span.
    Span,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Drawing, Self::Picture, Self::Span];

    fn extension(self) -> &'static str {
        match self {
            Self::Drawing => "drawing",
            Self::Picture => "picture",
            Self::Span => "span",
        }
    }

    fn is_of(self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == self.extension())
    }
}

/// Drawings in a shared directory.
#[derive(Debug)]
pub struct DiskCache {
    dir: PathBuf,
    limit: u64,
    /// Threads of this process queue here, fairly, before they compete with other processes.
    writer: Mutex<()>,
    logged: AtomicBool,
    stored: AtomicU64,
    evicted: AtomicU64,
    healed: AtomicU64,
    failures: AtomicU64,
}

/// What a disk cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Files written.
    pub stored: u64,
    /// Files deleted to make room.
    pub evicted: u64,
    /// Damaged files found and deleted.
    pub healed: u64,
    /// Reads and writes that the system refused.
    pub failures: u64,
}

impl DiskCache {
    /// A cache in this directory, which is neither looked at nor made yet.
    pub fn new(config: DiskConfig) -> Self {
        Self {
            dir: config.dir.join(SUBDIRECTORY),
            limit: config.limit_bytes,
            writer: Mutex::new(()),
            logged: AtomicBool::new(false),
            stored: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            healed: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// The drawing of this key, checked byte by byte; a damaged one is deleted.
    pub fn get(&self, key: &ContentHash) -> Option<Drawn> {
        self.load(Kind::Drawing, key, |file| entry::read(file, key))
    }

    /// Stores a drawing, unless it is larger than the limit or the directory cannot be used.
    /// Whether it lies there now.
    pub fn put(&self, key: &ContentHash, drawn: &Drawn) -> bool {
        let bytes = entry::file_bytes(&drawn.frame);
        let about = entry::About { confidence: drawn.confidence, cut: drawn.cut };
        self.keep(Kind::Drawing, key, bytes, |file| entry::write(file, key, &drawn.frame, about))
    }

    /// The key or sketch of this content address, checked as drawings are.
    pub fn get_picture(&self, address: &ContentHash) -> Option<Frame> {
        let drawn = self.load(Kind::Picture, address, |file| entry::read(file, address))?;
        Some(drawn.frame)
    }

    /// Stores a key or a sketch under its content address. Whether it lies there now.
    pub fn put_picture(&self, address: &ContentHash, picture: &Frame) -> bool {
        let about = entry::About { confidence: 1.0, cut: false };
        self.keep(Kind::Picture, address, entry::file_bytes(picture), |file| {
            entry::write(file, address, picture, about)
        })
    }

    /// The generated frames of a span, in order, checked byte by byte; damaged ones are deleted.
    pub fn get_span(&self, key: &ContentHash) -> Option<Vec<Frame>> {
        self.load(Kind::Span, key, |file| span::read(file, key))
    }

    /// Stores the generated frames of a span: one or more, all of one size. Whether they lie there
    /// now.
    pub fn put_span(&self, key: &ContentHash, frames: &[Frame]) -> bool {
        let Some(bytes) = span::file_bytes(frames) else {
            log::error!("{} frames of a span do not belong together", frames.len());
            return false;
        };
        self.keep(Kind::Span, key, bytes, |file| span::write(file, key, frames))
    }

    /// Whether a span lies here, by its name alone: reading it may still find it damaged.
    pub fn has_span(&self, key: &ContentHash) -> bool {
        self.path_of(Kind::Span, key).is_file()
    }

    /// Deletes every drawing and span, of whichever process; gives how many files and bytes. Pictures stay:
    /// they are on their way to a process that draws now, and go when room is needed.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory or a file in it cannot be used; the others are deleted all the same.
    pub fn clear(&self) -> Result<(usize, u64), Error> {
        let failed = |path: &Path, source| Error::Io { path: path.to_owned(), source };
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((0, 0)),
            Err(error) => return Err(failed(&self.dir, error)),
        };
        let _turn = self.writer.lock();
        let (mut count, mut bytes, mut trouble) = (0, 0, None);
        for path in files.flatten().map(|file| file.path()) {
            if ![Kind::Drawing, Kind::Span].iter().any(|kind| kind.is_of(&path)) {
                continue;
            }
            let length = fs::metadata(&path).map_or(0, |about| about.len());
            match fs::remove_file(&path) {
                Ok(()) => (count, bytes) = (count + 1, bytes + length),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => trouble = Some(failed(&path, error)),
            }
        }
        trouble.map_or(Ok((count, bytes)), Err)
    }

    /// What this cache has done so far.
    pub fn stats(&self) -> DiskStats {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        DiskStats {
            stored: count(&self.stored),
            evicted: count(&self.evicted),
            healed: count(&self.healed),
            failures: count(&self.failures),
        }
    }

    fn path_of(&self, kind: Kind, key: &ContentHash) -> PathBuf {
        self.dir.join(format!("{key}.{}", kind.extension()))
    }

    fn load<T>(
        &self,
        kind: Kind,
        key: &ContentHash,
        read: impl FnOnce(&mut File) -> Result<T, Unreadable>,
    ) -> Option<T> {
        let path = self.path_of(kind, key);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.fail(&path, error);
                }
                return None;
            }
        };
        match read(&mut file) {
            Ok(found) => {
                // A directory that cannot be written to still gives its drawings.
                let _ = file.set_modified(SystemTime::now());
                Some(found)
            }
            Err(reason) => {
                drop(file);
                self.heal(&path, &reason);
                None
            }
        }
    }

    fn keep(
        &self,
        kind: Kind,
        key: &ContentHash,
        bytes: u64,
        write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
    ) -> bool {
        if bytes > self.limit {
            return false;
        }
        let path = self.path_of(kind, key);
        if self.lies_there(&path, bytes) {
            return true;
        }
        match self.store(&path, bytes, write) {
            Ok(true) => {
                self.stored.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Ok(false) => log::debug!("no room or no lock for a file in {}", self.dir.display()),
            Err(error) => self.fail(&self.dir, error),
        }
        false
    }

    /// Whether another process has stored it meanwhile: names follow content, so there is nothing
    /// to write, and the file counts as used.
    fn lies_there(&self, path: &Path, bytes: u64) -> bool {
        let there = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == bytes);
        if there && let Ok(file) = OpenOptions::new().write(true).open(path) {
            let _ = file.set_modified(SystemTime::now());
        }
        there
    }

    /// Writes beside, makes room, renames. False when there is no room to be had.
    fn store(
        &self,
        path: &Path,
        bytes: u64,
        write: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
    ) -> io::Result<bool> {
        fs::create_dir_all(&self.dir)?;
        let mut beside = new_file(&self.dir)?;
        write(&mut beside)?;

        let _queue = self.writer.lock();
        let Some(_lock) = self.lock()? else { return Ok(false) };
        if !self.make_room(bytes, path)? {
            return Ok(false);
        }
        beside.persist(path).map_err(|error| error.error)?;
        Ok(true)
    }

    /// The lock of the directory, held until the file is dropped; `None` when another process
    /// keeps it too long.
    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.dir.join(LOCK_FILE);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_INTERVAL),
                // Some network file systems know no locks. Two writers may then delete more than
                // they need to, or for a moment keep more than the limit.
                Err(TryLockError::Error(_)) => return Ok(Some(file)),
            }
        }
        Ok(None)
    }

    /// Deletes the files that were unused for longest until `bytes` more fit. `replaced` is
    /// about to be overwritten and does not count.
    fn make_room(&self, bytes: u64, replaced: &Path) -> io::Result<bool> {
        let mut found = Vec::new();
        for file in fs::read_dir(&self.dir)? {
            let Ok(file) = file else { continue };
            let path = file.path();
            // Another process may have deleted it in the meantime.
            let Ok(about) = file.metadata() else { continue };
            let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if is_stale(&path, used) {
                let _ = fs::remove_file(&path);
            } else if about.is_file() && counts(&path) && path != replaced {
                found.push((used, about.len(), path));
            }
        }
        let mut total: u64 = found.iter().map(|(_, length, _)| length).sum();
        found.sort();
        for (_, length, path) in found {
            if total + bytes <= self.limit {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => {
                    self.evicted.fetch_add(1, Ordering::Relaxed);
                    total -= length;
                }
                Err(error) if error.kind() == ErrorKind::NotFound => total -= length,
                // In use where the system does not delete such files: the next one then.
                Err(_) => {}
            }
        }
        Ok(total + bytes <= self.limit)
    }

    fn heal(&self, path: &Path, reason: &Unreadable) {
        self.healed.fetch_add(1, Ordering::Relaxed);
        log::warn!("deleting the cached file {}: {reason}", path.display());
        if let Err(error) = fs::remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            self.fail(path, error);
        }
    }

    /// Counts, and says so the first time: a directory that cannot be used fails for each frame.
    fn fail(&self, path: &Path, source: io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if !self.logged.swap(true, Ordering::Relaxed) {
            let error = Error::Io { path: path.to_path_buf(), source };
            log::warn!("the disk cache is not usable, frames are drawn without it: {error}");
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Only who may write can set the time of use on Windows.
    if cfg!(windows)
        && let Ok(file) = OpenOptions::new().read(true).write(true).open(path)
    {
        return Ok(file);
    }
    File::open(path)
}

fn new_file(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(BESIDE_PREFIX);
    // As any file of the user (the umask applies), so that a shared directory can be shared.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

fn counts(path: &Path) -> bool {
    Kind::ALL.iter().any(|kind| kind.is_of(path))
}

fn is_stale(path: &Path, used: SystemTime) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(BESIDE_PREFIX) && used.elapsed().is_ok_and(|age| age > STALE_AFTER)
}
