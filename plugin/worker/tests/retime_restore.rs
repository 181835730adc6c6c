//! Film transfers whose true drawings are known, and what remains of these drawings after
//! restoring.
//!
//! `TRANSFERS=all cargo test --release --workspace --test retime_restore -- --nocapture` makes all
//! of them and prints the figures. Without the variable a few are made; with the name of a
//! transfer, only that one.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, with its place")]

mod common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use common::has_ffmpeg;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

/// The number of film frames for which each drawing is held.
fn exposures() -> Vec<usize> {
    [[2; 24].to_vec(), [1; 20].to_vec(), [3; 10].to_vec(), vec![12], [2; 17].to_vec()].concat()
}

/// A picture in grey.
type Grey = Vec<f32>;

/// A drawing of an outlined figure in front of a painted ground.
fn drawing(n: usize) -> Grey {
    let step = n as f32;
    let centre = (
        60.0 + 200.0 * (0.5 - 0.5 * (step * 0.09).cos()),
        130.0 - 30.0 * (step * 0.37).sin().abs(),
    );
    let hand = (centre.0 + 46.0 * (step * 0.8).cos(), centre.1 - 10.0 + 46.0 * (step * 0.8).sin());
    let near = |(x, y): (f32, f32), (cx, cy): (f32, f32)| (x - cx).hypot(y - cy);
    let line = |at: (f32, f32), from: (f32, f32), to: (f32, f32)| {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let t = ((at.0 - from.0) * dx + (at.1 - from.1) * dy) / (dx * dx + dy * dy).max(1e-3);
        let t = t.clamp(0.0, 1.0);
        near(at, (from.0 + t * dx, from.1 + t * dy))
    };
    let cover = |distance: f32| (0.5 - distance).clamp(0.0, 1.0);
    (0..WIDTH * HEIGHT)
        .map(|at| {
            let at = ((at % WIDTH) as f32, (at / WIDTH) as f32);
            let mut grey = 120.0 + 0.2 * at.0 + 30.0 * (at.1 / 31.0).sin();
            let mut over = |cover: f32, with: f32| grey += cover * (with - grey);
            over(cover(line(at, centre, hand) - 9.0), 20.0);
            over(cover(line(at, centre, hand) - 6.0), 210.0);
            over(cover(near(at, centre) - 34.0), 20.0);
            over(cover(near(at, centre) - 31.0), 235.0);
            over(cover(near(at, (centre.0 + 10.0, centre.1 - 8.0)) - 5.0), 30.0);
            grey.clamp(16.0, 235.0)
        })
        .collect()
}

struct Desk {
    folder: TempDir,
    /// As the film shows them, since its rounding is not a loss of the transfer.
    drawings: Vec<Grey>,
    exposures: Vec<usize>,
}

/// Frames of the telecined film that the transfer `broken` cuts out.
const CUT: [usize; 6] = [31, 32, 77, 120, 121, 122];

