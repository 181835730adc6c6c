//! Prints the times of the engine's stages on a drawn pair: `stage_times [WIDTH HEIGHT]`.
//!
//! Also prints how long plain matrix products with as much arithmetic as the network take on this
//! machine, as a yardstick for comparing machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use inbetween_core::{ContentHash, Control, Engine, Frame, Job, Request, Settings};
use inbetween_flow::FlowEngine;

fn main() -> Result<()> {
    log::set_logger(&Stages).map_err(|e| anyhow::anyhow!("{e}"))?;
    log::set_max_level(log::LevelFilter::Trace);
    let args: Vec<usize> = std::env::args()
        .skip(1)
        .map(|a| a.parse().with_context(|| format!("{a:?} is not a number")))
        .collect::<Result<_>>()?;
    let (w, h) = match args.as_slice() {
        [w, h] => (*w, *h),
        _ => (1920, 1080),
    };
    let begin = Instant::now();
    let engine = FlowEngine::new()?;
    println!("{w} x {h}, engine made in {:.2} ms", ms(begin));
    let (first, last) = (Arc::new(drawing(w, h, 0.0)?), Arc::new(drawing(w, h, 0.06)?));
    for (round, pair) in [0u8, 0, 0, 1].into_iter().enumerate() {
        let request = Request {
            first: ContentHash([pair; 32]),
            last: ContentHash([pair + 100; 32]),
            sketches: Vec::new(),
            pins: Vec::new(),
            neighbours: [None, None],
            position: 0.2 + 0.2 * round as f64,
            settings: Settings::default(),
        };
        let (first, last) = (first.clone(), last.clone());
        let job = Job { request, first, last, sketches: Vec::new(), neighbours: [None, None] };
        println!("{}", if round % 3 == 0 { "first position of a pair" } else { "next position" });
        let begin = Instant::now();
        let drawn = engine.draw(&job, &Control::default())?;
        println!("  in all {:.1} ms, cut {}", ms(begin), drawn.cut);
    }
    let scale = (640.0 / w.max(h) as f64).min(1.0);
    let side = |n: usize| ((n as f64 * scale).round() as usize).next_multiple_of(8);
    let (pair, position) = engine.flops(side(h), side(w));
    for (name, flops) in [("both encodings", pair), ("one decoding", position)] {
        println!("{name}: {:.2} GFLOP, as plain products {:.1} ms", flops * 1e-9, plain(flops));
    }
    Ok(())
}

/// Prints each stage that the engine logs, with the processor time since the previous one.
struct Stages;

impl log::Log for Stages {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.target() == "inbetween_flow::time"
    }

    fn log(&self, record: &log::Record) {
        static BEFORE: AtomicU64 = AtomicU64::new(0);
        if self.enabled(record.metadata()) {
            let now = processor_ms();
            let spent = now - BEFORE.swap(now, Ordering::Relaxed);
            println!("  {} ({spent} ms of processor time)", record.args());
        }
    }

    fn flush(&self) {}
}

/// Processor time of this process so far, in steps of 10 ms; 0 where the system does not report it.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |n: usize| stat.split(' ').nth(n).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    10 * (ticks(13) + ticks(14))
}

fn ms(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

/// Milliseconds for `flops` in products of 512 x 512 matrices on all cores.
fn plain(flops: f64) -> f64 {
    let n = 512;
    let (a, b, mut out) = (vec![1.0f32; n * n], vec![1.0f32; n * n], vec![0.0f32; n * n]);
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let begin = Instant::now();
        // SAFETY: the three matrices hold n * n samples each, as the strides say, and `out` is
        // apart from `a` and `b`.
        unsafe {
            gemm::gemm(
                n,
                n,
                n,
                out.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                n as isize,
                b.as_ptr(),
                1,
                n as isize,
                0.0f32,
                1.0f32,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
        best = best.min(ms(begin));
    }
    best * flops / (2 * n * n * n) as f64
}

/// A house and a ball on a textured ground, the ball moved by `shift` of the width.
fn drawing(w: usize, h: usize, shift: f32) -> Result<Frame> {
    let mut frame = Frame::transparent(w, h)?;
    let size = w as f32;
    for (i, pixel) in frame.pixels_mut().iter_mut().enumerate() {
        let (x, y) = ((i % w) as f32 / size, (i / w) as f32 / size);
        let wave = 0.04 * ((x * 90.0).sin() * (y * 70.0).cos());
        let mut rgb = [0.7 + wave, 0.8 + wave, 0.9];
        for k in 0..5u8 {
            let (cx, cy) = (0.1 + 0.17 * f32::from(k) + shift, 0.15 + 0.08 * f32::from(k % 3));
            let distance = (x - cx).hypot(y - cy);
            if distance < 0.06 {
                let ring = distance > 0.056;
                rgb = if ring { [0.05; 3] } else { [0.9, 0.1 + 0.15 * f32::from(k), 0.2] };
            }
        }
        *pixel = [rgb[0], rgb[1], rgb[2], 1.0];
    }
    Ok(frame)
}
