//! The engines of this process and the one queue that they serve. Nothing is made before the first
//! render needs it: a host that only lists its plug-ins pays nothing.

use std::sync::Arc;

use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{self, Queue};
use inbetween_core::{Error, picture};
use inbetween_flow::FlowEngine;
use once_cell::sync::OnceCell;

static FLOW: OnceCell<Arc<FlowEngine>> = OnceCell::new();

/// The queue, made on first use. It outlives every instance: some hosts make one per frame.
///
/// # Errors
/// When an engine's own weights are damaged.
pub(crate) fn queue() -> Result<Arc<Queue>, Error> {
    let flow = FLOW.get_or_try_init(|| FlowEngine::new().map(Arc::new))?;
    Ok(queue::of_process(|| {
        Queue::new(vec![flow.clone()], Cache::new(CacheConfig::from_environment()))
    }))
}

/// Lets go of what can be made again: drawings in memory, key pictures read from files.
pub(crate) fn purge() {
    picture::forget_all();
    if FLOW.get().is_some()
        && let Ok(queue) = queue()
    {
        queue.cache().clear_memory();
    }
}

/// Ends the queue's threads: the host may close the binary next.
pub(crate) fn unload() {
    queue::shut_down();
    picture::forget_all();
}
