//! What an overlay covers, filled in from around it.

use inbetween_core::Frame;

use super::Mask;
use super::mask::Area;

/// Pixels around an area that its filling is made of.
const AROUND: usize = 16;

impl Mask {
    /// The picture with the covered pixels filled in: near an edge as what is beside it, and the farther from all edges, the
    /// smoother.
    pub(in super::super) fn filled(&self, picture: &Frame) -> Frame {
        let mut filled = picture.clone();
        for area in self.areas() {
            let area = area.grown(AROUND, self.size());
            let level = Level::of(picture, self, area).filled();
            let pixels = filled.pixels_mut();
            for ((x, y), sample) in area.pixels().zip(&level.samples) {
                if self.is_covered(x, y) {
                    pixels[y * picture.width() + x] = sample.colour;
                }
            }
        }
        filled
    }
}

/// A colour, and how much of it is known.
#[derive(Clone, Copy, Default)]
struct Sample {
    colour: [f32; 4],
    weight: f32,
}

/// A grid of samples, some of them unknown.
struct Level {
    width: usize,
    height: usize,
    samples: Vec<Sample>,
}

impl Level {
    fn of(picture: &Frame, mask: &Mask, area: Area) -> Self {
        let sample = |(x, y): (usize, usize)| {
            if mask.is_covered(x, y) {
                Sample::default()
            } else {
                Sample { colour: picture.row(y)[x], weight: 1.0 }
            }
        };
        Self {
            width: area.width(),
            height: area.height(),
            samples: area.pixels().map(sample).collect(),
        }
    }

    /// The grid with everything known: unknown samples are taken from a grid of half the size.
    fn filled(mut self) -> Self {
        if self.samples.iter().all(|sample| sample.weight > 0.0) || self.samples.len() < 2 {
            return self;
        }
        let coarse = self.halved().filled();
        for y in 0..self.height {
            for x in 0..self.width {
                let at = y * self.width + x;
                if self.samples[at].weight <= 0.0 {
                    self.samples[at] = Sample { colour: coarse.between(x, y), weight: 1.0 };
                }
            }
        }
        self
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut samples = vec![Sample::default(); width * height];
        for (at, sample) in self.samples.iter().enumerate() {
            let to = &mut samples[at / self.width / 2 * width + at % self.width / 2];
            for (to, from) in to.colour.iter_mut().zip(sample.colour) {
                *to += sample.weight * from;
            }
            to.weight += sample.weight;
        }
        for sample in samples.iter_mut().filter(|sample| sample.weight > 0.0) {
            let share = 1.0 / sample.weight;
            sample.colour = sample.colour.map(|value| value * share);
            sample.weight = 1.0;
        }
        Self { width, height, samples }
    }

    /// The colour at a sample of the grid of twice the size.
    fn between(&self, x: usize, y: usize) -> [f32; 4] {
        // The nearer neighbour has three quarters, the other one a quarter.
        let beside = |at: usize, side: usize| {
            let near = at / 2;
            let far = if at.is_multiple_of(2) {
                near.saturating_sub(1)
            } else {
                (near + 1).min(side - 1)
            };
            [(near, 0.75), (far, 0.25)]
        };
        let mut colour = [0.0; 4];
        for (row, of_row) in beside(y, self.height) {
            for (column, of_column) in beside(x, self.width) {
                let from = self.samples[row * self.width + column].colour;
                for (to, from) in colour.iter_mut().zip(from) {
                    *to += of_row * of_column * from;
                }
            }
        }
        colour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_covered_becomes_what_is_around_and_nothing_else_changes() {
        let value = |x: usize| x as f32 / 64.0;
        let pixels = (0..64 * 48).map(|at| [value(at % 64), 0.5, 0.25, 1.0]);
        let picture = Frame::from_pixels(64, 48, pixels.collect()).unwrap();
        let mut covered = picture.clone();
        let area = Area { left: 20, top: 20, right: 32, bottom: 26 };
        let mut mask = Mask::new(64, 48);
        mask.add_pixels(area, area.pixels().map(|at| (at, 1)));
        for (x, y) in area.pixels() {
            covered.pixels_mut()[y * 64 + x] = [9.0; 4];
        }
        let filled = mask.filled(&covered);
        for (at, (made, true_one)) in filled.pixels().iter().zip(picture.pixels()).enumerate() {
            if mask.is_covered(at % 64, at / 64) {
                assert!((made[0] - true_one[0]).abs() < 0.05, "{at}: {made:?}");
                assert!((made[1] - 0.5).abs() < 1e-5 && made[3] > 0.999);
            } else {
                assert_eq!(made, true_one);
            }
        }
    }
}
