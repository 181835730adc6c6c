//! The animated preview: the cells of the sheet, forwards and backwards.

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::{Context as _, Result, bail};
use image::{
    Delay, Frame,
    codecs::gif::{GifEncoder, Repeat},
};

use super::Cell;
use crate::pictures::picture::Picture;

/// Widest preview; larger frames are scaled down.
const WIDEST: usize = 640;

/// Writes a GIF that runs from the first cell to the last and back. Keys are shown for three
/// frames.
pub(super) fn write(cells: &[Cell], path: &Path, fps: f64) -> Result<()> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("gif")) {
        bail!("{}: previews are .gif files", path.display());
    }
    let Some(first) = cells.first() else { bail!("there is no frame to preview") };
    let scale = (WIDEST as f64 / first.picture.width.max(1) as f64).min(1.0);
    let size = |length: usize| ((length as f64 * scale).round() as usize).max(1);
    let (width, height) = (size(first.picture.width), size(first.picture.height));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut encoder = GifEncoder::new_with_speed(BufWriter::new(file), 10);
    encoder.set_repeat(Repeat::Infinite)?;
    let back = (1..cells.len().saturating_sub(1)).rev();
    let milliseconds = (1000.0 / fps.clamp(1.0, 50.0)).round() as u32;
    for at in (0..cells.len()).chain(back) {
        let cell = &cells[at];
        let mut picture = cell.picture.resized(width, height);
        flatten(&mut picture);
        let hold = if cell.is_key { 3 } else { 1 };
        let delay = Delay::from_numer_denom_ms(milliseconds * hold, 1);
        encoder.encode_frame(Frame::from_parts(picture.rgba8()?, 0, 0, delay))?;
    }
    Ok(())
}

fn flatten(picture: &mut Picture) {
    picture.map(|[r, g, b, a]| {
        let a = a.clamp(0.0, 1.0);
        let over = |v: f32| v.clamp(0.0, 1.0) * a + (1.0 - a);
        [over(r), over(g), over(b), 1.0]
    });
}
