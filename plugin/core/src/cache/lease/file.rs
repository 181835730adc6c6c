//! The files of claims, named `<span key>.<generation>`, in a folder of the cache directory.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use crate::{ContentHash, files};

const SUBDIRECTORY: &str = "leases-1";

/// A claim without a sign of life for this long was left behind by a dead process, even if the
/// clocks of the machines differ.
const LITTER_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Upper limit on the size of a claim's file.
const MOST_BYTES: u64 = 4096;

fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read_start(path, MOST_BYTES)
}

/// The folder of claims, for one particular span.
pub(super) struct Folder {
    dir: PathBuf,
    key: String,
}

/// The outcome of an attempt to take a claim.
pub(super) enum Attempt {
    Mine(Owned),
    /// Somebody else was faster, or the claim that was found has changed in the meantime.
    Lost,
}

/// A claim as it was read from its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    path: PathBuf,
    generation: u64,
    /// The whole content of the file, which is empty for a moment after its creation.
    content: String,
}

impl Folder {
    pub(super) fn new(dir: &Path, key: &ContentHash) -> Self {
        Self { dir: dir.join(SUBDIRECTORY), key: key.to_string() }
    }

    /// The claim of the highest generation.
    pub(super) fn newest(&self) -> io::Result<Option<Lease>> {
        let Some(generation) = self.generations()?.into_iter().max() else { return Ok(None) };
        let path = self.path_of(generation);
        match read(&path) {
            Ok(bytes) => {
                let content = String::from_utf8_lossy(&bytes).into_owned();
                Ok(Some(Lease { path, generation, content }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Claims the generation that follows `gone`, or the first one.
    pub(super) fn take(&self, gone: Option<&Lease>) -> io::Result<Attempt> {
        fs::create_dir_all(&self.dir)?;
        let generation = gone.map_or(1, |gone| gone.generation + 1);
        let path = self.path_of(generation);
        let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Attempt::Lost),
            // The directory was deleted between the two calls.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Attempt::Lost),
            Err(error) => return Err(error),
        };
        let mut owned = Owned { file, path, line: String::new(), beats: 0 };
        if let Err(error) = owned.sign() {
            // The disk is full. Others must not wait for a claim that can never show signs of life.
            let _ = fs::remove_file(&owned.path);
            return Err(error);
        }
        // A whole claim may have come and gone since `gone` was found. The name was free then, but
        // the next generation is not ours.
        let others = self.generations()?;
        let newest = others.iter().all(|other| *other <= generation);
        let still_gone = gone.is_none_or(|gone| {
            read(&gone.path).is_ok_and(|now| String::from_utf8_lossy(&now) == gone.content)
        });
        if !newest || !still_gone {
            return Ok(Attempt::Lost);
        }
        let mut older: Vec<_> = others.into_iter().filter(|other| *other < generation).collect();
        older.sort_unstable();
        for other in older {
            let _ = fs::remove_file(self.path_of(other));
        }
        self.sweep();
        Ok(Attempt::Mine(owned))
    }

    fn path_of(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{}.{generation}", self.key))
    }

    fn generations(&self) -> io::Result<Vec<u64>> {
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for file in files {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&self.key));
            let number = number.and_then(|rest| rest.strip_prefix('.'));
            found.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(found)
    }

    /// Deletes the claims of dead processes for spans that nobody wants any more.
    fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        for file in files.flatten() {
            let changed = file.metadata().and_then(|about| about.modified());
            let age = changed.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
            if age.is_some_and(|age| age > LITTER_AFTER) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl Lease {
    /// Whether the owner ran on this machine, held the file's lock, and no longer holds it.
    pub(super) fn owner_is_dead(&self) -> bool {
        let Some(machine) = machine() else { return false };
        if !self.content.contains(&format!("\nlocked on {machine}\n")) {
            return false;
        }
        files::open(&self.path).is_ok_and(|file| file.try_lock_shared().is_ok())
    }
}

/// A claim of this process. Dropping it deletes the file.
pub(super) struct Owned {
    file: File,
    path: PathBuf,
    /// Distinguishes this claim from every other.
    line: String,
    beats: u64,
}

impl Owned {
    /// Locks the file, where other processes can rely on locks, and writes who owns it.
    fn sign(&mut self) -> io::Result<()> {
        self.line = format!("inbetween claim {}\n", nonce());
        let mut text = self.line.clone();
        if let Some(machine) = machine()
            && self.file.try_lock().is_ok()
        {
            text += &format!("locked on {machine}\n");
        }
        self.file.write_all(text.as_bytes())?;
        self.beat();
        Ok(())
    }

    /// Gives a sign of life by writing another number at the end of the file.
    pub(super) fn beat(&mut self) {
        self.beats += 1;
        let text = format!("beat {:016x}\n", self.beats);
        // The first number is appended to the text; all others overwrite it.
        let back = if self.beats == 1 { 0 } else { -(text.len() as i64) };
        let written =
            self.file.seek(SeekFrom::End(back)).and_then(|_| self.file.write_all(text.as_bytes()));
        if let Err(error) = written {
            log::debug!("{}: {error}", self.path.display());
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // If this process was suspended for long, the name may belong to somebody else by now.
        let ours = read(&self.path).is_ok_and(|now| now.starts_with(self.line.as_bytes()));
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A number that no other claim has.
fn nonce() -> String {
    // Each state is seeded by the system's random numbers.
    let random = || RandomState::new().hash_one(SystemTime::now());
    format!("{:08x}{:016x}{:016x}", std::process::id(), random(), random())
}

/// An id that no other running system has, not even a container on the same machine; `None` where
/// locks cannot be relied on.
fn machine() -> Option<&'static str> {
    static MACHINE: LazyLock<Option<String>> = LazyLock::new(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let id = id.trim();
        (!id.is_empty()).then(|| id.to_owned())
    });
    MACHINE.as_deref()
}
