//! Opening files in places where others may have put something else.
//!
//! A named pipe, a device or a folder in place of a file must not block a host: opening a pipe
//! waits for its other end, possibly for ever. Only regular files are kept open here.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens the file at `path` for reading.
///
/// # Errors
/// The system's reason; [`ErrorKind::InvalidInput`] when it is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens the file at `path` as `options` say.
///
/// # Errors
/// As [`open`].
pub fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let refused = || io::Error::new(ErrorKind::InvalidInput, "it is not a file");
    // Checked first, because opening some devices has side effects.
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => return Err(refused()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Another file may have taken the path since the check.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(refused());
    }
    Ok(file)
}

/// The first `most` bytes of the file at `path`, or all of a shorter one.
///
/// # Errors
/// As [`open`].
pub fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(crate::program::command("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&*pipe, Path::new("/dev/zero"), Path::new("/dev/tty"), dir.path()] {
            let read = open(path).unwrap_err();
            assert_eq!(read.kind(), ErrorKind::InvalidInput, "{}: {read}", path.display());
            let write = open_with(OpenOptions::new().write(true), path).unwrap_err();
            assert_eq!(write.kind(), ErrorKind::InvalidInput, "{}: {write}", path.display());
        }
        let file = dir.path().join("file");
        std::fs::write(&file, b"content").unwrap();
        assert_eq!(read_start(&file, 4).unwrap(), b"cont");
        assert_eq!(open(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
