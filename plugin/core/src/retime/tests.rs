//! Retiming of known sheets, and its agreement with what is found frame by frame.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::exposure::{Sheet, Signature};
use crate::{Encoding, Error, Frame};

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn map(sheet: &Sheet, from: &str, to: &str, strength: f64) -> FrameMap {
    FrameMap::new(sheet, rate(from), rate(to), Strength::new(strength).unwrap())
}

fn twos(drawings: usize) -> Sheet {
    Sheet::of_exposures(vec![2; drawings])
}

/// The time that a frame of the output stands for, in source frames.
fn time_of(shown: OutputFrame) -> f64 {
    match shown {
        OutputFrame::Source { frame } => frame as f64,
        OutputFrame::InBetween { first, last, position } => {
            first as f64 + position * (last - first) as f64
        }
    }
}

const RATIOS: [(&str, &str); 9] = [
    ("12", "24"),
    ("24", "60"),
    ("23.976", "59.94"),
    ("24", "59.94"),
    ("25", "30"),
    ("24", "24"),
    ("60", "24"),
    ("29.97", "119.88"),
    ("24", "1000/7"),
];

#[test]
fn rates_are_read_as_they_are_meant() {
    for (text, frames, seconds) in [
        ("24", 24, 1),
        ("23.976", 24_000, 1001),
        ("23.98", 24_000, 1001),
        ("29.97", 30_000, 1001),
        ("59.94", 60_000, 1001),
        ("12.5", 25, 2),
        (" 48000/2002 ", 24_000, 1001),
    ] {
        assert_eq!(rate(text), Rate::new(frames, seconds).unwrap(), "{text}");
    }
    for text in ["", "0", "-24", "24/0", "fast", "24fps", "1e3", "24.9999", "1001", "4294967296/2"]
    {
        assert!(matches!(text.parse::<Rate>(), Err(Error::Setting { .. })), "{text}");
    }
    assert_eq!(rate("59.94").to_string(), "60000/1001");
}

#[test]
fn decimals_of_programs_are_rates_where_they_make_sense() {
    for (told, meant) in [
        (24_000.0 / 1001.0, "23.976"),
        (23.976, "24000/1001"),
        (29.97, "30000/1001"),
        (60_000.0_f64 / 1001.0, "59.94"),
        (12.0, "12"),
        (12.499_999_9, "12.5"),
        (1000.0, "1000"),
    ] {
        assert_eq!(Rate::of_decimal(told).unwrap(), rate(meant), "{told}");
    }
    for told in [0.0, -24.0, 1e-9, 1000.1, f64::NAN, f64::INFINITY] {
        assert!(Rate::of_decimal(told).is_err(), "{told}");
    }
    assert_eq!(rate("23.976").times(2).unwrap(), rate("48000/1001"));
    assert!(rate("600").times(2).is_err() && rate("9999999/10007").times(u32::MAX).is_err());
}

#[test]
fn lengths_and_times_are_exact_over_hours() {
    let (film, tv) = (rate("24000/1001"), rate("60000/1001"));
    // Ten hours: every two source frames become exactly five output frames.
    assert_eq!(tv.length_of(film, 863_136), 2_157_840);
    let time = tv.time_at(film, 2_157_835);
    assert_eq!((time.frame(), time.position(863_134, 863_135)), (863_134, 0.0));
    assert_eq!(rate("60").length_of(rate("24"), 1), 3);
    assert_eq!(rate("24").length_of(rate("24"), 0), 0);
}

#[test]
fn drawings_on_twos_become_smooth_motion() {
    let shown: Vec<OutputFrame> = map(&twos(3), "24", "48", 1.0).output_frames().collect();
    let between = |first, last, position| OutputFrame::InBetween { first, last, position };
    assert_eq!(
        shown[..4],
        [
            OutputFrame::Source { frame: 0 },
            between(0, 2, 0.25),
            between(0, 2, 0.5),
            between(0, 2, 0.75),
        ]
    );
    assert_eq!(shown[4], OutputFrame::Source { frame: 2 });
    // The end is held.
    assert_eq!(shown[8..], [4, 4, 5, 5].map(|frame| OutputFrame::Source { frame }));
}

