//! Prints to standard output and standard error without stopping when the reader goes away.
//!
//! `println!` panics when its reader is gone, as in `inbetween cache list | head`. Work in progress
//! matters more than its messages, so from then on they are dropped. Any other error, such as a full
//! disk behind `> list.json`, is kept and makes the command fail, because a truncated list must not
//! pass for a complete one.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

use parking_lot::Mutex;

use crate::failure::{Failure, Kind, Result};

/// The first error while printing to standard output, except for a reader that is gone.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line to standard output.
macro_rules! outln {
    ($($text:tt)*) => { $crate::stdio::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line to standard error.
macro_rules! errln {
    ($($text:tt)*) => { $crate::stdio::err(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {errln, outln};

/// Prints `text` to standard output and flushes it.
pub(crate) fn out(text: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_fmt(text).and_then(|()| stdout.flush());
    if let Err(err) = printed
        && err.kind() != ErrorKind::BrokenPipe
    {
        FAILED.lock().get_or_insert(err);
    }
}

/// Prints `text` to standard error. If that fails, there is no way to report it.
pub(crate) fn err(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Checks that all output was written, unless its reader is gone.
///
/// # Errors
///
/// [`Kind::File`] with the first error.
pub(crate) fn arrived() -> Result<()> {
    match FAILED.lock().take() {
        None => Ok(()),
        Some(err) => Err(Failure::new(
            Kind::File,
            format!("what was printed is incomplete: standard output cannot be written: {err}"),
        )),
    }
}
