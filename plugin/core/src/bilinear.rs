//! Bilinear interpolation between the samples of a grid.

/// A place in a grid of samples: its four neighbours and where it lies between them. Beyond the
/// edges the outermost samples are repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bilinear {
    index: [u32; 4],
    fx: f32,
    fy: f32,
}

impl Bilinear {
    /// The place (`x`, `y`), counted in samples from the centre of the first one, in a grid of
    /// `height` x `width` samples. The grid has at least one sample each way.
    #[inline]
    pub fn at(x: f32, y: f32, height: usize, width: usize) -> Self {
        // `max` first: a NaN becomes 0.
        let (x, y) = (x.max(0.0).min((width - 1) as f32), y.max(0.0).min((height - 1) as f32));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
        let index = [y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1];
        Self { index: index.map(|i| i as u32), fx: x - x0 as f32, fy: y - y0 as f32 }
    }

    /// The value at this place of a plane that is stored row after row.
    #[inline]
    pub fn of(&self, plane: &[f32]) -> f32 {
        let [a, b, c, d] = self.index.map(|i| plane[i as usize]);
        self.between(a, b, c, d)
    }

    /// The value at this place of a grid whose samples have several channels.
    #[inline]
    pub fn of_pixels<const N: usize>(&self, pixels: &[[f32; N]]) -> [f32; N] {
        let [a, b, c, d] = self.neighbours(pixels);
        std::array::from_fn(|i| self.between(a[i], b[i], c[i], d[i]))
    }

    /// The four neighbours: upper left, upper right, lower left, lower right.
    #[inline]
    pub fn neighbours<const N: usize>(&self, pixels: &[[f32; N]]) -> [[f32; N]; 4] {
        self.index.map(|i| pixels[i as usize])
    }

    #[inline]
    fn between(&self, a: f32, b: f32, c: f32, d: f32) -> f32 {
        let (top, bottom) = (a + (b - a) * self.fx, c + (d - c) * self.fx);
        top + (bottom - top) * self.fy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_between_the_neighbours_and_edges_are_repeated() {
        let plane = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let at = |x, y| Bilinear::at(x, y, 2, 3).of(&plane);
        assert_eq!((at(1.0, 1.0), at(0.5, 0.0), at(1.5, 0.5)), (4.0, 0.5, 3.0));
        assert_eq!((at(-5.0, -5.0), at(9.0, 9.0), at(f32::NAN, 0.0)), (0.0, 5.0, 0.0));
        let pixels = plane.map(|value| [value, -value]);
        let place = Bilinear::at(1.5, 0.5, 2, 3);
        assert_eq!(place.of_pixels(&pixels), [3.0, -3.0]);
        assert_eq!(place.neighbours(&pixels).map(|pixel| pixel[0]), [1.0, 2.0, 4.0, 5.0]);
    }
}
