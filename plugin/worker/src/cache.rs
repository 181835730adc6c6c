//! `cache`: lists the cache of drawings, checks it and makes room.

use std::path::{Path, PathBuf};

use inbetween_core::cache::{CacheConfig, CacheFile, DiskCache, EntryKind};
use serde_json::{Value, json};

use crate::cli::{Cache, CacheFolder};
use crate::failure::{Failure, Kind, Result};
use crate::models::{bytes, print_json};
use crate::stdio::outln;

pub(crate) fn run(command: &Cache) -> Result<()> {
    match command {
        Cache::List(folder) => list(folder),
        Cache::Size(folder) => size(folder),
        Cache::Prune(arguments) => prune(&arguments.folder, arguments.to),
        Cache::Verify(folder) => verify(folder),
    }
}

/// The disk cache named by an option or the environment.
pub(crate) fn open(dir: Option<&PathBuf>) -> Result<(PathBuf, u64, DiskCache)> {
    let config = CacheConfig::resolve(dir.cloned(), std::env::var_os);
    match config.disk {
        Some(disk) => Ok((disk.dir.clone(), disk.limit_bytes, DiskCache::new(disk))),
        None => Err(Failure::new(
            Kind::Usage,
            "There is no cache on disk: INBETWEEN_CACHE_MB is 0, or there is no home folder. Name \
             one with --dir.",
        )),
    }
}

fn refused(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::File, format!("{} could not be used: {error}.", folder.display()))
}

fn kind(kept: &CacheFile) -> &'static str {
    match kept.holds {
        EntryKind::Drawing => "drawing",
        EntryKind::Picture => "picture",
        EntryKind::Span => "span",
    }
}

fn described(kept: &CacheFile) -> Value {
    let used = kept.used.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut about = json!({"file": kept.path.display().to_string(), "holds": kind(kept), "bytes": kept.bytes, "used": used});
    if let Some(((width, height), frames)) = kept.shape {
        (about["width"], about["height"], about["frames"]) =
            (width.into(), height.into(), frames.into());
    }
    about
}

fn total(kept: &[CacheFile]) -> u64 {
    kept.iter().map(|kept| kept.bytes).sum()
}

fn list(folder: &CacheFolder) -> Result<()> {
    let (dir, limit, cache) = open(folder.dir.as_ref())?;
    let kept = cache.list().map_err(|error| refused(&dir, &error))?;
    if folder.json {
        print_json(&kept.iter().map(described).collect::<Vec<_>>());
        return Ok(());
    }
    for kept in &kept {
        let age = kept.used.elapsed().unwrap_or_default();
        let age = indicatif::HumanDuration(age).to_string();
        outln!("{:34} {:>12}   last used {age} ago", in_words(kept), bytes(kept.bytes as usize));
    }
    outln!("{}", summary(&kept, limit, &dir));
    Ok(())
}

/// What a file holds, in words.
fn in_words(kept: &CacheFile) -> String {
    let Some(((width, height), frames)) = kept.shape else {
        return format!("damaged {}, see `cache verify`", kind(kept));
    };
    let what = match kept.holds {
        EntryKind::Drawing => "in-between".to_owned(),
        EntryKind::Picture => "key or sketch".to_owned(),
        EntryKind::Span => format!("{frames} frames of a span"),
    };
    format!("{what}, {width} x {height}")
}

fn summary(kept: &[CacheFile], limit: u64, dir: &Path) -> String {
    let of = |holds: EntryKind, one: &str, more: &str| {
        let count = kept.iter().filter(|kept| kept.holds == holds).count();
        format!("{count} {}", if count == 1 { one } else { more })
    };
    format!(
        "{}, {} and {}: {} of {} in {}",
        of(EntryKind::Drawing, "in-between", "in-betweens"),
        of(EntryKind::Picture, "key or sketch", "keys and sketches"),
        of(EntryKind::Span, "generated span", "generated spans"),
        bytes(total(kept) as usize),
        bytes(limit as usize),
        dir.display()
    )
}

fn size(folder: &CacheFolder) -> Result<()> {
    let (dir, limit, cache) = open(folder.dir.as_ref())?;
    let kept = cache.list().map_err(|error| refused(&dir, &error))?;
    if folder.json {
        let of = |holds: EntryKind| kept.iter().filter(|kept| kept.holds == holds).count();
        print_json(&json!({
            "folder": dir.display().to_string(), "bytes": total(&kept), "limit": limit,
            "drawings": of(EntryKind::Drawing), "pictures": of(EntryKind::Picture), "spans": of(EntryKind::Span),
        }));
    } else {
        outln!("{}", summary(&kept, limit, &dir));
    }
    Ok(())
}

fn prune(folder: &CacheFolder, to: u64) -> Result<()> {
    let (dir, _, cache) = open(folder.dir.as_ref())?;
    let deleted = cache.prune(to.saturating_mul(1 << 20)).map_err(|error| refused(&dir, &error))?;
    if folder.json {
        print_json(&json!({"deleted": deleted.len(), "bytes": total(&deleted)}));
    } else {
        outln!("{} files deleted, {}", deleted.len(), bytes(total(&deleted) as usize));
    }
    Ok(())
}

fn verify(folder: &CacheFolder) -> Result<()> {
    let (dir, _, cache) = open(folder.dir.as_ref())?;
    let failed = |error| refused(&dir, &error);
    let kept = cache.list().map_err(failed)?;
    let bar = crate::progress::of_work("checking", kept.len() as u64);
    let mut damaged = Vec::new();
    for kept in &kept {
        if cache.is_whole(kept).map_err(failed)? == Some(false) {
            std::fs::remove_file(&kept.path).map_err(failed)?;
            damaged.push(kept.path.display().to_string());
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if folder.json {
        print_json(&json!({"checked": kept.len(), "damaged": damaged}));
        return Ok(());
    }
    damaged.iter().for_each(|file| outln!("damaged and deleted: {file}"));
    outln!("{} files checked, {} damaged", kept.len(), damaged.len());
    Ok(())
}
