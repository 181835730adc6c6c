//! Compares retimed drawings on twos with the true frames and with ffmpeg's minterpolate.
//!
//! The samples of this project are rendered as clips at 24 frames a second with twelve drawings a
//! second, each held for two frames, and retimed to 24 drawings (on ones) and to 60. Because the
//! samples are vector animation, the true frame of every moment is known. minterpolate gets the
//! twelve drawings with the holds removed, which it could not have found by itself, and the best of
//! all ways to align its frames with the truth is used. Without a SAMPLE, the exposure analysis is
//! then run on a film of all samples with grain, weave and compression.
//!
//! `cargo run --release -p inbetween-worker --example retime_proof [-- SAMPLE …]`

mod worn;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use inbetween_core::exposure::Analyser;
use inbetween_core::retime::{FrameMap, OutputFrame, Rate, Strength};
use inbetween_core::settings::list::MotionPath;
use inbetween_core::{Control, Encoding, Engine, Frame, Job, Settings};
use inbetween_flow::FlowEngine;

/// Number of drawings in a clip; the first and the last are the ends of a sample's movement.
const DRAWINGS: usize = 7;

/// Number of frames for which each drawing is held.
const EXPOSURE: usize = 2;

/// Rate of the held clip, and rate of its drawings.
const CLIP: u32 = 24;
const DRAWN: u32 = 12;

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let engine = FlowEngine::new()?;
    let has_ffmpeg =
        Command::new("ffmpeg").arg("-version").output().is_ok_and(|done| done.status.success());
    if !has_ffmpeg {
        println!("ffmpeg is not installed: minterpolate is left out");
    }
    for target in [24, 60] {
        println!("\ntwelve drawings a second on twos, retimed to {target}");
        println!(
            "{:<8} {:>9} {:>9} {:>14} {:>8} {:>9}",
            "sample", "Flow", "straight", "minterpolate", "repeats", "drawings"
        );
        let (mut ours, mut straight, mut theirs, mut count) = (0.0, 0.0, 0.0, 0);
        for name in draw_samples::names() {
            if !asked.is_empty() && !asked.iter().any(|other| other == name) {
                continue;
            }
            let drawings = (0..DRAWINGS).map(|n| truth(name, n as f64 / (DRAWINGS - 1) as f64));
            let drawings = drawings.collect::<Result<Vec<_>>>()?;
            let (frames, found) = retimed(&engine, &drawings, target, MotionPath::Smooth)?;
            let (even, _) = retimed(&engine, &drawings, target, MotionPath::Straight)?;
            let wanted = frames.len();
            let truths = (0..wanted).map(|n| {
                truth(name, n as f64 * f64::from(DRAWN) / f64::from(target) / (DRAWINGS - 1) as f64)
            });
            let truths = truths.collect::<Result<Vec<_>>>()?;
            let error = mean_error(&frames, &truths);
            let even = mean_error(&even, &truths);
            let repeats = repeats(&frames, &truths);
            let peer =
                if has_ffmpeg { Some(minterpolated(&drawings, target, &truths)?) } else { None };
            let shown = peer.map_or("-".into(), |peer| format!("{peer:.3}"));
            println!(
                "{name:<8} {error:>9.3} {even:>9.3} {shown:>14} {repeats:>8} {:>9}",
                format!("{found}/{DRAWINGS}")
            );
            (ours, straight) = (ours + error, straight + even);
            (theirs, count) = (theirs + peer.unwrap_or(0.0), count + 1);
        }
        let mean = |sum: f64| sum / f64::from(count);
        let shown = if has_ffmpeg { format!("{:.3}", mean(theirs)) } else { "-".into() };
        println!("{:<8} {:>9.3} {:>9.3} {shown:>14}", "mean", mean(ours), mean(straight));
    }
    println!(
        "\nMean absolute error of 255 over all frames up to the last drawing; straight: without the drawings beside each \
         span; repeats: frames that differ from the \
         one before by less than a fifth of what the true ones do; drawings: those found as they are held."
    );
    if asked.is_empty() { worn::print() } else { Ok(()) }
}

/// A moment of a sample over white paper, at half size.
fn truth(name: &str, t: f64) -> Result<RgbImage> {
    let picture = draw_samples::moment(name, t)?;
    let half =
        picture.resize_exact(picture.width() / 2, picture.height() / 2, FilterType::Triangle);
    let mut over_white = RgbImage::new(half.width(), half.height());
    for (to, from) in over_white.pixels_mut().zip(half.to_rgba8().pixels()) {
        let alpha = f32::from(from[3]) / 255.0;
        to.0 =
            [0, 1, 2].map(|c| (f32::from(from[c]) * alpha + 255.0 * (1.0 - alpha)).round() as u8);
    }
    Ok(over_white)
}

fn to_frame(picture: &RgbImage) -> Result<Frame> {
    let pixels =
        picture.pixels().map(|p| [p[0], p[1], p[2], 255].map(|value| f32::from(value) / 255.0));
    Ok(Frame::from_pixels(picture.width() as usize, picture.height() as usize, pixels.collect())?)
}

