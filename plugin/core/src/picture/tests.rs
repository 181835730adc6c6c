use std::io::Cursor;
use std::path::PathBuf;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use tempfile::TempDir;

use super::*;
use crate::colour::{linear_to_srgb, srgb_to_linear};

/// A directory that holds one file with these bytes.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn load_bytes(bytes: &[u8], encoding: Encoding) -> Result<Picture, Error> {
    let (_dir, path) = file("key", bytes);
    load(&path, encoding, None)
}

fn pixels(bytes: &[u8], encoding: Encoding) -> Vec<[f32; 4]> {
    load_bytes(bytes, encoding).unwrap().frame.pixels().to_vec()
}

fn reason(bytes: &[u8]) -> String {
    match load_bytes(bytes, Encoding::Srgb) {
        Err(Error::Picture { path, reason }) => {
            assert!(path.ends_with("key"));
            reason
        }
        other => panic!("{other:?}"),
    }
}

fn assert_close(found: &[[f32; 4]], wanted: &[[f32; 4]], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        let near = found.iter().zip(wanted).all(|(f, w)| (f - w).abs() <= tolerance);
        assert!(near, "{found:?}, wanted {wanted:?}");
    }
}

fn noise(width: u32, height: u32) -> ImageBuffer<Rgb<u8>, Vec<u8>> {
    ImageBuffer::from_fn(width, height, |x, y| {
        let value = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)) >> 7;
        Rgb([value as u8, (value >> 8) as u8, (value >> 16) as u8])
    })
}

#[test]
fn png_of_8_and_16_bits_with_straight_alpha() {
    let narrow: ImageBuffer<Rgba<u8>, _> =
        ImageBuffer::from_vec(2, 1, vec![255, 51, 0, 255, 255, 102, 0, 51]).unwrap();
    let wanted = [[1.0, 0.2, 0.0, 1.0], [0.2, 0.4 * 0.2, 0.0, 0.2]];
    assert_close(&pixels(&encoded(narrow, ImageFormat::Png), Encoding::Srgb), &wanted, 1e-7);

    let wide: ImageBuffer<Rgba<u16>, _> =
        ImageBuffer::from_vec(2, 1, vec![65535, 13107, 0, 65535, 65535, 26214, 1, 13107]).unwrap();
    let wanted = [[1.0, 0.2, 0.0, 1.0], [0.2, 0.4 * 0.2, 0.2 / 65535.0, 0.2]];
    assert_close(&pixels(&encoded(wide, ImageFormat::Png), Encoding::Srgb), &wanted, 1e-8);
}

#[test]
fn grey_pictures_are_grey_in_all_channels() {
    let grey: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_vec(1, 1, vec![51]).unwrap();
    let wanted = [[0.2, 0.2, 0.2, 1.0]];
    assert_close(&pixels(&encoded(grey, ImageFormat::Png), Encoding::Srgb), &wanted, 1e-7);
    let grey: ImageBuffer<LumaA<u16>, _> = ImageBuffer::from_vec(1, 1, vec![13107, 0]).unwrap();
    assert_close(&pixels(&encoded(grey, ImageFormat::Png), Encoding::Srgb), &[[0.0; 4]], 0.0);
}

#[test]
fn stored_values_are_srgb_or_linear_by_depth() {
    let srgb: ImageBuffer<Rgba<u8>, _> =
        ImageBuffer::from_vec(1, 1, vec![51, 102, 255, 128]).unwrap();
    let alpha = 128.0 / 255.0;
    let wanted = [0.2, 0.4, 1.0].map(|value| srgb_to_linear(value) * alpha);
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let found = pixels(&encoded(srgb.clone(), format), Encoding::Linear);
        assert_close(&found, &[[wanted[0], wanted[1], wanted[2], alpha]], 1e-6);
    }
    let linear: ImageBuffer<Rgb<f32>, _> =
        ImageBuffer::from_vec(1, 1, vec![0.18, 4.0, -0.5]).unwrap();
    for format in [ImageFormat::OpenExr, ImageFormat::Tiff] {
        let bytes = encoded(linear.clone(), format);
        assert_eq!(pixels(&bytes, Encoding::Linear), [[0.18, 4.0, -0.5, 1.0]]);
        let [red, green, blue] = [0.18, 4.0, -0.5].map(linear_to_srgb);
        assert_close(&pixels(&bytes, Encoding::Srgb), &[[red, green, blue, 1.0]], 1e-6);
    }
}

