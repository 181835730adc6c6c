//! Which pixels are covered.

use serde::{Deserialize, Serialize};

/// Parts in which the covered share of a pixel is told: as many are all of it.
pub(super) const LEVELS: u8 = 4;

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    /// The column after its last, and the row after its last.
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }

    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }

    /// The area with `by` pixels more on each side, within a picture.
    pub(super) fn grown(&self, by: usize, (width, height): (usize, usize)) -> Self {
        Self {
            left: self.left.saturating_sub(by),
            top: self.top.saturating_sub(by),
            right: (self.right + by).min(width),
            bottom: (self.bottom + by).min(height),
        }
    }

    fn touches(&self, other: &Self) -> bool {
        self.left <= other.right
            && other.left <= self.right
            && self.top <= other.bottom
            && other.top <= self.bottom
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// All its pixels as column and row, row by row.
    pub(super) fn pixels(self) -> impl Iterator<Item = (usize, usize)> {
        (self.top..self.bottom).flat_map(move |y| (self.left..self.right).map(move |x| (x, y)))
    }
}

/// Covered pixels of a rectangle, as they are stored: lengths of runs, uncovered and covered in turn, row by row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    area: Area,
    runs: Vec<u32>,
}

impl Shape {
    /// The pixels of `area` that `covered` holds, row by row.
    pub(super) fn new(area: Area, covered: &[bool]) -> Self {
        let mut runs = Vec::new();
        for run in covered.chunk_by(|a, b| a == b) {
            if runs.is_empty() && run[0] {
                runs.push(0);
            }
            runs.push(run.len() as u32);
        }
        Self { area, runs }
    }

    /// Left, top, width and height, in pixels.
    pub(super) fn bounds(&self) -> [usize; 4] {
        [self.area.left, self.area.top, self.area.width(), self.area.height()]
    }

    pub(super) fn area(&self) -> Area {
        self.area
    }

    /// The covered pixels as column and row.
    pub(super) fn pixels(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut at = 0;
        let covered = self.runs.iter().enumerate().filter_map(move |(n, run)| {
            let start = at;
            at += *run as usize;
            (n % 2 == 1).then_some(start..at)
        });
        let wide = self.area.width().max(1);
        covered.flatten().map(move |at| (self.area.left + at % wide, self.area.top + at / wide))
    }
}

/// Pixels of a rectangle and how much of each is covered, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cover {
    /// The pixels of which at least one part is covered, two parts, and so on to [`LEVELS`].
    layers: Vec<Shape>,
}

impl Cover {
    /// The pixels of `area` with their covered parts, row by row.
    pub(super) fn new(area: Area, parts: &[u8]) -> Self {
        let layer = |least: u8| {
            let covered: Vec<bool> = parts.iter().map(|parts| *parts >= least).collect();
            Shape::new(area, &covered)
        };
        Self { layers: (1..=LEVELS).map(layer).collect() }
    }

    /// Left, top, width and height, in pixels.
    pub(super) fn bounds(&self) -> [usize; 4] {
        self.layers.first().map_or([0; 4], Shape::bounds)
    }

    /// The pixels that are wholly covered.
    pub(super) fn whole(&self) -> Option<&Shape> {
        self.layers.last()
    }
}

/// The covered pixels of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Mask {
    width: usize,
    height: usize,
    /// The covered parts of each pixel, 0..=[`LEVELS`].
    parts: Vec<u8>,
    /// Where they are; areas do not touch.
    areas: Vec<Area>,
}

impl Mask {
    /// Nothing is covered.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, parts: vec![0; width * height], areas: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub(super) fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// The covered parts of each pixel, 0..=[`LEVELS`], row by row.
    pub(super) fn parts(&self) -> &[u8] {
        &self.parts
    }

    /// Whether any part of each pixel is covered, row by row.
    pub(in super::super) fn covered(&self) -> Vec<bool> {
        self.parts.iter().map(|parts| *parts > 0).collect()
    }

    pub(super) fn is_covered(&self, x: usize, y: usize) -> bool {
        self.parts[y * self.width + x] > 0
    }

    /// Covers the pixels of a cover that lie in the picture.
    pub(super) fn add(&mut self, cover: &Cover) {
        for (layer, parts) in cover.layers.iter().zip(1..) {
            self.add_pixels(layer.area(), layer.pixels().map(|at| (at, parts)));
        }
    }

