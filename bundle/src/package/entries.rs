//! The contents of a package, independent of the kind of archive.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One file or link of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path in the package, with forward slashes on every system.
    pub(crate) to: String,
    pub(crate) content: Content,
    /// Whether it is executable.
    pub(crate) program: bool,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Copy(PathBuf),
    Text(String),
    /// A symbolic link to this path.
    Link(String),
}

impl Entry {
    pub(crate) fn text(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self { to: to.into(), content: Content::Text(text.into()), program: false }
    }

    pub(crate) fn copy(to: impl Into<String>, from: &Path) -> Self {
        Self { to: to.into(), content: Content::Copy(from.to_owned()), program: false }
    }

    pub(crate) fn link(to: impl Into<String>, target: impl Into<String>) -> Self {
        Self { to: to.into(), content: Content::Link(target.into()), program: false }
    }

    /// The bytes of a file; none for a link.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        match &self.content {
            Content::Copy(from) => {
                let mut bytes = Vec::new();
                let read = fs::File::open(from).and_then(|mut file| file.read_to_end(&mut bytes));
                read.with_context(|| format!("cannot read {}", from.display()))?;
                Ok(bytes)
            }
            Content::Text(text) => Ok(text.clone().into_bytes()),
            Content::Link(_) => Ok(Vec::new()),
        }
    }

    /// Unix permissions.
    pub(crate) fn mode(&self) -> u32 {
        if self.program { 0o755 } else { 0o644 }
    }
}

/// All files of the folder `from`, below `to`, in order.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn of_folder(from: &Path, to: &str) -> Result<Vec<Entry>> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut paths =
            fs::read_dir(from)?.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut entries = Vec::new();
    for path in read().with_context(|| format!("cannot read {}", from.display()))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let to = format!("{to}/{name}");
        if path.is_dir() {
            entries.extend(of_folder(&path, &to)?);
        } else {
            let program =
                matches!(path.extension().and_then(|e| e.to_str()), None | Some("ofx" | "exe"));
            // The licence has no extension either, but is not a program.
            let program = program && name != "LICENSE";
            entries.push(Entry { program, ..Entry::copy(to, &path) });
        }
    }
    Ok(entries)
}

/// All folders that the entries lie in, outer ones first.
pub(crate) fn folders(entries: &[Entry]) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for entry in entries {
        for (at, _) in entry.to.match_indices('/') {
            folders.push(entry.to[..at].to_owned());
        }
    }
    folders.sort();
    folders.dedup();
    folders
}
