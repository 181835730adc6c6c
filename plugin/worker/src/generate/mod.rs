//! `generate`: takes two key pictures and the weights, and writes the frames between the keys.

pub(crate) mod pictures;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use inbetween_core::settings::{DeviceChoice, SolverChoice};
use inbetween_core::{Control, Error};
use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::device;
use inbetween_tooncrafter::memory::{self, MemoryKind, RunSize};
use inbetween_tooncrafter::pipeline::{Drawing, Pipeline};
use inbetween_tooncrafter::sampler::{Guidance, Solver};
use inbetween_tooncrafter::schedule::Spacing;
use inbetween_tooncrafter::speed::Speed;
use inbetween_tooncrafter::time_plan::TimePlan;
use inbetween_tooncrafter::weights::Weights;
use inbetween_tooncrafter::weights::layout::{ModelConfig, tiny_sketch};
use serde_json::json;

use crate::cli::Generate;
use crate::failure::{Failure, Kind, Result};
use crate::progress;
use crate::stdio::outln;

pub(crate) fn run(arguments: &Generate) -> Result<()> {
    let (width, height) = arguments.size;
    let model = &arguments.model;
    let key = |path: &Path| pictures::key(path, width, height);
    let (first, last) = (key(&arguments.first)?, key(&arguments.last)?);
    let mut drawing = Drawing {
        prompt: model.prompt.clone(),
        frames: arguments.frames,
        steps: model.steps() as usize,
        solver: solver(arguments),
        guidance: Guidance {
            scale: model.guidance,
            image_scale: arguments.image_guidance,
            rescale: model.rescale,
        },
        fs: model.motion as f32,
        seed: u64::from(model.seed),
        sketch_scale: arguments.sketch_strength,
        ..Drawing::new(first.tensor, last.tensor)
    };
    for (frame, path) in &arguments.sketch {
        // On the command line frames are counted from 1.
        let Some(frame) = frame.checked_sub(1) else {
            return Err(Failure::new(Kind::Usage, "Sketches are for frame 1 and later."));
        };
        drawing.sketches.push((frame, pictures::sketch(path, width, height)?));
    }
    let size = drawing.check()?;
    if arguments.plan {
        return plan(arguments, size, &drawing);
    }
    // Checked before minutes of work.
    std::fs::create_dir_all(&arguments.out)
        .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", arguments.out.display())))?;

    let (device, why) = chosen(arguments.model.device)?;
    let dtype = dtype(arguments, MemoryKind::of(&device))?;
    let pipeline = pipeline(arguments, device, dtype)?;
    let plan = pipeline.plan(size, !drawing.sketches.is_empty());
    if !arguments.json {
        outln!("{why}, {dtype:?}\n{plan}");
    }
    let started = Instant::now();
    let frames = watched(|control| pipeline.generate(&drawing, control))?;
    let took = started.elapsed();
    let files = pictures::write(&frames, first.visible, &arguments.out, arguments.sheet)?;
    report(arguments, &files, took);
    Ok(())
}

fn chosen(wanted: DeviceChoice) -> Result<(Device, String)> {
    device::choose(wanted).map_err(|why| {
        let advice = "Until then choose --device cpu.";
        Failure::new(Kind::Engine, format!("The GPU cannot be used: {why}. {advice}"))
    })
}

fn dtype(arguments: &Generate, place: MemoryKind) -> Result<DType> {
    device::precision(arguments.model.precision, place)
        .map_err(|why| Failure::new(Kind::Engine, format!("--precision bf16: {why}.")))
}

fn pipeline(arguments: &Generate, device: Device, dtype: DType) -> Result<Pipeline> {
    let weights = Weights::open(std::iter::once(&arguments.checkpoint).chain(&arguments.extra))?;
    let (config, sketch_config) = if arguments.tiny {
        (ModelConfig::tiny(), tiny_sketch())
    } else {
        (ModelConfig::default(), SketchConfig::default())
    };
    let limit = arguments.model.memory_limit().map(|mb| u64::from(mb) << 20);
    Ok(Pipeline::with_config(weights, config, sketch_config, device, dtype)
        .with_memory_limit(limit))
}

/// Prints what the run would need in memory, for a GPU also where there is none, and how long it would compute on a device
/// that is there.
fn plan(arguments: &Generate, size: RunSize, drawing: &Drawing) -> Result<()> {
    let (device, why) = match chosen(arguments.model.device) {
        Ok(chosen) => chosen,
        Err(failure) => (Device::Cpu, format!("{}\nOn such a device", failure.message)),
    };
    let place = match arguments.model.device {
        DeviceChoice::Cuda => MemoryKind::Cuda,
        DeviceChoice::Metal => MemoryKind::Metal,
        DeviceChoice::Auto | DeviceChoice::Cpu => MemoryKind::of(&device),
    };
    let there = MemoryKind::of(&device) == place;
    let available = if there { memory::available_on(&device) } else { None };
    let dtype = dtype(arguments, place)?;
    let time = if there && !arguments.tiny {
        let speed = Speed::measure(&device, dtype)
            .map_err(|error| Failure::new(Kind::Engine, format!("The device fails: {error}")))?;
        Some(TimePlan::new(drawing, size, &speed))
    } else {
        None
    };
    let sketches = !drawing.sketches.is_empty();
    let plan = pipeline(arguments, device, dtype)?.plan_for(size, sketches, place, available);
    if arguments.json {
        let stages: Vec<_> = (plan.stages.iter())
            .map(|stage| json!({ "name": stage.name, "weights": stage.weights, "working": stage.working }))
            .collect();
        crate::models::print_json(&json!({
            "stages": stages,
            "peak_bytes": plan.peak(),
            "available_bytes": plan.available,
            "seconds": time.as_ref().map(TimePlan::total),
        }));
    } else {
        outln!("{why}, {dtype:?}\n{plan}");
        match time {
            Some(time) => outln!("{time}"),
            None if there => outln!("time: known for the released model only"),
            None => outln!("time: not foretold, since the device is not there to be measured"),
        }
    }
    Ok(())
}

fn solver(arguments: &Generate) -> Solver {
    match arguments.model.solver {
        SolverChoice::Ddim => {
            Solver::Ddim { eta: arguments.eta, spacing: Spacing::UniformTrailing }
        }
        SolverChoice::UniPc => Solver::UniPc,
    }
}

/// Runs `work` in a separate thread and shows its progress.
fn watched<T: Send>(
    work: impl FnOnce(&Control) -> std::result::Result<T, Error> + Send,
) -> std::result::Result<T, Error> {
    const UNITS: f32 = 10_000.0;
    let control = Control::default();
    let bar = progress::of_work("drawing", UNITS as u64);
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&control));
        while !worker.is_finished() {
            bar.set_position((control.progress() * UNITS) as u64);
            std::thread::sleep(Duration::from_millis(100));
        }
        worker.join()
    });
    bar.finish_and_clear();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn report(arguments: &Generate, files: &[PathBuf], took: Duration) {
    let peak = peak_memory();
    if arguments.json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let report = json!({
            "files": files,
            "seconds": took.as_secs_f64(),
            "peak_bytes": peak,
            "seed": arguments.model.seed,
        });
        crate::models::print_json(&report);
        return;
    }
    let memory = peak.map_or(String::new(), |peak| {
        format!(", peak memory {:.2} GiB", peak as f64 / (1_u64 << 30) as f64)
    });
    let out = arguments.out.display();
    outln!("{} pictures in {out} after {:.1} s{memory}", files.len(), took.as_secs_f64());
}

/// The peak resident memory of this process in bytes, if the system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
