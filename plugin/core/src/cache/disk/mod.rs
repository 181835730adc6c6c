//! A directory of drawings, the pictures they are drawn from and generated spans. All processes of
//! a user share it, and its size is limited.
//!
//! Files are named by their content. Each is written under a temporary name and then renamed, so a
//! reader sees a whole drawing or none. They are not flushed to the medium: after a power cut the
//! checksum reveals what is missing, and an engine draws it again. They are read into memory rather
//! than mapped, because a file that shrinks under a mapping would crash the host.
//!
//! A file is used only when it has the expected kind and size. Anything else under its name
//! (damage, another picture, a named pipe, a link to a device) is logged and removed, and the
//! drawing is made again. Nothing but regular files is ever opened.
//!
//! One writer at a time enforces the limit. It holds the directory's lock, deletes the drawings
//! unused for longest (readers update the time of use), and only then renames its own file.
//!
//! A failure here costs time but never a picture: the first one is logged, and all are counted.

pub(super) mod maintenance;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tempfile::NamedTempFile;

use super::config::DiskConfig;
use super::entry::{self, Entry, EntryKind, Header, Unreadable};
use crate::{ContentHash, Drawn, Error, Frame, Remarks, files};

/// The subdirectory of the cache directory. It is renamed when the file format changes.
const SUBDIRECTORY: &str = "drawings-2";
/// Subdirectories of earlier formats, which no version reads any more.
const FORMER: [&str; 1] = ["drawings-1"];
const BESIDE_PREFIX: &str = ".writing-";
const LOCK_FILE: &str = "lock";

/// A temporary file this old belongs to a process that has ended.
const STALE_AFTER: Duration = Duration::from_secs(3600);

/// How many times, and at which interval, a writer tries to take the lock from another process
/// before it leaves its drawing unstored. A suspended process that holds the lock must not stall
/// renders.
const LOCK_TRIES: u32 = 100;
const LOCK_INTERVAL: Duration = Duration::from_millis(10);

