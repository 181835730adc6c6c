//! Picture files in, picture files out: drawn frames are stored like their keys, and none of the
//! keys' metadata is lost.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod clips;
#[path = "../common/mod.rs"]
mod common;
mod formats;
mod metadata;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use exr::prelude::SampleType;
use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder, ImageReader, Rgba};

use common::{Done, Workspace};
use formats::sample_types;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

fn well(space: &Workspace, arguments: &[&str]) -> Done {
    let done = space.run(arguments);
    assert_eq!(done.code, 0, "{arguments:?}: {}", done.err);
    done
}

fn write(space: &Workspace, name: &str, bytes: impl AsRef<[u8]>) {
    let path = space.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A ball on a ground; its position is in steps of 5 pixels.
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

/// The PNG file with an additional chunk after its head.
fn with_chunk(mut file: Vec<u8>, kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let sum = !body
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)));
    let chunk = [&(content.len() as u32).to_be_bytes()[..], &body, &sum.to_be_bytes()].concat();
    file.splice(33..33, chunk);
    file
}

fn has(file: &Path, part: &[u8]) -> bool {
    fs::read(file).unwrap().windows(part.len()).any(|window| window == part)
}

/// As much of a colour profile as readers look at.
fn profile() -> Vec<u8> {
    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&128_u32.to_be_bytes());
    profile[12..20].copy_from_slice(b"mntrRGB ");
    profile[36..40].copy_from_slice(b"acsp");
    profile
}

fn profile_of(path: &Path) -> Option<Vec<u8>> {
    let reader = ImageReader::open(path).unwrap().with_guessed_format().unwrap();
    reader.into_decoder().unwrap().icc_profile().unwrap()
}

#[test]
fn render_leaves_keys_in_its_own_folder_alone() {
    let space = Workspace::new();
    let keys = [(1, 0.0), (5, 2.0)].map(|(frame, at)| {
        write(&space, &format!("k/frame_000{frame}.png"), png(&ball(at).into_rgb16().into()));
        let path = space.path(&format!("k/frame_000{frame}.png"));
        (fs::read(&path).unwrap(), path)
    });
    let key = |frame: u32| format!("k/frame_000{frame}.png");
    well(&space, &["render", &key(1), &key(5), "--out", "k", "--in-betweens", "3"]);
    for (bytes, path) in &keys {
        assert_eq!(fs::read(path).unwrap(), *bytes, "{}", path.display());
    }
    let files = space.files("k");
    assert_eq!(files.len(), 5);
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb16), "as deep as the keys");
}

#[test]
fn render_refuses_to_write_over_what_it_reads() {
    let space = Workspace::new();
    for (file, at) in [("k/frame_0002.png", 0.0), ("k/frame_0005.png", 2.0), ("k/sheet.png", 1.0)] {
        write(&space, file, png(&ball(at).into_rgb8().into()));
    }
    let before: Vec<Vec<u8>> =
        space.files("k").iter().map(|file| fs::read(file).unwrap()).collect();
    let refused = |arguments: &[&str], file: &str| {
        let done = space.run(&[&["render"], arguments, &["--out", "k"]].concat());
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(file) && done.err.contains("written over"), "{}", done.err);
    };
    let (first, last) = ("k/frame_0002.png", "k/frame_0005.png");
    // An in-between over a key, one key over the other, the sheet over a key, a frame over a
    // sketch.
    refused(&[first, last, "--in-betweens", "3"], "frame_0002.png");
    refused(&[last, first, "--start", "2", "--in-betweens", "2"], "frame_000");
    refused(&["k/sheet.png", last, "--start", "6", "--sheet"], "sheet.png");
    refused(
        &[first, last, "--start", "4", "--in-betweens", "3", "--sketch", "6=k/frame_0005.png"],
        "frame_0005.png",
    );
    let after: Vec<Vec<u8>> = space.files("k").iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(after, before);
}

#[test]
fn the_kind_of_file_is_the_keys_unless_another_is_asked_for() {
    let space = Workspace::new();
    for (ending, picture) in [
        ("png", ball(0.0).into_rgba8().into()),
        ("tif", DynamicImage::from(ball(0.0).into_rgb16())),
        ("jpg", ball(0.0).into_rgb8().into()),
        ("webp", ball(0.0).into_rgb8().into()),
    ] {
        let keys = [format!("a.{ending}"), format!("b.{ending}")];
        keys.iter().for_each(|key| picture.save(space.path(key)).unwrap());
        well(&space, &["render", &keys[0], &keys[1], "--out", ending, "--in-betweens", "1"]);
        let files = space.files(ending);
        assert_eq!(name(&files[1]), format!("frame_0002.{ending}"));
        assert_eq!(colour(&files[1]), picture.color(), "{ending}");
        assert_eq!(
            fs::read(&files[0]).unwrap(),
            fs::read(space.path(&keys[0])).unwrap(),
            "{ending}"
        );
    }
    for (format, ending, kind) in [
        ("png", "png", ColorType::Rgb8),
        ("png16", "png", ColorType::Rgb16),
        ("tiff", "tif", ColorType::Rgb8),
        ("tiff16", "tif", ColorType::Rgb16),
        ("jpeg", "jpg", ColorType::Rgb8),
        ("webp", "webp", ColorType::Rgb8),
        ("exr", "exr", ColorType::Rgb32F),
        ("exr32", "exr", ColorType::Rgb32F),
    ] {
        let out = format!("as_{format}");
        well(
            &space,
            &["render", "a.tif", "b.tif", "--out", &out, "--in-betweens", "1", "--format", format],
        );
        let file = &space.files(&out)[1];
        assert_eq!(
            (name(file), colour(file)),
            (&*format!("frame_0002.{ending}"), kind),
            "{format}"
        );
        if ending == "exr" {
            let wanted = if format == "exr" { SampleType::F16 } else { SampleType::F32 };
            assert_eq!(sample_types(file), [wanted; 3], "{format}");
        }
    }
}
