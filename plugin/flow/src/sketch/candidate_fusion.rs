//! Chooses at each place one of several candidate positions of the sketch's lines in both keys.
//!
//! A good candidate meets lines in both keys, has the same colours beside them in both, and agrees
//! with its neighbours. Like Lempitsky et al., "FusionFlow", CVPR 2008, it chooses among whole
//! solutions, but here by min-sum belief propagation.

use inbetween_core::Bilinear;
use rayon::prelude::*;

use super::chamfer::ChamferIndex;
use super::line_points::Point;
use crate::map::Map;

/// Number of neighbours of a point, and their largest distance in guide samples.
const NEIGHBOURS: usize = 8;
const BESIDE: f32 = 16.0;
/// Distance to a line that counts as not found.
const LOST: f32 = 12.0;
/// Cost of a difference of one sample between neighbours, and the highest cost of a difference.
const BEND: f32 = 0.25;
const APART: f32 = 2.5;
/// Cost of different colours beside the line, and the distance from the line at which they are
/// compared.
const COLOUR: f32 = 12.0;
const ASIDE: f32 = 3.5;
const ROUNDS: usize = 12;

/// One candidate for the positions of the lines in a key.
pub(super) struct Candidate {
    /// Displacement from each point of the sketch, in guide samples.
    pub(super) to: Vec<[f32; 2]>,
    /// How far the lines are turned there.
    pub(super) turn: f32,
}

/// A key: its picture, its lines, and the candidates in it.
pub(super) struct KeyCandidates<'a> {
    pub(super) guide: &'a Map,
    pub(super) points: &'a [Point],
    pub(super) near: &'a ChamferIndex,
    pub(super) ways: Vec<Candidate>,
}

/// How one point matches under one candidate: its distance, and the colours on both sides.
#[derive(Clone, Copy)]
struct PointMatch {
    to: [f32; 2],
    away: f32,
    beside: [[f32; 3]; 2],
}

/// Chooses a candidate in each key for every point. `favour` is the discount, for each point, on
/// the pair of first candidates and on that of second ones.
pub(super) fn fuse(
    sketch: &[Point],
    places: &[KeyCandidates; 2],
    favour: &[[f32; 2]],
) -> Vec<[usize; 2]> {
    let match_point = [0, 1].map(|k| match_points(sketch, &places[k]));
    let (na, nb) = (places[0].ways.len(), places[1].ways.len());
    let labels: Vec<[usize; 2]> = (0..na * nb).map(|l| [l / nb, l % nb]).collect();
    let own: Vec<Vec<f32>> = (0..sketch.len())
        .into_par_iter()
        .map(|i| {
            labels
                .iter()
                .map(|&[a, b]| {
                    let (p, q) = (&match_point[0][a][i], &match_point[1][b][i]);
                    let lines = p.away.min(LOST) + q.away.min(LOST);
                    let sure = (1.0 - p.away / LOST).max(0.0) * (1.0 - q.away / LOST).max(0.0);
                    let odd: f32 = (0..2)
                        .map(|s| {
                            let apart = (0..3).map(|c| (p.beside[s][c] - q.beside[s][c]).abs());
                            (2.5 * apart.fold(0.0, f32::max)).min(1.0)
                        })
                        .sum();
                    let first = if a == b && a < 2 { favour[i][a] } else { 0.0 };
                    0.5 * lines + 0.5 * COLOUR * sure * odd - first
                })
                .collect()
        })
        .collect();
    let beside = neighbours(sketch);
    let n = labels.len();
    // Messages to each point, indexed by the neighbour's rank.
    let mut heard: Vec<Vec<f32>> = beside.iter().map(|b| vec![0.0; b.len() * n]).collect();
    let rank: Vec<Vec<usize>> = beside
        .iter()
        .enumerate()
        .map(|(i, b)| {
            b.iter()
                .map(|&j| beside[j].iter().position(|&k| k == i).unwrap_or(usize::MAX))
                .collect()
        })
        .collect();
    for _ in 0..ROUNDS {
        heard = (0..sketch.len())
            .into_par_iter()
            .map(|i| {
                let mut out = vec![0.0f32; beside[i].len() * n];
                for (r, (&j, to)) in beside[i].iter().zip(out.chunks_mut(n)).enumerate() {
                    let mut sum = own[j].clone();
                    for (s, from) in heard[j].chunks(n).enumerate() {
                        if s != rank[i][r] {
                            sum.iter_mut().zip(from).for_each(|(a, b)| *a += b);
                        }
                    }
                    let least = sum.iter().copied().fold(f32::INFINITY, f32::min);
                    for (l, to) in to.iter_mut().enumerate() {
                        let mine = [0, 1].map(|k| match_point[k][labels[l][k]][i].to);
                        let mut best = least + APART;
                        for (m, sum) in sum.iter().enumerate() {
                            if *sum >= best {
                                continue;
                            }
                            let apart: f32 = (0..2)
                                .map(|k| {
                                    let [u, v] = match_point[k][labels[m][k]][j].to;
                                    libm::hypotf(u - mine[k][0], v - mine[k][1])
                                })
                                .sum();
                            best = best.min(sum + (BEND * apart).min(APART));
                        }
                        *to = best - least;
                    }
                    // Half of the previous message is kept, so that nothing oscillates.
                    for (to, old) in to.iter_mut().zip(&heard[i][r * n..]) {
                        *to = 0.5 * (*to + old);
                    }
                }
                out
            })
            .collect();
    }
    (0..sketch.len())
        .map(|i| {
            let mut sum = own[i].clone();
            for from in heard[i].chunks(n) {
                sum.iter_mut().zip(from).for_each(|(a, b)| *a += b);
            }
            labels[(0..n).fold(0, |b, l| if sum[l] < sum[b] { l } else { b })]
        })
        .collect()
}