#[test]
fn neighbours_are_drawings_of_the_same_movement() {
    // Twos, a cut, threes, a rest of 30 frames, twos.
    let sheet = Sheet::of_exposures([2, 2, 2, 3, 3, 3, 30, 2, 2]).with_cuts(&[6]);
    let map = map(&sheet, "24", "60", 1.0);
    let at = |first, last| {
        map.neighbours(first, last).map(|beside| Some((beside?.frame, beside?.position)))
    };
    assert_eq!(at(0, 2), [None, Some((4, 2.0))]);
    // The drawing on 4 is the last before the cut.
    assert_eq!(at(2, 4), [Some((0, -1.0)), None]);
    // Threes after the cut; 15 is where the rest begins.
    assert_eq!(at(6, 9), [None, Some((12, 2.0))]);
    assert_eq!(at(9, 12), [Some((6, -1.0)), Some((15, 2.0))]);
    assert_eq!(at(12, 15), [Some((9, -1.0)), None]);
    // The rest moves on in its last two frames: no neighbour comes before that movement, and it is
    // the neighbour of the next step.
    assert_eq!(at(43, 45), [None, Some((47, 2.0))]);
    assert_eq!(at(45, 47), [Some((43, -1.0)), None]);
}

#[test]
fn at_full_strength_nothing_repeats_and_time_never_stumbles() {
    let sheet = Sheet::of_exposures([2, 2, 3, 1, 1, 2, 4, 2, 3, 3, 2, 1]);
    let moving = sheet.drawings().last().unwrap().first as f64;
    for (from, to) in RATIOS {
        let ratio = rate(to).per_second() / rate(from).per_second();
        let times: Vec<f64> = map(&sheet, from, to, 1.0).output_frames().map(time_of).collect();
        assert_eq!(times.len() as u64, rate(to).length_of(rate(from), sheet.frames() as u64));
        for (n, time) in times.iter().enumerate() {
            let wanted = n as f64 / ratio;
            if wanted <= moving {
                assert!((time - wanted).abs() < 1e-5, "{from} to {to}: frame {n} shows {time}");
            } else {
                assert!(*time >= moving && *time < sheet.frames() as f64);
            }
        }
    }
}

#[test]
fn without_strength_every_frame_is_a_source_frame_at_its_time() {
    let sheet = Sheet::of_exposures([2, 2, 3, 1, 20, 2]).with_cuts(&[7]);
    for (from, to) in RATIOS {
        for (n, shown) in map(&sheet, from, to, 0.0).output_frames().enumerate() {
            let frame = rate(to).time_at(rate(from), n as u64).frame();
            assert_eq!(shown, OutputFrame::Source { frame }, "{from} to {to}");
        }
    }
}

#[test]
fn strength_decides_how_many_poses_there_are() {
    // Twelve drawings a second to 60: room for five poses in each step.
    for (strength, poses) in [(0.0, 1), (0.25, 2), (0.5, 3), (0.75, 4), (1.0, 5)] {
        let map = map(&Sheet::of_exposures([1, 1, 1]), "12", "60", strength);
        let mut shown: Vec<OutputFrame> = map.output_frames().take(5).collect();
        shown.dedup();
        assert_eq!(shown.len(), poses, "{strength}");
        assert_eq!(shown[0], OutputFrame::Source { frame: 0 });
    }
}

#[test]
fn strength_never_turns_time_back() {
    let sheet = Sheet::of_exposures([2, 3, 1, 4, 9, 2, 2]);
    for (from, to) in RATIOS {
        for strength in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
            // A source frame within a hold stands for the beginning of the hold.
            let drawn = |shown| match shown {
                OutputFrame::Source { frame } => {
                    sheet.drawing_at(frame as usize).unwrap().first as f64
                }
                between => time_of(between),
            };
            let times: Vec<f64> =
                map(&sheet, from, to, strength).output_frames().map(drawn).collect();
            assert!(
                times.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9),
                "{from} to {to} at {strength}"
            );
        }
    }
}

#[test]
fn nothing_is_drawn_across_a_cut() {
    let sheet = Sheet::of_exposures([2; 10]).with_cuts(&[6, 14]);
    for (from, to) in RATIOS {
        for shown in map(&sheet, from, to, 1.0).output_frames() {
            if let OutputFrame::InBetween { first, last, .. } = shown {
                for cut in sheet.cuts() {
                    assert!(last < cut as i64 || first >= cut as i64, "{from} to {to}: {shown:?}");
                }
            }
        }
    }
}

#[test]
fn a_rest_stays_a_rest_and_moves_on_at_its_end() {
    let sheet = Sheet::of_exposures([2, 24, 2, 2]);
    let shown: Vec<OutputFrame> = map(&sheet, "24", "48", 1.0).output_frames().collect();
    // The source's own frames from frame 2 to 24, then the way to the drawing on 26.
    for (n, shown) in shown.iter().enumerate().take(48).skip(4) {
        assert_eq!(*shown, OutputFrame::Source { frame: n as i64 / 2 });
    }
    assert_eq!(shown[49], OutputFrame::InBetween { first: 24, last: 26, position: 0.25 });
    assert_eq!(shown[52], OutputFrame::Source { frame: 26 });
}