#[test]
fn exr_alpha_is_multiplied_in_already_and_float_tiff_alpha_is_not() {
    let half: ImageBuffer<Rgba<f32>, _> =
        ImageBuffer::from_vec(2, 1, vec![0.5, 3.0, 0.0, 0.5, 0.25, 0.0, 0.0, 0.0]).unwrap();
    let found = pixels(&encoded(half.clone(), ImageFormat::OpenExr), Encoding::Linear);
    assert_eq!(found, [[0.5, 3.0, 0.0, 0.5], [0.25, 0.0, 0.0, 0.0]]);
    let found = pixels(&encoded(half, ImageFormat::Tiff), Encoding::Linear);
    assert_eq!(found, [[0.25, 1.5, 0.0, 0.5], [0.0; 4]]);
}

#[test]
fn tiff_of_all_depths() {
    let narrow: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_vec(1, 1, vec![255, 51, 0]).unwrap();
    let wide: ImageBuffer<Rgb<u16>, _> =
        ImageBuffer::from_vec(1, 1, vec![65535, 13107, 0]).unwrap();
    for bytes in [encoded(narrow, ImageFormat::Tiff), encoded(wide, ImageFormat::Tiff)] {
        assert_close(&pixels(&bytes, Encoding::Srgb), &[[1.0, 0.2, 0.0, 1.0]], 1e-7);
    }
}

#[test]
fn tiff_with_associated_alpha_is_multiplied_in_already() {
    use tiff::encoder::{TiffEncoder, colortype::RGBA8};
    let written = |associated: bool| {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
        let mut image = encoder.new_image::<RGBA8>(1, 1).unwrap();
        let kind = if associated { 1_u16 } else { 2 };
        image.encoder().write_tag(tiff::tags::Tag::ExtraSamples, &[kind][..]).unwrap();
        image.write_data(&[51, 51, 0, 51]).unwrap();
        bytes.into_inner()
    };
    assert_close(&pixels(&written(true), Encoding::Srgb), &[[0.2, 0.2, 0.0, 0.2]], 1e-7);
    assert_close(&pixels(&written(false), Encoding::Srgb), &[[0.04, 0.04, 0.0, 0.2]], 1e-7);
}

#[test]
fn jpeg_is_near_its_source() {
    let flat = ImageBuffer::from_pixel(16, 16, Rgb([200_u8, 100, 50]));
    let found = pixels(&encoded(flat, ImageFormat::Jpeg), Encoding::Srgb);
    let wanted = vec![[200.0 / 255.0, 100.0 / 255.0, 50.0 / 255.0, 1.0]; 256];
    assert_close(&found, &wanted, 3.0 / 255.0);
}

#[test]
fn a_jpeg_lies_upright() {
    let mut bytes = encoded(
        ImageBuffer::from_fn(32, 16, |x, _| Luma([if x < 16 { 0_u8 } else { 255 }])),
        ImageFormat::Jpeg,
    );
    // An Exif segment with one tag: orientation 6, rotate clockwise.
    let exif: &[u8] =
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    bytes.splice(2..2, exif.iter().copied());
    let picture = load_bytes(&bytes, Encoding::Srgb).unwrap();
    assert_eq!((picture.frame.width(), picture.frame.height()), (16, 32));
    assert!(picture.frame.row(4)[8][0] < 0.1 && picture.frame.row(28)[8][0] > 0.9);
}

