//! Long jobs.

use super::*;

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
    // Across the borders of parts, every picture has its own time.
    for file in ["whole.mkv", "o.mkv"] {
        let times: Vec<f64> = desk.pictures(file).iter().map(|(time, _)| *time).collect();
        let off =
            times.iter().enumerate().map(|(n, time)| (time - times[0] - n as f64 / 96.0).abs());
        assert!(off.fold(0.0, f64::max) < 0.0011, "{file}");
    }
    // The same with pictures.
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
    // A slow machine reports intermediate progress as well.
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
            // Its smallest picture is larger than this one, which is reported before anything is
            // drawn.
            assert_eq!(done.code, 2, "{}", done.err);
            continue;
        }
        assert_eq!(done.code, 0, "{output} {codec}: {}", done.err);
        assert_eq!(desk.pictures(output).len(), 375, "{output}");
    }
}
