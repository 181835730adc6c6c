//! `doctor`: what works and what does not on this machine, with advice on each line.

mod hosts;
mod plugin;
mod records;

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use inbetween_core::cache::CacheConfig;
use inbetween_core::remote::{RemoteConfig, RemoteEngine, own_programs};
use inbetween_core::settings::SolverChoice;
use inbetween_core::{Control, Engine as _, Error, Frame, Job, Settings, program};
use inbetween_flow::FlowEngine;
use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::device::{fastest_dtype, gpu, name};
use inbetween_tooncrafter::memory::{self, MemoryKind, RunSize};
use inbetween_tooncrafter::pipeline::{Drawing, FRAMES, Pipeline};
use inbetween_tooncrafter::speed::Speed;
use inbetween_tooncrafter::time_plan::{TimePlan, in_words};
use inbetween_tooncrafter::weights::Weights;
use inbetween_tooncrafter::weights::layout::{ModelConfig, Part};
use serde_json::json;

use crate::cli::Doctor;
use crate::failure::{Failure, Kind, Result};
use crate::models::{bytes, print_json};
use crate::stdio::outln;
use crate::{cache, render};

/// The verdict on one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// Nothing can be drawn, or not with what was requested.
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line: the item, its state, and what to do if something is wrong.
struct Finding {
    what: &'static str,
    verdict: Verdict,
    found: String,
    advice: &'static str,
    /// The kind of failure for scripts, the same as in commands that need this item.
    kind: Kind,
}

pub(crate) fn run(arguments: &Doctor) -> Result<()> {
    let mut findings = vec![flow(), processor(), device(), driver()];
    findings.extend(model(arguments.checkpoint.as_deref())?);
    findings.extend([cache_folder(), worker(), video()]);
    findings.extend(plugin::look());
    findings.extend(hosts::look());
    if arguments.json {
        let lines: Vec<_> = findings
            .iter()
            .map(|f| json!({"what": f.what, "state": f.verdict.word(), "found": f.found, "advice": f.advice}))
            .collect();
        print_json(&lines);
    } else {
        for finding in &findings {
            outln!("{:4} {:12} {}", finding.verdict.word(), finding.what, finding.found);
            if finding.verdict != Verdict::Ok {
                outln!("                  {}", finding.advice);
            }
        }
    }
    let failed: Vec<_> =
        findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    if let Some(first) = failed.first() {
        return Err(Failure::new(
            first.kind,
            format!(
                "{} of {} things keep AI In-between from drawing.",
                failed.len(),
                findings.len()
            ),
        ));
    }
    if !arguments.json {
        outln!("{}", summary(&findings));
    }
    Ok(())
}

/// The last line, for readers who want to know only whether anything is wrong.
fn summary(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.verdict == Verdict::Warn).count() {
        0 => "AI In-between draws here.".into(),
        1 => "AI In-between draws here. The line that begins with warn says what could be better."
            .into(),
        n => format!(
            "AI In-between draws here. The {n} lines that begin with warn say what could be better."
        ),
    }
}

/// Draws a small in-between with the embedded engine.
fn flow() -> Finding {
    let draw = || -> std::result::Result<(), Error> {
        let key = |shift: usize| {
            let line =
                |at: usize| if (20 + shift..24 + shift).contains(&(at % 64)) { 0.0 } else { 1.0 };
            let pixels = (0..64 * 64).map(|at| [line(at), line(at), line(at), 1.0]).collect();
            Frame::from_pixels(64, 64, pixels).map(Arc::new)
        };
        let job = Job::between(key(0)?, key(6)?, 0.5, Settings::default());
        FlowEngine::new()?.draw(&job, &Control::default()).map(|_| ())
    };
    let (verdict, found) = match draw() {
        Ok(()) => (Verdict::Ok, "draws; it needs nothing else".to_owned()),
        Err(error) => (Verdict::Fail, error.user_message()),
    };
    Finding {
        what: "Flow",
        verdict,
        found,
        advice: "Install the whole bundle of this machine's system again.",
        kind: Kind::Engine,
    }
}

/// ffmpeg and ffprobe, which video files need.
fn video() -> Finding {
    let version = |program: &str| {
        let said = program::command(program).arg("-version").output().ok()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        Some(text.lines().next()?.split(" Copyright").next()?.to_owned())
    };
    let (verdict, found) = match (version("ffmpeg"), version("ffprobe")) {
        (Some(version), Some(_)) => (Verdict::Ok, version),
        _ => (Verdict::Warn, "ffmpeg or ffprobe was not found".to_owned()),
    };
    let advice = "Only video files need it; folders of pictures do not. Debian, Ubuntu: apt install ffmpeg; macOS: brew \
                  install ffmpeg; Windows: winget install ffmpeg.";
    Finding { what: "video", verdict, found, advice, kind: Kind::Engine }
}

fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let slow = cores < 4;
    Finding {
        what: "processor",
        verdict: if slow { Verdict::Warn } else { Verdict::Ok },
        found: format!("{cores} cores, {}", std::env::consts::ARCH),
        advice: "Flow draws well on it; ToonCrafter takes very long without a GPU.",
        kind: Kind::Engine,
    }
}

fn device() -> Finding {
    let (verdict, found) = match gpu() {
        Ok(device) => (Verdict::Ok, format!("ToonCrafter can use {}", name(&device))),
        Err(why) => (Verdict::Warn, format!("no GPU: {why}")),
    };
    // On a Mac the same program has Metal.
    let own = own_programs().filter(|_| cfg!(not(target_os = "macos")));
    let own = own.map(|dir| {
        format!("; the program inbetween-cuda, if there is one, lies in {}", dir.display())
    });
    let found = found + &own.unwrap_or_default();
    let advice = if cfg!(target_os = "macos") {
        "ToonCrafter runs on the CPU, many times slower."
    } else {
        "ToonCrafter runs on the CPU, many times slower. For an NVIDIA GPU install its driver and the download \
         inbetween-cuda."
    };
    Finding { what: "device", verdict, found, advice, kind: Kind::Engine }
}

/// NVIDIA's driver, if this is a machine that needs it.
fn driver() -> Finding {
    let version = std::fs::read_to_string("/proc/driver/nvidia/version").ok();
    let version = version.and_then(|text| text.lines().next().map(str::to_owned));
    let (verdict, found) = match version {
        Some(version) => (Verdict::Ok, version),
        None if has_nvidia_card(Path::new("/sys/bus/pci/devices")) => {
            (Verdict::Warn, "there is an NVIDIA card, and its driver is not loaded".into())
        }
        None if cfg!(target_os = "linux") => {
            (Verdict::Ok, "none is needed: there is no NVIDIA card".into())
        }
        None => (Verdict::Ok, "not looked at on this system".into()),
    };
    let advice = "Install NVIDIA's driver and restart; until then ToonCrafter runs on the CPU.";
    Finding { what: "driver", verdict, found, advice, kind: Kind::Engine }
}

/// Whether one of the devices in Linux' folder of them is a display controller by NVIDIA.
fn has_nvidia_card(devices: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(devices) else { return false };
    entries.flatten().any(|entry| {
        let begins = |name: &str, with: &str| {
            std::fs::read_to_string(entry.path().join(name))
                .is_ok_and(|text| text.starts_with(with))
        };
        begins("vendor", "0x10de") && begins("class", "0x03")
    })
}

/// Model files, and whether they fit into memory.
fn model(named: Option<&Path>) -> Result<Vec<Finding>> {
    let path = match named {
        Some(path) => Some(path.to_owned()),
        None => render::downloaded("model.ckpt")?,
    };
    // Flow needs no model, so a missing model is a failure only if it was requested.
    let unfit = if named.is_some() { Verdict::Fail } else { Verdict::Warn };
    let Some(path) = path else {
        return Ok(vec![Finding {
            what: "model",
            verdict: unfit,
            found: "no checkpoint is there".into(),
            advice: "Flow draws without. For ToonCrafter fetch it with `inbetween models download`, or name one with --checkpoint.",
            kind: Kind::File,
        }]);
    };
    let weights = match Weights::open([&path]) {
        Ok(weights) => weights,
        Err(error) => {
            return Ok(vec![Finding {
                what: "model",
                verdict: unfit,
                found: error.user_message(),
                advice: "Fetch it with `inbetween models download`, or name another with --checkpoint.",
                kind: Failure::from(error).kind,
            }]);
        }
    };
    let lacking: Vec<&str> =
        Part::MAIN.into_iter().filter(|part| !weights.has(*part)).map(Part::label).collect();
    let whole = lacking.is_empty();
    let found = if whole {
        path.display().to_string()
    } else {
        format!("{} lacks {}", path.display(), lacking.join(", "))
    };
    let model = Finding {
        what: "model",
        verdict: if whole { Verdict::Ok } else { unfit },
        found,
        advice: "Choose the whole checkpoint; `inbetween models verify` reports what each file lacks.",
        kind: Kind::Unfit,
    };
    // What Precision: Automatic takes on the processor.
    let dtype = fastest_dtype(MemoryKind::Cpu);
    let pipeline = Pipeline::with_config(
        weights,
        ModelConfig::default(),
        SketchConfig::default(),
        Device::Cpu,
        dtype,
    );
    let size = RunSize { frames: FRAMES, height: 320, width: 512 };
    let plan = pipeline.plan(size, false);
    let available = memory::available();
    let needed = bytes(plan.peak() as usize);
    let found = match available {
        Some(available) => {
            format!("{} free, {needed} needed on the CPU", bytes(available as usize))
        }
        None => format!("{needed} needed on the CPU; how much is free is not known here"),
    };
    let memory = Finding {
        what: "memory",
        verdict: if plan.fits() { Verdict::Ok } else { unfit },
        found,
        advice: "Close other programs, choose Precision: bf16, or draw on another machine.",
        kind: Kind::Engine,
    };
    Ok(vec![model, memory, time(size, dtype)])
}

