//! Drawing at full size: both keys are moved to the in-between and joined by the mask.
//!
//! The result consists of the keys' pixels only; nothing here invents a colour.

use rayon::prelude::*;

use inbetween_core::Frame;

use crate::grain;
use crate::light::Light;
use crate::map::{Map, Tap};

/// Parameter of the cubic filter; -0.5 is Catmull-Rom.
const SHARP: f32 = -0.5;

/// Label of what is drawn by no piece.
pub(crate) const NO_PIECE: u16 = u16::MAX;

/// Labels of pixels taken from the drawing before the span and from the one after it.
const BESIDE: [u16; 2] = [NO_PIECE - 2, NO_PIECE - 1];

/// Labels from here on mark what is drawn by no piece but moves with one.
const MOVED_WITH: u16 = 0x8000;

/// Label of what is drawn by no piece and moves with piece `p`.
pub(crate) fn moved_with(p: usize) -> u16 {
    (MOVED_WITH + p as u16).min(BESIDE[0] - 1)
}

/// The label of pixels taken from the drawing before the span (0) or after it (1).
pub(crate) fn beside(side: usize) -> u16 {
    BESIDE[side]
}

/// Difference in motion between neighbours in one piece, in samples, from which they are not mixed.
const RIFT: f32 = 4.0;

/// Log odds beyond which only one key is shown: those of a share of 0.999.
const CLEAR: f32 = 6.906_755;

/// One of the pieces that meet at a pixel.
#[derive(Clone, Copy, Default)]
struct Part {
    share: f32,
    /// In pixels.
    motion: [f32; 5],
    label: u16,
}

/// What a pixel of the frame shows.
enum Meeting {
    /// One piece, with this label.
    One(u16),
    /// Several pieces: the array, and how many of its entries are used.
    Seam([Part; 4], usize),
}

/// Motion and mask of one in-between, at guide size.
pub(crate) struct RenderPlan {
    /// `[5, h, w]`: to the first key, to the last key (guide samples), log odds of the first key.
    pub(crate) motion: Map,
    /// The piece that each sample shows, `h w`, or empty. Motion is not mixed across pieces.
    pub(crate) label: Vec<u16>,
    /// Size of the part of `motion` that shows the frame.
    pub(crate) height: usize,
    /// See `height`.
    pub(crate) width: usize,
    /// How the keys differ in light, and the position between them, 0..=1.
    pub(crate) light: Option<(Light, f32)>,
    /// Standard deviation of the keys' grain, in the frames' values; 0 for none.
    pub(crate) grain: f32,
}

impl RenderPlan {
    /// Motion of one row of a frame of `w` x `h` pixels, in pixels of that frame: 5 values per
    /// pixel.
    fn row(
        &self,
        y: usize,
        (h, w): (usize, usize),
        columns: &[Tap],
        mixed: &mut [f32],
        out: &mut Vec<[f32; 5]>,
    ) {
        let tap = Tap::at(y, h, self.height);
        let scale = [w as f32 / self.width as f32, h as f32 / self.height as f32];
        let scale = [scale[0], scale[1], scale[0], scale[1], 1.0];
        out.clear();
        out.resize(w, [0.0; 5]);
        for (c, scale) in scale.into_iter().enumerate() {
            let (a, b) = (self.motion.row(c, tap.low), self.motion.row(c, tap.high));
            for ((m, a), b) in mixed.iter_mut().zip(a).zip(b) {
                *m = (a + (b - a) * tap.part) * scale;
            }
            for (to, tap) in out.iter_mut().zip(columns) {
                to[c] = mixed[tap.low] + (mixed[tap.high] - mixed[tap.low]) * tap.part;
            }
        }
    }

    /// Computes each pixel of a frame from its place and its five motion values.
    fn paint(
        &self,
        (h, w): (usize, usize),
        pixel: impl Fn(usize, usize, [f32; 5]) -> [f32; 4] + Sync,
    ) -> Vec<[f32; 4]> {
        let columns: Vec<Tap> = (0..w).map(|x| Tap::at(x, w, self.width)).collect();
        let mut pixels = vec![[0.0f32; 4]; h * w];
        pixels.par_chunks_mut(w).enumerate().for_each_init(
            || (vec![0.0; self.motion.w], Vec::new()),
            |(mixed, motion), (y, row)| {
                self.row(y, (h, w), &columns, mixed, motion);
                for (x, (to, motion)) in row.iter_mut().zip(motion.iter()).enumerate() {
                    *to = pixel(x, y, *motion);
                }
            },
        );
        pixels
    }

