//! Finds the sketch's lines in both keys.

use super::candidate_fusion::{Candidate, KeyCandidates, fuse};
use super::chamfer::ChamferIndex;
use super::correspondence::{Lines, find, needs, still, trust};
use super::dense_displacement::carried;
use super::fitting::Sketch;
use super::line_points::Point;
use super::pose_candidates::guesses;

/// How far around the expected place lines are searched, as a share of the longer side: where
/// nothing better is known, and around a guess.
const NEAR: f32 = 0.16;
const CLOSE: f32 = 0.08;
/// Discount on following the unguided motion, or on resting, where the sketch's lines fit that.
const FAVOUR: f32 = 6.0;

/// A point of the sketch matched in both keys: displacement and trust for each.
pub(super) struct MatchedPoint {
    pub(super) point: Point,
    pub(super) to: [[f32; 2]; 2],
    pub(super) trust: [f32; 2],
}

impl Sketch<'_> {
    /// Matches the sketch's points in both keys.
    pub(super) fn meet(&self, line_distances: &[f32]) -> Vec<MatchedPoint> {
        let longest = self.longest();
        let own = self.keys.each_ref().map(|key| needs(&self.drawn, &key.away, longest));
        let place = |k: usize| {
            let key = &self.keys[k];
            let lines = key.lines();
            let mut ways = vec![self.by_motion(k, line_distances)];
            ways.push(still(&self.drawn));
            ways.push(find(&self.drawn, &own[k], &still(&self.drawn), &lines, NEAR * longest));
            let free: Vec<Point> = self
                .drawn
                .iter()
                .zip(&own[k])
                .filter(|(_, n)| **n > 0.5)
                .map(|(p, _)| *p)
                .collect();
            let near = [&key.near[1], &key.near[0]];
            for pose in guesses(&free, near, &key.points, self.shape) {
                let to = self.drawn.iter().map(|p| pose.shift(p.x, p.y)).collect();
                let way = Candidate { to, turn: pose.turn() };
                let loose = vec![1.0; self.drawn.len()];
                ways.push(find(&self.drawn, &loose, &way, &lines, CLOSE * longest));
            }
            KeyCandidates {
                guide: &self.pair.guides[k],
                points: &key.points,
                near: &key.near[0],
                ways,
            }
        };
        let (a, b) = rayon::join(|| place(0), || place(1));
        let places = [a, b];
        let [own_a, own_b] = &own;
        let favour: Vec<[f32; 2]> = (line_distances.iter().zip(own_a.iter().zip(own_b)))
            .map(|(miss, (a, b))| [1.0 - miss, 1.0 - a.max(*b)].map(|v| FAVOUR * v))
            .collect();
        let chosen = fuse(&self.drawn, &places, &favour);
        let [first, last] = [0, 1].map(|k| {
            let ways = &places[k].ways;
            let lines = self.keys[k].lines();
            let to: Vec<[f32; 2]> =
                chosen.iter().enumerate().map(|(i, c)| ways[c[k]].to[i]).collect();
            let trusts = |i: usize| trust(&self.drawn[i], to[i], ways[chosen[i][k]].turn, &lines);
            let trusts: Vec<f32> = (0..to.len()).map(trusts).collect();
            (to, trusts)
        });
        (0..chosen.len())
            .map(|i| MatchedPoint {
                point: self.drawn[i],
                to: [first.0[i], last.0[i]],
                trust: [first.1[i], last.1[i]],
            })
            .collect()
    }

    /// The candidate in key `k` that follows the unguided motion between the key's lines and the
    /// sketch.
    fn by_motion(&self, k: usize, line_distances: &[f32]) -> Candidate {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let key = &self.keys[k];
        let moved = carried(&key.points, &self.pair.flows[k], part);
        let near = ChamferIndex::new(&moved, self.shape, 2);
        let lines = Lines { points: &moved, near: &near };
        let mut way =
            find(&self.drawn, line_distances, &still(&self.drawn), &lines, CLOSE * self.longest());
        for (p, to) in self.drawn.iter().zip(&mut way.to) {
            let (x, y) = (p.x + to[0], p.y + to[1]);
            let (_, n) = near.at(x, y, p.angle);
            if let Some((line, there)) = key.points.get(n as usize).zip(moved.get(n as usize)) {
                *to = [line.x + x - there.x - p.x, line.y + y - there.y - p.y];
            }
        }
        way
    }
}
