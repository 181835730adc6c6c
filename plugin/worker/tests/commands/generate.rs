//! ToonCrafter alone, with a small model of random weights.

use std::fs;
use std::path::Path;

use super::common::Done;
use super::{Small, inbetween, pictures};

fn generate(small: &Small, out: &str, more: &[&str]) -> Done {
    let (first, last) = (small.drawing("a.png", 40), small.drawing("b.png", 90));
    let (model, out) = (small.path("m.safetensors"), small.path(out));
    let fixed = ["generate", &first, &last, "--checkpoint", &model, "--tiny", "--out", &out];
    let fast = ["--size", "128x64", "--steps", "2", "--device", "cpu"];
    inbetween(&[&fixed[..], &fast, more].concat())
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
    // What is not there is not measured, and the small model's work is not known.
    assert!(words.contains("time: not foretold") || words.contains("time: known"), "{words}");
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
