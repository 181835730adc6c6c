//! Clips drawn for the tests: scenes with a moving figure, disturbed as a camera and a codec would.

use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ExtendedColorType};
use rayon::prelude::*;

use crate::Frame;

pub(super) const WIDTH: usize = 448;
pub(super) const HEIGHT: usize = 252;

/// One undisturbed frame of a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shot {
    /// The set in the background.
    pub(super) scene: usize,
    /// The phase of the movement; equal phases are the same drawing.
    pub(super) pose: f32,
    /// The position of the mouth, apart from everything else.
    pub(super) mouth: f32,
    /// The position of the camera, in pixels.
    pub(super) camera: [f32; 2],
}

/// What disturbs the frames of a clip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wear {
    /// Standard deviation of the grain, of 1.
    pub(super) grain: f32,
    /// Standard deviation of the gate's play, in pixels.
    pub(super) weave: f32,
    /// JPEG quality, if compressed.
    pub(super) jpeg: Option<u8>,
}

/// The frames of a clip.
pub(super) fn film(shots: &[Shot], wear: Wear) -> Vec<Frame> {
    let number = |n: usize| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1));
        let play = [random.normal() * wear.weave, random.normal() * wear.weave];
        let mut pixels = draw(shots[n], play);
        if wear.grain > 0.0 {
            pixels.iter_mut().for_each(|value| *value += random.normal() * wear.grain);
        }
        let bytes: Vec<u8> =
            pixels.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let bytes = wear.jpeg.map_or_else(|| bytes.clone(), |quality| compressed(&bytes, quality));
        let pixels =
            bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2], 255].map(|v| f32::from(v) / 255.0));
        Frame::from_pixels(WIDTH, HEIGHT, pixels.collect()).unwrap()
    };
    (0..shots.len()).into_par_iter().map(number).collect()
}

fn compressed(bytes: &[u8], quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, quality);
    encoder.encode(bytes, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8).unwrap();
    let decoder = JpegDecoder::new(Cursor::new(file)).unwrap();
    DynamicImage::from_decoder(decoder).unwrap().into_rgb8().into_raw()
}

/// Pseudorandom numbers, the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub(super) fn normal(&mut self) -> f32 {
        // Twelve uniform numbers would add up to a nearly normal one; four, scaled, are close
        // enough.
        ((0..4).map(|_| self.unit()).sum::<f32>() - 2.0) * 3.0_f32.sqrt()
    }
}

/// A rounded stroke from one point to another, or a disc.
struct Stroke {
    from: [f32; 2],
    to: [f32; 2],
    radius: f32,
    colour: [f32; 3],
    outlined: bool,
}

/// Colours of paper, ground, props and coat for each scene.
const SETS: [[[f32; 3]; 4]; 4] = [
    [[0.70, 0.84, 0.92], [0.42, 0.60, 0.35], [0.80, 0.70, 0.45], [0.85, 0.30, 0.25]],
    [[0.20, 0.22, 0.33], [0.12, 0.12, 0.18], [0.90, 0.80, 0.40], [0.55, 0.60, 0.75]],
    [[0.96, 0.96, 0.94], [0.96, 0.96, 0.94], [0.30, 0.30, 0.32], [0.96, 0.96, 0.94]],
    [[0.86, 0.66, 0.50], [0.55, 0.36, 0.30], [0.45, 0.25, 0.35], [0.25, 0.45, 0.60]],
];

fn draw(shot: Shot, play: [f32; 2]) -> Vec<f32> {
    let [paper, ground, prop, coat] = SETS[shot.scene % SETS.len()];
    let at = [shot.camera[0] + play[0], shot.camera[1] + play[1]];
    let horizon = [170.0, 190.0, 215.0, 120.0][shot.scene % SETS.len()];
    let mut pixels = vec![0.0; WIDTH * HEIGHT * 3];
    for (n, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let [x, y] = [(n % WIDTH) as f32 - at[0], (n / WIDTH) as f32 - at[1]];
        let hill = horizon + 12.0 * (x / 70.0 + shot.scene as f32).sin();
        let cover = (y - hill + 0.5).clamp(0.0, 1.0);
        for channel in 0..3 {
            let shade = paper[channel] * (1.0 - 0.15 * (y / HEIGHT as f32));
            pixel[channel] = shade + (ground[channel] - shade) * cover;
        }
    }
    for stroke in strokes(shot, horizon, prop, coat) {
        lay(&mut pixels, &stroke, at);
    }
    pixels
}

