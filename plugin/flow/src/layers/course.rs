//! The path of each piece through the drawings beside the span: arcs and changes of speed in place
//! of straight, even paths.
//!
//! Position, turn and stretch of a piece each follow a cubic through both keys. Its speed at a key
//! is that of the parabola through the key and the drawings on both sides, so the speed is the same
//! in the neighbouring span. If there is no drawing on one side, the speed makes the whole path a
//! parabola. No path goes back behind a key or beyond the other one.

use rayon::prelude::*;

use super::Layers;
use super::follow::{FIGURE, GROUND, PairView, keeps_shape};
use super::ground_beside::GroundBeside;
use super::transform::{Affine, Bend, Point, UNIT, product, world_stretch};
use crate::map::Map;

/// Movement at its rim, in samples, below which a piece rests from one drawing to the next.
const RESTS: f32 = 0.6;
/// A piece keeps its straight, even path if its rim never deviates from it by more than this, in
/// samples.
const STRAIGHT: f32 = 0.35;
/// Highest speed at a key relative to the mean of the span; up to this a cubic does not reverse.
const FASTEST: f32 = 3.0;
/// The same for speed across the straight path.
const ASIDE: f32 = 2.0;
/// A turn that deviates from the even one by more than this is not believed, in radians per span.
const TURNS: f32 = 0.17;
/// Pieces smaller than this move with the pieces they touch, in samples.
const SMALL: f32 = 40.0;

/// What the drawings beside a span reveal about it.
pub(crate) struct Course {
    /// The paths of all pieces; empty if all of them are straight and even.
    ways: Vec<Option<CurvedWay>>,
    /// The ground before and after the span.
    pub(super) grounds: [Option<GroundBeside>; 2],
}

/// How a piece deviates from its straight, even path.
#[derive(Clone, Copy, Debug)]
enum CurvedWay {
    /// By its own deviations of speed at both keys.
    Own(Curve),
    /// In the same way as this other piece.
    With(usize),
}

/// The path of one piece.
#[derive(Clone, Copy, Debug)]
struct Curve {
    /// From key to key, as it is drawn.
    motion: Affine,
    /// Deviations of speed at both keys.
    ends: [Bend; 2],
}

impl Curve {
    /// The deviation from the straight, even path at `t`.
    fn bend(&self, t: f32) -> Bend {
        let [start, end] = &self.ends;
        let (a, b) = (t * (1.0 - t) * (1.0 - t), -t * t * (1.0 - t));
        Bend {
            shift: [0, 1].map(|c| a * start.shift[c] + b * end.shift[c]),
            angle: a * start.angle + b * end.angle,
            stretch: [0, 1]
                .map(|i| [0, 1].map(|j| a * start.stretch[i][j] + b * end.stretch[i][j])),
        }
    }
}

impl Course {
    pub(crate) fn byte_len(&self) -> usize {
        let grounds = self.grounds.iter().flatten().map(GroundBeside::byte_len).sum::<usize>();
        grounds + self.ways.len() * size_of::<Option<CurvedWay>>()
    }

    /// Whether any piece leaves its straight, even path.
    pub(crate) fn bends(&self) -> bool {
        !self.ways.is_empty()
    }
}

/// Where a piece is in one drawing, relative to the first key.
struct Pose {
    position: f32,
    to: Point,
    angle: f32,
    stretch: [[f32; 2]; 2],
}

