//! Times of the plug-in in a host, each beside a named peer of the same run: the `bench` command.
//!
//! A machine's speed changes from run to run and from year to year; a ratio to work of known size does not. So
//! loading is put beside opening the same file alone, and handing over a finished frame beside copying its bytes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    binary::{self, Binary},
    clip::{Footage, Format},
    effect::Project,
    eval::default_plugin,
    footage::Still,
    host::Host,
    instance::{Instance, Setup, Shot},
    param::Value,
    picture::Picture,
    pixels::{Components, Depth, Premult},
    plugin::Plugin,
    profile::Profile,
    sys::*,
};

/// Times of the plug-in in a host.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The plug-in; by default the one built last
    #[arg(long)]
    pub plugin: Option<PathBuf>,
    /// Identifier of the effect
    #[arg(long, default_value = "org.inbetween.AIInbetween")]
    pub id: String,
    /// Size of the keys
    #[arg(long, value_name = "WxH", default_value = "1920x1080")]
    pub size: crate::render::Size,
    /// First key, instead of a synthetic drawing
    #[arg(long)]
    pub first: Option<PathBuf>,
    /// Second key, instead of a synthetic drawing
    #[arg(long)]
    pub last: Option<PathBuf>,
    /// Renders of the finished frame to take the median of
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
}

/// Runs the command. The cache folder is an empty one, so that the first in-between is a first one.
pub fn run(args: &BenchArgs) -> Result<()> {
    let path = match &args.plugin {
        Some(path) => path.clone(),
        None => default_plugin()?,
    };
    let path = binary::find_one(&path)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    // SAFETY: no other thread runs yet: this is the start of the program, and the plug-in is not loaded.
    unsafe { std::env::set_var("XDG_CACHE_HOME", folder.path()) };
    println!("{}", path.display());
    println!("{:<44} {:>12} {:>12} {:>8}  peer", "", "plug-in", "peer", "ratio");

    let idle = Process::now();
    let plugin = loading(args, &path)?;
    let loaded = Process::now();
    rendering(args, &plugin, idle.zip(loaded))
}

fn row(what: &str, took: Duration, peer: Duration, name: &str) {
    let milliseconds = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1000.0);
    let ratio = took.as_secs_f64() / peer.as_secs_f64().max(1e-9);
    println!(
        "{what:<44} {:>12} {:>12} {ratio:>8.2}  {name}",
        milliseconds(took),
        milliseconds(peer)
    );
}

fn loading(args: &BenchArgs, path: &std::path::Path) -> Result<Arc<Plugin>> {
    let started = Instant::now();
    let binary = Binary::open(path)?;
    let opened = started.elapsed();
    let host = Host::new(Profile::find("natron").context("the profile natron exists")?);
    let plugin = Plugin::new(&binary, Some(&args.id), &host)?;
    plugin.start()?;
    for context in plugin.contexts() {
        plugin.context(&context)?;
    }
    row(
        "open, load, describe in all contexts",
        started.elapsed(),
        opened,
        "opening the file alone (dlopen)",
    );
    Ok(plugin)
}

