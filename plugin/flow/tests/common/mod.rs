//! Makes jobs from picture files, and measures how near a sketched in-between comes to its sketch
//! and to the truth.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]
#![allow(dead_code, reason = "each user takes its part")]

pub(crate) mod ball;
pub(crate) mod noise;
pub(crate) mod walker;

use std::path::Path;
use std::sync::Arc;

use image::DynamicImage;
use image::imageops::FilterType;
use inbetween_core::{ContentHash, Control, Engine, Frame, Job, Request, Settings, SketchRef};
use inbetween_flow::FlowEngine;

/// A picture file as a frame, enlarged or reduced to `width`.
pub(crate) fn read(path: &Path, width: Option<u32>) -> Frame {
    let picture = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    of_image(&picture, width)
}

/// A picture as a frame, enlarged or reduced to `width`.
pub(crate) fn of_image(picture: &DynamicImage, width: Option<u32>) -> Frame {
    let picture = match width {
        None => picture.to_rgba8(),
        Some(w) => picture.resize(w, u32::MAX, FilterType::Triangle).to_rgba8(),
    };
    let pixels = picture
        .pixels()
        .map(|p| {
            let [r, g, b, a] = p.0.map(|v| f32::from(v) / 255.0);
            [r * a, g * a, b * a, a]
        })
        .collect();
    Frame::from_pixels(picture.width() as usize, picture.height() as usize, pixels).unwrap()
}

/// A picture with a given colour at each place; each pixel is the mean of 3 x 3 samples.
pub(crate) fn painted(w: usize, h: usize, colour: impl Fn(f32, f32) -> [f32; 4]) -> Frame {
    let mut pixels = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let mut sum = [0.0f32; 4];
            for k in 0..9 {
                let at = |v: usize, k: usize| v as f32 + (k as f32 - 1.0) / 3.0;
                let p = colour(at(x, k % 3), at(y, k / 3));
                (0..4).for_each(|c| sum[c] += p[c] / 9.0);
            }
            pixels.push(sum);
        }
    }
    Frame::from_pixels(w, h, pixels).unwrap()
}

/// Lightness 0..=1 over white.
pub(crate) fn grey(frame: &Frame) -> Vec<f32> {
    let over = |p: &[f32; 4]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2] + 1.0 - p[3];
    frame.pixels().iter().map(|p| over(p).clamp(0.0, 1.0)).collect()
}

/// Dark lines on white in the form that engines receive: coverage in every channel.
pub(crate) fn coverage(drawing: &Frame) -> Frame {
    let pixels = grey(drawing).into_iter().map(|v| [1.0 - v; 4]).collect();
    Frame::from_pixels(drawing.width(), drawing.height(), pixels).unwrap()
}

/// A sketch traced from a picture: its dark lines, shaken by `shaken` pixels, with a share of them
/// left out.
pub(crate) fn traced(picture: &Frame, dropped: f32, shaken: f32) -> Frame {
    let (w, h) = (picture.width(), picture.height());
    let light = grey(picture);
    let (fine, coarse) = (blur(&light, w, 0.9), blur(&light, w, 2.0));
    let line = |i: usize| [((coarse[i] - fine[i]) * 14.0).clamp(0.0, 1.0); 4];
    let all = Frame::from_pixels(w, h, (0..w * h).map(line).collect()).unwrap();
    if dropped == 0.0 && shaken == 0.0 { all } else { shaky(&all, dropped, shaken, false) }
}

/// Lines as drawn by a trembling hand: shaken by `shaken` pixels, thick and thin, with a share of
/// them left out.
pub(crate) fn rough(lines: &Frame, dropped: f32, shaken: f32) -> Frame {
    shaky(lines, dropped, shaken, true)
}

fn shaky(lines: &Frame, dropped: f32, shaken: f32, varied: bool) -> Frame {
    let (w, h) = (lines.width(), lines.height());
    let piece = (w / 14).max(8);
    let dice = |x: usize, y: usize| {
        let mut n = (x as u32).wrapping_mul(0x9e37_79b9) ^ (y as u32).wrapping_mul(0x85eb_ca6b);
        n = (n ^ (n >> 15)).wrapping_mul(0x2c1b_3c6d);
        (n ^ (n >> 12)) as f32 / u32::MAX as f32
    };
    let mut out = Frame::transparent(w, h).unwrap();
    for (i, pixel) in out.pixels_mut().iter_mut().enumerate() {
        let (x, y) = (i % w, i / w);
        if dice(x / piece, y / piece) < dropped {
            continue;
        }
        let shake =
            |a: f32, b: f32| (shaken * (a * x as f32 + b * y as f32).sin()).round() as isize;
        let sx = (x as isize + shake(0.05, 0.09)).clamp(0, w as isize - 1) as usize;
        let sy = (y as isize + shake(0.08, -0.04)).clamp(0, h as isize - 1) as usize;
        let thick = if varied { (3.0 * dice(7 + x / piece, 3 + y / piece)) as usize } else { 0 };
        let cover = |y: usize| {
            let row = &lines.row(y)[sx.saturating_sub(thick)..(sx + thick + 1).min(w)];
            row.iter().map(|p| p[3]).fold(0.0, f32::max)
        };
        let rows = sy.saturating_sub(thick)..(sy + thick + 1).min(h);
        *pixel = [rows.map(cover).fold(0.0, f32::max); 4];
    }
    out
}

pub(crate) fn hash(frame: &Frame) -> ContentHash {
    let bytes: Vec<u8> = frame.pixels().iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    ContentHash::of(&bytes)
}

