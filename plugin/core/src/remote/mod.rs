//! The ToonCrafter engine as the plug-in uses it: another process does the work.
//!
//! [`RemoteEngine`] is an [`Engine`] like any other. It starts the worker on first use, passes the
//! keys to it through the disk cache, and finds the drawing there. Whatever the disk cannot store
//! goes over the socket, so a full or read-only disk only costs time.
//!
//! If a worker dies, it is started again, once per drawing. When a host stops waiting, the
//! connection closes and the worker stops drawing what nobody else waits for.

mod conversation;
pub mod endpoint;
pub mod failure;
mod prepared;
pub mod protocol;
mod spawn;
#[cfg(test)]
mod tests;
pub mod wire;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use interprocess::local_socket::Stream;

use crate::cache::{self, CacheConfig, DiskCache};
use crate::{ContentHash, Control, Drawn, Engine, EngineKind, Error, Job};
use conversation::{Conversation, ConversationError};
use endpoint::Endpoint;
pub use prepared::Prepared;
use protocol::{CacheDir, Status};
pub use spawn::{WORKER_VARIABLE, find as find_executable, own_programs};

/// Raise this with every change that may alter a picture of ToonCrafter.
const REVISION: &str = "tooncrafter-1";

/// How long the worker may take to end after it was asked.
const END: Duration = Duration::from_secs(10);

/// How long a worker may leave a connection waiting before accepting it.
const TAKE_IN: Duration = Duration::from_secs(20);

/// The version of the ToonCrafter engine with a Flow of `flow_version`, which contributes to every
/// drawing. Client and worker both name drawings by this version.
pub fn tooncrafter_version(flow_version: &str) -> String {
    format!("{REVISION} {flow_version}")
}

/// What a [`RemoteEngine`] needs to know.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The executable, if the artist has chosen one.
    pub executable: Option<PathBuf>,
    /// The folder of the plug-in's own binary, where the bundle keeps the executable.
    pub beside: Option<PathBuf>,
    /// The cache that is shared with the worker.
    pub cache: CacheConfig,
    /// [`tooncrafter_version`] of this process.
    pub version: String,
    /// Where client and worker meet.
    pub endpoint: Endpoint,
    /// Where a worker that is started here writes its log.
    pub log_dir: PathBuf,
    /// How long a worker that is started here waits for work before it ends; `None` for its
    /// default.
    pub idle: Option<Duration>,
}

impl RemoteConfig {
    /// A configuration with the usual endpoint and executable.
    pub fn new(cache: CacheConfig, version: String) -> Self {
        Self {
            executable: None,
            beside: None,
            cache,
            version,
            endpoint: Endpoint::from_environment(),
            log_dir: endpoint::log_dir(),
            idle: None,
        }
    }
}

/// ToonCrafter in the worker process. Cheap to create: nothing is started before the first drawing.
pub struct RemoteEngine {
    config: RemoteConfig,
    disk: Option<DiskCache>,
}

impl RemoteEngine {
    /// An engine with this configuration.
    pub fn new(config: RemoteConfig) -> Self {
        let disk = config.cache.disk.clone().map(DiskCache::new);
        Self { config, disk }
    }

    /// The status of the worker; `None` when there is none. Never starts one.
    ///
    /// # Errors
    /// [`Error::Worker`] when there is a worker but its answer makes no sense.
    pub fn status(&self) -> Result<Option<Status>, Error> {
        let Some(mut conversation) = self.reach()? else { return Ok(None) };
        conversation.status().map(Some).or_else(|stopped| match stopped {
            // The worker ended between the two calls.
            ConversationError::Lost(_) | ConversationError::MadeRoom(_) => Ok(None),
            ConversationError::For(error) => Err(error),
        })
    }

