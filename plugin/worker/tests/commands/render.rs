//! Drawings between keys, from single spans to sequences.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use super::{Small, inbetween, pictures};

#[test]
fn a_sequence_of_keys_is_drawn_span_by_span() {
    let small = Small::new();
    fs::create_dir(small.path("Bob's keys; $(touch x)")).unwrap();
    for (number, x) in [(1, 40), (5, 64), (9, 90)] {
        small.drawing(&format!("Bob's keys; $(touch x)/key_{number:04}.png"), x);
    }
    let (keys, cache) = (small.path("Bob's keys; $(touch x)"), small.path("cache"));
    let pattern = format!("{keys}/key_####.png");
    let options = small.path("options.txt");
    let text = format!("--engine=flow\n--keys={pattern}\n--checkpoint=\n\n--cache={cache}\n");
    fs::write(&options, text).unwrap();
    let options = format!("@{options}");
    let draw = |out: &str, more: &[&str]| {
        let out = small.path(out);
        let done = inbetween(&[&["render", &options, "--out", &out], more].concat());
        let numbers: Vec<u32> = match fs::read_dir(&out) {
            Ok(_) => pictures(Path::new(&out))
                .iter()
                .map(|file| file.file_stem().unwrap().to_str().unwrap()[6..].parse().unwrap())
                .collect(),
            Err(_) => Vec::new(),
        };
        (done, numbers)
    };
    let (done, numbers) = draw("all", &["--progress", "openjd"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert!(done.out.contains("openjd_progress: 100\n"), "{}", done.out);
    assert!(done.out.contains("openjd_status: "), "{}", done.out);
    // A key that two spans share belongs to the second of them.
    assert_eq!(draw("first", &["--span", "1"]).1, (1..=4).collect::<Vec<_>>());
    assert_eq!(draw("second", &["--span", "2"]).1, (5..=9).collect::<Vec<_>>());
    assert_eq!(draw("some", &["--frames", "4-6"]).1, [4, 5, 6]);
    assert_eq!(draw("between", &["--in-betweens", "1"]).1, (1..=5).collect::<Vec<_>>());
    assert_eq!(draw("two", &["--key-frames", "1,9", "--frames", "5"]).1, [5]);
    let frame = |out: &str, number: u32| {
        fs::read(Path::new(&small.path(out)).join(format!("frame_{number:04}.png"))).unwrap()
    };
    assert_eq!(frame("all", 5), frame("second", 5));
    assert_eq!(frame("all", 3), frame("first", 3));
    assert_ne!(frame("all", 5), frame("two", 5), "there the middle key is left out");
    for (more, code, said) in [
        (&["--span", "3"][..], 2, "no span 3"),
        (&["--key-frames", "9"], 3, "two keys"),
        (&["--key-frames", "1,7"], 3, "key_0007.png"),
        (&["--in-betweens", "0"], 2, "in-betweens"),
        (&["--frames", "20"], 2, "1 to 9"),
        (&["--exposure", "twos,ones,ones"], 2, "there are 2 spans, and 3 are given"),
        (&["a.png", "b.png"], 2, "--keys"),
    ] {
        let (done, _) = draw("wrong", more);
        assert_eq!(done.code, code, "{more:?}: {}", done.err);
        assert!(done.err.contains(said), "{more:?}: {}", done.err);
    }
    assert_eq!(inbetween(&["render", "--out", "out"]).code, 2, "keys are needed");
}

/// The centre of the dark pixels in a picture, in pixels from the left.
fn middle(path: &Path) -> f64 {
    let picture = image::open(path).unwrap().into_luma8();
    let dark = picture.enumerate_pixels().filter(|(.., p)| p.0[0] < 100);
    let (count, sum) = dark.fold((0.0, 0.0), |(n, sum), (x, ..)| (n + 1.0, sum + f64::from(x)));
    sum / count
}

#[test]
fn any_number_of_keys_makes_one_movement() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // Accelerating movement, 2 t t, on frames that are not evenly spaced.
    let at = [1u32, 5, 11, 15];
    let place = |frame: f64| 40.0 + 1.6 * (frame - 1.0) * (frame - 1.0);
    let keys: Vec<String> = at.iter().map(|n| path(&format!("key_{n}.png"))).collect();
    for (key, frame) in keys.iter().zip(at) {
        let x = place(f64::from(frame));
        let picture = image::GrayImage::from_fn(480, 270, |px, py| {
            let far = (f64::from(px) - x).hypot(f64::from(py) - 130.0);
            image::Luma([if far < 30.0 { 40 } else { 235 }])
        });
        picture.save(key).unwrap();
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (cache, told) = (path("cache"), "1,5,11,15");
    let draw = |out: &str, more: &[&str]| {
        let out = path(out);
        let fixed = ["--out", &out, "--engine", "flow", "--cache", &cache];
        let done = inbetween(&[&["render"], &keys[..], &fixed, more].concat());
        (done, out)
    };
    let off = |out: &str| {
        let off = |n: u32| {
            let file = Path::new(out).join(format!("frame_{n:04}.png"));
            (middle(&file) - place(f64::from(n))).abs()
        };
        (1..=15).map(off).fold(0.0, f64::max)
    };
    let (done, smooth) = draw("smooth", &["--at", told]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(pictures(Path::new(&smooth)).len(), 15);
    let (done, straight) = draw("straight", &["--at", told, "--path", "straight"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let (smooth_off, straight_off) = (off(&smooth), off(&straight));
    println!("smooth {smooth_off:.2} px off, straight {straight_off:.2}");
    assert!(smooth_off < 1.5, "{smooth_off}");
    assert!(straight_off > 8.0, "{straight_off}");
    for (n, key) in at.iter().zip(&keys) {
        let frame = Path::new(&smooth).join(format!("frame_{n:04}.png"));
        assert_eq!(fs::read(frame).unwrap(), fs::read(key).unwrap(), "key {n} as it is");
    }
    // One span alone is drawn in the same way as among the others.
    let (done, span) = draw("span", &["--at", told, "--span", "2", "--sheet"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let of = |out: &str| fs::read(Path::new(out).join("frame_0008.png")).unwrap();
    assert_eq!(of(&span), of(&smooth));
    // Without --at, every span has the same number of frames.
    let (done, even) = draw("even", &["--in-betweens", "2"]);
    assert_eq!((done.code, pictures(Path::new(&even)).len()), (0, 10), "{}", done.err);
    for (more, said) in [
        (&["--at", "1,5,11"][..], "4 keys and 3 frames"),
        (&["--at", "1,5,5,15"], "each after the one before"),
        (&["--at", told, "--chart", "linear,ease-in"], "one for each"),
        (&["--at", told, "--positions", "0.5|0.5"], "one for each"),
        (&["--at", told, "--start", "3"], "--start"),
    ] {
        let (done, _) = draw("wrong", more);
        assert_eq!(done.code, 2, "{more:?}: {}", done.err);
        assert!(done.err.contains(said), "{more:?}: {}", done.err);
    }
}

#[test]
fn each_span_has_its_own_chart_and_exposure_and_one_sheet_shows_them() {
    let small = Small { folder: TempDir::new().unwrap() };
    let keys =
        [("a.png", 30), ("b.png", 60), ("c.png", 90)].map(|(name, x)| small.drawing(name, x));
    let cache = small.path("cache");
    let draw = |out: &str, more: &[&str]| {
        let out = small.path(out);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let fixed = ["--at", "1,9,17", "--out", &out, "--engine", "flow", "--cache", &cache];
        let done = inbetween(&[&["render"], &keys[..], &fixed, more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        move |n: u32| fs::read(Path::new(&out).join(format!("frame_{n:04}.png"))).unwrap()
    };
    let own = ["--exposure", "twos,ones", "--chart", "linear,ease-in", "--sheet", "--preview"];
    let own = draw("own", &own);
    let (twos, eased) =
        (draw("twos", &["--exposure", "twos"]), draw("eased", &["--chart", "ease-in"]));
    assert!(own(3) == own(4) && own(11) != own(12));
    assert!((1..9).all(|n| own(n) == twos(n)) && (9..=17).all(|n| own(n) == eased(n)));
    let custom = draw("custom", &["--positions", "0.5|0.125 0.25 0.375 0.5 0.625 0.75 0.875"]);
    let even = draw("even", &[]);
    assert!(custom(5) == even(5) && custom(11) == even(11));
    let files = pictures(Path::new(&small.path("own")));
    assert_eq!(files.len(), 17 + 2);
    let sheet = image::open(small.path("own/sheet.png")).unwrap().into_rgb8();
    let red = sheet.pixels().filter(|p| p.0[0] > 180 && p.0[1] < 60).count();
    let of_disc = (std::f64::consts::PI * 900.0) as usize;
    assert!(red.abs_diff(17 * of_disc) < 17 * of_disc / 5, "{red} pixels of 17 discs of {of_disc}");
}

#[test]
fn keys_below_zero_are_named_and_numbered_anew() {
    let small = Small { folder: TempDir::new().unwrap() };
    fs::create_dir(small.path("keys")).unwrap();
    for (number, x) in [("-0012", 40), ("-0004", 64), ("0003", 90)] {
        small.drawing(&format!("keys/key_{number}.png"), x);
    }
    let (keys, out) = (small.path("keys/key_####.png"), small.path("out"));
    let begin = ["render", "--keys", &keys, "--out", &out, "--engine", "flow"];
    let done = inbetween(&begin);
    assert_eq!(done.code, 2, "{}", done.err);
    let told = "key_-0012.png stands on frame -12, and frames are numbered from 0";
    assert!(done.err.contains(told) && done.err.contains("--in-betweens"), "{}", done.err);
    let some = ["--key-frames", "-12,-4", "--in-betweens", "1", "--start", "100"];
    let done = inbetween(&[&begin[..], &some].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let names = pictures(Path::new(&out));
    let names: Vec<_> = names.iter().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(names, ["frame_0100.png", "frame_0101.png", "frame_0102.png"]);
    let key = fs::read(small.path("keys/key_-0004.png")).unwrap();
    assert_eq!(fs::read(Path::new(&out).join("frame_0102.png")).unwrap(), key);
}

#[test]
fn pins_that_make_no_sense_are_refused_with_a_reason() {
    let small = Small { folder: TempDir::new().unwrap() };
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 90));
    let out = small.path("out");
    let render = |pins: &[&str]| {
        let begin = ["render", &first, &last, "--out", &out, "--frames", "5", "--cache", &out];
        let pins = pins.iter().flat_map(|pin| ["--pin", pin]);
        inbetween(&begin.into_iter().chain(pins).collect::<Vec<_>>())
    };
    for (pins, word) in [
        (&["40,64:90"][..], "is no pin; write one as 100,80:240,60"),
        (&["40,64:90,x"], "is no pin"),
        (&["400,64:90,640"], "outside the picture, as pin 1 is"),
        (&["40,64:90,64", "40,64:90,5000"], "outside the picture, as pin 2 is"),
        (&["40,64:90,64@1:60,60"], "above 0 and below 1"),
        (&["40,64:90,64"; 13], "13 at once"),
    ] {
        let done = render(pins);
        assert_eq!(done.code, 2, "{pins:?}: {}", done.err);
        assert!(done.err.contains(word), "{pins:?}: {}", done.err);
    }
    let done = render(&["5,5:9,9", "40,64:90,64"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("Pin 1 lies on the background"), "{}", done.err);
    assert!(!done.err.contains("Pin 2"), "{}", done.err);
}

#[test]
fn what_cannot_be_trusted_is_told_again_from_the_cache() {
    let small = Small { folder: TempDir::new().unwrap() };
    let scrambled = |name: &str, seed: u32| {
        let picture = RgbImage::from_fn(192, 144, |x, y| {
            if !(90..186).contains(&x) || !(12..132).contains(&y) {
                return Rgb([240, 238, 220]);
            }
            let cell = (x / 8).wrapping_mul(7919) ^ (y / 8).wrapping_mul(104_729) ^ seed;
            let dice = cell.wrapping_mul(0x9e37_79b9) >> 8;
            Rgb([dice as u8, (dice >> 8) as u8, (dice >> 16) as u8])
        });
        picture.save(small.path(name)).unwrap();
        small.path(name)
    };
    let (first, last) = (scrambled("a.png", 1), scrambled("b.png", 0x5_1234));
    let (out, cache) = (small.path("out"), small.path("cache"));
    let begin = ["render", &first, &last, "--out", &out, "--cache", &cache, "--frames", "3-7"];
    let done = inbetween(&[&begin[..], &["--sheet", "--mark-unsure"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.err.contains("frames 3 to 7: ") && done.err.contains(" % unsure around "),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("draw a key near frame 5, give a sketch, place pins"),
        "{}",
        done.err
    );
    let sheet = image::open(Path::new(&out).join("sheet.png")).unwrap().to_rgb8();
    assert!(sheet.pixels().any(|p| p.0[0] > 180 && p.0[1] < 60 && (90..190).contains(&p.0[2])));
    let again = inbetween(&[&begin[..], &["--json"]].concat());
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.json()["drawn"], 0, "{}", again.out);
    let told = &again.json()["unsure"][0];
    assert_eq!((&told["first"], &told["last"]), (&Value::from(3), &Value::from(7)));
    assert!(done.err.contains(told["warning"].as_str().unwrap()), "{told}");
}

#[test]
fn other_outputs_than_the_drawing_are_written_too() {
    let small = Small { folder: TempDir::new().unwrap() };
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 56));
    let (out, cache) = (small.path("out"), small.path("cache"));
    let begin = ["render", &first, &last, "--out", &out, "--cache", &cache, "--frames", "1-2"];
    let done = inbetween(&[&begin[..], &["--output", "motion"]].concat());
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("--format exr32"), "{}", done.err);
    let done = inbetween(&[&begin[..], &["--output", "motion", "--format", "exr32"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    for frame in ["frame_0001.exr", "frame_0002.exr"] {
        let motion = image::open(Path::new(&out).join(frame)).unwrap().to_rgb32f();
        let disc = motion.get_pixel(44, 64).0;
        // 16 pixels to the right in eight frames.
        assert!((disc[0] - 2.0).abs() < 0.4 && disc[1].abs() < 0.4, "{frame}: {disc:?}");
    }
    let done = inbetween(&[&begin[..], &["--output", "confidence"]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let sure = image::open(Path::new(&out).join("frame_0001.png")).unwrap().to_luma8();
    assert!(sure.get_pixel(4, 4).0[0] > 200, "paper is sure at a key too");
}
