//! The executable from a script's point of view: outputs, files and exit codes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod models;
mod render;

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
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

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
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
