//! The batch host, as a user runs it, with the plug-in that follows every rule.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::{fs::File, io::BufReader, path::Path};

use common::{drawing, host, plugin};
use host_tests::pictures::picture::{Picture, Reading};
use image::{AnimationDecoder, codecs::gif::GifDecoder};

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    /// A folder with two keys.
    fn new(extension: &str, deep: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, seed) in [("a", 1), ("b", 2)] {
            let path = folder.path().join(format!("{name}.{extension}"));
            drawing(seed).save(&path, Reading::default(), deep).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn render(&self, more: &[&str]) -> std::process::Output {
        let plugin = plugin("good");
        let mut all = vec!["render", "--plugin", plugin.to_str().unwrap()];
        all.extend(more);
        host(&all)
    }

    /// Renders frames 1 to 5 between the two keys.
    fn render_between_keys(&self, extension: &str, more: &[&str]) -> std::process::Output {
        let [a, b] = [("Source", "a"), ("KeyB", "b")]
            .map(|(clip, key)| format!("{clip}={}", self.path(&format!("{key}.{extension}"))));
        let own = ["--context", "general", "--clip", &a, "--clip", &b, "--frames", "1-5"];
        self.render(&[&own[..], more].concat())
    }

    fn open(&self, name: &str) -> Picture {
        Picture::open(Path::new(&self.path(name)), Reading::default()).unwrap()
    }
}

fn succeeded(output: &std::process::Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_ends_are_the_keys_and_the_middle_is_between() {
    for (extension, depth) in
        [("png", "byte"), ("png", "short"), ("tif", "float"), ("exr", "float")]
    {
        let case = Case::new(extension, depth != "byte");
        let out = case.path(&format!("o_%04d.{extension}"));
        succeeded(&case.render_between_keys(extension, &["--depth", depth, "--out", &out]));
        let (a, b) = (drawing(1), drawing(2));
        assert_eq!(
            case.open(&format!("o_0001.{extension}")).pixels,
            a.pixels,
            "{extension} {depth}"
        );
        assert_eq!(
            case.open(&format!("o_0005.{extension}")).pixels,
            b.pixels,
            "{extension} {depth}"
        );
        let middle = case.open(&format!("o_0003.{extension}"));
        for ((a, b), m) in a.pixels.iter().zip(&b.pixels).zip(&middle.pixels) {
            for ((a, b), m) in a.iter().zip(b).zip(m) {
                assert!((0.5 * (a + b) - m).abs() < 0.003, "{extension} {depth}: {a} {b} {m}");
            }
        }
    }
}

#[test]
fn every_profile_renders_the_filter() {
    let case = Case::new("png", false);
    for profile in ["natron", "nuke", "resolve", "fusion", "mlt", "bare"] {
        let out = case.path(&format!("{profile}_%04d.png"));
        let source = format!("Source={}", case.path("a.png"));
        succeeded(&case.render(&[
            "--context",
            "filter",
            "--clip",
            &source,
            "--frames",
            "2-4",
            "--profile",
            profile,
            "--out",
            &out,
            "--depth",
            "byte",
        ]));
        // The clip's single picture stays unchanged at any depth and in any row order.
        assert_eq!(
            case.open(&format!("{profile}_0003.png")).pixels,
            drawing(1).pixels,
            "{profile}"
        );
    }
}

#[test]
fn a_failed_frame_is_not_written_and_tells_why() {
    let case = Case::new("png", false);
    let source = format!("Source={}", case.path("a.png"));
    let out = case.path("o_%04d.png");
    let output =
        case.render(&["--context", "general", "--clip", &source, "--frames", "1-3", "--out", &out]);
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("frame 2 failed: A key is missing. Connect both clips."), "{errors}");
    assert!(Path::new(&case.path("o_0001.png")).exists(), "frame 1 is the first key itself");
    for frame in ["o_0002.png", "o_0003.png"] {
        assert!(!Path::new(&case.path(frame)).exists(), "{frame} was written");
    }
}

#[test]
fn threads_and_scale_and_transition() {
    let case = Case::new("png", false);
    let (a, b) = (case.path("a.png"), case.path("b.png"));
    let (from, to) = (format!("SourceFrom={a}"), format!("SourceTo={b}"));
    let mut pictures = Vec::new();
    for threads in ["1", "4"] {
        let out = case.path(&format!("t{threads}_%02d.png"));
        succeeded(&case.render(&[
            "--context",
            "transition",
            "--clip",
            &from,
            "--clip",
            &to,
            "--frames",
            "0-8",
            "--threads",
            threads,
            "--scale",
            "0.5",
            "--out",
            &out,
            "--depth",
            "short",
        ]));
        pictures.push(
            (0..=8).map(|at| case.open(&format!("t{threads}_{at:02}.png"))).collect::<Vec<_>>(),
        );
    }
    assert_eq!(pictures[0], pictures[1]);
    assert_eq!((pictures[0][4].width, pictures[0][4].height), (20, 15));
    // Without a value, the position runs over the frames.
    assert_eq!(pictures[0][0].pixels.len(), 300);
    assert_ne!(pictures[0][2], pictures[0][6]);
}

#[test]
fn a_sheet_and_a_preview_show_all_frames() {
    let case = Case::new("png", false);
    let (sheet, gif) = (case.path("sheet.png"), case.path("p.gif"));
    succeeded(&case.render_between_keys("png", &["--sheet", &sheet, "--preview", &gif]));
    let sheet = case.open("sheet.png");
    // Five cells in rows of at least two.
    assert!(sheet.width > 2 * 120 && sheet.height > 3 * 30, "{}x{}", sheet.width, sheet.height);
    let decoder = GifDecoder::new(BufReader::new(File::open(gif).unwrap())).unwrap();
    // Five frames forwards and three backwards.
    assert_eq!(decoder.into_frames().collect_frames().unwrap().len(), 8);
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
    let case = Case::new("png", false);
    let source = format!("Source={}", case.path("a.png"));
    let wrong: [(&[&str], &str); 6] = [
        (&["--context", "retimer"], "general"),
        (&["--context", "filter", "--clip", "Nothing=x.png"], "x.png"),
        (&["--context", "filter", "--clip", &source, "--set", "speed=1"], "first, last"),
        (&["--context", "filter", "--clip", &source, "--set", "first=late"], "late"),
        (&["--context", "filter", "--clip", &source, "--set", "first=1e9"], "outside of"),
        (
            &["--context", "filter", "--clip", &source, "--frames", "1-3", "--out", "one.png"],
            "%04d",
        ),
    ];
    for (arguments, says) in wrong {
        let output = case.render(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(says), "{arguments:?}: {errors}");
    }
}

#[test]
fn list_finds_a_plugin_in_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let architecture = match std::env::consts::OS {
        "macos" => "MacOS",
        "windows" => "Win64",
        _ => "Linux-x86-64",
    };
    let inside = folder.path().join("Good.ofx.bundle/Contents").join(architecture);
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::copy(plugin("good"), inside.join("Good.ofx")).unwrap();
    let output = host(&["list", "--json", folder.path().to_str().unwrap()]);
    succeeded(&output);
    let plugins: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plugins[0]["id"], "org.example.good");
    let general = plugins[0]["contexts"].as_array().unwrap();
    let general = general.iter().find(|context| context["context"] == "General").unwrap();
    assert_eq!(general["clips"][2]["name"], "Sketch");
    assert_eq!(general["clips"][2]["optional"], true);
    assert_eq!(general["params"][0]["range"], "-100000..100000");
}
