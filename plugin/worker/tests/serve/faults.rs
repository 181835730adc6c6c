//! The effects of an unusable cache, a replaced checkpoint, too little memory and another version.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inbetween_core::cache::{CacheConfig, DiskCache, DiskConfig};
use inbetween_core::remote::RemoteEngine;
use inbetween_core::settings::ToonCrafterSettings;
use inbetween_core::{Control, Engine, Error, Job};

use crate::bench::Bench;

fn disk(dir: std::path::PathBuf, limit_bytes: u64) -> CacheConfig {
    CacheConfig { memory_bytes: 0, disk: Some(DiskConfig { dir, limit_bytes }) }
}

fn change(job: &mut Job, change: impl FnOnce(&mut ToonCrafterSettings)) {
    change(job.request.settings.tooncrafter.as_mut().unwrap());
}

#[test]
fn a_useless_cache_costs_time_and_no_drawing() {
    let bench = Bench::new();
    let wanted = bench.draw(&bench.engine(CacheConfig::in_memory(0)), 0.4).unwrap();
    let draw = |cache| bench.draw(&bench.engine(cache), 0.4).unwrap();

    // There is not enough space for a single drawing.
    assert!(draw(disk(bench.path("small"), 1000)) == wanted);
    // A directory that nobody can write to, not even root.
    #[cfg(target_os = "linux")]
    assert!(draw(disk("/proc/self/inbetween".into(), 1 << 30)) == wanted);
    // Full of garbage: every file of a good cache is replaced by noise of the same length.
    assert!(draw(bench.disk()) == wanted);
    let mut spoiled = 0;
    for file in std::fs::read_dir(bench.path("cache/drawings-2")).unwrap() {
        let file = file.unwrap();
        let length = file.metadata().unwrap().len() as usize;
        std::fs::write(file.path(), vec![0x5a; length]).unwrap();
        spoiled += usize::from(length > 0);
    }
    assert!(spoiled >= 3, "keys, span and drawing: {spoiled}");
    assert!(draw(bench.disk()) == wanted);
    // The directory is deleted again and again while the cache is in use.
    let stop = Control::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.is_cancelled() {
                let _ = std::fs::remove_dir_all(bench.path("cache"));
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        let drawn: Vec<_> = (0..5).map(|_| draw(bench.disk())).collect();
        stop.cancel();
        assert!(drawn.iter().all(|drawn| *drawn == wanted));
    });
}

#[test]
fn a_full_disk_costs_no_drawing_and_leaves_no_half_file() {
    let bench = Bench::new();
    // The system ends every write of the worker after a few kilobytes, like a full disk.
    let started = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" serve --background"])
        .arg(env!("CARGO_BIN_EXE_inbetween"))
        .env("INBETWEEN_SOCKET_DIR", bench.path("s"))
        .env("INBETWEEN_LOG_DIR", bench.path("log"))
        .status()
        .unwrap();
    assert!(started.success());
    let engine = bench.engine(bench.disk());
    let pid = engine.status().unwrap().unwrap().pid;
    let drawn = bench.draw(&engine, 0.4).unwrap();
    assert_eq!(engine.status().unwrap().unwrap().pid, pid);
    let cache = DiskCache::new(bench.disk().disk.unwrap());
    let damaged = cache
        .list()
        .unwrap()
        .into_iter()
        .filter(|kept| cache.is_whole(kept).unwrap() == Some(false));
    assert_eq!(damaged.count(), 0);

    engine.stop().unwrap();
    let _ = std::fs::remove_dir_all(bench.path("cache"));
    assert!(bench.draw(&engine, 0.4).unwrap() == drawn);
}

#[test]
fn a_checkpoint_swapped_while_it_is_loaded_is_never_mistaken() {
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let (old_job, old) = (bench.job(0.4), bench.draw(&engine, 0.4).unwrap());
    bench.write_model(2);
    // Earlier drawings are still found, but new ones cannot be drawn with the old weights.
    let mut other = bench.job(0.4);
    change(&mut other, |settings| settings.seed += 1);
    let mut stale = old_job.clone();
    change(&mut stale, |settings| settings.seed += 1);
    assert_ne!(stale.request, other.request);
    let error = engine.draw(&stale, &Control::default()).unwrap_err();
    assert!(matches!(error, Error::Weights { .. }), "{error}");
    assert!(error.user_message().contains("m.safetensors"), "{}", error.user_message());
    let new = bench.draw(&engine, 0.4).unwrap();
    assert!(new != old);
}

#[test]
fn too_little_memory_is_told_whole() {
    let bench = Bench::new();
    let engine = bench.engine(bench.disk());
    let mut job = bench.job(0.4);
    change(&mut job, |settings| settings.memory_limit_mb = Some(1));
    let error = engine.draw(&job, &Control::default()).unwrap_err();
    let Error::Memory { needed: Some(needed), available: Some(available), advice, .. } = &error
    else {
        panic!("{error:?}");
    };
    assert!(needed > available && *available <= 1 << 20, "{error:?}");
    assert!(!advice.is_empty());
    // The worker keeps running and draws what fits.
    bench.draw(&engine, 0.4).unwrap();
}

#[test]
fn another_version_is_turned_away_and_told_what_to_do() {
    let bench = Bench::new();
    let mut config = bench.config(bench.disk());
    config.version = "of another age".into();
    let error = bench.draw(&RemoteEngine::new(config), 0.4).unwrap_err();
    assert!(matches!(error, Error::Worker { .. }), "{error:?}");
    assert!(error.user_message().contains("serve --stop"), "{}", error.user_message());
    bench.draw(&bench.engine(bench.disk()), 0.4).unwrap();
}

#[test]
fn a_worker_that_nobody_needs_ends() {
    let bench = Bench::new();
    let mut config = bench.config(bench.disk());
    config.idle = Some(Duration::from_secs(1));
    let engine = Arc::new(RemoteEngine::new(config));
    bench.draw(&engine, 0.4).unwrap();
    drop(engine);
    // Asking for the status does not count as a request and does not keep the worker alive.
    let (engine, start) = (bench.engine(bench.disk()), Instant::now());
    while engine.status().unwrap().is_some() {
        assert!(start.elapsed() < Duration::from_secs(60), "it goes on after its idle time");
        std::thread::sleep(Duration::from_millis(200));
    }
}
