//! The path of pinned pieces: the motion that meets all pins of a part, and its course over the
//! span.

use inbetween_core::{Pin, WayPoint};

use super::transform::{Affine, Point, UNIT, product};

/// A pin in guide samples.
#[derive(Clone, Debug)]
pub(super) struct GuidePin {
    pub(super) first: Point,
    pub(super) last: Point,
    /// The position and place of its way point.
    pub(super) way: Option<(f32, Point)>,
}

impl GuidePin {
    /// Converts a pin to samples of guides that show the keys in `height` x `width` samples.
    pub(super) fn of(pin: &Pin, (height, width): (usize, usize)) -> Self {
        let place =
            |[x, y]: [f64; 2]| [(x * width as f64 - 0.5) as f32, (y * height as f64 - 0.5) as f32];
        let way = |way: WayPoint| (way.position as f32, place(way.at));
        Self { first: place(pin.first), last: place(pin.last), way: pin.way.map(way) }
    }

    /// Its place in key `key`.
    pub(super) fn end(&self, key: usize) -> Point {
        if key == 0 { self.first } else { self.last }
    }
}

/// The path of a bound piece.
#[derive(Clone, Debug)]
pub(super) struct PinnedWay {
    whole: Affine,
    guide_pins: Vec<GuidePin>,
}

impl PinnedWay {
    /// `whole` is the motion from the first key to the last that meets all pins of the piece.
    pub(super) fn new(whole: Affine, guide_pins: Vec<GuidePin>) -> Self {
        let part = 1.0 / guide_pins.len() as f32;
        let middle = [0, 1].map(|c| guide_pins.iter().map(|n| part * n.first[c]).sum());
        Self { whole: whole.around(middle), guide_pins }
    }

    /// From the first key to the last.
    pub(super) fn whole(&self) -> Affine {
        self.whole
    }

    /// From the first key to `t`.
    ///
    /// The centre of the pins moves straight, and a turn stays a turn. A pin with a way point is
    /// taken to it along a parabola that does not deviate at the keys; the other pins keep their
    /// paths.
    pub(super) fn at(&self, t: f32) -> Affine {
        let base = self.whole.part(t);
        if self.guide_pins.iter().all(|guide_pin| guide_pin.way.is_none()) {
            return base;
        }
        let bent: Vec<(Point, Point)> = self
            .guide_pins
            .iter()
            .map(|guide_pin| {
                let now = base.at(guide_pin.first);
                let Some((when, place)) = guide_pin.way else { return (now, now) };
                let then = self.whole.part(when).at(guide_pin.first);
                let part = t * (1.0 - t) / (when * (1.0 - when));
                (now, [0, 1].map(|c| now[c] + part * (place[c] - then[c])))
            })
            .collect();
        let bend = fit(&bent);
        Affine { m: product(bend.m, base.m), from: base.from, to: bend.at(base.to) }
    }
}

