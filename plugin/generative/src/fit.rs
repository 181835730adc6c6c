//! Fits pictures of any size to the sizes that the model takes, and back, without distortion and
//! without borders that would look like part of the drawing.
//!
//! A key is laid over its background, converted to display values, shrunk into the model's frame,
//! and extended beyond its edges by its mirror image. What the model draws there is cropped again.

use candle_core::{Device, Tensor};
use inbetween_core::{Encoding, Error, Frame, colour};
use inbetween_tooncrafter::preprocess::Picture;
use inbetween_tooncrafter::weights::layout::ModelConfig;

use super::failed;

/// Sides of the model's frames in units of [`UNIT`], and how well the released model draws in them.
/// It was trained on the first; others with about the same area come next.
const TRAINED: [(usize, usize, f64); 9] = [
    (8, 5, 1.0),
    (5, 8, 0.9),
    (7, 6, 0.9),
    (6, 7, 0.9),
    (6, 6, 0.9),
    (9, 4, 0.85),
    (4, 9, 0.85),
    (10, 4, 0.85),
    (4, 10, 0.85),
];

/// The same for a model with another width than the released one, which was not trained on any
/// particular size.
const SMALL: [(usize, usize, f64); 3] = [(2, 1, 1.0), (1, 2, 1.0), (1, 1, 1.0)];

const UNIT: usize = 64;

/// The position of a picture in the model's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Width and height of the model's frame, in pixels; multiples of 64.
    pub(super) model: (usize, usize),
    /// Width and height of the picture within it, in pixels, at least 1.
    pub(super) shown: (usize, usize),
    /// Left and top edge of the picture within it.
    origin: (usize, usize),
}

impl Fit {
    /// The frame in which a picture of `width` x `height` is drawn best.
    pub(super) fn new(width: usize, height: usize, config: &ModelConfig) -> Self {
        let released = config.unet.levels == ModelConfig::default().unet.levels;
        let sizes = if released { &TRAINED[..] } else { &SMALL[..] };
        let fits = sizes.iter().map(|&(columns, rows, liking)| {
            let fit = Self::into(width, height, (columns * UNIT, rows * UNIT));
            let (area, shown) = (columns * rows * UNIT * UNIT, fit.shown.0 * fit.shown.1);
            // Of two frames that show the picture equally large, the one with less border is
            // better.
            (fit, liking * shown as f64 - 0.02 * (area - shown) as f64)
        });
        let best = fits.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or_else(|| Self::into(width, height, (8 * UNIT, 5 * UNIT)), |(fit, _)| fit)
    }

    /// Whether a model that received a picture of `width` x `height` can have drawn frames of
    /// `size`. They must have its proportions, as far as whole pixels allow, and a size that models
    /// draw.
    pub(super) fn may_show(width: usize, height: usize, size: (usize, usize)) -> bool {
        const LARGEST: usize = 16 * UNIT;
        let across = (size.0 * height).abs_diff(size.1 * width);
        size.0.max(size.1) <= LARGEST && across <= width.max(height)
    }

    fn into(width: usize, height: usize, model: (usize, usize)) -> Self {
        let scale = (model.0 as f64 / width as f64).min(model.1 as f64 / height as f64);
        let side = |n: usize, most: usize| ((n as f64 * scale).round() as usize).clamp(1, most);
        let shown = (side(width, model.0), side(height, model.1));
        Self { model, shown, origin: ((model.0 - shown.0) / 2, (model.1 - shown.1) / 2) }
    }

    /// A picture of the size `shown` in the model's frame: `[1, 3, h, w]` in -1..=1.
    pub(super) fn to_model(self, shown: &Frame) -> Result<Tensor, Error> {
        let (width, height) = self.model;
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = shown.row(mirrored(y, self.origin.1, self.shown.1));
            pixels.extend((0..width).map(|x| row[mirrored(x, self.origin.0, self.shown.0)]));
        }
        let frame = Frame::from_pixels(width, height, pixels)?;
        Picture::from_frame(&frame, 1.0).to_tensor(&Device::Cpu).map_err(failed)
    }

    /// A sketch of the size `shown`, coverage in every channel: `[1, 1, h, w]` in 0..=1.
    pub(super) fn sketch_to_model(self, shown: &Frame) -> Result<Tensor, Error> {
        let three = self.to_model(shown)?;
        let unit = |three: Tensor| (three.narrow(1, 0, 1)?.contiguous()? + 1.0)? * 0.5;
        unit(three).map_err(failed)
    }

    /// The model's frames, `[t, 3, h, w]` in -1..=1, without their borders: opaque,
    /// display-referred frames of the size `shown`.
    pub(super) fn drawn_frames(self, frames: &Tensor) -> Result<Vec<Frame>, Error> {
        let values = |frames: &Tensor| {
            let shown = frames
                .narrow(2, self.origin.1, self.shown.1)?
                .narrow(3, self.origin.0, self.shown.0)?
                .permute((0, 2, 3, 1))?;
            let shown = shown.to_dtype(candle_core::DType::F32)?.to_device(&Device::Cpu)?;
            shown.flatten_all()?.to_vec1::<f32>()
        };
        let values = values(frames).map_err(failed)?;
        let area = self.shown.0 * self.shown.1;
        values
            .chunks_exact(area * 3)
            .map(|values| {
                let (triples, _) = values.as_chunks::<3>();
                let pixel = |rgb: &[f32; 3]| {
                    let [r, g, b] = rgb.map(|v| ((v + 1.0) * 0.5).clamp(0.0, 1.0));
                    [r, g, b, 1.0]
                };
                Frame::from_pixels(self.shown.0, self.shown.1, triples.iter().map(pixel).collect())
            })
            .collect()
    }
}

