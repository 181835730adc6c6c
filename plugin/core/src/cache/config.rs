//! How much the cache keeps and where. The caller's values come first, then the environment's, then
//! the built-in ones.

use std::ffi::OsString;
use std::path::PathBuf;

use directories::ProjectDirs;

use crate::budget::{megabytes, memory_limit};

/// Environment variable that names the cache directory.
pub const DIR_VARIABLE: &str = "INBETWEEN_CACHE_DIR";

/// Environment variable for the size of the disk cache in MiB; 0 switches it off.
pub const DISK_VARIABLE: &str = "INBETWEEN_CACHE_MB";

/// The default size of the disk cache, in MiB: room for about a thousand clean drawings of 1080p,
/// or for 250 that are full of grain.
pub const DEFAULT_DISK_MB: u64 = 4096;

/// How much a cache may keep, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Most bytes kept in memory, of all kinds together; 0 keeps nothing.
    pub memory_bytes: usize,
    /// The cache on disk; `None` for none.
    pub disk: Option<DiskConfig>,
}

/// Where drawings lie on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// The directory; made when the first drawing is written.
    pub dir: PathBuf,
    /// Most bytes of finished drawings in it.
    pub limit_bytes: u64,
}

impl CacheConfig {
    /// Memory only.
    pub fn in_memory(memory_bytes: usize) -> Self {
        Self { memory_bytes, disk: None }
    }

    /// The configuration from the environment. No file is touched.
    pub fn from_environment() -> Self {
        Self::resolve(None, std::env::var_os)
    }

    /// The cache in the directory `dir` if the caller names one, else in the one from the
    /// environment, which `variable` reads, else in the platform's cache directory. A variable that
    /// makes no sense is logged and ignored.
    pub fn resolve(
        dir: Option<PathBuf>,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Self {
        let disk_mb = megabytes(DISK_VARIABLE, &variable, DEFAULT_DISK_MB);
        let from_variable = || variable(DIR_VARIABLE).filter(|dir| !dir.is_empty());
        let dir = dir.or_else(|| from_variable().map(PathBuf::from)).or_else(platform_dir);
        let disk = match dir {
            Some(dir) if disk_mb > 0 => Some(DiskConfig {
                // A host may change its working directory later.
                dir: std::path::absolute(&dir).unwrap_or(dir),
                limit_bytes: disk_mb.saturating_mul(1 << 20),
            }),
            _ => None,
        };
        Self { memory_bytes: memory_limit(&variable), disk }
    }
}

/// The user's cache directory by the platform's convention; `None` for a user without a home.
fn platform_dir() -> Option<PathBuf> {
    let dirs = ProjectDirs::from("org", "inbetween", "AIInbetween")?;
    Some(dirs.cache_dir().to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{DEFAULT_MEMORY_MB, MEMORY_VARIABLE};

    fn resolve(dir: Option<&str>, variables: &[(&str, &str)]) -> CacheConfig {
        CacheConfig::resolve(dir.map(PathBuf::from), |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn argument_beats_environment_beats_platform() {
        let set = [(DIR_VARIABLE, "/from/environment")];
        let dir = |config: CacheConfig| config.disk.unwrap().dir;
        let wanted = |path: &str| std::path::absolute(path).unwrap();
        assert_eq!(dir(resolve(Some("/from/caller"), &set)), wanted("/from/caller"));
        assert_eq!(dir(resolve(None, &set)), wanted("/from/environment"));
        if let Some(platform) = platform_dir() {
            assert_eq!(dir(resolve(None, &[])), platform);
            assert_eq!(dir(resolve(None, &[(DIR_VARIABLE, "")])), platform);
        }
    }

    #[test]
    fn sizes_are_in_mebibytes_and_zero_means_none() {
        let config = resolve(Some("/d"), &[(DISK_VARIABLE, "10"), (MEMORY_VARIABLE, " 3 ")]);
        assert_eq!(config.disk.unwrap().limit_bytes, 10 << 20);
        assert_eq!(config.memory_bytes, 3 << 20);
        let none = resolve(Some("/d"), &[(DISK_VARIABLE, "0"), (MEMORY_VARIABLE, "0")]);
        assert_eq!(none, CacheConfig::in_memory(0));
    }

    #[test]
    fn nonsense_falls_back_to_the_default() {
        for nonsense in ["lots", "-1", "1.5", "4096MB"] {
            let config =
                resolve(Some("/d"), &[(DISK_VARIABLE, nonsense), (MEMORY_VARIABLE, nonsense)]);
            assert_eq!(config.disk.unwrap().limit_bytes, DEFAULT_DISK_MB << 20);
            assert_eq!(config.memory_bytes as u64, DEFAULT_MEMORY_MB << 20);
        }
        let huge = resolve(Some("/d"), &[(DISK_VARIABLE, "18446744073709551615")]);
        assert_eq!(huge.disk.unwrap().limit_bytes, u64::MAX);
    }

    #[test]
    fn relative_directories_are_pinned_to_where_they_were_named() {
        assert!(resolve(Some("somewhere"), &[]).disk.unwrap().dir.is_absolute());
    }
}
