//! The worker's log: a file whose size is limited.

use std::path::Path;

use flexi_logger::{
    Age, Cleanup, Criterion, DeferredNow, Duplicate, FileSpec, Logger, LoggerHandle, Naming,
    WriteMode,
};
use log::Record;

use crate::failure::{Failure, Kind, Result};

/// Size at which a file is rotated, and the number of rotated files that are kept.
const BYTES_PER_FILE: u64 = 2 << 20;
const KEPT_FILES: usize = 4;

/// Starts logging to `dir`, at the level set by `INBETWEEN_LOG`. Panics are logged too.
///
/// # Errors
/// [`Kind::File`] when the directory cannot be written to.
pub(super) fn start(dir: &Path) -> Result<LoggerHandle> {
    let level = std::env::var("INBETWEEN_LOG").ok().filter(|level| !level.is_empty());
    let level = level.unwrap_or_else(|| "info".into());
    let files = FileSpec::default().directory(dir).basename("worker").suppress_timestamp();
    let failed = |error: flexi_logger::FlexiLoggerError| {
        Failure::new(Kind::File, format!("no log in {}: {error}", dir.display()))
    };
    let handle = Logger::try_with_env_or_str(&level)
        .or_else(|_| Logger::try_with_str("info"))
        .map_err(failed)?
        .log_to_file(files)
        .append()
        .rotate(
            Criterion::AgeOrSize(Age::Day, BYTES_PER_FILE),
            Naming::Numbers,
            Cleanup::KeepLogFiles(KEPT_FILES),
        )
        // Every line is written at once, so that the log is complete even if the process is killed.
        .write_mode(WriteMode::Direct)
        .duplicate_to_stderr(Duplicate::Error)
        .format(line)
        .start()
        .map_err(failed)?;
    std::panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(handle)
}

fn line(
    to: &mut dyn std::io::Write,
    now: &mut DeferredNow,
    record: &Record<'_>,
) -> std::io::Result<()> {
    write!(
        to,
        "{} {} {} {}",
        now.format("%Y-%m-%d %H:%M:%S%.3f"),
        std::process::id(),
        record.level(),
        record.args()
    )
}
