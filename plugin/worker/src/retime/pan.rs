//! Shifts the last frame before a cut further along the camera's pan.

use inbetween_core::Frame;

/// The picture shifted by `way` pixels, right and down. Nobody has drawn the area that comes into
/// view, so the pixels at the edge are repeated.
pub(super) fn translated(frame: &Frame, way: [f32; 2]) -> Frame {
    let (width, height) = (frame.width(), frame.height());
    let across = taps(width, way[0]);
    let down = taps(height, way[1]);
    let mut rows = vec![[0.0_f32; 4]; width * height];
    for (y, row) in rows.chunks_exact_mut(width).enumerate() {
        let from = frame.row(y);
        for (to, taps) in row.iter_mut().zip(&across) {
            *to = sum(taps, |at| from[at]);
        }
    }
    let mut moved = frame.clone();
    for (y, row) in moved.pixels_mut().chunks_exact_mut(width).enumerate() {
        for (x, to) in row.iter_mut().enumerate() {
            let pixel = sum(&down[y], |at| rows[at * width + x]);
            // The filter overshoots beside edges, but alpha must stay between 0 and 1.
            *to = [pixel[0], pixel[1], pixel[2], pixel[3].clamp(0.0, 1.0)];
        }
    }
    moved
}

/// The samples that contribute to one sample, with their weights.
type Taps = [(usize, f32); 4];

/// Catmull-Rom keeps the picture sharp, so that a shifted frame does not look softer than its
/// neighbours.
fn taps(side: usize, way: f32) -> Vec<Taps> {
    let tap = |at: usize| {
        let place = at as f32 - way;
        let (start, t) = (place.floor(), place - place.floor());
        let weights = [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ];
        std::array::from_fn(|n| {
            let from = (start + n as f32 - 1.0).clamp(0.0, side as f32 - 1.0);
            (from as usize, weights[n])
        })
    };
    (0..side).map(tap).collect()
}

fn sum(taps: &Taps, at: impl Fn(usize) -> [f32; 4]) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (place, weight) in taps {
        let pixel = at(*place);
        for (to, value) in sum.iter_mut().zip(pixel) {
            *to += weight * value;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use inbetween_core::Encoding;
    use inbetween_core::exposure::Analyser;
    use inbetween_core::retime::{FrameMap, Rate, Strength};

    use super::*;

    const WIDTH: usize = 160;
    const HEIGHT: usize = 96;

    /// A painted ground of soft hills and posts, seen from the place `at`, in 8 bits.
    fn ground(seed: usize, at: [f32; 2]) -> Frame {
        let seed = seed as f32;
        let pixels = (0..WIDTH * HEIGHT).map(|n| {
            let (x, y) = ((n % WIDTH) as f32 - at[0], (n / WIDTH) as f32 - at[1]);
            let hill =
                (50.0 + 14.0 * (x / (19.0 + seed % 7.0) + seed).sin() - y).clamp(-0.5, 0.5) + 0.5;
            let post = ((x / (11.0 + seed % 5.0) + 0.3 * seed).sin() * 3.0 - 2.0).clamp(0.0, 1.0);
            let grey =
                0.25 + 0.4 * hill + 0.25 * post * (1.0 - hill) + 0.08 * (y / 9.0 + seed).sin();
            let value = (grey.clamp(0.0, 1.0) * 255.0).round() / 255.0;
            [value, 0.9 * value, 0.7 * value, 1.0]
        });
        Frame::from_pixels(WIDTH, HEIGHT, pixels.collect()).unwrap()
    }

    fn error(a: &Frame, b: &Frame) -> f32 {
        let all = a.pixels().as_flattened().iter().zip(b.pixels().as_flattened());
        all.map(|(a, b)| (a - b).abs()).sum()
    }

    #[test]
    fn at_a_hundred_cuts_a_carried_frame_is_nearer_to_the_truth_than_a_frozen_one() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let (mut nearer, mut told) = (0, 0);
        for cut in 0..100_usize {
            // Movements of 1 to 5 pixels per frame, in all directions.
            let (speed, angle) = (1.0 + (cut % 9) as f32 * 0.5, cut as f32 * 0.61);
            let way = [speed * angle.cos(), speed * angle.sin()];
            let seen = |time: f32| ground(cut, way.map(|way| way * time));
            let mut analyser = Analyser::new();
            for n in 0..8 {
                analyser.push(&seen(n as f32), Encoding::Srgb);
            }
            let sheet = analyser.finish();
            let map = FrameMap::new(&sheet, rate("24"), rate("60"), Strength::ON_ONES);
            let last = map.frames() - 1;
            let Some(carried) = map.extrapolated_pan(last) else { continue };
            told += 1;
            let truth = seen(last as f32 * 24.0 / 60.0);
            nearer += usize::from(
                error(&translated(&seen(7.0), carried), &truth) < error(&seen(7.0), &truth),
            );
        }
        println!("{nearer} of {told} carried frames are nearer");
        assert!(told >= 95 && nearer * 100 >= told * 95, "{nearer} of {told}");
    }

    #[test]
    fn a_whole_way_moves_pixels_and_none_changes_nothing() {
        let frame = ground(3, [0.0; 2]);
        assert_eq!(translated(&frame, [0.0; 2]), frame);
        let right = translated(&frame, [2.0, -1.0]);
        assert_eq!(right.row(10)[20], frame.row(11)[18]);
        assert_eq!(right.row(10)[0], frame.row(11)[0], "the edge stays");
    }
}
