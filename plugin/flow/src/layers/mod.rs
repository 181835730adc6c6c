//! A drawing in layers: the ground, the figures in front of it, and their parts, each moved as one.

mod appearance;
mod bend;
mod beneath;
mod compose;
mod course;
mod explain;
mod follow;
mod ground;
mod ground_beside;
mod held;
mod hidden_parts;
mod leftovers;
mod line_fit;
mod pinned_way;
mod pins;
mod regions;
mod register;
mod repeats;
mod row_motion;
mod rows;
mod scenery;
mod settle;
mod side;
mod sketched;
mod sketched_parts;
mod sketched_poses;
mod sketched_units;
mod stack;
mod transform;
mod trust;
mod uncover;

use inbetween_core::Pin;

use crate::map::Map;
use crate::start::lab;
use appearance::Appearance;
pub(crate) use course::Course;
use explain::explain;
pub(crate) use follow::PairView;
use pinned_way::{GuidePin, PinnedWay};
use regions::Regions;
use side::Side;
pub(crate) use sketched::Sketches;
use stack::{Owners, StackedPiece, lay, order};
use transform::{Affine, Point};
use trust::carries;

/// Two keys, explained as moving pieces.
pub(crate) struct Layers {
    h: usize,
    w: usize,
    /// Size of the part that shows the frame.
    height: usize,
    width: usize,
    pieces: Vec<StackedPiece>,
    /// Pieces from front to back, and the position of each in that order.
    order: Vec<usize>,
    rank: Vec<usize>,
    owners: [Owners; 2],
    /// Whether each piece moves with the ground.
    rests: Vec<bool>,
    /// Whether the ground does not move.
    still: bool,
    /// Whether the ground goes where its piece does wherever a key shows it.
    firm: bool,
    /// Pieces that only the layers draw whole.
    needed: Vec<bool>,
    /// Pieces bound by pins, and those that must be drawn with them.
    bound: Vec<bool>,
    /// Pins on nothing but ground, as indices from 0.
    loose_pins: Vec<usize>,
}

/// The mapping from the in-between to the keys.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// To the first key.
    first: Affine,
    /// From there on to the last key.
    whole: Affine,
}

impl Way {
    fn still() -> Self {
        let still = Affine::shift([0.0; 2]);
        Self { first: still, whole: still }
    }

    fn keys(&self, p: Point) -> [Point; 2] {
        let first = self.first.at(p);
        [first, self.whole.at(first)]
    }
}

