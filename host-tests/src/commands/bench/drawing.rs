//! Measures how long in-betweens of drawn keys take and how much memory they need.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::{BenchArgs, Process};
use crate::{
    commands::render::Size,
    host::clip::Format,
    host::effect::Project,
    host::images,
    host::instance::{FrameRequest, Instance, Setup},
    host::param::Value,
    host::pixels::{Components, Depth, Premult},
    host::plugin::Plugin,
    host::sys::*,
    pictures::footage::{Footage, Still},
    pictures::picture::Picture,
};

/// Times for drawing at one size. Memory is reported on Linux only.
#[derive(Serialize, Deserialize)]
pub(super) struct Figures {
    /// Median time of in-betweens of new keys.
    pub(super) first: Duration,
    /// Median time of further positions of the same keys.
    pub(super) further: Duration,
    /// Processor time of both, over all threads. It hardly depends on other load on the machine.
    pub(super) processor: Option<[Duration; 2]>,
    /// Time to mix two frames of that size on one core.
    pub(super) dissolve: Duration,
    /// Resident memory before the first render, including the host's own pictures.
    pub(super) before_kib: Option<u64>,
    /// Peak resident memory while drawing.
    pub(super) peak_kib: Option<u64>,
}

/// Bytes of a frame: four floats for each pixel.
pub(super) fn frame_bytes(size: Size) -> usize {
    size.width * size.height * 16
}

fn key(path: Option<&Path>, size: Size, shift: f32) -> Result<Picture> {
    if let Some(path) = path {
        let picture = Picture::open(path, crate::pictures::picture::Reading::default())?;
        return Ok(picture.resized(size.width, size.height));
    }
    let (w, h) = (size.width as f32, size.height as f32);
    let centre = (w * (0.42 + shift), h * (0.5 - 0.3 * shift));
    Ok(Picture::from_fn(size.width, size.height, |x, y| {
        let (dx, dy) = ((x as f32 - centre.0) / h, (y as f32 - centre.1) / h);
        let distance = (dx * dx + dy * dy).sqrt() - 0.25 - 0.03 * (5.0 * dy.atan2(dx)).sin();
        let rgb = match distance {
            d if d.abs() < 0.004 => [0.04, 0.04, 0.06],
            d if d < 0.0 && dy < 0.0 => [0.95, 0.62, 0.35],
            d if d < 0.0 => [0.75, 0.45, 0.28],
            _ => [0.82, 0.87, 0.9],
        };
        [rgb[0], rgb[1], rgb[2], 1.0]
    }))
}

/// The setup of an instance whose position follows its time: 0 to 1 over the frames 0 to 1000. Each
/// `pair` has different keys.
pub(super) fn setup(args: &BenchArgs, size: Size, pair: usize) -> Result<Setup> {
    let range = (0.0, 1000.0);
    let mut footage: BTreeMap<String, Arc<dyn Footage>> = BTreeMap::new();
    let shift = 0.06 + 0.01 * pair as f32;
    let keys =
        [("SourceFrom", args.first.as_deref(), 0.0), ("SourceTo", args.last.as_deref(), shift)];
    for (name, path, shift) in keys {
        footage.insert(name.to_owned(), Arc::new(Still::new(key(path, size, shift)?, range)));
    }
    let at = |time, value| ("Transition".to_owned(), Some(time), Value::Doubles(vec![value]));
    Ok(Setup {
        context: kOfxImageEffectContextTransition.to_string_lossy().into_owned(),
        project: Project { size: (size.width, size.height), range, rate: 24.0 },
        format: Format { depth: Depth::Float, components: Components::Rgba, premult: Premult::Un },
        footage,
        values: vec![at(range.0, 0.0), at(range.1, 1.0)],
    })
}

/// An instance whose pictures are made before the measurement starts, as they would be in a host.
pub(super) fn instance(
    args: &BenchArgs,
    plugin: &Arc<Plugin>,
    size: Size,
    pair: usize,
) -> Result<Instance> {
    plugin.host().change(|behaviour| behaviour.watches_inputs = false);
    let instance = Instance::new(plugin, &setup(args, size, pair)?)?;
    for clip in instance.effect().clips() {
        images::warm(&clip, 0.0);
    }
    Ok(instance)
}

/// The time that one render takes.
pub(super) fn timed(instance: &Instance, time: f64) -> Result<Duration> {
    let (took, rendered) = instance.render_timed(FrameRequest::at(time))?;
    if !rendered.status.is_fine() {
        bail!("{}", rendered.said().unwrap_or("the render failed without a message"));
    }
    Ok(took)
}

/// The median.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Draws several pairs of keys, each at four positions.
pub(super) fn measure(args: &BenchArgs, plugin: &Arc<Plugin>, size: Size) -> Result<Figures> {
    // Keys from files are always the same, and only new keys give a first in-between.
    let pairs = if args.first.is_some() && args.last.is_some() { 1 } else { args.pairs.max(1) };
    let (mut first, mut further, mut before_kib) = (Vec::new(), Vec::new(), None);
    let mut processor = [Vec::new(), Vec::new()];
    let spent = || Process::now().map(|process| process.processor).unwrap_or_default();
    for pair in 0..pairs {
        let instance = instance(args, plugin, size, pair)?;
        before_kib = before_kib.or_else(|| Process::now().map(|process| process.resident_kib));
        let begin = spent();
        first.push(timed(&instance, 500.0)?);
        processor[0].push(spent().saturating_sub(begin));
        for time in [250.0, 750.0, 125.0] {
            let begin = spent();
            further.push(timed(&instance, time)?);
            processor[1].push(spent().saturating_sub(begin));
        }
    }
    // Measured before the comparison takes memory of its own.
    let peak_kib = Process::now().map(|process| process.peak_kib);
    let dissolve = dissolve(frame_bytes(size) / 4);
    Ok(Figures {
        first: median(first),
        further: median(further),
        processor: peak_kib.map(|_| processor.map(median)),
        dissolve,
        before_kib,
        peak_kib,
    })
}

/// The same, measured in a separate process, so that nothing else counts towards its memory.
pub(super) fn measure_apart(args: &BenchArgs, plugin: &Path, size: Size) -> Result<Figures> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("bench").arg("--only-drawing").arg("--plugin").arg(plugin).args(["--id", &args.id]);
    command.args(["--size", &format!("{}x{}", size.width, size.height)]);
    command.args(["--pairs", &args.pairs.to_string()]);
    for (option, path) in [("--first", &args.first), ("--last", &args.last)] {
        if let Some(path) = path {
            command.arg(option).arg(path);
        }
    }
    let output = command.output().context("cannot start this program again")?;
    if !output.status.success() {
        bail!(
            "drawing at {}x{} failed: {}",
            size.width,
            size.height,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("the other process told no figures")
}

/// Shortest time, over several runs, to mix two warm buffers of that many floats into a third.
fn dissolve(samples: usize) -> Duration {
    let (a, b) = (vec![0.25_f32; samples], vec![0.75_f32; samples]);
    let mut mixed = vec![0.0_f32; samples];
    let mut mix = |share: f32| {
        let started = Instant::now();
        let (a, b) = (std::hint::black_box(&a), std::hint::black_box(&b));
        for ((to, a), b) in mixed.iter_mut().zip(a).zip(b) {
            *to = a + (b - a) * share;
        }
        std::hint::black_box(&mixed);
        started.elapsed()
    };
    [0.5, 0.3, 0.4, 0.6, 0.7].into_iter().map(&mut mix).min().unwrap_or_default()
}