/// How long an in-between with the default settings computes here.
fn time(size: RunSize, dtype: DType) -> Finding {
    let device = gpu().unwrap_or(Device::Cpu);
    let place = MemoryKind::of(&device);
    let dtype = if device.is_cpu() { dtype } else { fastest_dtype(place) };
    let where_to = name(&device);
    let measured = Tensor::zeros((1, 3, size.height, size.width), DType::F32, &Device::Cpu)
        .map(|key| Drawing::new(key.clone(), key))
        .and_then(|drawing| Ok((drawing, Speed::measure(&device, dtype)?)));
    let (verdict, found) = match measured {
        Ok((mut drawing, speed)) => {
            let plan = |drawing: &Drawing| in_words(TimePlan::new(drawing, size, &speed).total());
            let published = drawing.steps;
            let whole = plan(&drawing);
            drawing.steps = SolverChoice::UniPc.steps() as usize;
            let few = plan(&drawing);
            let found = format!(
                "about {few} for {} frames in {} steps, {whole} in {published}, on {where_to} in {dtype:?}",
                size.frames, drawing.steps
            );
            (Verdict::Ok, found)
        }
        Err(error) => (Verdict::Warn, format!("{where_to} cannot be measured: {error}")),
    };
    Finding { what: "time", verdict, found, advice: "Choose another Device.", kind: Kind::Engine }
}

fn cache_folder() -> Finding {
    const WHAT: &str = "cache";
    let advice = "Frames are drawn again each time. Name a folder that can be written to in \
                  INBETWEEN_CACHE_DIR.";
    let (dir, limit, cache) = match cache::open(None) {
        Ok(opened) => opened,
        Err(failure) => {
            let (verdict, found, kind) = (Verdict::Warn, failure.message, failure.kind);
            return Finding { what: WHAT, verdict, found, advice, kind };
        }
    };
    let writable = std::fs::create_dir_all(&dir)
        .and_then(|()| tempfile::Builder::new().prefix(".writing-").tempfile_in(&dir));
    match (writable, cache.list()) {
        (Ok(_), Ok(kept)) => {
            let total: u64 = kept.iter().map(|kept| kept.bytes).sum();
            let (total, limit) = (bytes(total as usize), bytes(limit as usize));
            let found = format!("{total} of {limit} in {}", dir.display());
            Finding { what: WHAT, verdict: Verdict::Ok, found, advice, kind: Kind::File }
        }
        (Err(error), _) | (_, Err(error)) => {
            let found = format!("{} cannot be used: {error}", dir.display());
            Finding { what: WHAT, verdict: Verdict::Warn, found, advice, kind: Kind::File }
        }
    }
}

fn worker() -> Finding {
    let config = RemoteConfig::new(CacheConfig::from_environment(), String::new());
    let (verdict, found) = match RemoteEngine::new(config).status() {
        Ok(None) => (Verdict::Ok, "none runs; it is started when it is needed".to_owned()),
        Ok(Some(status)) => {
            let held = status.about.model.unwrap_or_else(|| "no model loaded".into());
            (Verdict::Ok, format!("process {}, {held}; log: {}", status.pid, status.log.display()))
        }
        Err(error) => (Verdict::Warn, error.user_message()),
    };
    Finding {
        what: "worker",
        verdict,
        found,
        advice: "End the process `inbetween serve`; it is started again.",
        kind: Kind::Engine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_one_by_nvidia_that_displays() {
        let folder = tempfile::tempdir().unwrap();
        let device = |name: &str, vendor: &str, class: &str| {
            let dir = folder.path().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("vendor"), vendor).unwrap();
            std::fs::write(dir.join("class"), class).unwrap();
        };
        device("0000:00:02.0", "0x8086\n", "0x030000\n");
        device("0000:01:00.1", "0x10de\n", "0x040300\n");
        assert!(!has_nvidia_card(folder.path()));
        device("0000:01:00.0", "0x10de\n", "0x030000\n");
        assert!(has_nvidia_card(folder.path()));
        assert!(!has_nvidia_card(&folder.path().join("absent")));
    }

    #[test]
    fn the_summary_counts_what_could_be_better() {
        let finding = |verdict| Finding {
            what: "thing",
            verdict,
            found: String::new(),
            advice: "",
            kind: Kind::Engine,
        };
        let (ok, warn) = (|| finding(Verdict::Ok), || finding(Verdict::Warn));
        assert_eq!(summary(&[ok()]), "AI In-between draws here.");
        assert!(summary(&[ok(), warn()]).contains("The line that"));
        assert!(summary(&[warn(), ok(), warn()]).contains("The 2 lines"));
    }
}
