//! The engines of this process and the one queue that they serve. Nothing is made before the first
//! render needs it: a host that only lists its plug-ins pays nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{self, Queue};
use inbetween_core::{Engine, Error, picture};
use inbetween_flow::FlowEngine;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{background, sketches, tooncrafter};
use crate::ofx::{Result, own_folder};

/// Environment variable that names the worker program.
const WORKER_VARIABLE: &str = "INBETWEEN_WORKER";
/// The worker program, as it lies beside the plug-in's own binary.
const WORKER_NAME: &str = if cfg!(windows) { "inbetween.exe" } else { "inbetween" };

static FLOW: OnceCell<Arc<FlowEngine>> = OnceCell::new();
/// The bundle, as far as the host told where it found it.
static BUNDLE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The queue, made on first use. It outlives every instance: some hosts make one per frame.
///
/// # Errors
/// When an engine's own weights are damaged.
pub(crate) fn queue() -> std::result::Result<Arc<Queue>, Error> {
    let flow = FLOW.get_or_try_init(|| FlowEngine::new().map(Arc::new))?;
    Ok(queue::of_process(|| {
        let engines: Vec<Arc<dyn Engine>> = vec![flow.clone()];
        Queue::new(engines, Cache::new(CacheConfig::from_environment()))
    }))
}

/// Remembers where the host found the plug-in.
pub(crate) fn remember_bundle(path: Option<String>) {
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        *BUNDLE.lock() = Some(path.into());
    }
}

/// The worker for the drawings to come: the one `chosen`, or else the one that the environment names, or
/// else the one beside this binary.
///
/// # Errors
/// When the one chosen is not there. None at all is found out by a drawing that needs it.
pub(crate) fn choose_worker(chosen: &Path) -> Result<()> {
    if !chosen.as_os_str().is_empty() && !chosen.is_file() {
        return Err(tooncrafter::missing("Worker", chosen));
    }
    Ok(())
}

/// The worker program, where there is one.
fn find_worker(chosen: &Path) -> Option<PathBuf> {
    if !chosen.as_os_str().is_empty() {
        return Some(chosen.to_owned());
    }
    if let Some(named) = std::env::var_os(WORKER_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let beside = own_folder().into_iter().chain(folders_of_bundle());
    beside.map(|folder| folder.join(WORKER_NAME)).find(|worker| worker.is_file())
}

/// The folders of the bundle that hold binaries.
fn folders_of_bundle() -> Vec<PathBuf> {
    let Some(bundle) = BUNDLE.lock().clone() else { return Vec::new() };
    // Some hosts tell the binary's own path.
    let beside = bundle.parent().filter(|_| bundle.is_file()).map(Path::to_owned);
    let folders = std::fs::read_dir(bundle.join("Contents")).into_iter().flatten().flatten();
    folders.map(|folder| folder.path()).chain(beside).collect()
}

/// Lets go of what can be made again: drawings in memory, key pictures read from files.
pub(crate) fn purge() {
    picture::forget_all();
    sketches::forget_all();
    if FLOW.get().is_some()
        && let Ok(queue) = queue()
    {
        queue.cache().clear_memory();
    }
}

/// Ends the queue's threads: the host may close the binary next.
pub(crate) fn unload() {
    background::forget_all();
    queue::shut_down();
    picture::forget_all();
    sketches::forget_all();
}
