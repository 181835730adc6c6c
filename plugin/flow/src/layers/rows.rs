//! Like things that stand in a row on the ground, such as the posts of a road.

use super::side::{ALIKE, SAME_COLOUR, Side, colours};
use super::transform::Point;

/// Least number of whole things in a row.
pub(super) const LEAST: usize = 4;
/// How far a thing may be from its place in the row, as a share of the step, and in samples.
const OFF: (f32, f32) = (0.03, 2.0);
/// Share of the border of a row's things along which they must touch the ground, because what is inside a figure moves with it.
const OPEN: f32 = 0.4;

/// Things at equal distances.
pub(super) struct Row {
    /// Place of one of them, and the step to the next.
    pub(super) origin: Point,
    pub(super) step: Point,
    /// Area of one, and its colour.
    pub(super) unit: f32,
    pub(super) colour: [f32; 3],
    /// All regions, those first that nothing cuts: neither the picture's border nor a figure.
    pub(super) members: Vec<usize>,
    /// How many nothing cuts.
    pub(super) whole: usize,
}

impl Row {
    /// Whether `other`, in the other key, may be the same row.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let change = [other.step[0] - self.step[0], other.step[1] - self.step[1]];
        colours(self.colour, other.colour) < SAME_COLOUR
            && (1.0 / ALIKE..ALIKE).contains(&(self.unit / other.unit))
            && length(change) < tolerance(self.step)
    }

    /// From the nearest place of the row to `at`.
    pub(super) fn off(&self, at: Point) -> Point {
        off_row(at, self.origin, self.step)
    }
}

/// From the nearest place of the row with this origin and step to `at`.
fn off_row(at: Point, origin: Point, step: Point) -> Point {
    let d = [at[0] - origin[0], at[1] - origin[1]];
    let n = steps(d, step);
    [d[0] - n * step[0], d[1] - n * step[1]]
}

/// The number of whole steps nearest to `d`.
pub(super) fn steps(d: Point, step: Point) -> f32 {
    (dot(d, step) / dot(step, step)).round()
}

pub(super) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

pub(super) fn length(d: Point) -> f32 {
    libm::hypotf(d[0], d[1])
}

/// How far something may be from its place in a row with this step.
pub(super) fn tolerance(step: Point) -> f32 {
    OFF.1.max(OFF.0 * length(step))
}

/// The regions of some rows.
pub(super) fn members(rows: &[Row]) -> std::collections::BTreeSet<usize> {
    rows.iter().flat_map(|row| row.members.iter().copied()).collect()
}

/// Rows of what stands on the ground in a key, those of the largest things first.
pub(super) fn rows_of(side: &Side) -> Vec<Row> {
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
        let like = |k: usize| !used[k] && colours(list[k].colour, list[seed].colour) < SAME_COLOUR;
        let sized = |k: usize| (1.0 / ALIKE..ALIKE).contains(&(list[k].area / list[seed].area));
        let whole: Vec<usize> = open.iter().copied().filter(|&k| like(k) && sized(k)).collect();
        let places: Vec<Point> = whole.iter().map(|&k| list[k].middle).collect();
        let Some((origin, step)) = in_row(&places) else { continue };
        if open_share(side, &whole) < OPEN {
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
fn open_share(side: &Side, some: &[usize]) -> f32 {
    let list = &side.regions.list;
    let (mut open, mut all) = (0, 0);
    for &(n, border) in some.iter().flat_map(|&k| &list[k].beside) {
        all += border;
        open += if list[n].at_border { border } else { 0 };
    }
    open as f32 / all.max(1) as f32
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
    let in_place = |&p: &Point| length(off_row(p, start, step)) < tolerance(step);
    sorted.iter().all(in_place).then_some((start, step))
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
