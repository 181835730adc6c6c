//! The lines of a key, indexed for look-ups.

use super::chamfer::ChamferIndex;
use super::correspondence::Lines;
use super::line_points::{Point, away, of_picture};
use crate::map::Map;

/// The lines of a key.
pub(super) struct KeyLines {
    pub(super) points: Vec<Point>,
    /// A fine index, and a coarse one for long searches.
    pub(super) near: [ChamferIndex; 2],
    /// Distance of each sample from the lines.
    pub(super) away: Map,
}

impl KeyLines {
    pub(super) fn of(guide: &Map, shape: [usize; 2]) -> Self {
        let points = of_picture(guide, shape[0], shape[1]);
        let near = [2, 4].map(|step| ChamferIndex::new(&points, shape, step));
        Self { near, away: away(guide, shape[0], shape[1]), points }
    }

    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { points: &self.points, near: &self.near[0] }
    }
}