    /// The in-between of the keys `first` and `last`. `drawings`: those before and after them.
    pub(crate) fn draw(
        &self,
        [first, last]: [&Frame; 2],
        drawings: [Option<&Frame>; 2],
    ) -> Vec<[f32; 4]> {
        let size = (first.height(), first.width());
        let lit = |key: usize, pixel: [f32; 4]| match self.light {
            Some((light, t)) => light.at(key, t, pixel),
            None => pixel,
        };
        let from_first = |x: f32, y: f32| lit(0, cubic(first, x, y, self.grain));
        let from_last = |x: f32, y: f32| lit(1, cubic(last, x, y, self.grain));
        let lean = self.light.map_or(0.0, |(light, _)| light.odds());
        let one = |x: f32, y: f32, [u0, v0, u1, v1, odds]: [f32; 5], label: u16| {
            if let Some(side) = BESIDE.iter().position(|&beside| label == beside)
                && let Some(drawing) = drawings[side]
            {
                return lit(side, cubic(drawing, x + u0, y + v0, self.grain));
            }
            let odds = odds + lean;
            if odds > CLEAR {
                return from_first(x + u0, y + v0);
            }
            if odds < -CLEAR {
                return from_last(x + u1, y + v1);
            }
            let mask = 1.0 / (1.0 + libm::expf(-odds));
            let (a, b) = (from_first(x + u0, y + v0), from_last(x + u1, y + v1));
            if self.grain > 0.0 && !grain::differ(&a, &b, self.grain) {
                return if mask >= 0.5 { a } else { b };
            }
            // This form gives exactly the keys' value where they agree.
            [0, 1, 2, 3].map(|c| b[c] + mask * (a[c] - b[c]))
        };
        self.paint(size, |x, y, motion| {
            let place = (x as f32, y as f32);
            match self.meeting(x, y, size) {
                Meeting::One(label) => one(place.0, place.1, motion, label),
                Meeting::Seam(parts, count) => {
                    let mut out = [0.0; 4];
                    for part in &parts[..count] {
                        let pixel = one(place.0, place.1, part.motion, part.label);
                        (0..4).for_each(|c| out[c] += part.share * pixel[c]);
                    }
                    out
                }
            }
        })
    }

    /// The pieces that meet at pixel (`x`, `y`).
    fn meeting(&self, x: usize, y: usize, (h, w): (usize, usize)) -> Meeting {
        if self.label.is_empty() {
            return Meeting::One(NO_PIECE);
        }
        let (across, down) = (Tap::at(x, w, self.width), Tap::at(y, h, self.height));
        let index = [
            (down.low, across.low),
            (down.low, across.high),
            (down.high, across.low),
            (down.high, across.high),
        ];
        let places = index.map(|(y, x)| y * self.motion.w + x);
        let names = places.map(|i| self.label[i]);
        let area = self.motion.area();
        let far = |i: usize, j: usize| {
            (0..4).any(|c| (self.motion.v[c * area + i] - self.motion.v[c * area + j]).abs() > RIFT)
        };
        // Whether two samples belong to the same piece and, on ground that both keys hide, are
        // fetched from the same side.
        let one = |a: usize, b: usize| {
            names[a] == names[b] && (names[a] >= MOVED_WITH || !far(places[a], places[b]))
        };
        if (1..4).all(|k| one(0, k)) {
            return Meeting::One(names[0]);
        }
        let (fx, fy) = (across.part, down.part);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let scale = [w as f32 / self.width as f32, h as f32 / self.height as f32];
        let scale = [scale[0], scale[1], scale[0], scale[1], 1.0];
        let mut parts = [Part::default(); 4];
        let (mut count, mut firsts) = (0, [0; 4]);
        for k in 0..4 {
            let at = match firsts[..count].iter().position(|&first| one(first, k)) {
                Some(at) => at,
                None => {
                    firsts[count] = k;
                    count += 1;
                    count - 1
                }
            };
            let weight = weights[k] + 1e-6;
            parts[at].share += weight;
            parts[at].label = names[k];
            for (c, (to, scale)) in parts[at].motion.iter_mut().zip(scale).enumerate() {
                *to += weight * self.motion.v[c * area + places[k]] * scale;
            }
        }
        // As steep as a pixel of the frame is wide, so that edges stay as sharp as in the keys.
        let steep = scale[0].max(1.0);
        let mut sum = 0.0;
        for part in &mut parts[..count] {
            part.motion = part.motion.map(|v| v / part.share);
            part.share = (0.5 + steep * (part.share - 0.5)).clamp(0.0, 1.0) + 1e-6;
            sum += part.share;
        }
        parts[..count].iter_mut().for_each(|part| part.share /= sum);
        Meeting::Seam(parts, count)
    }

