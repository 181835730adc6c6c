//! Sketches pull drawings onto their lines.
//!
//! `key_matching`: searches each line of the sketch in both keys at once, with several candidates:
//! moved by the unguided motion, at rest, nearby, and where a turned and shifted figure would be.
//! The colours beside the lines and the neighbours decide between them.
//!
//! `figure`: what the sketch moves in a key is whatever its lines enclose there. Such a figure
//! moves as rigidly as its lines allow, and separately from the ground.
//!
//! `compositing`: lays the figures over the engine's own drawing and clears the ground where they
//! were in the keys. The key that meets the sketch better is shown.
//!
//! `fitting`: the engine draws each candidate (figures laid over everything, figures laid only over
//! what does not fit already, or no change). The candidate whose lines are clearly nearest to the
//! sketch without adding others wins. A final, small fit makes the lines meet exactly.
//!
//! The displacement due to sketches is a path over the span: zero at both keys, and each sketch's
//! pose at its position.

mod agreement;
mod candidate_fusion;
mod chamfer;
mod compositing;
mod correspondence;
mod dense_displacement;
mod figure;
mod fitting;
mod influence;
mod key_lines;
mod key_matching;
mod line_points;
mod mls_warp;
mod pose_candidates;
mod propagation;
mod relaxation;

use std::sync::Arc;

use inbetween_core::{Bilinear, Control, Error, Job};

pub(crate) use self::chamfer::ChamferIndex;
use self::compositing::{Preference, WarpedKeys};
use self::correspondence::thinned;
use self::fitting::Sketch;
pub(crate) use self::influence::shares;
use self::key_lines::KeyLines;
use self::line_points::of_sketch;
pub(crate) use self::line_points::{Point as LinePoint, of_picture};
use crate::map::{Map, warp};
use crate::pair::KeyPair;
use crate::stage::Stage;

/// Strength from which lines are followed completely.
const FULL: f32 = 0.6;
/// Guide samples per step of the grids of displacements.
const STEP: usize = 4;
/// Part of the span next to each key in which sketches have no effect. No in-between is drawn
/// closer to a key than this.
pub(crate) const EDGE: f32 = 1e-4;

/// The effect of a job's sketches on its pair of keys.
pub(crate) struct Guidance {
    /// Positions of the sketches, ascending.
    at: Vec<f32>,
    bends: Vec<SketchWarp>,
}

/// The effect of one sketch at its own position.
#[derive(Clone)]
struct SketchWarp {
    /// What is laid over the decoder's drawing.
    over: Option<Arc<FigureLayer>>,
    /// From where the in-between takes each place, in guide samples: `[2, h / 4, w / 4]`.
    rest: Map,
}

/// The figures that a sketch moves.
#[derive(Clone)]
struct FigureLayer {
    /// For each key, where its samples are in the sketch and in the other key, in guide samples,
    /// and whether the sketch moves them (0 or 1): `[5, h / 2, w / 2]`.
    ways: [Map; 2],
    /// How much better the first key's lines meet the sketch, in guide samples: `[1, h / 4, w /
    /// 4]`.
    prefer: Map,
    /// Where the engine's own drawing already agrees with the sketch, 0..=1: `[1, h / 4, w / 4]`.
    /// `None` if everything is laid anew.
    fits: Option<Map>,
}

/// How closely the sketches of `job` are followed, 0..=1.
pub(crate) fn strength(job: &Job) -> f32 {
    job.request.settings.sketch_strength as f32
}

/// Whether `job` has sketches that take effect at its position.
pub(crate) fn is_guided(job: &Job) -> bool {
    let sketched = job.request.sketches.iter().any(|s| inside(s.position as f32));
    sketched && strength(job) > 0.0 && inside(job.request.position as f32)
}

/// The lines of a sketch and its position.
pub(crate) struct SketchedPose {
    pub(crate) at: f32,
    pub(crate) lines: Vec<LinePoint>,
}

/// What the sketches of `job` show, in order of their positions, in guides of `[height, width]`
/// samples.
pub(crate) fn sketched_poses(job: &Job, [height, width]: [usize; 2]) -> Vec<SketchedPose> {
    let place = |n: usize| job.request.sketches[n].position as f32;
    // A sketch at a key could only ask for what is there anyway.
    let mut order: Vec<usize> = (0..job.sketches.len()).filter(|&n| inside(place(n))).collect();
    order.sort_by(|&a, &b| place(a).total_cmp(&place(b)));
    // Of two sketches for the same moment, the first one counts.
    order.dedup_by(|b, a| (place(*b) - place(*a)).abs() < 1e-6);
    let lines = |n: usize| of_sketch(&job.sketches[n], height, width);
    order.into_iter().map(|n| SketchedPose { at: place(n), lines: lines(n) }).collect()
}

/// Share of the way to the lines to take at `strength`, 0..=1.
pub(crate) fn share(strength: f32) -> f32 {
    (strength / FULL).clamp(0.0, 1.0)
}

/// Whether `t` is far enough from both keys that neither is shown itself.
fn inside(t: f32) -> bool {
    t > EDGE && t < 1.0 - EDGE
}

