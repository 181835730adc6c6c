//! Draws the samples with and without a sketch of the true pose, and prints how near the lines of the
//! in-between come to the sketch's and how like the truth it is: `sketch_set [SAMPLES [OUT [WIDTH]]]`.
//!
//! Three kinds of sketches: all dark lines of the truth (`traced`), those shaken with a third left out
//! (`rough`), and the sample's own (`drawn`). With OUT the pictures are written there.

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
    println!(
        "{:<20} {:<6} | lines px: without, with | SSIM: without, with",
        "pair and position", "sketch"
    );
    let mut all: Vec<(&str, [f32; 4])> = Vec::new();
    let mut names: Vec<PathBuf> = std::fs::read_dir(samples)
        .with_context(|| samples.to_owned())?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("key_a.png").is_file())
        .collect();
    names.sort();
    for folder in names {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let open = |file: &str| read(&folder.join(file), width);
        let mut poses = vec![open("key_a.png")];
        poses.extend((1..8).map(|n| open(&format!("inbetween_{n}.png"))));
        poses.push(open("key_b.png"));
        for (a, n, b) in PAIRS {
            let (first, last, truth) = (&poses[a], &poses[b], &poses[n]);
            let at = (n - a) as f64 / (b - a) as f64;
            let plain = draw(&engine, &job(first, last, at, &[]))?;
            let mut sketches =
                vec![("traced", traced(truth, 0.0, 0.0)), ("rough", traced(truth, 0.33, 0.9))];
            if n == 4 && folder.join("sketch.png").is_file() {
                sketches.push(("drawn", coverage(&open("sketch.png"))));
            }
            for (kind, sketch) in &sketches {
                let guided = draw(&engine, &job(first, last, at, &[(at, sketch)]))?;
                let [d0, d1] = [&plain, &guided].map(|f| line_distance(sketch, f));
                let [s0, s1] = [&plain, &guided].map(|f| ssim(f, truth));
                let id = format!("{name}_{a}_{n}_{b}");
                println!("{id:<20} {kind:<6} | {d0:7.2} {d1:7.2}         | {s0:.4} {s1:.4}");
                all.push((kind, [d0, d1, s0, s1]));
                if let Some(out) = &out {
                    write(&guided, &out.join(format!("{id}_{kind}.png")))?;
                    write(&plain, &out.join(format!("{id}_plain.png")))?;
                }
            }
        }
    }
    for kind in ["traced", "rough", "drawn", ""] {
        let rows: Vec<&[f32; 4]> =
            all.iter().filter(|r| kind.is_empty() || r.0 == kind).map(|r| &r.1).collect();
        let [d0, d1, s0, s1] =
            [0, 1, 2, 3].map(|k| rows.iter().map(|r| r[k]).sum::<f32>() / rows.len() as f32);
        let name = if kind.is_empty() { "all" } else { kind };
        println!("{name:<20} {:>6} | {d0:7.2} {d1:7.2}         | {s0:.4} {s1:.4}", rows.len());
    }
    Ok(())
}

/// First key, sketched pose and last key, in eighths of the way.
const PAIRS: [(usize, usize, usize); 7] =
    [(0, 4, 8), (0, 2, 4), (4, 6, 8), (0, 1, 2), (2, 3, 4), (4, 5, 6), (6, 7, 8)];

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
        .flat_map(|p| {
            [0, 1, 2].map(|c| ((p[c] + 1.0 - p[3]).clamp(0.0, 1.0) * 255.0).round() as u8)
        })
        .collect();
    let picture = image::RgbImage::from_raw(frame.width() as u32, frame.height() as u32, bytes);
    picture.context("picture size")?.save(path).with_context(|| path.display().to_string())
}
