//! Finds the lines of a sketch among other lines.
//!
//! First cell by cell among all displacements within reach, where neighbouring cells help to
//! resolve long and ambiguous moves; then point by point, onto the lines.

use rayon::prelude::*;

use super::candidate_fusion::Candidate;
use super::chamfer::ChamferIndex;
use super::line_points::Point;
use crate::map::Map;

/// Side of a cell of sketch lines, in guide samples.
const CELL: f32 = 24.0;
/// Distance between tried displacements, in guide samples, and the largest number of them each way.
const STRIDE: f32 = 8.0;
const MOST: usize = 18;
/// A point farther than this from any line counts as not found, in guide samples.
const LOST: f32 = 14.0;
/// Cost of a difference of one sample between neighbouring cells, and the difference from which
/// they count as different parts.
const BEND: f32 = 0.12;
const APART: f32 = 40.0;
/// Cost of a displacement by one sample.
const AWAY: f32 = 0.02;
/// Cost of leaving a place where the lines already fit.
const LEAVE: f32 = 8.0;
/// Lines within the first distance fit, because hands tremble; from the second on they do not. Both
/// are shares of the guide's longer side.
const TREMBLE: [f32; 2] = [0.0015, 0.005];
/// Distance over which the fit is judged, in guide samples.
const JUDGED: f32 = 14.0;
/// Rounds of messages between cells.
const ROUNDS: usize = 8;
/// Number of points used in the second step.
const POINTS: usize = 1000;

/// A point of the sketch, and the line found for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correspondence {
    pub(super) point: Point,
    /// Displacement from the sketch to the line, in guide samples.
    pub(super) to: [f32; 2],
    /// From 0 (not found at all) to 1 (certain).
    pub(super) trust: f32,
}

/// The line points, and the index that refers to them.
pub(super) struct Lines<'a> {
    pub(super) points: &'a [Point],
    pub(super) near: &'a ChamferIndex,
}

/// Distance of each point from the nearest line of a picture, where `away` is the picture's map of
/// such distances.
pub(super) fn line_distances(sketch: &[Point], away: &Map) -> impl Iterator<Item = f32> {
    let at = |p: &Point| {
        let (x, y) = ((p.x as usize).min(away.w - 1), (p.y as usize).min(away.h - 1));
        away.v[y * away.w + x].min(LOST)
    };
    sketch.iter().map(at)
}

/// Distance up to which a line fits, in guide samples, for a guide whose longer side is `longest`.
pub(super) fn line_tolerance(longest: f32) -> f32 {
    TREMBLE[0] * longest
}

/// How far each point of `sketch` misses the lines of the picture to be changed: 0 where it fits, 1
/// where it does not. The fit is judged over some distance, so that a stretch of line is judged as
/// a whole.
pub(super) fn needs(sketch: &[Point], away: &Map, longest: f32) -> Vec<f32> {
    let [fits, lost] = TREMBLE.map(|part| part * longest);
    let away: Vec<f32> = line_distances(sketch, away).collect();
    sketch
        .par_iter()
        .map(|p| {
            let (mut sum, mut total) = (0.0, 0.0);
            for (o, away) in sketch.iter().zip(&away) {
                let apart = (o.x - p.x).powi(2) + (o.y - p.y).powi(2);
                if apart < 6.0 * JUDGED * JUDGED {
                    let weight = libm::expf(-apart / (2.0 * JUDGED * JUDGED));
                    sum += weight * away;
                    total += weight;
                }
            }
            ((sum / total - fits) / (lost - fits)).clamp(0.0, 1.0)
        })
        .collect()
}

/// Finds `sketch` among `lines`, anywhere within `reach` (guide samples) of where `from` takes it.
/// `needs` says how much each point has to deviate from `from`, 0..=1.
pub(super) fn find(
    sketch: &[Point],
    needs: &[f32],
    from: &Candidate,
    lines: &Lines,
    reach: f32,
) -> Candidate {
    let start = roughly(sketch, needs, from, lines.near, reach);
    let to = settle(sketch, start, from.turn, lines, &[20.0, 20.0, 14.0, 10.0, 7.0, 6.0]);
    Candidate { to, turn: from.turn }
}

