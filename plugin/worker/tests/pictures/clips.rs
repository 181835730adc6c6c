//! Clips of picture files, retimed: every frame keeps the clip's form.

use std::fs;
use std::path::{Path, PathBuf};

use exr::prelude::{Compression, MetaData, SampleType};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ColorType, DynamicImage, ImageDecoder as _, ImageEncoder as _, ImageReader};

use crate::common::Workspace;
use crate::formats::{exr_file, sample_types};
use crate::{
    HEIGHT, WIDTH, ball, colour, has, name, open, png, profile, profile_of, well, with_chunk, write,
};

/// A clip of the ball, `n` of 6 frames on twos, whose files are written by `store`.
fn clip(space: &Workspace, pattern: &str, store: impl Fn(usize, DynamicImage) -> Vec<u8>) {
    for n in 0..6 {
        let file = pattern.replace('#', &format!("{:04}", n + 1));
        write(space, &file, store(n, ball((n / 2) as f32)));
    }
}

fn retimed(space: &Workspace, input: &str) -> Vec<PathBuf> {
    well(space, &["retime", input, "out", "--from", "24", "--to", "48"]);
    space.files("out")
}

#[test]
fn a_grey_first_picture_makes_no_grey_film() {
    let space = Workspace::new();
    clip(&space, "in/f.#.png", |n, picture| {
        if n < 2 { png(&picture.into_luma8().into()) } else { png(&picture.into_rgb8().into()) }
    });
    let files = retimed(&space, "in");
    assert_eq!(files.len(), 12);
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb8));
    let first = open(&space.path("in/f.0001.png")).into_rgb8();
    assert_eq!(open(&files[0]).into_rgb8(), first, "the same picture, stored in colour");
}

#[test]
fn alpha_and_depth_that_come_later_are_there_from_the_start() {
    let space = Workspace::new();
    clip(&space, "in/f.#.png", |n, picture| match n {
        0..2 => png(&picture.into_rgb8().into()),
        2..4 => png(&picture.into_rgb16().into()),
        _ => {
            let mut picture = picture.into_rgba8();
            picture.pixels_mut().for_each(|pixel| pixel[3] = 128);
            png(&picture.into())
        }
    });
    let files = retimed(&space, "in");
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgba16));
    let alpha = |file: &Path| open(file).into_rgba16().get_pixel(5, 5)[3];
    assert_eq!(alpha(&files[0]), u16::MAX);
    assert_eq!(alpha(&files[9]), 128 * 257);
}

#[test]
fn profile_gamma_and_resolution_stay_with_every_png() {
    let space = Workspace::new();
    clip(&space, "in/f.#.png", |_, picture| {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile()).unwrap();
        picture.into_rgb8().write_with_encoder(encoder).unwrap();
        with_chunk(
            with_chunk(bytes, b"gAMA", &100_000_u32.to_be_bytes()),
            b"pHYs",
            &[0, 0, 9, 1, 0, 0, 9, 1, 1],
        )
    });
    for file in retimed(&space, "in") {
        assert_eq!(profile_of(&file), Some(profile()), "{}", file.display());
        assert!(has(&file, b"gAMA\0\x01\x86\xa0") && has(&file, b"pHYs"), "{}", file.display());
    }
    well(
        &space,
        &["render", "in/f.0001.png", "in/f.0005.png", "--out", "jpeg", "--format", "jpeg"],
    );
    assert!(space.files("jpeg").iter().all(|file| profile_of(file) == Some(profile())));
}

fn jpeg(picture: &DynamicImage, orientation: Option<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 80);
    encoder.set_icc_profile(profile()).unwrap();
    picture.to_rgb8().write_with_encoder(encoder).unwrap();
    if let Some(orientation) = orientation {
        let mut exif =
            *b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        exif[29] = orientation;
        bytes.splice(2..2, exif);
    }
    bytes
}

#[test]
fn jpeg_keeps_size_orientation_profile_and_what_stands_still() {
    let space = Workspace::new();
    clip(&space, "in/f.#.jpg", |_, picture| jpeg(&picture, Some(6)));
    let files = retimed(&space, "in");
    let source = open(&space.path("in/f.0001.jpg")).into_rgb8();
    for file in &files {
        let reader = ImageReader::open(file).unwrap().with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        assert_eq!(decoder.dimensions(), (WIDTH, HEIGHT), "{}", file.display());
        assert_eq!(decoder.orientation().unwrap().to_exif(), 6, "{}", file.display());
        assert_eq!(decoder.icc_profile().unwrap(), Some(profile()));
        // The ground at the right stands still, so there must be no flicker between copied and
        // drawn frames.
        let still = open(file).into_rgb8();
        let (mut sum, mut count) = (0_u32, 0_u32);
        for y in 0..HEIGHT {
            for x in 64..WIDTH {
                for c in 0..3 {
                    sum += u32::from(still.get_pixel(x, y)[c].abs_diff(source.get_pixel(x, y)[c]));
                    count += 1;
                }
            }
        }
        let mean = f64::from(sum) / f64::from(count);
        assert!(mean <= 0.1, "{}: {mean}", file.display());
    }
}

#[test]
fn pictures_of_mixed_orientation_become_one() {
    let space = Workspace::new();
    clip(&space, "in/f.#.jpg", |n, picture| {
        if n < 4 { jpeg(&picture.rotate270(), Some(6)) } else { jpeg(&picture, None) }
    });
    let sizes = retimed(&space, "in")
        .iter()
        .map(|file| (open(file).width(), open(file).height()))
        .collect::<Vec<_>>();
    assert!(sizes.iter().all(|size| *size == (HEIGHT, WIDTH)), "{sizes:?}");
}

