//! Prepares pictures for the model: scales them to the size it was trained on, and makes the input
//! of the vision tower.
//!
//! A [`Picture`] is display-referred (sRGB curve), 0..=1 and opaque. Everything runs on the CPU in
//! `f32`, since it takes milliseconds where the model takes minutes.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use inbetween_core::Frame;
use rayon::prelude::*;

/// An opaque RGB picture, display-referred 0..=1, top row first.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

/// The position of a picture in the model's frame: see [`Picture::fit`].
///
/// Published as [`load_data_prompts`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/scripts/evaluation/inference.py#L64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Width and height of the whole picture after scaling.
    pub scaled: (usize, usize),
    /// Left and top edge of the scaled picture in the model's frame: negative where the picture
    /// is cropped, positive where black bars were added.
    pub origin: (isize, isize),
}

impl Picture {
    /// Makes a picture of 8-bit RGB samples, row by row; `None` when their number is not
    /// `3·width·height` or a side is 0.
    pub fn from_rgb8(width: usize, height: usize, samples: &[u8]) -> Option<Self> {
        if width == 0
            || height == 0
            || samples.len() != width.checked_mul(height)?.checked_mul(3)?
        {
            return None;
        }
        let (triples, _) = samples.as_chunks::<3>();
        let pixels = triples.iter().map(|rgb| rgb.map(|v| f32::from(v) / 255.0)).collect();
        Some(Self { width, height, pixels })
    }

    /// Lays a display-referred frame over paper of the given grey (1 = white), because drawings are
    /// often lines on transparency. Samples are clamped to 0..=1.
    pub fn from_frame(frame: &Frame, paper: f32) -> Self {
        let over =
            |[r, g, b, a]: [f32; 4]| [r, g, b].map(|v| (v + paper * (1.0 - a)).clamp(0.0, 1.0));
        let pixels = frame.pixels().iter().map(|&pixel| over(pixel)).collect();
        Self { width: frame.width(), height: frame.height(), pixels }
    }

    /// The picture in the form that the sketch encoder was trained with: grey, with light lines on
    /// black. A mostly light picture is taken to be paper and is inverted.
    pub fn as_sketch(&self) -> Self {
        // Rec. 601 luma, the usual conversion to grey.
        let grey = |p: &[f32; 3]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        let sum: f64 = self.pixels.iter().map(|pixel| f64::from(grey(pixel))).sum();
        let on_paper = sum / self.pixels.len() as f64 > 0.5;
        let line = |pixel| if on_paper { 1.0 - grey(pixel) } else { grey(pixel) };
        let pixels = self.pixels.iter().map(|pixel| [line(pixel); 3]).collect();
        Self { width: self.width, height: self.height, pixels }
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row-major, top row first.
    pub fn pixels(&self) -> &[[f32; 3]] {
        &self.pixels
    }

    /// The position of this picture in a model frame of `width` x `height`: its shorter side is
    /// scaled to the frame's shorter side, then it is centred.
    pub fn fit(&self, width: usize, height: usize) -> Fit {
        let target = width.min(height);
        // The longer side is truncated to whole pixels, as in the published script.
        let scaled = if self.width <= self.height {
            (target, (target * self.height / self.width).max(1))
        } else {
            ((target * self.width / self.height).max(1), target)
        };
        Fit { scaled, origin: (centred(scaled.0, width), centred(scaled.1, height)) }
    }

    /// The picture as input for the model, `width` x `height`: scaled with an antialiased bilinear
    /// filter, centred, and cropped or surrounded by bars. The bars are black rather than grey, and
    /// part of the picture, as in the published script.
    pub fn to_model_size(&self, width: usize, height: usize) -> Self {
        let fit = self.fit(width, height);
        // Only the visible part is computed: a strip of film is 320 pixels high and very wide.
        let seen = |origin: isize, scaled: usize, frame: usize| {
            let left = origin.max(0).unsigned_abs();
            let skipped = origin.min(0).unsigned_abs();
            (left, skipped..scaled.min(skipped + frame - left))
        };
        let (left, columns) = seen(fit.origin.0, fit.scaled.0, width);
        let (top, rows) = seen(fit.origin.1, fit.scaled.1, height);
        let part = self.resampled(
            &triangle_weights(self.width, fit.scaled.0, columns),
            &triangle_weights(self.height, fit.scaled.1, rows),
        );
        let mut pixels = vec![[0.0; 3]; width * height];
        let lines = pixels.chunks_exact_mut(width).skip(top);
        for (line, row) in lines.zip(part.pixels.chunks_exact(part.width)) {
            line[left..left + part.width].copy_from_slice(row);
        }
        Self { width, height, pixels }
    }

    /// The picture scaled to `width` x `height` with a triangle filter that widens when shrinking,
    /// like Pillow's bilinear resize.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        self.resampled(
            &triangle_weights(self.width, width, 0..width),
            &triangle_weights(self.height, height, 0..height),
        )
    }

    fn resampled(&self, columns: &[Weights], rows: &[Weights]) -> Self {
        let (width, height) = (columns.len(), rows.len());
        let first = rows.first().map_or(0, |row| row.0);
        let end = rows.last().map_or(0, |row| row.0 + row.1.len());
        let needed = &self.pixels[first * self.width..end * self.width];
        let mut across = vec![[0.0; 3]; width * (end - first)];
        across.par_chunks_mut(width).zip(needed.par_chunks(self.width)).for_each(|(out, row)| {
            for (pixel, (from, weights)) in out.iter_mut().zip(columns) {
                *pixel = blend(weights.iter().zip(&row[*from..]));
            }
        });
        let mut pixels = vec![[0.0; 3]; width * height];
        pixels.par_chunks_mut(width).zip(rows).for_each(|(out, (from, weights))| {
            for (x, pixel) in out.iter_mut().enumerate() {
                let column = across[(from - first) * width + x..].iter().step_by(width);
                *pixel = blend(weights.iter().zip(column));
            }
        });
        Self { width, height, pixels }
    }

    /// `[1, 3, h, w]` in -1..=1.
    ///
    /// # Errors
    /// When the device cannot hold it.
    pub fn to_tensor(&self, device: &Device) -> Result<Tensor> {
        let plane = |c: usize| self.pixels.iter().map(move |pixel| (pixel[c] - 0.5) * 2.0);
        let values: Vec<f32> = (0..3).flat_map(plane).collect();
        Tensor::from_vec(values, (1, 3, self.height, self.width), &Device::Cpu)?.to_device(device)
    }
}

