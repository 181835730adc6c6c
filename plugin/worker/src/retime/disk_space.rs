//! Checks the free space on the disk before hours of work are spent.

use std::path::Path;

use crate::failure::{Failure, Kind, Result};
use crate::stdio::errln;

/// Space to leave free for everything else on the disk, in bytes.
const SPARE: u64 = 64 << 20;

/// How much will be written, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpaceEstimate {
    /// Almost certainly at least this much.
    pub(super) least: u64,
    /// Probably at most this much.
    pub(super) most: u64,
}

/// Fails if there is certainly too little space in `folder`, and warns if there may be too little.
pub(super) fn check(folder: &Path, estimate: SpaceEstimate) -> Result<()> {
    // If the system does not report it, writing will show whether there is enough.
    let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
    if estimate.least.saturating_add(SPARE) > free {
        return Err(Failure::new(
            Kind::File,
            format!(
                "{} has room for {}, but about {} are needed. Make room, or choose an output on another disk.",
                folder.display(),
                size_text(free),
                size_text(estimate.least)
            ),
        ));
    }
    if estimate.most.saturating_add(SPARE) > free {
        errln!(
            "inbetween: about {} may be needed, and {} has room for {}; what is finished is kept if it runs out",
            size_text(estimate.most),
            folder.display(),
            size_text(free)
        );
    }
    Ok(())
}

fn size_text(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_both_numbers() {
        let folder = tempfile::TempDir::new().unwrap();
        let estimate = |least| SpaceEstimate { least, most: least };
        assert!(check(folder.path(), estimate(1)).is_ok());
        let refused = check(folder.path(), estimate(1 << 60)).unwrap_err();
        assert!(refused.message.contains("1073741824.0 GiB are needed"), "{refused}");
    }
}
