//! Nothing is lost by kills, full disks or damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use inbetween_core::ContentHash;
use serde_json::{Value, json};

use super::*;

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
    let asked: u64 = std::env::var("KILLS").map_or(12, |number| number.parse().unwrap());
    let mut kills = 0;
    for seed in 0..6 * asked {
        if kills >= asked {
            break;
        }
        let output = format!("killed{seed}.mkv");
        let order = ["clip.mp4", &output, "--to", "60", "--codec", "ffv1"];
        // Killed later and later, so that every stage is covered; finally it is left to finish.
        for kill in 0..4 {
            let mut command = desk.command(env!("CARGO_BIN_EXE_inbetween"), &["retime"]);
            let mut child =
                command.args(order).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let random = (seed * 7919 + kill * 104_729 + 12_345) % 900;
            std::thread::sleep(Duration::from_millis(60 + random + 120 * (seed % 6)));
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
    println!("{kills} runs killed");
    assert!(kills >= asked, "only {kills} runs could be killed in time");
}

/// Limits set in the shell apply to every program that it starts.
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
    // Noise makes the encoded parts larger than any picture.
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

/// A small disk for the test, if this user may create one.
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

/// Disk usage of the files in a folder and its subfolders, in KiB.
#[cfg(target_os = "linux")]
fn room(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let one = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => room(&entry.path()),
        // Rounded up to whole pages.
        Ok(about) => about.len().div_ceil(4096) * 4,
        // Deleted in the meantime.
        Err(_) => 0,
    };
    entries.map(one).sum()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_at_any_size_is_a_failure_with_its_reason_or_the_right_result() {
    const SIZES: u64 = 15;
    let Some(desk) = Desk::new() else { return };
    desk.ffmpeg("-f lavfi -i testsrc2=s=160x120:r=24:d=1,noise=alls=60:allf=t -f lavfi -i sine=d=1 -c:v ffv1 -c:a flac clip.mkv");
    let start = |output: &str| {
        let order = ["clip.mkv", output, "--to", "48", "--codec", "ffv1", "--json"];
        let mut command = desk.command(env!("CARGO_BIN_EXE_inbetween"), &["retime"]);
        command.args(order).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The space that is needed at most, where there is enough.
    fs::create_dir(desk.path("roomy")).unwrap();
    let mut child = start("roomy/out.mkv");
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(room(&desk.path("roomy")));
        std::thread::sleep(Duration::from_millis(5));
    }
    Done::of(child.wait_with_output().unwrap()).ok();
    let mut full = 0;
    for step in 0..SIZES {
        let name = format!("disk{step}");
        // The check for free space is not tested here, so the space is there at first and then
        // taken away.
        let Some(disk) = Disk::new(desk.path(&name), 200_000) else { return };
        let output = format!("{name}/out.mkv");
        let child = start(&output);
        while !desk.path(&format!("{name}/out.mkv.frames/frame.0001.png")).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let used = room(&desk.path(&name)) + 64;
        disk.resize((most * (step + 3) / (SIZES + 4)).max(used) as u32);
        let done = Done::of(child.wait_with_output().unwrap());
        if done.code != 0 {
            full += 1;
            assert_eq!(done.code, 3, "{}", done.err);
            assert!(
                !desk.path(&output).exists(),
                "nothing that is not whole has the name of the output"
            );
            disk.resize(200_000);
            let order = ["clip.mkv", &output, "--to", "48", "--codec", "ffv1", "--json"];
            desk.retime(&order).ok();
        }
        assert_eq!(desk.packets(&output), 48, "{name}");
        assert_eq!(desk.kinds(&output), ["video ffv1", "audio flac"]);
    }
    println!("{full} of {SIZES} disks full; {most} KiB are needed");
    assert!(full + 1 >= SIZES, "only {full} of {SIZES} disks were full, {most} KiB");
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
    // The state between the moment when the film is in place and the end of the last file.
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
