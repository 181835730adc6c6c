//! A film of all samples, worn and compressed, whose exposure sheet is known.

use anyhow::Result;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat, RgbImage, imageops};
use inbetween_core::exposure::{Analyser, Kind, Sheet};
use inbetween_core::{Encoding, Frame};

use super::{to_frame, truth};

const WIDTH: u32 = 480;
const HEIGHT: u32 = 270;

/// Size of the scene relative to the frame, with room for pans and weave.
const ROOM: f32 = 1.3;

/// A sample, the number of frames for which each of its drawings is held, and the camera's movement
/// per frame.
type Scene = (&'static str, &'static [usize], [f32; 2]);

const STILL: [f32; 2] = [0.0; 2];

/// Twos, threes, fours, ones, mixed exposures, a rest, and pans over held drawings.
const FILM: [Scene; 9] = [
    ("walk", &[2; 9], STILL),
    ("head", &[1, 1, 2, 3, 1, 2, 2, 4, 1, 12, 2, 2], STILL),
    ("stride", &[3; 7], STILL),
    ("jump", &[2; 9], STILL),
    ("line", &[2, 3, 2, 2, 4, 2], STILL),
    ("scene", &[2; 7], STILL),
    ("head", &[2; 8], [-2.6, 0.0]),
    ("jump", &[1; 10], STILL),
    ("stride", &[4, 2, 2, 3, 2], [1.4, -0.7]),
];

/// Standard deviations of grain (of 1) and of the gate's play (pixels), and JPEG quality.
const WEARS: [(&str, f32, f32, Option<u8>); 8] = [
    ("clean", 0.0, 0.0, None),
    ("grain", 0.03, 0.0, None),
    ("coarse grain", 0.06, 0.0, None),
    ("weave", 0.0, 0.5, None),
    ("little grain, weave, JPEG 90", 0.015, 0.4, Some(90)),
    ("grain, JPEG 60", 0.02, 0.0, Some(60)),
    ("grain, weave, JPEG 40", 0.03, 0.4, Some(40)),
    ("weave, JPEG 50", 0.0, 0.4, Some(50)),
];

/// One frame without wear.
struct Shot {
    drawing: usize,
    camera: [f32; 2],
}

/// Prints how many of the film's drawings and cuts the exposure analysis finds for each kind of
/// wear.
pub(crate) fn print() -> Result<()> {
    let (mut shots, mut drawings, mut starts, mut cuts) = (vec![], vec![], vec![], vec![]);
    for (name, exposures, pan) in FILM {
        if !shots.is_empty() {
            cuts.push(shots.len());
        }
        let mut camera = STILL;
        for (n, frames) in exposures.iter().enumerate() {
            let picture = truth(name, n as f64 / (exposures.len() - 1) as f64)?;
            let (w, h) = ((WIDTH as f32 * ROOM) as u32, (HEIGHT as f32 * ROOM) as u32);
            drawings.push(imageops::resize(&picture, w, h, imageops::FilterType::Triangle));
            starts.push(shots.len());
            for _ in 0..*frames {
                shots.push(Shot { drawing: drawings.len() - 1, camera });
                camera = [camera[0] + pan[0], camera[1] + pan[1]];
            }
        }
    }
    println!("\nall samples one after another, worn: what the exposure analysis finds");
    println!("{:<30} {:>10} {:>8} {:>10} {:>6}", "wear", "drawings", "cuts", "false cuts", "pans");
    let (mut found, mut all) = (0, 0);
    for (name, grain, weave, quality) in WEARS {
        let mut random = Random(11);
        let mut analyser = Analyser::new();
        for shot in &shots {
            let play = [random.normal() * weave, random.normal() * weave];
            let at = [shot.camera[0] + play[0], shot.camera[1] + play[1]];
            let frame = worn(&drawings[shot.drawing], at, grain, quality, &mut random)?;
            analyser.push(&frame, Encoding::Srgb);
        }
        let sheet = analyser.finish();
        let (here, of) = (held(&sheet, &starts, shots.len()), starts.len());
        let seen = cuts.iter().filter(|cut| sheet.cuts().any(|other| other == **cut)).count();
        let false_cuts = sheet.cuts().filter(|cut| !cuts.contains(cut)).count();
        let (pans, panned) = pans(&sheet, &shots, &starts);
        println!(
            "{name:<30} {:>10} {:>8} {false_cuts:>10} {:>6}",
            format!("{here}/{of}"),
            format!("{seen}/{}", cuts.len()),
            format!("{pans}/{panned}")
        );
        (found, all) = (found + here, all + of);
    }
    println!("{:<30} {:>10}", format!("{:.1} %", 100.0 * found as f64 / all as f64), "");
    Ok(())
}

