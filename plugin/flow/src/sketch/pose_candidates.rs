//! Finds turns and shifts that bring many lines of a sketch onto lines of a key at once.
//!
//! A figure that leaps or falls is found here as a whole, however far it moved; its limbs then need
//! only small corrections.

use rayon::prelude::*;

use super::chamfer::ChamferIndex;
use super::line_points::Point;

/// Number of guesses, each for what the previous ones left unexplained.
const GUESSES: usize = 2;
/// Turns tried each way, and the angle between two of them.
const TURNS: isize = 6;
const TURN: f32 = 0.17;
/// Farthest shift tried, as a share of the guide's sides.
const FAR: f32 = 0.55;
/// Distance between tried shifts, in guide samples.
const STRIDE: f32 = 8.0;
/// Number of points that vote.
const VOTERS: usize = 110;
/// Distance within which a line counts as met, during the search and after it; in guide samples.
const NEAR: f32 = 14.0;
const MET: f32 = 6.0;
/// Votes subtracted for a shift by the guide's longer side, as a share of all votes.
const LAZY: f32 = 0.15;
/// Fewest points worth a guess, as a number and as a share of all.
const FEW: usize = 40;
const SHARE: f32 = 0.06;

/// A similarity that maps `(x, y)` to `(a x - b y + u, b x + a y + v)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    a: f32,
    b: f32,
    u: f32,
    v: f32,
}

impl Pose {
    fn turned(turn: f32, about: [f32; 2], shift: [f32; 2]) -> Self {
        let (b, a) = (libm::sinf(turn), libm::cosf(turn));
        let [x, y] = about;
        Self { a, b, u: x - a * x + b * y + shift[0], v: y - b * x - a * y + shift[1] }
    }

    pub(super) fn turn(&self) -> f32 {
        libm::atan2f(self.b, self.a)
    }

    fn scale(&self) -> f32 {
        libm::hypotf(self.a, self.b)
    }

    /// The displacement of (`x`, `y`).
    pub(super) fn shift(&self, x: f32, y: f32) -> [f32; 2] {
        [self.a * x - self.b * y + self.u - x, self.b * x + self.a * y + self.v - y]
    }

    fn of(&self, p: &Point) -> Point {
        let [dx, dy] = self.shift(p.x, p.y);
        Point { x: p.x + dx, y: p.y + dy, angle: p.angle + self.turn() }
    }
}

/// The poses that explain most of `sketch`, best first. `near` are the coarse and the fine index of
/// the key's lines, `points` are those lines.
pub(super) fn guesses(
    sketch: &[Point],
    near: [&ChamferIndex; 2],
    points: &[Point],
    size: [usize; 2],
) -> Vec<Pose> {
    let mut left: Vec<Point> = sketch.to_vec();
    let few = FEW.max((SHARE * sketch.len() as f32) as usize);
    let mut out = Vec::new();
    while out.len() < GUESSES && left.len() >= few {
        let Some(pose) = guess(&left, near, points, size) else { break };
        let before = left.len();
        left.retain(|p| away(near[1], &pose.of(p)) > 0.8 * MET);
        if before - left.len() < few / 2 {
            break;
        }
        out.push(pose);
    }
    out
}

fn away(near: &ChamferIndex, p: &Point) -> f32 {
    near.at(p.x, p.y, p.angle).0
}

fn guess(
    sketch: &[Point],
    near: [&ChamferIndex; 2],
    points: &[Point],
    [h, w]: [usize; 2],
) -> Option<Pose> {
    let step = sketch.len().div_ceil(VOTERS).max(1);
    let voters: Vec<Point> = sketch.iter().copied().step_by(step).collect();
    let n = voters.len() as f32;
    let about =
        [voters.iter().map(|p| p.x).sum::<f32>() / n, voters.iter().map(|p| p.y).sum::<f32>() / n];
    let (far_x, far_y) = ((FAR * w as f32 / STRIDE) as isize, (FAR * h as f32 / STRIDE) as isize);
    let lazy = LAZY * n / w.max(h) as f32;
    let mut tried: Vec<(f32, Pose)> = (-TURNS..=TURNS)
        .into_par_iter()
        .flat_map_iter(|turn| {
            let turn = turn as f32 * TURN;
            let still = Pose::turned(turn, about, [0.0; 2]);
            let turned: Vec<Point> = voters.iter().map(|p| still.of(p)).collect();
            let mut best: Vec<(f32, Pose)> = Vec::new();
            for j in -far_y..=far_y {
                for i in -far_x..=far_x {
                    let shift = [i as f32 * STRIDE, j as f32 * STRIDE];
                    let votes: f32 = turned
                        .iter()
                        .map(|p| {
                            (1.0 - near[0].at(p.x + shift[0], p.y + shift[1], p.angle).0 / NEAR)
                                .max(0.0)
                        })
                        .sum();
                    let score =
                        votes - lazy * libm::hypotf(shift[0], shift[1]) - 0.02 * n * turn.abs();
                    if best.len() < 2 || score > best[best.len() - 1].0 {
                        best.push((score, Pose::turned(turn, about, shift)));
                        best.sort_by(|a, b| b.0.total_cmp(&a.0));
                        best.truncate(2);
                    }
                }
            }
            best
        })
        .collect();
    tried.sort_by(|a, b| b.0.total_cmp(&a.0));
    tried.truncate(8);
    let fine: Vec<(f32, Pose)> = tried
        .into_par_iter()
        .map(|(_, pose)| {
            let pose = fitted(sketch, pose, near[1], points);
            let votes: f32 =
                sketch.iter().map(|p| (1.0 - away(near[1], &pose.of(p)) / MET).max(0.0)).sum();
            let [dx, dy] = pose.shift(about[0], about[1]);
            (votes / sketch.len() as f32 - LAZY * libm::hypotf(dx, dy) / w.max(h) as f32, pose)
        })
        .collect();
    fine.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|best| best.1)
}

