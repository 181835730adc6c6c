//! From each rich container to each other one: every stream is the same afterwards, or its loss is
//! announced before the work begins.

use std::fs;

use serde_json::Value;

use super::*;

const SUBTITLES: &str =
    "1\n00:00:00,100 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,900\nThere\n";

/// Subtitles as pictures, in the format of Blu-ray discs: a bar that is shown for 0.8 s, twice.
fn picture_subtitles() -> Vec<u8> {
    const SIDE: [u16; 2] = [160, 120];
    const BAR: [u16; 2] = [40, 8];
    let mut file = Vec::new();
    let mut segment = |time: u32, kind: u8, body: &[u8]| {
        file.extend(b"PG");
        file.extend((time * 90).to_be_bytes());
        file.extend(0_u32.to_be_bytes());
        file.push(kind);
        file.extend((body.len() as u16).to_be_bytes());
        file.extend(body);
    };
    let words = |words: &[u16]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
    for (number, (from, until)) in [(100, 900), (1000, 1800)].into_iter().enumerate() {
        let number = 2 * number as u16;
        let window = [&[0][..], &words(&[60, 100]), &words(&BAR)].concat();
        let shown = [&words(&SIDE)[..], &[0x10], &words(&[number]), &[0x80, 0, 0, 1]].concat();
        let shown = [&shown[..], &words(&[0]), &[0, 0], &words(&[60, 100])].concat();
        segment(from, 0x16, &shown);
        segment(from, 0x17, &[&[1][..], &window].concat());
        // Two colours: index, Y, Cr, Cb, opacity.
        segment(from, 0x14, &[0, 0, 0, 16, 128, 128, 0, 1, 235, 128, 128, 255]);
        let row = [0, 0x80 | BAR[0] as u8, 1, 0, 0];
        let rows = row.repeat(BAR[1].into());
        let length = (rows.len() as u32 + 4).to_be_bytes();
        let object = [&[0, 0, 0, 0xc0][..], &length[1..], &words(&BAR), &rows].concat();
        segment(from, 0x15, &object);
        segment(from, 0x80, &[]);
        let gone = [&words(&SIDE)[..], &[0x10], &words(&[number + 1]), &[0, 0, 0, 0]].concat();
        segment(until, 0x16, &gone);
        segment(until, 0x17, &[&[1][..], &window].concat());
        segment(until, 0x80, &[]);
    }
    file
}

/// One file for each container, with as much as it can hold.
fn full_files(desk: &Desk) -> Vec<&'static str> {
    fs::write(desk.path("s.srt"), SUBTITLES).unwrap();
    fs::write(desk.path("s.sup"), picture_subtitles()).unwrap();
    fs::write(desk.path("font.ttf"), b"a font").unwrap();
    fs::write(
        desk.path("chapters.txt"),
        ";FFMETADATA1\ntitle=My film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n",
    )
    .unwrap();
    let display = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400";
    let hdr = format!(
        "-c:v libx265 -x265-params log-level=error:{display} -pix_fmt yuv420p10le -color_primaries bt2020 \
         -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
    );
    // Six channels, a second language, and text.
    let inputs = "-f lavfi -i testsrc2=s=160x120:r=24:d=2 -f lavfi -i aevalsrc=sin(400*t)|0|0|0|0|0:c=5.1:d=2 -f lavfi \
                  -i sine=f=300:d=2 -i s.srt -i chapters.txt -i s.sup -map_metadata 4 -map_chapters 4 -map 0:v -map 1:a \
                  -map 2:a -map 3:s -metadata:s:a:0 language=eng -metadata:s:a:1 language=jpn -metadata:s:a:1 \
                  title=Commentary -metadata:s:s:0 language=fre -disposition:a:1 comment";
    let mut files = Vec::new();
    if desk.encodes("libx265") {
        desk.ffmpeg(&format!(
            "{inputs} -map 3:s -map 5:s -map 5:s {hdr} -c:a:0 flac -c:a:1 aac -c:s:0 srt -c:s:1 ass -c:s:2 copy -c:s:3 dvdsub \
             -metadata:s:s:2 language=ger -metadata:s:s:3 language=ita -attach font.ttf -metadata:s:t \
             mimetype=application/x-truetype-font full.mkv"
        ));
        desk.ffmpeg(&format!(
            "{inputs} {hdr} -tag:v hvc1 -c:a:0 ac3 -c:a:1 aac -c:s mov_text -timecode 01:00:00:12 full.mp4"
        ));
        files.extend(["full.mkv", "full.mp4"]);
    }
    desk.ffmpeg(&format!(
        "{inputs} -c:v prores_ks -c:a:0 pcm_s24le -c:a:1 aac -c:s mov_text -timecode 01:00:00:12 full.mov"
    ));
    files.push("full.mov");
    if desk.encodes("libvpx-vp9") && desk.encodes("libopus") && desk.encodes("libvorbis") {
        desk.ffmpeg(&format!(
            "{inputs} -c:v libvpx-vp9 -b:v 500k -c:a:0 libopus -c:a:1 libvorbis -c:s webvtt full.webm"
        ));
        files.push("full.webm");
    }
    files
}

