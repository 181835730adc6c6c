//! Arguments of layers besides their input, the same on every device: where rows are, what is added
//! to them, and the function applied at the end.

use candle_core::Tensor;

/// Geometry of a convolution in space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the square kernel: 1 or 3.
    pub kernel: usize,
    /// Step between output positions.
    pub stride: usize,
    /// Zero rows and columns before the first.
    pub before: usize,
    /// Zero rows and columns after the last.
    pub after: usize,
    /// Every input pixel counts as 2 x 2 equal ones (nearest-neighbour enlargement).
    pub enlarge: bool,
    /// Input height and width; filled in when the layer runs.
    pub(crate) size: (usize, usize),
}

impl Window {
    const fn new(kernel: usize, stride: usize, before: usize, after: usize) -> Self {
        Self { kernel, stride, before, after, enlarge: false, size: (0, 0) }
    }
    /// 1 x 1.
    pub const POINT: Self = Self::new(1, 1, 0, 0);
    /// 3 x 3, same size.
    pub const SAME: Self = Self::new(3, 1, 1, 1);
    /// 3 x 3, stride 2, one zero on every side.
    pub const HALVE: Self = Self::new(3, 2, 1, 1);
    /// 3 x 3, stride 2, one zero on the right and at the bottom only.
    pub const HALVE_AFTER: Self = Self::new(3, 2, 0, 1);
    /// Nearest-neighbour x 2, then 3 x 3, same size.
    pub const DOUBLE: Self = Self { enlarge: true, ..Self::SAME };

    /// Output height and width of an input of `h` x `w`.
    pub fn output(&self, h: usize, w: usize) -> (usize, usize) {
        let scale = if self.enlarge { 2 } else { 1 };
        let side =
            |s: usize| (s * scale + self.before + self.after - self.kernel) / self.stride + 1;
        (side(h), side(w))
    }

    /// Index of the input pixel at a position of `frame`, which is enlarged if the window says so;
    /// `None` outside. Positions before the first must have wrapped around to huge values.
    #[inline(always)]
    pub(crate) fn input_row(&self, frame: usize, y: usize, x: usize) -> Option<usize> {
        let ((h, w), shift) = (self.size, usize::from(self.enlarge));
        let inside = y < h << shift && x < w << shift;
        inside.then(|| (frame * h + (y >> shift)) * w + (x >> shift))
    }
}

/// What is added to a product before it is stored.
#[derive(Clone, Copy)]
pub enum Addend<'a> {
    /// Nothing.
    Nothing,
    /// A tensor of the result's shape.
    Residual(&'a Tensor),
    /// `[n, c]`: one vector for each frame.
    PerFrame(&'a Tensor),
}

/// Activation functions at the end of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The sum itself.
    #[default]
    None,
    /// `x * sigmoid(x)`.
    Silu,
    /// The exact GELU.
    Gelu,
}