/// Finds `sketch` among `lines` that are already close.
pub(super) fn find_close(sketch: &[Point], needs: &[f32], lines: &Lines) -> Vec<Correspondence> {
    let start = vec![[0.0; 2]; sketch.len()];
    let to = settle(sketch, start, 0.0, lines, &[14.0, 10.0, 7.0, 6.0, 5.0, 5.0]);
    sketch
        .iter()
        .zip(to)
        .zip(needs)
        .map(|((&point, to), need)| {
            let trust = trust(&point, to, 0.0, lines);
            // Points that fit stay where they are.
            Correspondence { point, to: to.map(|d| need * d), trust: trust.max(1.0 - need) }
        })
        .collect()
}

/// How surely the line of a point is where `to` takes it.
pub(super) fn trust(point: &Point, to: [f32; 2], turn: f32, lines: &Lines) -> f32 {
    let (away, _) = lines.near.at(point.x + to[0], point.y + to[1], point.angle + turn);
    if away < 8.0 { libm::expf(-away * away / 12.0) } else { 0.0 }
}

/// A candidate in which everything stays in place.
pub(super) fn still(sketch: &[Point]) -> Candidate {
    Candidate { to: vec![[0.0; 2]; sketch.len()], turn: 0.0 }
}

/// At most [`POINTS`] points, evenly selected.
pub(super) fn thinned(sketch: &[Point]) -> Vec<Point> {
    let step = sketch.len().div_ceil(POINTS).max(1);
    sketch.iter().copied().step_by(step).collect()
}

/// The points of a sketch, grouped in cells.
struct Cells {
    /// The points of each cell that is not empty.
    points: Vec<Vec<usize>>,
    /// Neighbours by direction; the opposite of direction `k` is `7 - k`.
    beside: Vec<[Option<usize>; 8]>,
}

impl Cells {
    fn of(sketch: &[Point]) -> Self {
        let place = |p: &Point| ((p.y / CELL) as i32, (p.x / CELL) as i32);
        let mut places: Vec<(i32, i32)> = sketch.iter().map(place).collect();
        places.sort_unstable();
        places.dedup();
        let number = |at: (i32, i32)| places.binary_search(&at).ok();
        let mut points = vec![Vec::new(); places.len()];
        for (i, p) in sketch.iter().enumerate() {
            if let Some(n) = number(place(p)) {
                points[n].push(i);
            }
        }
        const AROUND: [(i32, i32); 8] =
            [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];
        let beside =
            places.iter().map(|&(y, x)| AROUND.map(|(dy, dx)| number((y + dy, x + dx)))).collect();
        Self { points, beside }
    }
}