/// The motion that maps places to places: a shift for one pair, a turn and an even stretch as well
/// for two, any affine motion for three, and the best fit for more. A simpler motion is used where
/// places are too close together.
pub(super) fn fit(pairs: &[(Point, Point)]) -> Affine {
    let count = pairs.len().max(1) as f64;
    let mean = |of: fn(&(Point, Point)) -> Point| {
        [0, 1].map(|c| pairs.iter().map(|p| f64::from(of(p)[c])).sum::<f64>() / count)
    };
    let (from, to) = (mean(|p| p.0), mean(|p| p.1));
    let near = |place: [f64; 2]| place.map(|v| v as f32);
    let map = |m: [[f64; 2]; 2]| Affine { m: m.map(near), from: near(from), to: near(to) };
    // Products of places in the first key with themselves, and with those in the last.
    let (mut own, mut both) = ([[0.0f64; 2]; 2], [[0.0f64; 2]; 2]);
    for (p, q) in pairs {
        let p = [0, 1].map(|c| f64::from(p[c]) - from[c]);
        let q = [0, 1].map(|c| f64::from(q[c]) - to[c]);
        for i in 0..2 {
            for j in 0..2 {
                own[i][j] += p[i] * p[j];
                both[i][j] += q[i] * p[j];
            }
        }
    }
    let spread = own[0][0] + own[1][1];
    // Places within a few samples of each other do not determine a turn.
    if spread < 4.0 {
        return Affine { m: UNIT, from: near(from), to: near(to) };
    }
    let sound = |m: [[f64; 2]; 2]| m[0][0] * m[1][1] - m[0][1] * m[1][0] > 0.01;
    let det = own[0][0] * own[1][1] - own[0][1] * own[1][0];
    if pairs.len() > 2 && det > 1e-3 * spread * spread {
        let back = [[own[1][1] / det, -own[0][1] / det], [-own[1][0] / det, own[0][0] / det]];
        let m = [0, 1].map(|i| [0, 1].map(|j| both[i][0] * back[0][j] + both[i][1] * back[1][j]));
        if sound(m) {
            return map(m);
        }
    }
    let (a, b) = ((both[0][0] + both[1][1]) / spread, (both[1][0] - both[0][1]) / spread);
    let m = [[a, -b], [b, a]];
    map(if sound(m) { m } else { [[1.0, 0.0], [0.0, 1.0]] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Point, b: Point) -> bool {
        (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-2
    }

    #[test]
    fn pins_are_met_as_far_as_a_motion_can() {
        let pairs = [
            ([10.0, 10.0], [40.0, 12.0]),
            ([60.0, 15.0], [45.0, 70.0]),
            ([20.0, 50.0], [5.0, 22.0]),
        ];
        for count in 1..=3 {
            let motion = fit(&pairs[..count]);
            for (from, to) in &pairs[..count] {
                assert!(near(motion.at(*from), *to), "{count}: {:?} not {to:?}", motion.at(*from));
            }
        }
        // A turn from two pins keeps squares square.
        let [[a, b], [c, d]] = fit(&pairs[..2]).m;
        assert!((a - d).abs() < 1e-5 && (b + c).abs() < 1e-5);
    }

    #[test]
    fn what_cannot_be_met_gives_something_simpler() {
        let flat = [
            ([10.0, 10.0], [20.0, 10.0]),
            ([20.0, 10.0], [30.0, 10.0]),
            ([40.0, 10.0], [50.0, 10.0]),
        ];
        assert!(near(fit(&flat).at([10.0, 60.0]), [20.0, 60.0]));
        let together = [([10.0, 10.0], [20.0, 10.0]), ([10.0, 11.0], [40.0, 10.0])];
        assert_eq!(fit(&together).m, UNIT);
        let gathered = [([10.0, 10.0], [30.0, 30.0]), ([90.0, 10.0], [30.0, 30.0])];
        assert_eq!(fit(&gathered).m, UNIT);
    }

    #[test]
    fn a_pin_passes_its_point_on_a_parabola_and_turns_stay_turns() {
        let guide_pin =
            GuidePin { first: [0.0, 0.0], last: [100.0, 0.0], way: Some((0.25, [20.0, -30.0])) };
        let whole = Affine { m: UNIT, from: guide_pin.first, to: guide_pin.last };
        let way = PinnedWay::new(whole, vec![guide_pin.clone()]);
        for (t, place) in [(0.0, [0.0, 0.0]), (0.25, [20.0, -30.0]), (1.0, [100.0, 0.0])] {
            assert!(near(way.at(t).at(guide_pin.first), place), "{t}: {:?}", way.at(t));
        }
        // Through the three places, at their times: x = 25 t'...
        let half = way.at(0.5).at(guide_pin.first);
        let part = 0.25 / (0.25 * 0.75);
        assert!(near(half, [50.0 - 5.0 * part, -30.0 * part]), "{half:?}");

        let (a, b) = ([0.0, 0.0], [40.0, 0.0]);
        let ends = [(a, [100.0, 20.0]), (b, [100.0, 60.0])];
        let guide_pins = ends.map(|(first, last)| GuidePin { first, last, way: None });
        let way = PinnedWay::new(fit(&ends), guide_pins.to_vec());
        let (p, q) = (way.at(0.5).at(a), way.at(0.5).at(b));
        assert!(((p[0] - q[0]).hypot(p[1] - q[1]) - 40.0).abs() < 1e-2, "no shorter on the way");
        // One of two paths is bent; the other stays the same.
        let mut bent = guide_pins.to_vec();
        bent[1].way = Some((0.5, [80.0, 0.0]));
        let bent = PinnedWay::new(fit(&ends), bent);
        assert!(near(bent.at(0.5).at(b), [80.0, 0.0]) && near(bent.at(0.5).at(a), p));
        assert!(near(bent.at(1.0).at(b), [100.0, 60.0]));
    }
}
