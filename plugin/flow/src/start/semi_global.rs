//! Matches every cell of one key so that neighbouring cells move alike: what is thin or plain by
//! itself goes with what is joined to it.
//!
//! After Hirschmüller, "Stereo Processing by Semi-Global Matching and Mutual Information", PAMI
//! 2008, with displacements in both directions of the picture. All sums are of whole numbers, so
//! they are the same on every machine.

use super::features::{features, lab};
use crate::map::Map;
use crate::simd::widest;

/// Cells along the longer side.
const CELLS: usize = 160;
/// Longest displacement in each direction, in cells.
const REACH: usize = 15;
/// Displacements in a row, and one more that is never taken, so that rows do not run into each
/// other.
const STRIDE: usize = 2 * REACH + 2;
/// Displacements of a cell: `(dy + REACH) * STRIDE + dx + REACH`.
const LABELS: usize = (STRIDE - 1) * STRIDE;
/// Difference in appearance beyond which two cells are merely unlike.
const UNLIKE: u8 = 60;
/// Cells that are compared around a cell, to each side.
const AROUND: usize = 2;
/// Difference of the cells around a cell from which they tell where it went. What is plain may as well be hidden, so that
/// it counts by this share at least, and goes with its neighbours rather than far away to a like place.
const TELLS: f32 = 24.0;
/// See [`TELLS`].
const PLAIN: f32 = 0.08;
/// Cost of a neighbour that moves by one cell more or less ...
const BENDS: u8 = 10;
/// ... and of one that moves in any other way, where both look the same.
const BREAKS: f32 = 100.0;
/// Difference of neighbours at which the latter is halved, and its least share.
const EDGE: f32 = 60.0;
/// See [`EDGE`].
const LEAST: f32 = 0.25;
/// Cost of a displacement by one cell, in sums over all eight directions.
const LENGTH: f32 = 0.6;
/// Difference in motion, in cells, up to which cells are mixed when the flow is enlarged.
const TOGETHER: f32 = 1.5;

/// What stands for a share of 1.
const WHOLE: u32 = 1 << 8;

/// The path cost of each displacement of a cell, with a margin that is never taken, and the least
/// of them.
#[derive(Clone)]
struct Paths {
    v: [u8; LABELS + 2 * STRIDE],
    least: u8,
}

impl Paths {
    const NONE: Self = Self { v: [u8::MAX; LABELS + 2 * STRIDE], least: u8::MAX };
}

/// A key, in cells.
struct Cells {
    h: usize,
    w: usize,
    /// Colour and lines of each cell as whole numbers.
    looks: Vec<[u8; 4]>,
}

impl Cells {
    fn of(picture: &Map, h: usize, w: usize) -> Self {
        let look = features(&lab(&picture.shrink(h, w)));
        // The lightness begins at 0, all others around it.
        let zero = [0.0, 128.0, 128.0, 128.0];
        let value =
            |c: usize, i: usize| (look.v[c * h * w + i] + zero[c]).round().clamp(0.0, 255.0) as u8;
        let looks = (0..h * w).map(|i| [0, 1, 2, 3].map(|c| value(c, i))).collect();
        Self { h, w, looks }
    }

    fn look(&self, y: usize, x: usize) -> [u8; 4] {
        self.looks[y * self.w + x]
    }

    /// How much the costs of a cell count, in shares of [`WHOLE`].
    fn told(&self, y: usize, x: usize) -> u32 {
        let around = |v: usize, most: usize| v.saturating_sub(AROUND)..(v + AROUND + 1).min(most);
        let (mut low, mut high) = ([u8::MAX; 4], [0u8; 4]);
        for look in around(y, self.h).flat_map(|y| around(x, self.w).map(move |x| self.look(y, x)))
        {
            for c in 0..4 {
                low[c] = low[c].min(look[c]);
                high[c] = high[c].max(look[c]);
            }
        }
        let most = (0..4).map(|c| high[c] - low[c]).max().unwrap_or(0);
        (WHOLE as f32 * (f32::from(most) / TELLS).clamp(PLAIN, 1.0)) as u32
    }
}

