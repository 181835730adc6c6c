//! Finds a piece of a key in the drawing beside the span.

use super::Layers;
use super::pinned_way::fit;
use super::transform::{Affine, Point, UNIT, sides};
use super::trust::{apart_from, carries};
use crate::map::Map;

/// Approximate number of pixels that are compared per piece.
const ASKED: usize = 400;
/// With fewer line pixels than this, all pixels of the piece count.
const FEW: usize = 40;
/// Share of these pixels that must stay in the picture.
const INSIDE: f32 = 0.5;
/// Largest difference of a channel that counts, 0..=1, because hidden pixels may differ by any
/// amount.
const CAP: f32 = 0.3;
/// Cost, in units of difference, of being a picture's diagonal away from the expected place, and of
/// doubling or halving a side.
const ODD: (f32, f32) = (0.5, 0.02);
/// Upper limit for the first cost, because things that accelerate move far.
const MOST_ODD: f32 = 0.06;
/// Difference that is ignored in favour of resting: what looks the same where it was rests.
const REST: f32 = 0.004;
/// Mean difference up to which it looks the same.
const SAME: f32 = 0.03;
/// Number of the likeliest motions that are refined, because a correct one that is slightly off may
/// look worse than a wrong one.
const CLIMB: usize = 5;
/// Limits for stretching or squashing a side, and for turning in radians.
const MOST: (f32, f32) = (2.0, 1.6);
/// Stretching and squashing up to which a shape counts as kept.
const SHAPE: f32 = 1.18;

/// What a piece must show to count as found.
pub(super) struct Evidence {
    /// Share of the pixels that land on similar ones.
    found: f32,
    /// Share of the difference at rest that may remain.
    left: f32,
}

/// For a figure, whose limbs may move differently. A limb that is taken for the other one is found by half.
pub(super) const FIGURE: Evidence = Evidence { found: 0.6, left: 0.7 };
/// For the ground, because everything else moves with it.
pub(super) const GROUND: Evidence = Evidence { found: 0.85, left: 0.35 };

/// An analysed pair of drawings: the keys of the span, or one of them and the drawing beside it.
pub(crate) struct PairView<'a> {
    /// Brought to the same light, `[3, h, w]`.
    pub(crate) guides: &'a [Map; 2],
    /// See `KeyPair::flows`.
    pub(crate) flows: &'a [Map; 2],
    pub(crate) layers: &'a Layers,
    /// The two drawings have different light.
    pub(crate) relit: bool,
}