#[test]
fn nan_and_infinity_become_numbers() {
    let odd: ImageBuffer<Rgba<f32>, _> =
        ImageBuffer::from_vec(1, 1, vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0]).unwrap();
    let bytes = encoded(odd, ImageFormat::OpenExr);
    assert_eq!(pixels(&bytes, Encoding::Linear), [[0.0, 65_504.0, -65_504.0, 1.0]]);
    assert!(pixels(&bytes, Encoding::Srgb).as_flattened().iter().all(|value| value.is_finite()));
}

#[test]
fn a_missing_file_is_named() {
    let dir = TempDir::new().unwrap();
    let said = |path: &Path| load(path, Encoding::Srgb, None).unwrap_err().to_string();
    assert!(said(&dir.path().join("none.png")).ends_with("none.png: there is no such file"));
    assert!(said(dir.path()).ends_with("it is a directory"));
    assert!(said(Path::new("")).ends_with("no file is chosen"));
    let (_dir, empty) = file("empty.png", b"");
    assert!(said(&empty).ends_with("empty.png: the file is empty"));
    let (_dir, inside) = file("a.png", b"x");
    assert!(load(&inside.join("b.png"), Encoding::Srgb, None).is_err());
}

#[test]
fn what_is_no_picture_is_said_so() {
    assert_eq!(
        reason(b"Dear animator, here are the keys."),
        "it is not a picture of a known format"
    );
    assert_eq!(reason(b"GIF89a......"), "Gif files are not supported");
}

#[test]
fn truncated_pictures_are_told_from_whole_ones() {
    let float: ImageBuffer<Rgb<f32>, _> = ImageBuffer::from_fn(40, 30, |x, y| {
        Rgb([(x * 7919 % 101) as f32, (y * 7919 % 103) as f32, (x * y % 107) as f32])
    });
    let wholes = [
        ("PNG", encoded(noise(40, 30), ImageFormat::Png)),
        ("JPEG", encoded(noise(40, 30), ImageFormat::Jpeg)),
        ("TIFF", encoded(noise(40, 30), ImageFormat::Tiff)),
        ("EXR", encoded(float, ImageFormat::OpenExr)),
    ];
    for (name, whole) in wholes {
        assert!(load_bytes(&whole, Encoding::Srgb).is_ok(), "{name}");
        for tenth in 1..10 {
            let said = reason(&whole[..whole.len() * tenth / 10]);
            let is_exr_without_rows = name == "EXR" && said.contains("damaged");
            assert!(said.contains("truncated") || is_exr_without_rows, "{name} {tenth}/10: {said}");
        }
    }
}

#[test]
fn damaged_pictures_never_panic() {
    let float: ImageBuffer<Rgba<f32>, _> = ImageBuffer::from_pixel(9, 7, Rgba([0.5_f32; 4]));
    let wholes = [
        encoded(noise(17, 13), ImageFormat::Png),
        encoded(noise(17, 13), ImageFormat::Jpeg),
        encoded(noise(17, 13), ImageFormat::Tiff),
        encoded(float, ImageFormat::OpenExr),
    ];
    for whole in wholes {
        for at in 0..whole.len().min(400) {
            let mut bad = whole.clone();
            bad[at] ^= 0xff;
            // Either a picture or an error. The limits prevent a damaged size from allocating
            // memory.
            if let Ok(picture) = load_bytes(&bad, Encoding::Srgb) {
                assert!(picture.frame.pixels().as_flattened().iter().all(|v| v.is_finite()));
            }
        }
    }
}