fn key(path: Option<&PathBuf>, size: (usize, usize), shift: f32) -> Result<Picture> {
    if let Some(path) = path {
        return Ok(Picture::open(path, crate::picture::Reading::default())?.resized(size.0, size.1));
    }
    let (w, h) = (size.0 as f32, size.1 as f32);
    let centre = (w * (0.42 + shift), h * (0.5 - 0.3 * shift));
    Ok(Picture::from_fn(size.0, size.1, |x, y| {
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

fn rendering(
    args: &BenchArgs,
    plugin: &Arc<Plugin>,
    process: Option<(Process, Process)>,
) -> Result<()> {
    let size = (args.size.width, args.size.height);
    let range = (0.0, 1000.0);
    let mut footage: BTreeMap<String, Arc<dyn Footage>> = BTreeMap::new();
    let keys = [("SourceFrom", args.first.as_ref(), 0.0), ("SourceTo", args.last.as_ref(), 0.06)];
    for (name, path, shift) in keys {
        footage.insert(name.to_owned(), Arc::new(Still::new(key(path, size, shift)?, range)));
    }
    // The position is the time: one instance renders them all.
    let at = |time, value| ("Transition".to_owned(), Some(time), Value::Doubles(vec![value]));
    let setup = Setup {
        context: kOfxImageEffectContextTransition.to_string_lossy().into_owned(),
        project: Project { size, range, rate: 24.0 },
        format: Format { depth: Depth::Float, components: Components::Rgba, premult: Premult::Un },
        footage,
        values: vec![at(range.0, 0.0), at(range.1, 1.0)],
    };
    plugin.host().change(|conduct| conduct.watches_inputs = false);
    let drawn = Process::now();
    let instance = Instance::new(plugin, &setup)?;
    let ready = Process::now();
    // The host's own pictures are made before the clock runs.
    for clip in instance.effect().clips() {
        clip.warm(0.0);
    }
    let timed = |time: f64| -> Result<Duration> {
        let rendered = instance.render_timed(Shot::at(time))?;
        match rendered.1.status.is_fine() {
            true => Ok(rendered.0),
            false => {
                bail!("{}", rendered.1.said().unwrap_or("the render failed without a message"))
            }
        }
    };
    let copy = memcpy(size.0 * size.1 * 16);
    let (width, height) = size;
    let first = timed(500.0)?;
    row(
        &format!("first in-between, {width}x{height} float"),
        first,
        copy,
        "memcpy of the frame's bytes",
    );
    let mut further = Vec::new();
    for time in [250.0, 750.0, 125.0] {
        further.push(timed(time)?);
    }
    further.sort();
    row("further position of the same keys", further[further.len() / 2], first, "first in-between");
    let mut again = Vec::new();
    let mut copies = Vec::new();
    for _ in 0..args.rounds.max(1) {
        again.push(timed(500.0)?);
        copies.push(memcpy(size.0 * size.1 * 16));
    }
    again.sort();
    copies.sort();
    let copy = copies[copies.len() / 2];
    row(
        "finished frame handed over again",
        again[again.len() / 2],
        copy,
        "memcpy of the frame's bytes",
    );

    let Some((((idle, loaded), drawn), ready)) = process.zip(drawn).zip(ready) else {
        println!("\nmemory, threads and open files are told on Linux only");
        return Ok(());
    };
    // What the host's own pictures take is no matter of the plug-in's.
    println!(
        "\n{:<44} {:>12} {:>12} {:>12}",
        "before the first render", "no plug-in", "described", "instance"
    );
    let line = |what: &str, value: fn(&Process) -> u64, unit: &str| {
        let cell = |value: u64| format!("{value} {unit}");
        let made = value(&loaded) + value(&ready).saturating_sub(value(&drawn));
        let cells = [value(&idle), value(&loaded), made].map(cell);
        println!("{what:<44} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2]);
    };
    line("resident memory", |process| process.resident_kib, "KiB");
    line("threads", |process| process.threads, "");
    line("open files", |process| process.files, "");
    Ok(())
}

/// The least of several copies of that many bytes between two warm buffers.
fn memcpy(bytes: usize) -> Duration {
    let from = vec![0x5A_u8; bytes];
    let mut to = vec![0_u8; bytes];
    let copy = |to: &mut Vec<u8>| {
        let started = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        started.elapsed()
    };
    (0..5).map(|_| copy(&mut to)).min().unwrap_or_default()
}

/// What the system says of this process.
#[derive(Clone, Copy)]
struct Process {
    resident_kib: u64,
    threads: u64,
    files: u64,
}

impl Process {
    fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
        // The folder being read is open itself.
        let files = u64::try_from(files).ok()?.saturating_sub(1);
        Some(Self { resident_kib: field("VmRSS:")?, threads: field("Threads:")?, files })
    }
}
