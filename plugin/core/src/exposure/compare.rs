//! Compares two frames: do they show the same drawing apart from noise and a shift, and do they
//! show the same scene?

use super::align::margins;
use super::lighting::aligned;
use super::signature::{COARSE, Grid, PLANES, Signature};

/// The limit between the same drawing and another one lies between these multiples of the noise.
pub(super) const LEAST_LIMIT: f32 = 8.0;

/// Side of a block in samples. Differences are judged block by block, so that a blink in one place
/// counts as much as a walk across the picture.
const BLOCK: usize = 4;

/// Number of blocks that a comparison keeps: those that differ most.
const KEPT: usize = 8;

/// Number of blocks that must differ for drawings to differ; a single block may be a speck of dust.
const DECIDING: usize = 3;

/// Least noise that is assumed, as a variance: rounding to 8 bits.
const LEAST_NOISE: f32 = 0.0015 * 0.0015;

/// Least and most play of edges, as a squared distance in samples: what weave leaves after
/// alignment, and what compression does beside lines. Beyond the most, lines have moved.
const LEAST_EDGE_NOISE: f32 = 0.02 * 0.02;
const MOST_EDGE_NOISE: f32 = 0.12 * 0.12;

/// Least play where the picture has moved by a fraction of a sample, because alignment undoes such
/// shifts only nearly.
const LEAST_EDGE_NOISE_SHIFTED: f32 = 0.05 * 0.05;

/// Most noise on flat ground, as a variance: that of the coarsest grain in a copy as small as a
/// signature. If the whole picture differs more than this, it is another picture.
const MOST_NOISE: f32 = 0.04 * 0.04;

/// Most noise that is attributed to a codec which updates single blocks, as a variance.
const MOST_BLOCK_NOISE: f32 = 0.01 * 0.01;

/// What a comparison of two frames found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// How far the second frame's picture has moved against the first's, in pixels of the frame:
    /// right, down.
    pub shift: [f32; 2],
    /// The noise found in this pair.
    pub(super) noise: Noise,
    /// For each of the blocks that differ most: the energy of the difference and that of the
    /// slopes. No more is kept, as there are some comparisons for each frame of a film.
    worst: Box<[[f32; 2]]>,
    /// Share of the second picture that is not found in the first: 0 for the same scene, about 1
    /// for another. It is computed only where the drawings differ.
    pub(super) novelty: f32,
}

/// The noise of a pair of frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// Variance of the difference on flat ground.
    pub(super) flat: f32,
    /// What edges add to it, per unit of squared slope.
    pub(super) edge: f32,
}

impl Noise {
    /// The noise limited to what is plausible in a clip with this `usual` noise.
    pub(super) fn within(self, usual: Self) -> Self {
        Self {
            flat: self.flat.min(2.0 * usual.flat.max(LEAST_NOISE)),
            edge: self.edge.min((2.0 * usual.edge).max(LEAST_EDGE_NOISE_SHIFTED)),
        }
    }
}

impl Comparison {
    /// Compares frames of the same size. Frames of different sizes count as different scenes.
    pub fn of(a: &Signature, b: &Signature) -> Self {
        if a.frame_size() != b.frame_size() {
            return Self::of_unrelated();
        }
        let (shift, lit) = aligned(a, b);
        let mut blocks = blocks(&a.fine, &b.fine, shift);
        if a.hides() || b.hides() {
            blocks = seen_blocks(blocks, a, b, shift);
        }
        let least = if a.is_field() || b.is_field() {
            // In alternate fields, an edge falls on different lines.
            MOST_EDGE_NOISE
        } else if shift[0].abs().max(shift[1].abs()) > 0.05 {
            LEAST_EDGE_NOISE_SHIFTED
        } else {
            LEAST_EDGE_NOISE
        };
        let noise = noise_of(&blocks, least);
        let worst = worst_of(blocks, noise);
        let mut comparison =
            Self { shift: shift.map(|part| part * a.factor as f32), noise, worst, novelty: 0.0 };
        if comparison.difference() > 0.5 * LEAST_LIMIT {
            // A change of light does not make another scene.
            let (a, b) = lit.as_ref().map_or((a, b), |(a, b)| (a, b));
            comparison.novelty = novelty(&a.coarse, &b.coarse, shift);
        }
        comparison
    }

    fn of_unrelated() -> Self {
        let noise = Noise { flat: LEAST_NOISE, edge: LEAST_EDGE_NOISE };
        Self { shift: [0.0; 2], noise, worst: [[1e3, 0.0]; KEPT].into(), novelty: 2.0 }
    }

    /// How much the drawings differ, in multiples of the noise of this pair: about 1 to 8 for the
    /// same drawing, tens to many thousands for another one.
    pub fn difference(&self) -> f32 {
        self.difference_over(self.noise)
    }

