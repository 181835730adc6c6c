//! The metadata of TIFF, JPEG and WebP files and the depth of TIFF files are preserved.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use exr::prelude::f16;
use image::codecs::jpeg::{JpegEncoder, PixelDensity, PixelDensityUnit};
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageDecoder as _, ImageEncoder as _, ImageReader};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::encoder::colortype::{ColorType, RGB8, RGB16};
use tiff::encoder::{Compression, DeflateLevel, Rational, TiffEncoder};
use tiff::tags::{PhotometricInterpretation, SampleFormat, Tag};

use crate::common::Workspace;
use crate::{HEIGHT, WIDTH, ball, profile, profile_of, well, write};

/// The frame in the middle between two keys, in their style.
fn drawn(space: &Workspace, ending: &str, keys: [Vec<u8>; 2]) -> Vec<u8> {
    let names = ["a", "b"].map(|name| format!("{name}.{ending}"));
    names.iter().zip(keys).for_each(|(name, bytes)| write(space, name, bytes));
    well(space, &["render", &names[0], &names[1], "--out", "o", "--in-betweens", "1"]);
    let files = space.files("o");
    assert_eq!(fs::read(&files[0]).unwrap(), fs::read(space.path(&names[0])).unwrap(), "a copy");
    fs::read(&files[1]).unwrap()
}

/// Half floats in colour, given by their bits.
struct HalfRgb;

impl ColorType for HalfRgb {
    type Inner = u16;
    const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::RGB;
    const BITS_PER_SAMPLE: &'static [u16] = &[16; 3];
    const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::IEEEFP; 3];

    fn horizontal_predict(row: &[u16], result: &mut Vec<u16>) {
        result.extend_from_slice(row);
    }
}

#[test]
fn halves_in_tiff_stay_halves_and_keep_highlights() {
    let space = Workspace::new();
    let key = |at: f32| {
        let picture = ball(at).into_rgb32f();
        // Four times as bright, so that most of it is above 1.
        let halves: Vec<u16> =
            picture.iter().map(|value| f16::from_f32(4.0 * value).to_bits()).collect();
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
        encoder.write_image::<HalfRgb>(WIDTH, HEIGHT, &halves).unwrap();
        bytes.into_inner()
    };
    let file = drawn(&space, "tif", [key(0.0), key(2.0)]);
    let mut about = Decoder::new(Cursor::new(file)).unwrap();
    assert_eq!(about.colortype().unwrap(), tiff::ColorType::RGB(16));
    let DecodingResult::F16(found) = about.read_image().unwrap() else { panic!("no half floats") };
    let at = |x: usize, y: usize| {
        let place = 3 * (y * WIDTH as usize + x);
        [0, 1, 2].map(|channel| found[place + channel].to_f32())
    };
    // The sky stands still, and the ball is halfway.
    for (place, wanted) in [((90, 8), [3.2, 3.4, 3.6]), ((25, 34), [3.4, 0.8, 0.6])] {
        let value = at(place.0, place.1);
        let far = value.iter().zip(wanted).map(|(a, b): (&f32, f32)| (a - b).abs());
        assert!(far.fold(0.0, f32::max) < 0.05, "{place:?}: {value:?}");
    }
}

#[test]
fn big_tiff_comes_and_goes() {
    let space = Workspace::new();
    let key = |at: f32| {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new_big(&mut bytes).unwrap();
        encoder.write_image::<RGB8>(WIDTH, HEIGHT, &ball(at).into_rgb8()).unwrap();
        bytes.into_inner()
    };
    let file = drawn(&space, "tif", [key(0.0), key(2.0)]);
    assert!(file.starts_with(b"II\x2b\0"), "long offsets as the keys have");
    // The program can read its own files again.
    well(&space, &["render", "o/frame_0002.tif", "b.tif", "--out", "p", "--in-betweens", "1"]);
}

