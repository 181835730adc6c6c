//! The ToonCrafter engine with a small model, and with spans whose truth is known.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inbetween_core::cache::{CacheConfig, DiskCache, DiskConfig, span_key};
use inbetween_core::settings::{DeviceChoice, ToonCrafterSettings, WeightRef};
use inbetween_core::{
    Control, Drawn, Encoding, Engine, EngineKind, Error, Frame, Job, Output, Quality, Settings,
    SketchRef, fingerprint,
};
use inbetween_flow::FlowEngine;
use inbetween_generative::ToonCrafterEngine;
use inbetween_tooncrafter::weights::layout::{self, ModelConfig, tiny_sketch};
use inbetween_tooncrafter::weights::{Element, write_random};
use tempfile::TempDir;

/// A folder with a small model, its sketch encoder, and a cache.
struct TestFolder {
    folder: TempDir,
}

impl TestFolder {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        place.write_model(1);
        let sketch = layout::sketch(&tiny_sketch());
        let to = place.path("sketch.safetensors");
        write_random(&to, &sketch, Element::F16, 2, &mut |_, _| {}).unwrap();
        place
    }

    fn write_model(&self, seed: u64) {
        let model = layout::model(&ModelConfig::tiny());
        let to = self.path("model.safetensors");
        write_random(&to, &model, Element::F16, seed, &mut |_, _| {}).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn weights(&self, name: &str) -> WeightRef {
        let path = self.path(name);
        WeightRef { fingerprint: fingerprint::of_file(&path).unwrap(), path }
    }

    fn settings(&self) -> Settings {
        let mut tooncrafter = ToonCrafterSettings::new(self.weights("model.safetensors"));
        tooncrafter.steps = 1;
        tooncrafter.guidance = 1.0;
        tooncrafter.device = DeviceChoice::Cpu;
        Settings {
            engine: EngineKind::ToonCrafter,
            quality: Quality::Draft,
            tooncrafter: Some(Box::new(tooncrafter)),
            ..Settings::default()
        }
    }

    fn cache(&self) -> CacheConfig {
        cache(&self.path("cache"))
    }

    fn engine(&self) -> ToonCrafterEngine {
        ToonCrafterEngine::new(Arc::new(FlowEngine::new().unwrap()), &self.cache())
    }

    fn spans(&self) -> usize {
        let Ok(files) = std::fs::read_dir(self.path("cache").join("drawings-2")) else { return 0 };
        files
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "span"))
            .count()
    }
}

fn cache(dir: &Path) -> CacheConfig {
    let disk = DiskConfig { dir: dir.to_owned(), limit_bytes: 1 << 30 };
    CacheConfig { memory_bytes: 0, disk: Some(disk) }
}

fn job(first: &Frame, last: &Frame, position: f64, settings: &Settings) -> Job {
    Job::between(Arc::new(first.clone()), Arc::new(last.clone()), position, settings.clone())
}

fn draw(engine: &ToonCrafterEngine, job: &Job) -> Drawn {
    engine.draw(job, &Control::default()).unwrap()
}

