//! Draws the sample pictures of this project: two keys, seven true in-betweens and, for some, a
//! sketch of the middle pose.
//!
//! `cargo run --release -p draw-samples` draws all of them again into `resources/samples`;
//! `-- walk jump --out DIR` draws some of them elsewhere. Every picture is a posed rig, so the
//! in-betweens are true ones: joints turn, bodies fly along arcs.

mod curve;
mod face;
mod figure;
mod manifest;
mod render;
mod samples;
mod sheet;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rayon::prelude::*;

use crate::manifest::{INBETWEENS, Manifest, position};
use crate::render::Pixels;
use crate::samples::{ALL, Sample};
use crate::sheet::Medium;

#[derive(Parser)]
#[command(about = "Draws the sample keys, in-betweens and sketches")]
struct Options {
    /// Samples to draw; without a name, all of them
    samples: Vec<String>,
    /// Folder that receives one folder per sample, and manifest.json when all are drawn
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
    out: PathBuf,
    /// The effect's icon: an SVG that is rendered to a PNG of the same name when all samples are drawn
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../org.inbetween.AIInbetween.svg"))]
    icon: PathBuf,
}

/// A picture of a sample.
struct Picture {
    name: String,
    t: f64,
    medium: Medium,
    keep_svg: bool,
}

fn pictures(sample: &Sample) -> Vec<Picture> {
    let paint = |name: String, t, keep_svg| Picture { name, t, medium: Medium::Paint, keep_svg };
    let mut all = vec![paint("key_a".into(), 0.0, true), paint("key_b".into(), 1.0, true)];
    all.extend((1..=INBETWEENS).map(|n| paint(format!("inbetween_{n}"), position(n), false)));
    if sample.has_sketch {
        all.push(Picture { name: "sketch".into(), t: 0.5, medium: Medium::Sketch, keep_svg: true });
    }
    all
}

fn draw(sample: &Sample, picture: &Picture, folder: &Path) -> Result<()> {
    let sheet = (sample.draw)(picture.t, picture.medium);
    let svg = sheet.finish(&format!("{} {}", sample.name, picture.name));
    if picture.keep_svg {
        let path = folder.join(&picture.name).with_extension("svg");
        fs::write(&path, &svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let pixels = if picture.medium == Medium::Sketch { Pixels::Grey } else { sample.pixels };
    render::save(&render::render(&svg, pixels)?, &folder.join(&picture.name).with_extension("png"))
}

/// Hosts read the icon as a PNG of at least 128 by 128 pixels, or as the SVG itself.
fn icon(svg: &Path) -> Result<()> {
    let drawing =
        fs::read_to_string(svg).with_context(|| format!("cannot read {}", svg.display()))?;
    render::save(&render::render(&drawing, Pixels::Rgba)?, &svg.with_extension("png"))
}

/// The names of all samples.
pub fn names() -> [&'static str; ALL.len()] {
    ALL.map(|sample| sample.name)
}

/// The moment `t` of a sample in colour, where 0 is its first key and 1 its last. Every moment in
/// between is as true as the keys.
///
/// # Errors
/// When there is no such sample, or it cannot be rendered.
pub fn moment(name: &str, t: f64) -> Result<image::DynamicImage> {
    let sample = sample(name)?;
    render::render(&(sample.draw)(t, Medium::Paint).finish(name), sample.pixels)
}

/// The main contours of the moment `t` as pencil lines, dark on white.
///
/// # Errors
/// See [`moment`].
pub fn sketch(name: &str, t: f64) -> Result<image::DynamicImage> {
    render::render(&(sample(name)?.draw)(t, Medium::Sketch).finish(name), Pixels::Grey)
}

fn sample(name: &str) -> Result<&'static Sample> {
    let found = ALL.iter().find(|sample| sample.name == name);
    found.with_context(|| format!("there is no sample {name}; there are {}", names().join(", ")))
}

/// Draws what the command line asks for.
///
/// # Errors
/// When a name is unknown or a file cannot be written.
pub fn run() -> Result<()> {
    let options = Options::parse();
    for name in &options.samples {
        if !ALL.iter().any(|s| s.name == name) {
            bail!("there is no sample {name}; there are {}", ALL.map(|s| s.name).join(", "));
        }
    }
    let wanted =
        |s: &&Sample| options.samples.is_empty() || options.samples.iter().any(|n| n == s.name);
    for sample in ALL.iter().filter(wanted) {
        let folder = options.out.join(sample.name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        pictures(sample).par_iter().try_for_each(|p| draw(sample, p, &folder))?;
        println!("{:<6} {}", sample.name, sample.about);
    }
    if options.samples.is_empty() {
        icon(&options.icon)?;
        let items = ALL.iter().flat_map(manifest::items).collect();
        let text = serde_json::to_string_pretty(&Manifest { split: "samples", items })?;
        fs::write(options.out.join("manifest.json"), text + "\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn every_moment_is_drawn_with_the_same_strokes() {
        for sample in &ALL {
            let count = |t| (sample.draw)(t, Medium::Paint).marks().len();
            let first = count(0.0);
            assert!(first > 100, "{} is hardly drawn", sample.name);
            for n in 1..=INBETWEENS + 1 {
                assert_eq!(count(position(n)), first, "{} at {}", sample.name, position(n));
            }
        }
    }

    #[test]
    fn strokes_move_steadily_from_key_to_key() {
        for sample in &ALL {
            let marks = |t| (sample.draw)(t, Medium::Paint).marks().to_vec();
            let (a, middle, b) = (marks(0.0), marks(0.5), marks(1.0));
            let way = |p: &[kurbo::Point], q: &[kurbo::Point]| -> f64 {
                p.iter().zip(q).map(|(p, q)| (*p - *q).hypot()).sum()
            };
            let (whole, first, second) = (way(&a, &b), way(&a, &middle), way(&middle, &b));
            assert!(whole > 500.0, "{} does not move", sample.name);
            assert!(first < 0.75 * (first + second), "{} jumps early", sample.name);
            assert!(second < 0.75 * (first + second), "{} jumps late", sample.name);
        }
    }

    /// The stored pictures must be those that this program draws. Redraw after a change: `cargo run
    /// --release -p draw-samples`.
    #[test]
    fn kept_pictures_are_up_to_date() {
        for sample in &ALL {
            for picture in pictures(sample).iter().filter(|p| p.keep_svg) {
                let path = kept().join(sample.name).join(&picture.name).with_extension("png");
                let kept = image::open(&path).expect("a kept picture opens").into_rgba8();
                let svg = (sample.draw)(picture.t, picture.medium).finish("");
                let drawn = render::render(&svg, sample.pixels).unwrap().into_rgba8();
                assert_eq!(kept.dimensions(), drawn.dimensions(), "{}", path.display());
                let off: f64 = kept
                    .as_raw()
                    .iter()
                    .zip(drawn.as_raw())
                    .map(|(a, b)| f64::from(a.abs_diff(*b)))
                    .sum();
                // Sines are rounded slightly differently on different machines.
                assert!(
                    off / (kept.as_raw().len() as f64) < 0.05,
                    "{} is out of date",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn the_manifest_names_files_that_exist() {
        let text = fs::read_to_string(kept().join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let items = manifest["items"].as_array().unwrap();
        assert_eq!(items.len(), ALL.len() * 13);
        for item in items {
            for field in ["i0", "i1", "gt"] {
                let path = kept().join(item[field].as_str().unwrap());
                assert!(path.is_file(), "{} is missing", path.display());
            }
        }
    }
}
