//! Derives a figure from its lines: what the sketch moves in a key, and how it moves.

use super::fitting::Sketch;
use super::key_matching::MatchedPoint;
use super::mls_warp::{ControlPoint, neighbour_agreement, ways};
use super::propagation::KnownValues;
use crate::map::Map;
use crate::net::CELL;
use inbetween_core::Bilinear;

/// Weight of a sketch point in a key, where outlines stop the spread of motion.
const LINE: f32 = 2.0;
/// Weight of the unguided motion where it is certain, and where the keys show the same at rest.
const LOYAL: f32 = 0.001;
const RESTING: f32 = 0.02;
/// Weight of a figure's overall motion in each of its samples.
const RIGID: f32 = 0.02;
/// Deviation from the unguided motion from which the sketch corrects it, and the range over which
/// the correction grows, in guide samples.
const OFF: [f32; 2] = [1.0, 2.0];

/// A point of the sketch, located in a key.
struct KeyPoint {
    x: f32,
    y: f32,
    /// Displacement from there to the sketch and to the other key, in guide samples.
    there: [f32; 2],
    end: [f32; 2],
    /// How far that differs from the unguided motion, 0..=1.
    corrected: f32,
    /// How certain its places in this key and in the other one are.
    trust: f32,
    other: f32,
}

/// Converts a place in guide samples to samples of half guide size.
fn half([x, y]: [f32; 2]) -> [f32; 2] {
    [0.5 * x - 0.25, 0.5 * y - 0.25]
}

