//! Renders SVG to pixels and writes small PNG files.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, RgbaImage};
use resvg::{tiny_skia, usvg};

/// What a PNG stores for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// Straight (not premultiplied) alpha, for drawings on a transparent ground.
    Rgba,
    Rgb,
    Grey,
}

/// Renders an SVG document at its own size. 8 bit sRGB, straight alpha.
pub(crate) fn render(svg: &str, pixels: Pixels) -> Result<DynamicImage> {
    let tree = usvg::Tree::from_str(svg, &usvg::Options::default())?;
    let size = tree.size().to_int_size();
    let mut map =
        tiny_skia::Pixmap::new(size.width(), size.height()).context("the drawing has no size")?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut map.as_mut());
    let straight = map.pixels().iter().flat_map(|p| {
        let c = p.demultiply();
        [c.red(), c.green(), c.blue(), c.alpha()]
    });
    let picture = RgbaImage::from_raw(size.width(), size.height(), straight.collect())
        .ok_or_else(|| anyhow!("the pixels do not fill the picture"))?;
    let picture = DynamicImage::ImageRgba8(picture);
    Ok(match pixels {
        Pixels::Rgba => picture,
        Pixels::Rgb => DynamicImage::ImageRgb8(picture.into_rgb8()),
        Pixels::Grey => DynamicImage::ImageLuma8(picture.into_luma8()),
    })
}

/// Writes a PNG, as small as the encoder makes it.
pub(crate) fn save(picture: &DynamicImage, path: &Path) -> Result<()> {
    let mut best: Option<Vec<u8>> = None;
    // Whether flat drawings compress best with or without filters depends on the picture, so all
    // are tried.
    for filter in [FilterType::NoFilter, FilterType::Adaptive, FilterType::Up] {
        let mut bytes = Vec::new();
        picture.write_with_encoder(PngEncoder::new_with_quality(
            &mut bytes,
            CompressionType::Best,
            filter,
        ))?;
        if best.as_ref().is_none_or(|b| bytes.len() < b.len()) {
            best = Some(bytes);
        }
    }
    let bytes = best.context("no PNG was written")?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
