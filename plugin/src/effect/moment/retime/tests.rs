use std::cell::RefCell;

use inbetween_core::exposure::Sheet;
use inbetween_core::retime::FrameMap;
use inbetween_core::{Encoding, Frame};

use super::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn choice(to: TargetRate) -> RetimeChoice {
    RetimeChoice {
        from: None,
        to,
        strength: Strength::ON_ONES,
        timeline: Timeline::Automatic,
        start: 1.0,
    }
}

/// A clip of `frames` frames at the rate `clip`, starting at the host's frame 1, in a project at
/// the rate `project`.
fn told(clip: &str, project: &str, frames: f64) -> HostTiming {
    HostTiming {
        clip: Some(rate(clip)),
        project: Some(rate(project)),
        range: Some((1.0, frames)),
        repeats: false,
    }
}

/// Signatures of drawings that are held for these numbers of frames.
fn signatures(exposures: &[usize]) -> Vec<Arc<Signature>> {
    let drawing = |n: usize| {
        let mut frame = Frame::transparent(96, 64).unwrap();
        for (at, pixel) in frame.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (at % 96, at / 96);
            let inside = (4 + 5 * n..24 + 5 * n).contains(&x) && (20..44).contains(&y);
            let ground = 0.3 + 0.2 * ((x / 16 + y / 16) % 2) as f32;
            *pixel = if inside { [0.9, 0.2, 0.1, 1.0] } else { [ground, ground, 0.4, 1.0] };
        }
        Arc::new(Signature::of(&frame, Encoding::Srgb))
    };
    exposures.iter().enumerate().flat_map(|(n, frames)| vec![drawing(n); *frames]).collect()
}

/// What is shown at `time` in a host whose frame for each time is `frame_at`. Checks that every
/// requested time was announced.
fn shown(
    retime: &Retime,
    time: f64,
    output: Output,
    frame_at: impl Fn(f64) -> Option<Arc<Signature>>,
) -> Result<OutputFrame> {
    retimed(retime, time, output, frame_at).map(|shown| shown.frame)
}

/// The same with the drawings beside it.
fn retimed(
    retime: &Retime,
    time: f64,
    output: Output,
    frame_at: impl Fn(f64) -> Option<Arc<Signature>>,
) -> Result<RetimedFrame> {
    let asked = RefCell::new(Vec::new());
    let shown = retime.shown(time, output, |time| {
        asked.borrow_mut().push(time);
        Ok(frame_at(time))
    });
    let needed = retime.needed(time, output).unwrap();
    let most = 2 * retime.reach(output) + 1;
    assert!(needed.len() as i64 <= most, "{needed:?}");
    for asked in asked.into_inner() {
        assert!(needed.contains(&asked), "{asked} was not announced: {needed:?}");
    }
    if let Ok(shown) = &shown {
        let plan = retime.plan(*shown);
        let beside = plan.neighbours.iter().flatten().map(|(_, source)| source);
        for source in [&plan.first, &plan.last].into_iter().chain(beside) {
            let KeySource::Found { time } = source else { panic!("{source:?}") };
            assert!(needed.contains(time), "{time} was not announced: {needed:?}");
        }
    }
    shown
}

const RATIOS: [(&str, &str); 5] =
    [("12", "24"), ("24", "60"), ("23.976", "59.94"), ("24", "25"), ("24", "12")];

