//! Measures how closely sketches are followed where the true pose is known. Draws spans of the
//! samples with and without sketches, and prints how near the in-between's lines are to the
//! sketch's lines and how similar the picture is to the true one.
//!
//! `sketch_set [--only PART] [--out DIR] [--scenes DIR] [--eased]`
//!
//! Sketches: pencil contours of the true pose (`clean`), the same drawn by a trembling hand with
//! thick and thin lines and a third left out (`rough`), only their left part (`part`), and all dark
//! lines of the true picture (`traced`). `--eased` uses other poses than those halfway. `--scenes`
//! takes folders with `key_a.png`, `key_b.png`, `truth.png` (halfway) and perhaps `sketch.png`
//! (`own`); without one, the sketch is `traced`. `--out` writes for each drawing the truth, the sketch, and the in-between
//! without and with it, side by side.
//!
//! Columns: mean distance in pixels from the sketch's lines to the nearest line of the picture,
//! without and with the sketch; the same for the true lines; SSIM with the truth, without and with
//! the sketch.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::{coverage, job, line_distance, of_image, read, rough, ssim, traced};
use inbetween_core::{Control, Engine, Frame};
use inbetween_flow::FlowEngine;

/// First key, sketched poses and last key, in eighths of the way.
const SPANS: [(usize, &[usize], usize); 4] =
    [(0, &[4], 8), (0, &[2], 4), (4, &[6], 8), (0, &[2, 6], 8)];
const KINDS: [&str; 4] = ["clean", "rough", "part", "traced"];
/// A sketch that comes with its scene.
const OWN: &str = "own";

#[derive(Default)]
struct Options {
    only: String,
    out: Option<PathBuf>,
    scenes: Option<PathBuf>,
    eased: bool,
}

/// A pair of keys and the poses between them, all sketched in the same way.
struct Item {
    name: String,
    kind: &'static str,
    keys: [Frame; 2],
    poses: Vec<Pose>,
}

/// A pose: its position, the truth, what the sketch shows, and all true lines.
struct Pose {
    at: f64,
    truth: Frame,
    sketch: Frame,
    lines: Frame,
}

struct Row {
    kind: &'static str,
    group: String,
    values: [f32; 6],
}

fn main() -> Result<()> {
    env_logger::init();
    let options = options()?;
    let engine = FlowEngine::new()?;
    println!("{:<16} {:<6} |   sketch px   |   lines px    | SSIM", "span @ position", "sketch");
    let mut rows = Vec::new();
    if let Some(scenes) = &options.scenes {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(scenes)
            .with_context(|| scenes.display().to_string())?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.join("key_a.png").is_file())
            .collect();
        folders.sort();
        for folder in folders {
            judge(&engine, &options, &scene(&folder), &mut rows)?;
        }
    } else {
        for name in draw_samples::names() {
            for span in SPANS {
                for kind in KINDS {
                    if format!("{name}_{}_{}_{kind}", span.0, span.2).contains(&options.only) {
                        let item = sample(name, span, kind, options.eased)?;
                        judge(&engine, &options, &item, &mut rows)?;
                    }
                }
            }
        }
    }
    println!();
    let mut groups: Vec<&str> = rows.iter().map(|r| r.group.as_str()).collect();
    groups.dedup();
    for name in KINDS.iter().copied().chain([OWN]).chain(groups).chain([""]) {
        let some: Vec<&Row> =
            rows.iter().filter(|r| name.is_empty() || r.kind == name || r.group == name).collect();
        if !some.is_empty() {
            let means = [0, 1, 2, 3, 4, 5]
                .map(|k| some.iter().map(|r| r.values[k]).sum::<f32>() / some.len() as f32);
            let name = if name.is_empty() { "all" } else { name };
            show(name, &some.len().to_string(), means);
        }
    }
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--only" => options.only = value()?,
            "--out" => options.out = Some(value()?.into()),
            "--scenes" => options.scenes = Some(value()?.into()),
            "--eased" => options.eased = true,
            other => bail!("unknown option {other}"),
        }
    }
    Ok(options)
}

/// A span of a sample, drawn by the sample's own generator.
fn sample(
    name: &str,
    (a, poses, b): (usize, &[usize], usize),
    kind: &'static str,
    eased: bool,
) -> Result<Item> {
    let frame =
        |n: f64| Ok::<_, anyhow::Error>(of_image(&draw_samples::moment(name, n / 8.0)?, None));
    let mut sketched = Vec::new();
    for &n in poses {
        let at = (n - a) as f64 / (b - a) as f64;
        // For example, a third of the way where the even pose would be half of it.
        let share = if eased { at * (0.34 + 0.66 * at) } else { at };
        let moment = a as f64 + share * (b - a) as f64;
        let truth = frame(moment)?;
        let pencil = of_image(&draw_samples::sketch(name, moment / 8.0)?, None);
        let lines = coverage(&pencil);
        let sketch = match kind {
            "clean" => lines.clone(),
            "rough" => rough(&lines, 0.33, 2.0),
            "part" => left(&lines),
            _ => traced(&truth, 0.0, 0.0),
        };
        sketched.push(Pose { at, truth, sketch, lines });
    }
    let eased = if eased { "e" } else { "" };
    Ok(Item {
        name: format!("{name}_{a}_{b}{eased}"),
        kind,
        keys: [frame(a as f64)?, frame(b as f64)?],
        poses: sketched,
    })
}