/// Drawings in a shared directory.
#[derive(Debug)]
pub struct DiskCache {
    /// The cache directory; the files lie in a subdirectory of it.
    root: PathBuf,
    dir: PathBuf,
    limit: u64,
    /// Threads of this process queue here, in order, before they compete with other processes.
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
    /// A cache in this directory, which is neither read nor created yet.
    pub fn new(config: DiskConfig) -> Self {
        Self {
            dir: config.dir.join(SUBDIRECTORY),
            root: config.dir,
            limit: config.limit_bytes,
            writer: Mutex::new(()),
            logged: AtomicBool::new(false),
            stored: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            healed: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// The drawing of this key with this width and height, with every byte checked. A file of this
    /// name that holds anything else is deleted.
    pub fn get(&self, key: &ContentHash, size: (usize, usize)) -> Option<Drawn> {
        let Entry { head, mut frames, remarks } =
            self.load(EntryKind::Drawing, key, |found| found == size, 1)?;
        let frame = frames.pop()?;
        Some(Drawn { frame, confidence: head.confidence, cut: head.cut, remarks })
    }

    /// Stores a drawing, unless it is larger than the limit or the directory cannot be used.
    /// Returns whether it is stored.
    pub fn put(&self, key: &ContentHash, drawn: &Drawn) -> bool {
        let Drawn { frame, confidence, cut, remarks } = drawn;
        self.keep(EntryKind::Drawing, key, &[frame], *cut, *confidence, remarks)
    }

    /// The key or sketch with this content address, width and height, checked in the same way as
    /// drawings.
    pub fn get_picture(&self, address: &ContentHash, size: (usize, usize)) -> Option<Frame> {
        self.load(EntryKind::Picture, address, |found| found == size, 1)?.frames.pop()
    }

    /// Stores a key or a sketch under its content address. Returns whether it is stored.
    pub fn put_picture(&self, address: &ContentHash, picture: &Frame) -> bool {
        self.keep(EntryKind::Picture, address, &[picture], false, 1.0, &Remarks::default())
    }

    /// The `count` generated frames of a span, in order, checked in the same way as drawings. All
    /// have the same size, which must satisfy `wanted`.
    pub fn get_span(
        &self,
        key: &ContentHash,
        wanted: impl FnOnce((usize, usize)) -> bool,
        count: usize,
    ) -> Option<Vec<Frame>> {
        Some(self.load(EntryKind::Span, key, wanted, count)?.frames)
    }

    /// Stores the generated frames of a span: at least one, all of the same size. Returns whether
    /// they are stored.
    pub fn put_span(&self, key: &ContentHash, frames: &[Frame]) -> bool {
        let frames: Vec<&Frame> = frames.iter().collect();
        self.keep(EntryKind::Span, key, &frames, false, 1.0, &Remarks::default())
    }

    /// Whether there is a file for this span. It may still turn out to be damaged when it is read.
    pub fn has_span(&self, key: &ContentHash) -> bool {
        self.path_of(EntryKind::Span, key).is_file()
    }

    /// Deletes every drawing and span, of whichever process, and returns the number of files and
    /// bytes deleted. Pictures stay, because a process that is drawing now is about to read them;
    /// they go when room is needed.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory or one of its files cannot be used. All other files are
    /// deleted even so.
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
            if !matches!(maintenance::of_name(&path), Some(EntryKind::Drawing | EntryKind::Span)) {
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

    fn path_of(&self, holds: EntryKind, key: &ContentHash) -> PathBuf {
        self.dir.join(format!("{key}.{}", holds.extension()))
    }

    fn load(
        &self,
        holds: EntryKind,
        key: &ContentHash,
        size: impl FnOnce((usize, usize)) -> bool,
        frames: usize,
    ) -> Option<Entry> {
        let path = self.path_of(holds, key);
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                self.heal(&path, &Unreadable::Io(error));
                return None;
            }
            Err(error) => {
                self.fail(&path, error);
                return None;
            }
        };
        match entry::read(&mut file, key, |head| {
            (head.holds, head.frames) == (holds, frames) && size(head.size)
        }) {
            Ok(found) => {
                // Drawings can be read from a directory that cannot be written to.
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
        holds: EntryKind,
        key: &ContentHash,
        frames: &[&Frame],
        cut: bool,
        confidence: f32,
        remarks: &Remarks,
    ) -> bool {
        let path = self.path_of(holds, key);
        let size = frames.first().map_or((0, 0), |frame| (frame.width(), frame.height()));
        if self.lies_there(
            &path,
            key,
            &Header { holds, size, frames: frames.len(), cut, confidence },
        ) {
            return true;
        }
        let Some(file) = entry::file(holds, key, frames, cut, confidence, remarks) else {
            log::error!("{} frames do not belong together, or cannot be packed", frames.len());
            return false;
        };
        if file.len() as u64 > self.limit {
            return false;
        }
        match self.store(&path, &file) {
            Ok(true) => {
                self.stored.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Ok(false) => log::debug!("no room or no lock for a file in {}", self.dir.display()),
            Err(error) => self.fail(&self.dir, error),
        }
        false
    }

    /// Whether another process has stored the file in the meantime. Names follow from content, so
    /// there is nothing left to write; the file then counts as used.
    fn lies_there(&self, path: &Path, key: &ContentHash, wanted: &Header) -> bool {
        let Ok(mut file) = open(path) else { return false };
        let there = entry::head(&mut file, key).is_ok_and(|head| head == *wanted);
        if there {
            let _ = file.set_modified(SystemTime::now());
        }
        there
    }

    /// Writes a temporary file, makes room, and renames the file. Returns false when no room can be made.
    fn store(&self, path: &Path, content: &[u8]) -> io::Result<bool> {
        if !self.dir.is_dir() {
            fs::create_dir_all(&self.dir)?;
            FORMER.iter().for_each(|former| maintenance::remove_former(&self.root.join(former)));
        }
        let mut beside = new_file(&self.dir)?;
        beside.write_all(content)?;

        let _queue = self.writer.lock();
        let Some(_lock) = self.lock()? else { return Ok(false) };
        if !self.make_room(content.len() as u64, path)? {
            return Ok(false);
        }
        beside.persist(path).map_err(|error| error.error)?;
        Ok(true)
    }

    /// The lock of the directory, held until the file is dropped; `None` when another process holds
    /// it for too long.
    fn lock(&self) -> io::Result<Option<File>> {
        let path = self.dir.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let file = files::open_with(options.create(true).truncate(false).write(true), &path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_INTERVAL),
                // Some network file systems have no locks. There, two writers may delete more than
                // they need to, or exceed the limit for a moment.
                Err(TryLockError::Error(_)) => return Ok(Some(file)),
            }
        }
        Ok(None)
    }

    /// Deletes files, those unused for longest first, until `bytes` more fit. `replaced` does not
    /// count, because it is about to be overwritten.
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
                // The system may refuse to delete a file that is in use. The next one goes instead.
                Err(_) => {}
            }
        }
        Ok(total + bytes <= self.limit)
    }

    fn heal(&self, path: &Path, reason: &Unreadable) {
        self.healed.fetch_add(1, Ordering::Relaxed);
        log::warn!("deleting {} from the cache: {reason}", path.display());
        if let Err(error) = fs::remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            self.fail(path, error);
        }
    }

    /// Counts a failure and logs only the first one, because a directory that cannot be used fails
    /// for every frame.
    fn fail(&self, path: &Path, source: io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if !self.logged.swap(true, Ordering::Relaxed) {
            let error = Error::Io { path: path.to_path_buf(), source };
            log::warn!("the disk cache is not usable, frames are drawn without it: {error}");
        }
    }
}

/// Opens a file for reading and, if allowed, for setting its time of use. That takes write access
/// on Windows and ownership elsewhere.
fn open(path: &Path) -> io::Result<File> {
    if cfg!(windows)
        && let Ok(file) = files::open_with(OpenOptions::new().read(true).write(true), path)
    {
        return Ok(file);
    }
    files::open(path)
}

fn new_file(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(BESIDE_PREFIX);
    // Created with the permissions of any other file of the user (the umask applies), so that a
    // shared directory can be shared.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

fn counts(path: &Path) -> bool {
    maintenance::of_name(path).is_some()
}

fn is_stale(path: &Path, used: SystemTime) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(BESIDE_PREFIX) && used.elapsed().is_ok_and(|age| age > STALE_AFTER)
}