impl Desk {
    /// `None`, with a message, if ffmpeg is missing.
    fn new() -> Option<Self> {
        if !has_ffmpeg() {
            return None;
        }
        let exposures = exposures();
        let drawings: Vec<Grey> = (0..exposures.len()).map(drawing).collect();
        let mut desk = Self { folder: TempDir::new().unwrap(), drawings, exposures };
        let mut command = desk.ffmpeg();
        command.args([
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-s",
            "320x240",
            "-r",
            "24000/1001",
            "-i",
            "-",
        ]);
        command.args(["-vf", "scale=out_range=tv,format=yuv420p", "-c:v", "ffv1", "film.mkv"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        for (drawing, frames) in desk.drawings.iter().zip(&desk.exposures) {
            let bytes: Vec<u8> = drawing.iter().map(|value| value.round() as u8).collect();
            (0..*frames).for_each(|_| pipe.write_all(&bytes).unwrap());
        }
        drop(pipe);
        assert!(child.wait().unwrap().success());
        fs::create_dir(desk.path("film")).unwrap();
        let exact = "-vf scale=flags=accurate_rnd+full_chroma_int+bicubic,format=rgb24";
        desk.transfer(exact, "film/%04d.png");
        let frames = desk.pictures("film");
        desk.drawings = desk.starts().into_iter().map(|start| frames[start].clone()).collect();
        Some(desk)
    }

    /// The film frame on which each drawing begins.
    fn starts(&self) -> Vec<usize> {
        (0..self.exposures.len()).map(|n| self.exposures[..n].iter().sum()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ffmpeg(&self) -> Command {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).current_dir(self.folder.path());
        command
    }

    fn transfer(&self, arguments: &str, name: &str) {
        let mut command = self.ffmpeg();
        command.args(["-i", "film.mkv"]).args(arguments.split_whitespace()).arg(name);
        let done = command.stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn retime(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inbetween"));
        command.arg("retime").args(arguments).arg("--json").current_dir(self.folder.path());
        command.env("INBETWEEN_CACHE_DIR", self.path("cache"));
        let done = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn pictures(&self, folder: &str) -> Vec<Grey> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "png"));
        files.sort();
        let grey = |file: &PathBuf| image::open(file).unwrap().into_luma8().into_raw();
        files.iter().map(|file| grey(file).into_iter().map(f32::from).collect()).collect()
    }

    /// Compares the restored film with the drawings, which should begin at these times, in frames
    /// of the film. `speed` is that of the transfer's sound; `weave` is how far pictures may have
    /// moved, in pixels.
    fn judge(
        &self,
        pictures: &[Grey],
        starts: &[f64],
        (film, speed): (f64, f64),
        weave: isize,
    ) -> Figures {
        let shifts: Vec<[isize; 2]> =
            (-weave..=weave).flat_map(|y| (-weave..=weave).map(move |x| [x, y])).collect();
        let mut seen = vec![None; self.drawings.len()];
        let (mut ghost, mut combs) = ((0.0_f32, 0), 0.0_f32);
        for (at, picture) in pictures.iter().enumerate() {
            let distance = |n: usize| {
                let moved = shifts
                    .iter()
                    .map(|shift| (off_on_some(picture, &self.drawings[n], *shift), *shift));
                moved.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
            };
            let (_, shift, near) = (0..self.drawings.len())
                .map(|n| (distance(n).0, distance(n).1, n))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap();
            let own = &self.drawings[near];
            for other in near.saturating_sub(2)..(near + 3).min(self.drawings.len()) {
                if other != near {
                    let here = ghost_of(picture, own, &self.drawings[other], shift);
                    ghost = if here > ghost.0 { (here, at) } else { ghost };
                }
            }
            combs = combs.max(combed(picture) - combed(own));
            // A speed-up preserves frames; all others preserve times.
            let time = at as f64 / film * speed;
            seen[near].get_or_insert(time * 24_000.0 / 1001.0);
        }
        let found = seen.iter().flatten().count();
        let late: Vec<f64> = seen
            .iter()
            .zip(starts)
            .filter_map(|(seen, start)| seen.map(|seen| seen - start))
            .collect();
        let ends = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        let third = late.len() / 3;
        Figures {
            found,
            all: self.drawings.len(),
            ghost,
            combs,
            worst: late.iter().fold(0.0, |most, late| most.max(late.abs())),
            drift: ends(&late[late.len() - third..]) - ends(&late[..third]),
        }
    }
}

#[derive(Debug)]
struct Figures {
    /// Number of drawings that were found.
    found: usize,
    all: usize,
    /// The strongest trace of a neighbouring drawing, in code values over a block, and the picture
    /// that has it.
    ghost: (f32, usize),
    /// Share of combed pixels.
    combs: f32,
    /// Largest distance of a drawing's beginning from its true frame, in frames of the film, and
    /// how it changes over the film.
    worst: f64,
    drift: f64,
}

/// Squared difference over some of the pixels, enough to tell drawings apart, with the first
/// picture moved.
fn off_on_some(a: &Grey, b: &Grey, [right, down]: [isize; 2]) -> f32 {
    const MARGIN: usize = 4;
    let places = (MARGIN * WIDTH..(HEIGHT - MARGIN) * WIDTH).step_by(7);
    let places = places.filter(|at| (MARGIN..WIDTH - MARGIN).contains(&(at % WIDTH)));
    let by = down * WIDTH as isize + right;
    places.map(|at| a[at.saturating_add_signed(by)] - b[at]).map(|off| off * off).sum()
}

/// Side of a block in which ghosts are measured, and number of places in it that suffice.
const BLOCK: usize = 16;
const LEAST_PLACES: usize = 64;

/// How much of `other` the picture shows besides `own`, moved by `shift`, in the block with the
/// strongest trace: the code values by which the best mix of both differs from `own`, beyond what
/// noise explains. Only flat places of `own` are measured, because beside its lines a picture
/// assembled from fields differs anyway.
fn ghost_of(picture: &Grey, own: &Grey, other: &Grey, [right, down]: [isize; 2]) -> f32 {
    const MARGIN: usize = 8;
    let by = down * WIDTH as isize + right;
    let is_flat = |at: usize| {
        let around = (0..5).flat_map(|y| (0..5).map(move |x| (y, x)));
        let around = around.map(|(y, x)| own[at + y * WIDTH + x - 2 * WIDTH - 2]);
        let ends = around.fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(v), b.max(v)));
        ends.1 - ends.0 < 10.0
    };
    let mut worst = 0.0_f32;
    for top in (MARGIN..HEIGHT - MARGIN - BLOCK).step_by(BLOCK / 2) {
        for left in (MARGIN..WIDTH - MARGIN - BLOCK).step_by(BLOCK / 2) {
            let places = (top..top + BLOCK).flat_map(|y| (left..left + BLOCK).map(move |x| (y, x)));
            let places = places.map(|(y, x)| y * WIDTH + x);
            let differ = places.filter(|at| (other[*at] - own[*at]).abs() > 8.0);
            let places: Vec<usize> = differ.filter(|at| is_flat(*at)).collect();
            if places.len() < LEAST_PLACES {
                continue;
            }
            let of_picture = |at: usize| picture[at.saturating_add_signed(by)] - own[at];
            let way = |at: usize| other[at] - own[at];
            let sum =
                |value: &dyn Fn(usize) -> f32| places.iter().map(|at| value(*at)).sum::<f32>();
            let all = sum(&|at| way(at) * way(at));
            let share = sum(&|at| of_picture(at) * way(at)) / all;
            let rest = sum(&|at| (of_picture(at) - share * way(at)).powi(2)) / places.len() as f32;
            let seen = sum(&|at| way(at).abs()) / places.len() as f32;
            // Of a hundred thousand blocks of noise, none is off by four deviations.
            worst = worst.max((share - 4.0 * (rest / all).sqrt()) * seen);
        }
    }
    worst
}

