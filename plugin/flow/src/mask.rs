//! Which key a pixel comes from, settled; and how far to trust it.

use inbetween_core::Unsure;

use crate::analysis::KeyPair;
use crate::layers::Layers;
use crate::lines::same_lines;
use crate::map::{Map, warp};
use crate::net::CELL;
use crate::segments::components;
use crate::synth::NO_PIECE;

/// Difference of the moved keys, 0..=255, from which a pixel must come from one key alone.
const DISAGREE: f32 = 10.0;

/// Share of the grain that is left in the guides, in their largest difference.
const LEFT_GRAIN: f32 = 1.0;

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
pub(crate) fn settle(motion: &mut Map, guides: &[Map; 2], grain: f32, t: f32) {
    let moved = moved(motion, guides);
    let differ = disagreement(&moved).blur(1);
    let known = same_lines([&moved[0], &moved[1]], [30, 9]);
    let smooth = motion.channels(4, 5).blur(2);
    let even = libm::logf((1.0 - t) / t);
    let lean = if t < 0.5 {
        0.15
    } else if t > 0.5 {
        -0.15
    } else {
        0.1
    };
    let left = 255.0 * LEFT_GRAIN * grain;
    for (i, odds) in motion.plane_mut(4).iter_mut().enumerate() {
        let differ = differ.v[i] - left;
        if differ > DISAGREE {
            let pick = (smooth.v[i] + lean) * (1.0 + differ / HARDEN);
            *odds = pick + known.v[i] * (even - pick);
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

/// Where the keys show the same at the same place, whatever moves elsewhere.
pub(crate) struct Rest {
    /// They look the same, 0..=1: `[1, h, w]`.
    alike: Map,
    /// They show the same lines in other colours, 0..=1: `[1, h, w]`.
    fades: Map,
}

impl Rest {
    /// `fades: [1, h / 2, w / 2]`, where something fades.
    pub(crate) fn of(guides: &[Map; 2], fades: &Map, grain: f32) -> Self {
        let differ = disagreement(guides).blur(2);
        let limit = ALIKE + 255.0 * LEFT_GRAIN * grain;
        let fades = fades.resize(guides[0].h, guides[0].w);
        Self { alike: differ.map(|differ| (2.0 - differ / limit).clamp(0.0, 1.0)), fades }
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.alike.byte_len() + self.fades.byte_len()
    }

    /// Puts to rest what rests in both keys, so that it is copied or blended, not resampled.
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

/// Both guides, moved: `[3, h, w]` each.
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

/// Confidence below which a place is unsure.
const UNSURE: f32 = 0.2;

/// Share of the picture from which unsure places are worth a word: of pairs whose in-between is right, none has more,
/// and of those that fail about half.
const WORTH_A_WORD: f32 = 0.08;

/// Cells along each side of the picture in which unsure places are counted, and the share of a cell from which it
/// is one.
const PLACES: usize = 16;
const DENSE: f32 = 0.25;

/// Share of all unsure places that the largest patch of them holds, if there is one.
const PATCH: f32 = 0.25;

/// How fast a held figure's pose is no longer that of its time, with the way from the nearer key: unsure from .37 of the
/// span on.
const POSE_LOST: f32 = 2.2;

/// Log odds from which a pixel is of one key alone.
const ONE_KEY: f32 = 10.0;

/// What of a picture cannot be trusted, told from the `confidence` of its `height` x `width` samples; nothing where
/// it is too little to speak of. The area is that of the largest patch.
pub(crate) fn unsure(confidence: &Map, (height, width): (usize, usize)) -> Option<Unsure> {
    let mut cells = vec![[0u32; 2]; PLACES * PLACES];
    for y in 0..height {
        for (x, trust) in confidence.row(0, y)[..width].iter().enumerate() {
            let cell = &mut cells[y * PLACES / height * PLACES + x * PLACES / width];
            cell[0] += 1;
            cell[1] += u32::from(*trust < UNSURE);
        }
    }
    let all: u32 = cells.iter().map(|cell| cell[1]).sum();
    let share = all as f32 / (height * width) as f32;
    if share < WORTH_A_WORD {
        return None;
    }
    let dense = |cell: &[u32; 2]| cell[1] > 0 && cell[1] as f32 >= DENSE * cell[0] as f32;
    let (label, _) = components(&cells.iter().map(dense).collect::<Vec<_>>(), PLACES, PLACES);
    let mut patches = vec![0u32; PLACES * PLACES + 1];
    for (label, cell) in label.iter().zip(&cells).filter(|(label, _)| **label > 0) {
        patches[*label as usize] += cell[1];
    }
    let most = (1..patches.len()).max_by_key(|&p| (patches[p], std::cmp::Reverse(p)))?;
    // Spread thinly: no patch to point at.
    let spread = (patches[most] as f32) < PATCH * all as f32;
    let mut area = [PLACES, PLACES, 0, 0];
    for (at, cell) in cells.iter().enumerate() {
        let counts = if spread { cell[1] > 0 } else { label[at] as usize == most };
        if counts {
            let (x, y) = (at % PLACES, at / PLACES);
            area = [area[0].min(x), area[1].min(y), area[2].max(x + 1), area[3].max(y + 1)];
        }
    }
    Some(Unsure { share, area: area.map(|edge| edge as f32 / PLACES as f32) })
}

/// What pieces show of a picture at `t`: the piece of each sample, where one was laid over it.
pub(crate) struct Pieces<'a> {
    pub(crate) label: &'a [u16],
    pub(crate) layers: Option<&'a Layers>,
    pub(crate) t: f32,
}

/// How far each pixel is trusted, 0..=1: the moved keys agree in colour, and the motion agrees with
/// what was found between the keys. A pixel of a piece goes its piece's way, which was found otherwise: it counts by its
/// colours, and where one key alone shows it, it is known; of a held figure the pose is, which is less and less that of
/// its time. `[1, h, w]`
pub(crate) fn confidence(pair: &KeyPair, motion: &Map, pieces: &Pieces) -> Map {
    let moved = moved(motion, &pair.guides);
    let differ = disagreement(&moved).blur(1);
    let left = 255.0 * LEFT_GRAIN * pair.grain;
    let (h, w, area) = (motion.h, motion.w, motion.area());
    let cells = CELL as f32;
    let [forward, trust] = [&pair.matched.flow[0], &pair.trust[0]];
    let mut out = Map::new(1, h, w);
    for (i, to) in out.v.iter_mut().enumerate() {
        let [u0, v0, u1, v1] = [0, 1, 2, 3].map(|c| motion.v[c * area + i]);
        let (x, y) = ((i % w) as f32 + u0, (i / w) as f32 + v0);
        let cell = |v: f32| (v + 0.5) / cells - 0.5;
        let at = inbetween_core::Bilinear::at(cell(x), cell(y), forward.h, forward.w);
        let (fu, fv) = (at.of(forward.plane(0)) * cells, at.of(forward.plane(1)) * cells);
        let length = libm::hypotf(u1 - u0, v1 - v0);
        let away = libm::hypotf(fu - (u1 - u0), fv - (v1 - v0)) / (2.0 + 0.1 * length);
        let colour = libm::expf(-(differ.v[i] - left).max(0.0) / 24.0);
        let piece = pieces.label.get(i).copied().filter(|&piece| piece != NO_PIECE);
        let pieced = piece.is_some();
        let held = piece.zip(pieces.layers).is_some_and(|(piece, layers)| layers.holds(piece));
        *to = if held {
            (1.0 - POSE_LOST * pieces.t.min(1.0 - pieces.t)).max(0.0)
        } else if pieced && motion.v[4 * area + i].abs() > ONE_KEY {
            1.0
        } else if pieced {
            colour
        } else {
            colour * libm::expf(-0.5 * away * away) * (0.5 + 0.5 * at.of(&trust.v))
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map of 64 x 48 samples of which those in a box are not trusted.
    fn map(unsure: [usize; 4]) -> Map {
        let mut map = Map::new(1, 48, 64);
        for i in 0..48 * 64 {
            let (x, y) = (i % 64, i / 64);
            let inside = (unsure[0]..unsure[2]).contains(&x) && (unsure[1]..unsure[3]).contains(&y);
            map.v[i] = if inside { 0.1 } else { 0.9 };
        }
        map
    }

    #[test]
    fn a_patch_that_cannot_be_trusted_is_found_where_it_is() {
        let found = unsure(&map([32, 12, 56, 24]), (48, 64)).unwrap();
        assert!((found.share - 24.0 * 12.0 / (48.0 * 64.0)).abs() < 1e-6);
        assert_eq!(found.area, [0.5, 0.25, 0.875, 0.5]);
        // The largest of two.
        let mut two = map([0, 0, 24, 12]);
        two.v[47 * 64 + 60] = 0.0;
        assert_eq!(unsure(&two, (48, 64)).unwrap().area, [0.0, 0.0, 0.375, 0.25]);
    }

    #[test]
    fn little_is_not_worth_a_word_and_what_is_spread_is_the_whole() {
        assert_eq!(unsure(&map([10, 10, 20, 20]), (48, 64)), None);
        let mut spread = map([0; 4]);
        spread.v.iter_mut().step_by(7).for_each(|v| *v = 0.0);
        assert_eq!(unsure(&spread, (48, 64)).unwrap().area, [0.0, 0.0, 1.0, 1.0]);
        // What lies beyond the shown part does not count.
        assert_eq!(unsure(&map([0, 40, 64, 48]), (40, 64)), None);
    }
}