/// The displacement of each point's cell, by min-sum belief propagation.
fn roughly(
    sketch: &[Point],
    needs: &[f32],
    from: &Candidate,
    near: &ChamferIndex,
    reach: f32,
) -> Vec<[f32; 2]> {
    // Displacements tried each way from the expected one; together they form a square.
    let half = ((reach / STRIDE).ceil() as usize).min(MOST);
    let (step, side) = (reach / half as f32, 2 * half + 1);
    let labels = side * side;
    let cells = Cells::of(sketch);
    let away = |k: usize| {
        let by = |n: usize| (n as f32 - half as f32) * step;
        [by(k % side), by(k / side)]
    };
    let own: Vec<Vec<f32>> = cells
        .points
        .par_iter()
        .map(|points| {
            let share = (points.len() as f32 / 8.0).min(1.0) / points.len() as f32;
            let need = points.iter().map(|&i| needs[i]).sum::<f32>() / points.len() as f32;
            let leave = 0.5 + LEAVE * (1.0 - need);
            (0..labels)
                .map(|k| {
                    let [u, v] = away(k);
                    let lost: f32 = points
                        .iter()
                        .map(|&i| {
                            let (p, [x, y]) = (&sketch[i], from.to[i]);
                            near.at(p.x + x + u, p.y + y + v, p.angle + from.turn).0.min(LOST)
                        })
                        .sum();
                    let moved = if k == labels / 2 { 0.0 } else { leave };
                    share * lost + AWAY * libm::hypotf(u, v) + moved
                })
                .collect()
        })
        .collect();
    let (slope, most) = (BEND * step, BEND * APART);
    let mut messages = vec![vec![0.0f32; 8 * labels]; own.len()];
    for _ in 0..ROUNDS {
        // The messages to each cell, by the direction they come from.
        messages = (0..own.len())
            .into_par_iter()
            .map(|n| {
                let mut heard = vec![0.0f32; 8 * labels];
                for (k, to) in heard.chunks_mut(labels).enumerate() {
                    let Some(m) = cells.beside[n][k] else { continue };
                    to.copy_from_slice(&own[m]);
                    for (j, from) in messages[m].chunks(labels).enumerate() {
                        // Leaves out what this cell itself sent.
                        if j != 7 - k {
                            to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
                        }
                    }
                    soften(to, side, slope, most);
                }
                heard
            })
            .collect();
    }
    let mut out = from.to.clone();
    for (n, points) in cells.points.iter().enumerate() {
        let mut sum = own[n].clone();
        for from in messages[n].chunks(labels) {
            sum.iter_mut().zip(from).for_each(|(s, f)| *s += f);
        }
        let best = (0..labels).fold(labels / 2, |b, k| if sum[k] < sum[b] { k } else { b });
        let [u, v] = away(best);
        points.iter().for_each(|&i| out[i] = [out[i][0] + u, out[i][1] + v]);
    }
    out
}

/// For each label, the least cost over all labels plus `slope` per step from there, capped at
/// `most` above the least; then relative to the least.
fn soften(cost: &mut [f32], side: usize, slope: f32, most: f32) {
    let labels = side * side;
    let least = cost.iter().copied().fold(f32::INFINITY, f32::min);
    for row in cost.chunks_mut(side) {
        for x in 1..side {
            row[x] = row[x].min(row[x - 1] + slope);
        }
        for x in (1..side).rev() {
            row[x - 1] = row[x - 1].min(row[x] + slope);
        }
    }
    for i in side..labels {
        cost[i] = cost[i].min(cost[i - side] + slope);
    }
    for i in (side..labels).rev() {
        cost[i - side] = cost[i - side].min(cost[i] + slope);
    }
    cost.iter_mut().for_each(|c| *c = c.min(least + most) - least);
}

/// Moves points from `to` onto the lines, each together with nearby points that move alike.
/// `reaches` are the distances within which neighbours count, one for each round.
pub(super) fn settle(
    sketch: &[Point],
    mut to: Vec<[f32; 2]>,
    turn: f32,
    lines: &Lines,
    reaches: &[f32],
) -> Vec<[f32; 2]> {
    let around = around(sketch, 3.0 * reaches.iter().copied().fold(0.0, f32::max));
    for &reach in reaches {
        let gate = (0.9 * reach).clamp(5.0, LOST);
        // For each point the line's normal, the distance still to go along it, and the weight.
        let pull: Vec<[f32; 4]> = sketch
            .iter()
            .zip(&to)
            .map(|(p, d)| {
                let (x, y) = (p.x + d[0], p.y + d[1]);
                let (away, n) = lines.near.at(x, y, p.angle + turn);
                if away > gate {
                    return [0.0; 4];
                }
                let q = &lines.points[n as usize];
                let normal = [-libm::sinf(q.angle), libm::cosf(q.angle)];
                let left = (q.x - x) * normal[0] + (q.y - y) * normal[1];
                let weight = 1.0 - away / gate;
                [normal[0], normal[1], left, weight * weight]
            })
            .collect();
        let near = (-2.0 * reach * reach).recip();
        to = (0..sketch.len())
            .into_par_iter()
            .map(|i| {
                let d = to[i];
                let (mut xx, mut xy, mut yy, mut bx, mut by, mut sum) =
                    (0.0f32, 0.0, 0.0, 0.0, 0.0, 0.05);
                for &(j, apart) in &around[i] {
                    let (e, [nx, ny, left, weight]) = (to[j as usize], pull[j as usize]);
                    if weight == 0.0 || apart > 9.0 * reach * reach {
                        continue;
                    }
                    let (ex, ey) = (e[0] - d[0], e[1] - d[1]);
                    let w = weight * libm::expf(apart * near - (ex * ex + ey * ey) / 128.0);
                    xx += w * nx * nx;
                    xy += w * nx * ny;
                    yy += w * ny * ny;
                    bx += w * nx * left;
                    by += w * ny * left;
                    sum += w;
                }
                // Across the lines by the full amount; along them only as far as they determine it.
                (xx, yy) = (xx + 0.15 * sum, yy + 0.15 * sum);
                let det = xx * yy - xy * xy;
                [d[0] + (yy * bx - xy * by) / det, d[1] + (xx * by - xy * bx) / det]
            })
            .collect();
    }
    to
}

