//! Picture files in, picture files out: nothing that is read is written over, and a clip keeps what any picture has.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{ColorType, DynamicImage, ImageBuffer, Rgba};
use tempfile::TempDir;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

struct Desk {
    folder: TempDir,
}

struct Done {
    code: i32,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder, with a cache of its own.
    fn run(&self, arguments: &[&str]) -> Done {
        let done = Command::new(env!("CARGO_BIN_EXE_inbetween"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("INBETWEEN_CACHE_DIR", self.path("cache"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Done { code: done.status.code().unwrap(), err: String::from_utf8(done.stderr).unwrap() }
    }

    fn well(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
        done
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The files of a folder by name, hidden ones left out.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path());
        let hidden = |path: &PathBuf| name(path).starts_with('.');
        let mut files: Vec<PathBuf> = entries.filter(|path| !hidden(path)).collect();
        files.sort();
        files
    }
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A ball on a ground, its place in steps of 5 pixels.
fn ball(at: f32) -> DynamicImage {
    let picture = ImageBuffer::from_fn(WIDTH, HEIGHT, |x, y| {
        let (dx, dy) = (x as f32 - 20.0 - 5.0 * at, y as f32 - 34.0);
        match (dx.hypot(dy), y) {
            (0.0..12.0, _) => Rgba([0.85_f32, 0.2, 0.15, 1.0]),
            (12.0..14.0, _) => Rgba([0.1, 0.05, 0.1, 1.0]),
            (_, 44..) => Rgba([0.2, 0.5 + 0.1 * (x / 12 % 2) as f32, 0.3, 1.0]),
            _ => Rgba([0.8, 0.85, 0.9, 1.0]),
        }
    });
    picture.into()
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn open(path: &Path) -> DynamicImage {
    image::open(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn colour(path: &Path) -> ColorType {
    open(path).color()
}

#[test]
fn render_leaves_keys_in_its_own_folder_alone() {
    let desk = Desk::new();
    let keys = [(1, 0.0), (5, 2.0)].map(|(frame, at)| {
        desk.write(&format!("k/frame_000{frame}.png"), png(&ball(at).into_rgb16().into()));
        let path = desk.path(&format!("k/frame_000{frame}.png"));
        (fs::read(&path).unwrap(), path)
    });
    let key = |frame: u32| format!("k/frame_000{frame}.png");
    desk.well(&["render", &key(1), &key(5), "--out", "k", "--in-betweens", "3"]);
    for (bytes, path) in &keys {
        assert_eq!(fs::read(path).unwrap(), *bytes, "{}", path.display());
    }
    let files = desk.files("k");
    assert_eq!(files.len(), 5);
}

#[test]
fn render_refuses_to_write_over_what_it_reads() {
    let desk = Desk::new();
    for (file, at) in [("k/frame_0002.png", 0.0), ("k/frame_0005.png", 2.0), ("k/sheet.png", 1.0)] {
        desk.write(file, png(&ball(at).into_rgb8().into()));
    }
    let before: Vec<Vec<u8>> = desk.files("k").iter().map(|file| fs::read(file).unwrap()).collect();
    let refused = |arguments: &[&str], file: &str| {
        let done = desk.run(&[&["render"], arguments, &["--out", "k"]].concat());
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(file) && done.err.contains("written over"), "{}", done.err);
    };
    let (first, last) = ("k/frame_0002.png", "k/frame_0005.png");
    // An in-between on a key, one key on the other, the sheet on a key, a frame on a sketch.
    refused(&[first, last, "--in-betweens", "3"], "frame_0002.png");
    refused(&[last, first, "--start", "2", "--in-betweens", "2"], "frame_000");
    refused(&["k/sheet.png", last, "--start", "6", "--sheet"], "sheet.png");
    refused(
        &[first, last, "--start", "4", "--in-betweens", "3", "--sketch", "6=k/frame_0005.png"],
        "frame_0005.png",
    );
    let after: Vec<Vec<u8>> = desk.files("k").iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(after, before);
}

/// A clip of the ball, `n` of 6 frames on twos, each file made by `store`.
fn clip(desk: &Desk, pattern: &str, store: impl Fn(usize, DynamicImage) -> Vec<u8>) {
    for n in 0..6 {
        let file = pattern.replace('#', &format!("{:04}", n + 1));
        desk.write(&file, store(n, ball((n / 2) as f32)));
    }
}

fn retimed(desk: &Desk, input: &str) -> Vec<PathBuf> {
    desk.well(&["retime", input, "out", "--from", "24", "--to", "48"]);
    desk.files("out")
}

#[test]
fn a_grey_first_picture_makes_no_grey_film() {
    let desk = Desk::new();
    clip(&desk, "in/f.#.png", |n, picture| {
        if n < 2 { png(&picture.into_luma8().into()) } else { png(&picture.into_rgb8().into()) }
    });
    let files = retimed(&desk, "in");
    assert_eq!(files.len(), 12);
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb8));
    let first = open(&desk.path("in/f.0001.png")).into_rgb8();
    assert_eq!(open(&files[0]).into_rgb8(), first, "the same picture, stored in colour");
}

#[test]
fn alpha_and_depth_that_come_later_are_there_from_the_start() {
    let desk = Desk::new();
    clip(&desk, "in/f.#.png", |n, picture| match n {
        0..2 => png(&picture.into_rgb8().into()),
        2..4 => png(&picture.into_rgb16().into()),
        _ => {
            let mut picture = picture.into_rgba8();
            picture.pixels_mut().for_each(|pixel| pixel[3] = 128);
            png(&picture.into())
        }
    });
    let files = retimed(&desk, "in");
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgba16));
    let alpha = |file: &Path| open(file).into_rgba16().get_pixel(5, 5)[3];
    assert_eq!(alpha(&files[0]), u16::MAX);
    assert_eq!(alpha(&files[9]), 128 * 257);
}
