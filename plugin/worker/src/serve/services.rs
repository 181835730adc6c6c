//! A service draws for one cache directory with its own queue, cache and engines. All services
//! share the device: one of them draws at a time, after the model loaded by another has been
//! released.

use std::sync::Arc;
use std::time::Duration;

use inbetween_core::budget::Budget;
use inbetween_core::cache::{Cache, CacheConfig, DiskCache, DiskConfig};
use inbetween_core::queue::Queue;
use inbetween_core::remote::protocol::CacheDir;
use inbetween_core::{Control, Drawn, Engine, EngineInfo, EngineKind, Error, Job};
use parking_lot::Mutex;

use super::Engines;

/// Number of services that are kept. When there are more, the idle one that was unused for longest
/// is closed.
const MOST_SERVICES: usize = 4;

/// Time between two attempts of a drawing to get the device.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct Service {
    pub(super) queue: Queue,
    /// The same directory as the queue's cache, for the pictures of keys.
    pub(super) disk: Option<DiskCache>,
    engines: Vec<Arc<dyn Engine>>,
}

pub(super) struct Services {
    make: Engines,
    version: String,
    device: Arc<Device>,
    /// Most recently used last.
    open: Mutex<Vec<(Option<CacheDir>, Arc<Service>)>>,
}

impl Services {
    pub(super) fn new(make: Engines) -> Result<Self, Error> {
        let engines = make(&CacheConfig::in_memory(0))?;
        let drawing = engines.iter().find(|engine| engine.kind() == EngineKind::ToonCrafter);
        let version = drawing.map(|engine| engine.version().to_owned()).unwrap_or_default();
        Ok(Self { make, version, device: Arc::default(), open: Mutex::default() })
    }

    /// The version of the ToonCrafter engine.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The service for a cache, created on first use.
    pub(super) fn of(&self, place: Option<&CacheDir>) -> Result<Arc<Service>, Error> {
        let mut open = self.open.lock();
        if let Some(at) = open.iter().position(|(known, _)| known.as_ref() == place) {
            let entry = open.remove(at);
            let service = entry.1.clone();
            open.push(entry);
            return Ok(service);
        }
        let disk = place
            .map(|place| DiskConfig { dir: place.dir.clone(), limit_bytes: place.limit_bytes });
        let config = CacheConfig { memory_bytes: 0, disk: disk.clone() };
        let engines: Vec<Arc<dyn Engine>> = (self.make)(&config)?
            .into_iter()
            .map(|inner| Arc::new(DeviceEngine { inner, device: self.device.clone() }) as _)
            .collect();
        let queue =
            Queue::storing_first(engines.clone(), Cache::within(Budget::of_process(), config.disk));
        let service = Arc::new(Service { queue, disk: disk.map(DiskCache::new), engines });
        open.push((place.cloned(), service.clone()));
        if open.len() > MOST_SERVICES
            && let Some(at) = open.iter().position(|(_, service)| Arc::strong_count(service) == 1)
        {
            // Nobody is waiting for anything there, so its threads end at once.
            drop(open.remove(at));
        }
        Ok(service)
    }

    /// The runs of all services, the number of waiting drawings, and what their engines hold.
    pub(super) fn busy(&self) -> (Vec<(String, f32)>, usize, EngineInfo) {
        let (mut running, mut waiting, mut about) = (Vec::new(), 0, EngineInfo::default());
        for (_, service) in self.open.lock().iter() {
            let busy = service.queue.busy();
            running.extend(busy.running);
            waiting += busy.waiting;
            for one in service.engines.iter().map(|engine| engine.about()) {
                about.device = one.device.or(about.device);
                about.model = one.model.or(about.model);
                about.memory = match (about.memory, one.memory) {
                    (Some(a), Some(b)) => Some(a + b),
                    (a, b) => a.or(b),
                };
                about.spans += one.spans;
            }
        }
        (running, waiting, about)
    }
}

/// The device's lock, with the engine that used it last.
#[derive(Default)]
struct Device {
    last: Mutex<Option<Arc<dyn Engine>>>,
}

/// An engine that shares the device with others.
struct DeviceEngine {
    inner: Arc<dyn Engine>,
    device: Arc<Device>,
}

impl Engine for DeviceEngine {
    fn kind(&self) -> EngineKind {
        self.inner.kind()
    }

    fn version(&self) -> &str {
        self.inner.version()
    }

    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
        control.enter("waiting for another cache directory's drawings");
        let mut last = loop {
            if let Some(last) = self.device.last.try_lock_for(POLL_INTERVAL) {
                break last;
            }
            control.check()?;
        };
        control.enter("drawing");
        if let Some(other) = last.replace(self.inner.clone())
            && !Arc::ptr_eq(&other, &self.inner)
        {
            other.release();
        }
        self.inner.draw(job, control)
    }

    fn about(&self) -> EngineInfo {
        self.inner.about()
    }

    fn release(&self) {
        self.inner.release();
    }
}