    /// The same in multiples of the given noise.
    pub(super) fn difference_over(&self, noise: Noise) -> f32 {
        let Noise { flat, edge } = noise;
        let mut ratios: Vec<f32> = self
            .worst
            .iter()
            .map(|[energy, slope]| {
                energy / (flat.max(LEAST_NOISE) + edge.max(LEAST_EDGE_NOISE) * slope)
            })
            .collect();
        ratios.sort_by(|a, b| b.total_cmp(a));
        ratios.truncate(DECIDING);
        ratios.iter().sum::<f32>() / ratios.len().max(1) as f32
    }
}

/// Energy of the difference and of the slopes for each block, after alignment.
fn blocks(a: &Grid, b: &Grid, shift: [f32; 2]) -> Vec<[f32; 2]> {
    let [margin_x, margin_y] = margins(shift);
    let (wide, high) = (
        a.width.saturating_sub(2 * margin_x) / BLOCK,
        a.height.saturating_sub(2 * margin_y) / BLOCK,
    );
    let (columns, rows) = (wide * BLOCK, high * BLOCK);
    let mut blocks = vec![[0.0_f32; 2]; wide * high];
    if blocks.is_empty() {
        return blocks;
    }
    let half = shift.map(|part| 0.5 * part);
    let share = 1.0 / (BLOCK * BLOCK) as f32;
    for plane in 0..PLANES {
        let mut moved = vec![0.0_f32; columns * rows];
        for y in 0..rows {
            for x in 0..columns {
                let (x_at, y_at) = ((x + margin_x) as f32, (y + margin_y) as f32);
                let from = a.between(plane, x_at - half[0], y_at - half[1]);
                let to = b.between(plane, x_at + half[0], y_at + half[1]);
                let rest = from - to;
                blocks[y / BLOCK * wide + x / BLOCK][0] += share * rest * rest;
                moved[y * columns + x] = 0.5 * (from + to);
            }
        }
        for y in 0..rows {
            for x in 0..columns {
                let at = |x: usize, y: usize| moved[y * columns + x];
                let (left, right) = (x.saturating_sub(1), (x + 1).min(columns - 1));
                let (above, below) = (y.saturating_sub(1), (y + 1).min(rows - 1));
                let slope_x = 0.5 * (at(right, y) - at(left, y));
                let slope_y = 0.5 * (at(x, below) - at(x, above));
                blocks[y / BLOCK * wide + x / BLOCK][1] +=
                    share * (slope_x * slope_x + slope_y * slope_y);
            }
        }
    }
    with_slopes_beside(&blocks, wide, high)
}

/// The blocks of which neither picture hides anything.
fn seen_blocks(
    blocks: Vec<[f32; 2]>,
    a: &Signature,
    b: &Signature,
    shift: [f32; 2],
) -> Vec<[f32; 2]> {
    let [margin_x, margin_y] = margins(shift);
    let wide = a.fine.width.saturating_sub(2 * margin_x) / BLOCK;
    let half = shift.map(|part| 0.5 * part);
    let is_seen = |at: &usize| {
        let (left, top) = (at % wide * BLOCK + margin_x, at / wide * BLOCK + margin_y);
        let mut places = (top..top + BLOCK).flat_map(|y| (left..left + BLOCK).map(move |x| (x, y)));
        !places.any(|(x, y)| {
            let (x, y) = (x as f32, y as f32);
            a.is_hidden(x - half[0], y - half[1]) || b.is_hidden(x + half[0], y + half[1])
        })
    };
    (0..blocks.len()).filter(is_seen).map(|at| blocks[at]).collect()
}

/// Compression spreads the noise of an edge over its surroundings.
fn with_slopes_beside(blocks: &[[f32; 2]], wide: usize, high: usize) -> Vec<[f32; 2]> {
    let slope_beside = |x: usize, y: usize| {
        let mut most = 0.0_f32;
        for y in y.saturating_sub(1)..(y + 2).min(high) {
            for block in &blocks[y * wide..][x.saturating_sub(1)..(x + 2).min(wide)] {
                most = most.max(block[1]);
            }
        }
        most
    };
    let with = |at: usize| {
        let [energy, slope] = blocks[at];
        [energy, slope.max(0.5 * slope_beside(at % wide, at / wide))]
    };
    (0..blocks.len()).map(with).collect()
}

/// The noise of a pair, measured in blocks most of which cannot have changed: half of all blocks
/// are flat, and more than half of the edges stand still (or the drawing is another one anyway).
///
/// A codec that compresses from frame to frame leaves most blocks alone and updates some. So the
/// noisier blocks count as well, up to what codecs do.
fn noise_of(blocks: &[[f32; 2]], least_edge: f32) -> Noise {
    let mut by_slope = blocks.to_vec();
    by_slope.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let (flat, _) = by_slope.split_at(by_slope.len() / 2);
    let flat: Vec<f32> = flat.iter().map(|block| block[0]).collect();
    let flat = median(flat.clone()).max(share(flat, 0.95).min(MOST_BLOCK_NOISE));
    let (_, edges) = by_slope.split_at(by_slope.len() - by_slope.len() / 8);
    let edges: Vec<f32> =
        edges.iter().map(|[energy, slope]| (energy - flat).max(0.0) / slope.max(1e-9)).collect();
    let edge = median(edges.clone()).max(share(edges, 0.85).min(LEAST_EDGE_NOISE_SHIFTED));
    Noise {
        flat: flat.clamp(LEAST_NOISE, MOST_NOISE),
        edge: edge.clamp(least_edge, MOST_EDGE_NOISE),
    }
}