/// A description of a stream without its number and its codec.
fn told(stream: &Value) -> String {
    let tags = &stream["tags"];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let language = match text(&tags["language"]).as_str() {
        "und" | "-" => "-".to_owned(),
        // French and German have two codes each, and MOV files use a number.
        "fra" => "fre".to_owned(),
        "deu" => "ger".to_owned(),
        known => known.to_owned(),
    };
    let sound = if stream["codec_type"] == "audio" {
        // Opus has only one kind of 5.1.
        let layout = text(&stream["channel_layout"]).replace("5.1(side)", "5.1");
        format!("{} channels {layout}", stream["channels"])
    } else {
        String::new()
    };
    // For MP4 and MOV, some releases of ffprobe report a track's handler name instead of its title.
    let is_own = |name: &&str| !name.ends_with("Handler");
    let handler = tags["handler_name"].as_str().or(tags["HANDLER_NAME"].as_str()).filter(is_own);
    let title = tags["title"].as_str().or(handler).unwrap_or("-");
    format!("{language} {title} {} {sound}", text(&tags["filename"]))
}

/// The packets of a stream: the time at which each is shown or heard, in milliseconds after the
/// first picture. MP4 and MOV store gaps between texts as packets that contain only their length;
/// these are left out.
fn times(desk: &Desk, file: &str, stream: &str) -> Vec<i64> {
    let of = |at: &str, many: &str| -> Vec<f64> {
        let told = desk
            .probe(file, &format!("-select_streams {at} -show_entries packet=pts_time,size{many}"));
        let packets = told["packets"].as_array().cloned().unwrap_or_default();
        let holds_something = |p: &&Value| p["size"] != "2";
        let packets = packets.iter().filter(holds_something);
        packets.filter_map(|p| p["pts_time"].as_str()?.parse().ok()).collect()
    };
    let first = of("V:0", " -read_intervals %+#8").into_iter().fold(f64::INFINITY, f64::min);
    let times = of(stream, "");
    times.iter().map(|time| ((time - first) * 1000.0).round() as i64).collect()
}

/// What the first picture and the stream say about HDR.
fn light(desk: &Desk, file: &str) -> Vec<String> {
    let told = desk.probe(file, "-select_streams v:0 -read_intervals %+#8 -show_frames");
    let sides = told["frames"][0]["side_data_list"].as_array().cloned().unwrap_or_default();
    let wanted = ["Mastering display metadata", "Content light level metadata"];
    let sides =
        sides.iter().filter(|side| wanted.iter().any(|name| side["side_data_type"] == *name));
    sides.map(Value::to_string).collect()
}