/// Smooth noise without a period: interpolated between lattice values `cell` apart, -0.5..=0.5.
fn noise(x: f32, y: f32, cell: f32, kind: u32) -> f32 {
    let (x, y) = (x / cell, y / cell);
    let at = |x: f32, y: f32| {
        let mut bits = (x as i32 as u32).wrapping_mul(0x9E37_79B1)
            ^ (y as i32 as u32).wrapping_mul(0x85EB_CA77)
            ^ kind.wrapping_mul(0xC2B2_AE3D);
        bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
        bits = (bits ^ (bits >> 12)).wrapping_mul(0x297A_2D39);
        (bits >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |f: f32| f * f * (3.0 - 2.0 * f);
    let (fx, fy) = (ease(x - x0), ease(y - y0));
    let row = |y: f32| at(x0, y) + (at(x0 + 1.0, y) - at(x0, y)) * fx;
    row(y0) + (row(y0 + 1.0) - row(y0)) * fy
}

/// A picture that is textured everywhere, seen from `left`, in pixels; `scale` enlarges it.
fn textured(width: usize, height: usize, left: f32, scale: f32) -> Frame {
    let pixel = |i: usize| {
        let (x, y) = (((i % width) as f32 + left) / scale, (i / width) as f32 / scale);
        let channel = |kind: u32| {
            let (coarse, middle) = (noise(x, y, 45.0, kind), noise(x, y, 17.0, kind + 3));
            let fine = noise(x, y, 3.0, 6);
            (0.5 + 0.5 * coarse + 0.4 * middle + 0.35 * fine).clamp(0.05, 0.95)
        };
        [channel(0), channel(1), channel(2), 1.0]
    };
    Frame::from_pixels(width, height, (0..width * height).map(pixel).collect()).unwrap()
}

/// Mean over cells of `k` x `k`.
fn shrunk(frame: &Frame, k: usize) -> Frame {
    let (w, h) = (frame.width() / k, frame.height() / k);
    let pixel = |i: usize| {
        let mut sum = [0.0; 4];
        for dy in 0..k {
            for pixel in &frame.row(i / w * k + dy)[i % w * k..][..k] {
                sum.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v / (k * k) as f32);
            }
        }
        sum
    };
    Frame::from_pixels(w, h, (0..w * h).map(pixel).collect()).unwrap()
}

fn psnr(a: &Frame, b: &Frame) -> f32 {
    let pairs = a.pixels().as_flattened().iter().zip(b.pixels().as_flattened());
    let sum: f32 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
    -10.0 * (sum / (4 * a.pixels().len()) as f32).max(1e-12).log10()
}

fn finite(frame: &Frame) -> bool {
    frame.pixels().as_flattened().iter().all(|v| v.is_finite())
}

/// Stores `frames` where the engine looks for the generated frames of `job`.
fn generated(place: &TestFolder, engine: &ToonCrafterEngine, job: &Job, frames: &[Frame]) {
    let disk = DiskCache::new(place.cache().disk.unwrap());
    assert!(disk.put_span(&span_key(&job.request, engine.version()), frames));
}

/// A pan over a textured picture of 384 x 256: the keys, generated frames at a quarter of the size
/// with drifted colours, and the truth.
struct Pan {
    keys: [Frame; 2],
    generated: Vec<Frame>,
}

const WAY: f32 = 30.0;

fn pan() -> Pan {
    let seen = |t: f32| textured(384, 256, 40.0 + WAY * t, 1.0);
    let drift = |mut frame: Frame, t: f32| {
        for pixel in frame.pixels_mut() {
            for v in &mut pixel[..3] {
                *v = (*v * (0.9 - 0.05 * t) + 0.06).clamp(0.0, 1.0);
            }
        }
        frame
    };
    let at = |i: usize| {
        let t = i as f32 / 15.0;
        drift(shrunk(&seen(t), 4), t)
    };
    Pan { keys: [seen(0.0), seen(1.0)], generated: (0..16).map(at).collect() }
}

#[test]
fn the_keys_detail_is_carried_over_and_their_colours_return() {
    let (place, pan) = (TestFolder::new(), pan());
    let engine = place.engine();
    for position in [2.0 / 15.0, 0.5, 0.83] {
        let job = job(&pan.keys[0], &pan.keys[1], position, &place.settings());
        generated(&place, &engine, &job, &pan.generated);
        let drawn = draw(&engine, &job);
        let truth = textured(384, 256, 40.0 + WAY * position as f32, 1.0);
        let at = (position * 15.0).round() as usize;
        let enlarged = {
            let small = &pan.generated[at];
            let pixels = (0..384 * 256).map(|i| small.row(i / 384 / 4)[i % 384 / 4]).collect();
            Frame::from_pixels(384, 256, pixels).unwrap()
        };
        let (carried, plain) = (psnr(&drawn.frame, &truth), psnr(&enlarged, &truth));
        println!(
            "{position:.2}: carried {carried:.1} dB, enlarged {plain:.1} dB, confidence {:.2}",
            drawn.confidence
        );
        assert!(carried > plain + 5.0, "{position}: {carried} and {plain} dB");
        assert!(drawn.confidence > 0.6);
    }
}

#[test]
fn what_the_keys_do_not_show_is_the_generated_frame() {
    let (place, mut pan) = (TestFolder::new(), pan());
    // Something appears in the middle that is in neither key.
    for frame in &mut pan.generated[1..15] {
        for y in 20..44 {
            frame.pixels_mut()[y * 96 + 36..y * 96 + 60].fill([1.0, 0.0, 1.0, 1.0]);
        }
    }
    let engine = place.engine();
    let mut settings = place.settings();
    let draw_as = |output, settings: &mut Settings| {
        settings.output = output;
        let job = job(&pan.keys[0], &pan.keys[1], 0.5, settings);
        generated(&place, &engine, &job, &pan.generated);
        draw(&engine, &job).frame
    };
    let frame = draw_as(Output::InBetween, &mut settings);
    let new = frame.row(128)[192];
    assert!(new[0] > 0.8 && new[1] < 0.2 && new[2] > 0.8, "{new:?}");
    let trust = draw_as(Output::Confidence, &mut settings);
    assert!(trust.row(128)[192][0] < 0.2 && trust.row(40)[60][0] > 0.6);
    let motion = draw_as(Output::Motion, &mut settings);
    let [right, down, blue, alpha] = motion.row(220)[100];
    assert!((right + WAY).abs() < 4.0 && down.abs() < 3.0, "{right} {down}");
    assert_eq!((blue, alpha), (0.0, 1.0));
}

#[test]
fn light_beyond_white_and_alpha_move_with_the_drawing() {
    let place = TestFolder::new();
    let engine = place.engine();
    let mut settings = place.settings();
    settings.encoding = Encoding::Linear;
    // A shape with a glowing core on transparency.
    let seen = |left: f32, size: usize| {
        let scale = 256.0 / size as f32;
        let pixel = |i: usize| {
            let (x, y) = ((i % size) as f32 * scale - left, (i / size) as f32 * scale - 128.0);
            let d = x.hypot(y * 1.2);
            if d < 12.0 {
                [6.0, 4.0, 0.02, 1.0]
            } else if d < 60.0 && (x / 9.0).sin() * (y / 7.0).sin() > -0.2 {
                [0.3, 0.02, 0.05, 1.0]
            } else if d < 64.0 {
                [0.01, 0.01, 0.01, 1.0]
            } else {
                [0.0; 4]
            }
        };
        Frame::from_pixels(size, size, (0..size * size).map(pixel).collect()).unwrap()
    };
    let keys = [seen(100.0, 256), seen(150.0, 256)];
    let job = job(&keys[0], &keys[1], 0.4, &settings);
    let frames: Vec<Frame> = (0..16)
        .map(|i| {
            let mut frame = seen(100.0 + 50.0 * i as f32 / 15.0, 128);
            for pixel in frame.pixels_mut() {
                // Over white paper, in display values.
                let over = |v: f32| (v + 1.0 - pixel[3]).clamp(0.0, 1.0).powf(1.0 / 2.3);
                *pixel = [over(pixel[0]), over(pixel[1]), over(pixel[2]), 1.0];
            }
            frame
        })
        .collect();
    generated(&place, &engine, &job, &frames);
    let drawn = draw(&engine, &job).frame;
    assert!(drawn.row(128)[120][0] > 5.0, "{:?}", drawn.row(128)[120]);
    assert!(drawn.row(128)[120][3] > 0.99);
    for x in [10, 30, 200, 250] {
        assert!(drawn.row(128)[x][3] < 0.02, "{x}: {:?}", drawn.row(128)[x]);
    }
    assert!(drawn.row(128)[120 - 40][3] > 0.95 && drawn.row(128)[120 + 40][3] > 0.95);
    let above = drawn.pixels().iter().all(|p| p[..3].iter().all(|v| *v >= 0.0) && p[3] <= 1.0);
    assert!(above && finite(&drawn));
}

#[test]
fn one_span_serves_every_position_in_any_order() {
    let place = TestFolder::new();
    let keys = [textured(60, 52, 0.0, 1.0), textured(60, 52, 8.0, 1.0)];
    let settings = place.settings();
    let positions = [0.031, 0.5, 1.0 / 15.0, 0.97];
    let jobs = positions.map(|position| job(&keys[0], &keys[1], position, &settings));
    let engine = place.engine();
    let control = Control::default();
    let forth: Vec<Drawn> = jobs.iter().map(|job| engine.draw(job, &control).unwrap()).collect();
    assert_eq!(control.progress(), 1.0);
    assert_eq!((place.spans(), engine.about().spans), (1, 1));
    assert!(engine.about().model.unwrap().ends_with("model.safetensors"));
    engine.release();
    assert_eq!(engine.about().model, None);

    // Another process finds the span. Without the model's file, nothing could be generated.
    let other = place.engine();
    std::fs::remove_file(place.path("model.safetensors")).unwrap();
    for (job, drawn) in jobs.iter().zip(&forth).rev() {
        assert_eq!(&draw(&other, job), drawn);
        assert!(finite(&drawn.frame));
    }
    let differ = forth.windows(2).all(|pair| pair[0].frame != pair[1].frame);
    assert!(differ, "positions differ");
}

#[test]
fn any_size_and_shape_is_drawn() {
    let place = TestFolder::new();
    let engine = place.engine();
    for (width, height) in [(1, 1), (3, 97), (131, 17), (47, 61)] {
        let keys = [textured(width, height, 0.0, 1.0), textured(width, height, 2.0, 1.0)];
        let drawn = draw(&engine, &job(&keys[0], &keys[1], 0.3, &place.settings()));
        assert_eq!((drawn.frame.width(), drawn.frame.height()), (width, height));
        assert!(finite(&drawn.frame));
        assert!(drawn.frame.pixels().iter().all(|pixel| pixel[3] == 1.0));
    }
}

#[test]
fn large_frames_are_drawn_from_small_spans() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(3840, 2160, 0.0, 8.0), textured(3840, 2160, 60.0, 8.0)];
    let job = job(&keys[0], &keys[1], 0.2, &place.settings());
    let at = |i: usize| shrunk(&textured(3840, 2160, 4.0 * i as f32, 8.0), 30);
    generated(&place, &engine, &job, &(0..16).map(at).collect::<Vec<_>>());
    let drawn = draw(&engine, &job);
    assert_eq!((drawn.frame.width(), drawn.frame.height()), (3840, 2160));
    assert!(finite(&drawn.frame));
}