    /// Ends the worker, even if it is working for others, and waits until it has ended. Returns
    /// whether there was one.
    ///
    /// # Errors
    /// [`Error::Worker`] when it does not end.
    pub fn stop(&self) -> Result<bool, Error> {
        let Some(mut conversation) = self.reach()? else { return Ok(false) };
        match conversation.stop() {
            Ok(()) | Err(ConversationError::Lost(_) | ConversationError::MadeRoom(_)) => {}
            Err(ConversationError::For(error)) => return Err(error),
        }
        let since = Instant::now();
        while self.connect(&Control::default()).is_ok_and(|found| found.is_some()) {
            if since.elapsed() > END {
                return Err(Error::Worker {
                    reason: "does not end".into(),
                    advice: "End its process `inbetween serve` by hand.".into(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(true)
    }

    /// Starts a drawing ahead of time without waiting for it, so that its span is in the cache when
    /// it is needed. Dropping the result cancels the drawing.
    pub fn prepare(self: &std::sync::Arc<Self>, job: Job) -> Prepared {
        Prepared::start(self.clone(), job)
    }

    /// A connection to the listening worker; `None` when there is none.
    fn connect(&self, control: &Control) -> Result<Option<Stream>, ConversationError> {
        let since = Instant::now();
        loop {
            match self.config.endpoint.connect() {
                Ok(stream) => return Ok(Some(stream)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Ok(None),
                Err(_) if since.elapsed() > TAKE_IN => {
                    return Err(ConversationError::For(Error::Worker {
                        reason: format!("has accepted no connection for {} s", TAKE_IN.as_secs()),
                        advice: "End its process `inbetween serve` by hand.".into(),
                    }));
                }
                Err(_) => {
                    control.check().map_err(ConversationError::For)?;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }

    /// A conversation with the running worker, if there is one.
    fn reach(&self) -> Result<Option<Conversation>, Error> {
        if self.config.endpoint.check().is_err() {
            return Ok(None);
        }
        let control = Control::default();
        let conversation = match self.connect(&control) {
            Ok(Some(stream)) => Conversation::begin(stream, &control),
            Ok(None) => return Ok(None),
            Err(stopped) => Err(stopped),
        };
        match conversation {
            Ok(conversation) => Ok(Some(conversation)),
            Err(ConversationError::Lost(_) | ConversationError::MadeRoom(_)) => Ok(None),
            Err(ConversationError::For(error)) => Err(error),
        }
    }

    /// A conversation with the worker, which is started when there is none.
    fn reach_or_start(&self, control: &Control) -> Result<Conversation, ConversationError> {
        self.config.endpoint.prepare().map_err(ConversationError::For)?;
        if let Some(stream) = self.connect(control)? {
            return Conversation::begin(stream, control);
        }
        control.enter("starting the worker");
        let chosen = self.config.executable.as_deref();
        let executable = spawn::find(chosen, self.config.beside.as_deref());
        let executable = executable.map_err(ConversationError::For)?;
        spawn::start(&executable, &self.config, control).map_err(ConversationError::For)?;
        match self.connect(control)? {
            Some(stream) => Conversation::begin(stream, control),
            None => Err(ConversationError::Lost("it ended as soon as it was started".into())),
        }
    }

    fn try_to_draw(
        &self,
        job: &Job,
        key: &ContentHash,
        control: &Control,
    ) -> Result<Drawn, ConversationError> {
        if let Some(disk) = &self.disk {
            // The worker asks for whatever could not be stored.
            for (address, picture) in job.pictures() {
                control.check().map_err(ConversationError::For)?;
                disk.put_picture(&address, picture);
            }
        }
        let mut conversation = self.reach_or_start(control)?;
        let cache = self.config.cache.disk.clone();
        let cache = cache.map(|disk| CacheDir { dir: disk.dir, limit_bytes: disk.limit_bytes });
        conversation.draw(job, key, cache, self.disk.as_ref(), control)
    }
}

impl Engine for RemoteEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::ToonCrafter
    }

    fn version(&self) -> &str {
        &self.config.version
    }

    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
        job.check()?;
        control.check()?;
        let key = cache::key(&job.request, &self.config.version);
        let (mut lost, mut refusal) = (Vec::new(), None);
        for _ in 0..2 {
            match self.try_to_draw(job, &key, control) {
                Ok(drawn) => return Ok(drawn),
                Err(ConversationError::For(error)) => return Err(error),
                Err(ConversationError::Lost(how)) => {
                    control.check()?;
                    log::warn!("the worker was lost: {how}");
                    lost.push(how);
                }
                Err(ConversationError::MadeRoom(reason)) => {
                    log::info!("a worker of another version made room: {reason}");
                    refusal = Some(reason);
                }
            }
        }
        if let Some(reason) = refusal {
            return Err(conversation::misunderstood(&reason));
        }
        Err(Error::Worker {
            reason: format!("was lost twice: {}", lost.join(", then ")),
            advice: format!(
                "It may have run out of memory: close other programs, or lower Memory limit. Its log is in {}.",
                self.config.log_dir.display()
            ),
        })
    }
}