/// Indices and squared distances of the points within `reach` of each point, including itself.
fn around(sketch: &[Point], reach: f32) -> Vec<Vec<(u32, f32)>> {
    sketch
        .par_iter()
        .map(|p| {
            let apart = |o: &Point| (o.x - p.x) * (o.x - p.x) + (o.y - p.y) * (o.y - p.y);
            let all = sketch.iter().enumerate().map(|(j, o)| (j as u32, apart(o)));
            all.filter(|(_, apart)| *apart <= reach * reach).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points around a circle.
    fn circle(x: f32, y: f32, r: f32, n: usize) -> Vec<Point> {
        (0..n)
            .map(|i| {
                let a = i as f32 / n as f32 * std::f32::consts::TAU;
                let angle = (a + std::f32::consts::FRAC_PI_2).rem_euclid(std::f32::consts::PI);
                Point { x: x + r * a.cos(), y: y + r * a.sin(), angle }
            })
            .collect()
    }

    fn distance(lines: &[Point], h: usize, w: usize) -> Map {
        let near = |i: usize| {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            lines.iter().map(|p| (p.x - x).hypot(p.y - y)).fold(f32::INFINITY, f32::min)
        };
        Map { c: 1, h, w, v: (0..h * w).map(near).collect() }
    }

    #[test]
    fn a_far_shape_is_found_among_others_that_rest() {
        let mut lines = circle(150.0, 150.0, 30.0, 190);
        lines.extend(circle(250.0, 60.0, 20.0, 120));
        // The first circle is drawn 40 to the right and 30 up, with half of it left out; the other
        // rests.
        let mut sketch = circle(190.0, 120.0, 30.0, 190)[..100].to_vec();
        sketch.extend(circle(250.0, 60.0, 20.0, 120));
        let near = ChamferIndex::new(&lines, [240, 320], 2);
        let needs = needs(&sketch, &distance(&lines, 240, 320), 320.0);
        let (lines, rest) = (Lines { points: &lines, near: &near }, still(&sketch));
        let way = find(&sketch, &needs, &rest, &lines, 51.0);
        for (point, to) in sketch.iter().zip(way.to) {
            let rests = point.x > 225.0 && point.y < 85.0;
            let wanted = if rests { [0.0, 0.0] } else { [-40.0, 30.0] };
            let off = (to[0] - wanted[0]).hypot(to[1] - wanted[1]);
            assert!(off < 4.0, "{point:?} is found {to:?}");
            assert!(trust(point, to, 0.0, &lines) > 0.3, "{point:?} {to:?}");
        }
    }

    #[test]
    fn what_is_nowhere_is_not_trusted() {
        let lines = circle(60.0, 60.0, 30.0, 190);
        let near = ChamferIndex::new(&lines, [240, 640], 2);
        let stray = circle(500.0, 180.0, 12.0, 75);
        let needs = needs(&stray, &distance(&lines, 240, 640), 640.0);
        assert!(needs.iter().all(|n| *n == 1.0));
        let lines = Lines { points: &lines, near: &near };
        let way = find(&stray, &needs, &still(&stray), &lines, 102.0);
        assert!(stray.iter().zip(way.to).all(|(p, to)| trust(p, to, 0.0, &lines) < 0.2));
    }
}