#[test]
fn exr_in_halves_stays_so_in_every_frame_of_a_clip() {
    let space = Workspace::new();
    clip(&space, "in/f.#.exr", |n, _| exr_file(&["R", "G", "B"], (n / 2) as f32, true));
    for file in retimed(&space, "in") {
        assert_eq!(sample_types(&file), [SampleType::F16; 3], "{}", file.display());
        let about = MetaData::read_from_file(&file, false).unwrap();
        assert_eq!(about.headers[0].shared_attributes.pixel_aspect, 2.0);
        assert_eq!(about.headers[0].compression, Compression::PIZ);
        assert!(about.headers[0].shared_attributes.chromaticities.is_some());
    }
}

#[test]
fn negative_frames_play_forwards_and_names_keep_their_beginning() {
    let space = Workspace::new();
    for n in 0..4 {
        let file = format!("in/f.-{:04}.png", 16 - n);
        write(&space, &file, png(&ball((n / 2) as f32).into_rgb8().into()));
    }
    let files = retimed(&space, "in");
    let names: Vec<&str> = files.iter().map(|file| name(file)).collect();
    assert!(names.contains(&"f.-0016.png") && names.contains(&"f.-0009.png"), "{names:?}");
    let first = fs::read(space.path("in/f.-0016.png")).unwrap();
    assert_eq!(fs::read(space.path("out/f.-0016.png")).unwrap(), first);
}

#[test]
fn folders_and_names_may_be_odd() {
    let space = Workspace::new();
    for (from, to) in [
        ("sc01_v1.1", "sc01_v1.2"),
        ("12:30:05", "12:30:06"),
        ("100%done", "100%smooth"),
        ("a b1", "a b#2"),
        ("./-dash", "./-dashed"),
        ("shots.mov", "smooth.mov.d"),
    ] {
        clip(&space, &format!("{from}/50% x-:#.png"), |_, picture| {
            png(&picture.into_rgb8().into())
        });
        well(&space, &["retime", from, to, "--from", "24", "--to", "48"]);
        let files = space.files(to);
        assert_eq!(files.len(), 12, "{from}");
        assert_eq!(name(&files[0]), "50% x-:0001.png");
    }
    let itself = space.run(&["retime", "12:30:05", "12:30:05", "--to", "48", "--overwrite"]);
    assert_eq!(itself.code, 2, "{}", itself.err);
}

#[test]
fn animated_gif_and_png_are_clips() {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame};
    let space = Workspace::new();
    let mut gif = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut gif);
        for n in 0..4 {
            let delay = Delay::from_numer_denom_ms(if n == 1 { 80 } else { 40 }, 1);
            let picture = ball((n / 2) as f32).into_rgba8();
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
    }
    write(&space, "roll.gif", gif);
    let done = well(&space, &["retime", "roll.gif", "out", "--to", "50", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    // 40, 80, 40 and 40 milliseconds: five frames at 25 a second, with the first drawing held for
    // three.
    assert_eq!((&told["from"], &told["frames"]), (&"25".into(), &10.into()));
    assert_eq!(told["sheet"]["drawings"][0]["frames"], 3);
    let files = space.files("out");
    assert_eq!(name(&files[0]), "roll.0001.png");
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb8), "an opaque film");
    let one = space.run(&["retime", "out/roll.0001.png", "o", "--to", "50"]);
    assert!(one.err.contains("is one picture"), "{}", one.err);
}

/// Mean brightness, of 255.
fn brightness(file: &Path) -> f64 {
    let picture = open(file).into_luma8();
    picture.pixels().map(|pixel| f64::from(pixel[0])).sum::<f64>() / f64::from(WIDTH * HEIGHT)
}

#[test]
fn a_held_drawing_fades_in_even_steps() {
    let space = Workspace::new();
    for n in 0..24_u8 {
        let mut picture = ball(1.0).into_rgb8();
        let light = 1.0 - f32::from(n) / 23.0;
        let darker = |value: u8| (f32::from(value) * light).round() as u8;
        picture.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(darker));
        write(&space, &format!("in/f.{n:04}.png"), png(&picture.into()));
    }
    let done = well(&space, &["retime", "in", "out", "--from", "24", "--to", "48", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["sheet"]["cuts"], serde_json::json!([]));
    let drawings = told["sheet"]["drawings"].as_array().unwrap();
    assert!(drawings.iter().all(|drawing| drawing["pan"].is_null()), "{drawings:?}");
    let files = space.files("out");
    for n in 0..24 {
        let source = fs::read(space.path(&format!("in/f.{n:04}.png"))).unwrap();
        assert_eq!(fs::read(&files[2 * n]).unwrap(), source, "source frame {n}");
    }
    let light: Vec<f64> = files[..47].iter().map(|file| brightness(file)).collect();
    for pair in light.windows(2) {
        let step = pair[0] - pair[1];
        assert!((-0.1..=9.0).contains(&step), "{light:?}");
    }
}

#[test]
fn at_its_own_rate_a_clip_on_twos_is_finished_into_ones() {
    let space = Workspace::new();
    clip(&space, "in/f.#.png", |_, picture| png(&picture.into_rgb8().into()));
    let done = well(&space, &["retime", "in", "out", "--from", "24", "--to", "24", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&told["frames"], &told["drawn"]), (&6.into(), &2.into()));
    let files = space.files("out");
    let pictures: Vec<DynamicImage> = files.iter().map(|file| open(file)).collect();
    assert!(pictures[..5].windows(2).all(|pair| pair[0] != pair[1]));
    for n in [0, 2, 4] {
        let source = fs::read(space.path(&format!("in/f.{:04}.png", n + 1))).unwrap();
        assert_eq!(fs::read(&files[n]).unwrap(), source);
    }
}