impl Sketch<'_> {
    /// How each key moves to the sketch and to the other key, and which part of it the sketch moves
    /// (0 or 1): `[5, h / 2, w / 2]`, in guide samples.
    pub(super) fn ways(&self, met: &[MatchedPoint], share: f32) -> [Map; 2] {
        let (first, last) = rayon::join(|| self.way(0, met, share), || self.way(1, met, share));
        [first, last]
    }

    fn way(&self, k: usize, met: &[MatchedPoint], share: f32) -> Map {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let (small, flow) = (&self.pair.small[k], &self.pair.flows[k]);
        let (h, w, area) = (small.h, small.w, small.area());
        let (_, firm) = self.shares();
        let here = self.here(k, met);
        let unguided_weights = self.unguided_weights(k);
        let mut known = KnownValues::new(1, h, w);
        for p in &here {
            known.add(0, half([p.x, p.y]), p.corrected, firm * LINE * p.trust, |_| true);
        }
        (0..area).for_each(|i| known.lean(0, i, 0.0, unguided_weights[i]));
        let figure = known.spread(small, None).blur(1).map(|v| if v > 0.5 { 1.0 } else { 0.0 });
        // The overall motion of the moved part.
        let rigid = |end: bool| {
            let going: Vec<ControlPoint> = (here.iter())
                .map(|p| {
                    let (by, sure) = if end { (p.end, p.other) } else { (p.there, 1.0) };
                    ControlPoint { x: p.x, y: p.y, by, weight: p.corrected * p.trust * sure }
                })
                .collect();
            let (map, agree) = ways(&going, h / (CELL / 2), w / (CELL / 2), CELL);
            (map.resize(h, w), agree)
        };
        let ((there, agree), (end, agree_end)) = rayon::join(|| rigid(false), || rigid(true));
        let mut known = KnownValues::new(4, h, w);
        for (p, (agree, agree_end)) in here.iter().zip(agree.iter().zip(&agree_end)) {
            let doubt = |agree: &f32| 1.0 + p.corrected * (agree * agree - 1.0);
            let weight = firm * LINE * p.trust * doubt(agree);
            let weight_end = firm * LINE * p.trust * p.other * doubt(agree_end);
            let own = |i: usize| (figure.v[i] > 0.5) == (p.corrected > 0.5);
            for c in 0..2 {
                known.add(c, half([p.x, p.y]), p.there[c], weight, own);
                known.add(2 + c, half([p.x, p.y]), p.end[c], weight_end, own);
            }
        }
        for (i, (&m, unguided_weights)) in figure.v.iter().zip(&unguided_weights).enumerate() {
            let (ground, m) = ((1.0 - m) * unguided_weights, m * RIGID);
            for (c, j) in [i, area + i].into_iter().enumerate() {
                known.lean(c, i, 2.0 * part * flow.v[j], ground);
                known.lean(c, i, there.v[j], m);
                known.lean(2 + c, i, 2.0 * flow.v[j], ground);
                known.lean(2 + c, i, end.v[j], m);
            }
        }
        let mut out = Map::stack(&[&known.spread(small, Some(&figure)), &figure]);
        // Only this part of the way from the unguided motion.
        for (c, part) in [part, part, 1.0, 1.0].into_iter().enumerate() {
            let to = &mut out.v[c * area..(c + 1) * area];
            for (to, flow) in to.iter_mut().zip(flow.plane(c % 2)) {
                let unguided = 2.0 * part * flow;
                *to = unguided + share * (*to - unguided);
            }
        }
        out
    }

    /// The sketch's points, located in key `k`.
    fn here(&self, k: usize, met: &[MatchedPoint]) -> Vec<KeyPoint> {
        let part = if k == 0 { self.at } else { 1.0 - self.at };
        let flow = &self.pair.flows[k];
        let mut here: Vec<KeyPoint> = (met.iter())
            .map(|m| {
                let ([dx, dy], [ex, ey]) = (m.to[k], m.to[1 - k]);
                let (x, y) = (m.point.x + dx, m.point.y + dy);
                let [hx, hy] = half([x, y]);
                let at = Bilinear::at(hx, hy, flow.h, flow.w);
                let [u, v] = [0, 1].map(|c| 2.0 * part * at.of(flow.plane(c)));
                let off = libm::hypotf(dx + u, dy + v);
                KeyPoint {
                    x,
                    y,
                    there: [-dx, -dy],
                    end: [ex - dx, ey - dy],
                    corrected: ((off - OFF[0]) / OFF[1]).clamp(0.0, 1.0),
                    trust: m.trust[k],
                    other: m.trust[1 - k],
                }
            })
            .collect();
        // A point that moves differently from the lines beside it in the sketch was matched
        // wrongly.
        let (mut moved, mut resting) = (Vec::new(), Vec::new());
        for (m, here) in met.iter().zip(&here) {
            let weight = m.trust[k].max(1e-3);
            let going = ControlPoint { x: m.point.x, y: m.point.y, by: m.to[k], weight };
            if here.corrected > 0.5 { moved.push(going) } else { resting.push(going) }
        }
        let neighbour_agreement = neighbour_agreement(&moved, &resting);
        let corrected = here.iter_mut().filter(|h| h.corrected > 0.5);
        corrected
            .zip(neighbour_agreement)
            .for_each(|(here, neighbour_agreement)| here.trust *= neighbour_agreement);
        here
    }

    /// Weight of the unguided motion of key `k` in each sample.
    fn unguided_weights(&self, k: usize) -> Vec<f32> {
        let flow = &self.pair.flows[k];
        let sure = self.pair.matched.confidence[k].resize(flow.h, flow.w);
        let rests = self.resting();
        (0..flow.area())
            .map(|i| {
                let still =
                    1.0 - (libm::hypotf(flow.v[i], flow.v[flow.area() + i]) / 0.75).min(1.0);
                LOYAL * sure.v[i] + RESTING * rests.v[i] * still + 1e-6
            })
            .collect()
    }

    /// Where both keys show the same at the same place, 0..=1, at half guide size.
    fn resting(&self) -> Map {
        let [a, b] = &self.pair.small;
        let mut differ = Map::new(1, a.h, a.w);
        for c in 0..3 {
            for ((to, a), b) in differ.v.iter_mut().zip(a.plane(c)).zip(b.plane(c)) {
                *to = to.max((a - b).abs());
            }
        }
        differ.blur(1).map(|v| (1.0 - v / 0.02).max(0.0))
    }
}
