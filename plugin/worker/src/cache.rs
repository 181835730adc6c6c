//! `cache`: what lies in the cache of drawings, whether it is whole, and making room.

use std::path::PathBuf;

use inbetween_core::cache::{CacheConfig, DiskCache, Holds, Kept};
use serde_json::{Value, json};

use crate::cli::{Cache, CacheFolder};
use crate::failure::{Failure, Kind, Result};
use crate::models::{bytes, print_json};

pub(crate) fn run(command: &Cache) -> Result<()> {
    match command {
        Cache::List(folder) => list(folder),
        Cache::Size(folder) => size(folder),
        Cache::Prune(arguments) => prune(&arguments.folder, arguments.to),
        Cache::Verify(folder) => verify(folder),
    }
}

/// The disk cache that an option or the environment names.
pub(crate) fn open(dir: Option<&PathBuf>) -> Result<(PathBuf, u64, DiskCache)> {
    let config = CacheConfig::resolve(dir.cloned(), |name| std::env::var_os(name));
    match config.disk {
        Some(disk) => Ok((disk.dir.clone(), disk.limit_bytes, DiskCache::new(disk))),
        None => Err(Failure::new(
            Kind::Usage,
            "There is no cache on disk: INBETWEEN_CACHE_MB is 0, or there is no home folder. Name \
             one with --dir.",
        )),
    }
}

fn refused(folder: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::File, format!("{} could not be used: {error}.", folder.display()))
}

fn kind(kept: &Kept) -> &'static str {
    match kept.holds {
        Holds::Drawing => "drawing",
        Holds::Picture => "picture",
        Holds::Span => "span",
    }
}

fn described(kept: &Kept) -> Value {
    let used = kept.used.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({"file": kept.path.display().to_string(), "holds": kind(kept), "bytes": kept.bytes, "used": used})
}

fn total(kept: &[Kept]) -> u64 {
    kept.iter().map(|kept| kept.bytes).sum()
}

fn list(folder: &CacheFolder) -> Result<()> {
    let (dir, _, cache) = open(folder.dir.as_ref())?;
    let kept = cache.list().map_err(|error| refused(&dir, &error))?;
    if folder.json {
        print_json(&kept.iter().map(described).collect::<Vec<_>>());
        return Ok(());
    }
    for kept in &kept {
        let age = kept.used.elapsed().unwrap_or_default();
        let age = indicatif::HumanDuration(age).to_string();
        let name = kept.path.file_name().unwrap_or_default().to_string_lossy();
        println!("{:8} {:>12} unused for {age:14} {name}", kind(kept), bytes(kept.bytes as usize));
    }
    println!("{} files, {} in {}", kept.len(), bytes(total(&kept) as usize), dir.display());
    Ok(())
}

fn size(folder: &CacheFolder) -> Result<()> {
    let (dir, limit, cache) = open(folder.dir.as_ref())?;
    let kept = cache.list().map_err(|error| refused(&dir, &error))?;
    let of = |holds: Holds| kept.iter().filter(|kept| kept.holds == holds).count();
    let (drawings, pictures, spans) = (of(Holds::Drawing), of(Holds::Picture), of(Holds::Span));
    if folder.json {
        print_json(&json!({
            "folder": dir.display().to_string(), "bytes": total(&kept), "limit": limit,
            "drawings": drawings, "pictures": pictures, "spans": spans,
        }));
    } else {
        println!(
            "{} of {} in {}: {drawings} drawings, {pictures} pictures, {spans} spans",
            bytes(total(&kept) as usize),
            bytes(limit as usize),
            dir.display()
        );
    }
    Ok(())
}

fn prune(folder: &CacheFolder, to: u64) -> Result<()> {
    let (dir, _, cache) = open(folder.dir.as_ref())?;
    let deleted = cache.prune(to.saturating_mul(1 << 20)).map_err(|error| refused(&dir, &error))?;
    if folder.json {
        print_json(&json!({"deleted": deleted.len(), "bytes": total(&deleted)}));
    } else {
        println!("{} files deleted, {}", deleted.len(), bytes(total(&deleted) as usize));
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
    damaged.iter().for_each(|file| println!("damaged and deleted: {file}"));
    println!("{} files checked, {} damaged", kept.len(), damaged.len());
    Ok(())
}
