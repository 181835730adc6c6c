//! The label on an unfinished picture. It is legible on any picture at any size, and stays in a
//! corner so that the drawing remains visible.

use font8x8::legacy::BASIC_LEGACY;

use crate::ofx::{Image, Rect};

/// Text of the label.
const TEXT: &[u8] = b"DRAFT";
/// Size of a character of the font, in font pixels.
const CELL: i32 = 8;
/// Margin around the text, in font pixels.
const MARGIN: i32 = 2;
/// The colours of the box and of the text, far apart in every encoding.
const BOX: [f32; 4] = [0.75, 0.35, 0.0, 1.0];
const LETTERS: [f32; 4] = [1.0, 1.0, 1.0, 1.0];
/// How transparent the box is.
const SEEN_THROUGH: f32 = 0.25;
/// A font pixel is as large as a pixel of the picture up to this many rows, twice as large for
/// twice as many, and so on.
const ROWS_PER_PIXEL: i32 = 240;

/// Draws the label into the upper left corner of the whole picture, as far as `window` includes it.
pub(crate) fn mark(output: &mut Image<'_>, window: Rect) {
    let (whole, format) = (output.whole(), output.format());
    let label = Label::on(whole);
    let shown = label.area.intersection(window).intersection(output.bounds());
    if shown.is_empty() {
        return;
    }
    output.fill_rows(shown, |y, row| {
        let mut pixels = vec![[0.0; 4]; shown.width()];
        format.decode_row(row, &mut pixels);
        for (x, pixel) in (shown.x1..).zip(&mut pixels) {
            *pixel = if label.is_letter(x, y) {
                LETTERS
            } else {
                std::array::from_fn(|c| BOX[c] + (pixel[c] - BOX[c]) * SEEN_THROUGH)
            };
        }
        format.encode_row(&pixels, row);
    });
}

/// Position of the label and size of its font's pixels.
struct Label {
    area: Rect,
    pixel: i32,
}

impl Label {
    fn on(whole: Rect) -> Self {
        let (width, height) = (whole.x2 - whole.x1, whole.y2 - whole.y1);
        let cells = TEXT.len() as i32 * CELL + 2 * MARGIN;
        // On a thumbnail the label fills the width instead of being cut off.
        let pixel = (height / ROWS_PER_PIXEL + 1).min(width / cells).max(1);
        let area = Rect {
            x1: whole.x1,
            y1: whole.y2 - (CELL + 2 * MARGIN) * pixel,
            x2: whole.x1 + cells * pixel,
            y2: whole.y2,
        };
        Self { area: area.intersection(whole), pixel }
    }

    fn is_letter(&self, x: i32, y: i32) -> bool {
        let column = (x - self.area.x1) / self.pixel - MARGIN;
        let row = (self.area.y2 - 1 - y) / self.pixel - MARGIN;
        let inside = (0..TEXT.len() as i32 * CELL).contains(&column) && (0..CELL).contains(&row);
        if !inside {
            return false;
        }
        let glyph = BASIC_LEGACY[usize::from(TEXT[(column / CELL) as usize])];
        glyph[row as usize] >> (column % CELL) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(width: i32, height: i32) -> (Label, usize) {
        let label = Label::on(Rect { x1: 10, y1: -5, x2: 10 + width, y2: height - 5 });
        let area = label.area;
        let count = (area.y1..area.y2)
            .flat_map(|y| (area.x1..area.x2).map(move |x| (x, y)))
            .filter(|&(x, y)| label.is_letter(x, y))
            .count();
        (label, count)
    }

    #[test]
    fn it_grows_with_the_picture_and_covers_little_of_it() {
        let (small, few) = letters(640, 360);
        let (large, many) = letters(3840, 2160);
        assert!(many > 10 * few, "{few} {many}");
        for (label, area) in [(small, 640 * 360), (large, 3840 * 2160)] {
            assert!(label.area.width() * label.area.height() * 50 < area);
        }
    }

    #[test]
    fn it_stays_within_a_thumbnail() {
        let (label, count) = letters(20, 6);
        assert!(label.area.width() <= 20 && label.area.height() <= 6 && count > 0);
    }
}
