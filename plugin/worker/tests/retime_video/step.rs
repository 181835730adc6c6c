//! Pictures and sound stay in sync.

use super::*;

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
        // A movement on twos may start half a source frame later or earlier, depending on where the
        // drawing's way begins.
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
    // The first second at 24 frames, then 30, so no camera rate fits both.
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