#[test]
fn sketches_guide_and_need_their_encoder() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(64, 64, 0.0, 1.0), textured(64, 64, 8.0, 1.0)];
    let mut sketch = Frame::transparent(64, 64).unwrap();
    sketch.pixels_mut()[20 * 64..24 * 64].fill([1.0; 4]);
    let mut settings = place.settings();
    let plain = draw(&engine, &job(&keys[0], &keys[1], 0.5, &settings));
    let sketched = |settings: &Settings| {
        let mut job = job(&keys[0], &keys[1], 0.5, settings);
        job.request.sketches = vec![SketchRef { position: 0.5, picture: sketch.content_hash() }];
        job.sketches = vec![Arc::new(sketch.clone())];
        engine.draw(&job, &Control::default())
    };
    let refused = sketched(&settings).unwrap_err();
    assert!(matches!(refused, Error::Setting { name: "Sketch checkpoint", .. }), "{refused}");
    settings.tooncrafter.as_mut().unwrap().sketch_checkpoint =
        Some(place.weights("sketch.safetensors"));
    assert_ne!(sketched(&settings).unwrap().frame, plain.frame);
}

#[test]
fn a_stop_is_obeyed_within_a_step() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(64, 64, 0.0, 1.0), textured(64, 64, 8.0, 1.0)];
    let mut settings = place.settings();
    // Far more steps than anybody would wait for.
    settings.tooncrafter.as_mut().unwrap().steps = 1000;
    let job = job(&keys[0], &keys[1], 0.5, &settings);
    let control = Control::default();
    std::thread::scope(|scope| {
        let drawing = scope.spawn(|| engine.draw(&job, &control));
        while control.progress() < 0.002 {
            std::thread::sleep(Duration::from_millis(10));
        }
        control.cancel();
        assert!(matches!(drawing.join().unwrap(), Err(Error::Cancelled)));
    });
    assert!(control.progress() < 0.5, "{}", control.progress());
    assert_eq!(place.spans(), 0);
}