/// The key in which displacements lead, laid out so that all those of a cell lie around the same place:
/// moved back by the motion of the ground, with a margin of [`REACH`] cells.
struct Target {
    /// Cells in a row, with the margin.
    pitch: usize,
    /// Colour and lines: four planes.
    looks: [Vec<u8>; 4],
    /// [`UNLIKE`] outside the picture, 0 in it.
    margin: Vec<u8>,
}

impl Target {
    fn of(cells: &Cells, base: [isize; 2]) -> Self {
        let (rows, pitch) = (cells.h + 2 * REACH, cells.w + STRIDE);
        let mut out = Self {
            pitch,
            looks: [0, 1, 2, 3].map(|_| vec![0; rows * pitch]),
            margin: vec![UNLIKE; rows * pitch],
        };
        for y in 0..rows {
            for x in 0..pitch {
                let cell = |v: usize, base: isize, most: usize| {
                    usize::try_from(v as isize - REACH as isize + base).ok().filter(|&v| v < most)
                };
                let there = cell(y, base[1], cells.h).zip(cell(x, base[0], cells.w));
                let Some((cy, cx)) = there else { continue };
                let at = y * pitch + x;
                for (plane, look) in out.looks.iter_mut().zip(cells.look(cy, cx)) {
                    plane[at] = look;
                }
                out.margin[at] = 0;
            }
        }
        out
    }
}

/// Flows in both directions at half the guides' size, `[2, h, w]`.
///
/// `small: [3, h, w]`; `looks: [4, h, w]`, their features; `base` is the motion, in samples, around
/// which displacements are sought: that of the ground.
pub(super) fn semi_global(small: [&Map; 2], looks: &[Map; 2], base: [f32; 2]) -> [Map; 2] {
    let (h, w) = (small[0].h, small[0].w);
    let scale = (CELLS as f32 / h.max(w) as f32).min(1.0);
    let side = |n: usize| ((n as f32 * scale).round() as usize).max(1);
    let (ch, cw) = (side(h), side(w));
    let cells = small.map(|p| Cells::of(p, ch, cw));
    let whole = [base[0] * cw as f32 / w as f32, base[1] * ch as f32 / h as f32].map(f32::round);
    let one = |k: usize| {
        let base = whole.map(|v| if k == 0 { v as isize } else { -v as isize });
        let flow = matched(&cells[k], &cells[1 - k], base);
        enlarged(&flow, &looks[k])
    };
    let (first, last) = rayon::join(|| one(0), || one(1));
    [first, last]
}

/// The flow from `a` to `b` in cells, `[2, h, w]`.
fn matched(a: &Cells, b: &Cells, base: [isize; 2]) -> Map {
    let (h, w) = (a.h, a.w);
    let costs = costs(a, &Target::of(b, base));
    let mut sums: Vec<u16> = Vec::with_capacity(h * w * LABELS);
    sweep(a, &costs, true, |_, paths| sums.extend_from_slice(&total(paths)));
    let length: Vec<u16> = (0..LABELS)
        .map(|l| {
            let [dx, dy] = shift(l);
            (LENGTH * libm::hypotf(dx, dy)).round() as u16
        })
        .collect();
    let mut out = Map::new(2, h, w);
    sweep(a, &costs, false, |i, paths| {
        let sums = &mut sums[i * LABELS..][..LABELS];
        add_sums(sums, &total(paths));
        add_sums(sums, &length);
        let best = cheapest(sums);
        let [dx, dy] = shift(best);
        let finer = |step: usize, at: f32| {
            if at.abs() >= REACH as f32 {
                return 0.0;
            }
            let [low, here, high] = [best - step, best, best + step].map(|l| f32::from(sums[l]));
            let bend = low + high - 2.0 * here;
            if bend < 1.0 { 0.0 } else { (0.5 * (low - high) / bend).clamp(-0.5, 0.5) }
        };
        out.v[i] = base[0] as f32 + dx + finer(1, dx);
        out.v[h * w + i] = base[1] as f32 + dy + finer(STRIDE, dy);
    });
    out
}

/// The displacement that a label stands for: right, down.
fn shift(label: usize) -> [f32; 2] {
    [label % STRIDE, label / STRIDE].map(|d| d as f32 - REACH as f32)
}