impl Layers {
    /// What the drawings beside the span reveal; `None` if that is nothing. `guides` and `flows` are
    /// those of the pair. `beside` holds the positions of the drawings before and after it (0 is the
    /// first key, 1 the last), each as a pair with the adjacent key.
    pub(crate) fn course(
        &self,
        guides: &[Map; 2],
        flows: &[Map; 2],
        beside: [Option<(f32, PairView<'_>)>; 2],
    ) -> Option<Course> {
        let n = self.pieces.len();
        let heads: Vec<usize> = (0..n).map(|p| self.head(p)).collect();
        let mut places = [vec![Vec::new(); n], vec![Vec::new(); n]];
        for (key, places) in places.iter_mut().enumerate() {
            for (i, &p) in self.owners[key].piece.iter().enumerate() {
                places[heads[p as usize]].push(i);
            }
        }
        let keys = PairView { guides, flows, layers: self, relit: false };
        let evidence = |p: usize| if p == 0 { &GROUND } else { &FIGURE };
        // The position of the drawing beside `key`, and the motion of piece `p` from the key to that
        // drawing. `motion` is its motion from the first key to the last.
        let way_beside = |key: usize, p: usize, motion: &Affine| -> Option<(f32, Affine)> {
            let (position, pair) = beside[key].as_ref()?;
            let expected = match key {
                0 => onward(&motion.inverse()?, -position),
                _ => onward(motion, position - 1.0),
            };
            let places = &places[key][p];
            let way = Self::follow(1 - key, places, pair, Some(&expected), evidence(p))?;
            Some((*position, way))
        };
        let curve = |p: usize| -> Option<Curve> {
            let piece = &self.pieces[p];
            let rides = heads[p] != p || piece.pinned.is_some();
            if rides || !piece.held && (piece.only.is_some() || piece.size < SMALL) {
                return None;
            }
            // A piece that is not drawn as a piece moves as the dense motion has it, provided that
            // motion is simple.
            let drawn = self.needed[p] || piece.held;
            let motion = match drawn {
                true => piece.motion,
                false => Self::follow(0, &places[0][p], &keys, None, evidence(p))?,
            };
            let motion = motion.around(piece.motion.from);
            // What seems to squash is more than one thing.
            if !drawn && !keeps_shape(&motion) {
                return None;
            }
            let before = way_beside(0, p, &motion);
            let after =
                way_beside(1, p, &motion).map(|(position, way)| (position, way.after(&motion)));
            let mut ends = departures_of(&motion, piece.size, before, after)?;
            if !drawn {
                // The dense motion has stretched it already, so little of that is left to find.
                ends.iter_mut().for_each(|end| end.stretch = Bend::default().stretch);
            }
            Some(Curve { motion, ends })
        };
        let curves: Vec<Option<Curve>> = (0..n).into_par_iter().map(curve).collect();
        let with = |p: usize| -> Option<usize> {
            let piece = &self.pieces[p];
            if piece.pinned.is_some() {
                None
            } else if piece.held || self.rests[p] {
                Some(heads[p])
            } else {
                let size = |q: &usize| self.pieces[*q].size;
                let touched = piece.touches.iter().copied().filter(|q| size(q) > piece.size);
                piece.parent.or_else(|| touched.max_by(|q, r| size(q).total_cmp(&size(r))))
            }
        };
        let ways: Vec<Option<CurvedWay>> = (0..n)
            .map(|p| match curves[p] {
                Some(curve) => Some(CurvedWay::Own(curve)),
                None => with(p).filter(|&q| q != p).map(CurvedWay::With),
            })
            .collect();
        let bends = curves.iter().flatten().any(|curve| curve.ends != [Bend::default(); 2]);
        let ways = if bends { ways } else { Vec::new() };
        // If nothing moves as a piece, nothing appears that both keys hide.
        let moves = !ways.is_empty() || self.wanted();
        let ground = |key: usize| {
            // In different light its colours do not match the keys.
            let (_, pair) = beside[key].as_ref().filter(|(_, pair)| moves && !pair.relit)?;
            let (_, way) = way_beside(key, 0, &self.pieces[0].motion)?;
            Some(GroundBeside { way, bare: pair.layers.bare_ground(key) })
        };
        let grounds = [ground(0), ground(1)];
        let course = Course { ways, grounds };
        (course.bends() || course.grounds.iter().any(Option::is_some)).then_some(course)
    }

    /// The piece that represents `p`: the first of a held figure, the ground for what rests on it, which may show more
    /// lines than the ground does, or `p` itself.
    fn head(&self, p: usize) -> usize {
        let piece = &self.pieces[p];
        let same = |q: &usize| self.pieces[*q].held && self.pieces[*q].motion == piece.motion;
        match piece.held {
            true => (0..p).find(same).unwrap_or(p),
            false if self.rests[p] && piece.pinned.is_none() => 0,
            false => p,
        }
    }

    /// The map from the place of piece `p` in the straight in-between at `t` to its place on its course.
    pub(super) fn bent(&self, course: &Course, p: usize, t: f32) -> Affine {
        self.bent_by(course, p, t, 8)
    }

    /// `rest` is the number of ancestors that may still be followed.
    fn bent_by(&self, course: &Course, p: usize, t: f32, rest: usize) -> Affine {
        match course.ways[p] {
            Some(CurvedWay::With(other)) if rest > 0 => self.bent_by(course, other, t, rest - 1),
            None | Some(CurvedWay::With(_)) => Affine::shift([0.0; 2]),
            Some(CurvedWay::Own(curve)) => {
                let straight = self.straight(course, p, t);
                let bend = curve.bend(t);
                let joint = straight.to;
                // A joint is where its parent takes it; the dense motion bends at joints by itself.
                let parent = self.pieces[p].parent.filter(|_| rest > 0 && self.needed[p]);
                let to = match parent.filter(|&parent| course.ways[parent].is_some()) {
                    Some(parent) => self.bent_by(course, parent, t, rest - 1).at(joint),
                    None => [0, 1].map(|c| joint[c] + bend.shift[c]),
                };
                let there = curve.motion.bent_part(t, &bend);
                match straight.inverse() {
                    Some(back) => Affine { m: product(there.m, back.m), from: joint, to },
                    None => Affine::shift([0.0; 2]),
                }
            }
        }
    }

    /// From the first key to where piece `p` is in the straight in-between at `t`.
    pub(super) fn straight(&self, course: &Course, p: usize, t: f32) -> Affine {
        match course.ways[p] {
            Some(CurvedWay::Own(curve)) if !self.needed[p] => curve.motion.part(t),
            _ => self.placed(p, t, 0),
        }
    }

    /// From key to key, as piece `p` is drawn.
    pub(super) fn whole(&self, course: &Course, p: usize) -> Affine {
        match course.ways[p] {
            Some(CurvedWay::Own(curve)) => curve.motion,
            _ => self.pieces[p].motion,
        }
    }
}

/// The motion of something that continues in the same way for `times` as long.
fn onward(motion: &Affine, times: f32) -> Affine {
    let to = [0, 1].map(|c| motion.from[c] + times * (motion.to[c] - motion.from[c]));
    Affine { to, ..*motion }
}

/// Deviations of speed at both keys, for a piece of `size` samples that moves by `motion`, given
/// where it is before and after the span (position, and motion there from the first key); `None` if
/// neither tells anything.
fn departures_of(
    motion: &Affine,
    size: f32,
    before: Option<(f32, Affine)>,
    after: Option<(f32, Affine)>,
) -> Option<[Bend; 2]> {
    let from = motion.from;
    let (turned, _, upright) = motion.turn_and_stretch();
    let pose = |(position, way): (f32, Affine), near: f32| {
        let (mut angle, own) = way.polar();
        // The equivalent turn that is nearest.
        angle += ((near - angle) / std::f32::consts::TAU).round() * std::f32::consts::TAU;
        let stretch = if upright { world_stretch(angle, own) } else { own };
        Pose { position, to: way.at(from), angle, stretch }
    };
    let still = Affine { m: UNIT, from, to: from };
    let (first, last) = (pose((0.0, still), 0.0), pose((1.0, *motion), turned));
    let reach = 0.5 * size.sqrt();
    let rests = |a: &Affine, b: &Affine| a.away(b, from, reach) < RESTS;
    if rests(&still, motion) {
        return None;
    }
    let before = before.filter(|b| !rests(&b.1, &still)).map(|b| pose(b, 0.0));
    let after = after.filter(|a| !rests(&a.1, motion)).map(|a| pose(a, last.angle));
    let ends = |of: &dyn Fn(&Pose) -> Point, mirrored| {
        let ends = departures([&first, &last], [before.as_ref(), after.as_ref()], mirrored, of);
        along_the_way([0, 1].map(|c| of(&last)[c] - of(&first)[c]), ends)
    };
    let shift = ends(&|pose| pose.to, true);
    // If a piece turns quite differently beside the span, it was not followed correctly, either
    // there or in the span.
    let angle = ends(&|pose| [pose.angle, 0.0], false)
        .map(|[rate, _]| if rate.abs() < TURNS { rate } else { 0.0 });
    let stretch = [0, 1].map(|i| [0, 1].map(|j| ends(&|pose| [pose.stretch[i][j], 0.0], false)));
    let ends = [0, 1].map(|end| Bend {
        shift: shift[end],
        angle: angle[end],
        stretch: stretch.map(|row| row.map(|ends| ends[end][0])),
    });
    let curve = Curve { motion: *motion, ends };
    let leaves = [0.25, 0.5, 0.75].iter().any(|&t| {
        motion.bent_part(t, &curve.bend(t)).away(&motion.part(t), from, reach) > STRAIGHT
    });
    match (leaves, before.or(after)) {
        (true, _) => Some(ends),
        // Known to move evenly, whatever it hangs on does.
        (false, Some(_)) => Some([Bend::default(); 2]),
        (false, None) => None,
    }
}

/// How far the speeds at the first and the last key deviate from the even one. If a drawing is
/// missing on one side, the path is a parabola if `mirrored`, otherwise even on that side.
fn departures(
    [first, last]: [&Pose; 2],
    [before, after]: [Option<&Pose>; 2],
    mirrored: bool,
    of: &dyn Fn(&Pose) -> Point,
) -> [Point; 2] {
    let slope =
        |a: &Pose, b: &Pose| [0, 1].map(|c| (of(b)[c] - of(a)[c]) / (b.position - a.position));
    let even = slope(first, last);
    // The slope in the middle of a parabola, minus the span's own.
    let less = |far: f32, slope: Point| [0, 1].map(|c| (slope[c] - even[c]) / (1.0 + far));
    let start = before.map(|before| less(-before.position, slope(before, first)));
    let end = after.map(|after| less(after.position - 1.0, slope(last, after)));
    let other = |known: Point| if mirrored { known.map(|v| -v) } else { [0.0; 2] };
    match (start, end) {
        (Some(start), Some(end)) => [start, end],
        (Some(start), None) => [start, other(start)],
        (None, Some(end)) => [other(end), end],
        (None, None) => [[0.0; 2]; 2],
    }
}

/// Deviations of speed, limited so that a path over `d` does not reverse.
fn along_the_way(d: Point, ends: [Point; 2]) -> [Point; 2] {
    let length = libm::hypotf(d[0], d[1]);
    if length < 1e-6 {
        return [[0.0; 2]; 2];
    }
    let unit = [d[0] / length, d[1] / length];
    ends.map(|v| {
        let along = v[0] * unit[0] + v[1] * unit[1];
        let aside = v[1] * unit[0] - v[0] * unit[1];
        let along = along.clamp(-length, (FASTEST - 1.0) * length);
        let aside = aside.clamp(-ASIDE * length, ASIDE * length);
        [along * unit[0] - aside * unit[1], along * unit[1] + aside * unit[0]]
    })
}
