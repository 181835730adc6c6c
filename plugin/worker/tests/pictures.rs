//! Picture files in, picture files out: what is drawn is stored as its keys are, and nothing of theirs is lost.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use exr::prelude::{
    AnyChannel, AnyChannels, AttributeValue, Compression, Encoding, FlatSamples, Image, Layer,
    LayerAttributes, MetaData, SampleType, Text, WritableImage, f16,
};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder, ImageEncoder, ImageReader, Rgba};
use tempfile::TempDir;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

struct Desk {
    folder: TempDir,
}

struct Done {
    code: i32,
    out: String,
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
        Done {
            code: done.status.code().unwrap(),
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
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

/// The PNG file with a chunk more right after its head.
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
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb16), "as deep as the keys");
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

#[test]
fn the_kind_of_file_is_the_keys_unless_another_is_asked_for() {
    let desk = Desk::new();
    for (ending, picture) in [
        ("png", ball(0.0).into_rgba8().into()),
        ("tif", DynamicImage::from(ball(0.0).into_rgb16())),
        ("jpg", ball(0.0).into_rgb8().into()),
        ("webp", ball(0.0).into_rgb8().into()),
    ] {
        let keys = [format!("a.{ending}"), format!("b.{ending}")];
        keys.iter().for_each(|key| picture.save(desk.path(key)).unwrap());
        desk.well(&["render", &keys[0], &keys[1], "--out", ending, "--in-betweens", "1"]);
        let files = desk.files(ending);
        assert_eq!(name(&files[1]), format!("frame_0002.{ending}"));
        assert_eq!(colour(&files[1]), picture.color(), "{ending}");
        assert_eq!(
            fs::read(&files[0]).unwrap(),
            fs::read(desk.path(&keys[0])).unwrap(),
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
        desk.well(&[
            "render",
            "a.tif",
            "b.tif",
            "--out",
            &out,
            "--in-betweens",
            "1",
            "--format",
            format,
        ]);
        let file = &desk.files(&out)[1];
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

fn sample_types(file: &Path) -> Vec<SampleType> {
    let about = MetaData::read_from_file(file, false).unwrap();
    about.headers[0].channels.list.iter().map(|channel| channel.sample_type).collect()
}

/// An EXR file of the ball with these channels, of which the first three or the first are its colours.
fn exr_file(channels: &[&str], at: f32, half: bool) -> Vec<u8> {
    let picture = ball(at).into_rgba32f();
    let plane = |n: usize| picture.pixels().map(|pixel| pixel.0[n % 4]).collect::<Vec<f32>>();
    let sample = |n: usize| {
        if half {
            FlatSamples::F16(plane(n).into_iter().map(f16::from_f32).collect())
        } else {
            FlatSamples::F32(plane(n))
        }
    };
    let list = channels.iter().enumerate().map(|(n, name)| AnyChannel::new(*name, sample(n)));
    let mut attributes = LayerAttributes::named("view");
    attributes.owner = Some(Text::from("the studio"));
    attributes.other.insert(Text::from("shot"), AttributeValue::Text(Text::from("sc010")));
    let encoding = Encoding { compression: Compression::PIZ, ..Encoding::default() };
    let size = (WIDTH as usize, HEIGHT as usize);
    let layer = Layer::new(size, attributes, encoding, AnyChannels::sort(list.collect()));
    let mut image = Image::from_layer(layer);
    image.attributes.pixel_aspect = 2.0;
    image.attributes.chromaticities = Some(exr::meta::attribute::Chromaticities {
        red: exr::math::Vec2(0.713, 0.293),
        green: exr::math::Vec2(0.165, 0.83),
        blue: exr::math::Vec2(0.128, 0.044),
        white: exr::math::Vec2(0.32168, 0.33767),
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write().to_buffered(&mut bytes).unwrap();
    bytes.into_inner()
}

#[test]
fn exr_keeps_halves_names_compression_and_attributes() {
    let desk = Desk::new();
    let channels = [
        "ViewLayer.Combined.R",
        "ViewLayer.Combined.G",
        "ViewLayer.Combined.B",
        "ViewLayer.Combined.A",
    ];
    for half in [true, false] {
        desk.write("a.exr", exr_file(&channels, 0.0, half));
        desk.write("b.exr", exr_file(&channels, 2.0, half));
        let out = format!("half_{half}");
        desk.well(&["render", "a.exr", "b.exr", "--out", &out, "--in-betweens", "1"]);
        let key = MetaData::read_from_file(desk.path("a.exr"), false).unwrap().headers[0].clone();
        let drawn =
            MetaData::read_from_file(&desk.files(&out)[1], false).unwrap().headers[0].clone();
        assert_eq!(drawn.channels, key.channels);
        assert_eq!(drawn.compression, Compression::PIZ);
        assert_eq!(drawn.shared_attributes, key.shared_attributes);
        assert_eq!(drawn.own_attributes, key.own_attributes);
        assert_eq!(drawn.layer_size, key.layer_size);
    }
}

#[test]
fn exr_of_named_layers_and_of_luminance_is_read() {
    let desk = Desk::new();
    for (case, channels) in [
        ("one layer", &["beauty.R", "beauty.G", "beauty.B"][..]),
        (
            "a whole picture among passes",
            &[
                "v.Combined.R",
                "v.Combined.G",
                "v.Combined.B",
                "v.Combined.A",
                "v.DiffCol.R",
                "v.DiffCol.G",
                "v.DiffCol.B",
                "v.Depth.Z",
            ],
        ),
        ("luminance", &["Y"]),
        ("luminance and coverage", &["Y", "A"]),
    ] {
        desk.write("a.exr", exr_file(channels, 0.0, true));
        desk.write("b.exr", exr_file(channels, 2.0, true));
        let done = desk.well(&["render", "a.exr", "b.exr", "--out", case, "--in-betweens", "1"]);
        assert_eq!(done.err.contains("v.Depth.Z"), channels.len() > 4, "{case}: {}", done.err);
        let drawn = MetaData::read_from_file(&desk.files(case)[1], false).unwrap();
        let mut names: Vec<String> =
            drawn.headers[0].channels.list.iter().map(|channel| channel.name.to_string()).collect();
        let mut wanted: Vec<&str> = channels.iter().copied().take(4).collect();
        names.sort();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{case}");
    }
    let said = |channels: &[&str]| {
        desk.write("a.exr", exr_file(channels, 0.0, true));
        let done = desk.run(&["render", "a.exr", "a.exr", "--out", "o"]);
        assert_eq!(done.code, 3, "{}", done.err);
        assert!(!done.err.contains("damaged"), "{}", done.err);
        done.err
    };
    assert!(
        said(&["diff.R", "diff.G", "diff.B", "spec.R", "spec.G", "spec.B"])
            .contains("several layers")
    );
    assert!(said(&["N.X", "N.Y", "N.Z"]).contains("N.X, N.Y, N.Z"));
}

#[test]
fn big_tiff_and_halves_in_tiff_come_and_go() {
    use tiff::encoder::{TiffEncoder, colortype::RGB8};
    let desk = Desk::new();
    for (file, at) in [("a.tif", 0.0), ("b.tif", 2.0)] {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new_big(&mut bytes).unwrap();
        encoder.write_image::<RGB8>(WIDTH, HEIGHT, &ball(at).into_rgb8()).unwrap();
        desk.write(file, bytes.into_inner());
    }
    desk.well(&["render", "a.tif", "b.tif", "--out", "o", "--in-betweens", "1"]);
    let drawn = &desk.files("o")[1];
    assert!(fs::read(drawn).unwrap().starts_with(b"II\x2b\0"), "long offsets as the keys have");
    // Read by its own program again.
    desk.well(&["render", "o/frame_0002.tif", "b.tif", "--out", "p", "--in-betweens", "1"]);
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

#[test]
fn profile_gamma_and_resolution_stay_with_every_png() {
    let desk = Desk::new();
    clip(&desk, "in/f.#.png", |_, picture| {
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
    for file in retimed(&desk, "in") {
        assert_eq!(profile_of(&file), Some(profile()), "{}", file.display());
        assert!(has(&file, b"gAMA\0\x01\x86\xa0") && has(&file, b"pHYs"), "{}", file.display());
    }
    desk.well(&["render", "in/f.0001.png", "in/f.0005.png", "--out", "jpeg", "--format", "jpeg"]);
    assert!(desk.files("jpeg").iter().all(|file| profile_of(file) == Some(profile())));
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
    let desk = Desk::new();
    clip(&desk, "in/f.#.jpg", |_, picture| jpeg(&picture, Some(6)));
    let files = retimed(&desk, "in");
    let source = open(&desk.path("in/f.0001.jpg")).into_rgb8();
    for file in &files {
        let reader = ImageReader::open(file).unwrap().with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        assert_eq!(decoder.dimensions(), (WIDTH, HEIGHT), "{}", file.display());
        assert_eq!(decoder.orientation().unwrap().to_exif(), 6, "{}", file.display());
        assert_eq!(decoder.icc_profile().unwrap(), Some(profile()));
        // The ground at the right stands still: no flicker between copied and drawn frames.
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
    let desk = Desk::new();
    clip(&desk, "in/f.#.jpg", |n, picture| {
        if n < 4 { jpeg(&picture.rotate270(), Some(6)) } else { jpeg(&picture, None) }
    });
    let sizes = retimed(&desk, "in")
        .iter()
        .map(|file| (open(file).width(), open(file).height()))
        .collect::<Vec<_>>();
    assert!(sizes.iter().all(|size| *size == (HEIGHT, WIDTH)), "{sizes:?}");
}

#[test]
fn exr_in_halves_stays_so_in_every_frame_of_a_clip() {
    let desk = Desk::new();
    clip(&desk, "in/f.#.exr", |n, _| exr_file(&["R", "G", "B"], (n / 2) as f32, true));
    for file in retimed(&desk, "in") {
        assert_eq!(sample_types(&file), [SampleType::F16; 3], "{}", file.display());
        let about = MetaData::read_from_file(&file, false).unwrap();
        assert_eq!(about.headers[0].shared_attributes.pixel_aspect, 2.0);
        assert_eq!(about.headers[0].compression, Compression::PIZ);
        assert!(about.headers[0].shared_attributes.chromaticities.is_some());
    }
}

#[test]
fn negative_frames_play_forwards_and_names_keep_their_beginning() {
    let desk = Desk::new();
    for n in 0..4 {
        let file = format!("in/f.-{:04}.png", 16 - n);
        desk.write(&file, png(&ball((n / 2) as f32).into_rgb8().into()));
    }
    let files = retimed(&desk, "in");
    let names: Vec<&str> = files.iter().map(|file| name(file)).collect();
    assert!(names.contains(&"f.-0016.png") && names.contains(&"f.-0009.png"), "{names:?}");
    let first = fs::read(desk.path("in/f.-0016.png")).unwrap();
    assert_eq!(fs::read(desk.path("out/f.-0016.png")).unwrap(), first);
}

#[test]
fn folders_and_names_may_be_odd() {
    let desk = Desk::new();
    for (from, to) in [
        ("sc01_v1.1", "sc01_v1.2"),
        ("12:30:05", "12:30:06"),
        ("100%done", "100%smooth"),
        ("a b1", "a b#2"),
        ("./-dash", "./-dashed"),
        ("shots.mov", "smooth.mov.d"),
    ] {
        clip(&desk, &format!("{from}/50% x-:#.png"), |_, picture| png(&picture.into_rgb8().into()));
        desk.well(&["retime", from, to, "--from", "24", "--to", "48"]);
        let files = desk.files(to);
        assert_eq!(files.len(), 12, "{from}");
        assert_eq!(name(&files[0]), "50% x-:0001.png");
    }
    let itself = desk.run(&["retime", "12:30:05", "12:30:05", "--to", "48", "--overwrite"]);
    assert_eq!(itself.code, 2, "{}", itself.err);
}

#[test]
fn animated_gif_and_png_are_clips() {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame};
    let desk = Desk::new();
    let mut gif = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut gif);
        for n in 0..4 {
            let delay = Delay::from_numer_denom_ms(if n == 1 { 80 } else { 40 }, 1);
            let picture = ball((n / 2) as f32).into_rgba8();
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
    }
    desk.write("roll.gif", gif);
    let done = desk.well(&["retime", "roll.gif", "out", "--to", "50", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    // 40, 80, 40 and 40 milliseconds: five frames at 25 a second, the first drawing held for three.
    assert_eq!((&told["from"], &told["frames"]), (&"25".into(), &10.into()));
    assert_eq!(told["sheet"]["drawings"][0]["frames"], 3);
    let files = desk.files("out");
    assert_eq!(name(&files[0]), "roll.0001.png");
    assert!(files.iter().all(|file| colour(file) == ColorType::Rgb8), "an opaque film");
    let one = desk.run(&["retime", "out/roll.0001.png", "o", "--to", "50"]);
    assert!(one.err.contains("is one picture"), "{}", one.err);
}

/// Mean brightness, of 255.
fn brightness(file: &Path) -> f64 {
    let picture = open(file).into_luma8();
    picture.pixels().map(|pixel| f64::from(pixel[0])).sum::<f64>() / f64::from(WIDTH * HEIGHT)
}

#[test]
fn a_held_drawing_fades_in_even_steps() {
    let desk = Desk::new();
    for n in 0..24_u8 {
        let mut picture = ball(1.0).into_rgb8();
        let light = 1.0 - f32::from(n) / 23.0;
        let darker = |value: u8| (f32::from(value) * light).round() as u8;
        picture.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(darker));
        desk.write(&format!("in/f.{n:04}.png"), png(&picture.into()));
    }
    let done = desk.well(&["retime", "in", "out", "--from", "24", "--to", "48", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["sheet"]["cuts"], serde_json::json!([]));
    let drawings = told["sheet"]["drawings"].as_array().unwrap();
    assert!(drawings.iter().all(|drawing| drawing["pan"].is_null()), "{drawings:?}");
    let files = desk.files("out");
    for n in 0..24 {
        let source = fs::read(desk.path(&format!("in/f.{n:04}.png"))).unwrap();
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
    let desk = Desk::new();
    clip(&desk, "in/f.#.png", |_, picture| png(&picture.into_rgb8().into()));
    let done = desk.well(&["retime", "in", "out", "--from", "24", "--to", "24", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&told["frames"], &told["drawn"]), (&6.into(), &2.into()));
    let files = desk.files("out");
    let pictures: Vec<DynamicImage> = files.iter().map(|file| open(file)).collect();
    assert!(pictures[..5].windows(2).all(|pair| pair[0] != pair[1]));
    for n in [0, 2, 4] {
        let source = fs::read(desk.path(&format!("in/f.{:04}.png", n + 1))).unwrap();
        assert_eq!(fs::read(&files[n]).unwrap(), source);
    }
}
