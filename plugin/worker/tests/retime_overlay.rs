//! What is burnt into the picture stays, to the bit, while the picture moves; and what moves by itself is no overlay.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use font8x8::{BASIC_FONTS, UnicodeFonts};
use image::{Rgb, RgbImage};
use serde_json::Value;

use common::Workspace;

const WIDTH: i32 = 360;
const HEIGHT: i32 = 200;

/// Frames of a clip, 24 a second.
const FRAMES: i32 = 48;

/// Pixels of a letter's dots, a broken number, so that letters have soft edges.
const DOT: f32 = 2.6;

/// A painted ground: hills of several colours, posts with dark lines, clouds, from far left to far right.
fn ground(x: i32, y: i32) -> [f32; 3] {
    let (x, y) = (x as f32, y as f32);
    let hill = 110.0 + 30.0 * (x / 41.0).sin() + 11.0 * (x / 13.0).sin();
    let post = ((x / 17.0).sin() + 0.6 * (x / 5.3).sin()).abs();
    if (y - hill).abs() < 2.0 {
        [20.0, 24.0, 30.0]
    } else if y > hill {
        let stripe = (x / 9.0 + y / 14.0).sin();
        [70.0 + 40.0 * stripe, 120.0 + 30.0 * (y / 8.0).sin(), 60.0]
    } else if (0.2..0.3).contains(&post) {
        [30.0, 26.0, 34.0]
    } else if post < 0.2 {
        [90.0, 60.0, 50.0 + 40.0 * (y / 11.0).sin()]
    } else {
        let cloud = ((x / 23.0).sin() + (y / 12.0 + x / 31.0).cos()) * 0.5;
        [120.0 + 60.0 * cloud, 160.0 + 50.0 * cloud, 205.0]
    }
}

/// A picture in the making: colours of pixels, and how much of each is covered by what lies over the ground.
#[derive(Clone)]
struct Cel {
    colours: Vec<[f32; 3]>,
    covered: Vec<f32>,
}

impl Cel {
    /// The ground, moved by `camera` to the left.
    fn ground(camera: i32) -> Self {
        let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        Self {
            colours: places.map(|(x, y)| ground(x + camera, y)).collect(),
            covered: vec![0.0; (WIDTH * HEIGHT) as usize],
        }
    }

    fn lay(&mut self, x: i32, y: i32, colour: [f32; 3], share: f32) {
        if share > 0.0 && (0..WIDTH).contains(&x) && (0..HEIGHT).contains(&y) {
            let at = (y * WIDTH + x) as usize;
            for (to, from) in self.colours[at].iter_mut().zip(colour) {
                *to += share * (from - *to);
            }
            self.covered[at] = self.covered[at].max(share);
        }
    }

    /// White letters with a black outline and soft edges.
    fn write(mut self, text: &str, left: f32, top: f32) -> Self {
        let is_ink = |x: f32, y: f32| {
            let (column, row) = ((x - left) / DOT, (y - top) / DOT);
            if column < 0.0 || !(0.0..8.0).contains(&row) {
                return false;
            }
            let letter = text.chars().nth((column / 8.0) as usize);
            let glyph = letter.and_then(|letter| BASIC_FONTS.get(letter));
            glyph.is_some_and(|rows| rows[row as usize] >> (column as usize % 8) & 1 == 1)
        };
        let places = |n: i32| (0..n).flat_map(move |y| (0..n).map(move |x| (x, y)));
        let share = |x: i32, y: i32, reach: f32| {
            let hit = |(dx, dy): &(i32, i32)| {
                let at = |d: &i32| (*d as f32 + 0.5) / 4.0;
                let (x, y) = (x as f32 + at(dx), y as f32 + at(dy));
                let around = [
                    (0.0, 0.0),
                    (1.0, 0.0),
                    (-1.0, 0.0),
                    (0.0, 1.0),
                    (0.0, -1.0),
                    (0.7, 0.7),
                    (-0.7, 0.7),
                    (0.7, -0.7),
                    (-0.7, -0.7),
                ];
                around.iter().any(|(a, b)| is_ink(x + reach * a, y + reach * b))
            };
            places(4).filter(|place| hit(place)).count() as f32 / 16.0
        };
        let wide = (text.len() as f32 * 8.0 * DOT) as i32;
        for y in top as i32 - 4..(top + 8.0 * DOT) as i32 + 4 {
            for x in left as i32 - 4..left as i32 + wide + 4 {
                self.lay(x, y, [12.0; 3], share(x, y, 2.2));
                self.lay(x, y, [240.0, 240.0, 228.0], share(x, y, 0.0));
            }
        }
        self
    }