/// Share of pixels that differ from the lines above and below, where these agree, but not from the
/// lines beyond.
fn combed(picture: &Grey) -> f32 {
    let at = |x: usize, y: usize| picture[y * WIDTH + x];
    let is_comb = |x: usize, y: usize| {
        let (here, above, below) = (at(x, y), at(x, y - 1), at(x, y + 1));
        let (far_above, far_below) = (at(x, y - 2), at(x, y + 2));
        let off = (here - above).abs().min((here - below).abs());
        off > 30.0
            && (here > above) == (here > below)
            && (here - far_above).abs().max((here - far_below).abs()) < 0.4 * off
    };
    let count = (2..HEIGHT - 2)
        .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
        .filter(|(x, y)| is_comb(*x, *y))
        .count();
    count as f32 / picture.len() as f32
}

const LOSSLESS: &str = "-c:v ffv1";
const INTERLACED: &str = "-flags +ilme+ildct -c:v mpeg2video";

/// The transfers: name, filters and encoder.
fn transfers() -> Vec<(&'static str, String)> {
    let fields = "bwdif=send_field:tff:all";
    let lines = "tinterlace=interleave_top,setfield=tff";
    let blended = "interp_start=0:interp_end=255:scene=100";
    // An exact clock is needed, because Matroska's counts only milliseconds.
    let repeated = "settb=1001/24000,setpts=N,fps=30000/1001";
    let gone: Vec<String> = CUT.iter().map(|n| format!("eq(n\\,{n})")).collect();
    let cut = format!("select=not({}),setpts=N/(30000/1001)/TB", gone.join("+"));
    vec![
        ("hard", format!("-vf telecine=pattern=23,setfield=tff {LOSSLESS}")),
        ("mpeg2", format!("-vf telecine=pattern=23,setfield=tff {INTERLACED} -b:v 1500k")),
        ("broken", format!("-vf telecine=pattern=23,setfield=tff,{cut} {LOSSLESS}")),
        ("euro", format!("-vf telecine=pattern=2332,setfield=tff {LOSSLESS}")),
        (
            "soft",
            format!(
                "-vf setpts=floor(N*2.5+0.5)/(60000/1001)/TB -vsync passthrough -enc_time_base 1001/60000 {LOSSLESS}"
            ),
        ),
        ("speedup", format!("-vf setpts=N/25/TB -r 25 {LOSSLESS}")),
        (
            "worn",
            format!(
                "-vf noise=alls=6:allf=t,pad=328:248:4:4,fillborders=4:4:4:4:smear,crop=320:240:4+2*sin(n):4+2*cos(n*1.7),telecine=pattern=23,setfield=tff {INTERLACED} -b:v 4M"
            ),
        ),
        (
            "ntsc-pal",
            format!(
                "-vf telecine=pattern=23,setfield=tff,{fields},framerate=fps=50:{blended},{lines} {LOSSLESS}"
            ),
        ),
        (
            "pal-ntsc",
            format!(
                "-vf setpts=N/25/TB,fps=50,framerate=fps=60000/1001:{blended},{lines} {LOSSLESS}"
            ),
        ),
        ("repeated", format!("-vf {repeated} {LOSSLESS}")),
        (
            "mixed",
            format!(
                "-filter_complex split[a][b];[a]trim=end_frame=88,telecine=pattern=23,setfield=tff[x];[b]trim=start_frame=88,{repeated}[y];[x][y]concat,setpts=N/(30000/1001)/TB {LOSSLESS}"
            ),
        ),
    ]
}

