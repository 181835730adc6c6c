//! Time and memory of the released model's parts at full size: 16 frames of 320 x 512.
//!
//! `cargo bench -p inbetween-tooncrafter --bench full -- --checkpoint FILE [--dtype f32|bf16]
//! [--device cpu|cuda] [--steps N,..] [--frames N] [--tiny] [PART..]`, with the parts `text`, `image`, `encode`,
//! `unet`, `decode` and `generate` (the whole pipeline, once for each number of solver steps). If FILE does not
//! exist, it is written first with random weights in the released layout (f16, 5.25 GB), since time and
//! memory do not depend on the values. `--tiny` runs the small model of the tests instead, to rehearse. Memory is
//! sampled ten times a second: `own` is what the process has allocated; `resident` adds the pages of the mapped file
//! that are in memory.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use candle_core::{DType, Result, Tensor};
use common::{choose_device, device, processor_seconds, random, settle, system_seconds};
use inbetween_core::Control;
use inbetween_tooncrafter::clip_text::ClipText;
use inbetween_tooncrafter::clip_vision::ClipVision;
use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::kept_memory::keep;
use inbetween_tooncrafter::memory::{self, RunSize};
use inbetween_tooncrafter::ops::release_memory;
use inbetween_tooncrafter::pipeline::{Drawing, Pipeline};
use inbetween_tooncrafter::resampler::Resampler;
use inbetween_tooncrafter::tokenizer::tokenize;
use inbetween_tooncrafter::unet::{OptionalInputs, Unet};
use inbetween_tooncrafter::vae_decoder::VaeDecoder;
use inbetween_tooncrafter::vae_encoder::VaeEncoder;
use inbetween_tooncrafter::weights::layout::{self, ModelConfig, Part};
use inbetween_tooncrafter::weights::{Element, Weights, write_random};

/// The model and the size of the run.
struct Subject {
    model: ModelConfig,
    sketch: SketchConfig,
    size: RunSize,
}

impl Subject {
    fn released() -> Self {
        Self {
            model: ModelConfig::default(),
            sketch: SketchConfig::default(),
            size: RunSize { frames: 16, height: 320, width: 512 },
        }
    }

    fn tiny() -> Self {
        Self {
            model: ModelConfig::tiny(),
            sketch: layout::tiny_sketch(),
            size: RunSize { frames: 16, height: 64, width: 64 },
        }
    }
}

/// The KiB under `name` in `/proc/self/status`; 0 if it is not there.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Free bytes of the GPU, if it is the device.
fn free_on_gpu() -> Option<u64> {
    if device().is_cpu() { None } else { memory::available_on(device()) }
}

