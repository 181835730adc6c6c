//! Puts frames on one picture, below their exposure sheet.

use font8x8::{BASIC_FONTS, UnicodeFonts};
use image::{GenericImage, Rgb, RgbImage, imageops};

/// Width of a frame on the sheet, in pixels; smaller frames are not enlarged.
const WIDTH: u32 = 256;
/// Widest sheet: a screen's width, in pixels.
const WIDEST: u32 = 3840;
const GAP: u32 = 6;
/// Height of a line of text, in pixels.
const LINE: u32 = 12;
/// Side of a letter, in pixels.
const LETTER: u32 = 8;
/// Side of the marks on the exposure sheet, in pixels.
const MARK: u32 = 12;

const PAPER: Rgb<u8> = Rgb([40, 40, 42]);
const INK: Rgb<u8> = Rgb([235, 235, 230]);
const KEY_INK: Rgb<u8> = Rgb([255, 184, 64]);
const FAINT: Rgb<u8> = Rgb([120, 120, 124]);

/// What a frame shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exposed {
    Key,
    /// A drawing that starts here, at this position between its keys, 0 to 1.
    InBetween(f64),
    /// The drawing of the previous frame.
    Hold,
}

/// A frame on the sheet.
pub(crate) struct Cell {
    pub(crate) frame: u32,
    pub(crate) exposed: Exposed,
    picture: RgbImage,
}

impl Cell {
    /// A frame with its picture, which is stored at its size on the sheet.
    pub(crate) fn new(frame: u32, exposed: Exposed, picture: &RgbImage) -> Self {
        let (width, height) = picture.dimensions();
        let picture = if width <= WIDTH {
            picture.clone()
        } else {
            let height = (u64::from(height) * u64::from(WIDTH) / u64::from(width)).max(1) as u32;
            imageops::resize(picture, WIDTH, height, imageops::FilterType::Triangle)
        };
        Self { frame, exposed, picture }
    }
}

/// All frames with their numbers, below an exposure sheet whose lines hold as many frames as fit.
pub(crate) fn contact_sheet(cells: &[Cell]) -> RgbImage {
    let Some(first) = cells.first() else { return RgbImage::new(1, 1) };
    let (width, height) = first.picture.dimensions();
    let step = (width.max(4 * LETTER) + GAP, height + LINE + GAP);
    let count = cells.len() as u32;
    // About the proportions of a screen.
    let shape = (f64::from(count * step.1) / f64::from(step.0) * 16.0 / 9.0).sqrt().ceil() as u32;
    let columns = shape.clamp(1, count).min((WIDEST / step.0).max(1));
    let sheet_width = (GAP + columns * step.0).max(40 * LETTER);
    let table = ExposureTable::of(cells, sheet_width);
    let top = table.height();
    let size = (sheet_width, top + GAP + count.div_ceil(columns) * step.1);
    let mut sheet = RgbImage::from_pixel(size.0, size.1, PAPER);
    table.draw(&mut sheet);
    for (n, cell) in (0..).zip(cells) {
        let (x, y) = (GAP + n % columns * step.0, top + GAP + n / columns * step.1);
        let ink = if cell.exposed == Exposed::Key { KEY_INK } else { INK };
        write(&mut sheet, &cell.frame.to_string(), (x, y), ink);
        // A frame whose size differs from that of the first is cropped to the room there is.
        let (w, h) = (cell.picture.width().min(width), cell.picture.height().min(height));
        let shown = imageops::crop_imm(&cell.picture, 0, 0, w, h).to_image();
        sheet.copy_from(&shown, x, y + LINE).expect("the sheet was made large enough");
    }
    sheet
}

/// The exposure sheet, laid on its side: frames from left to right.
struct ExposureTable<'a> {
    cells: &'a [Cell],
    /// Width of a frame's column, in pixels.
    column: u32,
    /// Frames in a line.
    in_line: u32,
}

impl<'a> ExposureTable<'a> {
    /// Height of a line of frames: numbers, marks, positions.
    const LINE_HEIGHT: u32 = GAP + LINE + MARK + 4 + LINE;
    const LEGEND: &'static str = "key   in-between, % of the way   hold";

    fn of(cells: &'a [Cell], width: u32) -> Self {
        let digits = cells.iter().map(|cell| cell.frame.to_string().len() as u32).max();
        let column = digits.unwrap_or(1).max(2) * LETTER + GAP;
        Self { cells, column, in_line: ((width - GAP) / column).max(1) }
    }

    fn lines(&self) -> u32 {
        (self.cells.len() as u32).div_ceil(self.in_line)
    }

    fn height(&self) -> u32 {
        self.lines() * Self::LINE_HEIGHT + LINE + GAP
    }

