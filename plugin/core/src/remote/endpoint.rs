//! Where client and worker meet: a directory that belongs to this user on this machine, with the
//! worker's socket and its lock.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use interprocess::local_socket::Stream;
#[cfg(windows)]
use interprocess::os::windows::named_pipe as windows;

use crate::{ContentHash, Error};

/// Environment variable that names the directory of the socket.
pub const SOCKET_VARIABLE: &str = "INBETWEEN_SOCKET_DIR";

/// Environment variable that names the directory of the log.
pub const LOG_VARIABLE: &str = "INBETWEEN_LOG_DIR";

const SOCKET_FILE: &str = "worker.sock";
const LOCK_FILE: &str = "worker.lock";

/// Longest path of a socket that every system accepts, in bytes.
const LONGEST_PATH: usize = 100;

/// Size of the buffer of a Windows pipe. A non-blocking pipe accepts a write whole or not at all,
/// so no write may be larger than this. The more writes fit, the less often both sides have to
/// poll.
#[cfg(windows)]
const PIPE_BYTES: u32 = 4 * super::wire::WRITTEN as u32;

/// Accepts connections for the worker.
#[derive(Debug)]
pub struct Listener(
    #[cfg(unix)] interprocess::local_socket::Listener,
    #[cfg(windows)] windows::PipeListener<windows::pipe_mode::Bytes, windows::pipe_mode::Bytes>,
);

impl Listener {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// The system's reason, such as too many open files.
    pub fn accept(&self) -> io::Result<Stream> {
        #[cfg(unix)]
        {
            interprocess::local_socket::traits::Listener::accept(&self.0)
        }
        #[cfg(windows)]
        {
            self.0.accept().map(|pipe| Stream::NamedPipe(pipe.into()))
        }
    }
}

/// The meeting place of one user's clients and their worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    dir: PathBuf,
}

impl Endpoint {
    /// The directory named by the environment, or else the user's runtime directory. No file is
    /// touched.
    pub fn from_environment() -> Self {
        Self::resolve(|name| std::env::var_os(name))
    }

    /// The endpoint in this directory, which should be empty or already hold an endpoint. If a path
    /// in it would be too long for a socket, a temporary directory is used instead, whose name is
    /// derived from it.
    pub fn at(dir: &Path) -> Self {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        if cfg!(unix) && dir.join(SOCKET_FILE).as_os_str().len() > LONGEST_PATH {
            let name = ContentHash::of(dir.as_os_str().as_encoded_bytes()).to_string();
            return Self { dir: std::env::temp_dir().join(format!("inbetween-{}", &name[..16])) };
        }
        Self { dir }
    }

