//! Moves what stands in a row as one.
//!
//! Each thing of a row matches any other, so one by one they would go different ways. The row as a whole can only have
//! moved by a certain distance or by whole steps of the row more or less. The motion nearest to the ground's is taken, if
//! possible one that does not fall behind it.

use super::explain::{FOLLOWS, Scene};
use super::rows::{LEAST, Row, dot, length, steps, tolerance};
use super::transform::{Affine, Point};

/// Most steps by which a row is moved beside the ground.
const MOST: i32 = 4;
/// Share of a thing that must stay in the picture to say something.
const STAY: f32 = 0.9;

impl Scene<'_> {
    /// Makes a piece of each row that both keys show and that does not move with the ground.
    pub(super) fn rows(&mut self, [firsts, lasts]: [Vec<Row>; 2]) {
        for first in firsts {
            let Some(last) = lasts.iter().find(|last| first.is_like(last)) else { continue };
            let members = [&first.members, &last.members];
            // One that leaves the picture may have been left to the ground, but not most of them.
            let with_ground =
                |key: usize| members[key].iter().filter(|&&k| self.of[key][k].is_some()).count();
            if (0..2).any(|key| 2 * with_ground(key) > members[key].len()) {
                continue;
            }
            if let Some(motion) = self.motion_of(&first, last) {
                for (key, members) in members.iter().enumerate() {
                    for &k in *members {
                        if let Some(ground) = self.of[key][k].take() {
                            self.pieces[ground].members[key].retain(|&m| m != k);
                        }
                    }
                }
                self.add(motion, members.map(Vec::clone)).unit = Some(first.unit);
            }
        }
    }

    /// The motion of a row; `None` if it is not found.
    fn motion_of(&self, first: &Row, last: &Row) -> Option<Affine> {
        let ground = self.pieces[0].motion;
        let appearance = &self.keys[1].appearance;
        let group = |k: usize| &self.keys[0].groups[k];
        let whole = &first.members[..first.whole];
        let middles: Vec<Point> = whole.iter().map(|&k| group(k).middle).collect();
        let part = 1.0 / middles.len() as f32;
        let mean = |of: &dyn Fn(Point) -> Point| -> Point {
            let each = middles.iter().map(|&at| of(at));
            each.fold([0.0; 2], |sum, d| [0, 1].map(|c| sum[c] + part * d[c]))
        };
        // Once carried by the ground, the whole row is off its places by as much.
        let carried = mean(&|at| [0, 1].map(|c| ground.at(at)[c] - at[c]));
        let at_first = |at: Point| last.off([at[0] + carried[0], at[1] + carried[1]]);
        let anchor = at_first(middles[0]);
        let off = mean(&|at| {
            let off = at_first(at);
            // Half a step off may be seen on either side.
            let n = steps([off[0] - anchor[0], off[1] - anchor[1]], last.step);
            [0, 1].map(|c| off[c] - n * last.step[c])
        });
        let mut shifts: Vec<Point> = (-MOST..=MOST)
            .map(|n| [0, 1].map(|c| carried[c] - off[c] + n as f32 * last.step[c]))
            .collect();
        // What stands in front of a ground is nearer to the camera, so a pan moves it at least as far.
        let away = |shift: &Point| {
            let more = [shift[0] - carried[0], shift[1] - carried[1]];
            let lags = dot(more, carried) < -tolerance(last.step) * length(carried);
            length(more) + if lags { length(last.step) } else { 0.0 }
        };
        shifts.sort_by(|a, b| away(a).total_cmp(&away(b)));
        let fits = |motion: &Affine| {
            let stay = |k: &&usize| group(**k).within(motion, appearance) > STAY;
            let stay: Vec<usize> = whole.iter().filter(stay).copied().collect();
            let together = self.keys[0].together(&stay);
            stay.len() + 1 >= LEAST && together.follows(motion, appearance, None) >= FOLLOWS
        };
        shifts.into_iter().map(Affine::shift).find(fits)
    }
}