widest! {
/// The first of the cheapest labels.
fn cheapest(sums: &[u16]) -> usize {
    let least = sums.iter().copied().fold(u16::MAX, u16::min);
    sums.iter().position(|&s| s == least).unwrap_or(0)
}
}

/// How unlike the surroundings of each cell are after each displacement: `[h, w, LABELS]`.
fn costs(a: &Cells, target: &Target) -> Vec<u8> {
    let (h, w) = (a.h, a.w);
    let mut out = vec![0u8; h * w * LABELS];
    let rows = 2 * AROUND + 1;
    let row = |y: usize| -> Vec<u8> {
        let mut raw = vec![0u8; w * LABELS];
        for (x, raw) in raw.chunks_mut(LABELS).enumerate() {
            unlike(target, a.look(y, x), [x, y], raw);
        }
        raw
    };
    // The rows around the current one, and their sums.
    let mut ring: std::collections::VecDeque<Vec<u8>> = std::collections::VecDeque::new();
    let mut next = 0;
    for y in 0..h {
        while next < (y + AROUND + 1).min(h) {
            ring.push_back(row(next));
            next += 1;
        }
        let first = next - ring.len();
        let at = |dy: usize| {
            let v = (y + dy).saturating_sub(AROUND).min(h - 1);
            ring[v - first].as_slice()
        };
        let mut down = vec![0u16; w * LABELS];
        (0..rows).for_each(|dy| add(&mut down, at(dy)));
        let column = |x: isize| &down[x.clamp(0, w as isize - 1) as usize * LABELS..][..LABELS];
        let mut sum = vec![0u16; LABELS];
        let reach = AROUND as isize;
        (-reach..=reach).for_each(|x| add_sums(&mut sum, column(x)));
        for (x, to) in out[y * w * LABELS..][..w * LABELS].chunks_mut(LABELS).enumerate() {
            mean(&sum, a.told(y, x), to);
            let x = x as isize;
            slide(&mut sum, column(x - reach), column(x + reach + 1));
        }
        if y >= AROUND {
            ring.pop_front();
        }
    }
    out
}

widest! {
/// How unlike a cell with this `look` at column `at[0]` of row `at[1]` is to those that it may move to.
fn unlike(target: &Target, look: [u8; 4], at: [usize; 2], out: &mut [u8]) {
    for (dy, out) in out.chunks_exact_mut(STRIDE).enumerate() {
        let from = (at[1] + dy) * target.pitch + at[0];
        let window = |plane: &[u8]| -> [u8; STRIDE] {
            plane[from..from + STRIDE].try_into().expect("a row of displacements")
        };
        let [a, b, c, d] = target.looks.each_ref().map(|plane| window(plane));
        let mut sum = window(&target.margin);
        for i in 0..STRIDE {
            let ab = look[0].abs_diff(a[i]).saturating_add(look[1].abs_diff(b[i]));
            let cd = look[2].abs_diff(c[i]).saturating_add(look[3].abs_diff(d[i]));
            sum[i] = sum[i].saturating_add(ab.saturating_add(cd)).min(UNLIKE);
        }
        out.copy_from_slice(&sum);
    }
}
}

widest! {
fn add(sum: &mut [u16], v: &[u8]) {
    sum.iter_mut().zip(v).for_each(|(s, v)| *s += u16::from(*v));
}
}

widest! {
fn add_sums(sum: &mut [u16], v: &[u16]) {
    sum.iter_mut().zip(v).for_each(|(s, v)| *s += *v);
}
}

widest! {
fn slide(sum: &mut [u16], leaves: &[u16], enters: &[u16]) {
    for ((s, leaves), enters) in sum.iter_mut().zip(leaves).zip(enters) {
        *s = *s - *leaves + *enters;
    }
}
}

widest! {
/// Means of sums over all cells around, in shares of [`WHOLE`], but not of labels that are never taken.
fn mean(sum: &[u16], share: u32, out: &mut [u8]) {
    const COUNT: u32 = ((2 * AROUND + 1) * (2 * AROUND + 1)) as u32;
    let part = ((1 << 16) / COUNT + 1) * share / WHOLE;
    for (to, sum) in out.chunks_exact_mut(STRIDE).zip(sum.chunks_exact(STRIDE)) {
        for (to, sum) in to.iter_mut().zip(sum) {
            *to = ((u32::from(*sum) * part) >> 16) as u8;
        }
        to[STRIDE - 1] = u8::MAX;
    }
}
}

