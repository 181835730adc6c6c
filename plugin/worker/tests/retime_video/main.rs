//! `retime` with real video files: nothing is lost, sound stays in sync, and every stream is kept.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

#[path = "../common/mod.rs"]
mod common;
mod containers;
mod long;
mod lost;
mod step;
mod streams;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use common::{Done, has_ffmpeg};

/// A folder with a clip and space for its output.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// `None`, with a message, if ffmpeg is missing.
    fn new() -> Option<Self> {
        has_ffmpeg().then(|| Self { folder: TempDir::new().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("INBETWEEN_CACHE_DIR", self.path("cache"));
        command
    }

    fn retime(&self, arguments: &[&str]) -> Done {
        let mut command = self.command(env!("CARGO_BIN_EXE_inbetween"), &["retime"]);
        Done::of(command.args(arguments).output().unwrap())
    }

    fn ffmpeg(&self, arguments: &str) {
        let mut command = self.command("ffmpeg", &["-v", "error", "-nostdin", "-y"]);
        let done = Done::of(command.args(arguments.split_whitespace()).output().unwrap());
        assert_eq!(done.code, 0, "{arguments}: {}", done.err);
    }

    /// Whether ffmpeg has an encoder; tests that need one report when they cannot run.
    fn encodes(&self, encoder: &str) -> bool {
        let listed = self.command("ffmpeg", &["-v", "error", "-encoders"]).output().unwrap().stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let has = listed.lines().any(|line| line.split_whitespace().nth(1) == Some(encoder));
        if !has {
            println!("SKIPPED: this ffmpeg has no {encoder}");
        }
        has
    }

    fn probe(&self, file: &str, arguments: &str) -> Value {
        let mut command = self.command("ffprobe", &["-v", "error", "-of", "json"]);
        let done = command.args(arguments.split_whitespace()).arg(file).output().unwrap();
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn streams(&self, file: &str) -> Vec<Value> {
        let told = self.probe(file, "-count_packets -show_streams -show_chapters -show_format");
        told["streams"].as_array().unwrap().clone()
    }

    fn kinds(&self, file: &str) -> Vec<String> {
        let kind = |stream: &Value| {
            format!(
                "{} {}",
                stream["codec_type"].as_str().unwrap_or_default(),
                stream["codec_name"].as_str().unwrap_or("?")
            )
        };
        self.streams(file).iter().map(kind).collect()
    }

    fn packets(&self, file: &str) -> u64 {
        self.streams(file)[0]["nb_read_packets"].as_str().unwrap().parse().unwrap()
    }

    /// The pictures of a file in grey, and the time of each.
    fn pictures(&self, file: &str) -> Vec<(f64, Vec<u8>)> {
        let stream = &self.streams(file)[0];
        let bytes =
            (stream["width"].as_u64().unwrap() * stream["height"].as_u64().unwrap()) as usize;
        let told =
            self.probe(file, "-select_streams v:0 -show_entries frame=best_effort_timestamp_time");
        let times = told["frames"].as_array().unwrap().iter();
        let times =
            times.map(|f| f["best_effort_timestamp_time"].as_str().unwrap().parse().unwrap());
        let every = "-an -vf settb=1/25,setpts=N,format=gray -r 25 -f rawvideo -";
        let mut command = self.command("ffmpeg", &["-v", "error", "-i", file]);
        let raw = command.args(every.split_whitespace()).output().unwrap().stdout;
        times.zip(raw.chunks_exact(bytes).map(<[u8]>::to_vec)).collect()
    }

    /// When something first moves, and when the last picture ends if it is shown as long as the one
    /// before.
    fn first_move_and_end(&self, file: &str) -> (f64, f64) {
        let pictures = self.pictures(file);
        let differs = |a: &[u8], b: &[u8]| {
            let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            f64::from(sum) / a.len() as f64 > 0.3
        };
        let first = &pictures[0].1;
        let moved = pictures.iter().find(|(_, picture)| differs(first, picture)).unwrap().0;
        let last = pictures.len() - 1;
        (moved, 2.0 * pictures[last].0 - pictures[last - 1].0)
    }

    /// When the sound first becomes loud.
    fn first_heard(&self, file: &str) -> f64 {
        let told = self.probe(
            file,
            "-select_streams a:0 -read_intervals %+#3 -show_entries frame=best_effort_timestamp_time",
        );
        let begins = &told["frames"][0]["best_effort_timestamp_time"];
        let begins: f64 = begins.as_str().unwrap().parse().unwrap();
        let line = format!("-v error -i {file} -map 0:a:0 -ac 1 -ar 48000 -f s16le -");
        let mut command = self.command("ffmpeg", &line.split_whitespace().collect::<Vec<_>>());
        let samples = command.output().unwrap().stdout;
        let mut samples = samples.as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two));
        begins + samples.position(|sample| sample.abs() > 3000).unwrap() as f64 / 48_000.0
    }

    /// A square that stands still for half a second and then moves on every second frame, at 24
    /// frames a second. The filter counts frames from 1.
    fn square(&self, frames: u32) {
        let graph = "color=c=0x80a060:s=160x120:r=24[a];color=c=red:s=24x24:r=24[b];\
                     [a][b]overlay=x='if(lte(n,12),8,8+3*floor((n-11)/2))':y=40";
        let mut command = self.command("ffmpeg", &["-v", "error", "-y", "-filter_complex", graph]);
        let done = command
            .args([
                "-frames:v",
                &frames.to_string(),
                "-c:v",
                "ffv1",
                "-pix_fmt",
                "yuv420p",
                "square.mkv",
            ])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

const LOSSLESS: &str = "-c:v libx264 -qp 0 -preset ultrafast -pix_fmt yuv420p";