#[test]
fn a_compositor_and_an_editor_show_the_same() {
    let exposures = [2, 3, 1, 1, 7, 2];
    let frames = signatures(&exposures);
    let sheet = Sheet::of_exposures(exposures);
    for (from, to) in RATIOS {
        for share in [0.0, 0.6, 1.0] {
            let strength = Strength::new(share).unwrap();
            let map = FrameMap::new(&sheet, rate(from), rate(to), strength);
            let choice = RetimeChoice { strength, ..choice(TargetRate::Rate(rate(to))) };
            let length = map.frames() as f64;
            let counted =
                Retime::of(&choice, MotionPath::Smooth, told(from, "25", frames.len() as f64))
                    .unwrap();
            assert_eq!(counted.range(), Some((1.0, length)));
            let repeated = HostTiming { repeats: true, ..told(to, to, length) };
            let from_told = RetimeChoice { from: Some(rate(from)), ..choice };
            let repeated = Retime::of(&from_told, MotionPath::Smooth, repeated).unwrap();
            assert_eq!((repeated.range(), repeated.output_rate()), (None, None));
            let step = rate(from).per_second() / rate(to).per_second();
            for number in 0..map.frames() {
                let time = 1.0 + number as f64;
                let what = format!("{from} to {to} at {share}: {time}");
                let by_count = retimed(&counted, time, Output::InBetween, |time| {
                    frames.get((time - 1.0) as usize).cloned()
                });
                let by_count = by_count.unwrap();
                assert_eq!(by_count.frame, map.output_frame(number).unwrap(), "{what}");
                if let OutputFrame::InBetween { first, last, .. } = by_count.frame {
                    assert_eq!(by_count.neighbours, map.neighbours(first, last), "{what}");
                }
                let repeats = |time: f64| {
                    let frame = ((time - 1.0) * step + 1e-9).floor();
                    (time <= length).then(|| frames[(frame as usize).min(frames.len() - 1)].clone())
                };
                let by_repeats = shown(&repeated, time, Output::InBetween, repeats).unwrap();
                // Where the rate is lowered, the editor has dropped frames.
                if to != "12" {
                    assert_eq!(by_repeats, map.output_frame(number).unwrap(), "{what}");
                }
            }
        }
    }
}

#[test]
fn repeated_frames_are_taken_where_hosts_agree_on_them() {
    for (from, to) in [("12", "24"), ("24", "60"), ("23.976", "30"), ("25", "60")] {
        let choice = RetimeChoice { from: Some(rate(from)), ..choice(TargetRate::Project) };
        let retime = Retime::of(
            &choice,
            MotionPath::Smooth,
            HostTiming { repeats: true, ..told(to, to, 100.0) },
        )
        .unwrap();
        let frames = retime.frames.unwrap();
        assert!(retime.time_of(frames - 1) <= 100.0 && retime.time_of(frames) > 100.0);
        for frame in 0..frames {
            let exact = (retime.time_of(frame) - 1.0) * retime.per_step();
            assert_eq!((exact + 1e-9).floor() as i64, frame, "{from} to {to}");
            if retime.per_step() <= 0.5 {
                assert_eq!((exact - 1e-9).round() as i64, frame, "{from} to {to}");
            }
        }
    }
}

#[test]
fn an_editor_that_tells_no_rate_of_the_clip_still_gets_its_twos_on_ones() {
    let frames = signatures(&[2; 12]);
    let host = HostTiming { repeats: true, ..told("24", "24", frames.len() as f64) };
    let retime = Retime::of(&choice(TargetRate::Twice), MotionPath::Smooth, host).unwrap();
    assert_eq!(retime.rates(), (rate("24"), rate("24")));
    for time in 1..=22_i64 {
        let here = shown(&retime, time as f64, Output::InBetween, |time| {
            frames.get(time as usize - 1).cloned()
        });
        let frame = time - 1;
        let wanted = if frame % 2 == 0 {
            OutputFrame::Source { frame }
        } else {
            OutputFrame::InBetween { first: frame - 1, last: frame + 1, position: 0.5 }
        };
        assert_eq!(here.unwrap(), wanted);
    }
}

