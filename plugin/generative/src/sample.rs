//! Interpolation between the pixels of a frame.

use inbetween_core::{Bilinear, Frame};

/// Least and largest value of the four neighbours of a place, for each channel.
pub(super) fn range(place: &Bilinear, pixels: &[[f32; 4]]) -> ([f32; 4], [f32; 4]) {
    let near = place.neighbours(pixels);
    let of = |pick: fn(f32, f32) -> f32| {
        std::array::from_fn(|c| near.iter().map(|p| p[c]).reduce(pick).unwrap_or(0.0))
    };
    (of(f32::min), of(f32::max))
}

/// Cubic sample (Catmull-Rom) at (`x`, `y`) with repeated edges, limited to the range of the four
/// nearest pixels, so that there is no halo beside outlines and no negative light beside
/// highlights.
pub(super) fn cubic(frame: &Frame, x: f32, y: f32) -> [f32; 4] {
    let (w, h) = (frame.width(), frame.height());
    let (x, y) = (x.max(0.0).min((w - 1) as f32), y.max(0.0).min((h - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    if fx == 0.0 && fy == 0.0 {
        return frame.pixels()[y0 * w + x0];
    }
    let (across, down) = (weights(fx), weights(fy));
    let columns = [x0.saturating_sub(1), x0, (x0 + 1).min(w - 1), (x0 + 2).min(w - 1)];
    let rows = [y0.saturating_sub(1), y0, (y0 + 1).min(h - 1), (y0 + 2).min(h - 1)];
    let mut out = [0.0_f32; 4];
    for (row, down) in rows.into_iter().zip(down) {
        let line = frame.row(row);
        for (column, across) in columns.into_iter().zip(across) {
            for (out, v) in out.iter_mut().zip(line[column]) {
                *out += down * across * v;
            }
        }
    }
    let (low, high) = range(&Bilinear::at(x, y, h, w), frame.pixels());
    std::array::from_fn(|c| out[c].clamp(low[c], high[c]))
}

fn weights(f: f32) -> [f32; 4] {
    let (f2, f3) = (f * f, f * f * f);
    [
        -0.5 * f3 + f2 - 0.5 * f,
        1.5 * f3 - 2.5 * f2 + 1.0,
        -1.5 * f3 + 2.0 * f2 + 0.5 * f,
        0.5 * f3 - 0.5 * f2,
    ]
}

/// Mean over 3 x 3 samples, edges repeated.
pub(super) fn smooth<const N: usize>(plane: &[[f32; N]], width: usize) -> Vec<[f32; N]> {
    let height = plane.len() / width;
    let mean =
        |sum: [[f32; N]; 3]| std::array::from_fn(|c| (sum[0][c] + sum[1][c] + sum[2][c]) / 3.0);
    let rows: Vec<[f32; N]> = (0..plane.len())
        .map(|i| {
            let (x, start) = (i % width, i - i % width);
            let at = |x: usize| plane[start + x];
            mean([at(x.saturating_sub(1)), at(x), at((x + 1).min(width - 1))])
        })
        .collect();
    (0..plane.len())
        .map(|i| {
            let (x, y) = (i % width, i / width);
            let at = |y: usize| rows[y * width + x];
            mean([at(y.saturating_sub(1)), at(y), at((y + 1).min(height - 1))])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_met_exactly_and_slopes_followed() {
        let pixels = (0..48).map(|i| [(i % 8) as f32, (i / 8) as f32, 7.0, 1.0]).collect();
        let frame = Frame::from_pixels(8, 6, pixels).unwrap();
        assert_eq!(cubic(&frame, 3.0, 2.0), [3.0, 2.0, 7.0, 1.0]);
        let between = cubic(&frame, 3.25, 2.5);
        assert!((between[0] - 3.25).abs() < 1e-5 && (between[1] - 2.5).abs() < 1e-5);
        assert_eq!(cubic(&frame, -5.0, f32::NAN), [0.0, 0.0, 7.0, 1.0]);
        let place = Bilinear::at(6.5, 1.5, 6, 8);
        assert_eq!(place.of_pixels(frame.pixels()), [6.5, 1.5, 7.0, 1.0]);
        assert_eq!(range(&place, frame.pixels()).1, [7.0, 2.0, 7.0, 1.0]);
    }

    #[test]
    fn smoothing_keeps_what_is_flat() {
        assert_eq!(smooth(&[[3.0]; 12], 4), [[3.0]; 12]);
        assert_eq!(smooth(&[[5.0]], 1), [[5.0]]);
        let peak: Vec<[f32; 1]> = (0..9).map(|i| [if i == 4 { 9.0 } else { 0.0 }]).collect();
        assert!(smooth(&peak, 3).iter().all(|v| (v[0] - 1.0).abs() < 1e-6));
    }
}
