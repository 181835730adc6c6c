//! Features for matching: smoothed CIE Lab colour and the lines of the drawing.

use inbetween_core::colour::srgb_to_linear;

use crate::map::Map;

/// Luma, 0..=255: `[3, h, w]` → `[1, h, w]`
pub(crate) fn grey(picture: &Map) -> Map {
    let mut out = Map::new(1, picture.h, picture.w);
    let (r, g, b) = (picture.plane(0), picture.plane(1), picture.plane(2));
    for (i, to) in out.v.iter_mut().enumerate() {
        *to = 255.0 * (0.299 * r[i] + 0.587 * g[i] + 0.114 * b[i]);
    }
    out
}

/// CIE Lab (D65) of display-referred RGB; lightness 0..=255, so that it is weighted as in 8-bit
/// Lab.
pub(crate) fn lab(picture: &Map) -> Map {
    let area = picture.area();
    let mut out = Map::new(3, picture.h, picture.w);
    let w = picture.w;
    out.fill_bands(|band| {
        let start = band.y0 * w;
        let mut before = [f32::NAN; 3];
        let mut colour = before;
        for i in 0..band.planes[0].len() {
            let rgb = [0, 1, 2].map(|c| picture.v[c * area + start + i]);
            // Neighbours in a drawing often have the same colour.
            if rgb != before {
                (before, colour) = (rgb, lab_of(rgb));
            }
            band.planes.iter_mut().zip(colour).for_each(|(plane, v)| plane[i] = v);
        }
    });
    out
}

fn lab_of(rgb: [f32; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(srgb_to_linear);
    let x = bent((0.412_453 * r + 0.357_58 * g + 0.180_423 * b) / 0.950_456);
    let y = bent(0.212_671 * r + 0.715_16 * g + 0.072_169 * b);
    let z = bent((0.019_334 * r + 0.119_193 * g + 0.950_227 * b) / 1.088_754);
    [2.55 * (116.0 * y - 16.0), 500.0 * (x - y), 200.0 * (y - z)]
}

fn bent(v: f32) -> f32 {
    if v > 0.008_856 { libm::cbrtf(v) } else { 7.787 * v + 16.0 / 116.0 }
}

/// Smoothed Lab and the difference of Gaussians of the lightness, from Lab: `[4, h, w]`.
pub(crate) fn features(lab: &Map) -> Map {
    let soft = lab.gauss(1.0);
    let light = lab.channels(0, 1);
    let (fine, coarse) = (light.gauss(0.8), light.gauss(2.4));
    let mut out = Map::stack(&[&soft, &fine]);
    out.plane_mut(0).iter_mut().for_each(|v| *v *= 0.6);
    for (line, coarse) in out.plane_mut(3).iter_mut().zip(&coarse.v) {
        *line = 1.6 * (*line - coarse);
    }
    out
}
