//! Motions of whole pieces: affine maps in which turns are interpolated as turns.

/// A place in guide samples: right, down.
pub(crate) type Point = [f32; 2];

/// No turn and no stretch.
pub(crate) const UNIT: [[f32; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];

/// Maps a place of the first key to the last: `to + m (p - from)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    pub(crate) m: [[f32; 2]; 2],
    pub(crate) from: Point,
    pub(crate) to: Point,
}

impl Affine {
    /// Moves everything by `d`.
    pub(crate) fn shift(d: Point) -> Self {
        Self { m: UNIT, from: [0.0; 2], to: d }
    }

    /// The image of `p`.
    #[inline]
    pub(crate) fn at(&self, p: Point) -> Point {
        let d = [p[0] - self.from[0], p[1] - self.from[1]];
        [0, 1].map(|k| self.to[k] + self.m[k][0] * d[0] + self.m[k][1] * d[1])
    }

    /// The same map, written around another place.
    pub(crate) fn around(&self, from: Point) -> Self {
        Self { from, to: self.at(from), ..*self }
    }

    /// The inverse; `None` if the map folds or flattens.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let [[a, b], [c, d]] = self.m;
        let det = a * d - b * c;
        (det > 1e-3).then(|| Self {
            m: [[d / det, -b / det], [-c / det, a / det]],
            from: self.to,
            to: self.from,
        })
    }

    /// The motion from the point of view of key `key`: itself for the first key, its inverse for
    /// the last.
    pub(crate) fn seen_from(&self, key: usize) -> Option<Self> {
        if key == 0 { Some(*self) } else { self.inverse() }
    }

    /// Turned by `angle` and stretched around the image of `from`: `m` becomes `turn m stretch`.
    pub(crate) fn changed(&self, shift: Point, angle: f32, stretch: [[f32; 2]; 2]) -> Self {
        let m = product(turn(angle), product(self.m, stretch));
        Self { m, from: self.from, to: [self.to[0] + shift[0], self.to[1] + shift[1]] }
    }

    /// Turn (radians) and symmetric stretch whose product is `m`: `m = turn stretch`.
    pub(crate) fn polar(&self) -> (f32, [[f32; 2]; 2]) {
        let [[a, b], [c, d]] = self.m;
        let angle = libm::atan2f(c - b, a + d);
        (angle, product(turn(-angle), self.m))
    }

    /// The map from the first key to share `t` (0..=1) of the way, where `from` moves straight.
    ///
    /// A turn stays a turn. The stretch grows along the axes in which it is simplest: those of the
    /// picture, as when a turning ball is squashed on the ground, or those of the piece, as in a
    /// limb.
    pub(crate) fn part(&self, t: f32) -> Self {
        self.bent_part(t, &Bend::default())
    }

    /// The same with the deviation `bend`.
    pub(crate) fn bent_part(&self, t: f32, bend: &Bend) -> Self {
        let (angle, stretch, upright) = self.turn_and_stretch();
        let some = [0, 1].map(|i| {
            [0, 1].map(|j| UNIT[i][j] + t * (stretch[i][j] - UNIT[i][j]) + bend.stretch[i][j])
        });
        let turned = turn(t * angle + bend.angle);
        let m = if upright { product(some, turned) } else { product(turned, some) };
        let to = [0, 1].map(|k| self.from[k] + t * (self.to[k] - self.from[k]) + bend.shift[k]);
        Self { m, from: self.from, to }
    }

    /// The deviation with which this map passes `pose` at `t`.
    pub(crate) fn bend_to(&self, pose: &Self, t: f32) -> Bend {
        let (angle, stretch, upright) = self.turn_and_stretch();
        let (mut turned, own) = pose.polar();
        turned -= t * angle;
        let there = if upright { world_stretch(turned + t * angle, own) } else { own };
        // The shorter way round.
        turned -= (turned / std::f32::consts::TAU).round() * std::f32::consts::TAU;
        let to = pose.at(self.from);
        Bend {
            shift: [0, 1].map(|c| to[c] - self.from[c] - t * (self.to[c] - self.from[c])),
            angle: turned,
            stretch: [0, 1].map(|i| {
                [0, 1].map(|j| there[i][j] - UNIT[i][j] - t * (stretch[i][j] - UNIT[i][j]))
            }),
        }
    }

    /// Turn (radians), the stretch along the axes in which it is simplest, and whether these are
    /// the picture's.
    pub(crate) fn turn_and_stretch(&self) -> (f32, [[f32; 2]; 2], bool) {
        let (angle, own) = self.polar();
        let world = world_stretch(angle, own);
        let upright = world[0][1].abs() < own[0][1].abs();
        (angle, if upright { world } else { own }, upright)
    }

    /// First `first`, then this map.
    pub(crate) fn after(&self, first: &Self) -> Self {
        Self { m: product(self.m, first.m), from: first.from, to: self.at(first.to) }
    }

    /// How different `other` is for a piece around `middle` with radius `reach`: distances in
    /// samples, and turns and stretches by their effect at the piece's rim.
    pub(crate) fn away(&self, other: &Self, middle: Point, reach: f32) -> f32 {
        let (p, q) = (self.at(middle), other.at(middle));
        let shape: f32 = [0, 1]
            .iter()
            .flat_map(|&i| [0, 1].map(|j| self.m[i][j] - other.m[i][j]))
            .map(|d| d * d)
            .sum();
        libm::hypotf(p[0] - q[0], p[1] - q[1]) + reach * (0.5 * shape).sqrt()
    }

    /// Whether something with this motion moves with `ground`, in a picture of this height and width.
    pub(crate) fn rests_on(&self, ground: &Self, (height, width): (usize, usize)) -> bool {
        self.away(ground, self.from, 0.5 * height.min(width) as f32) < 1.0
    }
}