fn strokes(shot: Shot, horizon: f32, prop: [f32; 3], coat: [f32; 3]) -> Vec<Stroke> {
    let mut all = Vec::new();
    let mut random = Random(shot.scene as u64 + 77);
    let mut add = |from: [f32; 2], to: [f32; 2], radius: f32, colour: [f32; 3], outlined: bool| {
        all.push(Stroke { from, to, radius, colour, outlined });
    };
    // Posts and stones, wider than the frame so that a pan finds more of them.
    for _ in 0..40 {
        let x = -300.0 + 1100.0 * random.unit();
        let high = 15.0 + 60.0 * random.unit();
        let tint = 0.6 + 0.6 * random.unit();
        add(
            [x, horizon - high],
            [x, horizon + 8.0],
            3.0 + 9.0 * random.unit(),
            prop.map(|v| v * tint),
            true,
        );
    }
    // The figure: body, head, limbs that swing, and a mouth.
    let (scene, p) = (shot.scene as f32, shot.pose);
    let size = 1.0 + 0.5 * (scene % 2.0);
    let hip = [150.0 + 45.0 * scene + 3.0 * p, horizon - 10.0 + 3.0 * (0.9 * p).sin()];
    let up = |dx: f32, dy: f32| [hip[0] + dx * size, hip[1] + dy * size];
    let limb = |from: [f32; 2], length: f32, angle: f32| {
        [from[0] + length * size * angle.sin(), from[1] + length * size * angle.cos()]
    };
    let skin = [0.95, 0.82, 0.70];
    for (side, phase) in [(-1.0_f32, 0.0_f32), (1.0, 2.6)] {
        let knee = limb(up(3.0 * side, 0.0), 20.0, 0.7 * (0.5 * p + phase).sin());
        let foot = limb(knee, 20.0, 0.7 * (0.5 * p + phase).sin() - 0.3);
        add(up(3.0 * side, 0.0), knee, 5.0 * size, coat.map(|v| v * 0.7), true);
        add(knee, foot, 4.0 * size, coat.map(|v| v * 0.7), true);
        let elbow = limb(up(0.0, -36.0), 17.0, 0.8 * (0.5 * p + phase + 3.0).sin());
        add(up(0.0, -36.0), elbow, 3.5 * size, coat, true);
        add(elbow, limb(elbow, 15.0, 0.8 * (0.5 * p + phase).cos() + 0.5), 3.0 * size, skin, true);
    }
    add(up(0.0, 0.0), up(0.0, -36.0), 10.0 * size, coat, true);
    add(up(1.0, -57.0), up(1.0, -57.0), 13.0 * size, skin, true);
    for eye in [-4.0, 6.0] {
        add(up(eye, -60.0), up(eye, -57.0), 1.3 * size, [0.1; 3], false);
    }
    let open = 1.0 + 2.5 * shot.mouth;
    add(up(-2.0, -50.0), up(4.0, -50.0), open, [0.45, 0.1, 0.12], false);
    all
}

/// Paints a stroke with a dark outline and a soft edge of one pixel.
fn lay(pixels: &mut [f32], stroke: &Stroke, at: [f32; 2]) {
    let line = if stroke.outlined { 1.6 } else { 0.0 };
    let reach = stroke.radius + line + 1.0;
    let [from, to] = [stroke.from, stroke.to].map(|p| [p[0] + at[0], p[1] + at[1]]);
    let range = |axis: usize, side: usize| {
        let low = (from[axis].min(to[axis]) - reach).floor().max(0.0) as usize;
        let high = (from[axis].max(to[axis]) + reach).ceil().clamp(0.0, side as f32) as usize;
        low.min(high)..high
    };
    let way = [to[0] - from[0], to[1] - from[1]];
    let length = (way[0] * way[0] + way[1] * way[1]).max(1e-6);
    for y in range(1, HEIGHT) {
        for x in range(0, WIDTH) {
            let p = [x as f32 - from[0], y as f32 - from[1]];
            let along = ((p[0] * way[0] + p[1] * way[1]) / length).clamp(0.0, 1.0);
            let distance = (p[0] - along * way[0]).hypot(p[1] - along * way[1]) - stroke.radius;
            let pixel = &mut pixels[(y * WIDTH + x) * 3..][..3];
            let mut paint = |colour: [f32; 3], cover: f32| {
                for (to, from) in pixel.iter_mut().zip(colour) {
                    *to += (from - *to) * cover.clamp(0.0, 1.0);
                }
            };
            if stroke.outlined {
                paint([0.12, 0.1, 0.14], 0.5 - (distance - line));
            }
            paint(stroke.colour, 0.5 - distance);
        }
    }
}