fn to_picture(frame: &Frame) -> RgbImage {
    let mut picture = RgbImage::new(frame.width() as u32, frame.height() as u32);
    for (to, from) in picture.pixels_mut().zip(frame.pixels()) {
        to.0 = [0, 1, 2].map(|c| (from[c].clamp(0.0, 1.0) * 255.0).round() as u8);
    }
    picture
}

/// The held clip at the target rate up to its last drawing, and the number of drawings that were
/// found.
fn retimed(
    engine: &FlowEngine,
    drawings: &[RgbImage],
    target: u32,
    motion_path: MotionPath,
) -> Result<(Vec<RgbImage>, usize)> {
    let clip = drawings.iter().flat_map(|drawing| std::iter::repeat_n(drawing, EXPOSURE));
    let clip: Vec<Arc<Frame>> =
        clip.map(|drawing| to_frame(drawing).map(Arc::new)).collect::<Result<_>>()?;
    let mut analyser = Analyser::new();
    clip.iter().for_each(|frame| analyser.push(frame, Encoding::Srgb));
    let sheet = analyser.finish();
    let map = FrameMap::new(&sheet, Rate::new(CLIP, 1)?, Rate::new(target, 1)?, Strength::ON_ONES);
    let last = (drawings.len() - 1) * target as usize / DRAWN as usize;
    let frame = |shown: OutputFrame| -> Result<RgbImage> {
        match shown {
            OutputFrame::Source { frame } => Ok(to_picture(&clip[usize::try_from(frame)?])),
            OutputFrame::InBetween { first, last, position } => {
                let beside = match motion_path {
                    MotionPath::Smooth => map.neighbours(first, last),
                    MotionPath::Straight => [None, None],
                };
                let of = |frame: i64| clip[frame as usize].clone();
                let beside =
                    beside.map(|beside| beside.map(|at| (at.position, of(at.frame).into())));
                let job = Job::between(of(first), of(last), position, Settings::default());
                let job = job.beside(beside);
                Ok(to_picture(&engine.draw(&job, &Control::default())?.frame))
            }
        }
    };
    let frames = map.output_frames().take(last + 1).map(frame).collect::<Result<_>>()?;
    let held = |n: usize| {
        sheet
            .drawing_at(n * EXPOSURE)
            .is_some_and(|d| (d.first, d.frames) == (n * EXPOSURE, EXPOSURE))
    };
    Ok((frames, (0..drawings.len()).filter(|n| held(*n)).count()))
}

/// Number of frames that stand still where the true ones move. Frames nearly equal to the previous
/// one count too.
fn repeats(frames: &[RgbImage], truths: &[RgbImage]) -> usize {
    let step = |pair: &[RgbImage]| mean_error(&pair[..1], &pair[1..]);
    let (steps, true_steps) = (frames.windows(2).map(step), truths.windows(2).map(step));
    steps.zip(true_steps).filter(|(step, truth)| *step < truth / 5.0).count()
}

/// Mean absolute error of the frames, of 255.
fn mean_error(frames: &[RgbImage], truths: &[RgbImage]) -> f64 {
    let error = |(frame, truth): (&RgbImage, &RgbImage)| {
        let sum: u64 =
            frame.as_raw().iter().zip(truth.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / truth.as_raw().len() as f64
    };
    frames.iter().zip(truths).map(error).sum::<f64>() / truths.len() as f64
}

/// The mean error of ffmpeg's minterpolate, given the drawings without holds.
fn minterpolated(drawings: &[RgbImage], target: u32, truths: &[RgbImage]) -> Result<f64> {
    let folder = tempfile::TempDir::new()?;
    // The filter needs frames before the first and after the last.
    let first = std::iter::repeat_n(&drawings[0], 2);
    let last = std::iter::repeat_n(&drawings[drawings.len() - 1], 2);
    let all = first.chain(&drawings[1..drawings.len() - 1]).chain(last);
    for (n, drawing) in all.enumerate() {
        drawing.save(folder.path().join(format!("in.{n:03}.png")))?;
    }
    let filter = format!(
        "minterpolate=fps={target}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
    );
    let done = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-framerate",
            &DRAWN.to_string(),
            "-start_number",
            "0",
            "-i",
            "in.%03d.png",
        ])
        .args(["-vf", &filter, "-start_number", "0", "out.%03d.png"])
        .current_dir(folder.path())
        .output()
        .context("ffmpeg")?;
    ensure!(done.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&done.stderr));
    let out = |n: usize| folder.path().join(format!("out.{n:03}.png"));
    let frames = (0..).map(out).take_while(|path| Path::exists(path));
    let frames = frames
        .map(|path| image::open(path).map(DynamicImage::into_rgb8))
        .collect::<Result<Vec<_>, _>>()?;
    let offsets = 0..(frames.len() + 1).saturating_sub(truths.len());
    let errors = offsets.map(|offset| mean_error(&frames[offset..offset + truths.len()], truths));
    errors
        .min_by(f64::total_cmp)
        .with_context(|| format!("minterpolate gave {} frames for {}", frames.len(), truths.len()))
}