/// A deviation from a motion on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bend {
    /// In samples.
    pub(crate) shift: Point,
    /// In radians.
    pub(crate) angle: f32,
    /// Added to the stretch, along the axes in which the motion stretches.
    pub(crate) stretch: [[f32; 2]; 2],
}

impl Bend {
    /// `share` of it.
    pub(crate) fn times(&self, share: f32) -> Self {
        Self {
            shift: self.shift.map(|v| share * v),
            angle: share * self.angle,
            stretch: self.stretch.map(|row| row.map(|v| share * v)),
        }
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            shift: [0, 1].map(|c| self.shift[c] + other.shift[c]),
            angle: self.angle + other.angle,
            stretch: [0, 1].map(|i| [0, 1].map(|j| self.stretch[i][j] + other.stretch[i][j])),
        }
    }
}

/// How far a symmetric stretch squashes, and how far it stretches.
pub(crate) fn sides([[a, b], [_, d]]: [[f32; 2]; 2]) -> [f32; 2] {
    let (mean, half) = (0.5 * (a + d), libm::hypotf(0.5 * (a - d), b));
    [mean - half, mean + half]
}

/// A stretch along the axes of a piece that is turned by `angle`, expressed along those of the
/// picture.
pub(crate) fn world_stretch(angle: f32, own: [[f32; 2]; 2]) -> [[f32; 2]; 2] {
    product(product(turn(angle), own), turn(-angle))
}

/// How far two paths may differ and still count as one: in samples, and as a share of the path.
const OFF: (f32, f32) = (3.0, 0.06);

/// Whether the paths from `from` to `to` and to `other` count as one.
pub(super) fn one_way(from: Point, to: Point, other: Point) -> bool {
    let length = libm::hypotf(to[0] - from[0], to[1] - from[1]);
    libm::hypotf(to[0] - other[0], to[1] - other[1]) <= OFF.0 + OFF.1 * length
}

/// A turn by `angle` radians.
pub(crate) fn turn(angle: f32) -> [[f32; 2]; 2] {
    let (s, c) = (libm::sinf(angle), libm::cosf(angle));
    [[c, -s], [s, c]]
}

/// `a b`
pub(crate) fn product(a: [[f32; 2]; 2], b: [[f32; 2]; 2]) -> [[f32; 2]; 2] {
    [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_turn_on_the_way() {
        let whole = Affine { m: turn(1.2), from: [10.0, 20.0], to: [50.0, 30.0] };
        let half = whole.part(0.5);
        let (angle, stretch) = half.polar();
        assert!((angle - 0.6).abs() < 1e-5);
        assert!((stretch[0][0] - 1.0).abs() < 1e-5 && stretch[0][1].abs() < 1e-5);
        assert_eq!(half.at([10.0, 20.0]), [30.0, 25.0]);
        let back = whole.inverse().unwrap();
        let p = back.at(whole.at([3.0, 4.0]));
        assert!((p[0] - 3.0).abs() < 1e-4 && (p[1] - 4.0).abs() < 1e-4);
        assert_eq!(whole.part(0.0).at([7.0, 8.0]), [7.0, 8.0]);
    }

    #[test]
    fn what_is_squashed_on_the_ground_is_squashed_upright_on_the_way() {
        let squash = [[1.4, 0.0], [0.0, 0.6]];
        let ball = Affine { m: product(squash, turn(-0.9)), from: [0.0; 2], to: [100.0, 80.0] };
        let half = ball.part(0.5).m;
        let wanted = product([[1.2, 0.0], [0.0, 0.8]], turn(-0.45));
        let limb = Affine { m: product(turn(0.9), squash), from: [0.0; 2], to: [0.0; 2] };
        let along = product(turn(0.45), [[1.2, 0.0], [0.0, 0.8]]);
        for (got, wanted) in [(half, wanted), (limb.part(0.5).m, along)] {
            for (got, wanted) in got.iter().flatten().zip(wanted.iter().flatten()) {
                assert!((got - wanted).abs() < 1e-4, "{got} not {wanted}");
            }
        }
        let end = ball.part(1.0).m;
        assert!(
            end.iter().flatten().zip(ball.m.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }
}
