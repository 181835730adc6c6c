//! Rendered clips whose exposure sheets are known, as clean frames and as a worn, compressed film.

mod blend;
mod clips;
mod light;

use std::sync::LazyLock;

use clips::{Random, Shot, Wear, film};

use rayon::prelude::*;

use super::*;

/// A clip and its true drawings.
struct Script {
    shots: Vec<Shot>,
    /// First frames of drawings.
    starts: Vec<usize>,
    cuts: Vec<usize>,
}

impl Script {
    fn new() -> Self {
        Self { shots: Vec::new(), starts: Vec::new(), cuts: Vec::new() }
    }

    /// A scene whose drawings are held for `exposures` frames, while the camera moves by `pan` per
    /// frame.
    fn scene(mut self, scene: usize, exposures: &[usize], pan: [f32; 2]) -> Self {
        if !self.shots.is_empty() {
            self.cuts.push(self.shots.len());
        }
        let mut camera = [0.0, 0.0];
        for (n, frames) in exposures.iter().enumerate() {
            self.starts.push(self.shots.len());
            for _ in 0..*frames {
                self.shots.push(Shot { scene, pose: n as f32, mouth: 0.0, camera });
                camera = [camera[0] + pan[0], camera[1] + pan[1]];
            }
        }
        self
    }

    /// A scene in which only the mouth moves.
    fn talk(mut self, scene: usize, exposures: &[usize]) -> Self {
        let from = self.shots.len();
        self = self.scene(scene, exposures, [0.0; 2]);
        let starts = self.starts.clone();
        for (n, shot) in self.shots.iter_mut().enumerate().skip(from) {
            let drawing = starts.iter().filter(|start| **start <= n).count();
            (shot.pose, shot.mouth) = (3.0, [0.0, 1.0, 0.4][drawing % 3]);
        }
        self
    }

    fn analysed(&self, wear: Wear) -> Sheet {
        let mut analyser = Analyser::new();
        for frame in film(&self.shots, wear) {
            analyser.push(&frame, Encoding::Srgb);
        }
        let sheet = analyser.finish();
        assert_eq!(sheet.frames(), self.shots.len());
        sheet
    }

    /// Number of true drawings that the sheet has with the same first frame and length, and the
    /// number of all.
    fn found(&self, sheet: &Sheet) -> (usize, usize) {
        let ends = self.starts.iter().skip(1).copied().chain([self.shots.len()]);
        let truth = self.starts.iter().copied().zip(ends);
        let is_found = |(first, end): &(usize, usize)| {
            sheet
                .drawing_at(*first)
                .is_some_and(|drawing| (drawing.first, drawing.end()) == (*first, *end))
        };
        (truth.filter(is_found).count(), self.starts.len())
    }
}

const STILL: [f32; 2] = [0.0; 2];

/// Twos, threes, ones, mixed exposures, a rest, pans and mouths, in five scenes.
fn mixed() -> Script {
    Script::new()
        .scene(0, &[2; 10], STILL)
        .scene(1, &[3; 6], STILL)
        .scene(2, &[1, 1, 2, 3, 1, 2, 2, 4, 1, 12, 2, 2], STILL)
        .scene(3, &[2; 9], [-2.6, 0.0])
        .talk(0, &[2, 3, 2, 2, 4, 2])
        .scene(1, &[10, 1, 1, 1, 1, 2, 2], [1.4, -0.7])
}

const WEARS: [(&str, Wear); 8] = [
    ("clean", Wear { grain: 0.0, weave: 0.0, jpeg: None }),
    ("grain", Wear { grain: 0.03, weave: 0.0, jpeg: None }),
    ("coarse grain", Wear { grain: 0.06, weave: 0.0, jpeg: None }),
    ("weave", Wear { grain: 0.0, weave: 0.5, jpeg: None }),
    ("fine compression of a weaving film", Wear { grain: 0.015, weave: 0.4, jpeg: Some(90) }),
    ("compression of grain", Wear { grain: 0.02, weave: 0.0, jpeg: Some(60) }),
    ("strong compression of grain and weave", Wear { grain: 0.03, weave: 0.4, jpeg: Some(40) }),
    ("strong compression of weave", Wear { grain: 0.0, weave: 0.4, jpeg: Some(50) }),
];