#[test]
fn giants_are_refused_before_they_are_decoded() {
    let mut bytes = encoded(noise(4, 4), ImageFormat::Png);
    // IHDR: width and height, then a checksum over the chunk.
    bytes[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    assert!(reason(&bytes).starts_with("30000 x 30000 pixels are more than"), "{}", reason(&bytes));
}

/// As PNG (ISO 15948, annex D) defines it.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn pictures_are_remembered_until_the_file_changes() {
    let memo = Memo::new(&Budget::new(1 << 20));
    let (_dir, path) = file("key.png", &encoded(noise(5, 4), ImageFormat::Png));
    let first = memo.load(&path, Encoding::Srgb, None).unwrap();
    let again = memo.load(&path, Encoding::Srgb, None).unwrap();
    assert!(Arc::ptr_eq(&first.frame, &again.frame));
    assert_eq!(first.hash, first.frame.content_hash());
    let linear = memo.load(&path, Encoding::Linear, None).unwrap();
    assert_ne!(linear.hash, first.hash);

    fs::write(&path, encoded(noise(6, 4), ImageFormat::Png)).unwrap();
    let changed = memo.load(&path, Encoding::Srgb, None).unwrap();
    assert_eq!(changed.frame.width(), 6);
    memo.forget_all();
    let anew = memo.load(&path, Encoding::Srgb, None).unwrap();
    assert!(!Arc::ptr_eq(&anew.frame, &changed.frame));
    assert_eq!(anew.hash, changed.hash);

    fs::write(&path, b"").unwrap();
    assert!(memo.load(&path, Encoding::Srgb, None).is_err());
}

#[test]
fn a_failed_reading_is_tried_again() {
    let memo = Memo::new(&Budget::new(1 << 20));
    let whole = encoded(noise(5, 4), ImageFormat::Png);
    let (_dir, path) = file("key.png", &vec![b'x'; whole.len()]);
    let changed = fs::metadata(&path).unwrap().modified().unwrap();
    assert!(memo.load(&path, Encoding::Srgb, None).is_err());
    // Even when only the content differs.
    fs::write(&path, whole).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
    assert!(memo.load(&path, Encoding::Srgb, None).is_ok());
}

