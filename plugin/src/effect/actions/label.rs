//! Labels on pictures: on an unfinished one, and on one that could not be drawn, in hosts that would show it
//! without a word. They are legible on any picture at any size, and start in a corner so that the
//! drawing remains visible.

use font8x8::legacy::BASIC_LEGACY;

use crate::ofx::{Image, Rect};

/// Size of a character of the font, in font pixels.
const CELL: i32 = 8;
/// From one line to the next, in font pixels.
const LINE: i32 = CELL + 2;
/// Margin around the text, in font pixels.
const MARGIN: i32 = 2;
/// The colours of the boxes and of the text, far apart in every encoding.
const DRAFT: [f32; 4] = [0.75, 0.35, 0.0, 1.0];
const FAILURE: [f32; 4] = [0.6, 0.0, 0.0, 1.0];
const LETTERS: [f32; 4] = [1.0, 1.0, 1.0, 1.0];
/// How transparent the box is.
const SEEN_THROUGH: f32 = 0.25;
/// A font pixel is as large as a pixel of the picture up to this many rows, twice as large for
/// twice as many, and so on.
const ROWS_PER_PIXEL: i32 = 240;
/// Font pixels are made smaller, if need be, until this many characters of a text fit into a line.
const SHORTEST_LINE: usize = 32;

/// Says in the upper left corner of the whole picture that it is a draft, as far as `window`
/// includes the corner.
pub(crate) fn draft(output: &mut Image<'_>, window: Rect) {
    mark(output, window, "DRAFT", DRAFT);
}

/// Says over the top of the whole picture why it could not be drawn, as far as `window` includes
/// it.
pub(crate) fn failure(output: &mut Image<'_>, window: Rect, text: &str) {
    mark(output, window, text, FAILURE);
}

fn mark(output: &mut Image<'_>, window: Rect, text: &str, ground: [f32; 4]) {
    let (whole, format) = (output.whole(), output.format());
    let label = Label::on(whole, text);
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
                std::array::from_fn(|c| ground[c] + (pixel[c] - ground[c]) * SEEN_THROUGH)
            };
        }
        format.encode_row(&pixels, row);
    });
}

/// Position of the label, its lines, and the size of its font's pixels.
struct Label {
    area: Rect,
    pixel: i32,
    lines: Vec<Vec<u8>>,
}

impl Label {
    fn on(whole: Rect, text: &str) -> Self {
        let (width, height) = (whole.x2 - whole.x1, whole.y2 - whole.y1);
        let cells = |characters: usize| characters as i32 * CELL + 2 * MARGIN;
        // On a thumbnail the label fills the width instead of being cut off.
        let least = cells(text.len().min(SHORTEST_LINE));
        let pixel = (height / ROWS_PER_PIXEL + 1).min(width / least).max(1);
        let room = ((width / pixel - 2 * MARGIN) / CELL).max(1) as usize;
        let lines = wrapped(text, room);
        let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
        let rows = lines.len() as i32 * LINE - (LINE - CELL) + 2 * MARGIN;
        let area = Rect {
            x1: whole.x1,
            y1: whole.y2 - rows * pixel,
            x2: whole.x1 + cells(longest) * pixel,
            y2: whole.y2,
        };
        Self { area: area.intersection(whole), pixel, lines }
    }

    fn is_letter(&self, x: i32, y: i32) -> bool {
        let column = (x - self.area.x1) / self.pixel - MARGIN;
        let row = (self.area.y2 - 1 - y) / self.pixel - MARGIN;
        if column < 0 || row < 0 || row % LINE >= CELL {
            return false;
        }
        let line = self.lines.get((row / LINE) as usize);
        let character = line.and_then(|line| line.get((column / CELL) as usize));
        character.is_some_and(|&character| {
            let glyph = BASIC_LEGACY[usize::from(character)];
            glyph[(row % LINE) as usize] >> (column % CELL) & 1 == 1
        })
    }
}

/// The text in lines of at most `room` characters of the font, which knows those of ASCII. Words
/// that are longer, such as paths, are broken.
fn wrapped(text: &str, room: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    for word in text.split_whitespace() {
        let known = |c: char| if c.is_ascii() { c as u8 } else { b'?' };
        let word: Vec<u8> = word.chars().map(known).collect();
        for (at, part) in word.chunks(room).enumerate() {
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.extend(part),
                Some(line) if at == 0 && line.len() + 1 + part.len() <= room => {
                    line.push(b' ');
                    line.extend(part);
                }
                _ => lines.push(part.to_vec()),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(width: i32, height: i32, text: &str) -> (Label, usize) {
        let label = Label::on(Rect { x1: 10, y1: -5, x2: 10 + width, y2: height - 5 }, text);
        let area = label.area;
        let count = (area.y1..area.y2)
            .flat_map(|y| (area.x1..area.x2).map(move |x| (x, y)))
            .filter(|&(x, y)| label.is_letter(x, y))
            .count();
        (label, count)
    }

    #[test]
    fn it_grows_with_the_picture_and_covers_little_of_it() {
        let (small, few) = letters(640, 360, "DRAFT");
        let (large, many) = letters(3840, 2160, "DRAFT");
        assert!(many > 10 * few, "{few} {many}");
        for (label, area) in [(small, 640 * 360), (large, 3840 * 2160)] {
            assert!(label.area.width() * label.area.height() * 50 < area);
        }
    }

    #[test]
    fn it_stays_within_a_thumbnail() {
        for text in ["DRAFT", "The key picture could not be read.", "é"] {
            for (width, height) in [(20, 6), (1, 1), (200, 3)] {
                let (label, _) = letters(width, height, text);
                let area = label.area;
                assert!(area.width() <= width as usize && area.height() <= height as usize);
            }
        }
        assert!(letters(20, 6, "DRAFT").1 > 0);
    }

    #[test]
    fn every_character_of_a_long_text_is_shown() {
        let text =
            "The key picture /a/rather/long/path/that/does/not/fit/into/a/line.png is missing";
        for (width, height) in [(640, 360), (300, 200), (3840, 2160)] {
            let (label, count) = letters(width, height, text);
            assert!(label.area.width() <= width as usize);
            let shown: usize = label.lines.iter().map(|line| line.len()).sum();
            let blanks = text.matches(' ').count();
            assert!(shown >= text.len() - blanks, "{width}: {shown}");
            // As many pixels as all its glyphs have, so that nothing is outside of the box.
            let glyphs = label.lines.iter().flatten().map(|&c| BASIC_LEGACY[usize::from(c)]);
            let dots: u32 = glyphs.flatten().map(|row| row.count_ones()).sum();
            assert_eq!(count, (dots * (label.pixel * label.pixel) as u32) as usize, "{width}");
        }
    }

    #[test]
    fn words_are_kept_together_where_they_fit() {
        let lines = |text, room| -> Vec<String> {
            let lines = wrapped(text, room).into_iter();
            lines.map(|line| String::from_utf8(line).unwrap()).collect()
        };
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("a /long/path b", 5), ["a", "/long", "/path", "b"]);
        assert_eq!(lines("é", 5), ["?"]);
        assert_eq!(lines("", 5), [""]);
    }
}