#[test]
fn a_strength_is_a_share() {
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(Strength::new(wrong).is_err());
    }
}

/// A square that jumps, moves and rests, then another scene.
fn clip() -> (Sheet, Vec<Arc<Signature>>) {
    let exposures = [2, 2, 3, 1, 1, 2, 12, 2, 2, 2, 2, 2];
    let cut = 27;
    let sheet = Sheet::of_exposures(exposures).with_cuts(&[cut]);
    let frame = |drawing: usize, scene: usize| {
        let mut frame = Frame::transparent(96, 64).unwrap();
        for (n, pixel) in frame.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (n % 96, n / 96);
            let inside = (5 + 5 * drawing..25 + 5 * drawing).contains(&x) && (20..44).contains(&y);
            let pattern = if scene == 0 { (x / 16 + y / 16) % 2 } else { (x + y) / 9 % 3 };
            let ground = 0.3 + 0.15 * pattern as f32 + 0.3 * scene as f32;
            *pixel = if inside {
                [0.9 - 0.8 * scene as f32, 0.2, 0.1, 1.0]
            } else {
                [ground, ground, 0.4, 1.0]
            };
        }
        frame
    };
    let mut signatures = Vec::new();
    for (n, drawing) in sheet.drawings().iter().enumerate() {
        let signature =
            Arc::new(Signature::of(&frame(n, usize::from(drawing.first >= cut)), Encoding::Srgb));
        signatures.extend(vec![signature; drawing.frames]);
    }
    (sheet, signatures)
}

#[test]
fn what_is_found_from_nearby_agrees_with_the_map_of_the_whole() {
    let (sheet, signatures) = clip();
    let mut with_neighbours = 0;
    for (from, to) in [("24", "60"), ("24", "48"), ("23.976", "59.94")] {
        for strength in [0.0, 0.5, 1.0] {
            let map = map(&sheet, from, to, strength);
            let conversion =
                RateConversion::new(rate(from), rate(to), Strength::new(strength).unwrap());
            for number in 0..map.frames() {
                let what = format!("{from} to {to} at {strength}: {number}");
                let asked = RefCell::new(Vec::new());
                let time = rate(to).time_at(rate(from), number);
                let mut found = FrameByFrame::new(conversion, |frame| {
                    asked.borrow_mut().push(frame);
                    Ok::<_, Error>(
                        usize::try_from(frame).ok().and_then(|at| signatures.get(at).cloned()),
                    )
                });
                let farthest = |reach: i64| {
                    let asked = asked.borrow();
                    let away = |frame: &i64| (frame - time.frame()).abs() > reach;
                    assert!(!asked.iter().any(away), "{what}: {asked:?}");
                };
                let shown = found.output_frame(time).unwrap();
                assert_eq!(shown, map.output_frame(number), "{what}");
                farthest(conversion.reach());
                if let Some(OutputFrame::InBetween { first, last, .. }) = shown {
                    let neighbours = found.neighbours(first, last).unwrap();
                    assert_eq!(neighbours, map.neighbours(first, last), "{what}");
                    farthest(conversion.reach_beside());
                    with_neighbours += neighbours.iter().flatten().count();
                }
                let asked = asked.take();
                let each: HashSet<_> = asked.iter().collect();
                assert_eq!(asked.len(), each.len(), "no frame is asked for twice");
            }
        }
    }
    assert!(with_neighbours > 100, "{with_neighbours}");
}

#[test]
fn outside_the_clip_there_is_nothing() {
    let (_, signatures) = clip();
    let conversion = RateConversion::new(rate("24"), rate("60"), Strength::ON_ONES);
    for time in [-0.5, 33.0, 1e6] {
        let fetch = |frame: i64| {
            Ok::<_, Error>(usize::try_from(frame).ok().and_then(|at| signatures.get(at).cloned()))
        };
        let found =
            FrameByFrame::new(conversion, fetch).output_frame(Moment::of_time(time).unwrap());
        assert_eq!(found.unwrap(), None);
    }
    assert!(Moment::of_time(f64::NAN).is_none());
}

#[test]
fn a_failing_host_is_heard() {
    let conversion = RateConversion::new(rate("24"), rate("60"), Strength::ON_ONES);
    let mut failing = FrameByFrame::new(conversion, |_| Err(Error::Cancelled));
    let found = failing.output_frame(Moment::of_time(3.2).unwrap());
    assert!(matches!(found, Err(Error::Cancelled)));
}
