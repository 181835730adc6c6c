//! How far each pixel of an in-between can be trusted, and the remark about the pixels that cannot.

use inbetween_core::Unsure;

use crate::layers::Layers;
use crate::map::Map;
use crate::mask::{LEFT_GRAIN, disagreement, moved};
use crate::net::CELL;
use crate::pair::KeyPair;
use crate::segments::components;
use crate::synth::NO_PIECE;

/// Confidence below which a place is unsure.
const UNSURE: f32 = 0.2;

/// Confidence below which a place is in doubt.
const DOUBT: f32 = 0.5;

/// Share of unsure places in the picture from which a remark is made. No pair with a correct
/// in-between reaches it; about half of the failing ones do.
const WORTH_A_WORD: f32 = 0.08;

/// The picture is divided into this many cells along each side to count unsure places, and a cell
/// with at least the given share of them counts as unsure.
const PLACES: usize = 16;
const DENSE: f32 = 0.25;

/// Share of all unsure places that the largest patch must hold to be pointed out.
const PATCH: f32 = 0.25;

/// How fast a held figure's pose ceases to match its time, per share of the span from the nearer
/// key. With this value it is unsure from .37 of the span on.
const POSE_LOST: f32 = 2.2;

/// Log odds from which a pixel comes from one key alone.
const ONE_KEY: f32 = 10.0;

/// The share of a picture of `height` x `width` samples that is in doubt, from its `confidence`.
pub(crate) fn doubt(confidence: &Map, (height, width): (usize, usize)) -> f32 {
    let row = |y: usize| confidence.row(0, y)[..width].iter().filter(|v| **v < DOUBT).count();
    (0..height).map(row).sum::<usize>() as f32 / (height * width) as f32
}

/// The part of a picture that cannot be trusted, from the `confidence` of its `height` x `width`
/// samples; `None` where it is too small to mention. The area is that of the largest patch.
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
    // Too scattered to point at one patch.
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

/// The pieces shown in a picture at `t`: for each sample its piece, if one was laid over it.
pub(crate) struct Pieces<'a> {
    pub(crate) label: &'a [u16],
    pub(crate) layers: Option<&'a Layers>,
    pub(crate) t: f32,
}

/// How far each pixel is trusted, 0..=1: `[1, h, w]`. It is trusted where the moved keys agree in
/// colour and the motion agrees with what was found between the keys. Other rules hold for pixels of
/// a piece, whose motion was found in another way:
/// - where both keys show the piece, their colours decide;
/// - where only one key shows it, it is certain;
/// - in a held figure, trust falls with the distance from the nearer key, because its pose belongs to
///   that key.
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

    /// A map of 64 x 48 samples, with those inside a box not trusted.
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
        // Of two patches, the larger one is reported.
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
        // Samples beyond the shown part do not count.
        assert_eq!(unsure(&map([0, 40, 64, 48]), (40, 64)), None);
    }
}