    /// A figure: a round body with stripes and an outline, and a hat.
    fn figure(mut self, left: i32, top: i32) -> Self {
        for y in 0..60_i32 {
            for x in 0..40_i32 {
                let (dx, dy) = (x as f32 - 20.0, y as f32 - 36.0);
                let far = (dx * dx + dy * dy).sqrt();
                let colour = match far {
                    0.0..16.0 if (y / 5) % 2 == 0 => [200.0, 60.0, 50.0],
                    0.0..16.0 => [240.0, 220.0, 190.0],
                    16.0..19.0 => [15.0, 10.0, 12.0],
                    _ if (8..20).contains(&y) && (x - 20).abs() < y => [40.0, 50.0, 150.0],
                    _ => continue,
                };
                self.lay(left + x, top + y, colour, 1.0);
            }
        }
        self
    }

    fn picture(&self) -> RgbImage {
        let mut colours = self.colours.iter();
        RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |_, _| {
            Rgb(colours.next().unwrap().map(|value| value.round().clamp(0.0, 255.0) as u8))
        })
    }

    /// Whether nothing but what lies over the ground is seen at a pixel.
    fn is_opaque(&self, at: usize) -> bool {
        self.covered[at] >= 1.0
    }

    /// Whether a pixel of ground, or of an overlay's soft edge, lies beside what covers the ground.
    fn is_beside(&self, at: usize) -> bool {
        const NEAR: i32 = 4;
        let (x, y) = (at as i32 % WIDTH, at as i32 / WIDTH);
        let around = (-NEAR..=NEAR).flat_map(|dy| (-NEAR..=NEAR).map(move |dx| (x + dx, y + dy)));
        let mut inside = around.filter(|(x, y)| (0..WIDTH).contains(x) && (0..HEIGHT).contains(y));
        !self.is_opaque(at) && inside.any(|(x, y)| self.is_covered((y * WIDTH + x) as usize))
    }

    /// Whether anything of what lies over the ground is seen at a pixel.
    fn is_covered(&self, at: usize) -> bool {
        self.covered[at] > 0.0
    }
}

/// A pan on twos: the ground moves by four pixels with every second frame.
fn pan(frame: i32) -> i32 {
    60 + 4 * (frame / 2)
}

/// What is laid over the ground on a frame.
type Overlay = Box<dyn Fn(i32, Cel) -> Cel>;

struct Film {
    space: Workspace,
    cels: Vec<Cel>,
    /// Of a pan: what lies over it.
    overlay: Option<Overlay>,
}

impl Film {
    fn new(cel: impl Fn(i32) -> Cel) -> Self {
        let (space, cels) = (Workspace::new(), (0..FRAMES).map(cel).collect::<Vec<_>>());
        fs::create_dir_all(space.path("in")).unwrap();
        for (n, cel) in cels.iter().enumerate() {
            cel.picture().save(space.path(&format!("in/a.{n:04}.png"))).unwrap();
        }
        Self { space, cels, overlay: None }
    }

    fn over_a_pan(overlay: impl Fn(i32, Cel) -> Cel + 'static) -> Self {
        let film = Self::new(|n| overlay(n, Cel::ground(pan(n))));
        Self { overlay: Some(Box::new(overlay)), ..film }
    }