/// The coordinate in a picture that starts at `origin` for position `at` of the model's frame. The
/// picture is extended by its mirror image, without repeating its edge.
fn mirrored(at: usize, origin: usize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length as isize - 1);
    let within = (at as isize - origin as isize).rem_euclid(period);
    within.min(period - within) as usize
}

/// The picture over a background of the display value `ground`, in display values, `width` x
/// `height` pixels: opaque, within 0..=1.
pub(super) fn shown(
    key: &Frame,
    encoding: Encoding,
    ground: f32,
    (width, height): (usize, usize),
) -> Result<Frame, Error> {
    let ground = host_value(ground, encoding);
    let pixels = key.pixels().iter().map(|[r, g, b, a]| {
        let through = ground * (1.0 - a.clamp(0.0, 1.0));
        [r + through, g + through, b + through, 1.0]
    });
    let mut over = Frame::from_pixels(key.width(), key.height(), pixels.collect())?;
    colour::convert(over.pixels_mut(), encoding, Encoding::Srgb);
    resized(&Picture::from_frame(&over, 1.0), width, height)
}

/// One channel of a picture, 0..=1, shrunk to `width` x `height`.
pub(super) fn channel(
    key: &Frame,
    channel: usize,
    (width, height): (usize, usize),
) -> Result<Vec<f32>, Error> {
    let pixels = key.pixels().iter().map(|pixel| {
        let value = pixel[channel];
        [value, value, value, 1.0]
    });
    let grey = Frame::from_pixels(key.width(), key.height(), pixels.collect())?;
    let small = resized(&Picture::from_frame(&grey, 1.0), width, height)?;
    Ok(small.pixels().iter().map(|pixel| pixel[0]).collect())
}

/// Share of the strongest samples in a shrunk sketch that count as full lines.
const FULL_LINES: f64 = 0.2;

/// Line coverage shrunk to `width` x `height`. Shrinking fades lines that become thinner than a
/// pixel. The sketch encoder was trained on solid lines, so their strength is restored.
pub(super) fn sketch(coverage: &Frame, size: (usize, usize)) -> Result<Frame, Error> {
    let small = channel(coverage, 0, size)?;
    let mut lines: Vec<f32> = small.iter().copied().filter(|&v| v > 0.02).collect();
    let mut firmer = 1.0;
    if !lines.is_empty() {
        lines.sort_by(f32::total_cmp);
        let at = (lines.len() as f64 * (1.0 - FULL_LINES)) as usize;
        firmer = (1.0 / lines[at.min(lines.len() - 1)]).clamp(1.0, 32.0);
    }
    let pixels = small.iter().map(|v| {
        let v = (v * firmer).min(1.0);
        [v, v, v, 1.0]
    });
    Frame::from_pixels(size.0, size.1, pixels.collect())
}

fn resized(picture: &Picture, width: usize, height: usize) -> Result<Frame, Error> {
    let small = picture.resized(width, height);
    let pixels = small.pixels().iter().map(|&[r, g, b]| [r, g, b, 1.0]).collect();
    Frame::from_pixels(width, height, pixels)
}

/// The host's value for a display value.
pub(super) fn host_value(display: f32, encoding: Encoding) -> f32 {
    match encoding {
        Encoding::Srgb => display,
        Encoding::Linear => colour::srgb_to_linear(display),
    }
}

/// Greys for the background, the usual one first.
const GROUNDS: [f32; 5] = [1.0, 0.85, 0.5, 0.2, 0.0];

/// What a drawing with transparency is laid over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Background {
    /// Its display value.
    pub(super) value: f32,
    /// Least distance from it of nearly all colours in the drawing, 0..=1.
    pub(super) apart: f32,
}