impl Layers {
    /// From drawing `side` of `pair` to the other one, for the pixels at `places`; `None` if they
    /// are not found. `onward` is where they are if they continue as known; otherwise most of them
    /// decide.
    pub(super) fn follow(
        side: usize,
        places: &[usize],
        pair: &PairView<'_>,
        onward: Option<&Affine>,
        evidence: &Evidence,
    ) -> Option<Affine> {
        let w = pair.layers.w;
        let owners = &pair.layers.owners[side];
        // The rim of what lies in front says nothing about what lies behind.
        let own_line = |i: &usize| owners.line[*i] && owners.clean[*i];
        let lines: Vec<usize> = places.iter().copied().filter(own_line).collect();
        let some = if lines.len() < FEW { places } else { &lines };
        let step = some.len().div_ceil(ASKED).max(1);
        let asked: Vec<usize> = some.iter().copied().step_by(step).collect();
        if asked.len() < 8 {
            return None;
        }
        let at = |i: usize| -> Point { [(i % w) as f32, (i / w) as f32] };
        let part = 1.0 / asked.len() as f32;
        let middle: Point = [0, 1].map(|c| asked.iter().map(|&i| part * at(i)[c]).sum());
        let reach = asked.iter().map(|&i| {
            let d = [at(i)[0] - middle[0], at(i)[1] - middle[1]];
            part * (d[0] * d[0] + d[1] * d[1])
        });
        let reach = reach.sum::<f32>().sqrt().max(2.0);

        let mut ways = vec![Affine::shift([0.0; 2])];
        // The motions of the pair's own pieces, those with most of the pixels first.
        let mut counts = std::collections::BTreeMap::<u16, usize>::new();
        for &i in &asked {
            *counts.entry(owners.piece[i]).or_default() += 1;
        }
        let mut pieces: Vec<(u16, usize)> = counts.into_iter().collect();
        pieces.sort_by_key(|&(piece, count)| (std::cmp::Reverse(count), piece));
        let motion = |piece: u16| pair.layers.pieces[piece as usize].motion.seen_from(side);
        ways.extend(pieces.iter().take(3).filter_map(|&(piece, _)| motion(piece)));
        let flow = &pair.flows[side];
        let goes = |i: usize| {
            let j = (i / w / 2).min(flow.h - 1) * flow.w + (i % w / 2).min(flow.w - 1);
            [0, 1].map(|c| at(i)[c] + 2.0 * flow.v[c * flow.area() + j])
        };
        let mut pairs: Vec<(Point, Point)> = asked.iter().map(|&i| (at(i), goes(i))).collect();
        let found = most_of(&mut pairs);
        ways.push(found);
        let expected = *onward.unwrap_or(&found);
        ways.push(expected);
        // Round things may have been found in any orientation.
        let straight = |way: &Affine| {
            let to = way.at(middle);
            Affine { m: UNIT, from: middle, to }
        };
        ways.extend(ways.clone().iter().map(straight));

        let sound = |way: &Affine| {
            let [small, large] = sides(way.polar().1);
            way.polar().0.abs() < MOST.1 && large < MOST.0 && small > 1.0 / MOST.0
        };
        let diagonal = libm::hypotf(pair.layers.height as f32, pair.layers.width as f32);
        let unlike = |way: &Affine| -> f32 {
            let apart = |&i: &usize| apart_from(pair.guides, side, at(i), way.at(at(i))).min(CAP);
            asked.iter().map(apart).sum::<f32>() * part
        };
        let off = |way: &Affine| -> f32 {
            let (p, q) = (way.at(middle), expected.at(middle));
            let far = libm::hypotf(p[0] - q[0], p[1] - q[1]) / diagonal;
            let [small, large] = sides(way.polar().1);
            let stretched = libm::log2f(large.max(1e-3)).abs() + libm::log2f(small.max(1e-3)).abs();
            unlike(way) + (ODD.0 * far).min(MOST_ODD) + ODD.1 * stretched
        };
        let mut ranked: Vec<(f32, Affine)> = ways
            .iter()
            .filter(|way| sound(way))
            .map(|way| (off(way), way.around(middle)))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let climbed = ranked.iter().take(CLIMB).map(|&best| climb(best, reach, off));
        let (_, best) = climbed.reduce(|a, b| if b.0 < a.0 { b } else { a })?;
        let (at_rest, left) = (unlike(&ways[0]), unlike(&best));
        if at_rest <= left + REST {
            return (at_rest < SAME).then_some(ways[0].around(middle));
        }

        let (h, w) = (pair.layers.height as f32, pair.layers.width as f32);
        let inside = |i: &usize| {
            let q = best.at(at(*i));
            q[0] > -0.5 && q[1] > -0.5 && q[0] < w - 0.5 && q[1] < h - 0.5
        };
        let stays = asked.iter().filter(|i| inside(i)).count() as f32;
        let found = asked.iter().filter(|&&i| carries(pair.guides, Some(&best), side, i)).count();
        let known = left < evidence.left * at_rest
            && stays * part >= INSIDE
            && found as f32 >= evidence.found * stays
            && sound(&best);
        known.then_some(best)
    }
}

/// Whether a motion hardly stretches or squashes.
pub(super) fn keeps_shape(way: &Affine) -> bool {
    let [small, large] = sides(way.polar().1);
    small > 1.0 / SHAPE && large < SHAPE
}

/// The motion of most of `pairs`, without those that move differently.
fn most_of(pairs: &mut Vec<(Point, Point)>) -> Affine {
    for _ in 0..3 {
        let way = fit(pairs);
        let off = |pair: &(Point, Point)| {
            let q = way.at(pair.0);
            libm::hypotf(q[0] - pair.1[0], q[1] - pair.1[1])
        };
        let mut all: Vec<f32> = pairs.iter().map(off).collect();
        all.sort_by(f32::total_cmp);
        let limit = (1.5 * all[all.len() / 2]).max(1.0);
        pairs.retain(|pair| off(pair) <= limit);
    }
    fit(pairs)
}

/// Refines a motion of a piece with radius `reach`, in steps down to a quarter of a sample at its
/// rim.
fn climb(from: (f32, Affine), reach: f32, off: impl Fn(&Affine) -> f32) -> (f32, Affine) {
    let mut best = from;
    for step in [2.0f32, 1.0, 0.5, 0.25] {
        let e = (step / reach).min(0.3);
        for _ in 0..8 {
            let mut better = best;
            for s in [1.0, -1.0] {
                let stretch = 1.0 + s * e;
                for way in [
                    best.1.changed([s * step, 0.0], 0.0, UNIT),
                    best.1.changed([0.0, s * step], 0.0, UNIT),
                    best.1.changed([0.0; 2], s * e, UNIT),
                    best.1.changed([0.0; 2], 0.0, [[stretch, 0.0], [0.0, stretch]]),
                    best.1.changed([0.0; 2], 0.0, [[stretch, 0.0], [0.0, 1.0 / stretch]]),
                    best.1.changed([0.0; 2], 0.0, [[1.0, s * e], [s * e, 1.0]]),
                ] {
                    let off = off(&way);
                    if off < better.0 - 1e-5 {
                        better = (off, way);
                    }
                }
            }
            if better.0 >= best.0 {
                break;
            }
            best = better;
        }
    }
    best
}
