//! The commands for weight files, one per file.

pub mod convert;
pub mod download;
pub mod inspect;
pub mod random;
pub mod verify;

use crate::stdio::outln;
use serde::Serialize;

/// Prints `value` as JSON on standard output.
pub(crate) fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("plain data always serialises");
    outln!("{text}");
}

/// A size in bytes, formatted for people: `5.36 GiB`.
pub(crate) fn bytes(count: usize) -> String {
    indicatif::BinaryBytes(count as u64).to_string()
}