fn scene(folder: &Path) -> Item {
    let open = |file: &str| read(&folder.join(file), None);
    let truth = open("truth.png");
    let lines = traced(&truth, 0.0, 0.0);
    let own = folder.join("sketch.png");
    let (kind, sketch) = match own.is_file() {
        true => (OWN, coverage(&open("sketch.png"))),
        false => ("traced", lines.clone()),
    };
    Item {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        kind,
        keys: [open("key_a.png"), open("key_b.png")],
        poses: vec![Pose { at: 0.5, truth, sketch, lines }],
    }
}

/// The left 45 % of the sketch's own width.
fn left(sketch: &Frame) -> Frame {
    let (w, h) = (sketch.width(), sketch.height());
    let drawn = |x: usize| (0..h).any(|y| sketch.row(y)[x][3] > 0.5);
    let first = (0..w).find(|&x| drawn(x)).unwrap_or(0);
    let last = (0..w).rev().find(|&x| drawn(x)).unwrap_or(w);
    let end = first + (last - first) * 45 / 100;
    let mut out = sketch.clone();
    out.pixels_mut().chunks_mut(w).for_each(|row| row[end..].fill([0.0; 4]));
    out
}

fn judge(engine: &FlowEngine, options: &Options, item: &Item, rows: &mut Vec<Row>) -> Result<()> {
    let [first, last] = &item.keys;
    let sketches: Vec<(f64, &Frame)> = item.poses.iter().map(|p| (p.at, &p.sketch)).collect();
    for Pose { at, truth, sketch, lines } in &item.poses {
        let draw = |sketches: &[(f64, &Frame)]| -> Result<Frame> {
            Ok(engine.draw(&job(first, last, *at, sketches), &Control::default())?.frame)
        };
        let (plain, guided) = (draw(&[])?, draw(&sketches)?);
        let both = |f: &dyn Fn(&Frame) -> f32| [f(&plain), f(&guided)];
        let [d0, d1] = both(&|f| line_distance(sketch, f));
        let [l0, l1] = both(&|f| line_distance(lines, f));
        let [s0, s1] = both(&|f| ssim(f, truth));
        let name = format!("{}@{:.0}", item.name, at * 100.0);
        show(&name, item.kind, [d0, d1, l0, l1, s0, s1]);
        if let Some(out) = &options.out {
            let path = out.join(format!("{name}_{}.png", item.kind));
            write([truth, sketch, &plain, &guided], &path)?;
        }
        let group = item.name.split('_').next().unwrap_or_default().to_owned();
        rows.push(Row { kind: item.kind, group, values: [d0, d1, l0, l1, s0, s1] });
    }
    Ok(())
}

fn show(name: &str, kind: &str, [d0, d1, l0, l1, s0, s1]: [f32; 6]) {
    let worse = if d1 > 0.5 * d0 { '-' } else { '+' };
    let less = if s1 < s0 { '-' } else { '+' };
    println!(
        "{name:<16} {kind:<6} | {d0:6.2} {d1:6.2}{worse}| {l0:6.2} {l1:6.2} | {s0:.4} {s1:.4} {less}"
    );
}

/// Pictures side by side over white, with sketches as they would be seen.
fn write(frames: [&Frame; 4], path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let (w, h) = (frames[0].width(), frames[0].height());
    let mut sheet = image::RgbImage::new(4 * w as u32, h as u32);
    for (k, frame) in frames.into_iter().enumerate() {
        for (i, p) in frame.pixels().iter().enumerate() {
            let shown = if k == 1 { [0.0, 0.0, 0.0, p[3]] } else { *p };
            let byte =
                |c: usize| ((shown[c] + 1.0 - shown[3]).clamp(0.0, 1.0) * 255.0).round() as u8;
            sheet.put_pixel(
                (k * w + i % w) as u32,
                (i / w) as u32,
                image::Rgb([0, 1, 2].map(byte)),
            );
        }
    }
    image::imageops::resize(
        &sheet,
        1920,
        (1920 * h / (4 * w)) as u32,
        image::imageops::FilterType::Triangle,
    )
    .save(path)
    .with_context(|| path.display().to_string())
}
