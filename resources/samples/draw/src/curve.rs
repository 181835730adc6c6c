//! Smooth lines through points, the way an animator thinks of them: a few points, a flowing line,
//! and corners only where they are intended.

use kurbo::{Affine, CubicBez, ParamCurve, ParamCurveArea, Point, Vec2};

/// A smooth line through its points. A point given twice in a row is a corner.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    points: Vec<Point>,
    closed: bool,
}

impl Curve {
    pub(crate) fn open(points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        Self { points: points.into_iter().map(Into::into).collect(), closed: false }
    }

    pub(crate) fn closed(points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        Self { points: points.into_iter().map(Into::into).collect(), closed: true }
    }

    /// An ellipse with half axes `rx`, `ry`.
    pub(crate) fn ellipse(centre: impl Into<Point>, rx: f64, ry: f64) -> Self {
        let c = centre.into();
        Self::closed((0..8).map(|i| {
            let (s, co) = (f64::from(i) * std::f64::consts::FRAC_PI_4).sin_cos();
            c + Vec2::new(rx * co, ry * s)
        }))
    }

    /// A straight-sided shape: every point is a corner.
    pub(crate) fn polygon(points: impl IntoIterator<Item = impl Into<Point>>) -> Self {
        let points: Vec<Point> = points.into_iter().map(Into::into).collect();
        Self::closed(points.iter().flat_map(|p| [*p, *p]))
    }

    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn moved(&self, by: Affine) -> Self {
        Self { points: self.points.iter().map(|p| by * *p).collect(), closed: self.closed }
    }

    /// The line as cubic segments (centripetal Catmull-Rom, which neither loops nor overshoots).
    pub(crate) fn segments(&self) -> Vec<CubicBez> {
        self.runs().iter().flat_map(|run| spline(&run.points, run.closed)).collect()
    }

    /// Points along the line, close enough together to draw with straight pieces at this size.
    pub(crate) fn dense(&self) -> Vec<Point> {
        let mut out = Vec::new();
        for s in self.segments() {
            let steps = ((s.p3 - s.p0).hypot() / 7.0).ceil().clamp(3.0, 14.0) as u32;
            if out.is_empty() {
                out.push(s.p0);
            }
            out.extend((1..=steps).map(|i| s.eval(f64::from(i) / f64::from(steps))));
        }
        if self.closed {
            out.pop();
        }
        out
    }

    /// Whether the points run clockwise on screen (y down).
    pub(crate) fn is_clockwise(&self) -> bool {
        self.segments().iter().map(|s| s.signed_area()).sum::<f64>() > 0.0
    }

    /// Splits the line at its corners into smooth pieces.
    fn runs(&self) -> Vec<Curve> {
        let n = self.points.len();
        let is_corner = |i: usize| self.points[i] == self.points[(i + 1) % n];
        let mut points = self.points.clone();
        if self.closed {
            let Some(start) = (0..n).find(|i| is_corner(*i)) else { return vec![self.clone()] };
            points.rotate_left((start + 1) % n);
            points.push(points[0]);
        }
        let mut runs = vec![vec![]];
        for (i, p) in points.iter().enumerate() {
            let fresh = i > 0 && points[i - 1] == *p;
            if fresh {
                runs.push(vec![]);
            }
            if let Some(run) = runs.last_mut() {
                run.push(*p);
            }
        }
        runs.into_iter()
            .filter(|r| r.len() > 1)
            .map(|points| Curve { points, closed: false })
            .collect()
    }
}

fn spline(p: &[Point], closed: bool) -> Vec<CubicBez> {
    let n = p.len();
    let count = if closed { n } else { n - 1 };
    let at = |i: isize| -> Option<Point> {
        if closed {
            Some(p[i.rem_euclid(n as isize) as usize])
        } else {
            usize::try_from(i).ok().and_then(|i| p.get(i).copied())
        }
    };
    let mut out = Vec::with_capacity(count);
    for i in 0..count as isize {
        let (Some(b), Some(c)) = (at(i), at(i + 1)) else { continue };
        let near_b = at(i - 1).map(|a| handle(a, b, c));
        let near_c = at(i + 2).map(|d| handle(d, c, b));
        let (h1, h2) = match (near_b, near_c) {
            (Some(h1), Some(h2)) => (h1, h2),
            // A free end bends like a parabola towards its neighbour.
            (None, Some(h2)) => (b.lerp(h2, 0.6), h2),
            (Some(h1), None) => (h1, c.lerp(h1, 0.6)),
            (None, None) => (b.lerp(c, 1.0 / 3.0), b.lerp(c, 2.0 / 3.0)),
        };
        out.push(CubicBez::new(b, h1, h2, c));
    }
    out
}