impl Layers {
    /// `guides: [3, h, w]`, of which `height` x `width` samples show the frame. `asked` is what
    /// sketches ask for.
    pub(crate) fn of(
        guides: &[Map; 2],
        (height, width): (usize, usize),
        pins: &[Pin],
        asked: Option<&Sketches>,
    ) -> Self {
        let (h, w) = (guides[0].h, guides[0].w);
        let side = |k: usize| {
            let colours = lab(&guides[k]);
            let side = Side::new(Regions::of(&colours), Appearance::of(&guides[k], &colours));
            (side, colours.channels(0, 1))
        };
        let ((a, light_a), (b, light_b)) = rayon::join(|| side(0), || side(1));
        let (sides, light) = ([a, b], [light_a, light_b]);
        let mut scene = explain([&sides[0], &sides[1]]);
        let guide_pins: Vec<GuidePin> =
            pins.iter().map(|pin| GuidePin::of(pin, (height, width))).collect();
        let sketched = asked.map(|asked| scene.sketched(asked, (height, width)));
        let pinned = scene.bind(&guide_pins);
        let regions = [&sides[0].regions, &sides[1].regions];
        let order = order(&scene, regions);
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(r, &p)| rank[p] = r);
        let own = |k: usize| {
            let ways: Vec<Option<Affine>> =
                scene.pieces.iter().map(|p| p.motion.seen_from(k)).collect();
            let explains = |p: usize, i: usize| carries(guides, ways[p].as_ref(), k, i);
            let reach = if asked.is_some() { beneath::FAR } else { beneath::REACH };
            Owners::of(regions[k], &scene.of[k], &rank, scene.grounds, &light[k], reach, explains)
        };
        let (first, last) = rayon::join(|| own(0), || own(1));
        let owners = [first, last];
        let mut pieces = lay(&scene, regions, [&owners[0], &owners[1]]);
        let mut bound = vec![false; pieces.len()];
        for part in pinned.bound {
            let piece = &mut pieces[part.piece];
            let way = PinnedWay::new(piece.motion, part.guide_pins);
            (piece.motion, piece.parent, piece.only) = (way.whole(), None, part.only);
            piece.pinned = Some(way);
            bound[part.piece] = true;
        }
        pinned.bereft.iter().for_each(|&p| bound[p] = true);
        let ground = pieces[0].motion;
        let rests = pieces.iter().map(|p| p.motion.rests_on(&ground, (height, width))).collect();
        let still = ground == Affine::shift([0.0; 2]).around(ground.from);
        let mut out = Self {
            still,
            firm: still,
            h,
            w,
            height,
            width,
            pieces: Vec::new(),
            order,
            rank,
            owners,
            rests,
            needed: Vec::new(),
            bound,
            loose_pins: pinned.loose,
        };
        for (p, piece) in pieces.iter_mut().enumerate() {
            // Bound pieces stay visible, and what lost its counterpart to them must not appear
            // twice.
            let bereft = out.bound[p] && piece.pinned.is_none();
            piece.vanishes = bereft || piece.pinned.is_none() && out.vanishes(p, piece);
        }
        out.pieces = pieces;
        if let Some((sketched, asked)) = sketched.zip(asked) {
            out.take(sketched, asked);
        }
        out.settle(guides);
        out
    }

    /// Motion of the ground at half the guides' size, from the first key to the last and back, `[2,
    /// h, w]`; `None` if it rests.
    pub(crate) fn ground_flow(&self) -> Option<[Map; 2]> {
        let motion = self.pieces[0].motion;
        let back = motion.inverse().filter(|_| !self.still)?;
        let (h, w) = (self.h / 2, self.w / 2);
        Some([motion, back].map(|motion| {
            let mut out = Map::new(2, h, w);
            for i in 0..h * w {
                // Sample centres in guide samples.
                let p = [2.0 * (i % w) as f32 + 0.5, 2.0 * (i / w) as f32 + 0.5];
                let q = motion.at(p);
                (0..2).for_each(|c| out.v[c * h * w + i] = 0.5 * (q[c] - p[c]));
            }
            out
        }))
    }

    /// Draws only bound pieces as pieces.
    pub(crate) fn bound_only(&mut self) {
        // Sketches may move things in front of a resting ground, so it is not known where the
        // ground is visible.
        self.firm = false;
        self.needed.clone_from(&self.bound);
    }

    /// Also draws bound pieces as pieces, together with what they touch.
    pub(crate) fn with_bound(&mut self) {
        let open: Vec<usize> = (0..self.bound.len()).filter(|&p| self.bound[p]).collect();
        open.iter().for_each(|&p| self.needed[p] = true);
        self.spread(open);
    }

    /// Pins on nothing but ground, as indices from 0.
    pub(crate) fn loose_pins(&self) -> &[usize] {
        &self.loose_pins
    }

    /// Whether the key without piece `p` shows the ground in its place.
    fn vanishes(&self, p: usize, piece: &StackedPiece) -> bool {
        let Some(key) = piece.only else { return false };
        let Some(there) = piece.motion.seen_from(key) else { return true };
        let (mut bare, mut all) = (0, 0);
        for i in (0..self.h * self.w).filter(|&i| self.owners[key].piece[i] as usize == p) {
            let q = there.at([(i % self.w) as f32, (i / self.w) as f32]);
            let (x, y) = (q[0].round(), q[1].round());
            if x < 0.0 || y < 0.0 || x >= self.width as f32 || y >= self.height as f32 {
                continue;
            }
            all += 1;
            let owner = self.owners[1 - key].piece[y as usize * self.w + x as usize] as usize;
            bare += usize::from(self.rank[owner] > self.rank[p]);
        }
        2 * bare > all
    }

    /// Memory that this takes, in bytes.
    pub(crate) fn byte_len(&self) -> usize {
        // Piece, the one with all lines, front, the piece behind, nearest ground and what continues beneath
        // each pixel in both keys, and three flags.
        2 * self.h * self.w * (2 + 2 + 2 + 2 + 4 + 4 + 3)
    }
}
