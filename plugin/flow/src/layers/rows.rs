//! Like things that stand in a row, such as the posts of a road, move as one.
//!
//! Each of them matches any other, so one by one they would go different ways. The row as a whole can only have moved by
//! a certain distance or by whole steps of the row more or less. The motion nearest to the ground's is taken, if possible
//! one that does not fall behind it.

use super::explain::{FOLLOWS, Scene};
use super::repeats::{ALIKE, SAME_COLOUR};
use super::side::colours;
use super::transform::{Affine, Point};

/// Least number of whole things in a row.
const LEAST: usize = 4;
/// How far a thing may be from its place in the row, as a share of the step, and in samples.
const OFF: (f32, f32) = (0.03, 2.0);
/// Share of the border of a row's things along which they must touch the ground, because what is inside a figure moves with it.
const OPEN: f32 = 0.4;
/// Most steps by which a row is moved beside the ground.
const MOST: i32 = 4;
/// Share of a thing that must stay in the picture to say something.
const STAY: f32 = 0.9;

/// Things at equal distances.
pub(super) struct Row {
    /// Place of one of them, and the step to the next.
    origin: Point,
    step: Point,
    /// Area of one, and its colour.
    unit: f32,
    colour: [f32; 3],
    /// All regions, those first that nothing cuts: neither the picture's border nor a figure.
    members: Vec<usize>,
    whole: usize,
}

impl Row {
    /// From the nearest place of the row to `at`.
    fn off(&self, at: Point) -> Point {
        let d = [at[0] - self.origin[0], at[1] - self.origin[1]];
        let n = (dot(d, self.step) / dot(self.step, self.step)).round();
        [d[0] - n * self.step[0], d[1] - n * self.step[1]]
    }
}

fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

fn length(d: Point) -> f32 {
    libm::hypotf(d[0], d[1])
}

/// How far something may be from its place in a row with this step.
fn tolerance(step: Point) -> f32 {
    OFF.1.max(OFF.0 * length(step))
}

/// The regions of some rows.
pub(super) fn members(rows: &[Row]) -> std::collections::BTreeSet<usize> {
    rows.iter().flat_map(|row| row.members.iter().copied()).collect()
}