#[test]
fn threads_that_ask_at_once_share_one_reading() {
    let memo = Memo::new(&Budget::new(1 << 20));
    let (_dir, path) = file("key.png", &encoded(noise(50, 40), ImageFormat::Png));
    let frames: Vec<Arc<Frame>> = std::thread::scope(|scope| {
        let load = || memo.load(&path, Encoding::Srgb, Some(Fit::square(25, 25))).unwrap().frame;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(frames.iter().all(|frame| Arc::ptr_eq(frame, &frames[0])));
}

#[test]
fn the_memo_is_bounded_in_bytes() {
    let picture_bytes = 5 * 4 * 16;
    let memo = Memo::new(&Budget::new(2 * picture_bytes));
    let files: Vec<_> =
        (0..3).map(|_| file("key.png", &encoded(noise(5, 4), ImageFormat::Png))).collect();
    let load = |at: usize| memo.load(&files[at].1, Encoding::Srgb, None).unwrap().frame;
    let (first, second) = (load(0), load(1));
    assert!(Arc::ptr_eq(&load(0), &first));
    let _ = load(2);
    assert_eq!(memo.len(), 2);
    assert!(Arc::ptr_eq(&load(0), &first));
    assert!(!Arc::ptr_eq(&load(1), &second));

    let none = Memo::new(&Budget::new(picture_bytes - 1));
    assert!(none.load(&files[0].1, Encoding::Srgb, None).is_ok());
    assert_eq!(none.len(), 0);
}

#[test]
fn failed_readings_do_not_pile_up() {
    let memo = Memo::new(&Budget::new(1 << 20));
    let (_dir, path) = file("key", b"");
    for length in 1..200 {
        fs::write(&path, vec![b'x'; length]).unwrap();
        assert!(memo.load(&path, Encoding::Srgb, None).is_err());
    }
    assert_eq!(memo.len(), 0);
}

#[test]
fn fitting_keeps_proportions_and_centres() {
    let white = Frame::from_pixels(40, 20, vec![[1.0; 4]; 800]).unwrap();
    let fitted = white.fitted(Fit::square(20, 30)).unwrap();
    assert_eq!((fitted.width(), fitted.height()), (20, 30));
    for y in 0..30 {
        let wanted = if (10..20).contains(&y) { 1.0 } else { 0.0 };
        for pixel in fitted.row(y) {
            assert!(pixel.iter().all(|value| (value - wanted).abs() < 1e-6), "row {y}: {pixel:?}");
        }
    }
    let up = white.fitted(Fit::square(90, 40)).unwrap();
    assert!(up.row(20)[4][3] == 0.0 && (up.row(20)[5][3] - 1.0).abs() < 1e-6);
    assert!((up.row(20)[84][3] - 1.0).abs() < 1e-6 && up.row(20)[85][3] == 0.0);
}

/// Columns and rows that a white picture of that size takes in the frame.
fn covered((width, height): (usize, usize), fit: Fit) -> (usize, usize) {
    let white = Frame::from_pixels(width, height, vec![[1.0; 4]; width * height]).unwrap();
    let fitted = white.fitted(fit).unwrap();
    let (middle, centre) = (fit.height / 2, fit.width / 2);
    let full = |pixel: &&[f32; 4]| pixel[3] > 0.5;
    let columns = fitted.row(middle).iter().filter(full).count();
    (columns, (0..fit.height).filter(|&y| full(&&fitted.row(y)[centre])).count())
}

#[test]
fn a_picture_looks_the_same_in_a_frame_without_square_pixels() {
    // Wide pixels, twice as wide as high: the frame is shown as 64 x 24.
    let wide = |width, height, scale| Fit { width, height, scale: [scale; 2], pixel_aspect: 2.0 };
    assert_eq!(covered((128, 48), wide(32, 24, 1.0)), (32, 24));
    assert_eq!(covered((40, 40), wide(32, 24, 1.0)), (12, 24));
    // The same in a proxy, and where only the width is halved.
    assert_eq!(covered((128, 48), wide(16, 12, 0.5)), (16, 12));
    assert_eq!(covered((40, 40), wide(16, 12, 0.5)), (6, 12));
    let narrow = Fit { scale: [0.5, 1.0], ..wide(16, 24, 1.0) };
    assert_eq!(covered((40, 40), narrow), (6, 24));
    // Narrow pixels.
    let tall = Fit { pixel_aspect: 0.5, ..wide(32, 24, 1.0) };
    assert_eq!(covered((40, 40), tall), (32, 16));
}

#[test]
fn a_picture_as_large_as_the_frame_fills_it_at_every_scale() {
    for (width, height, scale) in [(36, 28, 1.0), (18, 14, 0.5), (12, 10, 1.0 / 3.0)] {
        let fit = Fit { width, height, scale: [scale; 2], pixel_aspect: 1.5 };
        assert_eq!(covered((36, 28), fit), (width, height), "{scale}");
    }
    // As large as the proxy is something else.
    let proxy = Fit { width: 18, height: 14, scale: [0.5; 2], pixel_aspect: 1.5 };
    assert_eq!(covered((18, 14), proxy), (12, 14));
    let picture = Picture::from(Frame::from_pixels(18, 14, vec![[1.0; 4]; 252]).unwrap());
    assert_ne!(picture.clone().fitted(proxy).unwrap().hash, picture.hash);
}

#[test]
fn fitting_into_the_same_size_changes_nothing() {
    let pixels = (0..35).map(|at| [at as f32, -1.0, 0.5, 0.3]).collect();
    let frame = Frame::from_pixels(7, 5, pixels).unwrap();
    assert_eq!(frame.fitted(Fit::square(7, 5)).unwrap(), frame);
}

#[test]
fn fitting_keeps_highlights_and_keeps_alpha_in_range() {
    // The edge of a bright disc, since overshoot is worst at a step.
    let pixels = (0..64 * 64)
        .map(|at| if at % 64 < 31 { [0.0; 4] } else { [8.0, 0.5, -0.25, 1.0] })
        .collect();
    let frame = Frame::from_pixels(64, 64, pixels).unwrap();
    for (width, height) in [(100, 100), (37, 37), (200, 64), (1, 1), (64, 3)] {
        let fitted = frame.fitted(Fit::square(width, height)).unwrap();
        for pixel in fitted.pixels() {
            assert!((0.0..=1.0).contains(&pixel[3]), "{pixel:?}");
            assert!(pixel[3] > 0.0 || *pixel == [0.0; 4], "{pixel:?}");
        }
    }
    let inside = frame.fitted(Fit::square(128, 128)).unwrap().row(64)[120];
    assert_close(&[inside], &[[8.0, 0.5, -0.25, 1.0]], 1e-4);
    assert!(frame.fitted(Fit::square(0, 5)).is_err());
}

#[test]
fn extreme_proportions_leave_at_least_one_pixel() {
    let strip = Frame::from_pixels(1000, 1, vec![[1.0; 4]; 1000]).unwrap();
    let fitted = strip.fitted(Fit::square(10, 11)).unwrap();
    assert_eq!(fitted.pixels().iter().filter(|pixel| pixel[3] > 0.5).count(), 10);
}

/// A TIFF file of four pixels with a palette and indices of `bits` bits.
fn palette_tiff(bits: u16, pixels: &[u8], colours: &[u16], big_endian: bool) -> Vec<u8> {
    let two = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let four = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let short =
        |tag: u16, value: u16| [&two(tag)[..], &two(3), &four(1), &two(value), &[0; 2]].concat();
    let pixels_at = 8 + 2 + 9 * 12 + 4;
    let colours_at = pixels_at + pixels.len().next_multiple_of(2);
    let map =
        [&two(320)[..], &two(3), &four(colours.len() as u32), &four(colours_at as u32)].concat();
    let offset = [&two(273)[..], &two(4), &four(1), &four(pixels_at as u32)].concat();
    let entries = [
        short(256, 4),
        short(257, 1),
        short(258, bits),
        short(259, 1),
        short(262, 3),
        offset,
        short(278, 1),
        short(279, pixels.len() as u16),
        map,
    ];
    let head = if big_endian { b"MM\0\x2a\0\0\0\x08" } else { b"II\x2a\0\x08\0\0\0" };
    let mut file = [&head[..], &two(9), &entries.concat(), &[0; 4], pixels].concat();
    file.resize(colours_at, 0);
    file.extend(colours.iter().flat_map(|colour| two(*colour)));
    file
}

#[test]
fn tiff_with_a_palette_of_any_size() {
    // Black, red, green and blue: 8 bits doubled to 16, and plain 8 bits.
    for (full, big_endian) in [(65_535, false), (255, true)] {
        for (bits, packed) in
            [(2_u16, &[0b0001_1011_u8][..]), (4, &[0x01, 0x23]), (8, &[0, 1, 2, 3])]
        {
            let plane = |at: usize| (0..1 << bits).map(move |n| if n == at { full } else { 0 });
            let colours: Vec<u16> = plane(1).chain(plane(2)).chain(plane(3)).collect();
            let found = pixels(&palette_tiff(bits, packed, &colours, big_endian), Encoding::Srgb);
            let wanted = [
                [0.0, 0.0, 0.0, 1.0],
                [1.0, 0.0, 0.0, 1.0],
                [0.0, 1.0, 0.0, 1.0],
                [0.0, 0.0, 1.0, 1.0],
            ];
            assert_close(&found, &wanted, 1e-6);
        }
    }
}

#[test]
fn palettes_of_impossible_sizes_are_refused() {
    for bits in [0_u16, 3, 5, 6, 7] {
        let colours = vec![0; 3 << bits];
        assert!(!reason(&palette_tiff(bits, &[0; 8], &colours, false)).is_empty(), "{bits}");
    }
}