/// Number of true drawings that the sheet has with the same first frame and the same length.
fn held(sheet: &Sheet, starts: &[usize], frames: usize) -> usize {
    let ends = starts.iter().skip(1).copied().chain([frames]);
    let is_found = |(first, end): (&usize, usize)| {
        sheet.drawing_at(*first).is_some_and(|d| (d.first, d.end()) == (*first, end))
    };
    starts.iter().zip(ends).filter(|pair| is_found(*pair)).count()
}

/// For drawings over which the camera moves: how many of them the sheet reports as pans, and how
/// many there are.
fn pans(sheet: &Sheet, shots: &[Shot], starts: &[usize]) -> (usize, usize) {
    let moves = |n: &&usize| {
        shots.get(**n + 1).is_some_and(|next| {
            next.drawing == shots[**n].drawing && next.camera != shots[**n].camera
        })
    };
    let panned: Vec<usize> = starts.iter().filter(moves).copied().collect();
    let told = |n: &&usize| {
        sheet.drawing_at(**n).is_some_and(|drawing| matches!(drawing.kind, Kind::Panned { .. }))
    };
    (panned.iter().filter(told).count(), panned.len())
}

/// The part of a drawing that the frame shows when the camera has moved by `at`, worn and
/// compressed.
fn worn(
    drawing: &RgbImage,
    at: [f32; 2],
    grain: f32,
    quality: Option<u8>,
    random: &mut Random,
) -> Result<Frame> {
    let corner = [drawing.width() - WIDTH, drawing.height() - HEIGHT].map(|room| room as f32 / 2.0);
    let mut picture = RgbImage::new(WIDTH, HEIGHT);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let place = [x as f32 + corner[0] - at[0], y as f32 + corner[1] - at[1]];
        let value = bilinear(drawing, place);
        pixel.0 =
            value.map(|v| (v + 255.0 * grain * random.normal()).round().clamp(0.0, 255.0) as u8);
    }
    if let Some(quality) = quality {
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, quality).encode(
            picture.as_raw(),
            WIDTH,
            HEIGHT,
            ExtendedColorType::Rgb8,
        )?;
        picture = image::load_from_memory_with_format(&file, ImageFormat::Jpeg)?.into_rgb8();
    }
    to_frame(&picture)
}

fn bilinear(picture: &RgbImage, [x, y]: [f32; 2]) -> [f32; 3] {
    let (w, h) = (picture.width() - 1, picture.height() - 1);
    let (x, y) = (x.clamp(0.0, w as f32), y.clamp(0.0, h as f32));
    let (left, top) = (x as u32, y as u32);
    let (right, low) = ((left + 1).min(w), (top + 1).min(h));
    let (fx, fy) = (x.fract(), y.fract());
    let at = |x: u32, y: u32, c: usize| f32::from(picture.get_pixel(x, y).0[c]);
    [0, 1, 2].map(|c| {
        let upper = at(left, top, c) * (1.0 - fx) + at(right, top, c) * fx;
        let lower = at(left, low, c) * (1.0 - fx) + at(right, low, c) * fx;
        upper * (1.0 - fy) + lower * fy
    })
}

/// Pseudorandom numbers (splitmix64), the same in every run.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// The sum of four uniform numbers, which is close enough to a normal one.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.unit()).sum::<f32>() - 2.0) * 3.0_f32.sqrt()
    }
}
