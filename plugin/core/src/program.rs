//! Starting other programs.

use std::ffi::OsStr;
use std::process::Command;

/// A call of `program` that opens no window.
///
/// On Windows a program for terminals that is started by one without a terminal, such as a host, opens a black window
/// of its own unless it is told not to (flag `CREATE_NO_WINDOW` of `CreateProcess`). All programs of this project are
/// started through this function; `.ci/imports` sees to it.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    #[cfg_attr(not(windows), expect(unused_mut, reason = "flags are set on Windows only"))]
    let mut command = Command::new(program);
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        command.creation_flags(CREATE_NO_WINDOW);
    }
    command
}
