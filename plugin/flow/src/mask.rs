//! Which key a pixel comes from, settled; and how far to trust it.

use crate::analysis::Seen;
use crate::map::{Map, warp};
use crate::net::CELL;

/// Difference of the moved keys, 0..=255, from which a pixel must come from one key alone.
const DISAGREE: f32 = 10.0;

/// Difference that doubles the odds' logarithm there.
const HARDEN: f32 = 20.0;

/// Log odds against a key whose sample lies outside its picture.
const OUTSIDE: f32 = 6.0;

/// Mean difference, 0..=255, up to which the keys show the same at a place.
const ALIKE: f32 = 0.5;

/// Motion up to which something that looks the same is taken to rest, in guide samples.
const SLIGHT: f32 = 1.5;

/// Hardens the mask where the moved keys disagree: a pick, not a blend.
///
/// `motion: [5, h, w]` as the decoder gives it, `guides: [3, h, w]`.
pub(crate) fn settle(motion: &mut Map, guides: &[Map; 2], t: f32) {
    let differ = disagreement(motion, guides).blur(1);
    let smooth = motion.channels(4, 5).blur(2);
    let lean = if t < 0.5 {
        0.15
    } else if t > 0.5 {
        -0.15
    } else {
        0.1
    };
    for ((odds, smooth), differ) in motion.plane_mut(4).iter_mut().zip(&smooth.v).zip(&differ.v) {
        if *differ > DISAGREE {
            *odds = (smooth + lean) * (1.0 + differ / HARDEN);
        }
    }
}

/// Takes a pixel from the other key where one key's sample lies outside its picture.
///
/// `height` and `width`: the part of the guides that shows the frame.
pub(crate) fn stay_inside(motion: &mut Map, height: usize, width: usize) {
    let (w, area) = (motion.w, motion.area());
    let beyond = |v: f32, n: usize| (-v).max(v - (n - 1) as f32).max(0.0);
    let (flows, odds) = motion.v.split_at_mut(4 * area);
    for (i, odds) in odds.iter_mut().enumerate() {
        let (x, y) = ((i % w) as f32, (i / w) as f32);
        let [out0, out1] = [0, 2].map(|c| {
            let (u, v) = (flows[c * area + i], flows[(c + 1) * area + i]);
            beyond(x + u, width).max(beyond(y + v, height))
        });
        // Half a pixel beyond the edge still shows the edge.
        *odds += OUTSIDE * ((out1 - 0.5).clamp(0.0, 1.0) - (out0 - 0.5).clamp(0.0, 1.0));
    }
}

/// Puts to rest what the keys show alike at the same place, so that it is copied, not resampled.
pub(crate) fn rest(motion: &mut Map, guides: &[Map; 2]) {
    let area = motion.area();
    let mut differ = Map::new(1, motion.h, motion.w);
    for c in 0..3 {
        let planes = guides[0].plane(c).iter().zip(guides[1].plane(c));
        for (to, (a, b)) in differ.v.iter_mut().zip(planes) {
            *to = to.max(255.0 * (a - b).abs());
        }
    }
    let differ = differ.blur(2);
    for (i, differ) in differ.v.iter().enumerate() {
        let alike = (2.0 - differ / ALIKE).clamp(0.0, 1.0);
        for c in [0, 2] {
            let (u, v) = (motion.v[c * area + i], motion.v[(c + 1) * area + i]);
            let share = 1.0 - alike * (2.0 - u.hypot(v) / SLIGHT).clamp(0.0, 1.0);
            motion.v[c * area + i] = share * u;
            motion.v[(c + 1) * area + i] = share * v;
        }
    }
}

/// Largest channel difference of the moved guides, 0..=255: `[1, h, w]`
pub(crate) fn disagreement(motion: &Map, guides: &[Map; 2]) -> Map {
    let (w0, w1) = (warp(&guides[0], motion, 0), warp(&guides[1], motion, 2));
    let mut out = Map::new(1, motion.h, motion.w);
    for c in 0..3 {
        for ((to, a), b) in out.v.iter_mut().zip(w0.plane(c)).zip(w1.plane(c)) {
            *to = to.max(255.0 * (a - b).abs());
        }
    }
    out
}

/// How far each pixel is trusted, 0..=1: the moved keys agree in colour, and the motion agrees with
/// what was found between the keys. `[1, h, w]`
pub(crate) fn confidence(seen: &Seen, motion: &Map) -> Map {
    let differ = disagreement(motion, &seen.guides).blur(1);
    let (h, w, area) = (motion.h, motion.w, motion.area());
    let cells = CELL as f32;
    let [forward, trust] = [&seen.matched.flow[0], &seen.trust[0]];
    let mut out = Map::new(1, h, w);
    for (i, to) in out.v.iter_mut().enumerate() {
        let [u0, v0, u1, v1] = [0, 1, 2, 3].map(|c| motion.v[c * area + i]);
        let (x, y) = ((i % w) as f32 + u0, (i / w) as f32 + v0);
        let cell = |v: f32| (v + 0.5) / cells - 0.5;
        let at = crate::map::Corner::at(cell(x), cell(y), forward.h, forward.w);
        let (fu, fv) = (at.of(forward.plane(0)) * cells, at.of(forward.plane(1)) * cells);
        let length = (u1 - u0).hypot(v1 - v0);
        let away = (fu - (u1 - u0)).hypot(fv - (v1 - v0)) / (2.0 + 0.1 * length);
        let colour = (-differ.v[i] / 24.0).exp();
        *to = colour * (-0.5 * away * away).exp() * (0.5 + 0.5 * at.of(&trust.v));
    }
    out
}
