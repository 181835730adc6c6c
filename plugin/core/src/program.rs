//! Starting other programs.

use std::ffi::OsStr;
use std::process::Command;

/// A command that runs `program` without opening a window.
///
/// On Windows, a console program that is started by a program without a console, such as a host,
/// opens a black window of its own unless the flag `CREATE_NO_WINDOW` of `CreateProcess` is set.
/// All programs of this project are started through this function, which `.ci/imports` checks.
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