fn centred(size: usize, frame: usize) -> isize {
    if size >= frame {
        // Half pixels are rounded to even, as in the published script.
        -(((size - frame) as f64 / 2.0).round_ties_even() as isize)
    } else {
        ((frame - size) / 2) as isize
    }
}

fn blend<'a>(weighted: impl Iterator<Item = (&'a f32, &'a [f32; 3])>) -> [f32; 3] {
    weighted.fold([0.0; 3], |sum, (weight, pixel)| {
        [sum[0] + weight * pixel[0], sum[1] + weight * pixel[1], sum[2] + weight * pixel[2]]
    })
}

/// The first position with a weight, and the weights from there on.
type Weights = (usize, Vec<f32>);

/// Weights for the `seen` ones of `to` positions over `from` positions.
fn triangle_weights(from: usize, to: usize, seen: Range<usize>) -> Vec<Weights> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    seen.map(|position| {
        let centre = (position as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|i| (1.0 - ((i as f64 + 0.5 - centre) / support).abs()).max(0.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.into_iter().map(|w| (w / sum) as f32).collect())
    })
    .collect()
}

/// The input that the vision tower expects.
///
/// Published as [`preprocess`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/condition.py#L322).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipPreprocess {
    /// Side of the square input, in pixels.
    pub size: usize,
    /// Mean of the training pictures, per channel, 0..=1.
    pub mean: [f32; 3],
    /// Standard deviation of the training pictures, per channel.
    pub std: [f32; 3],
}

impl Default for ClipPreprocess {
    /// OpenCLIP ViT-H/14.
    fn default() -> Self {
        Self {
            size: 224,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }
}

impl ClipPreprocess {
    /// `image: [b, 3, h, w]` in -1..=1 → `[b, 3, size, size]`, normalised, on the same device.
    ///
    /// Shrinking blurs first. Then the picture is resized bicubically with aligned corners,
    /// ignoring the aspect ratio, as in the training of the published model.
    ///
    /// # Errors
    /// When the shape of `image` is wrong, or the device fails.
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = image.dims4()?;
        if channels != 3 || height == 0 || width == 0 {
            candle_core::bail!("a picture has 3 channels, found shape {:?}", image.shape());
        }
        let values = image.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let size = self.size;
        let mut out = vec![0.0; batch * 3 * size * size];
        values
            .par_chunks(height * width)
            .zip(out.par_chunks_mut(size * size))
            .enumerate()
            .for_each(|(plane, (from, to))| {
                let (mean, std) = (self.mean[plane % 3], self.std[plane % 3]);
                let square = to_square(from, height, width, size);
                for (to, v) in to.iter_mut().zip(square) {
                    *to = ((v + 1.0) / 2.0 - mean) / std;
                }
            });
        Tensor::from_vec(out, (batch, 3, size, size), &Device::Cpu)?.to_device(image.device())
    }
}