    fn resolve(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let named = |name| variable(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        if let Some(dir) = named(SOCKET_VARIABLE) {
            return Self::at(&dir);
        }
        if let Some(dir) = named("XDG_RUNTIME_DIR").filter(|dir| dir.is_absolute()) {
            return Self::at(&dir.join("inbetween"));
        }
        // Never a home directory, because several machines may share one.
        let user = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        let user = user.unwrap_or_default();
        let name = ContentHash::of(user.as_os_str().as_encoded_bytes()).to_string();
        Self::at(&std::env::temp_dir().join(format!("inbetween-{}", &name[..16])))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that the worker keeps locked while it lives.
    pub fn lock_file(&self) -> PathBuf {
        self.dir.join(LOCK_FILE)
    }

    /// The socket's file. Windows has none, because a pipe has only a name there.
    pub fn socket_file(&self) -> PathBuf {
        self.dir.join(SOCKET_FILE)
    }

    /// Connects to whoever listens there. This never waits: a worker that accepts no connection,
    /// because it is suspended or its backlog is full, must not hold up a host.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when somebody listens but is not accepting connections;
    /// otherwise the system's reason, which usually means that nobody listens.
    pub fn connect(&self) -> io::Result<Stream> {
        #[cfg(unix)]
        {
            use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
            let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            connect(&socket, &SocketAddrUnix::new(self.socket_file())?)?;
            Ok(Stream::UdSocket(std::os::unix::net::UnixStream::from(socket).into()))
        }
        #[cfg(windows)]
        {
            use interprocess::local_socket::{GenericFilePath, ToFsName, traits::Stream as _};
            Stream::connect(self.pipe().to_fs_name::<GenericFilePath>()?)
        }
    }

    /// Starts listening for connections.
    ///
    /// # Errors
    /// The system's reason, for example that somebody else listens.
    pub fn listen(&self) -> io::Result<Listener> {
        #[cfg(unix)]
        {
            use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
            let name = self.socket_file().to_fs_name::<GenericFilePath>()?;
            ListenerOptions::new().name(name).create_sync().map(Listener)
        }
        #[cfg(windows)]
        {
            let mut options = windows::PipeListenerOptions::new().path(self.pipe());
            options.input_buffer_size_hint = PIPE_BYTES;
            options.output_buffer_size_hint = PIPE_BYTES;
            options.create_duplex().map(Listener)
        }
    }

    #[cfg(windows)]
    fn pipe(&self) -> std::ffi::OsString {
        let name = ContentHash::of(self.dir.as_os_str().as_encoded_bytes()).to_string();
        format!(r"\\.\pipe\inbetween-{}", &name[..32]).into()
    }

    /// Creates the directory, accessible to this user only.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be created; [`Error::Worker`] when it belongs to somebody else
    /// or is open to others.
    pub fn prepare(&self) -> Result<(), Error> {
        let failed = |source| Error::Io { path: self.dir.clone(), source };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir).map_err(failed)?;
        self.check()
    }

    /// Checks that nobody but this user can have put a socket here.
    ///
    /// # Errors
    /// As [`Endpoint::prepare`].
    #[cfg(unix)]
    pub fn check(&self) -> Result<(), Error> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        let failed = |source| Error::Io { path: self.dir.clone(), source };
        // The owner of a symbolic link could redirect it later.
        let about = fs::symlink_metadata(&self.dir).map_err(failed)?;
        let unsafe_place = |reason: &str| Error::Worker {
            reason: format!("does not trust the folder {}: {reason}", self.dir.display()),
            advice: format!("Delete that folder, or name another one by {SOCKET_VARIABLE}."),
        };
        if !about.is_dir() {
            return Err(unsafe_place("it is not a folder"));
        }
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(unsafe_place("it belongs to another user"));
        }
        if about.permissions().mode() & 0o077 != 0 {
            // It belongs to this user, so removing the access of others is enough.
            let closed = fs::Permissions::from_mode(0o700);
            fs::set_permissions(&self.dir, closed).map_err(failed)?;
        }
        Ok(())
    }

    /// Checks that nobody but this user can have put a socket here. On this system pipes are
    /// protected by the system.
    ///
    /// # Errors
    /// Never on this system.
    #[cfg(not(unix))]
    pub fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The directory of the worker's log: the one from the environment, or else the platform's.
pub fn log_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os(LOG_VARIABLE).filter(|dir| !dir.is_empty()) {
        return dir.into();
    }
    let Some(dirs) = ProjectDirs::from("org", "inbetween", "AIInbetween") else {
        return std::env::temp_dir().join("inbetween-logs");
    };
    if cfg!(target_os = "macos")
        && let Some(user) = directories::UserDirs::new()
    {
        return user.home_dir().join("Library/Logs/AIInbetween");
    }
    dirs.state_dir().unwrap_or(dirs.data_local_dir()).join("logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(variables: &[(&str, &str)]) -> Endpoint {
        Endpoint::resolve(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_environment_comes_first() {
        let both = [(SOCKET_VARIABLE, "/named"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        assert_eq!(resolve(&both).dir(), std::path::absolute("/named").unwrap());
        let empty = [(SOCKET_VARIABLE, "")];
        assert_eq!(resolve(&empty), resolve(&[]));
    }

    #[cfg(unix)]
    #[test]
    fn the_runtime_directory_is_used_where_there_is_one() {
        let endpoint = resolve(&[("XDG_RUNTIME_DIR", "/run/user/7")]);
        assert_eq!(endpoint.dir(), Path::new("/run/user/7/inbetween"));
        assert_eq!(resolve(&[("XDG_RUNTIME_DIR", "relative")]), resolve(&[]));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_too_long_for_a_socket_is_replaced_by_one_of_its_own() {
        let long = |last: &str| Endpoint::at(&Path::new("/").join("a".repeat(120)).join(last));
        assert!(long("x").socket_file().as_os_str().len() <= LONGEST_PATH);
        assert_eq!(long("x"), long("x"));
        assert_ne!(long("x"), long("y"));
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_for_this_user_only() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::at(&dir.path().join("s"));
        endpoint.prepare().unwrap();
        let mode = || fs::metadata(endpoint.dir()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        fs::set_permissions(endpoint.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        endpoint.prepare().unwrap();
        assert_eq!(mode(), 0o700);

        let link = Endpoint::at(&dir.path().join("link"));
        std::os::unix::fs::symlink(endpoint.dir(), link.dir()).unwrap();
        assert!(matches!(link.check(), Err(Error::Worker { .. })));
    }
}
