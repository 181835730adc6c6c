//! Lines for standard output and standard error, printed so that a reader who has seen enough stops nothing.
//!
//! `println!` panics when its reader is gone, as in `inbetween cache list | head`. Work that is under way is worth more
//! than its messages, so here they are dropped from then on. Any other error, such as a full disk under
//! `> list.json`, is kept, and the command fails with it: a list that is cut short must not pass for a whole one.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

use parking_lot::Mutex;

use crate::failure::{Failure, Kind, Result};

/// The first error in printing on standard output, but for a reader who is gone.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard output.
macro_rules! outln {
    ($($text:tt)*) => { $crate::stdio::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line on standard error.
macro_rules! errln {
    ($($text:tt)*) => { $crate::stdio::err(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {errln, outln};

/// Prints `text` on standard output, at once.
pub(crate) fn out(text: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_fmt(text).and_then(|()| stdout.flush());
    if let Err(err) = printed
        && err.kind() != ErrorKind::BrokenPipe
    {
        FAILED.lock().get_or_insert(err);
    }
}

/// Prints `text` on standard error. Where that cannot be done, nobody can be told.
pub(crate) fn err(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Whether all that was printed on standard output has arrived, or found nobody who reads it.
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