#[test]
fn a_swapped_checkpoint_is_never_used() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(64, 64, 0.0, 1.0), textured(64, 64, 8.0, 1.0)];
    let settings = place.settings();
    let before = draw(&engine, &job(&keys[0], &keys[1], 0.5, &settings));
    // Replaced by renaming, as downloads do, so the old content stays mapped.
    std::fs::remove_file(place.path("model.safetensors")).unwrap();
    place.write_model(7);
    let other = job(&keys[1], &keys[0], 0.5, &settings);
    let refused = engine.draw(&other, &Control::default()).unwrap_err();
    assert!(matches!(refused, Error::Weights { .. }), "{refused}");
    assert!(refused.user_message().contains("has changed since it was chosen"));
    // When the new file is chosen, it is loaded and draws differently; earlier drawings are still
    // found.
    let chosen = place.settings();
    assert_ne!(draw(&engine, &job(&keys[0], &keys[1], 0.5, &chosen)), before);
    assert_eq!(draw(&engine, &job(&keys[0], &keys[1], 0.5, &settings)), before);
}

#[test]
fn too_little_memory_is_said_before_the_work() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(64, 64, 0.0, 1.0), textured(64, 64, 8.0, 1.0)];
    let mut settings = place.settings();
    settings.tooncrafter.as_mut().unwrap().memory_limit_mb = Some(64);
    let refused = engine.draw(&job(&keys[0], &keys[1], 0.5, &settings), &Control::default());
    let Err(Error::Memory { needed: Some(needed), available: Some(available), advice, .. }) =
        refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(available, 64 << 20);
    assert!(needed > available && advice.contains("Memory limit"), "{needed} {advice}");
    assert_eq!(place.spans(), 0);
}

#[test]
fn files_that_are_no_model_are_named() {
    let place = TestFolder::new();
    let engine = place.engine();
    let keys = [textured(64, 64, 0.0, 1.0), textured(64, 64, 8.0, 1.0)];
    std::fs::write(place.path("model.safetensors"), b"<html>").unwrap();
    let refused =
        engine.draw(&job(&keys[0], &keys[1], 0.5, &place.settings()), &Control::default());
    let message = refused.unwrap_err().user_message();
    assert!(message.contains("model.safetensors"), "{message}");
}
