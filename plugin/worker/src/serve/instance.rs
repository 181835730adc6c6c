//! One worker for each user and machine: its lock, its socket, and its way into the background.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use inbetween_core::files;
use inbetween_core::program;
use inbetween_core::remote::endpoint::{Endpoint, Listener};

use super::failed;
use crate::failure::{Failure, Kind, Result};

/// How long a worker that ends may keep the lock, and a new one may take to listen.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The right to be the worker.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) listener: Listener,
    pub(super) endpoint: Endpoint,
    /// Held while the process lives; the system gives it back for one that was killed.
    _lock: File,
}

/// The outcome of asking for that right.
pub(super) enum Acquired {
    Mine(Instance),
    AlreadyServed,
}

/// Takes the lock and listens; waits for a worker that is about to end.
///
/// # Errors
/// [`Kind::File`] when the place cannot be used.
pub(super) fn take(endpoint: &Endpoint) -> Result<Acquired> {
    endpoint.prepare().map_err(|error| failed(&error))?;
    let path = endpoint.lock_file();
    let wrong = |what: &str, error: io::Error| {
        Failure::new(Kind::File, format!("{what} {}: {error}", path.display()))
    };
    let mut options = OpenOptions::new();
    let lock = files::open_with(options.create(true).truncate(false).write(true), &path);
    let lock = lock.map_err(|error| wrong("cannot open", error))?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if answers(endpoint) => {
                return Ok(Acquired::AlreadyServed);
            }
            Err(TryLockError::WouldBlock) if since.elapsed() < TAKEOVER_TIMEOUT => {
                std::thread::sleep(POLL_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => {
                let reason = io::Error::other("another worker holds it and does not answer");
                return Err(wrong("cannot lock", reason));
            }
            Err(TryLockError::Error(error)) => return Err(wrong("cannot lock", error)),
        }
    }
    // With the lock in hand, a socket that lies there belongs to nobody.
    let _ = fs::remove_file(endpoint.socket_file());
    let listener = endpoint.listen().map_err(|error| wrong("no socket beside", error))?;
    Ok(Acquired::Mine(Instance { listener, endpoint: endpoint.clone(), _lock: lock }))
}

impl Instance {
    /// Removes the socket, so that no client finds this worker any more.
    pub(super) fn hide(&self) {
        let _ = fs::remove_file(self.endpoint.socket_file());
    }
}

/// Whether somebody listens.
fn answers(endpoint: &Endpoint) -> bool {
    match endpoint.connect() {
        Ok(_) => true,
        // The worker accepts no connection at the moment, but it is there.
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Leaves the terminal, the process group and the folder of whoever started this process.
pub(super) fn detach() {
    #[cfg(unix)]
    // Refused for the leader of a group, as when started by hand in a shell: then it stays there.
    let _ = rustix::process::setsid();
    // A folder in use could not be unmounted.
    let _ = std::env::set_current_dir("/");
}

/// Starts the worker proper and returns when it listens, or says why it does not.
///
/// # Errors
/// [`Kind::File`] when it cannot be started.
pub(super) fn start_in_background(endpoint: &Endpoint, idle_seconds: u64) -> Result<()> {
    let wrong = |reason: String| Failure::new(Kind::File, reason);
    let executable = std::env::current_exe().map_err(|error| wrong(error.to_string()))?;
    let mut command = program::command(executable);
    command.args(["serve", "--idle-seconds", &idle_seconds.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    keep_only_standard_streams();
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        // No console either: it would close with the terminal. These flags replace those of `command`.
        const DETACHED_PROCESS: u32 = 0x0000_0008;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }
    let mut worker = command.spawn().map_err(|error| wrong(error.to_string()))?;
    let since = Instant::now();
    loop {
        if answers(endpoint) {
            return Ok(());
        }
        match worker.try_wait() {
            // The new process may have found another worker, which then answers.
            Ok(Some(status)) if !answers(endpoint) && !status.success() => {
                return Err(wrong(format!("the worker ended at once ({status})")));
            }
            Ok(_) => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
        if since.elapsed() > 2 * TAKEOVER_TIMEOUT {
            return Err(wrong("the worker does not listen".into()));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Files and sockets that the host has open must not reach the worker: it would keep them from being deleted or
/// closed.
#[cfg(unix)]
fn keep_only_standard_streams() {
    let Ok(open) = fs::read_dir("/dev/fd") else { return };
    let numbers = open.flatten().filter_map(|file| file.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2).collect::<Vec<_>>() {
        // SAFETY: sets a flag of a number that need not even be open; nothing is closed here, but
        // only in the program that this process starts next.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