/// Runs something and prints how much time and memory it took.
fn timed<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let peaks = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let free_before = free_on_gpu();
    let before = status("RssAnon:");
    let sampler = std::thread::spawn({
        let (stop, peaks, free) = (stop.clone(), peaks.clone(), free.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                peaks.0.fetch_max(status("RssAnon:"), Ordering::Relaxed);
                peaks.1.fetch_max(status("VmRSS:"), Ordering::Relaxed);
                if let Some(now) = free_on_gpu() {
                    free.fetch_min(now, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    let (start, cpu, system) = (Instant::now(), processor_seconds(), system_seconds());
    let result = run().and_then(|result| settle().map(|()| result));
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor_seconds() - cpu);
    let system = system_seconds() - system;
    stop.store(true, Ordering::Relaxed);
    if sampler.join().is_err() {
        eprintln!("memory was not sampled");
    }
    let gib = |kib: u64| kib as f64 / (1 << 20) as f64;
    let (own, resident) = (peaks.0.load(Ordering::Relaxed), peaks.1.load(Ordering::Relaxed));
    println!(
        "{name:28} {wall:8.1} s wall {cpu:8.1} s CPU ({system:.1} in the system), peak {:6.2} GiB own ({:.2} before), \
         {:.2} resident",
        gib(own),
        gib(before),
        gib(resident)
    );
    if let (Some(before), least) = (free_on_gpu().and(free_before), free.load(Ordering::Relaxed))
        && least < u64::MAX
    {
        let taken = gib(before.saturating_sub(least) >> 10);
        println!("{:28} {taken:8.2} GiB more at its peak on the GPU", "");
    }
    result
}

fn main() -> Result<()> {
    let mut checkpoint: Option<PathBuf> = None;
    let (mut dtype, mut steps, mut parts) = (DType::F32, vec![2], Vec::new());
    let (mut subject, mut frames) = (Subject::released(), None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--checkpoint" => checkpoint = args.next().map(PathBuf::from),
            "--device" => choose_device(&args.next().unwrap_or_default())?,
            "--dtype" if args.next().as_deref() == Some("bf16") => dtype = DType::BF16,
            "--dtype" => {}
            "--tiny" => subject = Subject::tiny(),
            "--frames" => frames = args.next().and_then(|n| n.parse().ok()),
            "--steps" => {
                let given = args.next().unwrap_or_default();
                steps = given.split(',').filter_map(|n| n.parse().ok()).collect();
            }
            part if !part.starts_with('-') => parts.push(part.to_owned()),
            _ => {}
        }
    }
    let Some(checkpoint) = checkpoint else {
        println!("no --checkpoint FILE: nothing to run");
        return Ok(());
    };
    let _keeping = keep();
    subject.size.frames = frames.unwrap_or(subject.size.frames);
    let wrap = candle_core::Error::wrap;
    if !checkpoint.exists() {
        write(&checkpoint, &subject.model)?;
    }
    let weights = Weights::open([&checkpoint]).map_err(wrap)?;
    println!("{dtype:?}, {} threads", rayon::current_num_threads());
    for part in parts {
        release_memory(device());
        match part.as_str() {
            "text" => text(&subject, &weights, dtype)?,
            "image" => image(&subject, &weights, dtype)?,
            "encode" => encode(&subject, &weights, dtype)?,
            "unet" => unet(&subject, &weights, dtype)?,
            "decode" => decode(&subject, &weights, dtype)?,
            "generate" => generate(&subject, &weights, dtype, &steps)?,
            other => println!("there is no part {other}"),
        }
    }
    Ok(())
}

fn write(path: &Path, model: &ModelConfig) -> Result<()> {
    let wanted = layout::model(model);
    timed("writing random weights", || {
        write_random(path, &wanted, Element::F16, 1, &mut |_, _| {})
            .map_err(candle_core::Error::wrap)
    })?;
    Ok(())
}

fn text(subject: &Subject, weights: &Weights, dtype: DType) -> Result<()> {
    let config = &subject.model;
    let vb = weights.var_builder(Part::Text, dtype, device());
    let tower = timed("text: load", || ClipText::new(&config.clip, &vb))?;
    let tokens = Tensor::new(&tokenize("a cat turns its head"), device())?.unsqueeze(0)?;
    timed("text: forward", || tower.forward(&tokens))?;
    Ok(())
}

fn image(subject: &Subject, weights: &Weights, dtype: DType) -> Result<()> {
    let config = &subject.model;
    let builder = |part| weights.var_builder(part, dtype, device());
    let parts = timed("image: load", || {
        let tower = ClipVision::new(&config.clip, &builder(Part::Vision))?;
        Ok((tower, Resampler::new(&config.resampler, &builder(Part::Projector))?))
    })?;
    let x = random(&[1, 3, 224, 224])?;
    timed("image: forward", || parts.1.forward(&parts.0.forward(&x)?))?;
    Ok(())
}

fn encode(subject: &Subject, weights: &Weights, dtype: DType) -> Result<()> {
    let vb = weights.var_builder(Part::Vae, dtype, device());
    let encoder = timed("encode: load", || VaeEncoder::new(&subject.model.vae, &vb))?;
    let x = random(&[2, 3, subject.size.height, subject.size.width])?;
    timed("encode: 2 frames", || encoder.forward(&x))?;
    Ok(())
}

fn unet(subject: &Subject, weights: &Weights, dtype: DType) -> Result<()> {
    let vb = weights.var_builder(Part::Unet, dtype, device());
    let unet = timed("unet: load", || Unet::new(&subject.model.unet, &vb))?;
    let RunSize { frames, height, width } = subject.size;
    let x = random(&[1, 8, frames, height / 8, width / 8])?;
    let context = random(&[1, 77 + 16 * frames, subject.model.unet.levels.context_dim])?;
    let extras = OptionalInputs { fs: Some(&[10.0]), ..OptionalInputs::default() };
    let y = timed(&format!("unet: forward, {frames} frames"), || {
        unet.forward(&x, &[999.0], &context, extras)
    })?;
    println!("{:28} {:.3e}", "  mean square", y.sqr()?.mean_all()?.to_scalar::<f32>()?);
    Ok(())
}

fn decode(subject: &Subject, weights: &Weights, dtype: DType) -> Result<()> {
    let vb = weights.var_builder(Part::Vae, dtype, device());
    let decoder = timed("decode: load", || VaeDecoder::new(&subject.model.vae, &vb))?;
    let RunSize { frames, height: h, width: w } = subject.size;
    let ch = subject.model.vae.ch;
    let mut references = Vec::new();
    for (level, mult) in subject.model.vae.ch_mult.iter().enumerate() {
        references.push(random(&[2, h >> level, w >> level, ch * mult])?);
    }
    references.push(random(&[2, h, w, ch])?);
    let z = random(&[frames, 4, h / 8, w / 8])?;
    let mut last = Instant::now();
    let y = timed(&format!("decode: {frames} frames"), || {
        decoder.forward_watched(&z, Some(&references), &mut |name, _| {
            println!("  {name:26} {:8.1} s wall", last.elapsed().as_secs_f64());
            last = Instant::now();
            Ok(())
        })
    })?;
    println!("{:28} {:.3e}", "  mean square", y.sqr()?.mean_all()?.to_scalar::<f32>()?);
    Ok(())
}

fn generate(subject: &Subject, weights: &Weights, dtype: DType, steps: &[usize]) -> Result<()> {
    let Subject { model, sketch, size } = subject;
    let key = || random(&[1, 3, size.height, size.width])?.clamp(-1f32, 1f32);
    let mut drawing = Drawing::new(key()?, key()?);
    drawing.frames = size.frames;
    let (weights, device) = (weights.clone(), device().clone());
    let pipeline = Pipeline::with_config(weights, model.clone(), sketch.clone(), device, dtype);
    println!("{}", pipeline.plan(*size, false));
    for &steps in steps {
        drawing.steps = steps;
        let frames = timed(&format!("generate: {steps} steps"), || {
            pipeline.generate(&drawing, &Control::default()).map_err(candle_core::Error::wrap)
        })?;
        println!("{:28} {:?}", "  frames", frames.dims());
    }
    Ok(())
}