#[test]
fn every_stream_from_every_container_into_every_other_is_the_same_or_named() {
    let Some(desk) = Desk::new() else { return };
    for from in full_files(&desk) {
        let before = desk.streams(from);
        for ending in ["mkv", "mp4", "mov", "webm"] {
            if ending == "webm" && !(desk.encodes("libvpx-vp9") && desk.encodes("libopus")) {
                continue;
            }
            let output = format!("{}.{ending}", from.replace('.', "-"));
            // At its own rate, a timecode is written with the same numbers.
            let done = desk.retime(&[from, &output, "--to", "24", "--strength", "0"]).ok();
            // Losses must be announced before any picture is examined.
            let said = done.err.split("finding drawings").next().unwrap().to_owned();
            let mut after = desk.streams(&output);
            let place = format!("{from} to {ending}: {}", done.err);
            let is_named = |stream: &Value| {
                let kind = stream["codec_type"].as_str().unwrap();
                let name = format!("{kind} stream {} (", stream["index"]);
                let about = |line: &&str| line.contains(&name) && !line.contains(" marked as ");
                let line = said.lines().find(about);
                line.map(|line| line.contains("left out"))
            };
            for stream in before.iter().skip(1) {
                // Timecode tracks and chapters are written anew, and are checked below.
                if stream["codec_type"] == "data" {
                    continue;
                }
                let kind = stream["codec_type"].as_str().unwrap();
                if is_named(stream) == Some(true) {
                    continue;
                }
                let same = |other: &&Value| {
                    other["codec_type"] == kind && told(other).trim() == told(stream).trim()
                };
                let Some(other) = after.iter().skip(1).find(same).cloned() else {
                    panic!("{place}\n{stream} is neither kept nor named; there are {after:#?}");
                };
                // One stream must not stand for two.
                after.retain(|one| one["index"] != other["index"]);
                let is_changed = stream["codec_name"] != other["codec_name"];
                assert_eq!(is_named(stream), is_changed.then_some(false), "{place}\n{stream}");
                let mark = format!("{kind} stream {} (", stream["index"]);
                let names_mark = |line: &str| line.contains(&mark) && line.contains("comment:");
                let comment = |stream: &Value| stream["disposition"]["comment"].as_i64();
                let is_lost = comment(stream) != comment(&other);
                assert_eq!(said.lines().any(names_mark), is_lost, "{place}\n{stream}");
                let index = |stream: &Value| stream["index"].to_string();
                let (a, b) =
                    (times(&desk, from, &index(stream)), times(&desk, &output, &index(&other)));
                let in_step =
                    |a: &[i64], b: &[i64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2);
                if kind == "subtitle" {
                    let seen = |at: &i64| b.iter().any(|other| (at - other).abs() <= 2);
                    assert!(!a.is_empty() && a.iter().all(seen), "{place}\n{a:?} {b:?}");
                } else if kind == "audio" && !is_changed {
                    assert!(a.len() == b.len() && in_step(&a, &b), "{place}\n{a:?} {b:?}");
                }
            }
            let all = |file: &str| {
                let told = desk.probe(file, "-show_chapters");
                let chapters = told["chapters"].as_array().unwrap().iter();
                let place = |time: &Value| time.as_str().unwrap().parse::<f64>().unwrap();
                let told = chapters.map(|c| {
                    let ends = [place(&c["start_time"]), place(&c["end_time"])];
                    (ends, c["tags"]["title"].clone())
                });
                told.collect::<Vec<_>>()
            };
            // The texts start on frames; the sound's lead-in may move them by a fraction of a
            // frame.
            let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= 0.01;
            let (a, b) = (all(from), all(&output));
            assert_eq!(a.len(), b.len(), "{place}");
            for ((ends, title), (ends_after, title_after)) in a.iter().zip(&b) {
                assert_eq!(title, title_after, "{place}");
                let near = ends.iter().zip(ends_after).all(is_near);
                assert!(near, "{place}\n{ends:?} {ends_after:?}");
            }
            let timecode = |streams: &[Value], file: &str| {
                let tagged = streams.iter().find_map(|stream| {
                    let tags = &stream["tags"];
                    Some(tags["timecode"].as_str().or(tags["TIMECODE"].as_str())?.to_owned())
                });
                tagged.or_else(|| {
                    let told = desk.probe(file, "-show_format");
                    told["format"]["tags"]["timecode"].as_str().map(str::to_owned)
                })
            };
            let (a, b) = (timecode(&before, from), timecode(&desk.streams(&output), &output));
            assert!(a == b || said.contains("timecode"), "{place}: {a:?} {b:?}");
            let (a, b) = (light(&desk, from), light(&desk, &output));
            assert!(a == b || said.contains("HDR"), "{place}: {a:?} {b:?}");
        }
    }
}

#[test]
fn opus_sound_in_matroska_s_files_is_in_step_however_it_came_there() {
    let Some(desk) = Desk::new() else { return };
    if !desk.encodes("libvpx-vp9") || !desk.encodes("libopus") {
        return;
    }
    desk.square(48);
    fs::write(desk.path("s.srt"), SUBTITLES).unwrap();
    // A tone that begins with the movement of the square, and a text for each.
    desk.ffmpeg("-i square.mkv -f lavfi -i aevalsrc=if(gte(t\\,0.5)\\,sin(2*PI*1000*t)*0.8\\,0):s=48000:d=2 -i s.srt -map 0 -map 1 -map 2 -c:v copy -c:a pcm_s16le -c:s srt own.mkv");
    desk.retime(&["own.mkv", "encoded.webm", "--to", "24", "--strength", "0"]).ok();
    desk.retime(&["encoded.webm", "copied.webm", "--to", "24", "--strength", "0"]).ok();
    desk.retime(&["encoded.webm", "copied.mkv", "--to", "24", "--strength", "0"]).ok();
    let apart = |file: &str| {
        let first = desk.pictures(file)[0].0;
        (desk.first_move_and_end(file).0 - first, desk.first_heard(file) - first)
    };
    let wanted = apart("own.mkv");
    for file in ["encoded.webm", "copied.webm", "copied.mkv"] {
        let here = apart(file);
        assert!((here.0 - wanted.0).abs() < 0.002, "{file}: {here:?} for {wanted:?}");
        assert!((here.1 - wanted.1).abs() < 0.002, "{file}: {here:?} for {wanted:?}");
        for wanted in [100, 1000] {
            let texts = times(&desk, file, "s:0");
            assert!(texts.iter().any(|time| (time - wanted).abs() <= 2), "{file}: {texts:?}");
        }
    }
}
