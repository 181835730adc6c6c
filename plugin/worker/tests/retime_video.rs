//! `retime` with real video files: nothing lost, in step with the sound, and all of the file.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use inbetween_core::ContentHash;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a clip and room for its output.
struct Desk {
    folder: TempDir,
}

impl Desk {
    /// Nothing where ffmpeg is missing, which is said.
    fn new() -> Option<Self> {
        let found = ["ffmpeg", "ffprobe"].iter().all(|program| {
            Command::new(program).arg("-version").output().is_ok_and(|done| done.status.success())
        });
        if !found {
            println!("SKIPPED: ffmpeg is not installed");
        }
        found.then(|| Self { folder: TempDir::new().unwrap() })
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

    /// Whether ffmpeg has an encoder; tests of one say so when they cannot run.
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

    /// The pictures of a file in grey, and when each is seen.
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

    /// When something first moves, and when the last picture ends if it is seen as long as the one before.
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

    /// When the sound is loud for the first time.
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

    /// A square that stands for half a second and then steps on every second frame, at 24 frames a second.
    /// The filter counts frames from 1.
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

struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn of(done: Output) -> Self {
        Self {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|err| panic!("{err}: {} {}", self.out, self.err))
    }

    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }
}

const LOSSLESS: &str = "-c:v libx264 -qp 0 -preset ultrafast -pix_fmt yuv420p";

// Nothing lost.

#[test]
fn a_run_killed_at_any_moment_ends_well_when_it_is_given_again() {
    let Some(desk) = Desk::new() else { return };
    desk.square(60);
    desk.ffmpeg(&format!(
        "-i square.mkv -f lavfi -i sine=duration=2.5 {LOSSLESS} -c:a aac clip.mp4"
    ));
    let whole = ["clip.mp4", "whole.mkv", "--to", "60", "--codec", "ffv1"];
    desk.retime(&whole).ok();
    let wanted: Vec<Vec<u8>> =
        desk.pictures("whole.mkv").into_iter().map(|(_, picture)| picture).collect();
    assert_eq!(wanted.len(), 150);
    let mut kills = 0;
    for seed in 0..6_u64 {
        let output = format!("killed{seed}.mkv");
        let order = ["clip.mp4", &output, "--to", "60", "--codec", "ffv1"];
        // Later and later, so that every stage is met; in the end it is left alone.
        for kill in 0..4 {
            let mut command = desk.command(env!("CARGO_BIN_EXE_inbetween"), &["retime"]);
            let mut child =
                command.args(order).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let random = (seed * 7919 + kill * 104_729 + 12_345) % 900;
            std::thread::sleep(Duration::from_millis(60 + random + 120 * seed));
            if child.try_wait().unwrap().is_none() {
                kills += 1;
            }
            let _ = child.kill();
            child.wait().unwrap();
            if desk.path(&output).exists() && !desk.path(&format!("{output}.frames")).exists() {
                break;
            }
        }
        let last = desk.retime(&order);
        let finished = last.code == 0 || (last.code == 2 && last.err.contains("exists already"));
        assert!(finished, "{}: {}", last.code, last.err);
        let pictures: Vec<Vec<u8>> =
            desk.pictures(&output).into_iter().map(|(_, picture)| picture).collect();
        assert!(pictures == wanted, "seed {seed}: {} pictures", pictures.len());
        assert_eq!(desk.kinds(&output), ["video ffv1", "audio aac"]);
        assert!(!desk.path(&format!("{output}.frames")).exists());
    }
    assert!(kills >= 6, "only {kills} runs could be killed in time");
}

