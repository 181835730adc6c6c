//! The contact sheet: first key, in-betweens, second key, each with its label.

use anyhow::Result;
use font8x8::{BASIC_FONTS, UnicodeFonts};

use super::{Finished, Origin, RenderArgs};
use crate::{host::instance::Setup, pictures::picture::Picture};

/// A picture of the sheet with its label.
pub struct Cell {
    /// The text above it.
    pub label: String,
    /// The picture.
    pub picture: Picture,
    /// Keys have a border in another colour.
    pub is_key: bool,
}

/// Widest cell; larger pictures are scaled down.
const WIDEST: usize = 480;
const GAP: usize = 8;
const PAPER: [f32; 3] = [0.16, 0.16, 0.17];
const INK: [f32; 3] = [0.92, 0.92, 0.90];
const KEY_INK: [f32; 3] = [1.0, 0.72, 0.25];

/// The pictures of the first two clips around all frames; with one clip, its first and last frame.
pub(super) fn cells(args: &RenderArgs, setup: &Setup, finished: &[Finished]) -> Result<Vec<Cell>> {
    let names: Vec<String> = args.clips()?.into_iter().map(|(name, _)| name).collect();
    let key = |name: Option<&String>, last: bool| -> Result<Option<Cell>> {
        let Some(footage) = name.and_then(|name| setup.footage.get(name)) else { return Ok(None) };
        let range = footage.range();
        let time = if last { range.1 } else { range.0 };
        let picture = footage.picture(time)?.map(|picture| picture.scaled(args.scale));
        let label = format!("key {}", name.map_or("", String::as_str));
        Ok(picture.map(|picture| Cell { label, picture, is_key: true }))
    };
    let second = if names.len() > 1 { names.get(1) } else { names.first() };
    let shows = |frame: Option<&Finished>, name: Option<&String>| {
        let origin = frame.map(|frame| &frame.origin);
        matches!((origin, name), (Some(Origin::Identity(clip, _)), Some(name)) if clip == name)
    };
    // A key that is one of the frames is already included.
    let starts = shows(finished.first(), names.first());
    let ends = shows(finished.last(), second);
    let first = if starts { None } else { key(names.first(), false)? };
    let mut cells: Vec<Cell> = first.into_iter().collect();
    for frame in finished {
        let label = match &frame.origin {
            Origin::Rendered => format!("{}", frame.time),
            Origin::Identity(clip, _) => format!("{} = {clip}", frame.time),
        };
        let is_key = matches!(frame.origin, Origin::Identity(..));
        cells.push(Cell { label, picture: frame.picture.clone(), is_key });
    }
    cells.extend(if ends { None } else { key(second, true)? });
    Ok(cells)
}

/// All cells on one picture, in rows that make it about as wide as a screen.
pub fn sheet(cells: &[Cell]) -> Picture {
    let widest = cells.iter().map(|cell| cell.picture.width).max().unwrap_or(1);
    let tallest = cells.iter().map(|cell| cell.picture.height).max().unwrap_or(1);
    let scale = (WIDEST as f64 / widest as f64).min(1.0);
    let size = |length: usize| ((length as f64 * scale).round() as usize).max(1);
    // Small pictures still need room for their labels.
    let (width, height) = (size(widest).max(120), size(tallest));
    let text = (width / 160).clamp(1, 3);
    let header = 8 * text + 6;
    let shape =
        (cells.len() as f64 * height as f64 / width as f64 * 16.0 / 9.0).sqrt().ceil() as usize;
    let columns = shape.clamp(1, cells.len().max(1)).min((3840 / (width + GAP)).max(1));
    let rows = cells.len().div_ceil(columns);
    let mut sheet =
        Picture::new(columns * (width + GAP) + GAP, rows * (height + header + GAP) + GAP, false);
    sheet.pixels.fill([PAPER[0], PAPER[1], PAPER[2], 1.0]);
    for (at, cell) in cells.iter().enumerate() {
        let left = GAP + (at % columns) * (width + GAP);
        let top = GAP + (at / columns) * (height + header + GAP);
        let ink = if cell.is_key { KEY_INK } else { INK };
        write(&mut sheet, &cell.label, left, top, text, ink, width);
        let picture = cell.picture.resized(size(cell.picture.width), size(cell.picture.height));
        paste(&mut sheet, &picture, left, top + header);
        if cell.is_key {
            outline(&mut sheet, left, top + header, picture.width, picture.height);
        }
    }
    sheet
}

/// Pastes a picture over white, like paper behind a drawing.
fn paste(sheet: &mut Picture, picture: &Picture, left: usize, top: usize) {
    for y in 0..picture.height {
        for x in 0..picture.width {
            let [r, g, b, a] = picture.pixels[y * picture.width + x];
            let a = if a.is_finite() { a.clamp(0.0, 1.0) } else { 1.0 };
            let over = |v: f32| if v.is_finite() { v.clamp(0.0, 1.0) * a + (1.0 - a) } else { 1.0 };
            put(sheet, left + x, top + y, [over(r), over(g), over(b)]);
        }
    }
}

fn outline(sheet: &mut Picture, left: usize, top: usize, width: usize, height: usize) {
    for x in left.saturating_sub(2)..left + width + 2 {
        for y in [top - 2, top - 1, top + height, top + height + 1] {
            put(sheet, x, y, KEY_INK);
        }
    }
    for y in top - 2..top + height + 2 {
        for x in [left - 2, left - 1, left + width, left + width + 1] {
            put(sheet, x, y, KEY_INK);
        }
    }
}

fn put(sheet: &mut Picture, x: usize, y: usize, [r, g, b]: [f32; 3]) {
    if x < sheet.width && y < sheet.height {
        sheet.pixels[y * sheet.width + x] = [r, g, b, 1.0];
    }
}

fn write(
    sheet: &mut Picture,
    label: &str,
    left: usize,
    top: usize,
    scale: usize,
    ink: [f32; 3],
    room: usize,
) {
    for (at, letter) in label.chars().take(room / (8 * scale)).enumerate() {
        let Some(rows) = BASIC_FONTS.get(letter) else { continue };
        for (y, bits) in rows.iter().enumerate() {
            for x in (0..8).filter(|x| bits >> x & 1 == 1) {
                for (dx, dy) in (0..scale * scale).map(|i| (i % scale, i / scale)) {
                    put(sheet, left + (at * 8 + x) * scale + dx, top + y * scale + dy, ink);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_holds_every_cell_and_its_label() {
        let cell = |grey: f32, is_key| Cell {
            label: "7".into(),
            picture: Picture::from_fn(130, 40, |_, _| [grey, grey, grey, 1.0]),
            is_key,
        };
        let cells: Vec<_> = (0..5).map(|at| cell(0.3 + 0.1 * at as f32, at == 0)).collect();
        let sheet = sheet(&cells);
        for at in 0..5 {
            let grey = 0.3 + 0.1 * at as f32;
            let count = sheet.pixels.iter().filter(|pixel| pixel[..3] == [grey; 3]).count();
            assert_eq!(count, 130 * 40, "cell {at}");
        }
        assert!(sheet.pixels.iter().any(|pixel| pixel[..3] == INK));
        assert!(sheet.pixels.iter().any(|pixel| pixel[..3] == KEY_INK));
    }
}
