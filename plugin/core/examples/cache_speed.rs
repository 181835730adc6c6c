//! How long a 1080p drawing takes to write to the cache and to read back.
//!
//! `cargo run --release -p inbetween-core --example cache_speed`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use inbetween_core::cache::{Cache, CacheConfig, DiskConfig};
use inbetween_core::{ContentHash, Drawn, Frame, Remarks};

const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pixels = (0..1920 * 1080).map(|at| [at as f32 / 7.0, 0.5, 0.25, 1.0]).collect();
    let frame = Frame::from_pixels(1920, 1080, pixels)?;
    let drawn = Arc::new(Drawn { frame, confidence: 1.0, cut: false, remarks: Remarks::default() });
    let key = ContentHash::of(b"1080p");
    let dir = tempfile::tempdir()?;
    let disk = DiskConfig { dir: dir.path().to_path_buf(), limit_bytes: 1 << 30 };
    let cache = Cache::new(CacheConfig { memory_bytes: 1 << 30, disk: Some(disk) });

    let store = best(
        || (),
        || {
            // Deleted first, because a drawing that is already there is not written again.
            cache.clear().expect("the directory is ours");
            cache.put_on_disk(&key, &drawn);
        },
    );
    let disk = best(
        || cache.clear_memory(),
        || assert!(black_box(cache.get(&key, (1920, 1080))).is_some()),
    );
    let memory = best(|| (), || assert!(black_box(cache.get(&key, (1920, 1080))).is_some()));
    println!("one 1080p drawing, {} MB, best of {ROUNDS}", drawn.frame.byte_len() / 1_000_000);
    let file = cache.disk().and_then(|disk| disk.list().ok()?.pop()).map_or(0, |kept| kept.bytes);
    println!("on disk      {:8.1} % of that", 100.0 * file as f64 / drawn.frame.byte_len() as f64);
    println!("to disk      {store:8.3} ms");
    println!("from disk    {disk:8.3} ms, checked");
    println!("from memory  {memory:8.3} ms");
    Ok(())
}

/// Milliseconds of the fastest round. `prepare` runs before each round and is not timed.
fn best(mut prepare: impl FnMut(), mut work: impl FnMut()) -> f64 {
    let mut fastest = f64::INFINITY;
    for _ in 0..ROUNDS {
        prepare();
        let start = Instant::now();
        work();
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1e3);
    }
    fastest
}