/// The shell's limits are those of every program that it starts.
fn limited(desk: &Desk, limit: &str, arguments: &[&str]) -> Done {
    let program = env!("CARGO_BIN_EXE_inbetween");
    let line = format!("{limit}; exec '{program}' retime \"$@\"");
    let mut command = desk.command("bash", &["-c", &line, "bash"]);
    Done::of(command.args(arguments).output().unwrap())
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_be_written_whole_is_a_failure_and_loses_nothing() {
    let Some(desk) = Desk::new() else { return };
    // Noise, so that the encoded parts are larger than any picture.
    desk.ffmpeg("-f lavfi -i testsrc2=s=160x120:r=24:d=1,noise=alls=60:allf=t -c:v ffv1 clip.mkv");
    let order = ["clip.mkv", "out.mkv", "--to", "48", "--codec", "ffv1", "--json"];
    for limit in ["ulimit -f 600", "trap '' XFSZ; ulimit -f 600"] {
        let done = limited(&desk, limit, &order);
        assert_eq!(done.code, 3, "{limit}: {} {}", done.out, done.err);
        assert!(done.err.contains("What is finished is kept"), "{}", done.err);
        assert!(!desk.path("out.mkv").exists());
    }
    let pictures = fs::read_dir(desk.path("out.mkv.frames")).unwrap().flatten();
    let pictures =
        pictures.filter(|entry| entry.path().extension().is_some_and(|e| e == "png")).count();
    assert_eq!(pictures, 48, "every frame that was drawn is there");
    let done = desk.retime(&order).ok();
    assert_eq!(done.json()["resumed"], 48);
    assert_eq!(desk.packets("out.mkv"), 48);
}

/// A small disk of its own, where this user may make one.
#[cfg(target_os = "linux")]
struct Disk(PathBuf);

#[cfg(target_os = "linux")]
impl Disk {
    fn new(place: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let mut mount = Command::new("mount");
        let size = format!("size={kib}k");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place);
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        if !mounted {
            println!("SKIPPED: no small disk can be made here");
        }
        mounted.then_some(Self(place))
    }

    fn resize(&self, kib: u32) {
        let size = format!("remount,size={kib}k");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_at_any_size_is_a_failure_with_its_reason_or_the_right_result() {
    let Some(desk) = Desk::new() else { return };
    desk.ffmpeg("-f lavfi -i testsrc2=s=160x120:r=24:d=1,noise=alls=60:allf=t -f lavfi -i sine=d=1 -c:v ffv1 -c:a flac clip.mkv");
    let (mut full, mut done_at_once) = (0, 0);
    for step in 0..15 {
        let name = format!("disk{step}");
        // The room that is asked for beforehand is not what is tried here, so it is there, and then taken away.
        let Some(disk) = Disk::new(desk.path(&name), 200_000) else { return };
        let output = format!("{name}/out.mkv");
        let order = ["clip.mkv", &output, "--to", "48", "--codec", "ffv1", "--json"];
        let mut command = desk.command(env!("CARGO_BIN_EXE_inbetween"), &["retime"]);
        let child =
            command.args(order).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !desk.path(&format!("{name}/out.mkv.frames/frame.0001.png")).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        disk.resize(1000 + 900 * step);
        let done = Done::of(child.wait_with_output().unwrap());
        if done.code == 0 {
            done_at_once += 1;
        } else {
            full += 1;
            assert_eq!(done.code, 3, "{}", done.err);
            assert!(
                !desk.path(&output).exists(),
                "nothing that is not whole has the name of the output"
            );
            disk.resize(200_000);
            desk.retime(&order).ok();
        }
        assert_eq!(desk.packets(&output), 48, "{name}");
        assert_eq!(desk.kinds(&output), ["video ffv1", "audio flac"]);
    }
    assert!(full >= 3 && done_at_once >= 1, "{full} full, {done_at_once} done at once");
}

#[test]
fn a_finished_frame_that_was_damaged_is_drawn_again() {
    let Some(desk) = Desk::new() else { return };
    desk.square(24);
    let whole = ["square.mkv", "whole.mkv", "--to", "48", "--codec", "ffv1"];
    desk.retime(&whole).ok();
    let order = ["square.mkv", "out.mkv", "--to", "48", "--codec", "ffv1", "--json"];
    desk.retime(&[&order[..], &["--frames", "1-40"]].concat()).ok();
    let frame = |n: u32| desk.path(&format!("out.mkv.frames/frame.{n:04}.png"));
    let bytes = fs::read(frame(30)).unwrap();
    fs::write(frame(30), &bytes[..bytes.len() / 2]).unwrap();
    fs::copy(frame(1), frame(35)).unwrap();
    fs::remove_file(frame(38)).unwrap();
    let done = desk.retime(&order).ok();
    assert_eq!(done.json()["resumed"], 37);
    let pictures = |file: &str| desk.pictures(file).into_iter().map(|(_, p)| p).collect::<Vec<_>>();
    assert!(pictures("out.mkv") == pictures("whole.mkv"));
}

#[test]
fn a_damaged_or_cut_off_clip_is_said_to_be_so_and_keeps_its_length() {
    let Some(desk) = Desk::new() else { return };
    desk.square(72);
    desk.ffmpeg("-i square.mkv -c:v libx264 -g 12 -pix_fmt yuv420p -movflags +faststart clip.mp4");
    let whole = fs::read(desk.path("clip.mp4")).unwrap();
    let at = whole.windows(4).position(|four| four == b"mdat").unwrap();
    let mut damaged = whole.clone();
    let middle = at + (whole.len() - at) / 2;
    damaged[middle..middle + 60].fill(0x55);
    fs::write(desk.path("damaged.mp4"), damaged).unwrap();
    fs::write(desk.path("short.mp4"), &whole[..at + (whole.len() - at) * 2 / 3]).unwrap();

    desk.retime(&["clip.mp4", "clip.mkv", "--to", "48"]).ok();
    let done = desk.retime(&["damaged.mp4", "damaged.mkv", "--to", "48", "--json"]);
    assert_eq!(done.code, 9, "{}", done.err);
    assert!(done.err.contains("The clip is damaged"), "{}", done.err);
    assert_eq!(desk.packets("damaged.mkv"), 144, "as long as it should be");
    assert!(!done.json()["damage"].as_array().unwrap().is_empty());

    let done = desk.retime(&["short.mp4", "short.mkv", "--to", "48"]);
    assert_eq!(done.code, 9, "{}", done.err);
    assert!(done.err.contains("damaged"), "{}", done.err);
    assert_eq!(desk.retime(&["short.mp4", "--x-sheet"]).code, 9);
}

#[test]
fn a_run_stopped_while_it_cleaned_up_is_a_finished_one() {
    let Some(desk) = Desk::new() else { return };
    desk.square(24);
    let order = ["square.mkv", "out.mkv", "--to", "48", "--codec", "ffv1"];
    desk.retime(&[&order[..], &["--shard", "1/1"]].concat()).ok();
    let folder = desk.path("out.mkv.frames");
    let manifest = fs::read(folder.join(".inbetween-retime.json")).unwrap();
    desk.retime(&order).ok();
    assert!(!folder.exists());
    // As it lies there between the moment when the film is in its place and the last file's end.
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["output"] = json!(ContentHash::of(&fs::read(desk.path("out.mkv")).unwrap()));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".inbetween-retime.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("part.00000.mkv"), b"rest").unwrap();
    desk.retime(&order).ok();
    assert!(!folder.exists());
    assert_eq!(desk.packets("out.mkv"), 48);
    assert_eq!(desk.retime(&order).code, 2, "a finished file stays");
}

#[test]
#[cfg(unix)]
fn no_link_is_followed_and_no_name_can_be_foreseen() {
    use std::os::unix::fs::symlink;
    let Some(desk) = Desk::new() else { return };
    desk.square(12);
    fs::write(desk.path("precious"), b"precious").unwrap();
    symlink(desk.path("precious"), desk.path("out.part.mkv")).unwrap();
    symlink(desk.path("precious"), desk.path("out.mkv")).unwrap();
    let order = ["square.mkv", "out.mkv", "--to", "48"];
    assert_eq!(desk.retime(&order).code, 2, "what is there is not replaced unasked");
    desk.retime(&[&order[..], &["--overwrite"]].concat()).ok();
    assert_eq!(fs::read(desk.path("precious")).unwrap(), b"precious");
    fs::create_dir(desk.path("elsewhere")).unwrap();
    symlink(desk.path("elsewhere"), desk.path("other.mkv.frames")).unwrap();
    let done = desk.retime(&["square.mkv", "other.mkv", "--to", "48"]);
    assert_eq!((done.code, done.err.contains("is a link")), (2, true), "{}", done.err);
}

// In step.

#[test]
fn pictures_that_begin_after_the_sound_stay_in_step() {
    let Some(desk) = Desk::new() else { return };
    desk.square(48);
    desk.ffmpeg(&format!("-i square.mkv {LOSSLESS} pictures.mp4"));
    desk.ffmpeg("-f lavfi -i aevalsrc=if(gte(t\\,1)\\,sin(2*PI*1000*t)*0.8\\,0):s=48000:d=2.6 -itsoffset 0.541667 -i pictures.mp4 -map 1:v -map 0:a -c:v copy -c:a aac late.mp4");
    let (moves, ends) = desk.first_move_and_end("late.mp4");
    assert!((moves - 1.0417).abs() < 0.002, "{moves}");
    for output in ["o.mkv", "o.mp4", "o.mov"] {
        let done = desk.retime(&["late.mp4", output, "--to", "48", "--json"]).ok();
        assert_eq!(done.json()["frames"], 96);
        assert_eq!(desk.packets(output), 96);
        let (moved, ended) = desk.first_move_and_end(output);
        // What moves on twos moves half a frame of the source later, or sooner, as the drawing's way begins.
        let after = |time: f64, file: &str| time - desk.first_heard(file);
        let wanted = after(moves, "late.mp4");
        assert!((after(moved, output) - wanted).abs() < 1.0 / 24.0 + 0.005, "{output}");
        let (end, wanted) = (after(ended, output), after(ends, "late.mp4"));
        assert!((end - wanted).abs() < 0.005, "{output}: {end} for {wanted}");
    }
}

#[test]
fn sound_that_begins_after_the_pictures_stays_in_step() {
    let Some(desk) = Desk::new() else { return };
    desk.square(48);
    desk.ffmpeg(&format!(
        "-i square.mkv -itsoffset 0.3 -f lavfi -i sine=duration=1 {LOSSLESS} -c:a aac clip.mkv"
    ));
    for output in ["o.mkv", "o.mp4"] {
        desk.retime(&["clip.mkv", output, "--to", "60", "--strength", "0"]).ok();
        let apart = |file: &str| -> f64 {
            let start = |at: usize| -> f64 {
                desk.streams(file)[at]["start_time"].as_str().unwrap().parse().unwrap()
            };
            start(1) - start(0)
        };
        assert!((apart(output) - apart("clip.mkv")).abs() < 0.005, "{output}");
        let (moved, ended) = desk.first_move_and_end(output);
        let (moves, ends) = desk.first_move_and_end("clip.mkv");
        assert!((moved - moves).abs() < 0.005 && (ended - ends).abs() < 0.005, "{moved} {ended}");
    }
}

#[test]
fn the_last_picture_of_an_unsteady_clock_is_kept() {
    let Some(desk) = Desk::new() else { return };
    desk.square(90);
    let unsteady = "setpts='(N/30+0.006*sin(N*7))/TB'";
    desk.ffmpeg(&format!("-i square.mkv -vf settb=1/90000,{unsteady} -vsync 0 -enc_time_base 1:90000 {LOSSLESS} -video_track_timescale 90000 phone.mp4"));
    let done = desk.retime(&["phone.mp4", "o.mp4", "--to", "60", "--json"]).ok();
    assert_eq!((&done.json()["from"], &done.json()["frames"]), (&"30".into(), &180.into()));
    assert_eq!(desk.packets("o.mp4"), 180);
}

#[test]
fn pictures_at_irregular_times_are_seen_at_their_times() {
    let Some(desk) = Desk::new() else { return };
    desk.square(60);
    // The first second at 24, then at 30: no rate of a camera fits both.
    let mixed = "setpts='if(lt(N,24),N/24,1+(N-24)/30)/TB'";
    desk.ffmpeg(&format!("-i square.mkv -vf settb=1/90000,{mixed} -vsync 0 -enc_time_base 1:90000 {LOSSLESS} -video_track_timescale 90000 mixed.mp4"));
    desk.retime(&["mixed.mp4", "o.mkv", "--to", "120", "--strength", "0"]).ok();
    let (moves, ends) = desk.first_move_and_end("mixed.mp4");
    let (moved, ended) = desk.first_move_and_end("o.mkv");
    assert!((moved - moves).abs() < 0.005, "{moved} for {moves}");
    assert!((ended - ends).abs() < 0.009, "{ended} for {ends}");
}

#[test]
fn a_clip_of_480_frames_a_second_is_read_as_one() {
    let Some(desk) = Desk::new() else { return };
    desk.ffmpeg(
        "-f lavfi -i testsrc2=s=160x120:r=480:d=0.2 -c:v libx264 -pix_fmt yuv420p f480.mp4",
    );
    let done = desk.retime(&["f480.mp4", "--x-sheet"]).ok();
    assert!(done.out.contains("96 frames at 480"), "{}", done.out);
}

// All of the file.

const SUBTITLES: &str =
    "1\n00:00:00,100 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,900\nThere\n";

/// A file with two languages of sound, two kinds of subtitles, a font, chapters and titles.
fn full(desk: &Desk) {
    desk.square(48);
    fs::write(desk.path("s.srt"), SUBTITLES).unwrap();
    fs::write(desk.path("font.ttf"), b"a font").unwrap();
    fs::write(
        desk.path("chapters.txt"),
        ";FFMETADATA1\ntitle=My film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n",
    )
    .unwrap();
    desk.ffmpeg(
        "-i square.mkv -f lavfi -i sine=d=2 -f lavfi -i sine=f=300:d=2 -i s.srt -i s.srt -i chapters.txt \
         -map 0:v -map 1:a -map 2:a -map 3:s -map 4:s -map_metadata 5 -map_chapters 5 -c:v libx264 -c:a aac -ac:a:0 6 \
         -c:s:0 srt -c:s:1 ass -metadata:s:v:0 title=Pictures -metadata:s:a:0 language=eng -metadata:s:a:1 language=jpn \
         -metadata:s:a:1 title=Commentary -attach font.ttf -metadata:s:t mimetype=application/x-truetype-font full.mkv",
    );
}

#[test]
fn every_stream_is_kept_or_named() {
    let Some(desk) = Desk::new() else { return };
    full(&desk);
    let all = [
        "video h264",
        "audio aac",
        "audio aac",
        "subtitle subrip",
        "subtitle ass",
        "attachment ttf",
    ];
    assert_eq!(desk.kinds("full.mkv"), all);
    let done = desk.retime(&["full.mkv", "o.mkv", "--to", "48"]).ok();
    assert_eq!(desk.kinds("o.mkv"), all);
    assert!(!done.err.contains("left out") && !done.err.contains("becomes"), "{}", done.err);
    let (before, after) = (desk.streams("full.mkv"), desk.streams("o.mkv"));
    for (a, b) in before.iter().zip(&after).skip(1) {
        for name in ["channels", "channel_layout", "nb_read_packets", "disposition"] {
            assert_eq!(a[name], b[name], "{name}");
        }
        for name in ["language", "title", "filename", "mimetype"] {
            assert_eq!(a["tags"][name], b["tags"][name], "{name}");
        }
    }
    assert_eq!(after[0]["tags"]["title"], "Pictures");
    let chapters = |file: &str| desk.probe(file, "-show_chapters -show_entries format_tags=title");
    assert_eq!(chapters("o.mkv"), chapters("full.mkv"));
    // Another container, another choice: each thing is named.
    let done = desk.retime(&["full.mkv", "o.mp4", "--to", "48"]).ok();
    assert_eq!(
        desk.kinds("o.mp4")[..5],
        ["video h264", "audio aac", "audio aac", "subtitle mov_text", "subtitle mov_text"]
    );
    assert!(done.err.contains("attachment stream 5 (ttf, font.ttf) is left out"), "{}", done.err);
    assert_eq!(done.err.matches("becomes mov_text").count(), 2, "{}", done.err);
    let chapters = desk.probe("o.mp4", "-show_chapters");
    assert_eq!(chapters["chapters"].as_array().unwrap().len(), 2);
    let done = desk.retime(&["full.mkv", "o.avi", "--to", "48"]).ok();
    for part in
        ["subtitle stream 3", "subtitle stream 4", "attachment stream 5", "chapters", "pcm_s16le"]
    {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert_eq!(desk.kinds("o.avi"), ["video h264", "audio pcm_s16le", "audio pcm_s16le"]);
}

#[test]
fn a_timecode_names_the_same_moment_at_the_new_rate() {
    let Some(desk) = Desk::new() else { return };
    desk.square(48);
    desk.ffmpeg(&format!("-i square.mkv -f lavfi -i sine=d=2 -map 0:v -map 1:a {LOSSLESS} -c:a pcm_s24le -timecode 01:00:00:12 tc.mov"));
    assert_eq!(desk.kinds("tc.mov"), ["video h264", "audio pcm_s24le", "data ?"]);
    desk.retime(&["tc.mov", "o.mov", "--to", "48"]).ok();
    assert_eq!(desk.kinds("o.mov"), ["video h264", "audio pcm_s24le", "data ?"]);
    assert_eq!(desk.streams("o.mov")[0]["tags"]["timecode"], "01:00:00:24");
    let done = desk.retime(&["tc.mov", "o.webm", "--to", "48"]).ok();
    assert!(done.err.contains("timecode 01:00:00:12 is left out"), "{}", done.err);
}

#[test]
fn surround_sound_finds_its_layout_in_webm() {
    let Some(desk) = Desk::new() else { return };
    if !desk.encodes("libopus") || !desk.encodes("libvpx-vp9") {
        return;
    }
    desk.square(24);
    desk.ffmpeg("-i square.mkv -f lavfi -i aevalsrc=sin(400*t)|0|0|0|0|0:c=5.1(side):d=1 -c:v libx264 -c:a ac3 ac3.mkv");
    assert_eq!(desk.streams("ac3.mkv")[1]["channel_layout"], "5.1(side)");
    let done = desk.retime(&["ac3.mkv", "o.webm", "--to", "48"]).ok();
    assert_eq!(desk.kinds("o.webm"), ["video vp9", "audio opus"]);
    assert_eq!(desk.streams("o.webm")[1]["channels"], 6);
    assert!(done.err.contains("becomes libopus"), "{}", done.err);
}

#[test]
fn what_a_container_cannot_take_is_refused_before_anything_is_drawn() {
    let Some(desk) = Desk::new() else { return };
    desk.square(24);
    let refused = |arguments: &[&str], part: &str| {
        let done = desk.retime(&[&["square.mkv"], arguments, &["--to", "48"]].concat());
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.err);
        assert!(done.err.contains(part), "{arguments:?}: {}", done.err);
        assert!(!desk.path(&format!("{}.frames", arguments[0])).exists(), "{arguments:?}");
        assert!(!done.err.contains("finding drawings"), "{}", done.err);
    };
    refused(&["o.webm", "--codec", "libx264"], "cannot be made as it is asked for");
    refused(&["o.mkv", "--codec", "nonsense"], "no encoder nonsense");
    refused(&["o.mov", "--codec", "prores_ks", "--crf", "20"], "has no -crf");
    refused(&["o.mkv", "--encoder-preset", "warp"], "has no -preset");
    refused(&["o.mkv", "--codec", "libx264", "--encoder-preset", "warp"], "cannot be made");
}

#[test]
fn ten_bits_hdr_and_hevc_stay_with_every_encoder() {
    let Some(desk) = Desk::new() else { return };
    if !desk.encodes("libx265") {
        return;
    }
    let display = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400";
    desk.ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=160x120:r=24:d=1 -c:v libx265 -x265-params log-level=error:{display} -pix_fmt yuv420p10le \
         -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv -tag:v hvc1 hdr10.mp4"
    ));
    let light = |file: &str| -> Vec<Value> {
        let told = desk.probe(file, "-select_streams v:0 -read_intervals %+#8 -show_frames");
        let sides = told["frames"][0]["side_data_list"].as_array().cloned().unwrap_or_default();
        let wanted = ["Mastering display metadata", "Content light level metadata"];
        sides
            .into_iter()
            .filter(|side| wanted.iter().any(|name| side["side_data_type"] == *name))
            .collect()
    };
    assert_eq!(light("hdr10.mp4").len(), 2);
    let told_in_stream = |file: &str| -> Vec<u64> {
        let line = format!("-v trace -i {file} -c copy -bsf:v trace_headers -f null -");
        let mut command = desk.command("ffmpeg", &line.split_whitespace().collect::<Vec<_>>());
        let told = command.output().unwrap().stderr;
        let told = String::from_utf8_lossy(&told).into_owned();
        let names = [
            "max_display_mastering_luminance",
            "min_display_mastering_luminance",
            "max_content_light_level",
            "max_pic_average_light_level",
        ];
        let value = |name: &str| {
            let line = told.lines().find(|line| line.contains(name))?;
            line.rsplit_once("= ")?.1.trim().parse().ok()
        };
        names.iter().filter_map(|name| value(name)).collect()
    };
    for (output, codec) in [
        ("o.mp4", None),
        ("o.mkv", None),
        ("x264.mkv", Some("libx264")),
        ("svt.mkv", Some("libsvtav1")),
        ("ffv1.mkv", Some("ffv1")),
        ("aom.mkv", Some("libaom-av1")),
        ("vp9.webm", Some("libvpx-vp9")),
        ("prores.mov", Some("prores_ks")),
    ] {
        if codec.is_some_and(|codec| !desk.encodes(codec)) {
            continue;
        }
        let mut arguments = vec!["hdr10.mp4", output, "--to", "24", "--strength", "0"];
        arguments.extend(codec.iter().flat_map(|codec| ["--codec", codec]));
        let done = desk.retime(&arguments).ok();
        let stream = &desk.streams(output)[0];
        let samples = stream["pix_fmt"].as_str().unwrap();
        assert!(samples.contains("10le"), "{output}: {samples}");
        for (name, value) in [
            ("color_space", "bt2020nc"),
            ("color_transfer", "smpte2084"),
            ("color_primaries", "bt2020"),
        ] {
            assert_eq!(stream[name], value, "{output}");
        }
        match codec {
            None => assert_eq!(
                (&stream["codec_name"], light(output)),
                (&json!("hevc"), light("hdr10.mp4"))
            ),
            // Not every ffmpeg shows what such files say, so the stream itself is read.
            Some("libx264") => assert_eq!(told_in_stream(output), [10_000_000, 50, 1000, 400]),
            Some("libsvtav1") => assert_eq!(light(output).len(), 2),
            _ => assert!(
                done.err.contains("cannot keep what the file says of its HDR"),
                "{output}: {}",
                done.err
            ),
        }
    }
    assert_eq!(desk.streams("o.mp4")[0]["codec_tag_string"], "hvc1");
    // An encoder of eight bits says what it loses.
    let done = desk
        .retime(&["hdr10.mp4", "mpeg4.mkv", "--to", "24", "--strength", "0", "--codec", "mpeg4"])
        .ok();
    assert!(done.err.contains("mpeg4 cannot keep 2 of 10 bits"), "{}", done.err);
}

