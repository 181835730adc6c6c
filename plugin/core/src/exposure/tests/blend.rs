//! Pictures that frame-rate converters have mixed.

use super::super::*;
use super::clips::{Shot, Wear, film};

fn shots(poses: &[f32], wear: Wear) -> Vec<Frame> {
    let shot = |pose: &f32| Shot { scene: 0, pose: *pose, mouth: 0.0, camera: [0.0; 2] };
    film(&poses.iter().map(shot).collect::<Vec<_>>(), wear)
}

fn mixed(a: &Frame, b: &Frame, share: f32) -> Frame {
    let pixels = a.pixels().iter().zip(b.pixels()).map(|(a, b)| {
        [0, 1, 2, 3].map(|c| ((a[c] + (b[c] - a[c]) * share) * 255.0).round() / 255.0)
    });
    Frame::from_pixels(a.width(), a.height(), pixels.collect()).unwrap()
}

fn blends_of(frames: &[Frame]) -> Vec<(usize, f32)> {
    let mut analyser = Analyser::new();
    frames.iter().for_each(|frame| analyser.push(frame, Encoding::Srgb));
    analyser.blends().iter().map(|blend| (blend.frame, blend.share)).collect()
}

#[test]
fn a_mix_of_two_drawings_is_found_with_its_share() {
    for wear in [Wear::default(), Wear { grain: 0.01, weave: 0.0, jpeg: Some(90) }] {
        let drawn = shots(&[0.0, 1.0, 2.0], wear);
        let (a, b, c) = (&drawn[0], &drawn[1], &drawn[2]);
        let film = [a, a, &mixed(a, b, 0.4), b, b, &mixed(b, c, 0.8), c, c].map(Frame::clone);
        let found = blends_of(&film);
        assert_eq!(found.len(), 2, "{wear:?} {found:?}");
        for ((frame, share), wanted) in found.iter().zip([(2, 0.4), (5, 0.8)]) {
            assert_eq!(*frame, wanted.0, "{wear:?}");
            assert!((share - wanted.1).abs() < 0.05, "{wear:?} {share}");
        }
    }
}

#[test]
fn drawings_on_ones_twos_and_threes_are_no_mixes() {
    for hold in 1..=3 {
        let poses: Vec<f32> = (0..24).map(|n| (n / hold) as f32).collect();
        let found = blends_of(&shots(&poses, Wear::default()));
        assert!(found.is_empty(), "{hold} {found:?}");
    }
}

#[test]
fn what_shines_through_a_drawing_of_its_own_is_found_with_its_share() {
    for wear in [Wear::default(), Wear { grain: 0.01, weave: 0.0, jpeg: Some(90) }] {
        let drawn = shots(&[0.0, 1.0, 2.0, 3.0, 4.0], wear);
        let ghosts = |frames: &[Frame]| {
            let mut analyser = Analyser::new();
            frames.iter().for_each(|frame| analyser.push(frame, Encoding::Srgb));
            analyser.ghosts().to_vec()
        };
        assert_eq!(ghosts(&drawn), [], "{wear:?}");
        for (of_next, other) in [(true, 3), (false, 1)] {
            for share in [0.04, 0.07, 0.15] {
                let mut frames = drawn.clone();
                frames[2] = mixed(&drawn[2], &drawn[other], share);
                let found = ghosts(&frames);
                assert_eq!(found.len(), 1, "{wear:?} {share} {found:?}");
                assert_eq!((found[0].frame, found[0].of_next), (2, of_next), "{wear:?}");
                assert!((found[0].share - share).abs() < 0.01, "{wear:?} {share} {found:?}");
            }
        }
    }
}
