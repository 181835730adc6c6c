//! The engines of this process and the one queue that they serve. Nothing is created before the
//! first render needs it: a host that only lists its plug-ins pays nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inbetween_core::budget::Budget;
use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{self, Queue};
use inbetween_core::remote::{RemoteConfig, RemoteEngine, tooncrafter_version};
use inbetween_core::{Control, Drawn, Engine, EngineKind, Error, Job, process_memo, threads};
use inbetween_flow::FlowEngine;
use parking_lot::Mutex;

use super::background;
use crate::ofx::own_folder;

static FLOW: Mutex<Option<Arc<FlowEngine>>> = Mutex::new(None);
/// Path of the bundle, if the host said where it found it.
static BUNDLE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The queue, made on first use. It outlives every instance: some hosts make one per frame.
///
/// # Errors
/// When an engine's own weights are damaged.
pub(crate) fn queue() -> std::result::Result<Arc<Queue>, Error> {
    let flow = {
        let mut made = FLOW.lock();
        match &*made {
            Some(flow) => Arc::clone(flow),
            None => Arc::clone(made.insert(Arc::new(FlowEngine::new()?))),
        }
    };
    Ok(queue::of_process(|| {
        let cache = CacheConfig::from_environment();
        let version = tooncrafter_version(flow.version());
        let worker = Arc::new(Worker { cache: cache.clone(), version });
        let engines: Vec<Arc<dyn Engine>> = vec![flow.clone(), worker];
        Queue::new(engines, Cache::within(Budget::of_process(), cache.disk))
    }))
}

/// Remembers where the host found the plug-in.
pub(crate) fn remember_bundle(path: Option<String>) {
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        *BUNDLE.lock() = Some(path.into());
    }
}

/// ToonCrafter in the worker process. The program comes from the environment or the bundle, never
/// from a project: opening a stranger's project must not run a stranger's program.
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
        let config = RemoteConfig {
            beside: folder_of_binary(),
            ..RemoteConfig::new(self.cache.clone(), self.version.clone())
        };
        // Cheap to create, since it holds only the configuration.
        RemoteEngine::new(config).draw(job, control)
    }
}

/// The folder of the plug-in's binary, in which the bundle also has the worker.
fn folder_of_binary() -> Option<PathBuf> {
    own_folder().or_else(|| {
        let bundle = BUNDLE.lock().clone()?;
        if bundle.is_file() {
            // Some hosts report the path of the binary itself.
            return bundle.parent().map(Path::to_owned);
        }
        let folders = std::fs::read_dir(bundle.join("Contents")).ok()?.flatten();
        let worker = format!("inbetween{}", std::env::consts::EXE_SUFFIX);
        folders.map(|folder| folder.path()).find(|folder| folder.join(&worker).is_file())
    })
}

/// Called in a child that a host has forked: abandons what the parent had begun, since its threads
/// do not exist here.
pub(crate) fn notice_fork() {
    threads::notice_fork(|| {
        background::abandon();
        queue::abandon();
        // Otherwise the child would wait for an analysis that the parent had begun.
        std::mem::forget(FLOW.lock().take());
        process_memo::forget_all();
    });
}

/// Ends the queue's threads, because the host may close the binary next.
pub(crate) fn unload() {
    notice_fork();
    background::forget_all();
    queue::shut_down();
    process_memo::forget_all();
}