impl Background {
    /// The usual paper if the drawing stands out from it, otherwise the grey from which it stands
    /// out most.
    pub(super) fn of(keys: [&Frame; 2], encoding: Encoding) -> Self {
        // A few thousand pixels suffice to know the colours of a drawing.
        let sampled = keys.into_iter().flat_map(|key| {
            let step = (key.pixels().len() / 4096).max(1);
            key.pixels().iter().step_by(step).filter(|pixel| pixel[3] > 0.5)
        });
        let mut colours: Vec<[f32; 4]> =
            sampled.map(|p| [p[0] / p[3], p[1] / p[3], p[2] / p[3], 1.0]).collect();
        colour::convert(&mut colours, encoding, Encoding::Srgb);
        let apart = |value: f32| {
            let mut distances: Vec<f32> =
                colours.iter().map(|colour| distance(colour, value)).collect();
            distances.sort_by(f32::total_cmp);
            distances.get(distances.len() / 50).copied().unwrap_or(1.0)
        };
        let all = GROUNDS.map(|value| Self { value, apart: apart(value) });
        if all[0].apart > 0.3 {
            return all[0];
        }
        let further = |best: Self, next: Self| if next.apart > best.apart { next } else { best };
        all.into_iter().reduce(further).unwrap_or(all[0])
    }
}

/// The largest difference of a display-referred colour from a grey.
pub(super) fn distance(colour: &[f32; 4], grey: f32) -> f32 {
    colour[..3].iter().map(|v| (v.clamp(0.0, 1.0) - grey).abs()).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_keeps_its_proportions_and_the_trained_size_is_liked_best() {
        let released = ModelConfig::default();
        let model = |w, h| Fit::new(w, h, &released).model;
        assert_eq!(model(1920, 1080), (512, 320));
        assert_eq!(model(3840, 2160), (512, 320));
        assert_eq!(model(512, 320), (512, 320));
        assert_eq!(model(1080, 1920), (320, 512));
        assert_eq!(model(1000, 1000), (384, 384));
        assert_eq!(model(1024, 768), (512, 320));
        assert_eq!(model(2390, 1000), (640, 256));
        for (w, h) in [(1, 1), (1, 5000), (5000, 1), (333, 77), (1279, 721)] {
            let fit = Fit::new(w, h, &released);
            let (x, y) = (fit.shown.0 as f64 / w as f64, fit.shown.1 as f64 / h as f64);
            let away = (x - y).abs() * w.max(h) as f64;
            assert!(away <= 1.0 || fit.shown.0.min(fit.shown.1) == 1, "{w} x {h}: {fit:?}");
            assert!(fit.shown.0 == fit.model.0 || fit.shown.1 == fit.model.1);
        }
    }

    #[test]
    fn borders_mirror_the_picture_and_come_off_again() {
        let fit = Fit { model: (128, 64), shown: (100, 64), origin: (14, 0) };
        let pixels =
            (0..6400).map(|i| [(i % 100) as f32 / 99.0, (i / 100) as f32 / 63.0, 0.5, 1.0]);
        let picture = Frame::from_pixels(100, 64, pixels.collect()).unwrap();
        let tensor = fit.to_model(&picture).unwrap();
        let row = tensor.narrow(2, 0, 1).unwrap().narrow(1, 0, 1).unwrap();
        let row = row.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!((row[13], row[113 + 1]), (row[15], row[112]));
        assert_eq!(row[0], row[28]);
        let back = fit.drawn_frames(&tensor).unwrap().remove(0);
        let wrong = back.pixels().iter().zip(picture.pixels());
        assert!(wrong.flat_map(|(a, b)| a.iter().zip(b)).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_drawing_stands_out_from_its_ground() {
        let drawing = |colours: &[f32]| {
            let pixels = (0..100).map(|i| match colours.get(i % (colours.len() + 1)) {
                Some(&v) => [v, v, v, 1.0],
                None => [0.0; 4],
            });
            Frame::from_pixels(10, 10, pixels.collect()).unwrap()
        };
        for (colours, wanted) in [(&[0.0][..], 1.0), (&[0.0, 1.0], 0.5), (&[1.0], 0.0), (&[], 1.0)]
        {
            let key = drawing(colours);
            let ground = Background::of([&key, &key], Encoding::Srgb);
            assert_eq!(ground.value, wanted, "{colours:?}");
            assert!(ground.apart > 0.3);
        }
    }

    #[test]
    fn thin_lines_stay_firm() {
        let mut lines = Frame::transparent(2000, 1000).unwrap();
        lines.pixels_mut()[500 * 2000..501 * 2000].fill([1.0; 4]);
        let small = sketch(&lines, (200, 100)).unwrap();
        let strongest = small.pixels().iter().map(|p| p[0]).fold(0.0, f32::max);
        assert!(strongest > 0.7, "{strongest}");
        let empty = sketch(&Frame::transparent(64, 64).unwrap(), (32, 32)).unwrap();
        assert!(empty.pixels().iter().all(|p| p[0] == 0.0));
    }
}