/// The control point that leaves `b` towards `c`, coming from `a`.
fn handle(a: Point, b: Point, c: Point) -> Point {
    let (d1, d2) = ((b - a).hypot().sqrt().max(1e-6), (c - b).hypot().sqrt().max(1e-6));
    let from_c = c.to_vec2() * (d1 * d1);
    let from_a = a.to_vec2() * (d2 * d2);
    let from_b = b.to_vec2() * (2.0 * d1 * d1 + 3.0 * d1 * d2 + d2 * d2);
    ((from_c - from_a + from_b) / (3.0 * d1 * (d1 + d2))).to_point()
}

/// Unit normals, to the left of the direction of travel as seen on screen.
pub(crate) fn normals(points: &[Point], closed: bool) -> Vec<Vec2> {
    let n = points.len();
    (0..n)
        .map(|i| {
            let before = if i > 0 {
                points[i - 1]
            } else if closed {
                points[n - 1]
            } else {
                points[0]
            };
            let after = if i + 1 < n {
                points[i + 1]
            } else if closed {
                points[0]
            } else {
                points[n - 1]
            };
            // The mean of both directions, so that a sharp tip gets a normal along its axis.
            let unit = |v: Vec2| if v.hypot() > 1e-9 { v / v.hypot() } else { Vec2::ZERO };
            let along = unit(points[i] - before) + unit(after - points[i]);
            let along = if along.hypot() > 1e-3 { unit(along) } else { unit(after - points[i]) };
            Vec2::new(along.y, -along.x)
        })
        .collect()
}

/// The outline of a limb or lock: a centre line with a half width at each of its points.
///
/// Goes down the left side, round the tip, and back up the right side; both ends at the root are
/// corners, so the root can be left without a line.
pub(crate) fn tube(centre: &[Point], half_widths: &[f64], round_tip: bool) -> Curve {
    let normal = normals(centre, false);
    let side = |sign: f64| -> Vec<Point> {
        centre
            .iter()
            .zip(half_widths)
            .zip(&normal)
            .map(|((p, w), n)| *p + *n * (*w * sign))
            .collect()
    };
    let (left, mut right) = (side(1.0), side(-1.0));
    right.reverse();
    let mut points = vec![left[0]];
    points.extend(&left);
    if round_tip && let [.., before, last] = centre {
        let along = *last - *before;
        let reach = half_widths.last().copied().unwrap_or(0.0) * 0.85;
        points.push(*last + along / along.hypot().max(1e-9) * reach);
    } else if let Some(tip) = left.last() {
        points.push(*tip);
        points.push(right[0]);
    }
    points.extend(&right);
    points.extend(right.last());
    Curve::closed(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_through_its_points() {
        let given = [(0.0, 0.0), (40.0, 30.0), (90.0, -10.0), (140.0, 0.0)];
        let drawn = Curve::open(given).dense();
        for p in given.map(Point::from) {
            assert!(drawn.iter().any(|d| (*d - p).hypot() < 1e-9), "{p} is missing");
        }
    }

    #[test]
    fn a_doubled_point_is_a_corner() {
        let corner = Point::new(50.0, 0.0);
        let sharp = Curve::closed([(0.0, 50.0), (50.0, 0.0), (50.0, 0.0), (100.0, 50.0)]);
        let soft = Curve::closed([(0.0, 50.0), (50.0, 0.0), (100.0, 50.0)]);
        let turn = |c: &Curve| {
            let s = c.segments();
            let at = s.iter().position(|s| s.p3 == corner).unwrap();
            let next = &s[(at + 1) % s.len()];
            let (a, b) = (s[at].p3 - s[at].p2, next.p1 - next.p0);
            (a.cross(b) / (a.hypot() * b.hypot())).asin().abs()
        };
        assert!(turn(&sharp) > 0.5);
        assert!(turn(&soft) < 1e-6);
    }

    #[test]
    fn a_tube_is_as_wide_as_asked() {
        let c = tube(
            &[Point::ZERO, Point::new(0.0, 50.0), Point::new(0.0, 100.0)],
            &[5.0, 8.0, 5.0],
            true,
        );
        let widest = c.points().iter().map(|p| p.x.abs()).fold(0.0, f64::max);
        assert!((widest - 8.0).abs() < 1e-9);
    }
}
