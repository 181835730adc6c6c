//! Guides: small copies of the keys as the eye sees them, for finding motion.
//!
//! Guides never appear in the result; only motion and mask are derived from them.

use inbetween_core::colour::srgb_to_linear;
use inbetween_core::{Encoding, Frame, Quality};

use crate::display::{display, grey};
use crate::grain;
use crate::light::Light;
use crate::map::{Cover, Map};
use crate::net::CELL;

/// Least number of samples along each side of a guide, so that matching windows fit in.
const MIN_SIDE: usize = 16;

/// The longest side of a guide.
pub(crate) fn long_side(quality: Quality) -> usize {
    match quality {
        Quality::Draft => 384,
        Quality::Standard => 640,
        Quality::High => 960,
    }
}

/// The guides of both keys and their relation to the frames.
pub(crate) struct Guides {
    /// Display-referred RGB, mostly 0..=1, `[3, h, w]` each, sides a multiple of [`CELL`].
    pub(crate) pictures: [Map; 2],
    /// Size of the part that shows the frame; its last row and column are repeated beyond it.
    pub(crate) height: usize,
    /// See `height`.
    pub(crate) width: usize,
    /// Standard deviation of the grain that was removed from the guides (values 0..=1); 0 for none.
    pub(crate) grain: f32,
    /// How the keys differ in light; the guides are brought to the same light.
    pub(crate) light: Option<Light>,
}

/// Makes both guides with the same light and, where the keys are transparent, the same ground.
pub(crate) fn guides(first: &Frame, last: &Frame, encoding: Encoding, quality: Quality) -> Guides {
    let (w, h) = (first.width(), first.height());
    let scale = (long_side(quality) as f64 / w.max(h) as f64).min(1.0);
    let side = |n: usize| ((n as f64 * scale).round() as usize).max(1);
    let (height, width) = (side(h), side(w));
    let mut reduced = [first, last].map(|frame| reduce(frame, height, width));
    let light = Light::between(&reduced, encoding);
    if let Some(light) = &light {
        light.even(&mut reduced);
    }
    let ground = ground(&reduced, encoding);
    let mut shown = reduced.map(|reduced| show(&reduced, ground, encoding));
    let grain = grain::remove(&mut shown);
    let side = |n: usize| n.max(MIN_SIDE).next_multiple_of(CELL);
    let pictures = shown.map(|shown| shown.pad_to(side(height), side(width)));
    Guides { pictures, height, width, grain, light }
}

/// Mean premultiplied RGBA over the area of each guide sample: `[4, h, w]`.
fn reduce(frame: &Frame, h: usize, w: usize) -> Map {
    let columns = Cover::axis(frame.width(), w);
    let rows = Cover::axis(frame.height(), h);
    let mut out = Map::new(4, h, w);
    out.fill_bands(|band| {
        let mut sum = vec![[0.0f32; 4]; frame.width()];
        for i in 0..band.planes[0].len() / w {
            let cover = &rows[band.y0 + i];
            sum.fill([0.0; 4]);
            for (k, weight) in cover.weights.iter().enumerate() {
                for (sum, pixel) in sum.iter_mut().zip(frame.row(cover.first + k)) {
                    for (s, v) in sum.iter_mut().zip(pixel) {
                        *s += v * weight;
                    }
                }
            }
            for (x, cover) in columns.iter().enumerate() {
                let mut mean = [0.0f32; 4];
                for (weight, pixel) in cover.weights.iter().zip(&sum[cover.first..]) {
                    for (m, v) in mean.iter_mut().zip(pixel) {
                        *m += v * weight;
                    }
                }
                for (plane, m) in band.planes.iter_mut().zip(mean) {
                    // The largest half float, so that sums stay finite whatever the keys hold.
                    plane[i * w + x] = if m.is_nan() { 0.0 } else { m.clamp(-65504.0, 65504.0) };
                }
            }
        }
    });
    out
}

/// A display-referred grey against which the drawings of both keys stand out.
fn ground(keys: &[Map; 2], encoding: Encoding) -> f32 {
    let (mut luma, mut cover) = (0.0f64, 0.0f64);
    for key in keys {
        for i in 0..key.area() {
            let alpha = key.v[3 * key.area() + i].clamp(0.0, 1.0);
            if alpha > 0.01 {
                let grey = grey([0, 1, 2].map(|c| key.plane(c)[i])) / alpha;
                luma += f64::from(display(grey, encoding) * alpha);
                cover += f64::from(alpha);
            }
        }
    }
    if cover > 0.0 && luma / cover > 0.5 { 0.2 } else { 0.85 }
}

/// Laid over the ground, as shown on a display: `[4, h, w]` → `[3, h, w]`.
fn show(key: &Map, ground: f32, encoding: Encoding) -> Map {
    let ground = match encoding {
        Encoding::Srgb => ground,
        Encoding::Linear => srgb_to_linear(ground),
    };
    let mut out = Map::new(3, key.h, key.w);
    let (w, alpha) = (key.w, key.plane(3));
    out.fill_bands(|band| {
        for (c, plane) in band.planes.iter_mut().enumerate() {
            let start = band.y0 * w;
            for (i, to) in plane.iter_mut().enumerate() {
                let under = ground * (1.0 - alpha[start + i].clamp(0.0, 1.0));
                *to = display(key.plane(c)[start + i] + under, encoding);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guides_are_never_enlarged_and_fit_the_network() {
        let key = Frame::from_pixels(50, 20, vec![[0.25, 0.5, 0.75, 1.0]; 1000]).unwrap();
        let g = guides(&key, &key, Encoding::Srgb, Quality::Standard);
        assert_eq!((g.width, g.height), (50, 20));
        assert_eq!((g.pictures[0].w, g.pictures[0].h), (56, 24));
        for (c, v) in [0.25, 0.5, 0.75].into_iter().enumerate() {
            assert!(g.pictures[0].plane(c).iter().all(|p| (p - v).abs() < 1e-6));
        }
        let large = Frame::transparent(2000, 10).unwrap();
        let g = guides(&large, &large, Encoding::Linear, Quality::Standard);
        assert_eq!((g.width, g.height), (640, 3));
    }

    #[test]
    fn a_transparent_drawing_stands_out_from_its_ground() {
        for grey in [0.0, 0.3, 0.6, 1.0] {
            let mut key = Frame::transparent(32, 32).unwrap();
            key.pixels_mut()[..320].fill([grey, grey, grey, 1.0]);
            let g = guides(&key, &key, Encoding::Srgb, Quality::Standard);
            let picture = &g.pictures[0];
            let apart = (picture.row(0, 2)[16] - picture.row(0, 28)[16]).abs();
            assert!(apart > 0.3, "grey {grey} lies {apart} from its ground");
        }
    }
}