    /// The frames at twice the rate, and what was told.
    fn retimed(&self, output: &str, more: &[&str]) -> (Vec<PathBuf>, Value) {
        let order = ["retime", "in", output, "--from", "24", "--to", "48", "--json"];
        let done = self.space.run(&[&order, more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        (self.space.files(output), done.json())
    }

    /// What is told of the clip without drawing anything.
    fn told(&self, more: &[&str]) -> Value {
        let done = self.space.run(&[&["retime", "in", "--x-sheet", "--json"], more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        done.json()
    }

    /// The number of pixels that overlays cover wholly and that are not those of the source frame of their time, over all
    /// frames; the first file is the frame `first` of the output.
    fn lost(&self, files: &[PathBuf], first: usize) -> usize {
        let lost = |(n, file): (usize, &PathBuf)| {
            let cel = &self.cels[(first + n) / 2];
            let (made, source) = (open(file), cel.picture());
            let pixels = made.pixels().zip(source.pixels()).enumerate();
            pixels.filter(|(at, (made, source))| cel.is_opaque(*at) && made != source).count()
        };
        files.iter().enumerate().map(lost).sum()
    }

    /// The mean error of 255 of what was drawn between the drawings of a pan, where no overlay is.
    fn off_the_ground(&self, files: &[PathBuf]) -> f32 {
        let (mut sum, mut count) = (0.0, 0);
        for (n, file) in files.iter().enumerate().take(files.len() - 4) {
            let (made, truth) = (open(file), Cel::ground(60 + n as i32).picture());
            let pixels = made.pixels().zip(truth.pixels()).enumerate();
            for (_, (made, truth)) in pixels.filter(|(at, _)| !self.cels[n / 2].is_covered(*at)) {
                sum +=
                    made.0.iter().zip(truth.0).map(|(a, b)| f32::from(a.abs_diff(b))).sum::<f32>();
                count += 3;
            }
        }
        sum / count as f32
    }

    /// The mean error of 255 of what was drawn between and beside the letters, where the ground moves on.
    fn off_beside(&self, files: &[PathBuf]) -> f32 {
        let Some(overlay) = &self.overlay else { return 0.0 };
        let (mut sum, mut count) = (0.0, 0);
        for (n, file) in files.iter().enumerate().take(files.len() - 4) {
            let cel = overlay(n as i32 / 2, Cel::ground(60 + n as i32));
            let (made, truth) = (open(file), cel.picture());
            let pixels = made.pixels().zip(truth.pixels()).enumerate();
            for (_, (made, truth)) in pixels.filter(|(at, _)| cel.is_beside(*at)) {
                sum +=
                    made.0.iter().zip(truth.0).map(|(a, b)| f32::from(a.abs_diff(b))).sum::<f32>();
                count += 3;
            }
        }
        sum / count.max(1) as f32
    }
}

fn open(file: &Path) -> RgbImage {
    image::open(file).unwrap().into_rgb8()
}

fn drawings(sheet: &Value) -> usize {
    sheet["drawings"].as_array().unwrap().len()
}

/// A film over a pan: the overlay is kept to the bit, every drawing is found, and the ground moves on behind it. What is
/// seen beside letters may be off by `most_beside` of 255 in the mean: what comes out from behind them is a guess.
fn stays(film: &Film, most_beside: f32) {
    let (files, told) = film.retimed("out", &[]);
    assert!(!told["overlays"].as_array().unwrap().is_empty());
    assert_eq!(drawings(&told["sheet"]), FRAMES as usize / 2, "{}", told["sheet"]);
    assert_eq!(film.lost(&files, 0), 0, "pixels of overlays are not as in the clip");
    let (off, beside) = (film.off_the_ground(&files), film.off_beside(&files));
    // What comes of it when nobody looks for overlays.
    let (moved, told) = film.retimed("moved", &["--move-overlays", "--frames", "41-48"]);
    assert_eq!(told["overlays"], Value::Array(Vec::new()));
    let lost = film.lost(&moved, 40);
    println!(
        "the ground is off by {off:.2}, beside letters by {beside:.2}; without finding overlays {lost} pixels of them are lost"
    );
    assert!(off < 2.0, "{off}");
    assert!(beside < most_beside, "ground of another time is seen beside letters: {beside}");
    assert!(lost > 100, "there is nothing to be kept: {lost}");
}

#[test]
fn a_logo_over_a_pan_stays() {
    stays(&Film::over_a_pan(|_, ground| ground.write("TV5", 280.0, 14.0)), 4.0);
}

#[test]
fn a_subtitle_that_changes_over_twos_stays() {
    stays(
        &Film::over_a_pan(|n, ground| match n {
            5..23 => ground.write("Where to?", 80.0, 160.0),
            23..45 => ground.write("Not far now", 60.0, 160.0),
            _ => ground,
        }),
        0.5,
    );
}

#[test]
fn a_counter_that_runs_over_a_pan_stays() {
    stays(
        &Film::over_a_pan(|n, ground| {
            ground.write(&format!("00:07:{:02}:{:02}", n / 24, n % 24), 20.0, 12.0)
        }),
        7.0,
    );
}

/// Nothing is found, and the clip is told as without looking.
fn nothing_stays(film: &Film) {
    let told = film.told(&[]);
    assert_eq!(told["overlays"], Value::Array(Vec::new()));
    assert_eq!(told, film.told(&["--move-overlays"]));
}

#[test]
fn a_figure_that_rests_before_a_moving_ground_and_then_goes_is_none() {
    let film = Film::new(|n| {
        let steps = (n / 2 - 12).max(0);
        Cel::ground(pan(n)).figure(150 + 5 * steps, 110)
    });
    nothing_stays(&film);
    // Around the frame on which it goes, every file is the same, too.
    let (files, _) = film.retimed("out", &["--frames", "47-50"]);
    let (others, _) = film.retimed("moved", &["--move-overlays", "--frames", "47-50"]);
    assert_eq!(files.len(), others.len());
    for (file, other) in files.iter().zip(&others) {
        assert_eq!(fs::read(file).unwrap(), fs::read(other).unwrap(), "{}", file.display());
    }
}

#[test]
fn a_ground_that_stands_still_behind_a_figure_is_none() {
    nothing_stays(&Film::new(|n| {
        let swing = (n / 2) as f32 * 0.7;
        Cel::ground(60).figure(160 + (90.0 * swing.sin()) as i32, 90 + (30.0 * swing.cos()) as i32)
    }));
}

#[test]
fn a_sign_on_which_the_camera_rests_is_none() {
    nothing_stays(&Film::new(|n| {
        let camera = 4 * (n / 2).min(8) + 4 * (n / 2 - 18).max(0);
        Cel::ground(60 + camera).write("HARBOUR", (150 - camera) as f32, 60.0)
    }));
}