#[test]
fn the_ends_are_known_without_a_look() {
    let retime =
        Retime::of(&choice(TargetRate::Twice), MotionPath::Smooth, told("12", "24", 8.0)).unwrap();
    assert_eq!(retime.range(), Some((1.0, 16.0)));
    for (time, known) in [
        (-50.0, Some(1.0)),
        (1.0, Some(1.0)),
        (1.00001, Some(1.0)),
        (2.0, None),
        (14.0, None),
        (15.0, Some(8.0)),
        (16.0, Some(8.0)),
        (1e6, Some(8.0)),
    ] {
        assert_eq!(retime.known(time, Output::InBetween).unwrap(), known, "{time}");
        if let Some(known) = known {
            assert_eq!(retime.needed(time, Output::InBetween).unwrap(), [known]);
            let looked = shown(&retime, time, Output::InBetween, |_| panic!("nobody looks"));
            assert!(matches!(looked.unwrap(), OutputFrame::Source { .. }));
        }
    }
    assert!(retime.known(f64::NAN, Output::InBetween).is_err());
    assert!(retime.known(1e30, Output::InBetween).is_err());
}

#[test]
fn an_editor_is_asked_for_its_own_frame_beyond_what_it_tells() {
    let host = HostTiming { repeats: true, ..told("24", "24", 8.0) };
    let retime = Retime::of(&choice(TargetRate::Twice), MotionPath::Smooth, host).unwrap();
    for time in [-30.0, 0.0, 1.0, 8.0, 9.0, 5000.0] {
        assert_eq!(retime.known(time, Output::InBetween).unwrap(), Some(time));
        assert_eq!(retime.needed(time, Output::InBetween).unwrap(), [time]);
    }
}

#[test]
fn nothing_is_asked_for_beyond_the_clip() {
    let retime =
        |path| Retime::of(&choice(TargetRate::Twice), path, told("12", "24", 30.0)).unwrap();
    let needed = |path, time| retime(path).needed(time, Output::InBetween).unwrap();
    let times = |from: i32, to: i32| (from..=to).map(f64::from).collect::<Vec<_>>();
    assert_eq!(needed(MotionPath::Straight, 2.0), times(1, 6));
    assert_eq!(needed(MotionPath::Straight, 58.0), times(24, 30));
    // The drawings beside the two keys as well.
    assert_eq!(needed(MotionPath::Smooth, 2.0), times(1, 9));
    assert_eq!(needed(MotionPath::Smooth, 58.0), times(21, 30));
}

#[test]
fn beyond_an_end_that_nobody_told_of_the_nearest_frame_is_held() {
    let frames = signatures(&[2, 2, 2]);
    for range in [None, Some((f64::from(i32::MIN), f64::from(i32::MAX)))] {
        let retime = Retime::of(
            &choice(TargetRate::Twice),
            MotionPath::Smooth,
            HostTiming { range, ..told("12", "24", 0.0) },
        )
        .unwrap();
        assert_eq!(retime.range(), None);
        let at = |time| {
            shown(&retime, time, Output::InBetween, |time| {
                usize::try_from(time as i64 - 1).ok().and_then(|at| frames.get(at).cloned())
            })
        };
        assert_eq!(at(1.0).unwrap(), OutputFrame::Source { frame: 0 });
        assert_eq!(at(3.0).unwrap(), OutputFrame::InBetween { first: 0, last: 2, position: 0.5 });
        assert_eq!(at(13.0).unwrap(), OutputFrame::Source { frame: 5 });
        assert_eq!(at(0.0).unwrap(), OutputFrame::Source { frame: 0 });
        let said = at(60.0).unwrap_err().user_message().unwrap();
        assert!(said.contains("no picture at frame 30"), "{said}");
    }
}

#[test]
fn a_hole_in_a_clip_is_reported_and_not_drawn_over() {
    let frames = signatures(&[2; 6]);
    let retime =
        Retime::of(&choice(TargetRate::Twice), MotionPath::Smooth, told("12", "24", 12.0)).unwrap();
    let at = |time| {
        shown(&retime, time, Output::InBetween, |time| {
            (time != 6.0).then(|| frames[time as usize - 1].clone())
        })
    };
    let said = at(12.0).unwrap_err().user_message().unwrap();
    assert!(said.contains("no picture at frame 6"), "{said}");
    // The previous drawing stands still instead of moving towards one that is missing.
    assert_eq!(at(10.0).unwrap(), OutputFrame::Source { frame: 4 });
}