/// Resizes one plane of `height` x `width` to `size` x `size`.
fn to_square(plane: &[f32], height: usize, width: usize, size: usize) -> Vec<f32> {
    if (height, width) == (size, size) {
        return plane.to_vec();
    }
    let (fy, fx) = (height as f64 / size as f64, width as f64 / size as f64);
    let mut plane = plane.to_vec();
    if fy.max(fx) > 1.0 {
        plane = filter_rows(&plane, width, &gaussian_taps(width, fx));
        plane = filter_rows(&transposed(&plane, width), height, &gaussian_taps(height, fy));
        plane = transposed(&plane, height);
    }
    let plane = filter_rows(&plane, width, &cubic_taps(width, size));
    let plane = filter_rows(&transposed(&plane, size), height, &cubic_taps(height, size));
    transposed(&plane, size)
}

/// For each output position, the input positions with their weights.
type Taps = Vec<Vec<(usize, f32)>>;

fn filter_rows(plane: &[f32], width: usize, taps: &Taps) -> Vec<f32> {
    plane
        .chunks_exact(width)
        .flat_map(|row| taps.iter().map(|taps| taps.iter().map(|&(i, w)| row[i] * w).sum()))
        .collect()
}

fn transposed(plane: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|x| plane[x..].iter().step_by(width).copied()).collect()
}

/// The blur that prevents aliasing when shrinking by `factor`, mirrored at the borders.
fn gaussian_taps(length: usize, factor: f64) -> Taps {
    let sigma = ((factor - 1.0) / 2.0).max(0.001);
    let taps = (4.0 * sigma).max(3.0) as usize;
    let taps = taps + usize::from(taps.is_multiple_of(2));
    let half = (taps / 2) as isize;
    let sigma = sigma as f32;
    let bell: Vec<f32> =
        (-half..=half).map(|d| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = bell.iter().sum();
    let last = length as isize - 1;
    // The edge itself is not repeated: -1 becomes 1.
    let mirrored = |i: isize| {
        let i = if i < 0 { -i } else { i };
        if i > last { (2 * last - i).max(0) as usize } else { i as usize }
    };
    (0..length as isize)
        .map(|at| {
            (-half..=half).zip(&bell).map(|(d, weight)| (mirrored(at + d), weight / sum)).collect()
        })
        .collect()
}

/// Cubic convolution with a = -0.75 and aligned corners, borders repeated.
fn cubic_taps(from: usize, to: usize) -> Taps {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = if to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { 0.0 };
    (0..to)
        .map(|position| {
            let at = position as f32 * scale;
            let left = at.floor();
            let t = at - left;
            let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
            let held = |d: isize| (left as isize + d).clamp(0, from as isize - 1) as usize;
            (-1..=2).map(held).zip(weights).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, value: u8) -> Picture {
        Picture::from_rgb8(width, height, &vec![value; width * height * 3]).unwrap()
    }

    #[test]
    fn a_wide_picture_is_cropped_and_a_tall_one_gets_black_bars() {
        let wide = grey(1920, 800, 255);
        assert_eq!(wide.fit(512, 320), Fit { scaled: (768, 320), origin: (-128, 0) });
        assert!(wide.to_model_size(512, 320).pixels().iter().all(|p| (p[0] - 1.0).abs() < 1e-6));

        let square = grey(64, 64, 255);
        assert_eq!(square.fit(512, 320), Fit { scaled: (320, 320), origin: (96, 0) });
        let seen = square.to_model_size(512, 320);
        let column = |x: usize| seen.pixels()[100 * 512 + x][0];
        assert_eq!((column(95), column(416)), (0.0, 0.0));
        assert!((column(96) - 1.0).abs() < 1e-6 && (column(415) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn extreme_shapes_survive() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (2, 3)] {
            let seen = grey(width, height, 128).to_model_size(512, 320);
            assert_eq!((seen.width(), seen.height()), (512, 320));
            assert!(seen.pixels().iter().flatten().all(|v| v.is_finite()));
            let tensor = grey(width, height, 128).to_tensor(&Device::Cpu).unwrap();
            let input = ClipPreprocess::default().forward(&tensor).unwrap();
            assert_eq!(input.dims(), [1, 3, 224, 224]);
        }
    }

    #[test]
    fn sketches_are_light_lines_on_black_either_way() {
        let mut pencil = vec![255; 30];
        pencil[..3].fill(0);
        let chalk: Vec<u8> = pencil.iter().map(|v| 255 - v).collect();
        for samples in [pencil, chalk] {
            let sketch = Picture::from_rgb8(5, 2, &samples).unwrap().as_sketch();
            let lines: Vec<f32> = sketch.pixels().iter().map(|p| p[0].round()).collect();
            assert_eq!(lines, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn a_transparent_drawing_lies_on_paper() {
        let frame =
            Frame::from_pixels(2, 1, vec![[0.0, 0.0, 0.0, 0.0], [0.2, 0.1, 0.0, 0.5]]).unwrap();
        let picture = Picture::from_frame(&frame, 1.0);
        assert_eq!(picture.pixels(), [[1.0, 1.0, 1.0], [0.7, 0.6, 0.5]]);
    }
}
