//! Drawings in a directory that all processes of a user share, bounded in bytes.
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

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tempfile::NamedTempFile;

use super::config::DiskConfig;
use super::entry::{self, Unreadable};
use crate::{ContentHash, Drawn, Error};

/// The directory within the cache directory; another one when the form of files changes.
const SUBDIRECTORY: &str = "drawings-1";
const EXTENSION: &str = "drawing";
const BESIDE_PREFIX: &str = ".writing-";
const LOCK_FILE: &str = "lock";

/// A file written beside for this long belongs to a process that ended.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// How often, and at which interval, the lock of another process is tried before a drawing is
/// left unstored: a stopped process that holds it must not stop renders.
const LOCK_TRIES: u32 = 100;
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

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
    /// Drawings written.
    pub stored: u64,
    /// Drawings deleted to make room.
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
        let path = self.path_of(key);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.fail(&path, error);
                }
                return None;
            }
        };
        match entry::read(&mut file, key) {
            Ok(drawn) => {
                // A directory that cannot be written to still gives its drawings.
                let _ = file.set_modified(SystemTime::now());
                Some(drawn)
            }
            Err(reason) => {
                drop(file);
                self.heal(&path, &reason);
                None
            }
        }
    }

    /// Stores a drawing, unless it is larger than the limit or the directory cannot be used.
    pub fn put(&self, key: &ContentHash, drawn: &Drawn) {
        if entry::file_bytes(drawn) > self.limit {
            return;
        }
        match self.store(key, drawn) {
            Ok(true) => {
                self.stored.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => log::debug!("no room or no lock for a drawing in {}", self.dir.display()),
            Err(error) => self.fail(&self.dir, error),
        }
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

    fn path_of(&self, key: &ContentHash) -> PathBuf {
        self.dir.join(format!("{key}.{EXTENSION}"))
    }

    /// Writes beside, makes room, renames. False when there is no room to be had.
    fn store(&self, key: &ContentHash, drawn: &Drawn) -> io::Result<bool> {
        fs::create_dir_all(&self.dir)?;
        let mut beside = new_file(&self.dir)?;
        entry::write(&mut beside, key, drawn)?;
        let path = self.path_of(key);

        let _queue = self.writer.lock();
        let Some(_lock) = self.lock()? else { return Ok(false) };
        if !self.make_room(entry::file_bytes(drawn), &path)? {
            return Ok(false);
        }
        beside.persist(&path).map_err(|error| error.error)?;
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

    /// Deletes the drawings that were unused for longest until `bytes` more fit. `replaced` is
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
            } else if about.is_file() && is_drawing(&path) && path != replaced {
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
        log::warn!("deleting the cached drawing {}: {reason}", path.display());
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

fn is_drawing(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

fn is_stale(path: &Path, used: SystemTime) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(BESIDE_PREFIX) && used.elapsed().is_ok_and(|age| age > STALE_AFTER)
}
