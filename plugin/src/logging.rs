//! The log of the plug-in: warnings and errors to standard error, more on request.

/// Environment variable that sets the level, such as `INBETWEEN_LOG=debug`.
const LEVEL: &str = "INBETWEEN_LOG";

/// Starts the log. Further calls have no effect. A logger that the host has installed stays in
/// place.
pub(crate) fn start() {
    let environment = env_logger::Env::new().filter_or(LEVEL, "warn");
    if env_logger::Builder::from_env(environment).try_init().is_ok() {
        log::debug!("AI In-between {} logs at this level", env!("CARGO_PKG_VERSION"));
    }
}
