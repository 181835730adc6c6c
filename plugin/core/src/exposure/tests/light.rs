//! Fades, dissolves, flashes and flicker: changes of light only.

use super::super::*;
use super::clips::{Random, Shot, Wear, film};

const GRAIN: Wear = Wear { grain: 0.02, weave: 0.0, jpeg: None };
const WORN: Wear = Wear { grain: 0.015, weave: 0.3, jpeg: Some(80) };

fn held(scene: usize, frames: usize, wear: Wear) -> Vec<Frame> {
    film(&vec![Shot { scene, pose: 2.0, mouth: 0.0, camera: [0.0; 2] }; frames], wear)
}

/// The frame under this much light, stored with 8 bits.
fn lit(mut frame: Frame, light: f32) -> Frame {
    for pixel in frame.pixels_mut() {
        let [red, green, blue] = [0, 1, 2].map(|c| (pixel[c] * light * 255.0).round() / 255.0);
        *pixel = [red, green, blue, 1.0];
    }
    frame
}

fn mixed(a: &Frame, b: &Frame, share: f32) -> Frame {
    let pixels = a.pixels().iter().zip(b.pixels()).map(|(a, b)| {
        [0, 1, 2, 3].map(|c| ((a[c] + (b[c] - a[c]) * share) * 255.0).round() / 255.0)
    });
    Frame::from_pixels(a.width(), a.height(), pixels.collect()).unwrap()
}

fn sheet(frames: &[Frame]) -> Sheet {
    let mut analyser = Analyser::new();
    frames.iter().for_each(|frame| analyser.push(frame, Encoding::Srgb));
    analyser.finish()
}

/// First frame and length of each drawing longer than one frame that starts within `frames`.
fn holds(sheet: &Sheet, frames: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    let inside = sheet.drawings().iter().filter(|d| d.frames > 1 && frames.contains(&d.first));
    inside.map(|d| (d.first, d.frames)).collect()
}

fn is_pan(sheet: &Sheet) -> bool {
    sheet.drawings().iter().any(|drawing| drawing.kind != Kind::Held)
}

#[test]
fn a_fading_drawing_is_another_on_every_frame() {
    for (frames, wear) in
        [(12, Wear::default()), (24, GRAIN), (24, WORN), (72, Wear::default()), (72, GRAIN)]
    {
        let fade: Vec<Frame> = held(0, frames + 1, wear)
            .into_iter()
            .enumerate()
            .map(|(n, frame)| lit(frame, 1.0 - n as f32 / frames as f32))
            .collect();
        let sheet = sheet(&fade);
        assert_eq!(sheet.cuts().count(), 0, "{frames} {wear:?}");
        assert!(!is_pan(&sheet), "{frames} {wear:?}");
        assert_eq!(holds(&sheet, 0..frames - 1), [], "{frames} {wear:?}");
    }
}

#[test]
fn a_fade_to_black_and_up_again_is_no_cut_but_in_the_black() {
    for wear in [Wear::default(), GRAIN, WORN] {
        let out = held(0, 18, wear).into_iter().enumerate();
        let out = out.map(|(n, frame)| lit(frame, ((18 - n) as f32 / 12.0).min(1.0)));
        let up = held(1, 18, wear).into_iter().enumerate();
        let up = up.map(|(n, frame)| lit(frame, ((n + 1) as f32 / 12.0).min(1.0)));
        let sheet = sheet(&out.chain(up).collect::<Vec<_>>());
        assert!(
            sheet.cuts().all(|cut| (16..20).contains(&cut)),
            "{wear:?}: {:?}",
            sheet.cuts().collect::<Vec<_>>()
        );
        assert!(!is_pan(&sheet), "{wear:?}");
        assert_eq!(holds(&sheet, 7..15), [], "{wear:?}");
    }
}

#[test]
fn a_dissolve_is_another_picture_on_every_frame_and_no_cut() {
    for (frames, wear) in [(12, Wear::default()), (24, GRAIN), (48, Wear::default())] {
        let (from, to) = (held(0, frames + 1, wear), held(3, frames + 1, wear));
        let film: Vec<Frame> =
            (0..=frames).map(|n| mixed(&from[n], &to[n], n as f32 / frames as f32)).collect();
        let sheet = sheet(&film);
        assert_eq!(sheet.cuts().count(), 0, "{frames} {wear:?}");
        assert_eq!(holds(&sheet, 0..frames), [], "{frames} {wear:?}");
    }
}

#[test]
fn a_flash_is_a_drawing_of_its_own_and_no_cut() {
    for length in 1..=3 {
        let mut film = held(0, 12, GRAIN);
        for frame in &mut film[5..5 + length] {
            let white = Frame::from_pixels(
                frame.width(),
                frame.height(),
                vec![[1.0; 4]; frame.pixels().len()],
            );
            *frame = mixed(frame, &white.unwrap(), 0.95);
        }
        let sheet = sheet(&film);
        assert_eq!(sheet.cuts().count(), 0, "{length}");
        let starts: Vec<usize> = sheet.drawings().iter().map(|drawing| drawing.first).collect();
        assert_eq!(starts, [0, 5, 5 + length]);
    }
}

#[test]
fn flicker_makes_no_drawings() {
    let mut random = Random(3);
    let film: Vec<Frame> = held(0, 24, GRAIN)
        .into_iter()
        .map(|frame| lit(frame, 1.0 + 0.008 * random.normal()))
        .collect();
    assert_eq!(sheet(&film).drawings().len(), 1);
}

#[test]
fn a_title_comes_up_from_black_evenly() {
    let title = |light: f32| {
        let mut frame =
            Frame::from_pixels(320, 180, vec![[0.0, 0.0, 0.0, 1.0]; 320 * 180]).unwrap();
        for (n, pixel) in frame.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (n % 320, n / 320);
            if (80..100).contains(&y) && (60..260).contains(&x) && x % 12 < 7 {
                *pixel = [light, light, light, 1.0];
            }
        }
        frame
    };
    let film: Vec<Frame> =
        (0..40).map(|n| title(((n as f32 - 4.0) / 24.0).clamp(0.0, 1.0))).collect();
    let sheet = sheet(&film);
    assert_eq!(sheet.cuts().count(), 0);
    assert!(!is_pan(&sheet));
    assert_eq!(holds(&sheet, 5..27), []);
}
