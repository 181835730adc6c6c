//! `bench`: times of the plug-in in a host, each next to a named reference measured in the same
//! run.
//!
//! A machine's speed changes from run to run and from year to year; a ratio to work of known size
//! does not. So loading is compared with opening the same file alone, delivering a finished frame
//! with copying its bytes, and drawing with mixing the two keys, which is the least work that any
//! in-between needs.

mod drawing;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    commands::eval::default_plugin,
    commands::render::Size,
    host::Host,
    host::binary::{self, Binary},
    host::instance::Instance,
    host::plugin::Plugin,
    host::profile::Profile,
};
use drawing::{Figures, frame_bytes};

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
    pub size: Size,
    /// Another size to draw at, in a separate process whose memory is reported
    #[arg(long, value_name = "WxH", default_value = "3840x2160")]
    pub large: Size,
    /// First key, instead of a synthetic drawing
    #[arg(long)]
    pub first: Option<PathBuf>,
    /// Second key, instead of a synthetic drawing
    #[arg(long)]
    pub last: Option<PathBuf>,
    /// Pairs of synthetic keys to take the medians of
    #[arg(long, default_value_t = 3)]
    pub pairs: usize,
    /// Renders of the finished frame to take the median of
    #[arg(long, default_value_t = 9)]
    pub rounds: usize,
    /// Only draw at --size and tell the figures as JSON: what the process for --large does
    #[arg(long, hide = true)]
    pub only_drawing: bool,
}

