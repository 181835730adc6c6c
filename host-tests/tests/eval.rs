//! The evaluation of a set of key pairs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use common::{drawing, host, plugin};
use host_tests::pictures::picture::{Picture, Reading};

#[test]
fn every_item_of_a_manifest_is_drawn_at_its_position() {
    let set = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        let path = set.path().join(format!("{seed}.png"));
        drawing(seed).save(&path, Reading::default(), false).unwrap();
    }
    let manifest = r#"{"split": "test", "items": [
        {"id": "x", "i0": "1.png", "i1": "2.png", "gt": null, "pred": "x.png", "t": 0.25},
        {"id": "y", "i0": "2.png", "i1": "1.png", "pred": "y.png"},
        {"id": "z", "i0": "1.png", "i1": "2.png", "pred": "deep/z.png", "t": 1.0}]}"#;
    std::fs::write(set.path().join("manifest.json"), manifest).unwrap();
    let plugin = plugin("good");
    let run = |plugin: &str| {
        let (set, out) = (set.path().to_str().unwrap(), out.path().to_str().unwrap());
        host(&["eval", set, out, "--plugin", plugin, "--id", "org.example.good"])
    };
    let output = run(plugin.to_str().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (file, from, to, t) in
        [("x.png", 1, 2, 0.25), ("y.png", 2, 1, 0.5), ("deep/z.png", 1, 2, 1.0)]
    {
        let drawn = Picture::open(&out.path().join(file), Reading::default()).unwrap();
        let (from, to) = (drawing(from), drawing(to));
        for ((a, b), drawn) in from.pixels.iter().zip(&to.pixels).zip(&drawn.pixels) {
            for ((a, b), drawn) in a.iter().zip(b).zip(drawn) {
                let expected = a + (b - a) * t;
                assert!((expected - drawn).abs() <= 1.0 / 255.0, "{file}: {expected} {drawn}");
            }
        }
    }
}

#[test]
fn an_item_that_cannot_be_read_fails_alone() {
    let set = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    drawing(1).save(&set.path().join("1.png"), Reading::default(), false).unwrap();
    let manifest = r#"{"items": [
        {"id": "gone", "i0": "1.png", "i1": "none.png", "pred": "gone.png", "t": 0.5},
        {"id": "far", "i0": "1.png", "i1": "1.png", "pred": "far.png", "t": 1.5},
        {"id": "fine", "i0": "1.png", "i1": "1.png", "pred": "fine.png", "t": 0.5}]}"#;
    std::fs::write(set.path().join("manifest.json"), manifest).unwrap();
    let (folder, to) = (set.path().to_str().unwrap(), out.path().to_str().unwrap());
    let plugin = plugin("good");
    let output = host(&[
        "eval",
        folder,
        to,
        "--plugin",
        plugin.to_str().unwrap(),
        "--id",
        "org.example.good",
    ]);
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("gone failed") && errors.contains("none.png"), "{errors}");
    assert!(errors.contains("far failed") && errors.contains("1.5"), "{errors}");
    assert!(errors.contains("2 of 3 items failed"), "{errors}");
    assert!(out.path().join("fine.png").exists());
    assert!(!out.path().join("gone.png").exists());
}
