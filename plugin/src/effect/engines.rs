//! The engines of this process and the one queue that they serve. Nothing is made before the first
//! render needs it: a host that only lists its plug-ins pays nothing.

use std::sync::Arc;

use inbetween_core::Error;
use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::Queue;
use inbetween_flow::FlowEngine;
use once_cell::sync::OnceCell;

static QUEUE: OnceCell<Queue> = OnceCell::new();

/// The queue, made on first use. It outlives every instance: some hosts make one per frame.
///
/// # Errors
/// When an engine's own weights are damaged.
pub(crate) fn queue() -> Result<&'static Queue, Error> {
    QUEUE.get_or_try_init(|| {
        let cache = Cache::new(CacheConfig::from_environment());
        Ok(Queue::new(vec![Arc::new(FlowEngine::new()?)], cache))
    })
}

/// Lets go of what can be drawn again.
pub(crate) fn purge() {
    if let Some(queue) = QUEUE.get() {
        queue.cache().clear_memory();
    }
}
