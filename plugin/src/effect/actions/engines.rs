//! The engines of this process and the one queue that they serve. Nothing is made before the first
//! render needs it: a host that only lists its plug-ins pays nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{self, Queue};
use inbetween_core::remote::{RemoteConfig, RemoteEngine, tooncrafter_version};
use inbetween_core::{Control, Drawn, Engine, EngineKind, Error, Job, process_memo};
use inbetween_flow::FlowEngine;
use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::background;
use crate::effect::parameters::tooncrafter;
use crate::ofx::{Result, own_folder};

static FLOW: OnceCell<Arc<FlowEngine>> = OnceCell::new();
/// The bundle, as far as the host told where it found it.
static BUNDLE: Mutex<Option<PathBuf>> = Mutex::new(None);
/// The worker program that was chosen last; empty for the one that is found.
static CHOSEN: Mutex<PathBuf> = Mutex::new(PathBuf::new());

/// The queue, made on first use. It outlives every instance: some hosts make one per frame.
///
/// # Errors
/// When an engine's own weights are damaged.
pub(crate) fn queue() -> std::result::Result<Arc<Queue>, Error> {
    let flow = FLOW.get_or_try_init(|| FlowEngine::new().map(Arc::new))?;
    Ok(queue::of_process(|| {
        let cache = CacheConfig::from_environment();
        let version = tooncrafter_version(flow.version());
        let worker = Arc::new(Worker { cache: cache.clone(), version });
        let engines: Vec<Arc<dyn Engine>> = vec![flow.clone(), worker];
        Queue::new(engines, Cache::new(cache))
    }))
}

/// Remembers where the host found the plug-in.
pub(crate) fn remember_bundle(path: Option<String>) {
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        *BUNDLE.lock() = Some(path.into());
    }
}

/// Chooses the worker for the drawings to come; an empty path leaves it to be found. The one worker that
/// serves this user is replaced only when it ends.
///
/// # Errors
/// When the one chosen is not there. None at all is found out by a drawing that needs it.
pub(crate) fn choose_worker(chosen: &Path) -> Result<()> {
    if !chosen.as_os_str().is_empty() && !chosen.is_file() {
        return Err(tooncrafter::missing("Worker", chosen));
    }
    chosen.clone_into(&mut CHOSEN.lock());
    Ok(())
}

/// ToonCrafter in the worker process, with whichever worker is chosen when a drawing begins.
struct Worker {
    cache: CacheConfig,
    version: String,
}

impl Engine for Worker {
    fn kind(&self) -> EngineKind {
        EngineKind::ToonCrafter
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn draw(&self, job: &Job, control: &Control) -> std::result::Result<Drawn, Error> {
        let chosen = CHOSEN.lock().clone();
        let config = RemoteConfig {
            executable: Some(chosen).filter(|chosen| !chosen.as_os_str().is_empty()),
            beside: folder_of_binary(),
            ..RemoteConfig::new(self.cache.clone(), self.version.clone())
        };
        // Cheap: nothing is held but the configuration.
        RemoteEngine::new(config).draw(job, control)
    }
}

/// The folder of the plug-in's binary, where the bundle has the worker too.
fn folder_of_binary() -> Option<PathBuf> {
    own_folder().or_else(|| {
        let bundle = BUNDLE.lock().clone()?;
        if bundle.is_file() {
            // Some hosts tell the binary's own path.
            return bundle.parent().map(Path::to_owned);
        }
        let folders = std::fs::read_dir(bundle.join("Contents")).ok()?.flatten();
        let worker = format!("inbetween{}", std::env::consts::EXE_SUFFIX);
        folders.map(|folder| folder.path()).find(|folder| folder.join(&worker).is_file())
    })
}

/// Ends the queue's threads: the host may close the binary next.
pub(crate) fn unload() {
    background::forget_all();
    queue::shut_down();
    process_memo::forget_all();
}
