//! The pipeline's guarantees beyond its arithmetic, tested on a small model with random weights.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::sync::Arc;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use inbetween_core::{Control, Error};
use inbetween_tooncrafter::memory::{Residency, RunSize};
use inbetween_tooncrafter::pipeline::{Drawing, Pipeline};
use inbetween_tooncrafter::weights::layout::{self, ModelConfig, tiny_sketch};
use inbetween_tooncrafter::weights::{Element, Weights, write_random};

struct Files {
    _folder: tempfile::TempDir,
    weights: Weights,
}

/// The small model, with or without its sketch encoder.
fn files(sketch: bool) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![folder.path().join("model.safetensors")];
    let wanted = layout::model(&ModelConfig::tiny());
    write_random(&paths[0], &wanted, Element::F16, 1, &mut |_, _| {}).unwrap();
    if sketch {
        paths.push(folder.path().join("sketch.safetensors"));
        let wanted = layout::sketch(&tiny_sketch());
        write_random(&paths[1], &wanted, Element::F16, 2, &mut |_, _| {}).unwrap();
    }
    let weights = Weights::open(&paths).unwrap();
    Files { _folder: folder, weights }
}

fn pipeline(files: &Files, dtype: DType) -> Pipeline {
    let weights = files.weights.clone();
    Pipeline::with_config(weights, ModelConfig::tiny(), tiny_sketch(), Device::Cpu, dtype)
}

/// A picture of bands whose position depends on `phase`.
fn key(phase: usize) -> Tensor {
    let (h, w) = (64, 128);
    let value = |i: usize| if ((i % w + phase) / 16).is_multiple_of(2) { 0.8f32 } else { -0.6 };
    Tensor::from_vec((0..3 * h * w).map(value).collect::<Vec<_>>(), (1, 3, h, w), &Device::Cpu)
        .unwrap()
}

fn drawing() -> Drawing {
    let mut drawing = Drawing::new(key(0), key(9));
    drawing.frames = 6;
    drawing.steps = 2;
    drawing
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn one_seed_is_one_video_and_progress_ends_at_one() {
    let files = files(false);
    let pipeline = pipeline(&files, DType::F32);
    let control = Control::default();
    let frames = pipeline.generate(&drawing(), &control).unwrap();
    assert_eq!(frames.dims(), [6, 3, 64, 128]);
    assert_eq!(control.progress(), 1.0);
    let values = frames.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));

    let again = pipeline.generate(&drawing(), &Control::default()).unwrap();
    assert_eq!(difference(&frames, &again), 0.0);
    let other = Drawing { seed: 5, ..drawing() };
    let other = pipeline.generate(&other, &Control::default()).unwrap();
    assert!(difference(&frames, &other) > 1e-3);
    let prompted = Drawing { prompt: "a cat turns".into(), ..drawing() };
    let prompted = pipeline.generate(&prompted, &Control::default()).unwrap();
    assert!(difference(&frames, &prompted) > 1e-6);
}

#[test]
fn half_precision_stays_close() {
    let files = files(false);
    let exact = pipeline(&files, DType::F32).generate(&drawing(), &Control::default()).unwrap();
    let half = pipeline(&files, DType::BF16).generate(&drawing(), &Control::default()).unwrap();
    let error = (exact - half).unwrap().sqr().unwrap().mean_all().unwrap();
    let error = error.to_scalar::<f32>().unwrap().sqrt();
    assert!(error < 0.1, "bf16 is off by {error} (root mean square) of a range of 2");
}

#[test]
fn sketches_guide_and_none_do_not() {
    let files = files(true);
    let pipeline = pipeline(&files, DType::F32);
    let run = |drawing: Drawing| pipeline.generate(&drawing, &Control::default()).unwrap();
    let plain = run(drawing());
    let line = Tensor::ones((1, 1, 64, 128), DType::F32, &Device::Cpu).unwrap();
    let sketched = Drawing { sketches: vec![(2, line.clone())], ..drawing() };
    assert!(difference(&plain, &run(sketched.clone())) > 1e-4);
    let silent = Drawing { sketch_scale: 0.0, ..sketched };
    assert_eq!(difference(&plain, &run(silent)), 0.0);

    let beyond = Drawing { sketches: vec![(6, line)], ..drawing() };
    let error = pipeline.generate(&beyond, &Control::default()).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "Sketch frame", .. }), "{error}");
}

#[test]
fn a_missing_part_is_named_before_any_work() {
    let files = files(false);
    let line = Tensor::ones((1, 1, 64, 128), DType::F32, &Device::Cpu).unwrap();
    let sketched = Drawing { sketches: vec![(2, line)], ..drawing() };
    let control = Control::default();
    let error = pipeline(&files, DType::F32).generate(&sketched, &control).unwrap_err();
    assert!(error.to_string().contains("sketch encoder"), "{error}");
    assert_eq!(control.progress(), 0.0);
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let files = files(false);
    let pipeline = pipeline(&files, DType::F32);
    let refuse = |drawing: Drawing| pipeline.generate(&drawing, &Control::default()).unwrap_err();
    let narrow = |key: &Tensor| key.narrow(3, 0, 100).unwrap().contiguous().unwrap();
    let size = Drawing { first: narrow(&key(0)), last: narrow(&key(0)), ..drawing() };
    assert!(matches!(refuse(size), Error::Size { width: 100, height: 64, .. }));
    let differ = Drawing { last: narrow(&key(0)), ..drawing() };
    assert!(matches!(refuse(differ), Error::KeysDiffer { last: (100, 64), .. }));
    for drawing in [
        Drawing { frames: 5, ..drawing() },
        Drawing { frames: 18, ..drawing() },
        Drawing { steps: 0, ..drawing() },
        Drawing { fs: f32::NAN, ..drawing() },
        Drawing { sketch_scale: 2.0, ..drawing() },
    ] {
        assert!(matches!(refuse(drawing), Error::Setting { .. } | Error::Range { .. }));
    }
}

#[test]
fn a_stop_is_obeyed_before_and_during_the_work() {
    let files = files(false);
    let pipeline = pipeline(&files, DType::F32);
    let control = Control::default();
    control.cancel();
    let stopped = pipeline.generate(&drawing(), &control);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(control.progress(), 0.0);

    // A thousand steps would take minutes; the stop comes as soon as the first steps are reported.
    let control = Arc::new(Control::default());
    let stopper = std::thread::spawn({
        let control = control.clone();
        move || {
            while control.progress() == 0.0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            control.cancel();
        }
    });
    let long = Drawing { steps: 1000, ..drawing() };
    assert!(matches!(pipeline.generate(&long, &control), Err(Error::Cancelled)));
    assert!(control.progress() < 0.5);
    stopper.join().unwrap();
    // The pipeline still works afterwards.
    pipeline.generate(&drawing(), &Control::default()).unwrap();
}

#[test]
fn the_plan_counts_every_part() {
    let files = files(true);
    let pipeline = pipeline(&files, DType::F32);
    let size = RunSize { frames: 16, height: 320, width: 512 };
    let (plain, sketched) = (pipeline.plan(size, false), pipeline.plan(size, true));
    assert_eq!(plain.stages.len(), 5);
    assert!(plain.stages.iter().all(|stage| stage.weights > 0 && stage.working > 0));
    assert!(sketched.peak() >= plain.peak());
    assert!(matches!(plain.keeping, Residency::All | Residency::OneByOne));
    let text = plain.to_string();
    for word in ["UNet", "VAE decoder", "needed at most", "available"] {
        assert!(text.contains(word), "{text}");
    }
}