#[test]
fn finer_colour_and_the_person_s_own_settings_reach_the_encoder() {
    let Some(desk) = Desk::new() else { return };
    desk.ffmpeg(
        "-f lavfi -i testsrc2=s=160x120:r=24:d=0.5 -c:v ffv1 -pix_fmt yuv444p10le fine.mkv",
    );
    desk.retime(&["fine.mkv", "o.mkv", "--to", "48"]).ok();
    let stream = &desk.streams("o.mkv")[0];
    assert_eq!(
        (&stream["codec_name"], &stream["pix_fmt"]),
        (&json!("ffv1"), &json!("yuv444p10le"))
    );
    let size = |crf: &str, name: &str| {
        desk.retime(&["fine.mkv", name, "--to", "48", "--crf", crf, "--encoder-preset", "fast"])
            .ok();
        assert_eq!(desk.streams(name)[0]["pix_fmt"], "yuv444p10le");
        fs::metadata(desk.path(name)).unwrap().len()
    };
    assert!(size("40", "small.mp4") < size("10", "large.mp4"));
}

#[test]
fn the_transparency_of_webm_is_read_and_written() {
    let Some(desk) = Desk::new() else { return };
    if !desk.encodes("libvpx-vp9") || !desk.encodes("libvpx") {
        return;
    }
    let alpha = |file: &str, decoder: &str| -> Vec<u8> {
        let line =
            format!("-v error -c:v {decoder} -i {file} -vf format=rgba,alphaextract -f rawvideo -");
        desk.command("ffmpeg", &line.split_whitespace().collect::<Vec<_>>())
            .output()
            .unwrap()
            .stdout
    };
    for (name, encoder) in [("vp8.webm", "libvpx"), ("vp9.webm", "libvpx-vp9")] {
        let graph = "color=c=red@1:s=160x120:r=24,format=yuva420p,geq=lum=128:cb=90:cr=180:a='255*lt(hypot(X-40-2*N,Y-60),30)'";
        let mut command =
            desk.command("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", graph]);
        command.args([
            "-frames:v",
            "12",
            "-c:v",
            encoder,
            "-auto-alt-ref",
            "0",
            "-b:v",
            "2M",
            name,
        ]);
        let done = Done::of(command.output().unwrap());
        assert_eq!(done.code, 0, "{}", done.err);
        desk.retime(&[name, "frames", "--to", "48", "--overwrite"]).ok();
        let frame = image::open(desk.path("frames/frame.0001.png")).unwrap();
        assert!(frame.color().has_alpha());
        let frame = frame.into_rgba8();
        assert!(frame.get_pixel(40, 60)[3] > 240 && frame.get_pixel(150, 10)[3] < 15, "{name}");
        // And what is written can be read again.
        let output = format!("o-{name}");
        desk.retime(&[name, &output, "--to", "24", "--strength", "0"]).ok();
        let (before, after) = (alpha(name, encoder), alpha(&output, "libvpx-vp9"));
        assert_eq!(before.len(), after.len());
        let off: u64 = before.iter().zip(&after).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!((off as f64) < 3.0 * before.len() as f64, "{name}");
        desk.retime(&[&output, &format!("again-{name}"), "--to", "48"]).ok();
        let refused = desk.retime(&[name, "o.mp4", "--to", "48"]);
        assert!(refused.code == 2 && refused.err.contains("transparency"), "{}", refused.err);
    }
}