/// The similarity near `pose` that brings points close to lines onto these lines.
fn fitted(sketch: &[Point], mut pose: Pose, near: &ChamferIndex, points: &[Point]) -> Pose {
    for gate in [20.0f32, 16.0, 12.0, 10.0, 8.0, 6.0, 6.0, 6.0] {
        // Normal equations for a, b, u, v, from the distances across the lines only.
        let mut m = [[0.0f64; 5]; 4];
        for p in sketch {
            let q = pose.of(p);
            let (away, n) = near.at(q.x, q.y, q.angle);
            if away > gate {
                continue;
            }
            let line = &points[n as usize];
            let (nx, ny) = (-libm::sinf(line.angle), libm::cosf(line.angle));
            let weight = f64::from((1.0 - away / gate).powi(2));
            let row = [nx * p.x + ny * p.y, ny * p.x - nx * p.y, nx, ny].map(f64::from);
            let wanted = f64::from(nx * line.x + ny * line.y);
            for i in 0..4 {
                for j in 0..4 {
                    m[i][j] += weight * row[i] * row[j];
                }
                m[i][4] += weight * row[i] * wanted;
            }
        }
        // Where the lines do not determine it, nothing changes.
        let now = [pose.a, pose.b, pose.u, pose.v].map(f64::from);
        for (i, keep) in [20.0, 20.0, 0.05, 0.05].into_iter().enumerate() {
            m[i][i] += keep;
            m[i][4] += keep * now[i];
        }
        let Some([a, b, u, v]) = solved(m) else { return pose };
        let next = Pose { a: a as f32, b: b as f32, u: u as f32, v: v as f32 };
        if !(0.7..1.4).contains(&next.scale()) {
            return pose;
        }
        pose = next;
    }
    pose
}

/// Solves four equations by elimination with pivoting.
fn solved(mut m: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for i in 0..4 {
        let pivot = (i..4).max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs()))?;
        m.swap(i, pivot);
        if m[i][i].abs() < 1e-9 {
            return None;
        }
        let own = m[i];
        for (_, row) in m.iter_mut().enumerate().filter(|&(j, _)| j != i) {
            let by = row[i] / own[i];
            row.iter_mut().zip(own).for_each(|(v, own)| *v -= by * own);
        }
    }
    Some([0, 1, 2, 3].map(|i| m[i][4] / m[i][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points along the sides of a triangle.
    fn triangle(corners: [(f32, f32); 3]) -> Vec<Point> {
        (0..3)
            .flat_map(|k| {
                let ((ax, ay), (bx, by)) = (corners[k], corners[(k + 1) % 3]);
                let angle = (by - ay).atan2(bx - ax).rem_euclid(std::f32::consts::PI);
                let n = (bx - ax).hypot(by - ay) as usize;
                (0..n).map(move |i| {
                    let f = i as f32 / n as f32;
                    Point { x: ax + f * (bx - ax), y: ay + f * (by - ay), angle }
                })
            })
            .collect()
    }

    #[test]
    fn a_figure_that_flew_and_turned_is_found() {
        let size = [240, 400];
        let key = triangle([(40.0, 190.0), (120.0, 170.0), (70.0, 110.0)]);
        let about = [200.0, 90.0];
        let place = Pose::turned(0.55, [76.0, 156.0], [about[0] - 76.0, about[1] - 156.0]);
        let sketch: Vec<Point> = key.iter().map(|p| place.of(p)).collect();
        let near = [2, 4].map(|step| ChamferIndex::new(&key, size, step));
        let found = guesses(&sketch, [&near[1], &near[0]], &key, size);
        for (p, q) in sketch.iter().zip(&key) {
            let [dx, dy] = found[0].shift(p.x, p.y);
            let off = (p.x + dx - q.x).hypot(p.y + dy - q.y);
            assert!(off < 4.0, "{p:?} is found {off} beside {q:?}");
        }
    }
}