/// The mixed clip under every wear, analysed once for all tests.
static WORN: LazyLock<Vec<(&str, Wear, Sheet)>> = LazyLock::new(|| {
    let script = mixed();
    WEARS.par_iter().map(|(name, wear)| (*name, *wear, script.analysed(*wear))).collect()
});

#[test]
fn holds_and_cuts_are_found_under_grain_weave_and_compression() {
    let script = mixed();
    let (mut found, mut all) = (0, 0);
    for (name, _, sheet) in WORN.iter() {
        let (here, of) = script.found(sheet);
        println!("{name}: {here} of {of}, confidence {:.2}", sheet.confidence());
        if here != of {
            println!(
                "  true {:?}\n  seen {:?}",
                script.starts,
                sheet.drawings().iter().map(|d| d.first).collect::<Vec<_>>()
            );
        }
        (found, all) = (found + here, all + of);
        assert_eq!(sheet.cuts().collect::<Vec<_>>(), script.cuts, "{name}");
    }
    assert!(found as f32 >= 0.98 * all as f32, "{found} of {all}");
}

#[test]
fn pans_are_told_from_holds_and_from_weave() {
    let script = mixed();
    for (name, wear, sheet) in WORN.iter() {
        for drawing in sheet.drawings().iter().filter(|drawing| drawing.frames > 1) {
            let [dx, dy] = [0, 1].map(|axis| {
                let camera = |n: usize| script.shots[n].camera[axis];
                camera(drawing.end() - 1) - camera(drawing.first)
            });
            match drawing.kind {
                Kind::Held => assert_eq!((dx, dy), (0.0, 0.0), "{name}: {drawing:?}"),
                Kind::Panned { shift } => {
                    let off = (shift[0] - dx).hypot(shift[1] - dy);
                    assert!(
                        dx.hypot(dy) > 0.0 && off < 0.3 + 0.04 * dx.hypot(dy) + 3.0 * wear.weave,
                        "{name}: {drawing:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_clip_without_holds_and_one_without_movement() {
    let ones = Script::new().scene(0, &[1; 24], STILL);
    let sheet = ones.analysed(Wear { grain: 0.02, weave: 0.3, jpeg: Some(75) });
    assert_eq!(sheet.drawings().len(), 24);
    assert_eq!((sheet.median_exposure(), sheet.cuts().count()), (1, 0));
    let rest = Script::new().scene(1, &[24], STILL);
    let sheet = rest.analysed(Wear { grain: 0.04, weave: 0.3, jpeg: Some(60) });
    assert_eq!(sheet.drawings().len(), 1);
    assert_eq!(sheet.drawings()[0].kind, Kind::Held);
}

#[test]
fn slow_movement_is_no_hold() {
    // Under grain, this is too slow to be seen from one frame to the next, but not over four.
    let shots =
        (0..24).map(|n| Shot { scene: 0, pose: 0.035 * n as f32, mouth: 0.0, camera: STILL });
    let script = Script { shots: shots.collect(), starts: vec![0], cuts: Vec::new() };
    let sheet = script.analysed(Wear { grain: 0.02, ..Wear::default() });
    assert!(sheet.drawings().iter().all(|drawing| drawing.frames <= 8), "{:?}", sheet.drawings());
}

#[test]
fn drawings_on_nothing_and_in_linear_light() {
    let drawing = |x: usize| {
        let mut frame = Frame::transparent(128, 96).unwrap();
        for row in frame.pixels_mut().chunks_mut(128).take(70).skip(20) {
            // As grey as the ground that transparent parts are seen over.
            row[x..x + 30].fill([0.5, 0.5, 0.5, 1.0]);
        }
        frame
    };
    for encoding in [Encoding::Srgb, Encoding::Linear] {
        let mut analyser = Analyser::new();
        [10, 10, 14, 14, 14, 18].iter().for_each(|x| analyser.push(&drawing(*x), encoding));
        let lengths: Vec<usize> = analyser.finish().drawings().iter().map(|d| d.frames).collect();
        assert_eq!(lengths, [2, 3, 1]);
    }
}

#[test]
fn clips_of_nothing_of_one_frame_and_of_changing_size() {
    assert_eq!(Analyser::new().finish(), Sheet::default());
    let mut analyser = Analyser::new();
    analyser.push(&Frame::transparent(1, 1).unwrap(), Encoding::Srgb);
    assert_eq!(analyser.frames(), 1);
    analyser.push(&Frame::transparent(1, 1).unwrap(), Encoding::Srgb);
    analyser.push(&Frame::transparent(300, 2).unwrap(), Encoding::Srgb);
    let sheet = analyser.finish();
    assert_eq!(sheet.frames(), 3);
    assert_eq!(sheet.cuts().collect::<Vec<_>>(), [2]);
}

#[test]
fn noise_makes_no_drawings_whatever_its_strength() {
    // Nothing but grain: one drawing, from none to coarse.
    for strength in [0.0, 0.004, 0.02, 0.08] {
        let mut random = Random(5);
        let mut analyser = Analyser::new();
        for _ in 0..12 {
            let pixels = (0..320 * 180).map(|n| {
                let ground = 0.3 + 0.4 * (n % 320) as f32 / 320.0;
                [ground + strength * random.normal(), ground, 0.5 + strength * random.normal(), 1.0]
            });
            analyser.push(&Frame::from_pixels(320, 180, pixels.collect()).unwrap(), Encoding::Srgb);
        }
        assert_eq!(analyser.finish().drawings().len(), 1, "{strength}");
    }
}

#[test]
fn a_sheet_survives_its_file() {
    let sheet = Sheet::of_exposures([2, 3, 1]).with_cuts(&[2]);
    let text = serde_json::to_string(&sheet).unwrap();
    assert_eq!(serde_json::from_str::<Sheet>(&text).unwrap(), sheet);
    assert_eq!(sheet.drawing_at(4).unwrap().first, 2);
    assert!(sheet.drawing_at(6).is_none());
}

#[test]
fn what_is_hidden_makes_no_other_drawing_and_what_is_seen_does() {
    let ground = |x: usize, y: usize| 0.5 + 0.3 * libm::sinf(x as f32 / 7.0 + y as f32 / 11.0);
    let with = |square: Option<(usize, usize)>| -> Frame {
        let is_on = |x: usize, y: usize| {
            square.is_some_and(|(left, top)| {
                (left..left + 24).contains(&x) && (top..top + 24).contains(&y)
            })
        };
        let pixels = (0..200 * 120).map(|at| {
            let (x, y) = (at % 200, at / 200);
            let value = if is_on(x, y) { 1.0 } else { ground(x, y) };
            [value, value, value, 1.0]
        });
        Frame::from_pixels(200, 120, pixels.collect()).unwrap()
    };
    let covered: Vec<bool> = with(Some((40, 50))).pixels().iter().map(|p| p[0] == 1.0).collect();
    let of = |frame: &Frame| Signature::of(frame, Encoding::Srgb);
    let (plain, text) = (of(&with(None)), of(&with(Some((40, 50)))));
    assert!(Comparison::of(&plain, &text).difference() > compare::LEAST_LIMIT);
    // It is enough that one of the two hides it.
    let hidden = text.hiding(&covered);
    assert!(Comparison::of(&plain, &hidden).difference() < compare::LEAST_LIMIT);
    assert!(Comparison::of(&hidden, &plain).difference() < compare::LEAST_LIMIT);
    let elsewhere = of(&with(Some((120, 50))));
    assert!(Comparison::of(&elsewhere, &hidden).difference() > compare::LEAST_LIMIT);
}
