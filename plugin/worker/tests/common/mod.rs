//! Shared by the tests of the executable: calling it, and a folder to work in.

#![allow(dead_code, reason = "each test uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The result of a program.
pub(crate) struct Done {
    /// Its exit code; -1 when it was killed.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(done: Output) -> Self {
        Self {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Its output, parsed as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|err| panic!("{err}: {} {}", self.out, self.err))
    }

    /// The same, after checking that it succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }
}

/// Whether ffmpeg and ffprobe are installed; tests of videos report when they cannot run.
pub(crate) fn has_ffmpeg() -> bool {
    let found = ["ffmpeg", "ffprobe"].iter().all(|program| {
        Command::new(program).arg("-version").output().is_ok_and(|done| done.status.success())
    });
    if !found {
        println!("SKIPPED: ffmpeg is not installed");
    }
    found
}

/// A command that calls the executable.
pub(crate) fn inbetween(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inbetween"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A folder for the input and output of a test.
pub(crate) struct Workspace(TempDir);

impl Workspace {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// A command that calls the executable in the folder, with its own cache.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = inbetween(arguments);
        command.current_dir(self.folder()).env("INBETWEEN_CACHE_DIR", self.path("cache"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    /// The files in a folder, sorted by name, without hidden ones.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap());
        let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        let mut files: Vec<PathBuf> = shown.map(|entry| entry.path()).collect();
        files.sort();
        files
    }
}
