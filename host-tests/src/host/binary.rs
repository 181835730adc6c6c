//! Plug-in files: finds and opens them, and reads what they export.

use std::{
    ffi::{CStr, c_int},
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use libloading::{Library, Symbol};
use parking_lot::RwLock;

use crate::host::sys::*;

/// Folders of a bundle that may contain a binary for this machine, in the order in which hosts
/// look.
const ARCHITECTURES: &[&str] = if cfg!(target_os = "macos") {
    &["MacOS", "MacOS-x86-64"]
} else if cfg!(target_os = "windows") {
    if cfg!(target_arch = "aarch64") { &["Win-arm64ec", "Win64"] } else { &["Win64"] }
} else if cfg!(target_arch = "aarch64") {
    &["Linux-aarch64", "Linux-x86-64"]
} else {
    &["Linux-x86-64"]
};

/// One plug-in of a binary, described by its exported structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    raw: *const OfxPlugin,
}

// SAFETY: the structure is constant data in a library that is never closed.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Entry {
    pub(crate) fn raw(&self) -> &OfxPlugin {
        // SAFETY: not NULL (checked when the entry was made), and it lives as long as the process.
        unsafe { &*self.raw }
    }

    pub(crate) fn id(&self) -> String {
        text(self.raw().pluginIdentifier)
    }

    pub(crate) fn api(&self) -> String {
        text(self.raw().pluginApi)
    }

    pub(crate) fn version(&self) -> (u32, u32) {
        (self.raw().pluginVersionMajor, self.raw().pluginVersionMinor)
    }
}

fn text(pointer: *const std::ffi::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null; the API promises NUL-terminated text.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// An opened plug-in file.
pub struct Binary {
    path: PathBuf,
    entries: RwLock<Vec<Entry>>,
    /// Never closed, because threads of a plug-in may outlive its last action and need its code.
    library: ManuallyDrop<Library>,
}

impl Binary {
    /// Opens a file and asks for its plug-ins. None of their actions is called yet.
    ///
    /// # Errors
    /// When the library cannot be loaded, lacks the functions of a plug-in binary, or returns a
    /// null plug-in.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let absolute =
            path.canonicalize().with_context(|| format!("there is no file {}", path.display()))?;
        // SAFETY: loading runs the library's initialisers, which is what a host is expected to do
        // with a plug-in.
        let library = unsafe { Library::new(&absolute) }
            .with_context(|| format!("{} cannot be loaded as a library", path.display()))?;
        let library = ManuallyDrop::new(library);
        let entries = Self::ask(&library, path)?;
        Ok(Arc::new(Self { path: absolute, entries: RwLock::new(entries), library }))
    }

    /// Asks for the plug-ins again. After Unload, everything of a plug-in may be gone, even its
    /// entry, as with plug-ins made with the OpenFX Support library.
    pub(crate) fn ask_again(&self) -> Result<()> {
        *self.entries.write() = Self::ask(&self.library, &self.path)?;
        Ok(())
    }

    fn ask(library: &Library, path: &Path) -> Result<Vec<Entry>> {
        type Count = unsafe extern "C" fn() -> c_int;
        type Get = unsafe extern "C" fn(c_int) -> *mut OfxPlugin;
        let missing =
            |name| format!("{} is no OpenFX plug-in: it does not export {name}", path.display());
        // SAFETY: the symbol has this type by the OpenFX standard, "The Plug-in Binary".
        let count: Symbol<'_, Count> = unsafe { library.get(b"OfxGetNumberOfPlugins\0") }
            .with_context(|| missing("OfxGetNumberOfPlugins"))?;
        // SAFETY: as above.
        let get: Symbol<'_, Get> =
            unsafe { library.get(b"OfxGetPlugin\0") }.with_context(|| missing("OfxGetPlugin"))?;
        // SAFETY: a call without arguments, and the first one, as the standard requires.
        let count = unsafe { count() };
        let mut entries = Vec::new();
        for index in 0..count {
            // SAFETY: the index is in the range that the plug-in reported.
            let raw = unsafe { get(index) };
            if raw.is_null() {
                bail!("{}: plug-in {index} of {count} is NULL", path.display());
            }
            entries.push(Entry { raw });
        }
        Ok(entries)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Identifiers of its plug-ins.
    pub fn ids(&self) -> Vec<String> {
        self.entries.read().iter().map(Entry::id).collect()
    }

    /// Versions of the plug-in of that id.
    pub(crate) fn versions(&self, id: &str) -> Vec<(u32, u32)> {
        let entries = self.entries.read();
        let same = entries.iter().filter(|entry| entry.id().eq_ignore_ascii_case(id));
        same.map(Entry::version).collect()
    }

    /// The plug-in of that id, or the only one. Ids are compared case-insensitively, as the
    /// standard requires.
    pub(crate) fn entry(&self, id: Option<&str>) -> Result<Entry> {
        let entries = self.entries.read();
        let entry = match id {
            Some(id) => entries.iter().find(|entry| entry.id().eq_ignore_ascii_case(id)),
            None if entries.len() > 1 => {
                bail!(
                    "{} has several plug-ins, say which with --id: {}",
                    self.path.display(),
                    self.ids().join(", ")
                )
            }
            None => entries.first(),
        };
        let Some(entry) = entry else {
            let ids = self.ids().join(", ");
            bail!(
                "{} has no plug-in {}; it has: {ids}",
                self.path.display(),
                id.unwrap_or("at all")
            );
        };
        Ok(*entry)
    }

    /// Introduces the host to the binary before anything else, if it supports that (OpenFX 1.5).
    /// False if it refuses.
    pub(crate) fn offer_host(&self, host: *mut OfxHost) -> bool {
        type SetHost = unsafe extern "C" fn(*const OfxHost) -> OfxStatus;
        // SAFETY: the symbol has this type by the OpenFX standard.
        match unsafe { self.library.get::<SetHost>(b"OfxSetHost\0") } {
            // SAFETY: the structure lives as long as the host object that offers it.
            Ok(set_host) => matches!(unsafe { set_host(host) }, kOfxStatOK | kOfxStatReplyDefault),
            Err(_) => true,
        }
    }
}

/// Plug-in files at `path`: the file itself, that of a bundle, or those of all bundles in a folder.
///
/// # Errors
/// When there is no such file or folder, or when it contains nothing for this machine.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        bail!("there is no file or folder {}", path.display());
    }
    let mut found = Vec::new();
    search(path, &mut found)?;
    found.sort();
    if found.is_empty() {
        bail!(
            "{} holds no .ofx for this machine (looked for bundles with {})",
            path.display(),
            ARCHITECTURES.join(", ")
        );
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('@') {
        return Ok(());
    }
    if let Some(stem) = name.strip_suffix(".ofx.bundle") {
        let binaries = ARCHITECTURES
            .iter()
            .map(|arch| folder.join("Contents").join(arch).join(format!("{stem}.ofx")));
        found.extend(binaries.into_iter().find(|binary| binary.is_file()));
        return Ok(());
    }
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "ofx") {
            found.push(path);
        }
    }
    Ok(())
}

/// The one plug-in file at `path`.
///
/// # Errors
/// As [`find`]; when a folder holds several binaries.
pub fn find_one(path: &Path) -> Result<PathBuf> {
    let mut found = find(path)?;
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
        bail!("{} holds several plug-in files, name one: {}", path.display(), names.join(", "));
    }
    found.pop().context("a search without error found something")
}