    /// The single channel of `motion` as grey.
    pub(crate) fn grey(&self, (h, w): (usize, usize)) -> Vec<[f32; 4]> {
        let grey = self.motion.crop_to(self.height, self.width).resize(h, w);
        grey.v.par_iter().map(|&v| [v, v, v, 1.0]).collect()
    }

    /// Motion over the whole span: right, down, 0, 1.
    pub(crate) fn motion(&self, size: (usize, usize)) -> Vec<[f32; 4]> {
        self.paint(size, |_, _, [u0, v0, u1, v1, _]| [u1 - u0, v1 - v0, 0.0, 1.0])
    }
}

/// Bicubic sample at (`x`, `y`) with repeated edges, limited to the range of the four nearest
/// pixels, so that no halo or negative light appears beside outlines and highlights.
///
/// Where only `grain` is visible, it is the nearest pixel, which preserves the strength of the
/// grain.
fn cubic(frame: &Frame, x: f32, y: f32, grain: f32) -> [f32; 4] {
    let (w, h) = (frame.width(), frame.height());
    let (x, y) = (x.max(0.0).min((w - 1) as f32), y.max(0.0).min((h - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let pixels = frame.pixels();
    if fx == 0.0 && fy == 0.0 {
        return pixels[y0 * w + x0];
    }
    let (wx, wy) = (weights(fx), weights(fy));
    let columns = [x0.saturating_sub(1), x0, (x0 + 1).min(w - 1), (x0 + 2).min(w - 1)];
    let rows = [y0.saturating_sub(1), y0, (y0 + 1).min(h - 1), (y0 + 2).min(h - 1)];
    let mut out = [0.0f32; 4];
    for (row, wy) in rows.into_iter().zip(wy) {
        let line = &pixels[row * w..(row + 1) * w];
        let taps = columns.map(|x| line[x]);
        for c in 0..4 {
            let sum =
                wx[0] * taps[0][c] + wx[1] * taps[1][c] + wx[2] * taps[2][c] + wx[3] * taps[3][c];
            out[c] += wy * sum;
        }
    }
    let near = [
        pixels[rows[1] * w + columns[1]],
        pixels[rows[1] * w + columns[2]],
        pixels[rows[2] * w + columns[1]],
        pixels[rows[2] * w + columns[2]],
    ];
    let mut even = grain > 0.0;
    for c in 0..4 {
        let low = near[0][c].min(near[1][c]).min(near[2][c]).min(near[3][c]);
        let high = near[0][c].max(near[1][c]).max(near[2][c]).max(near[3][c]);
        out[c] = out[c].max(low).min(high);
        even &= grain::even(low, high, grain);
    }
    if even { near[2 * usize::from(fy >= 0.5) + usize::from(fx >= 0.5)] } else { out }
}

/// Weights of the four samples around a place that is `f` past the second one.
fn weights(f: f32) -> [f32; 4] {
    let a = SHARP;
    let outer = |d: f32| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    let inner = |d: f32| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    [outer(f + 1.0), inner(f), inner(1.0 - f), outer(2.0 - f)]
}
