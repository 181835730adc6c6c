//! Draws every in-between that a test set asks for: `draw_set DIR OUT [draft|high]
//! [dis|hypotheses|matcher] [FILE]`.
//!
//! `DIR/manifest.json` lists items with the file names of the two keys (`i0`, `i1`), the position
//! (`t`) and the name of the picture to write (`pred`). An item may also name the drawings before
//! and after the keys (`before`, `after`) and their positions (`before_at`, below 0, and
//! `after_at`, above 1; -1 and 2 by default). The quality is standard unless another is named.
//! `FILE` holds weights to use in place of the engine's own.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use common::of_image;
use inbetween_core::picture::Picture;
use inbetween_core::{Control, Engine, Frame, Job, Quality, Settings};
use inbetween_flow::{FlowEngine, Start};
use serde::Deserialize;

#[derive(Deserialize)]
struct Manifest {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    i0: String,
    i1: String,
    pred: String,
    t: f64,
    before: Option<String>,
    before_at: Option<f64>,
    after: Option<String>,
    after_at: Option<f64>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, out, rest @ ..] = args.as_slice() else {
        bail!("usage: draw_set DIR OUT [draft|high] [dis|hypotheses|matcher] [FILE]");
    };
    let (dir, out) = (Path::new(dir), Path::new(out));
    let (mut settings, mut start, mut weights) = (Settings::default(), None, None);
    for arg in rest {
        match arg.as_str() {
            "draft" => settings.quality = Quality::Draft,
            "high" => settings.quality = Quality::High,
            "dis" => start = Some(Start::Dis),
            "hypotheses" => start = Some(Start::Hypotheses),
            "matcher" => start = Some(Start::Matcher),
            file => {
                let what = || format!("{file}: no quality, no start flow, and no weights");
                weights = Some(std::fs::read(file).with_context(what)?);
            }
        }
    }
    let text = std::fs::read_to_string(dir.join("manifest.json")).context("manifest.json")?;
    let manifest: Manifest = serde_json::from_str(&text).context("manifest.json")?;
    std::fs::create_dir_all(out)?;
    let engine = match (&weights, start) {
        (Some(weights), start) => FlowEngine::with_weights(weights, start)?,
        (None, Some(start)) => FlowEngine::with_start(start)?,
        (None, None) => FlowEngine::new()?,
    };
    let begin = Instant::now();
    for item in &manifest.items {
        let (first, last) = (read(&dir.join(&item.i0))?, read(&dir.join(&item.i1))?);
        let beside = |name: &Option<String>, at: f64| -> Result<Option<(f64, Picture)>> {
            let Some(name) = name else { return Ok(None) };
            Ok(Some((at, Arc::new(read(&dir.join(name))?).into())))
        };
        let neighbours = [
            beside(&item.before, item.before_at.unwrap_or(-1.0))?,
            beside(&item.after, item.after_at.unwrap_or(2.0))?,
        ];
        let keys = (Arc::new(first), Arc::new(last));
        let job = Job::between(keys.0, keys.1, item.t, settings.clone()).beside(neighbours);
        let drawn = engine.draw(&job, &Control::default())?;
        if drawn.cut {
            println!("{}: cut", item.pred);
        }
        write(&drawn.frame, &out.join(&item.pred))?;
    }
    println!("{} in-betweens in {:.2} s", manifest.items.len(), begin.elapsed().as_secs_f64());
    Ok(())
}

fn read(path: &Path) -> Result<Frame> {
    let picture = image::open(path).with_context(|| path.display().to_string())?;
    Ok(of_image(&picture, None))
}

/// Writes RGB, or straight RGBA if anything is transparent.
fn write(frame: &Frame, path: &Path) -> Result<()> {
    let opaque = frame.pixels().iter().all(|p| p[3] >= 1.0);
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let straight = |&[r, g, b, a]: &[f32; 4]| {
        let under = a.max(1e-6);
        [byte(r / under), byte(g / under), byte(b / under), byte(a)]
    };
    let bytes = frame.pixels().iter().flat_map(straight).collect();
    let (w, h) = (frame.width() as u32, frame.height() as u32);
    let picture = image::RgbaImage::from_raw(w, h, bytes).context("picture size")?;
    let picture = image::DynamicImage::from(picture);
    let picture = if opaque { picture.into_rgb8().into() } else { picture };
    picture.save(path).with_context(|| path.display().to_string())
}
