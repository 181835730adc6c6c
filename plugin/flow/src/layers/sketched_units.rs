//! What sketches move as one: pieces that are found in both keys, or regions of one key's figure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Layers;
use super::explain::Scene;
use super::transform::Affine;
use crate::sketch::LinePoint;

/// Share of its outline along which a part touches what it is drawn on.
const DRAWN_ON: f32 = 0.7;

/// What moves as one: a piece found in both keys, or a region of a figure that is held.
pub(super) struct Unit {
    /// The piece that it was found to be, or to be part of.
    pub(super) piece: usize,
    /// The key whose lines are compared.
    pub(super) key: usize,
    pub(super) members: [Vec<usize>; 2],
    pub(super) lines: Vec<LinePoint>,
    /// Units that it touches, with the length of the common border, and the length of all borders.
    pub(super) beside: Vec<(usize, u32)>,
    outline: u32,
}

impl Scene<'_> {
    /// The regions on both sides of a line point.
    pub(super) fn sides_of(
        &self,
        key: usize,
        point: &LinePoint,
    ) -> impl Iterator<Item = usize> + use<> {
        let regions = &self.keys[key].regions;
        let i = regions.pixel([point.x, point.y]);
        let sides = [regions.label[i], regions.across[i]];
        sides.into_iter().filter_map(|l| (l as usize).checked_sub(1))
    }

    /// The pieces of a figure, each as a whole.
    pub(super) fn whole_pieces(&self, figure: &[usize], lines: &[Vec<LinePoint>; 2]) -> Vec<Unit> {
        let unit = |&piece: &usize| {
            let members = self.pieces[piece].members.clone();
            let key = members.iter().position(|some| !some.is_empty())?;
            Some(Unit { piece, key, members, lines: Vec::new(), beside: Vec::new(), outline: 0 })
        };
        self.known(figure.iter().filter_map(unit).collect(), lines)
    }

    /// The regions of a figure in one key.
    pub(super) fn regions_of(
        &self,
        figure: &[usize],
        key: usize,
        lines: &[Vec<LinePoint>; 2],
    ) -> Vec<Unit> {
        let regions =
            figure.iter().flat_map(|&p| self.pieces[p].members[key].iter().map(move |&k| (p, k)));
        let unit = |(piece, k): (usize, usize)| {
            let mut members = [Vec::new(), Vec::new()];
            members[key].push(k);
            Unit { piece, key, members, lines: Vec::new(), beside: Vec::new(), outline: 0 }
        };
        self.known(regions.map(unit).collect(), lines)
    }

    /// Finds the lines of units, and what they touch.
    fn known(&self, mut units: Vec<Unit>, lines: &[Vec<LinePoint>; 2]) -> Vec<Unit> {
        let mut of = self.keys.map(|side| vec![None; side.groups.len()]);
        for (n, unit) in units.iter().enumerate() {
            for (of, members) in of.iter_mut().zip(&unit.members) {
                members.iter().for_each(|&k| of[k] = Some(n));
            }
        }
        for (key, lines) in lines.iter().enumerate() {
            for point in lines {
                let mut last = None;
                for n in self.sides_of(key, point).filter_map(|k| of[key][k]) {
                    if units[n].key == key && last != Some(n) {
                        units[n].lines.push(*point);
                    }
                    last = Some(n);
                }
            }
        }
        for (n, unit) in units.iter_mut().enumerate() {
            let mut beside = BTreeMap::new();
            for &k in &unit.members[unit.key] {
                for &(other, border) in &self.keys[unit.key].regions.list[k].beside {
                    unit.outline += border;
                    if let Some(other) = of[unit.key][other].filter(|&other| other != n) {
                        *beside.entry(other).or_insert(0) += border;
                    }
                }
            }
            unit.beside = beside.into_iter().collect();
        }
        units
    }
}

impl Unit {
    /// The settled unit that it touches most.
    pub(super) fn most_beside(&self, settled: &[bool]) -> Option<usize> {
        let beside = self.beside.iter().filter(|b| settled[b.0]);
        beside.max_by_key(|b| (b.1, Reverse(b.0))).map(|b| b.0)
    }

    /// Whether one unit surrounds most of it, as a face does an eye.
    pub(super) fn is_drawn_on_another(&self) -> bool {
        self.beside.iter().any(|b| b.1 as f32 > DRAWN_ON * self.outline as f32)
    }

    /// From the first key to the unit's own.
    pub(super) fn since_first(&self, drawn: &Layers) -> Affine {
        if self.key == 0 { Affine::shift([0.0; 2]) } else { drawn.pieces[self.piece].motion }
    }
}

/// The lines of some units.
pub(super) fn lines_of(units: &[Unit], some: &[usize]) -> Vec<LinePoint> {
    some.iter().flat_map(|&n| units[n].lines.iter().copied()).collect()
}
