//! The plug-in in a host, with the worker behind it: the OpenFX calls of a host, the process that
//! the plug-in starts, and a small model with random weights in the released layout.
//!
//! Each test runs in a separate process, because the host, its plug-in and the worker's folders
//! belong to a process. The test starts this program again for itself alone, with the folders in
//! the environment.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod bench;
mod colour;
mod flow;
mod hosts;
mod key_frames;
mod pins;
mod retime;
mod tooncrafter;
