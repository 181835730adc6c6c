//! Which key a pixel comes from, settled; and how far to trust it.

use crate::analysis::Seen;
use crate::map::{Map, warp};
use crate::net::CELL;

/// Difference of the moved keys, 0..=255, from which a pixel must come from one key alone.
const DISAGREE: f32 = 10.0;

/// Hardens the mask where the moved keys disagree: a pick, not a blend.
///
/// `motion: [5, h, w]` as the decoder gives it, `guides: [3, h, w]`.
pub(crate) fn settle(motion: &mut Map, guides: &[Map; 2], t: f32) {
    let differ = disagreement(motion, guides).blur(1);
    let smooth = motion.channels(4, 5).blur(4);
    let lean = if t < 0.5 {
        0.15
    } else if t > 0.5 {
        -0.15
    } else {
        0.1
    };
    for ((odds, smooth), differ) in motion.plane_mut(4).iter_mut().zip(&smooth.v).zip(&differ.v) {
        if *differ > DISAGREE {
            *odds = (smooth + lean) * (1.0 + differ / 6.0);
        }
    }
}

/// Largest channel difference of the moved guides, 0..=255: `[1, h, w]`
fn disagreement(motion: &Map, guides: &[Map; 2]) -> Map {
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
    let [forward, trust] = [&seen.matched.flow[0], &seen.matched.confidence[0]];
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