/// The in-between at `t`, without sketches.
pub(crate) fn draw(engine: &FlowEngine, first: &Frame, last: &Frame, t: f64) -> Frame {
    engine.draw(&job(first, last, t, &[]), &Control::default()).unwrap().frame
}

/// A job for the in-between at `position`, with sketches at their positions.
pub(crate) fn job(first: &Frame, last: &Frame, position: f64, sketches: &[(f64, &Frame)]) -> Job {
    let refs = sketches.iter().map(|(at, s)| SketchRef { position: *at, picture: hash(s) });
    Job {
        request: Request {
            first: hash(first),
            last: hash(last),
            sketches: refs.collect(),
            pins: Vec::new(),
            neighbours: [None, None],
            position,
            settings: Settings::default(),
        },
        first: Arc::new(first.clone()),
        last: Arc::new(last.clone()),
        sketches: sketches.iter().map(|(_, s)| Arc::new((*s).clone())).collect(),
        neighbours: [None, None],
    }
}

/// Mean distance of the sketch's lines from the nearest line of the picture, in pixels.
pub(crate) fn line_distance(sketch: &Frame, picture: &Frame) -> f32 {
    let (w, h) = (picture.width(), picture.height());
    let light = grey(picture);
    let (fine, coarse) = (blur(&light, w, 0.9), blur(&light, w, 2.0));
    let mut away: Vec<f32> = fine
        .iter()
        .zip(&coarse)
        .map(|(f, c)| if (f - c).abs() > 0.022 { 0.0 } else { f32::INFINITY })
        .collect();
    for (dy, dx) in [(-1isize, -1isize), (1, 1)] {
        for j in 0..h {
            let y = if dy < 0 { j } else { h - 1 - j } as isize;
            for i in 0..w {
                let x = if dx < 0 { i } else { w - 1 - i } as isize;
                let near = [(0, dx, 1.0), (dy, 0, 1.0), (dy, dx, 1.414), (dy, -dx, 1.414)];
                for (ny, nx, cost) in near {
                    let (ny, nx) = (y + ny, x + nx);
                    if ny >= 0 && nx >= 0 && ny < h as isize && nx < w as isize {
                        let from = away[ny as usize * w + nx as usize] + cost;
                        let to = &mut away[y as usize * w + x as usize];
                        *to = to.min(from);
                    }
                }
            }
        }
    }
    let (mut sum, mut n) = (0.0, 0.0);
    for (p, away) in sketch.pixels().iter().zip(&away) {
        if p[3] > 0.5 {
            sum += away;
            n += 1.0;
        }
    }
    sum / n
}

/// Structural similarity (windows of 7 x 7) of what two frames show over white.
pub(crate) fn ssim(a: &Frame, b: &Frame) -> f32 {
    let (w, h) = (a.width(), a.height());
    let channel = |f: &Frame, c: usize| -> Vec<f32> {
        f.pixels().iter().map(|p| (p[c] + 1.0 - p[3]).clamp(0.0, 1.0)).collect()
    };
    let (mut sum, mut n) = (0.0f64, 0.0f64);
    for c in 0..3 {
        let (p, q) = (channel(a, c), channel(b, c));
        let product =
            |p: &[f32], q: &[f32]| -> Vec<f32> { p.iter().zip(q).map(|(a, b)| a * b).collect() };
        let [p, q, pp, qq, pq] =
            [&p, &q, &product(&p, &p), &product(&q, &q), &product(&p, &q)].map(|m| window(m, w, h));
        for ((((p, q), pp), qq), pq) in p.iter().zip(&q).zip(&pp).zip(&qq).zip(&pq) {
            let (vp, vq, cov) = (pp - p * p, qq - q * q, pq - p * q);
            let (c1, c2) = (1e-4, 9e-4);
            sum += f64::from(
                (2.0 * p * q + c1) * (2.0 * cov + c2) / ((p * p + q * q + c1) * (vp + vq + c2)),
            );
            n += 1.0;
        }
    }
    (sum / n) as f32
}

/// Means over all whole windows of 7 x 7.
fn window(v: &[f32], w: usize, h: usize) -> Vec<f32> {
    let mut across = vec![0.0; (w - 6) * h];
    for y in 0..h {
        for x in 0..w - 6 {
            across[y * (w - 6) + x] = v[y * w + x..y * w + x + 7].iter().sum::<f32>() / 7.0;
        }
    }
    let w = w - 6;
    let mut out = vec![0.0; w * (h - 6)];
    for y in 0..h - 6 {
        for x in 0..w {
            out[y * w + x] = (0..7).map(|k| across[(y + k) * w + x]).sum::<f32>() / 7.0;
        }
    }
    out
}

/// Gaussian blur, edges repeated.
fn blur(v: &[f32], w: usize, sigma: f32) -> Vec<f32> {
    let h = v.len() / w;
    let r = (4.0 * sigma).round() as isize;
    let kernel: Vec<f32> =
        (-r..=r).map(|i| (-(i * i) as f32 / (2.0 * sigma * sigma)).exp()).collect();
    let total: f32 = kernel.iter().sum();
    let pass = |from: &[f32], down: bool| -> Vec<f32> {
        (0..w * h)
            .map(|i| {
                let (x, y) = ((i % w) as isize, (i / w) as isize);
                let at = |k: isize| {
                    let (x, y) = if down { (x, y + k) } else { (x + k, y) };
                    let (x, y) = (x.clamp(0, w as isize - 1), y.clamp(0, h as isize - 1));
                    from[y as usize * w + x as usize]
                };
                kernel.iter().zip(-r..).map(|(weight, k)| weight * at(k)).sum::<f32>() / total
            })
            .collect()
    };
    pass(&pass(v, false), true)
}
