//! `retime` from a script's point of view: sequences of every depth, videos, interruptions,
//! refusals.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{ColorType, DynamicImage, ImageBuffer, Rgba};
use serde_json::Value;

use common::{Done, Workspace, has_ffmpeg};

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

fn retime(space: &Workspace, arguments: &[&str]) -> Done {
    space.run(&[&["retime"], arguments].concat())
}

/// A ball that rolls over a ground, a new drawing on every second frame.
fn clip(
    space: &Workspace,
    folder: &str,
    ending: &str,
    frames: u32,
    store: fn(Drawing) -> DynamicImage,
) {
    fs::create_dir_all(space.path(folder)).unwrap();
    for n in 0..frames {
        let picture = ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| pixel(n / 2, x, y));
        store(picture).save(space.path(&format!("{folder}/roll.{:04}.{ending}", 101 + n))).unwrap();
    }
}

type Drawing = ImageBuffer<Rgba<f32>, Vec<f32>>;

fn pixel(drawing: u32, x: u32, y: u32) -> Rgba<f32> {
    let (dx, dy) = (x as f32 - 20.0 - 5.0 * drawing as f32, y as f32 - 34.0);
    match (dx.hypot(dy), y) {
        (0.0..12.0, _) => Rgba([0.85, 0.2, 0.15, 1.0]),
        (12.0..14.0, _) => Rgba([0.1, 0.05, 0.1, 1.0]),
        (_, 44..) => Rgba([0.2, 0.5 + 0.1 * (x / 12 % 2) as f32, 0.3, 1.0]),
        _ => Rgba([0.0; 4]),
    }
}

