//! Generated spans: found in memory or in the shared cache directory, or generated once, by one
//! process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inbetween_core::cache::lease::{self, Claim};
use inbetween_core::cache::{CacheConfig, DiskCache};
use inbetween_core::{ContentHash, Control, Error, Frame};
use inbetween_tooncrafter::pipeline::FRAMES;
use parking_lot::Mutex;

/// Spans that stay in memory: the one that is drawn from, and its neighbour.
const IN_MEMORY: usize = 2;

/// The frames of a span, first key to last, as the model drew them.
type Span = Arc<Vec<Frame>>;

#[derive(Debug)]
pub(super) struct Spans {
    disk: Option<(PathBuf, DiskCache)>,
    /// Most recently used last.
    memory: Mutex<Vec<(ContentHash, Span)>>,
    generated: AtomicU64,
}

impl Spans {
    pub(super) fn new(config: &CacheConfig) -> Self {
        let disk = config.disk.clone();
        let disk = disk.map(|disk| (disk.dir.clone(), DiskCache::new(disk)));
        Self { disk, memory: Mutex::default(), generated: AtomicU64::new(0) }
    }

    /// The span of `key` whose frames have a size that is `wanted`, computed by `generate` unless it is
    /// there, or another process is about to finish it.
    ///
    /// # Errors
    /// Those of `generate`; [`Error::Cancelled`] while waiting.
    pub(super) fn get(
        &self,
        key: &ContentHash,
        wanted: &dyn Fn((usize, usize)) -> bool,
        control: &Control,
        generate: impl FnOnce() -> Result<Vec<Frame>, Error>,
    ) -> Result<Span, Error> {
        loop {
            if let Some(span) = self.find(key, wanted) {
                return Ok(span);
            }
            let Some((dir, disk)) = &self.disk else {
                let span = generate()?;
                self.generated.fetch_add(1, Ordering::Relaxed);
                return Ok(self.remember(key, span));
            };
            match lease::claim(dir, key, control, || disk.has_span(key))? {
                // The file is read next. Reading deletes a damaged one, and then the span is claimed.
                Claim::Ready => {}
                Claim::Mine(guard) => {
                    let span = self.remember(key, generate()?);
                    self.generated.fetch_add(1, Ordering::Relaxed);
                    // If the disk has no room, the next position still finds it in memory.
                    disk.put_span(key, &span);
                    drop(guard);
                    return Ok(span);
                }
            }
        }
    }

    fn find(&self, key: &ContentHash, wanted: &dyn Fn((usize, usize)) -> bool) -> Option<Span> {
        let known = self.memory.lock().iter().find(|(known, _)| known == key).cloned();
        if let Some((_, span)) = known {
            return Some(span);
        }
        let (_, disk) = self.disk.as_ref()?;
        let span = disk.get_span(key, wanted, FRAMES)?;
        Some(self.remember(key, span))
    }

    fn remember(&self, key: &ContentHash, span: Vec<Frame>) -> Span {
        let span = Arc::new(span);
        let mut memory = self.memory.lock();
        memory.retain(|(known, _)| known != key);
        if memory.len() == IN_MEMORY {
            memory.remove(0);
        }
        memory.push((*key, span.clone()));
        span
    }

    /// How many were generated here.
    pub(super) fn generated(&self) -> u64 {
        self.generated.load(Ordering::Relaxed)
    }

    /// Gives up what can be read or made again.
    pub(super) fn forget(&self) {
        self.memory.lock().clear();
    }
}