    fn draw(&self, sheet: &mut RgbImage) {
        for (n, cell) in (0..).zip(self.cells) {
            let x = GAP + n % self.in_line * self.column;
            let y = GAP + n / self.in_line * Self::LINE_HEIGHT;
            let ink = if cell.exposed == Exposed::Key { KEY_INK } else { INK };
            write(sheet, &cell.frame.to_string(), (x, y), ink);
            self.mark(sheet, cell.exposed, (x, y + LINE));
            if let Exposed::InBetween(position) = cell.exposed {
                let share = format!("{:.0}", 100.0 * position);
                write(sheet, &share, (x, y + LINE + MARK + 4), FAINT);
            }
        }
        // The legend: each mark, followed by its word.
        let y = self.lines() * Self::LINE_HEIGHT + 2;
        let words = GAP + 2 * LETTER;
        write(sheet, Self::LEGEND, (words, y), FAINT);
        let before = |word: &str| {
            let at = Self::LEGEND.find(word).expect("the legend has this word") as u32;
            words + at * LETTER - 2 * LETTER
        };
        self.mark(sheet, Exposed::Key, (before("key"), y - 2));
        self.mark(sheet, Exposed::InBetween(0.5), (before("in-between"), y - 2));
        self.mark(sheet, Exposed::Hold, (before("hold"), y - 2));
    }

    fn mark(&self, sheet: &mut RgbImage, exposed: Exposed, (left, top): (u32, u32)) {
        let middle = f64::from(MARK - 1) / 2.0;
        for (x, y) in (0..MARK).flat_map(|y| (0..MARK).map(move |x| (x, y))) {
            let away = (f64::from(x) - middle).hypot(f64::from(y) - middle);
            let rim = x.min(y) < 2 || x.max(y) >= MARK - 2;
            let (marked, ink) = match exposed {
                Exposed::Key => (rim || away < 2.5, KEY_INK),
                Exposed::InBetween(_) => (away < 4.5, INK),
                Exposed::Hold => (y.abs_diff(MARK / 2) < 1, FAINT),
            };
            if marked && left + x < sheet.width() && top + y < sheet.height() {
                sheet.put_pixel(left + x, top + y, ink);
            }
        }
    }
}

/// Writes a line of plain letters; letters that do not fit are left out.
fn write(sheet: &mut RgbImage, text: &str, (left, top): (u32, u32), ink: Rgb<u8>) {
    for (n, letter) in (0..).zip(text.chars()) {
        let Some(glyph) = BASIC_FONTS.get(letter) else { continue };
        for (y, bits) in (top..).zip(glyph) {
            for dx in (0..LETTER).filter(|dx| bits >> dx & 1 == 1) {
                let x = left + n * LETTER + dx;
                if x < sheet.width() && y < sheet.height() {
                    sheet.put_pixel(x, y, ink);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(exposed: &[Exposed], (width, height): (u32, u32)) -> Vec<Cell> {
        let picture = RgbImage::from_pixel(width, height, Rgb([200, 10, 10]));
        (7..).zip(exposed).map(|(frame, &exposed)| Cell::new(frame, exposed, &picture)).collect()
    }

    #[test]
    fn a_sheet_holds_every_frame() {
        let between = Exposed::InBetween(0.5);
        for count in [1, 3, 17, 200] {
            let all = cells(&vec![between; count], (512, 320));
            let sheet = contact_sheet(&all);
            let red = sheet.pixels().filter(|pixel| **pixel == Rgb([200, 10, 10])).count();
            assert_eq!(red, count * 256 * 160);
        }
        let tiny = contact_sheet(&cells(&[Exposed::Key, between], (5, 3)));
        assert_eq!(tiny.pixels().filter(|pixel| **pixel == Rgb([200, 10, 10])).count(), 30);
    }

    #[test]
    fn the_exposure_sheet_tells_keys_drawings_and_holds_apart() {
        let exposed = [Exposed::Key, Exposed::InBetween(0.25), Exposed::Hold, Exposed::Key];
        let sheet = contact_sheet(&cells(&exposed, (512, 320)));
        let of_column = |n: u32, ink: Rgb<u8>| {
            let column = 2 * LETTER + GAP;
            let x = GAP + n * column..GAP + n * column + MARK;
            let y = GAP + LINE..GAP + LINE + MARK;
            y.flat_map(|y| x.clone().map(move |x| (x, y)))
                .filter(|&(x, y)| *sheet.get_pixel(x, y) == ink)
                .count()
        };
        let told: Vec<[bool; 3]> =
            (0..4).map(|n| [KEY_INK, INK, FAINT].map(|ink| of_column(n, ink) > 10)).collect();
        let (key, drawn, held) = ([true, false, false], [false, true, false], [false, false, true]);
        assert_eq!(told, [key, drawn, held, key]);
    }
}