/// Runs the command with an empty cache folder, so that the first in-between really is one.
///
/// # Errors
/// When there is no plug-in, when it cannot be opened or does not render, or when a measuring
/// process fails.
pub fn run(args: &BenchArgs) -> Result<()> {
    let path = match &args.plugin {
        Some(path) => path.clone(),
        None => default_plugin()?,
    };
    let path = binary::find_one(&path)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    for name in ["XDG_CACHE_HOME", "INBETWEEN_CACHE_DIR"] {
        // SAFETY: no other thread is running yet: this is the start of the program, and the plug-in
        // is not loaded.
        unsafe { std::env::set_var(name, folder.path()) };
    }
    if args.only_drawing {
        let figures = drawing::measure(args, &load(args, &Binary::open(&path)?)?, args.size)?;
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    println!("{}", path.display());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores; load of the last minute {}", load_average());
    println!("{:<44} {:>12} {:>12} {:>8}  peer", "", "plug-in", "peer", "ratio");

    let none = Process::now();
    let plugin = loading(args, &path)?;
    let loaded = Process::now();
    let setup = drawing::setup(args, args.size, 0)?;
    let before = Process::now();
    let instance = Instance::new(&plugin, &setup)?;
    let after = Process::now();
    drop((instance, setup));
    let figures = drawing::measure(args, &plugin, args.size)?;
    rows_of_drawing(args.size, &figures);
    handing_over(args, &plugin)?;
    let large = drawing::measure_apart(args, &path, args.large)?;
    rows_of_drawing(args.large, &large);
    if let Some((before, peak)) = large.before_kib.zip(large.peak_kib) {
        let mib = |kib: u64| format!("{:.0} MiB", kib as f64 / 1024.0);
        let what = format!("most memory, {}x{}, own process", args.large.width, args.large.height);
        let ratio = peak as f64 / before.max(1) as f64;
        let peer = "the host with its pictures before";
        println!("{what:<44} {:>12} {:>12} {ratio:>8.2}  {peer}", mib(peak), mib(before));
    }
    println!("load of the last minute {}", load_average());
    match (none, loaded, before, after) {
        (Some(none), Some(loaded), Some(before), Some(after)) => {
            before_the_first_render(&Idle { none, loaded, instance: [before, after] });
        }
        _ => println!("\nmemory, threads and open files are told on Linux only"),
    }
    Ok(())
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
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

fn rows_of_drawing(size: Size, figures: &Figures) {
    let Size { width, height } = size;
    let peer = "mixing both keys, one core";
    let what = format!("first in-between, {width}x{height} float");
    row(&what, figures.first, figures.dissolve, peer);
    let what = format!("further position, {width}x{height} float");
    row(&what, figures.further, figures.dissolve, peer);
    for (of, took, wall) in figures.processor.into_iter().flat_map(|[first, further]| {
        [("first", first, figures.first), ("further", further, figures.further)]
    }) {
        row(&format!("  processor time of the {of}, all threads"), took, wall, "the time above");
    }
}

fn load(args: &BenchArgs, binary: &Arc<Binary>) -> Result<Arc<Plugin>> {
    let host = Host::new(Profile::find("natron").context("the profile natron exists")?);
    let plugin = Plugin::new(binary, Some(&args.id), &host)?;
    plugin.start()?;
    for context in plugin.contexts() {
        plugin.context(&context)?;
    }
    Ok(plugin)
}

fn loading(args: &BenchArgs, path: &Path) -> Result<Arc<Plugin>> {
    let started = Instant::now();
    let binary = Binary::open(path)?;
    let opened = started.elapsed();
    let plugin = load(args, &binary)?;
    let peer = "opening the file alone (dlopen)";
    row("open, load, describe in all contexts", started.elapsed(), opened, peer);
    Ok(plugin)
}

/// Delivers a drawn frame that is requested again.
fn handing_over(args: &BenchArgs, plugin: &Arc<Plugin>) -> Result<()> {
    let instance = drawing::instance(args, plugin, args.size, 0)?;
    drawing::timed(&instance, 500.0)?;
    let (mut again, mut copies) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        again.push(drawing::timed(&instance, 500.0)?);
        copies.push(memcpy(frame_bytes(args.size)));
    }
    let peer = "memcpy of the frame's bytes";
    let (again, copy) = (drawing::median(again), drawing::median(copies));
    row("finished frame handed over again", again, copy, peer);
    Ok(())
}

/// What the plug-in costs a host before the first render: memory, threads, open files.
struct Idle {
    none: Process,
    loaded: Process,
    /// Before and after an instance was created.
    instance: [Process; 2],
}

fn before_the_first_render(idle: &Idle) {
    println!(
        "\n{:<44} {:>12} {:>12} {:>12}",
        "before the first render", "no plug-in", "described", "instance"
    );
    let line = |what: &str, value: fn(&Process) -> u64, unit: &str| {
        let cell = |value: u64| format!("{value} {unit}");
        // The host's own pictures do not count as the plug-in's memory.
        let [before, after] = idle.instance.each_ref().map(value);
        let made = value(&idle.loaded) + after.saturating_sub(before);
        let cells = [value(&idle.none), value(&idle.loaded), made].map(cell);
        println!("{what:<44} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2]);
    };
    line("resident memory", |process| process.resident_kib, "KiB");
    line("threads", |process| process.threads, "");
    line("open files", |process| process.files, "");
}

/// Shortest time, over several runs, to copy that many bytes between two warm buffers.
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

/// What the system reports about this process.
#[derive(Clone, Copy)]
struct Process {
    resident_kib: u64,
    /// The peak of resident memory.
    peak_kib: u64,
    threads: u64,
    files: u64,
    /// Processor time so far, in steps of 10 ms.
    processor: Duration,
}

impl Process {
    fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
        // The folder being read here counts as an open file itself.
        let files = u64::try_from(files).ok()?.saturating_sub(1);
        let resident_kib = field("VmRSS:")?;
        // Some kernels do not report the peak.
        let peak_kib = field("VmHWM:").unwrap_or(resident_kib);
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name in parentheses may contain blanks.
        let after = stat.rsplit_once(')')?.1;
        let ticks = after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok());
        let processor = Duration::from_millis(10 * ticks.sum::<u64>());
        Some(Self { resident_kib, peak_kib, threads: field("Threads:")?, files, processor })
    }
}