    /// Covers these parts of pixels, all of them in `area`, where no more is covered yet.
    pub(super) fn add_pixels(
        &mut self,
        area: Area,
        pixels: impl Iterator<Item = ((usize, usize), u8)>,
    ) {
        let mut any = false;
        let inside = pixels.filter(|((x, y), _)| *x < self.width && *y < self.height);
        for ((x, y), parts) in inside.filter(|(_, parts)| *parts > 0) {
            let here = &mut self.parts[y * self.width + x];
            *here = parts.max(*here);
            any = true;
        }
        if any {
            self.add_area(area);
        }
    }

    fn add_area(&mut self, mut area: Area) {
        while let Some(at) = self.areas.iter().position(|other| other.touches(&area)) {
            area = area.with(&self.areas.swap_remove(at));
        }
        self.areas.push(area);
    }
}

/// The covered pixels with all that are nearer than `by` pixels to one of them, in rows of `wide`: by a square, one axis
/// after the other.
pub(super) fn dilated(covered: &[bool], wide: usize, by: usize) -> Vec<bool> {
    let along = |from: &[bool], step: usize, length: usize, lines: usize, next: usize| {
        let mut to = vec![false; from.len()];
        for line in 0..lines {
            let start = line * next;
            let mut until = 0;
            // From the far side, too, in one go: a pixel is covered when one was seen at most `by` before it or will be
            // at most `by` after it.
            for at in 0..length + by {
                if at < length && from[start + at * step] {
                    until = at + 2 * by + 1;
                }
                if at >= by && at < until {
                    to[start + (at - by) * step] = true;
                }
            }
        }
        to
    };
    let high = covered.len() / wide.max(1);
    let rows = along(covered, 1, wide, high, wide);
    along(&rows, wide, high, wide, 1)
}

/// The covered pixels without all that are at most `by` pixels from an uncovered one. What lies beyond the edges counts as
/// covered.
pub(super) fn eroded(covered: &[bool], wide: usize, by: usize) -> Vec<bool> {
    let open: Vec<bool> = covered.iter().map(|covered| !covered).collect();
    dilated(&open, wide, by).into_iter().map(|open| !open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_keep_every_pixel() {
        let area = Area { left: 3, top: 2, right: 7, bottom: 4 };
        for covered in [[true, false, false, true, true, true, false, false], [false; 8]] {
            let told: Vec<_> = Shape::new(area, &covered).pixels().collect();
            let wanted: Vec<_> =
                area.pixels().zip(covered).filter(|(_, is)| *is).map(|(at, _)| at).collect();
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn covers_keep_the_parts_of_every_pixel() {
        let area = Area { left: 1, top: 0, right: 5, bottom: 2 };
        let parts = [0, 1, LEVELS, 2, 3, 0, LEVELS, LEVELS];
        let cover = Cover::new(area, &parts);
        assert_eq!(cover.whole().unwrap().pixels().count(), 3);
        let mut mask = Mask::new(5, 2);
        mask.add(&cover);
        let told: Vec<u8> = area.pixels().map(|(x, y)| mask.parts()[y * 5 + x]).collect();
        assert_eq!(told, parts);
    }

    #[test]
    fn growing_reaches_a_square_around_and_shrinking_undoes_it() {
        let mut covered = vec![false; 9 * 7];
        covered[3 * 9 + 4] = true;
        let grown = dilated(&covered, 9, 2);
        for (at, is) in grown.iter().enumerate() {
            let near = (at % 9).abs_diff(4) <= 2 && (at / 9).abs_diff(3) <= 2;
            assert_eq!(*is, near, "{at}");
        }
        assert_eq!(eroded(&grown, 9, 2), covered);
    }

    #[test]
    fn areas_that_touch_become_one() {
        let mut mask = Mask::new(40, 40);
        let square = |left: usize| Area { left, top: 5, right: left + 4, bottom: 9 };
        for left in [2, 20, 12] {
            mask.add_pixels(square(left), square(left).pixels().map(|at| (at, LEVELS)));
        }
        assert_eq!(mask.areas().len(), 3);
        mask.add_pixels(square(16), square(16).pixels().map(|at| (at, LEVELS)));
        assert_eq!(mask.areas().len(), 2);
        assert!(mask.is_covered(18, 8) && !mask.is_covered(24, 8));
    }
}
