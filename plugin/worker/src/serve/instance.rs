//! Ensures that there is one worker per user and machine: its lock, its socket, and its move to the
//! background.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use inbetween_core::files;
use inbetween_core::program;
use inbetween_core::remote::endpoint::{Endpoint, Listener};

use super::failed;
use crate::failure::{Failure, Kind, Result};

/// How long an ending worker may hold the lock, and how long a new one may take to listen.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The right to be the worker.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) listener: Listener,
    pub(super) endpoint: Endpoint,
    /// Held while the process lives. If it is killed, the system releases it.
    _lock: File,
}

/// The result of asking for that right.
pub(super) enum Acquired {
    Mine(Instance),
    AlreadyServed,
}

/// Takes the lock and starts to listen; waits for a worker that is about to end.
///
/// # Errors
/// [`Kind::File`] when the endpoint cannot be used.
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
    // Since we hold the lock, an existing socket belongs to nobody.
    let _ = fs::remove_file(endpoint.socket_file());
    let listener = endpoint.listen().map_err(|error| wrong("no socket beside", error))?;
    Ok(Acquired::Mine(Instance { listener, endpoint: endpoint.clone(), _lock: lock }))
}

impl Instance {
    /// Removes the socket, so that clients no longer find this worker.
    pub(super) fn hide(&self) {
        let _ = fs::remove_file(self.endpoint.socket_file());
    }
}

/// Whether somebody is listening.
fn answers(endpoint: &Endpoint) -> bool {
    match endpoint.connect() {
        Ok(_) => true,
        // The worker is accepting no connections at the moment, but it exists.
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Leaves the terminal, the process group and the working directory of the parent.
pub(super) fn detach() {
    #[cfg(unix)]
    // Refused for the leader of a process group, for example when started by hand in a shell. It
    // then stays there.
    let _ = rustix::process::setsid();
    // A directory in use could not be unmounted.
    let _ = std::env::set_current_dir("/");
}

/// Starts the actual worker and returns once it is listening, or reports why it is not.
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
        // No console either, because it would close with the terminal. These flags replace those of
        // `command`.
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
            // The new process may have ended because it found another worker, which then answers.
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

/// The worker must not inherit the host's open files and sockets, or it would keep them from being
/// deleted or closed.
#[cfg(unix)]
fn keep_only_standard_streams() {
    let Ok(open) = fs::read_dir("/dev/fd") else { return };
    let numbers = open.flatten().filter_map(|file| file.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2).collect::<Vec<_>>() {
        // SAFETY: sets a flag on a descriptor that need not even be open. Nothing is closed here,
        // only in the program that this process starts next.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