#[test]
fn a_palette_that_hides_nothing_is_no_transparency() {
    let Some(desk) = Desk::new() else { return };
    desk.square(6);
    desk.ffmpeg("-i square.mkv -c:v rawvideo -pix_fmt pal8 pal8.avi");
    assert_eq!(desk.streams("pal8.avi")[0]["pix_fmt"], "pal8");
    desk.retime(&["pal8.avi", "o.mp4", "--to", "48"]).ok();
    assert_eq!(desk.packets("o.mp4"), 12);
}

#[test]
#[cfg(unix)]
fn any_name_is_a_file_s() {
    let Some(desk) = Desk::new() else { return };
    desk.square(12);
    for name in ["12:30:05.mkv", "-dash.mkv", "100%d.mkv", "a b'c\"#?.mkv"] {
        fs::copy(desk.path("square.mkv"), desk.path(name)).unwrap();
        desk.retime(&["--x-sheet", "--", name]).ok();
        let output = format!("{}.mov", name.trim_end_matches(".mkv"));
        desk.retime(&["--to", "48", "--", name, &output]).ok();
        let told = desk.probe(&format!("file:{output}"), "-count_packets -show_streams");
        assert_eq!(told["streams"][0]["nb_read_packets"], "24", "{output}");
    }
}

#[test]
fn an_upright_phone_and_long_pixels_look_as_before() {
    let Some(desk) = Desk::new() else { return };
    desk.square(12);
    desk.ffmpeg("-i square.mkv -vf setsar=4/3 -c:v libx264 -pix_fmt yuv420p wide.mp4");
    desk.ffmpeg("-i wide.mp4 -c copy -metadata:s:v:0 rotate=90 turned.mp4");
    let shown = |file: &str| {
        let stream = &desk.streams(file)[0];
        (stream["width"].clone(), stream["height"].clone(), stream["sample_aspect_ratio"].clone())
    };
    desk.retime(&["wide.mp4", "o.mp4", "--to", "48"]).ok();
    assert_eq!(shown("o.mp4"), (json!(160), json!(120), json!("4:3")));
    desk.retime(&["turned.mp4", "t.mp4", "--to", "48"]).ok();
    assert_eq!(shown("t.mp4"), (json!(120), json!(160), json!("3:4")));
}

