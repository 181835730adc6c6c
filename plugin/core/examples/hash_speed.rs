//! How long it takes to hash two 1080p float RGBA keys in place, beside copying the same bytes.
//!
//! `cargo run --release -p inbetween-core --example hash_speed`

use std::hint::black_box;
use std::time::Instant;

use inbetween_core::Error;
use inbetween_core::pixel_hash::PixelHasher;
use rayon::prelude::*;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
const ROW: usize = WIDTH * 16;

fn main() -> Result<(), Error> {
    let keys: Vec<Vec<u8>> = (0..2_usize)
        .map(|key| (0..ROW * HEIGHT).map(|at| (at * 31 + at / 7 + key) as u8).collect())
        .collect();
    let mut copies = keys.clone();
    let hasher = PixelHasher::new(WIDTH, HEIGHT, 16, "RGBA float")?;

    let one_core = best(|| {
        for (copy, key) in copies.iter_mut().zip(&keys) {
            copy.copy_from_slice(key);
        }
        black_box(&copies);
    });
    let all_cores = best(|| {
        for (copy, key) in copies.iter_mut().zip(&keys) {
            let bands = copy.par_chunks_mut(64 * ROW).zip(key.par_chunks(64 * ROW));
            bands.for_each(|(copy, key)| copy.copy_from_slice(key));
        }
        black_box(&copies);
    });
    // Bottom-up, as hosts store pictures.
    let hash = best(|| {
        for key in &keys {
            let _ = black_box(hasher.hash(|y| &key[(HEIGHT - 1 - y) * ROW..][..ROW]));
        }
    });
    let remembered = best(|| {
        for key in &keys {
            let _ = black_box(hasher.hash_remembered(|y| &key[(HEIGHT - 1 - y) * ROW..][..ROW]));
        }
    });
    let megabytes = (2 * ROW * HEIGHT) as f64 / 1e6;
    println!(
        "{megabytes:.0} MB, best of {ROUNDS} rounds on {} threads",
        rayon::current_num_threads()
    );
    println!("copy on one thread   {one_core:6.2} ms");
    println!("copy on all threads  {all_cores:6.2} ms");
    println!(
        "hash in place        {hash:6.2} ms, {:.2} of the copy on all threads",
        hash / all_cores
    );
    println!(
        "hash, remembered     {remembered:6.2} ms, {:.2} of the copy on all threads",
        remembered / all_cores
    );
    Ok(())
}

const ROUNDS: usize = 30;

/// Milliseconds of the fastest round: what the machine can do when nobody disturbs it.
fn best(mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..ROUNDS).map(|_| time(&mut work)).fold(f64::INFINITY, f64::min)
}