fn worst_of(mut blocks: Vec<[f32; 2]>, noise: Noise) -> Box<[[f32; 2]]> {
    let ratio = |block: &[f32; 2]| block[0] / (noise.flat + noise.edge * block[1]);
    blocks.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)));
    blocks.truncate(KEPT);
    blocks.into_boxed_slice()
}

/// The median; 0 for an empty list.
pub(super) fn median(values: Vec<f32>) -> f32 {
    share(values, 0.5)
}

/// The value below which this share of the values lies; 0 for an empty list.
pub(super) fn share(mut values: Vec<f32>, share: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() as f32 * share) as usize).min(values.len() - 1);
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Side of a patch of the coarse copy, in samples.
const PATCH: usize = 6;

/// How far a patch may have moved by itself, in coarse samples.
const REACH: isize = 8;

/// Share of the pictures' structure that no patch of the other picture explains, averaged over both
/// directions.
fn novelty(a: &Grid, b: &Grid, shift: [f32; 2]) -> f32 {
    let whole = shift.map(|part| (part / COARSE as f32).round() as isize);
    let back = whole.map(|part| -part);
    0.5 * (unexplained(a, b, back) + unexplained(b, a, whole))
}

/// Share of the structure of `b` that `a` does not explain. Each patch of `b` is searched for in
/// `a` around its own place, moved by `shift`.
fn unexplained(a: &Grid, b: &Grid, shift: [isize; 2]) -> f32 {
    let (mut rest, mut all) = (0.0_f64, 0.0_f64);
    for top in (0..(b.height + 1).saturating_sub(PATCH)).step_by(PATCH) {
        for left in (0..(b.width + 1).saturating_sub(PATCH)).step_by(PATCH) {
            let patch = Patch { grid: b, left, top };
            let structure = patch.structure();
            let most = 1.5 * structure;
            let best = nearest_first(shift)
                .filter_map(|by| patch.moved_in(a, by))
                .fold(most, |best, other| patch.difference_below(&other, best));
            all += f64::from(structure);
            rest += f64::from(best);
        }
    }
    if all < 1e-9 { 0.0 } else { (rest / all) as f32 }
}

/// All shifts within reach of standing still and of moving with the picture, nearest first.
fn nearest_first(shift: [isize; 2]) -> impl Iterator<Item = [isize; 2]> {
    let around = (-REACH..=REACH).flat_map(|y| (-REACH..=REACH).map(move |x| [x, y]));
    let far = shift[0].abs().max(shift[1].abs()) > REACH;
    around.flat_map(move |[x, y]| {
        let moved = [x + shift[0], y + shift[1]];
        std::iter::once([x, y]).chain(far.then_some(moved))
    })
}

/// A square block of samples.
struct Patch<'a> {
    grid: &'a Grid,
    left: usize,
    top: usize,
}

impl<'a> Patch<'a> {
    fn rows(&self, plane: usize) -> impl Iterator<Item = &'a [f32]> {
        let (grid, left, top) = (self.grid, self.left, self.top);
        (top..top + PATCH).map(move |y| &grid.planes[plane][y * grid.width + left..][..PATCH])
    }

    fn moved_in(&self, grid: &'a Grid, by: [isize; 2]) -> Option<Self> {
        let left = self.left.checked_add_signed(by[0])?;
        let top = self.top.checked_add_signed(by[1])?;
        (left + PATCH <= grid.width && top + PATCH <= grid.height).then_some(Self {
            grid,
            left,
            top,
        })
    }

    /// Sum of squared deviations from the patch's own mean, plus a term for its colour.
    fn structure(&self) -> f32 {
        let mut sum = 0.0;
        for plane in 0..PLANES {
            let mean = self.rows(plane).flatten().sum::<f32>() / (PATCH * PATCH) as f32;
            sum += self
                .rows(plane)
                .flatten()
                .map(|value| (value - mean) * (value - mean))
                .sum::<f32>();
        }
        sum + (PATCH * PATCH) as f32 * 1e-4
    }

    /// Sum of squared differences, or `limit` if the sum reaches it.
    fn difference_below(&self, other: &Self, limit: f32) -> f32 {
        let mut sum = 0.0;
        for plane in 0..PLANES {
            for (of_self, of_other) in self.rows(plane).zip(other.rows(plane)) {
                for (a, b) in of_self.iter().zip(of_other) {
                    sum += (a - b) * (a - b);
                }
                if sum >= limit {
                    return limit;
                }
            }
        }
        sum
    }
}
