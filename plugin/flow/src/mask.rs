//! Which key each pixel comes from.

use crate::lines::{alike, slopes};
use crate::map::{Map, warp};
use crate::spread::spread;

/// Difference of the moved keys, 0..=255, from which a pixel must come from a single key.
const DISAGREE: f32 = 10.0;

/// Largest difference that remaining grain causes in the guides, as a share of the original grain.
pub(crate) const LEFT_GRAIN: f32 = 1.0;

/// Additional difference that doubles the log odds.
const HARDEN: f32 = 20.0;

/// Log odds against a key whose sample is outside its picture.
const OUTSIDE: f32 = 6.0;

/// Mean difference, 0..=255, up to which the keys look the same at a place.
const ALIKE: f32 = 0.5;

/// Motion, in guide samples, up to which something that looks the same is taken to be at rest.
const SLIGHT: f32 = 1.5;

/// Samples from a line within which it tells something.
const LINE: usize = 4;

/// Distance in samples over which places that disagree are decided as one.
const AS_ONE: f32 = 32.0;

/// Hardens the mask where the moved keys disagree, so that one key is chosen instead of a blend.
///
/// What disagrees and hangs together is decided as one: the keys meet only where they agree, so the
/// seam is not seen, and nothing becomes a patchwork of both. If it has the same lines in both keys,
/// only its colour changes, and it is blended.
///
/// `motion: [5, h, w]` from the decoder, `guides: [3, h, w]`.
pub(crate) fn settle(motion: &mut Map, guides: &[Map; 2], grain: f32, t: f32) {
    let moved = moved(motion, guides);
    let differ = disagreement(&moved).blur(1);
    let left = 255.0 * LEFT_GRAIN * grain;
    let bond = differ.clone().map(|differ| ((differ - left) / DISAGREE - 1.0).clamp(0.0, 1.0));
    let lines = slopes([&moved[0], &moved[1]]).blur(LINE);
    let spread = spread(&Map::stack(&[&motion.channels(4, 5).blur(2), &lines]), &bond, AS_ONE);
    let (smooth, mut known) = (spread.channels(0, 1), Map::new(1, motion.h, motion.w));
    alike(&spread.channels(1, 4), &mut known);
    let even = libm::logf((1.0 - t) / t);
    let lean = if t < 0.5 {
        0.15
    } else if t > 0.5 {
        -0.15
    } else {
        0.1
    };
    for (i, odds) in motion.plane_mut(4).iter_mut().enumerate() {
        let differ = differ.v[i] - left;
        if differ > DISAGREE {
            let pick = (smooth.v[i] + lean) * (1.0 + differ / HARDEN);
            *odds = pick + known.v[i] * (even - pick);
        }
    }
}

/// Takes a pixel from the other key where one key's sample is outside its picture.
///
/// `height` and `width` are the size of the part of the guides that shows the frame.
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

/// Where the keys show the same at the same place, whatever moves elsewhere.
pub(crate) struct Rest {
    /// How surely they look the same, 0..=1: `[1, h, w]`.
    alike: Map,
    /// How surely they show the same lines in other colours, 0..=1: `[1, h, w]`.
    fades: Map,
}

impl Rest {
    /// `fades: [1, h / 2, w / 2]` says where something fades.
    pub(crate) fn of(guides: &[Map; 2], fades: &Map, grain: f32) -> Self {
        let differ = disagreement(guides).blur(2);
        let limit = ALIKE + 255.0 * LEFT_GRAIN * grain;
        let fades = fades.resize(guides[0].h, guides[0].w);
        Self { alike: differ.map(|differ| (2.0 - differ / limit).clamp(0.0, 1.0)), fades }
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.alike.byte_len() + self.fades.byte_len()
    }

    /// Removes the motion of what rests in both keys, so that it is copied or blended rather than
    /// resampled.
    pub(crate) fn apply(&self, motion: &mut Map) {
        let area = motion.area();
        for i in 0..area {
            for c in [0, 2] {
                let (u, v) = (motion.v[c * area + i], motion.v[(c + 1) * area + i]);
                let slight = (2.0 - libm::hypotf(u, v) / SLIGHT).clamp(0.0, 1.0);
                let share = 1.0 - (self.alike.v[i] * slight).max(self.fades.v[i]);
                motion.v[c * area + i] = share * u;
                motion.v[(c + 1) * area + i] = share * v;
            }
        }
    }
}

/// Both guides after motion: `[3, h, w]` each.
pub(crate) fn moved(motion: &Map, guides: &[Map; 2]) -> [Map; 2] {
    [warp(&guides[0], motion, 0), warp(&guides[1], motion, 2)]
}

/// Largest channel difference of two pictures, 0..=255: `[1, h, w]`
pub(crate) fn disagreement(pictures: &[Map; 2]) -> Map {
    let mut out = Map::new(1, pictures[0].h, pictures[0].w);
    for c in 0..3 {
        for ((to, a), b) in out.v.iter_mut().zip(pictures[0].plane(c)).zip(pictures[1].plane(c)) {
            *to = to.max(255.0 * (a - b).abs());
        }
    }
    out
}