// Long jobs.

#[test]
fn shards_that_several_machines_draw_become_one_film() {
    let Some(desk) = Desk::new() else { return };
    desk.square(160);
    desk.ffmpeg(&format!("-i square.mkv -f lavfi -i sine=d=6 {LOSSLESS} -c:a aac clip.mp4"));
    let order = |output: &'static str| ["clip.mp4", output, "--to", "96", "--codec", "ffv1"];
    desk.retime(&order("whole.mkv")).ok();
    let with = |more: &[&str]| desk.retime(&[&order("o.mkv")[..], more].concat());
    let nothing = with(&["--join"]);
    assert_eq!(
        (nothing.code, nothing.err.contains("nothing to join")),
        (2, true),
        "{}",
        nothing.err
    );
    let done = with(&["--shard", "2/3"]).ok();
    assert!(done.out.contains("--join"), "{}", done.out);
    let early = with(&["--join"]);
    assert_eq!((early.code, early.err.contains("not drawn yet")), (3, true), "{}", early.err);
    with(&["--shard", "3/3"]).ok();
    with(&["--frames", "1-100"]).ok();
    with(&["--frames", "101-240"]).ok();
    with(&["--join"]).ok();
    let pictures = |file: &str| desk.pictures(file).into_iter().map(|(_, p)| p).collect::<Vec<_>>();
    let (whole, joined) = (pictures("whole.mkv"), pictures("o.mkv"));
    assert_eq!(whole.len(), 640);
    assert!(whole == joined);
    assert_eq!(desk.kinds("o.mkv"), ["video ffv1", "audio aac"]);
    // Across the borders of parts every picture has its own time.
    for file in ["whole.mkv", "o.mkv"] {
        let times: Vec<f64> = desk.pictures(file).iter().map(|(time, _)| *time).collect();
        let off =
            times.iter().enumerate().map(|(n, time)| (time - times[0] - n as f64 / 96.0).abs());
        assert!(off.fold(0.0, f64::max) < 0.0011, "{file}");
    }
    // So it is with pictures.
    let frames =
        |more: &[&str]| desk.retime(&[&["clip.mp4", "frames", "--to", "48"], more].concat());
    frames(&["--shard", "1/2"]).ok();
    assert_eq!(frames(&["--join"]).code, 3);
    frames(&["--shard", "2/2"]).ok();
    frames(&["--join"]).ok();
}