#[test]
fn tiff_keeps_profile_orientation_resolution_compression_and_words() {
    let space = Workspace::new();
    let (dense, half_as_dense) = (Rational { n: 300, d: 1 }, Rational { n: 150, d: 1 });
    let key = |at: f32| {
        let mut bytes = Cursor::new(Vec::new());
        let encoder = TiffEncoder::new(&mut bytes).unwrap();
        let deflate = Compression::Deflate(DeflateLevel::default());
        let mut encoder = encoder.with_compression(deflate);
        let mut image = encoder.new_image::<RGB16>(WIDTH, HEIGHT).unwrap();
        let tags = image.encoder();
        tags.write_tag(Tag::IccProfile, &profile()[..]).unwrap();
        tags.write_tag(Tag::Orientation, 6_u16).unwrap();
        tags.write_tag(Tag::ResolutionUnit, 3_u16).unwrap();
        tags.write_tag(Tag::XResolution, Rational { ..dense }).unwrap();
        tags.write_tag(Tag::YResolution, Rational { ..half_as_dense }).unwrap();
        tags.write_tag(Tag::Artist, "the studio").unwrap();
        image.write_data(&ball(at).into_rgb16()).unwrap();
        bytes.into_inner()
    };
    let keys = [key(0.0), key(2.0)];
    let tags_of = |file: &[u8]| {
        let mut from = Decoder::new(Cursor::new(file)).unwrap();
        let mut tag = |tag: Tag| format!("{:?}", from.find_tag(tag).unwrap());
        let read = [
            Tag::BitsPerSample,
            Tag::Compression,
            Tag::IccProfile,
            Tag::Orientation,
            Tag::ResolutionUnit,
            Tag::XResolution,
            Tag::YResolution,
            Tag::Artist,
        ]
        .map(&mut tag);
        (from.dimensions().unwrap(), read)
    };
    let wanted = tags_of(&keys[0]);
    assert!(wanted.1.iter().all(|tag| tag.starts_with("Some")), "{wanted:?}");
    assert_eq!(tags_of(&drawn(&space, "tif", keys)), wanted);
}

#[test]
fn jpeg_keeps_how_wide_its_pixels_are() {
    let space = Workspace::new();
    for (unit, number) in [(PixelDensityUnit::PixelAspectRatio, 0), (PixelDensityUnit::Inches, 1)] {
        let key = |at: f32| {
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
            encoder.set_pixel_density(PixelDensity { density: (300, 150), unit });
            ball(at).into_rgb8().write_with_encoder(encoder).unwrap();
            bytes
        };
        let file = drawn(&space, "jpg", [key(0.0), key(2.0)]);
        let jfif = file.windows(5).position(|part| part == b"JFIF\0").unwrap();
        assert_eq!(file[jfif + 7..jfif + 12], [number, 1, 44, 0, 150]);
    }
}

#[test]
fn webp_keeps_profile_and_orientation() {
    let space = Workspace::new();
    // One tag: orientation 6, rotate clockwise.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let key = |at: f32| {
        let mut bytes = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut bytes);
        encoder.set_icc_profile(profile()).unwrap();
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        ball(at).into_rgb8().write_with_encoder(encoder).unwrap();
        bytes
    };
    drawn(&space, "webp", [key(0.0), key(2.0)]);
    let about = |file: &Path| {
        let reader = ImageReader::open(file).unwrap().with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        let profile = decoder.icc_profile().unwrap();
        let exif = decoder.exif_metadata().unwrap();
        let orientation = decoder.orientation().unwrap().to_exif();
        (decoder.dimensions(), profile, exif, orientation)
    };
    let files = space.files("o");
    assert_eq!(about(&files[1]), about(&files[0]));
    assert_eq!(about(&files[1]).3, 6);
    // The sky is where it is in the keys, in stored orientation.
    let sky = |file: &Path| image::open(file).unwrap().into_rgb8().get_pixel(90, 4).0;
    assert_eq!(sky(&files[1]), sky(&files[0]));
}

#[test]
fn a_profile_goes_along_into_webp() {
    let space = Workspace::new();
    for (name, at) in [("a.png", 0.0), ("b.png", 2.0)] {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile()).unwrap();
        DynamicImage::from(ball(at).into_rgb8()).write_with_encoder(encoder).unwrap();
        write(&space, name, bytes);
    }
    let format = ["--format", "webp"];
    let call = ["render", "a.png", "b.png", "--out", "o", "--in-betweens", "1"];
    well(&space, &[&call[..], &format].concat());
    assert!(space.files("o").iter().all(|file| profile_of(file) == Some(profile())));
}