#[test]
fn motion_at_a_key_is_that_of_the_way_from_it() {
    let frames = signatures(&[2, 2, 12, 2]);
    let retime = Retime::of(
        &RetimeChoice { strength: Strength::AS_EXPOSED, ..choice(TargetRate::Twice) },
        MotionPath::Smooth,
        told("12", "24", frames.len() as f64),
    )
    .unwrap();
    let at = |time, output| {
        shown(&retime, time, output, |time| frames.get(time as usize - 1).cloned()).unwrap()
    };
    assert_eq!(at(6.0, Output::InBetween), OutputFrame::Source { frame: 2 });
    let OutputFrame::InBetween { first: 2, last: 4, position } = at(6.0, Output::Motion) else {
        panic!()
    };
    assert!((position - 0.25).abs() < 1e-3, "{position}");
    let frame = at(6.0, Output::Motion);
    let plan = retime.plan(RetimedFrame { frame, neighbours: [None, None] });
    assert!(
        (plan.position_per_frame - 0.25).abs() < 1e-9,
        "a quarter of the way for each frame: {}",
        plan.position_per_frame
    );
    assert!(matches!(at(5.0, Output::Motion), OutputFrame::InBetween { first: 2, last: 4, .. }));
    assert!(matches!(at(15.0, Output::Motion), OutputFrame::Source { .. }), "a rest has no motion");
}

#[test]
fn rates_come_from_the_artist_the_clip_and_the_project_in_this_order() {
    let rates = |choice, told| {
        let retime: Result<Retime> = Retime::of(&choice, MotionPath::Smooth, told);
        retime.map(|retime| retime.rates())
    };
    let host = told("12", "25", 8.0);
    let from = |from: &str, to| RetimeChoice { from: Some(rate(from)), ..choice(to) };
    assert_eq!(rates(choice(TargetRate::Twice), host).unwrap(), (rate("12"), rate("24")));
    assert_eq!(rates(choice(TargetRate::Project), host).unwrap(), (rate("12"), rate("25")));
    assert_eq!(rates(from("8", TargetRate::Project), host).unwrap(), (rate("8"), rate("25")));
    let to = TargetRate::Rate(rate("59.94"));
    assert_eq!(rates(from("23.976", to), host).unwrap(), (rate("24000/1001"), rate("60000/1001")));
    let silent = HostTiming { clip: None, ..host };
    assert_eq!(rates(choice(TargetRate::Twice), silent).unwrap(), (rate("25"), rate("50")));
    let mute = HostTiming { clip: None, project: None, ..host };
    let why = |choice, told| rates(choice, told).unwrap_err().user_message().unwrap();
    assert!(why(choice(TargetRate::Twice), mute).contains("Set From"));
    assert!(why(from("12", TargetRate::Project), mute).contains("Choose it in To, as a number"));
    assert!(
        why(choice(TargetRate::Twice), HostTiming { repeats: true, ..mute })
            .contains("Choose it in To")
    );
    let repeated = HostTiming { repeats: true, project: None, ..host };
    assert_eq!(rates(from("12", to), repeated).unwrap(), (rate("12"), rate("59.94")));
    assert!(rates(from("600", TargetRate::Twice), host).is_err(), "1200 frames a second");
}

#[test]
fn the_artist_may_overrule_what_the_host_is_known_for() {
    for (timeline, repeats, output) in [
        (Timeline::Automatic, false, Some(rate("24"))),
        (Timeline::Automatic, true, None),
        (Timeline::OfSource, true, Some(rate("24"))),
        (Timeline::OfOutput, false, None),
    ] {
        let choice = RetimeChoice { timeline, ..choice(TargetRate::Twice) };
        let retime = Retime::of(
            &choice,
            MotionPath::Smooth,
            HostTiming { repeats, ..told("12", "24", 8.0) },
        )
        .unwrap();
        assert_eq!(retime.output_rate(), output, "{timeline:?} {repeats}");
    }
}