#[test]
fn every_transfer_gives_its_film_again() {
    let Some(desk) = Desk::new() else { return };
    let mut failed = Vec::new();
    let asked = std::env::var("TRANSFERS").unwrap_or("hard".into());
    let is_asked = |name: &str| asked == "all" || asked.split_whitespace().any(|word| word == name);
    for (name, how) in transfers().into_iter().filter(|(name, _)| is_asked(name)) {
        let file = format!("{name}.mkv");
        desk.transfer(&how, &file);
        let film = if ["speedup", "pal-ntsc"].contains(&name) { "25" } else { "24000/1001" };
        let told = desk.retime(&[&file, name, "--to", film, "--strength", "0"]);
        let per_second = if film == "25" { 25.0 } else { 24_000.0 / 1001.0 };
        let speed = per_second * 1001.0 / 24_000.0;
        let pictures = desk.pictures(name);
        let weave = if name == "worn" { 2 } else { 0 };
        let begin = |start: usize| {
            // Frames cut out before a drawing make it begin earlier, in the sound too.
            let in_transfer = (start as f64 * 1.25).round() as usize;
            let cut = CUT.iter().filter(|n| name == "broken" && **n < in_transfer).count();
            start as f64 - 0.8 * cut as f64
        };
        let starts: Vec<f64> = desk.starts().into_iter().map(begin).collect();
        let figures = desk.judge(&pictures, &starts, (per_second, speed), weave);
        println!("{name:>9}: {figures:?} {}", told["restored"]);
        // A cut may fall within a frame of the film, and then leaves more drawings there than there
        // is time for.
        let late = if name == "broken" { 2.01 } else { 1.01 };
        let told_film = told["restored"]["film"].as_str();
        let good = figures.found == figures.all
            && figures.ghost.0 < 1.0
            && figures.combs < 0.0005
            && figures.worst <= late
            && figures.drift.abs() < 0.5
            && told_film.is_none_or(|told| told == film);
        if !good {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_pan_of_fields_has_no_combs() {
    let Some(desk) = Desk::new() else { return };
    // The ground moves by two pixels per field.
    desk.transfer(
        "-vf select=lt(n\\,1),loop=loop=50:size=1,setpts=N/50/TB,fps=50,format=yuv444p,crop=216:240:2*n:0,pad=320:240,tinterlace=interleave_top,setfield=tff -c:v ffv1",
        "pan.mkv",
    );
    let told = desk.retime(&["pan.mkv", "pan", "--to", "50", "--strength", "0"]);
    assert_eq!(told["restored"]["fields"], "split", "{}", told["restored"]);
    let combs = desk.pictures("pan").iter().map(combed).fold(0.0, f32::max);
    assert!(combs < 0.001, "{combs}");
    // Left as it is, because the user asks for it.
    let told =
        desk.retime(&["pan.mkv", "as-it-is", "--to", "25", "--strength", "0", "--restore", "off"]);
    assert!(told["restored"]["fields"].is_null());
    assert!(desk.pictures("as-it-is").iter().map(combed).fold(0.0, f32::max) > 0.002);
}

#[test]
fn titles_that_roll_in_whole_frames_are_left_alone() {
    let Some(desk) = Desk::new() else { return };
    // One line further for each frame: fields come from the neighbouring frame, one line away.
    let line = "floor((Y+N)/3)";
    let roll = format!(
        "trim=end_frame=40,setpts=N/25/TB,fps=25,geq=lum='if(lt(mod({line}\\,11)\\,8)*lt(mod(floor(X/3)*37+{line}*61\\,101)\\,50)\\,230\\,20)':cb=128:cr=128"
    );
    desk.transfer(&format!("-vf {roll} -pix_fmt yuv420p {LOSSLESS}"), "roll.mkv");
    let told = desk.retime(&["roll.mkv", "--x-sheet"]);
    assert!(told["restored"]["fields"].is_null(), "{}", told["restored"]);
}

#[test]
fn a_film_that_was_never_transferred_is_left_alone() {
    let Some(desk) = Desk::new() else { return };
    for rate in ["25", "60"] {
        let file = format!("own{rate}.mkv");
        desk.transfer(&format!("-vf setpts=N/{rate}/TB -r {rate} {LOSSLESS}"), &file);
        let told = desk.retime(&[&file, "--x-sheet"]);
        let wanted = serde_json::json!({ "fields": null, "film": null, "breaks": 0, "blends": 0, "ghosts": 0 });
        assert_eq!(told["restored"], wanted, "{rate}");
    }
}
