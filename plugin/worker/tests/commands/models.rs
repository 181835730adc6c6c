//! Weight files: described, checked, converted and fetched.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Small, inbetween};

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
