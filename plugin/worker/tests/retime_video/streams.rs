//! Every stream of the file is kept.

use std::fs;

use serde_json::{Value, json};

use super::*;

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
    // In another container some things are lost, and each of them is named.
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
            // Not every ffmpeg shows this metadata, so it is read from the stream itself.
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
    // An encoder of eight bits reports what it loses.
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
        // The program can read its own output again.
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

/// The kind of each stream except the first, sorted by kind, because the tracks of chapters and
/// timecode may change places.
fn told_beside(desk: &Desk, file: &str) -> Vec<String> {
    let tell = |stream: &Value| {
        let sound = (stream["codec_type"] == "audio").then(|| {
            format!(
                "{} {} {}",
                stream["channels"], stream["channel_layout"], stream["nb_read_packets"]
            )
        });
        let tags = &stream["tags"];
        format!(
            "{} {} {} {} {} {}",
            stream["codec_type"],
            stream["codec_name"],
            stream["codec_tag_string"],
            sound.unwrap_or_default(),
            tags["language"],
            tags["timecode"],
        )
    };
    let mut told: Vec<String> = desk.streams(file).iter().skip(1).map(tell).collect();
    told.sort();
    told
}

/// The texts of subtitles with their times.
fn read_out(desk: &Desk, file: &str) -> String {
    let line = format!("-v error -i {file} -map 0:s:0 -f srt -");
    let mut command = desk.command("ffmpeg", &line.split_whitespace().collect::<Vec<_>>());
    Done::of(command.output().unwrap()).ok().out
}

#[test]
fn mp4_and_mov_give_their_own_kind_all_that_it_holds() {
    let Some(desk) = Desk::new() else { return };
    full(&desk);
    let inputs = "-i square.mkv -f lavfi -i aevalsrc=sin(400*t)|0|0|0|0|0:c=5.1:d=2 -f lavfi -i sine=f=300:d=2 -i s.srt \
                  -i chapters.txt -map 0:v -map 1:a -map 2:a -map 3:s -map_metadata 4 -map_chapters 4 \
                  -metadata:s:a:0 language=eng -metadata:s:a:1 language=jpn -metadata:s:s:0 language=fre";
    for (file, how) in [
        ("mp4.mp4", "-c:v libx264 -c:a aac -c:s mov_text"),
        ("mov.mov", "-c:v libx264 -c:a:0 pcm_s24le -c:a:1 aac -c:s mov_text -timecode 01:00:00:12"),
    ] {
        desk.ffmpeg(&format!("{inputs} {how} {file}"));
        let output = format!("o-{file}");
        // At its own rate, a timecode is written with the same numbers.
        let done = desk.retime(&[file, &output, "--to", "24"]).ok();
        assert!(!done.err.contains("left out") && !done.err.contains("becomes"), "{}", done.err);
        assert_eq!(told_beside(&desk, &output), told_beside(&desk, file), "{file}");
        assert_eq!(read_out(&desk, &output), read_out(&desk, file), "{file}");
        let told = |file: &str| {
            let told = desk.probe(file, "-show_chapters -show_streams");
            let chapters = told["chapters"].as_array().unwrap().iter();
            let chapters: Vec<String> = chapters
                .map(|c| format!("{} {} {}", c["start_time"], c["end_time"], c["tags"]["title"]))
                .collect();
            (chapters, told["streams"][0]["tags"]["timecode"].clone())
        };
        assert_eq!(told(&output), told(file), "{file}");
        assert_eq!(told(file).0.len(), 2, "{file}");
    }
}
