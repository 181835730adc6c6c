//! `inbetween serve`: the worker, of which there is one per user and machine. It holds the model,
//! draws for all hosts and render processes, and ends after some time without requests.
//!
//! - `instance.rs`: the lock that ensures there is only one, the socket, and the move to the background.
//! - `server.rs`: the connections, and when to end.
//! - `session.rs`: a conversation with one client.
//! - `services.rs`: a queue with a cache for each cache directory, and one device for all of them.

mod instance;
mod log_file;
mod server;
mod services;
mod session;

use std::sync::Arc;
use std::time::Duration;

use inbetween_core::cache::CacheConfig;
use inbetween_core::remote::endpoint::{Endpoint, log_dir};
use inbetween_core::remote::{RemoteConfig, RemoteEngine};
use inbetween_core::{Engine, Error};

use crate::cli;
use crate::failure::{Failure, Kind, Result};
use crate::stdio::outln;
use instance::Acquired;
use server::Server;

/// Creates the engines for a cache.
pub type Engines = fn(&CacheConfig) -> std::result::Result<Vec<Arc<dyn Engine>>, Error>;

/// Runs `serve`. `engines` creates the engines of a cache directory.
///
/// # Errors
/// [`Kind::File`] when the log, lock or socket cannot be created; [`Kind::Engine`] when the engines
/// cannot.
pub fn run(arguments: &cli::Serve, engines: Engines) -> Result<()> {
    let endpoint = Endpoint::from_environment();
    if arguments.stop {
        return stop(endpoint);
    }
    if arguments.background {
        return instance::start_in_background(&endpoint, arguments.idle_seconds);
    }
    instance::detach();
    let _log = log_file::start(&log_dir())?;
    serve(&endpoint, Duration::from_secs(arguments.idle_seconds), engines).inspect_err(|failure| {
        log::error!("{failure}");
    })
}

fn serve(endpoint: &Endpoint, idle: Duration, engines: Engines) -> Result<()> {
    let instance = match instance::take(endpoint)? {
        Acquired::Mine(instance) => instance,
        Acquired::AlreadyServed => {
            log::info!("another worker serves already");
            return Ok(());
        }
    };
    log::info!(
        "worker {} of version {} listens in {}",
        std::process::id(),
        env!("CARGO_PKG_VERSION"),
        endpoint.dir().display()
    );
    let server = Arc::new(Server::new(engines, idle)?);
    let why = server.run(instance, session::serve);
    log::info!("the worker ends: {why}");
    Ok(())
}

fn stop(endpoint: Endpoint) -> Result<()> {
    let mut config = RemoteConfig::new(CacheConfig::in_memory(0), String::new());
    config.endpoint = endpoint;
    match RemoteEngine::new(config).stop() {
        Ok(true) => outln!("The worker has ended."),
        Ok(false) => outln!("There was no worker."),
        Err(error) => return Err(failed(&error)),
    }
    Ok(())
}

fn failed(error: &Error) -> Failure {
    let kind = if matches!(error, Error::Io { .. }) { Kind::File } else { Kind::Engine };
    Failure::new(kind, error.user_message())
}