/// Calls `visit` for each cell with its path costs in four of the eight directions: those that come
/// from above and from the left, or from below and from the right.
fn sweep(cells: &Cells, costs: &[u8], forward: bool, mut visit: impl FnMut(usize, [&Paths; 4])) {
    let (h, w) = (cells.h, cells.w);
    let breaks = |a: [u8; 4], b: [u8; 4]| -> u8 {
        let apart: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
        (BREAKS * (1.0 / (1.0 + apart as f32 / EDGE)).max(LEAST)) as u8
    };
    // Path costs of the row before, for the directions from its three neighbours. Paths begin at the
    // edges, so beyond them there are none.
    let mut before: [Vec<Paths>; 3] = std::array::from_fn(|_| vec![Paths::NONE; w + 2]);
    let mut row = before.clone();
    let (mut beside, mut next) = (Paths::NONE, Paths::NONE);
    for n in 0..h {
        let y = if forward { n } else { h - 1 - n };
        let back_y = if forward { y.saturating_sub(1) } else { (y + 1).min(h - 1) };
        beside.clone_from(&Paths::NONE);
        for m in 0..w {
            let x = if forward { m } else { w - 1 - m };
            let back_x = if forward { x.saturating_sub(1) } else { (x + 1).min(w - 1) };
            let i = y * w + x;
            let cost = &costs[i * LABELS..][..LABELS];
            let own = cells.look(y, x);
            step(&beside, breaks(own, cells.look(y, back_x)), cost, &mut next);
            std::mem::swap(&mut beside, &mut next);
            for (k, (before, row)) in before.iter().zip(&mut row).enumerate() {
                let column = (x + k).saturating_sub(1).min(w - 1);
                step(
                    &before[x + k],
                    breaks(own, cells.look(back_y, column)),
                    cost,
                    &mut row[x + 1],
                );
            }
            visit(i, [&beside, &row[0][x + 1], &row[1][x + 1], &row[2][x + 1]]);
        }
        std::mem::swap(&mut before, &mut row);
    }
}

widest! {
/// The sum of paths from four directions.
fn total(paths: [&Paths; 4]) -> [u16; LABELS] {
    let [a, b, c, d] = paths.map(|paths| &paths.v[STRIDE..STRIDE + LABELS]);
    let mut sum = [0u16; LABELS];
    for i in 0..LABELS {
        sum[i] = u16::from(a[i]) + u16::from(b[i]) + u16::from(c[i]) + u16::from(d[i]);
    }
    sum
}
}

widest! {
/// Path costs one cell on; those of [`Paths::NONE`] begin there.
fn step(from: &Paths, breaks: u8, cost: &[u8], to: &mut Paths) {
    let limit = from.least.saturating_add(breaks);
    let v = &from.v;
    let mut least = [u8::MAX; STRIDE];
    for (r, cost) in cost.chunks_exact(STRIDE).enumerate() {
        let i = (r + 1) * STRIDE;
        let window = |at: usize| -> [u8; STRIDE] {
            v[at..at + STRIDE].try_into().expect("a row of displacements")
        };
        let (here, left, right) = (window(i), window(i - 1), window(i + 1));
        let (up, down) = (window(i - STRIDE), window(i + STRIDE));
        let mut out = [0u8; STRIDE];
        for l in 0..STRIDE {
            let beside = left[l].min(right[l]).min(up[l].min(down[l])).saturating_add(BENDS);
            let path = here[l].min(beside).min(limit) - from.least;
            out[l] = cost[l].saturating_add(path);
            least[l] = least[l].min(out[l]);
        }
        to.v[i..i + STRIDE].copy_from_slice(&out);
    }
    to.least = least.into_iter().fold(u8::MAX, u8::min);
}
}

