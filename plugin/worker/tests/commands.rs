//! The executable as a script sees it: outputs, files and exit codes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// What the program did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|err| panic!("{err}: {}", self.out))
    }
}

fn inbetween(arguments: &[&str]) -> Done {
    let done = Command::new(env!("CARGO_BIN_EXE_inbetween"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Done {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
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

#[test]
fn nothing_is_fetched_before_the_licence_is_accepted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("models");
    // Nobody listens there; asking it would be a network failure.
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
    // A square picture in a wide frame: the bars are cut off again.
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
    // Planned for a GPU whether there is one or not; halves where the weights are halves.
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
