//! Rectangles of whole pixels, and rectangles in the project's coordinates.

use openfx::sys::generic::core::{kOfxFlagInfiniteMax, kOfxFlagInfiniteMin};

/// A rectangle of whole pixels: y grows upwards; the right and upper edges are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    /// Left edge.
    pub(crate) x1: i32,
    /// Lower edge.
    pub(crate) y1: i32,
    /// Right edge, exclusive.
    pub(crate) x2: i32,
    /// Upper edge, exclusive.
    pub(crate) y2: i32,
}

impl Rect {
    /// From edges in the order of OfxRectI.
    pub(crate) fn from_edges([x1, y1, x2, y2]: [i32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// Width in pixels, 0 when empty.
    pub(crate) fn width(self) -> usize {
        usize::try_from(i64::from(self.x2) - i64::from(self.x1)).unwrap_or(0)
    }

    /// Height in pixels, 0 when empty.
    pub(crate) fn height(self) -> usize {
        usize::try_from(i64::from(self.y2) - i64::from(self.y1)).unwrap_or(0)
    }

    /// Whether it contains no pixel.
    pub(crate) fn is_empty(self) -> bool {
        self.width() == 0 || self.height() == 0
    }

    /// The intersection of both; may be empty.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        }
    }

    /// The smallest rectangle that contains both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }
}

/// A rectangle in canonical coordinates: y grows upwards, edges may lie between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Region {
    /// Left edge.
    pub(crate) x1: f64,
    /// Lower edge.
    pub(crate) y1: f64,
    /// Right edge.
    pub(crate) x2: f64,
    /// Upper edge.
    pub(crate) y2: f64,
}

impl Region {
    /// The edges in the order of OfxRectD.
    pub(crate) fn edges(self) -> [f64; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// The whole plane: what to ask for if nobody knows how large a picture is.
    pub(crate) const EVERYTHING: Self = {
        let (least, most) = (kOfxFlagInfiniteMin as f64, kOfxFlagInfiniteMax as f64);
        Self { x1: least, y1: least, x2: most, y2: most }
    };

    /// The smallest region that contains both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            x1: self.x1.min(other.x1),
            y1: self.y1.min(other.y1),
            x2: self.x2.max(other.x2),
            y2: self.y2.max(other.y2),
        }
    }

    /// Its centre.
    pub(crate) fn middle(self) -> [f64; 2] {
        [0.5 * (self.x1 + self.x2), 0.5 * (self.y1 + self.y2)]
    }

    /// Whether it has a finite, positive area. Hosts return infinite or empty regions for
    /// generators and for clips without a picture.
    pub(crate) fn is_usable(self) -> bool {
        let limit = f64::from(i32::MAX) / 4.0;
        self.edges().iter().all(|edge| edge.is_finite() && edge.abs() < limit)
            && self.x2 > self.x1
            && self.y2 > self.y1
    }
}