fn open(path: &Path) -> DynamicImage {
    image::open(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

#[test]
fn sixteen_bits_and_alpha_come_through_and_holds_become_motion() {
    let space = Workspace::new();
    clip(&space, "in", "png", 6, |drawing| DynamicImage::from(drawing).into_rgba16().into());
    let done = retime(&space, &["in", "out", "--from", "24", "--to", "48", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let told = done.json();
    assert_eq!(
        (&told["frames"], &told["drawn"], &told["copied"]),
        (&12.into(), &6.into(), &6.into())
    );
    assert_eq!(told["sheet"]["usual_exposure"], 2);

    let files = space.files("out");
    assert_eq!(files.len(), 12);
    assert!(files[0].ends_with("roll.0101.png"), "names and numbers are the clip's own");
    for file in &files {
        assert_eq!((open(file).width(), open(file).height()), (WIDTH, HEIGHT));
        assert_eq!(open(file).color(), ColorType::Rgba16);
    }
    // The drawings themselves are the clip's files, bit for bit.
    for (out, source) in [(0, 101), (4, 103), (8, 105)] {
        let source = fs::read(space.path(&format!("in/roll.{source:04}.png"))).unwrap();
        assert_eq!(fs::read(&files[out]).unwrap(), source);
    }
    // Up to the last drawing, which is held, each frame differs from the previous one, in its alpha
    // too.
    for pair in files[..9].windows(2) {
        let alpha =
            |file: &Path| open(file).into_rgba16().pixels().map(|p| p[3]).collect::<Vec<_>>();
        assert_ne!(alpha(&pair[0]), alpha(&pair[1]), "{}", pair[1].display());
    }
}

#[test]
fn exr_stays_linear_and_keeps_highlights() {
    let space = Workspace::new();
    clip(&space, "in", "exr", 4, |mut drawing| {
        drawing.pixels_mut().for_each(|pixel| pixel.0[0] *= 4.0);
        drawing.into()
    });
    let done =
        retime(&space, &["in/roll.####.exr", "out/a_%03d.exr", "--from", "12", "--to", "24"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let files = space.files("out");
    assert_eq!(files.len(), 8);
    let between = open(&files[2]);
    assert_eq!(between.color(), ColorType::Rgba32F);
    let brightest = between.into_rgba32f().pixels().map(|pixel| pixel[0]).fold(0.0, f32::max);
    assert!((3.2..3.6).contains(&brightest), "{brightest}");
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let space = Workspace::new();
    clip(&space, "in", "png", 6, |drawing| DynamicImage::from(drawing).into_rgba8().into());
    let order = ["in", "out", "--from", "24", "--to", "48", "--json"];
    assert_eq!(retime(&space, &order).code, 0);
    let files = space.files("out");
    let before: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    // As after a crash: some frames are missing, one is half written under its temporary name.
    for at in [1, 4, 7] {
        fs::remove_file(&files[at]).unwrap();
    }
    let half = space.path("out/.inbetween-unfinished-h4lf");
    fs::write(&half, b"half").unwrap();
    let again = retime(&space, &order);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.json()["resumed"], 9);
    assert!(!half.exists(), "what a crash left is tidied up");
    let after: Vec<Vec<u8>> =
        space.files("out").iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(after, before);
}

#[test]
fn other_pictures_are_never_mixed_or_overwritten_unasked() {
    let space = Workspace::new();
    clip(&space, "in", "png", 4, |drawing| DynamicImage::from(drawing).into_rgb8().into());
    assert_eq!(retime(&space, &["in", "out", "--to", "48"]).code, 0);
    let other = retime(&space, &["in", "out", "--to", "60"]);
    assert_eq!(other.code, 2);
    assert!(other.err.contains("--overwrite"), "{}", other.err);
    assert_eq!(space.files("out").len(), 8, "nothing was touched");
    assert_eq!(retime(&space, &["in", "out", "--to", "60", "--overwrite"]).code, 0);
    assert_eq!(space.files("out").len(), 10);
    let itself = retime(&space, &["in", "in/roll.%04d.png", "--to", "60", "--overwrite"]);
    assert_eq!(itself.code, 2);
    assert!(itself.err.contains("over the clip itself"), "{}", itself.err);
    assert_eq!(space.files("in").len(), 4);
}

#[test]
fn without_strength_every_frame_is_one_of_the_clip() {
    let space = Workspace::new();
    clip(&space, "in", "png", 4, |drawing| DynamicImage::from(drawing).into_luma8().into());
    let done = retime(&space, &["in", "out", "--to", "60", "--strength", "0", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!((&done.json()["drawn"], &done.json()["copied"]), (&0.into(), &10.into()));
}

#[test]
fn the_sheet_alone_is_told_without_writing_anything() {
    let space = Workspace::new();
    clip(&space, "in", "png", 6, |drawing| DynamicImage::from(drawing).into_rgb8().into());
    let done = retime(&space, &["in", "--x-sheet", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let told = done.json();
    let lengths: Vec<u64> = told["drawings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["frames"].as_u64().unwrap())
        .collect();
    assert_eq!(lengths, [2, 2, 2]);
    assert_eq!(retime(&space, &["in", "--x-sheet"]).out.lines().count(), 4);
    assert_eq!(fs::read_dir(space.folder()).unwrap().count(), 1);
}

#[test]
fn mistakes_are_named_with_what_to_do() {
    let space = Workspace::new();
    clip(&space, "in", "png", 4, |drawing| DynamicImage::from(drawing).into_rgb8().into());
    let refused = |arguments: &[&str], code: i32, part: &str| {
        let done = retime(&space, arguments);
        assert_eq!(done.code, code, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(part), "{arguments:?}: {}", done.err);
    };
    refused(&["in", "out"], 2, "--to");
    refused(&["in", "out", "--to", "fast"], 2, "23.976");
    refused(&["in", "out", "--to", "48", "--strength", "2"], 2, "between 0 and 1");
    refused(&["nowhere", "out", "--to", "48"], 3, "not there");
    refused(&["in", "out.png", "--to", "48"], 2, "one file");
    refused(&["in", "out/a.%04d.bmp", "--to", "48"], 2, "PNG, JPEG, TIFF, EXR or WebP");
    fs::remove_file(space.path("in/roll.0102.png")).unwrap();
    refused(&["in", "out", "--to", "48"], 3, "roll.0102.png is missing");
    fs::write(space.path("in/roll.0102.png"), b"no picture").unwrap();
    refused(&["in", "out", "--to", "48"], 3, "roll.0102.png");
}

#[test]
fn a_machine_without_ffmpeg_is_told_what_to_install() {
    let space = Workspace::new();
    fs::write(space.path("clip.mp4"), b"some video").unwrap();
    let mut command = space.command(&["retime", "clip.mp4", "out.mp4", "--to", "60"]);
    let done = Done::of(command.env("PATH", space.path("empty")).output().unwrap());
    assert_eq!(done.code, 3);
    assert!(done.err.contains("apt install ffmpeg"), "{}", done.err);
}

fn ffmpeg(space: &Workspace, arguments: &[&str]) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .current_dir(space.folder())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What ffprobe reports about a stream.
fn told_of(space: &Workspace, file: &str, stream: &str) -> Value {
    let done = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            stream,
            "-show_streams",
            "-of",
            "json",
            file,
        ])
        .current_dir(space.folder())
        .output()
        .unwrap();
    serde_json::from_slice::<Value>(&done.stdout).unwrap()["streams"][0].clone()
}

#[test]
fn a_video_keeps_its_sound_and_gets_an_exact_rate() {
    if !has_ffmpeg() {
        return;
    }
    let space = Workspace::new();
    clip(&space, "in", "png", 8, |drawing| DynamicImage::from(drawing).into_rgb8().into());
    ffmpeg(
        &space,
        &[
            "-framerate",
            "24000/1001",
            "-start_number",
            "101",
            "-i",
            "in/roll.%04d.png",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=0.3",
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "mpeg4",
            "-q:v",
            "2",
            "-c:a",
            "aac",
            "clip.mp4",
        ],
    );
    let done = retime(&space, &["clip.mp4", "fast.mp4", "--to", "59.94", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.json()["sheet"]["usual_exposure"], 2);
    let picture = told_of(&space, "fast.mp4", "v:0");
    assert_eq!(picture["r_frame_rate"], "60000/1001");
    assert_eq!(picture["nb_read_frames"], "20");
    assert_eq!((&picture["width"], &picture["height"]), (&WIDTH.into(), &HEIGHT.into()));
    assert_eq!(told_of(&space, "fast.mp4", "a:0")["codec_name"], "aac");
    assert!(!space.path("fast.mp4.frames").exists(), "the work folder is gone");
    assert_eq!(
        retime(&space, &["clip.mp4", "fast.mp4", "--to", "59.94"]).code,
        2,
        "a finished file stays"
    );
}

#[test]
fn a_video_becomes_pictures_and_an_opaque_container_refuses_alpha() {
    if !has_ffmpeg() {
        return;
    }
    let space = Workspace::new();
    clip(&space, "in", "png", 4, |drawing| DynamicImage::from(drawing).into_rgba8().into());
    let refused = retime(&space, &["in", "out.mp4", "--to", "48"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("transparency"), "{}", refused.err);
    ffmpeg(
        &space,
        &[
            "-framerate",
            "24",
            "-start_number",
            "101",
            "-i",
            "in/roll.%04d.png",
            "-c:v",
            "png",
            "clip.mov",
        ],
    );
    let done = retime(&space, &["clip.mov", "out", "--to", "48"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let files = space.files("out");
    assert_eq!(files.len(), 8);
    assert_eq!(open(&files[0]).into_rgba8(), open(&space.path("in/roll.0101.png")).into_rgba8());
}
