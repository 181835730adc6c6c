//! Whether something looks like lines of text: strokes of two colours side by side.

use super::mask::Area;

/// Heights of a line of text, of the picture's height.
const HEIGHTS: std::ops::Range<f32> = 0.011..0.15;

/// Changes of brightness along a row of a text, for each height of its line that it is wide, and at least.
const CHANGES: f32 = 1.6;
const LEAST_CHANGES: f32 = 5.0;

/// Least change of brightness beside a stroke, in code values.
const STROKE: u8 = 40;

/// Share of a text that has one of its two colours, how far these vary, and how far they are apart, in code values.
const INKED: f32 = 0.5;
const INK_SPREAD: u8 = 10;
const INKS_APART: u8 = 40;

/// Share of a box's sides that are its own.
const BOXED: f32 = 0.9;

/// Lines of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) lines: Vec<Area>,
    /// The brightness of its letters: of two colours the brighter one, which an outline is not.
    pub(super) ink: u8,
    /// The other colour.
    pub(super) outline: Option<u8>,
}

impl Text {
    /// Whether a grey is about that of its letters or their outline.
    pub(super) fn has_colour(&self, grey: u8) -> bool {
        let near = |ink: u8| ink.abs_diff(grey) <= 2 * INK_SPREAD;
        near(self.ink) || self.outline.is_some_and(near)
    }

    /// The text that the `own` pixels of `area` are, in a picture of `size` with this `grey`; `None` where they are none.
    pub(super) fn of(grey: &[u8], size: (usize, usize), area: Area, own: &[bool]) -> Option<Self> {
        let lines = lines(area, own);
        let (first, second) = inks(grey, size.0, area, own)?;
        let heights = HEIGHTS.start * size.1 as f32..HEIGHTS.end * size.1 as f32;
        let lines: Vec<Area> = lines
            .into_iter()
            .filter(|line| {
                let high = line.height() as f32;
                let wanted = LEAST_CHANGES.max(CHANGES * line.width() as f32 / high);
                heights.contains(&high)
                    && line.width() as f32 > 1.2 * high
                    && changes(grey, size.0, area, own, *line) >= wanted
            })
            .collect();
        let (ink, outline) = match second {
            Some(second) => (first.max(second), Some(first.min(second))),
            None => (first, None),
        };
        (!lines.is_empty()).then_some(Self { lines, ink, outline })
    }
}

/// The colour that most of a text has, and the second one where there is one; `None` where many colours are there.
fn inks(grey: &[u8], width: usize, area: Area, own: &[bool]) -> Option<(u8, Option<u8>)> {
    let mut counts = [0_usize; 256];
    let mut all = 0;
    for ((x, y), _) in area.pixels().zip(own).filter(|(_, own)| **own) {
        counts[usize::from(grey[y * width + x])] += 1;
        all += 1;
    }
    let near = |ink: u8| -> usize {
        counts[usize::from(ink.saturating_sub(INK_SPREAD))
            ..=usize::from(ink.saturating_add(INK_SPREAD))]
            .iter()
            .sum()
    };
    let first = (0..=u8::MAX).max_by_key(|ink| (near(*ink), counts[usize::from(*ink)]))?;
    let apart = (0..=u8::MAX).filter(|ink| ink.abs_diff(first) >= INKS_APART);
    let second = apart.max_by_key(|ink| (near(*ink), counts[usize::from(*ink)]))?;
    let second = Some(second).filter(|second| near(*second) * 8 > all);
    let inked = near(first) + second.map_or(0, near);
    (inked as f32 > INKED * all as f32).then_some((first, second))
}

/// The lines that lie one above the other, with nothing of the text between them.
fn lines(area: Area, own: &[bool]) -> Vec<Area> {
    let wide = area.width();
    let mut lines: Vec<Area> = Vec::new();
    for (n, row) in own.chunks(wide).enumerate() {
        let Some(left) = row.iter().position(|own| *own) else { continue };
        let right = row.iter().rposition(|own| *own).unwrap_or(left) + 1;
        let (left, right, y) = (area.left + left, area.left + right, area.top + n);
        match lines.last_mut() {
            Some(line) if line.bottom == y => {
                *line = Area {
                    left: line.left.min(left),
                    right: line.right.max(right),
                    bottom: y + 1,
                    ..*line
                };
            }
            _ => lines.push(Area { left, right, top: y, bottom: y + 1 }),
        }
    }
    lines
}

/// Changes of brightness along the rows of a line, on average: from stroke to stroke, and from strokes to what is between
/// them.
fn changes(grey: &[u8], width: usize, area: Area, own: &[bool], line: Area) -> f32 {
    let mut all = 0_usize;
    for y in line.top..line.bottom {
        let mut before: Option<u8> = None;
        for x in line.left..line.right {
            let value = grey[y * width + x];
            let is_own = own[(y - area.top) * area.width() + x - area.left];
            match (before, is_own) {
                (None, true) => {
                    all += 1;
                    before = Some(value);
                }
                (Some(_), false) => {
                    all += 1;
                    before = None;
                }
                (Some(last), true) if last.abs_diff(value) > STROKE => {
                    all += 1;
                    before = Some(value);
                }
                _ => {}
            }
        }
    }
    all as f32 / line.height() as f32
}

/// All pixels of the box of which an overlay's pixels are the sides; `None` where they are none.
pub(super) fn boxed(area: Area, own: &[bool]) -> Option<Vec<bool>> {
    let wide = area.width();
    let rows: Vec<usize> =
        own.chunks(wide).map(|row| row.iter().filter(|own| **own).count()).collect();
    let (top, bottom) = ends(&rows)?;
    let columns: Vec<usize> =
        (0..wide).map(|x| own.iter().skip(x).step_by(wide).filter(|own| **own).count()).collect();
    let (left, right) = ends(&columns)?;
    // Edges are soft: the fullest of the first few rows counts.
    let full = |counts: &[usize], of: usize| {
        let near = counts.iter().take(4).copied().max().unwrap_or(0);
        near as f32 >= BOXED * of as f32
    };
    let (high, broad) = (bottom - top, right - left);
    let reversed = |counts: &[usize]| counts.iter().rev().copied().collect::<Vec<_>>();
    let is_box = full(&rows[top..bottom], broad)
        && full(&reversed(&rows[top..bottom]), broad)
        && full(&columns[left..right], high)
        && full(&reversed(&columns[left..right]), high);
    let inside =
        |at: usize| (left..right).contains(&(at % wide)) && (top..bottom).contains(&(at / wide));
    is_box.then(|| (0..own.len()).map(inside).collect())
}

/// The first that is not 0, and what follows the last.
fn ends(counts: &[usize]) -> Option<(usize, usize)> {
    let first = counts.iter().position(|count| *count > 0)?;
    Some((first, counts.iter().rposition(|count| *count > 0)? + 1))
}
