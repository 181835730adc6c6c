//! Reads key pictures and sketches; writes frames and the contact sheet.

use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use image::{ImageFormat, RgbImage};
use inbetween_core::{Encoding, picture};
use inbetween_tooncrafter::preprocess::Picture;

use crate::failure::{Failure, Kind, Result};
use crate::pictures::contact_sheet::{Cell, Exposed, contact_sheet};

/// A key as input for the model.
pub(super) struct Key {
    /// `[1, 3, h, w]` in -1..=1.
    pub(super) tensor: Tensor,
    /// Columns and rows that show the picture; all others are black bars.
    pub(super) visible: (Range<usize>, Range<usize>),
}

fn engine(err: candle_core::Error) -> Failure {
    Failure::new(Kind::Engine, err.to_string())
}

/// The picture at `path` over white paper.
fn read(path: &Path) -> Result<Picture> {
    let picture = picture::load(path, Encoding::Srgb, None)?;
    Ok(Picture::from_frame(&picture.frame, 1.0))
}

pub(super) fn key(path: &Path, width: usize, height: usize) -> Result<Key> {
    let picture = read(path)?;
    let fit = picture.fit(width, height);
    let seen = |origin: isize, scaled: usize, frame: usize| {
        let from = origin.max(0).unsigned_abs();
        from..(from + scaled).min(frame)
    };
    let visible =
        (seen(fit.origin.0, fit.scaled.0, width), seen(fit.origin.1, fit.scaled.1, height));
    let tensor = picture.to_model_size(width, height).to_tensor(&Device::Cpu).map_err(engine)?;
    Ok(Key { tensor, visible })
}

/// `[1, 1, h, w]` in 0..=1, light lines on black. A drawing on light paper is inverted first, so
/// that the bars around it are as empty as the paper.
pub(super) fn sketch(path: &Path, width: usize, height: usize) -> Result<Tensor> {
    let seen = read(path)?.as_sketch().to_model_size(width, height);
    let grey: Vec<f32> = seen.pixels().iter().map(|pixel| pixel[0]).collect();
    Tensor::from_vec(grey, (1, 1, height, width), &Device::Cpu).map_err(engine)
}

/// Writes `frames` (`[t, 3, h, w]` in -1..=1) to `folder`, cropped to what is `visible`, and all of
/// them on one picture if a `sheet` is requested. Returns the files.
pub(super) fn write(
    frames: &Tensor,
    visible: (Range<usize>, Range<usize>),
    folder: &Path,
    sheet: bool,
) -> Result<Vec<PathBuf>> {
    let pictures = to_pictures(frames, &visible).map_err(engine)?;
    let mut files = Vec::new();
    for (i, picture) in pictures.iter().enumerate() {
        files.push(save(picture, &folder.join(format!("frame.{:04}.png", i + 1)))?);
    }
    if sheet {
        let last = pictures.len() - 1;
        let cell = |(n, picture): (usize, &RgbImage)| {
            let exposed = if n == 0 || n == last {
                Exposed::Key
            } else {
                Exposed::InBetween(n as f64 / last as f64)
            };
            Cell::new(n as u32 + 1, exposed, picture)
        };
        let cells: Vec<Cell> = pictures.iter().enumerate().map(cell).collect();
        files.push(save(&contact_sheet(&cells), &folder.join("sheet.png"))?);
    }
    Ok(files)
}

fn to_pictures(
    frames: &Tensor,
    (columns, rows): &(Range<usize>, Range<usize>),
) -> candle_core::Result<Vec<RgbImage>> {
    let shown =
        frames.narrow(3, columns.start, columns.len())?.narrow(2, rows.start, rows.len())?;
    let shown = shown.to_dtype(DType::F32)?.clamp(-1f32, 1f32)?.to_device(&Device::Cpu)?;
    // Truncated rather than rounded, as in the published script.
    let bytes = ((shown + 1.0)? * 127.5)?.to_dtype(DType::U8)?.permute((0, 2, 3, 1))?;
    let (count, height, width, _) = bytes.dims4()?;
    let bytes = bytes.flatten_all()?.to_vec1::<u8>()?;
    let size = bytes.len() / count.max(1);
    let picture = |bytes: &[u8]| {
        RgbImage::from_raw(width as u32, height as u32, bytes.to_vec())
            .expect("there are three bytes for each pixel")
    };
    Ok(bytes.chunks_exact(size).map(picture).collect())
}

/// Written to a temporary file and renamed, so that a partial picture is never visible.
fn save(picture: &RgbImage, path: &Path) -> Result<PathBuf> {
    let failed = |err: &dyn std::fmt::Display| {
        Failure::new(Kind::File, format!("{}: {err}", path.display()))
    };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|err| failed(&err))?;
    let beside = path.with_extension("png.part");
    std::fs::write(&beside, bytes.into_inner()).map_err(|err| failed(&err))?;
    std::fs::rename(&beside, path).map_err(|err| failed(&err))?;
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn frames_become_pictures_without_their_bars() {
        let frames = Tensor::zeros((2, 3, 4, 6), DType::F32, &Device::Cpu).unwrap();
        let pictures = to_pictures(&frames, &(1..5, 0..4)).unwrap();
        assert_eq!(pictures.len(), 2);
        assert_eq!(pictures[0].dimensions(), (4, 4));
        assert_eq!(pictures[0].get_pixel(0, 0), &Rgb([127; 3]));
        let bright = (frames + 2.0).unwrap();
        assert_eq!(to_pictures(&bright, &(0..6, 0..4)).unwrap()[1].get_pixel(5, 3), &Rgb([255; 3]));
    }
}