#[test]
fn a_log_is_told_how_far_it_is() {
    let Some(desk) = Desk::new() else { return };
    desk.square(24);
    let done = desk.retime(&["square.mkv", "o.mkv", "--to", "48"]).ok();
    // A slow machine tells of the way there as well.
    let told = done.err.lines().rfind(|line| line.starts_with("drawing: ")).unwrap();
    assert!(told.contains("48 of 48 frames") && told.contains("frames/s"), "{told}");
    assert!(
        done.err.lines().any(|line| line.starts_with("finding drawings: 24 of 24")),
        "{}",
        done.err
    );
}

#[test]
fn every_container_holds_every_frame_of_every_usual_encoder() {
    let Some(desk) = Desk::new() else { return };
    desk.square(150);
    for (output, codec) in [
        ("a.mp4", "libx264"),
        ("b.mp4", "libx265"),
        ("c.mov", "prores_ks"),
        ("d.mov", "dnxhd"),
        ("e.avi", "libx264"),
        ("f.avi", "mpeg4"),
        ("g.webm", "libvpx-vp9"),
        ("h.mkv", "libsvtav1"),
        ("i.mkv", "libx264"),
        ("j.mov", "qtrle"),
        ("k.mkv", "utvideo"),
    ] {
        if !desk.encodes(codec) {
            continue;
        }
        let mut arguments = vec!["square.mkv", output, "--to", "60000/1001", "--codec", codec];
        if codec == "libsvtav1" {
            arguments.extend(["--encoder-preset", "10"]);
        }
        let done = desk.retime(&arguments);
        if codec == "dnxhd" {
            // Its smallest picture is larger than this one: that is said before anything is drawn.
            assert_eq!(done.code, 2, "{}", done.err);
            continue;
        }
        assert_eq!(done.code, 0, "{output} {codec}: {}", done.err);
        assert_eq!(desk.pictures(output).len(), 375, "{output}");
    }
}