fn match_points(sketch: &[Point], place: &KeyCandidates) -> Vec<Vec<PointMatch>> {
    place
        .ways
        .par_iter()
        .map(|way| {
            sketch.iter().zip(&way.to).map(|(p, &to)| match_point(p, to, way.turn, place)).collect()
        })
        .collect()
}

fn match_point(p: &Point, to: [f32; 2], turn: f32, place: &KeyCandidates) -> PointMatch {
    let (x, y) = (p.x + to[0], p.y + to[1]);
    let (away, n) = place.near.at(x, y, p.angle + turn);
    let own = p.angle + turn;
    let (mut nx, mut ny) = (-libm::sinf(own), libm::cosf(own));
    if away < LOST {
        let line = &place.points[n as usize];
        let (lx, ly) = (-libm::sinf(line.angle), libm::cosf(line.angle));
        // Sides are those of the sketch, whichever way the key's line was traced.
        let side = if lx * nx + ly * ny < 0.0 { -1.0 } else { 1.0 };
        (nx, ny) = (side * lx, side * ly);
    }
    let guide = place.guide;
    let beside = [ASIDE, -ASIDE].map(|by| {
        let at = Bilinear::at(x + by * nx, y + by * ny, guide.h, guide.w);
        [0, 1, 2].map(|c| at.of(guide.plane(c)))
    });
    PointMatch { to, away, beside }
}

/// The nearest points of each point, in both directions.
fn neighbours(sketch: &[Point]) -> Vec<Vec<usize>> {
    let near: Vec<Vec<usize>> = sketch
        .par_iter()
        .enumerate()
        .map(|(i, p)| {
            let apart = |q: &Point| libm::hypotf(q.x - p.x, q.y - p.y);
            let mut all: Vec<(f32, usize)> = sketch
                .iter()
                .enumerate()
                .filter(|&(j, q)| {
                    j != i && (q.x - p.x).abs() < BESIDE && (q.y - p.y).abs() < BESIDE
                })
                .map(|(j, q)| (apart(q), j))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            // The nearest points, and some farther ones on other lines.
            let farther =
                all.len().saturating_sub(NEIGHBOURS / 2).max(1) as f32 / (NEIGHBOURS / 2) as f32;
            (0..NEIGHBOURS)
                .filter_map(|k| {
                    let at = if k < NEIGHBOURS / 2 {
                        k
                    } else {
                        NEIGHBOURS / 2 + ((k - NEIGHBOURS / 2) as f32 * farther.max(1.0)) as usize
                    };
                    all.get(at).map(|a| a.1)
                })
                .collect()
        })
        .collect();
    let mut both = near.clone();
    for (i, of) in near.iter().enumerate() {
        for &j in of {
            if !both[j].contains(&i) {
                both[j].push(i);
            }
        }
    }
    both
}