impl Guidance {
    /// Computes the effect of the sketches of `job`, and its size in bytes. `draw` gives the motion
    /// and mask at a position before [`Self::finish`]; `settle` turns them into what is shown.
    pub(crate) fn of(
        job: &Job,
        pair: &KeyPair,
        shape: [usize; 2],
        draw: impl Fn(f32) -> Map,
        settle: impl Fn(&mut Map, f32) + Sync,
        control: &Control,
    ) -> Result<(Self, usize), Error> {
        let strength = strength(job);
        let keys = [0, 1].map(|k| KeyLines::of(&pair.guides[k], shape));
        let (mut at, mut bends) = (Vec::new(), Vec::new());
        for pose in sketched_poses(job, shape) {
            control.check()?;
            let stage = Stage::begin("sketch");
            at.push(pose.at);
            let drawn = thinned(&pose.lines);
            let sketch = Sketch { pair, shape, keys: &keys, drawn, at: pose.at, strength };
            bends.push(sketch.bend(&draw, &settle, control)?);
            stage.end();
        }
        let maps = bends.iter().filter_map(|b| b.over.as_ref());
        let maps = maps.flat_map(|o| o.ways.iter().chain([&o.prefer]).chain(&o.fits));
        let bytes = maps.chain(bends.iter().map(|b| &b.rest)).map(Map::byte_len).sum();
        let guidance = Self { at, bends };
        Ok((guidance, bytes))
    }

    /// Moves the decoder's result for `t` onto the lines.
    pub(crate) fn finish(&self, motion: &mut Map, guides: &[Map; 2], t: f32) {
        let shares = shares(&self.at, t);
        if self.bends.iter().any(|b| b.over.is_some()) {
            let pushed = [0, 1].map(|k| self.pushed(k, t, &shares));
            let pair = WarpedKeys::of(pushed, motion.h, motion.w);
            let told = |x: f32, y: f32, [u, v]: [f32; 2]| {
                let mut told = Preference::default();
                for ((bend, share), at) in self.bends.iter().zip(&shares).zip(&self.at) {
                    if let Some(over) = &bend.over {
                        let there = grid(x + (at - t) * u, y + (at - t) * v, &over.prefer);
                        told.prefer += share * there.of(&over.prefer.v);
                        if let Some(fits) = &over.fits {
                            told.fits += share * there.of(&fits.v);
                        }
                    }
                }
                told
            };
            pair.lay(motion, guides, told, t);
        }
        let (h, w, area) = (motion.h, motion.w, motion.area());
        let mut by = Map::new(2, h, w);
        for ((bend, share), at) in self.bends.iter().zip(&shares).zip(&self.at) {
            if share.abs() < 1e-4 {
                continue;
            }
            let rest = &bend.rest;
            for i in 0..area {
                let [u, v] = [0, 1].map(|c| motion.v[(2 + c) * area + i] - motion.v[c * area + i]);
                let (x, y) = ((i % w) as f32 + (at - t) * u, (i / w) as f32 + (at - t) * v);
                let there = grid(x, y, rest);
                by.v[i] += share * there.of(rest.plane(0));
                by.v[area + i] += share * there.of(rest.plane(1));
            }
        }
        *motion = taken(motion, &by);
    }

    /// Where the samples of key `k` are at `t`, and how far sketches determine it.
    fn pushed(&self, k: usize, t: f32, shares: &[f32]) -> Map {
        let part = |at: f32| if k == 0 { at } else { 1.0 - at };
        let fine: Vec<(&Map, f32, f32)> = (self.bends.iter().zip(shares).zip(&self.at))
            .filter_map(|((b, share), at)| b.over.as_ref().map(|o| (&o.ways[k], *share, part(*at))))
            .collect();
        let size = fine[0].0;
        let (area, now) = (size.area(), part(t));
        let mut out = Map::new(3, size.h, size.w);
        for i in 0..area {
            // Where the sketches send the sample by the end of the span.
            let (mut total, mut most, mut end) = (1e-6f32, 0.0f32, [0.0f32; 2]);
            for (map, ..) in &fine {
                let sure = map.v[4 * area + i] + 1e-6;
                end = [0, 1].map(|c| end[c] + sure * map.v[(2 + c) * area + i]);
                total += sure;
                most = most.max(map.v[4 * area + i]);
            }
            for c in 0..2 {
                let end = end[c] / total;
                let bent: f32 = (fine.iter())
                    .map(|(map, share, part)| share * (map.v[c * area + i] - part * end))
                    .sum();
                out.v[c * area + i] = now * end + bent;
            }
            out.v[2 * area + i] = most;
        }
        out
    }
}

/// The place of guide sample (`x`, `y`) in a grid of displacements.
fn grid(x: f32, y: f32, map: &Map) -> Bilinear {
    let cell = |v: f32| (v + 0.5) / STEP as f32 - 0.5;
    Bilinear::at(cell(x), cell(y), map.h, map.w)
}

/// Motion and mask `[5, h, w]` resampled at a displacement of `by` (`[2, h, w]`).
fn taken(motion: &Map, by: &Map) -> Map {
    let mut out = warp(motion, by, 0);
    let area = motion.area();
    for c in 0..4 {
        let (to, by) = (&mut out.v[c * area..(c + 1) * area], by.plane(c % 2));
        to.iter_mut().zip(by).for_each(|(t, b)| *t += b);
    }
    out
}