impl Scene<'_> {
    /// Makes a piece of each row that both keys show and that does not move with the ground.
    pub(super) fn rows(&mut self, [firsts, lasts]: [Vec<Row>; 2]) {
        for first in firsts {
            let same = |last: &&Row| {
                let change = [last.step[0] - first.step[0], last.step[1] - first.step[1]];
                colours(first.colour, last.colour) < SAME_COLOUR
                    && (1.0 / ALIKE..ALIKE).contains(&(first.unit / last.unit))
                    && length(change) < tolerance(first.step)
            };
            let Some(last) = lasts.iter().find(same) else { continue };
            let members = [&first.members, &last.members];
            // One that leaves the picture may have been left to the ground, but not most of them.
            let with_ground =
                |key: usize| members[key].iter().filter(|&&k| self.of[key][k].is_some()).count();
            if (0..2).any(|key| 2 * with_ground(key) > members[key].len()) {
                continue;
            }
            if let Some(motion) = self.motion_of(&first, last) {
                for key in 0..2 {
                    for &k in members[key] {
                        if let Some(ground) = self.of[key][k].take() {
                            self.pieces[ground].members[key].retain(|&m| m != k);
                        }
                    }
                }
                self.add(motion, members.map(Vec::clone));
                let row = self.pieces.last_mut().expect("it was added");
                row.unit = Some(first.unit);
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
            let n = (dot([off[0] - anchor[0], off[1] - anchor[1]], last.step)
                / dot(last.step, last.step))
            .round();
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

    /// Rows of what stands on the ground in `key`, those of the largest things first.
    pub(super) fn rows_of(&self, key: usize) -> Vec<Row> {
        let side = self.keys[key];
        let list = &side.regions.list;
        let inner = |k: &usize| !list[*k].frame && !list[*k].at_border;
        let mut open: Vec<usize> = (0..list.len()).filter(inner).collect();
        open.sort_by(|&a, &b| list[b].area.total_cmp(&list[a].area));
        let mut used = vec![false; list.len()];
        let mut out = Vec::new();
        for &seed in &open {
            if used[seed] {
                continue;
            }
            let like =
                |k: usize| !used[k] && colours(list[k].colour, list[seed].colour) < SAME_COLOUR;
            let sized = |k: usize| (1.0 / ALIKE..ALIKE).contains(&(list[k].area / list[seed].area));
            let whole: Vec<usize> = open.iter().copied().filter(|&k| like(k) && sized(k)).collect();
            let places: Vec<Point> = whole.iter().map(|&k| list[k].middle).collect();
            let Some((origin, step)) = in_row(&places) else { continue };
            if self.open(key, &whole) < OPEN {
                continue;
            }
            let (unit, colour) = (list[seed].area, list[seed].colour);
            let count = whole.len();
            let mut row = Row { origin, step, unit, colour, members: whole, whole: count };
            // Half a thing is off its place by less than its own size.
            let cut = |k: usize| {
                let near = length(row.off(list[k].middle)) < 0.5 * unit.sqrt();
                like(k) && !row.members.contains(&k) && list[k].area < unit && near
            };
            let cut: Vec<usize> = open.iter().copied().filter(|&k| cut(k)).collect();
            row.members.extend(cut);
            row.members.iter().for_each(|&k| used[k] = true);
            out.push(row);
        }
        out
    }

    /// Share of the border of some regions along which they touch what reaches the picture's border.
    fn open(&self, key: usize, some: &[usize]) -> f32 {
        let list = &self.keys[key].regions.list;
        let (mut open, mut all) = (0, 0);
        for &(n, border) in some.iter().flat_map(|&k| &list[k].beside) {
            all += border;
            open += if list[n].at_border { border } else { 0 };
        }
        open as f32 / all.max(1) as f32
    }
}

/// The first of some places and the step from one to the next, if all stand in one row. Some of the row may be missing.
fn in_row(places: &[Point]) -> Option<(Point, Point)> {
    if places.len() < LEAST {
        return None;
    }
    // Along the line from one place to that which is farthest from it.
    let far = |from: Point| {
        let d = |p: &Point| length([p[0] - from[0], p[1] - from[1]]);
        places.iter().copied().max_by(|a, b| d(a).total_cmp(&d(b))).unwrap_or(from)
    };
    let start = far(places[0]);
    let end = far(start);
    // Rightwards or, if upright, downwards, so that rows of both keys run the same way.
    let mut along = [end[0] - start[0], end[1] - start[1]];
    let backward = if along[0].abs() > along[1].abs() { along[0] < 0.0 } else { along[1] < 0.0 };
    if backward {
        along = along.map(|v| -v);
    }
    let mut sorted = places.to_vec();
    sorted.sort_by(|a, b| dot(*a, along).total_cmp(&dot(*b, along)));
    let start = sorted[0];
    let gap = |pair: &[Point]| [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
    let least = sorted.windows(2).map(gap).min_by(|a, b| length(*a).total_cmp(&length(*b)))?;
    let last = *sorted.last()?;
    // The whole row tells the step better than one gap.
    let whole = gap(&[start, last]);
    let count = (length(whole) / length(least)).round();
    // Most places of the row must be taken, or any places would make one.
    if !(count.is_finite() && count >= 1.0 && count < 2.0 * places.len() as f32) {
        return None;
    }
    let step = [whole[0] / count, whole[1] / count];
    let row =
        Row { origin: start, step, unit: 0.0, colour: [0.0; 3], members: Vec::new(), whole: 0 };
    sorted.iter().all(|&p| length(row.off(p)) < tolerance(step)).then_some((start, step))
}

#[cfg(test)]
mod tests {
    use super::in_row;

    #[test]
    fn things_at_equal_distances_are_a_row_even_if_one_is_missing() {
        let mut posts = [[70.0, 20.0], [10.0, 20.0], [40.5, 20.0], [130.0, 20.0]];
        for _ in 0..posts.len() {
            posts.rotate_left(1);
            assert_eq!(in_row(&posts), Some(([10.0, 20.0], [30.0, 0.0])));
        }
        assert!(in_row(&[[10.0, 20.0], [40.0, 20.0], [77.0, 20.0], [130.0, 20.0]]).is_none());
        assert!(in_row(&posts[..3]).is_none());
        assert!(in_row(&[[10.0, 20.0]; 4]).is_none());
    }
}
