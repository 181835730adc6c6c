//! The executable from a script's point of view: outputs, files and exit codes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use common::Done;

fn inbetween(arguments: &[&str]) -> Done {
    Done::of(common::inbetween(arguments).output().unwrap())
}

/// A folder with a small model in it.
struct Small {
    folder: TempDir,
}

impl Small {
    fn new() -> Self {
        let small = Self { folder: TempDir::new().unwrap() };
        let done = inbetween(&["models", "random", &small.path("m.safetensors"), "--tiny"]);
        assert_eq!(done.code, 0, "{}", done.err);
        small
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A drawing of a disc on white paper.
    fn drawing(&self, name: &str, x: i32) -> String {
        let picture = RgbImage::from_fn(128, 128, |px, py| {
            let inside = (px as i32 - x).pow(2) + (py as i32 - 64).pow(2) < 900;
            if inside { Rgb([200, 40, 40]) } else { Rgb([255; 3]) }
        });
        picture.save(self.path(name)).unwrap();
        self.path(name)
    }
}

#[test]
fn a_random_model_verifies_and_is_described() {
    let small = Small::new();
    let file = small.path("m.safetensors");
    let done = inbetween(&["models", "verify", &file, "--tiny", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.json()["complete"], true);

    let done = inbetween(&["models", "inspect", &file, "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let about = done.json();
    assert_eq!(about["layout"], "ToonCrafter checkpoint, released names");
    assert_eq!(about["digest"]["matches"], true);
    let parts: Vec<&str> = about["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["part"].as_str().unwrap())
        .collect();
    assert!(parts.contains(&"UNet") && parts.contains(&"image tower"), "{parts:?}");
    let words = inbetween(&["models", "inspect", &file]).out;
    assert!(words.contains("UNet") && words.contains("matches"), "{words}");
}

#[test]
fn a_small_model_is_not_taken_for_the_released_one() {
    let small = Small::new();
    let done = inbetween(&["models", "verify", &small.path("m.safetensors")]);
    assert_eq!(done.code, 5, "{}", done.err);
    assert!(done.out.contains("mis-shaped model.diffusion_model."), "{}", done.out);
    assert!(done.out.contains("more (--json lists all)"), "{}", done.out);
}

#[test]
fn conversion_and_the_sketch_encoder() {
    let small = Small::new();
    let (input, output) = (small.path("m.safetensors"), small.path("b.safetensors"));
    let done = inbetween(&["models", "convert", &input, &output, "--precision", "bf16", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.json()["blake3"].as_str().unwrap().len(), 64);
    assert_eq!(inbetween(&["models", "verify", &output, "--tiny"]).code, 0);

    let sketch = small.path("s.safetensors");
    let done = inbetween(&["models", "random", &sketch, "--tiny", "--layout", "sketch"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(inbetween(&["models", "verify", &sketch, "--tiny", "--sketch"]).code, 0);
    let done = inbetween(&["models", "verify", &sketch, "--tiny"]);
    assert_eq!(done.code, 5);
    assert!(done.err.contains("add --sketch"), "{}", done.err);
}

#[test]
fn a_changed_file_is_noticed() {
    let small = Small::new();
    let file = small.path("m.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let done = inbetween(&["models", "verify", &file, "--tiny"]);
    assert_eq!(done.code, 4, "{}", done.err);
    assert!(done.err.contains("has changed"), "{}", done.err);
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("broken.ckpt");
    fs::write(&broken, b"<html>not found</html>").unwrap();
    let broken = broken.to_str().unwrap();
    assert_eq!(inbetween(&["models"]).code, 2);
    assert_eq!(inbetween(&["--help"]).code, 0);
    let missing = inbetween(&["models", "inspect", "no such file"]);
    assert_eq!(missing.code, 3);
    assert!(missing.err.contains("no such file"), "{}", missing.err);
    let page = inbetween(&["models", "verify", broken]);
    assert_eq!(page.code, 4);
    assert!(page.err.contains("web page"), "{}", page.err);
}

/// A safetensors file of one tensor of another model.
fn foreign(path: &Path) {
    let header = br#"{"layer.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.extend_from_slice(&[0; 4]);
    fs::write(path, file).unwrap();
}

#[test]
fn the_same_mistake_has_the_same_exit_code_in_every_command() {
    let small = Small::new();
    let (a, b) = (small.drawing("a.png", 40), small.drawing("b.png", 90));
    let [page, other, folder, missing, out] =
        ["page.ckpt", "other.safetensors", "a folder", "missing.ckpt", "out"]
            .map(|name| small.path(name));
    fs::write(&page, b"<html>not found</html>").unwrap();
    foreign(Path::new(&other));
    fs::create_dir(&folder).unwrap();
    let mut cases = vec![(&page, 4), (&other, 5), (&folder, 3), (&missing, 3)];
    let pipe = small.path("pipe.ckpt");
    if cfg!(unix) {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        cases.push((&pipe, 3));
    }
    for (file, code) in cases {
        let converted = small.path("converted.safetensors");
        for command in [
            &["models", "inspect", file][..],
            &["models", "verify", file],
            &["models", "convert", file, &converted, "--dtype", "bf16"],
            &["generate", &a, &b, "--checkpoint", file, "--out", &out],
            &["render", &a, &b, "--engine", "tooncrafter", "--checkpoint", file, "--out", &out],
            &["doctor", "--checkpoint", file],
        ] {
            let done = inbetween(command);
            assert_eq!(done.code, code, "{}: {}{}", command.join(" "), done.out, done.err);
            assert!(!done.err.contains("panicked"), "{}", done.err);
        }
    }
    // The file is still described in full.
    let told = inbetween(&["models", "inspect", &other]);
    assert!(told.out.contains("1 tensors"), "{}", told.out);
    assert!(told.err.contains("another model"), "{}", told.err);
}

#[test]
fn weights_that_are_no_numbers_are_refused_before_any_work() {
    let small = Small::new();
    let file = small.path("m.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    // A weight of the network that is loaded last.
    let weight = &header["first_stage_model.decoder.conv_out.weight"];
    let at = data + weight["data_offsets"][1].as_u64().unwrap() as usize;
    // NaN, whether it ends a number of 16 or of 32 bits.
    bytes[at - 2..at].copy_from_slice(&0x7fff_u16.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    let done = inbetween(&["models", "verify", &file, "--tiny"]);
    assert_eq!(done.code, 4, "{}{}", done.out, done.err);
    assert!(done.err.contains("NaN"), "{}", done.err);
    // So many steps would take hours.
    let start = std::time::Instant::now();
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 90));
    let keys = [&*first, &*last, "--checkpoint", &file, "--steps", "1000", "--device", "cpu"];
    let out = small.path("out");
    let generate = [&["generate"], &keys[..], &["--tiny", "--out", &out]].concat();
    let render = [&["render"], &keys[..], &["--out", &out]].concat();
    for command in [generate, render] {
        let done = inbetween(&command);
        assert_eq!(done.code, 4, "{}: {}", command.join(" "), done.err);
        assert!(done.err.contains("NaN"), "{}", done.err);
    }
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}

#[test]
fn without_a_network_download_says_so_within_seconds() {
    let folder = TempDir::new().unwrap();
    let start = std::time::Instant::now();
    let done = inbetween(&[
        "models",
        "download",
        "--accept-licence",
        "--dir",
        folder.path().to_str().unwrap(),
        "--endpoint",
        "http://127.0.0.1:9",
    ]);
    assert_eq!(done.code, 6, "{}", done.err);
    assert!(done.err.contains("cannot be reached"), "{}", done.err);
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
}

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
fn what_lies_in_the_cache_is_told_in_words() {
    let small = Small { folder: TempDir::new().unwrap() };
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 56));
    let (out, cache) = (small.path("out"), small.path("cache"));
    let drawn = ["render", &first, &last, "--out", &out, "--cache", &cache, "--in-betweens", "2"];
    assert_eq!(inbetween(&drawn).code, 0);
    let list = || inbetween(&["cache", "list", "--dir", &cache]);
    let told = list().out;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for line in &lines[..2] {
        assert!(line.starts_with("in-between, 128 x 128 ") && line.contains("last used"), "{told}");
    }
    assert!(lines[2].starts_with("2 in-betweens, 0 keys and sketches and 0 "), "{told}");
    assert!(lines[2].contains(" of 4") && lines[2].ends_with(&cache), "{told}");
    // One is damaged: `list` says so, `verify` deletes it, and it does not count afterwards.
    let json = inbetween(&["cache", "list", "--dir", &cache, "--json"]).json();
    fs::write(json[0]["file"].as_str().unwrap(), b"no drawing").unwrap();
    assert!(list().out.contains("damaged drawing, see `cache verify`"), "{}", list().out);
    let verified = inbetween(&["cache", "verify", "--dir", &cache]).out;
    assert!(verified.contains("2 files checked, 1 damaged"), "{verified}");
    assert!(list().out.contains("\n1 in-between, "), "{}", list().out);
}

#[test]
fn nothing_is_fetched_before_the_licence_is_accepted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("models");
    // Nobody listens there, so contacting it would be a network failure.
    let done = inbetween(&[
        "models",
        "download",
        "--dir",
        path.to_str().unwrap(),
        "--endpoint",
        "http://127.0.0.1:9",
    ]);
    assert_eq!(done.code, 7, "{}", done.err);
    assert!(done.out.contains("Apache License 2.0"), "{}", done.out);
    assert!(!path.exists());
}

fn generate(small: &Small, out: &str, more: &[&str]) -> Done {
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 90));
    let (model, out) = (small.path("m.safetensors"), small.path(out));
    let fixed = ["generate", &first, &last, "--checkpoint", &model, "--tiny", "--out", &out];
    let fast = ["--size", "128x64", "--steps", "2", "--device", "cpu"];
    inbetween(&[&fixed[..], &fast, more].concat())
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn generate_writes_frames_and_a_sheet() {
    let small = Small::new();
    let done = generate(&small, "out", &["--sheet", "--prompt", "a red ball rolls"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("17 pictures"), "{}", done.out);
    assert!(done.out.contains("UNet"), "the memory plan is shown: {}", done.out);
    let files = pictures(Path::new(&small.path("out")));
    assert_eq!(files.len(), 17);
    assert!(files[0].ends_with("frame.0001.png") && files[16].ends_with("sheet.png"));
    // A square picture in a wide frame: the bars are removed again.
    assert_eq!(image::open(&files[5]).unwrap().into_rgb8().dimensions(), (64, 64));
}

#[test]
fn a_plan_draws_nothing() {
    let small = Small::new();
    let peak = |more: &[&str]| {
        let done = generate(&small, "out", &[&["--plan", "--json"], more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        done.json()["peak_bytes"].as_u64().unwrap()
    };
    // Planned for a GPU whether or not there is one; half precision takes half the memory.
    let (full, half) = (["--device", "cuda", "--precision", "f32"], ["--device", "cuda"]);
    assert!(peak(&full) > peak(&half) && peak(&half) > 1 << 30);
    assert!(peak(&[]) < 1 << 30);
    assert!(!Path::new(&small.path("out")).exists());
    let words = generate(&small, "out", &["--plan", "--device", "cuda"]).out;
    assert!(words.contains("UNet") && words.contains("needed at most"), "{words}");
}

#[test]
fn one_seed_is_one_picture() {
    let small = Small::new();
    let runs = ["a", "b", "c"].map(|out| {
        let seed = if out == "c" { "8" } else { "7" };
        let done = generate(&small, out, &["--seed", seed, "--frames", "4", "--json"]);
        assert_eq!(done.code, 0, "{}", done.err);
        assert_eq!(done.json()["files"].as_array().unwrap().len(), 4);
        fs::read(Path::new(&small.path(out)).join("frame.0002.png")).unwrap()
    });
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[test]
fn solver_and_sketch_change_the_picture() {
    let small = Small::new();
    let sketch_model = small.path("s.safetensors");
    inbetween(&["models", "random", &sketch_model, "--tiny", "--layout", "sketch"]);
    let sketch = format!("2={}", small.drawing("sketch.png", 64));
    let variants: [&[&str]; 3] = [
        &[],
        &["--solver", "ddim"],
        &["--extra", &sketch_model, "--sketch", &sketch, "--sketch-strength", "1"],
    ];
    let mut seen = Vec::new();
    for (i, more) in variants.iter().enumerate() {
        let out = format!("out{i}");
        let done = generate(&small, &out, &[&["--frames", "4"], *more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        seen.push(fs::read(Path::new(&small.path(&out)).join("frame.0002.png")).unwrap());
    }
    assert!(seen[0] != seen[1] && seen[0] != seen[2]);
}

#[test]
fn generate_refuses_what_it_cannot_do() {
    let small = Small::new();
    for (more, code, words) in [
        (&["--size", "100x64"][..], 2, "64"),
        (&["--frames", "5"], 2, "even"),
        (&["--steps", "0"], 2, "Steps"),
        (&["--eta", "2"], 2, "between 0 and 1"),
        (&["--sketch", "2=none.png"], 3, "none.png"),
        (&["--sketch", "none.png"], 2, "8=sketch.png"),
        (&["--device", "cuda"], 8, "--device cpu"),
    ] {
        let done = generate(&small, "out", more);
        assert_eq!(done.code, code, "{more:?}: {}", done.err);
        assert!(done.err.contains(words), "{more:?}: {}", done.err);
    }
    let done = generate(&small, "out", &["--sketch", &format!("2={}", small.drawing("s.png", 64))]);
    assert_eq!(done.code, 8, "{}", done.err);
    assert!(done.err.contains("sketch encoder"), "{}", done.err);
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

#[test]
fn a_reader_who_has_seen_enough_stops_nothing() {
    let small = Small::new();
    let (first, last) = (small.drawing("first.png", 40), small.drawing("last.png", 80));
    let out = small.path("out");
    let render = ["render", &first, &last, "--out", &out, "--progress", "lines", "--frames", "1-5"];
    let cache = ["cache", "list", "--json", "--cache", &small.path("cache")];
    for arguments in
        [&render[..], &cache, &["doctor"], &["man"], &["completions", "bash"], &["no", "command"]]
    {
        let told = inbetween(arguments);
        let _ = fs::remove_dir_all(&out);
        let (to, err) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        let mut command = common::inbetween(arguments);
        command.stdout(to.1).stderr(err.1);
        drop((to.0, err.0));
        let code = command.status().unwrap().code();
        assert_eq!(code, Some(told.code), "{arguments:?}");
        if arguments == render {
            assert_eq!(pictures(Path::new(&out)).len(), 5);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_list_that_is_cut_short_is_no_success() {
    for arguments in [&["man"][..], &["completions", "bash"], &["models", "inspect", "none"]] {
        let told = inbetween(arguments);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = common::inbetween(arguments).stdout(full).output().unwrap();
        let done = Done::of(done);
        let wanted = if told.code == 0 { 3 } else { told.code };
        assert_eq!(done.code, wanted, "{arguments:?}: {}", done.err);
        assert!(told.code != 0 || done.err.contains("standard output"), "{}", done.err);
    }
}
