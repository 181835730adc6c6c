//! Draws the samples with and without a sketch of the true pose, and prints how near the lines of the
//! in-between come to the sketch's and how like the truth it is: `sketch_set [SAMPLES [OUT [WIDTH]]]`.
//!
//! Three kinds of sketches: the sample's own (`drawn`), all dark lines of the truth (`traced`), and those
//! shaken with a third left out (`rough`). With OUT the pictures are written there.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{coverage, job, line_distance, read, ssim, traced};
use inbetween_core::{Control, Engine, Frame, Job};
use inbetween_flow::FlowEngine;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let samples = args.first().map_or("resources/samples", String::as_str);
    let out = args.get(1).map(PathBuf::from);
    let width = args.get(2).map(|w| w.parse()).transpose().context("WIDTH is no number")?;
    let engine = FlowEngine::new()?;
    println!("sample  sketch  at   | lines px: without, with | SSIM: without, with");
    let mut all: Vec<[f32; 4]> = Vec::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(samples)
        .with_context(|| samples.to_owned())?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("key_a.png").is_file())
        .collect();
    names.sort();
    for folder in names {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let open = |file: &str| read(&folder.join(file), width);
        let (first, last) = (open("key_a.png"), open("key_b.png"));
        let truths: Vec<Frame> = (1..8).map(|n| open(&format!("inbetween_{n}.png"))).collect();
        let plain: Vec<Frame> =
            (1..8).map(|n| draw(&engine, &job(&first, &last, place(n), &[]))).collect::<Result<_>>()?;
        let mut row = |kind: &str, n: usize, sketches: &[(f64, &Frame)]| -> Result<()> {
            let guided = draw(&engine, &job(&first, &last, place(n), sketches))?;
            let own = sketches.iter().find(|s| s.0 == place(n)).map(|s| s.1);
            let measure = |frame: &Frame| {
                let away = own.map_or(f32::NAN, |s| line_distance(s, frame));
                (away, ssim(frame, &truths[n - 1]))
            };
            let ((d0, s0), (d1, s1)) = (measure(&plain[n - 1]), measure(&guided));
            println!("{name:<7} {kind:<7} {n}/8  | {d0:7.2} {d1:7.2}         | {s0:.4} {s1:.4}");
            if own.is_some() {
                all.push([d0, d1, s0, s1]);
            }
            if let Some(out) = &out {
                write(&guided, &out.join(format!("{name}_{kind}_{n}.png")))?;
                write(&plain[n - 1], &out.join(format!("{name}_plain_{n}.png")))?;
            }
            Ok(())
        };
        if folder.join("sketch.png").is_file() {
            let drawn = coverage(&open("sketch.png"));
            for n in [4, 2, 6] {
                row("drawn", n, &[(0.5, &drawn)])?;
            }
        }
        let line = |n: usize, dropped| traced(&truths[n - 1], dropped);
        row("traced", 4, &[(0.5, &line(4, 0.0))])?;
        row("rough", 4, &[(0.5, &line(4, 0.33))])?;
        let several = [2, 4, 6].map(|n| (place(n), line(n, 0.33)));
        let several: Vec<(f64, &Frame)> = several.iter().map(|(at, s)| (*at, s)).collect();
        for n in [2, 6, 3] {
            row("several", n, &several)?;
        }
    }
    let mean = |k: usize| all.iter().map(|r| r[k]).sum::<f32>() / all.len() as f32;
    println!(
        "all {} where a sketch lies: lines {:.2} px without, {:.2} with; SSIM {:.4} without, {:.4} with",
        all.len(),
        mean(0),
        mean(1),
        mean(2),
        mean(3)
    );
    Ok(())
}

fn place(n: usize) -> f64 {
    n as f64 / 8.0
}

fn draw(engine: &FlowEngine, job: &Job) -> Result<Frame> {
    Ok(engine.draw(job, &Control::default())?.frame)
}

fn write(frame: &Frame, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let bytes = frame
        .pixels()
        .iter()
        .flat_map(|p| [0, 1, 2].map(|c| ((p[c] + 1.0 - p[3]).clamp(0.0, 1.0) * 255.0).round() as u8))
        .collect();
    let picture = image::RgbImage::from_raw(frame.width() as u32, frame.height() as u32, bytes);
    picture.context("picture size")?.save(path).with_context(|| path.display().to_string())
}