/// The flow at the size of `look`, in its samples: each sample moves as the cell nearby that it looks
/// like, and as the cells that move with that one.
fn enlarged(flow: &Map, look: &Map) -> Map {
    let (h, w, area) = (look.h, look.w, look.area());
    let small = look.shrink(flow.h, flow.w);
    let scale = [w as f32 / flow.w as f32, h as f32 / flow.h as f32];
    let mut out = Map::new(2, h, w);
    out.fill_bands(|band| {
        let start = band.y0 * w;
        for i in 0..band.planes[0].len() {
            let at = start + i;
            let x = ((at % w) as f32 + 0.5) / scale[0] - 0.5;
            let y = ((at / w) as f32 + 0.5) / scale[1] - 0.5;
            let (x0, y0) = (x.floor() as isize, y.floor() as isize);
            let mut near = [([0.0f32; 2], 0.0f32); 16];
            for (n, near) in near.iter_mut().enumerate() {
                let cx = (x0 - 1 + (n % 4) as isize).clamp(0, flow.w as isize - 1) as usize;
                let cy = (y0 - 1 + (n / 4) as isize).clamp(0, flow.h as isize - 1) as usize;
                let c = cy * flow.w + cx;
                let apart: f32 = (0..look.c)
                    .map(|k| (look.v[k * area + at] - small.v[k * small.area() + c]).powi(2))
                    .sum();
                let (dx, dy) = (x - cx as f32, y - cy as f32);
                let weight = libm::expf(-apart / 200.0 - (dx * dx + dy * dy) / 1.5) + 1e-9;
                *near = ([flow.v[c], flow.v[flow.area() + c]], weight);
            }
            let most = near.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
            let centre = most.map_or([0.0; 2], |m| m.0);
            let mut sum = [0.0f32; 3];
            for (v, weight) in near {
                // In f64 the squares are exact.
                let [dx, dy] = [0, 1].map(|c| f64::from(v[c] - centre[c]));
                if ((dx * dx + dy * dy) as f32) < TOGETHER * TOGETHER {
                    sum[0] += weight * v[0];
                    sum[1] += weight * v[1];
                    sum[2] += weight;
                }
            }
            for c in 0..2 {
                band.planes[c][i] = scale[c] * sum[c] / sum[2];
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: usize = 90;
    const W: usize = 160;

    /// A dark stroke two samples wide with its top at `x`, that hangs from a bar, on a plain ground.
    fn stroke(x: f32) -> Map {
        let mut out = Map::new(3, H, W);
        for i in 0..H * W {
            let (px, py) = ((i % W) as f32, (i / W) as f32);
            let on = (px - x - 0.1 * py).abs() < 1.0 && (20.0..60.0).contains(&py);
            let v = if on || (py < 20.0 && (px - x).abs() < 30.0) { 0.1 } else { 0.8 };
            (0..3).for_each(|c| out.v[c * H * W + i] = v);
        }
        out
    }

    fn flow(first: &Map, last: &Map, base: [f32; 2]) -> [Map; 2] {
        semi_global([first, last], &[features(&lab(first)), features(&lab(last))], base)
    }

    #[test]
    fn a_stroke_goes_farther_than_it_is_wide() {
        let (first, last) = (stroke(60.0), stroke(72.0));
        let [there, back] = flow(&first, &last, [0.0; 2]);
        for y in 25..55 {
            let x = |x: usize| x + y / 10;
            for (flow, at, wanted) in [(&there, x(60), 12.0), (&back, x(72), -12.0)] {
                let got = flow.row(0, y)[at];
                assert!((got - wanted).abs() < 1.5, "{got} instead of {wanted} at {at}, {y}");
            }
        }
    }

    #[test]
    fn displacements_are_sought_around_the_motion_of_the_ground() {
        let (first, last) = (stroke(50.0), stroke(100.0));
        let [there, back] = flow(&first, &last, [45.0, 0.0]);
        let (got, returned) = (there.row(0, 40)[54], back.row(0, 40)[104]);
        assert!((got - 50.0).abs() < 1.5 && (returned + 50.0).abs() < 1.5, "{got}, {returned}");
    }

    #[test]
    fn pictures_of_any_size_are_matched() {
        for (h, w) in [(1, 1), (3, 200), (40, 7)] {
            let plain = Map::new(3, h, w);
            let [there, back] = flow(&plain, &plain, [3.0, -2.0]);
            assert_eq!((there.h, there.w, back.h, back.w), (h, w, h, w));
            assert!(there.v.iter().chain(&back.v).all(|v| v.is_finite()));
        }
    }
}
