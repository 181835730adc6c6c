use super::*;

const CURVES: [Chart; 6] = [
    Chart::Linear,
    Chart::EaseIn,
    Chart::EaseOut,
    Chart::EaseInOut,
    Chart::FavourFirst,
    Chart::FavourLast,
];

fn timing(first: f64, last: f64, chart: Chart, exposure: Exposure) -> Timing {
    Timing::new(first, last, chart, exposure).unwrap()
}

fn position(timing: &Timing, time: f64) -> f64 {
    match timing.at(time).unwrap() {
        SpanPosition::BeforeFirst | SpanPosition::First => 0.0,
        SpanPosition::Between { position } => position,
        SpanPosition::Last | SpanPosition::AfterLast => 1.0,
    }
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn keys_and_beyond_are_the_keys() {
    for chart in CURVES {
        for exposure in [Exposure::Ones, Exposure::Twos, Exposure::Threes] {
            let timing = timing(10.0, 17.0, chart.clone(), exposure);
            assert_eq!(timing.at(9.0).unwrap(), SpanPosition::BeforeFirst);
            assert_eq!(timing.at(f64::NEG_INFINITY).unwrap(), SpanPosition::BeforeFirst);
            assert_eq!(timing.at(10.0).unwrap(), SpanPosition::First);
            assert_eq!(timing.at(17.0).unwrap(), SpanPosition::Last);
            assert_eq!(timing.at(17.5).unwrap(), SpanPosition::AfterLast);
            assert_eq!(timing.at(f64::INFINITY).unwrap(), SpanPosition::AfterLast);
        }
    }
}

#[test]
fn the_key_of_a_place_is_what_is_held() {
    assert_eq!(SpanPosition::BeforeFirst.key(), Some(Key::First));
    assert_eq!(SpanPosition::First.key(), Some(Key::First));
    assert_eq!(SpanPosition::Between { position: 0.5 }.key(), None);
    assert_eq!(SpanPosition::Last.key(), Some(Key::Last));
    assert_eq!(SpanPosition::AfterLast.key(), Some(Key::Last));
}

#[test]
fn curves_start_at_zero_end_at_one_and_never_go_back() {
    for chart in CURVES {
        assert_eq!(chart.position(0.0), 0.0, "{chart:?}");
        assert_eq!(chart.position(1.0), 1.0, "{chart:?}");
        let mut before = 0.0;
        for step in 1..=10_000 {
            let here = chart.position(f64::from(step) / 10_000.0);
            assert!(here > before, "{chart:?} at {step}: {here} after {before}");
            before = here;
        }
    }
}

#[test]
fn curves_mirror_each_other() {
    let mirrors = [
        (Chart::Linear, Chart::Linear),
        (Chart::EaseIn, Chart::EaseOut),
        (Chart::EaseInOut, Chart::EaseInOut),
        (Chart::FavourFirst, Chart::FavourLast),
    ];
    for (one, other) in mirrors {
        for step in 0..=1000 {
            let t = f64::from(step) / 1000.0;
            let sum = one.position(t) + other.position(1.0 - t);
            assert!((sum - 1.0).abs() < 1e-15, "{one:?} and {other:?} at {t}: {sum}");
        }
    }
}

#[test]
fn the_middle_drawing_of_each_chart() {
    let middle = |chart| position(&timing(0.0, 8.0, chart, Exposure::Ones), 4.0);
    assert_eq!(middle(Chart::Linear), 0.5);
    assert_eq!(middle(Chart::EaseIn), 0.75);
    assert_eq!(middle(Chart::EaseOut), 0.25);
    assert_eq!(middle(Chart::EaseInOut), 0.5);
    assert_eq!(middle(Chart::FavourFirst), 1.0 / 3.0);
    assert!((middle(Chart::FavourLast) - 2.0 / 3.0).abs() < 1e-15);
}

#[test]
fn out_of_range_fractions_are_clamped() {
    for chart in CURVES.into_iter().chain([Chart::Custom(vec![0.2, 0.9])]) {
        assert_eq!(chart.position(-3.0), 0.0);
        assert_eq!(chart.position(7.0), 1.0);
        assert_eq!(chart.position(f64::NAN), 0.0);
    }
}

#[test]
fn ones_give_each_frame_its_own_drawing_and_sub_frames_too() {
    let timing = timing(100.0, 104.0, Chart::Linear, Exposure::Ones);
    let seen: Vec<f64> = (100..=104).map(|f| position(&timing, f64::from(f))).collect();
    assert_eq!(seen, [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(position(&timing, 100.5), 0.125);
}

#[test]
fn twos_and_threes_hold_from_the_first_key_and_the_last_key_keeps_its_frame() {
    let on = |exposure| {
        let timing = timing(5.0, 12.0, Chart::Linear, exposure);
        (5..=12).map(|f| (position(&timing, f64::from(f)) * 7.0).round()).collect::<Vec<_>>()
    };
    assert_eq!(on(Exposure::Twos), [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 6.0, 7.0]);
    assert_eq!(on(Exposure::Threes), [0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 6.0, 7.0]);
}

#[test]
fn sub_frames_stay_within_their_hold() {
    let timing = timing(0.0, 9.0, Chart::Linear, Exposure::Threes);
    assert_eq!(position(&timing, 3.0), position(&timing, 5.99));
    assert_ne!(position(&timing, 5.99), position(&timing, 6.0));
    assert_eq!(timing.at(2.9).unwrap(), SpanPosition::First);
    assert_eq!(timing.at(8.9).unwrap(), timing.at(6.0).unwrap());
}

#[test]
fn times_a_rounding_error_beside_a_frame_are_that_frame() {
    let timing = timing(0.1, 6.1, Chart::EaseIn, Exposure::Twos);
    for frame in 0..=6 {
        let exact = timing.at(0.1 + f64::from(frame)).unwrap();
        for beside in [-3e-5, -1e-12, 1e-12, 3e-5] {
            let found = timing.at(0.1 + f64::from(frame) + beside).unwrap();
            assert_eq!(found, exact, "frame {frame} {beside:+e}");
        }
    }
}

#[test]
fn a_custom_list_of_the_right_length_is_taken_entry_by_entry() {
    let list = vec![0.1, 0.7, 0.7, 0.2, 1.0, 0.0];
    let timing = timing(1.0, 8.0, Chart::Custom(list.clone()), Exposure::Ones);
    for (at, wanted) in list.iter().enumerate() {
        assert_eq!(position(&timing, 2.0 + at as f64), *wanted, "entry {at}");
    }
    assert_eq!(timing.at(6.0).unwrap(), SpanPosition::Last);
    assert_eq!(timing.at(7.0).unwrap(), SpanPosition::First);
    assert!((position(&timing, 2.5) - 0.4).abs() < 1e-15);
    assert!((position(&timing, 7.5) - 0.5).abs() < 1e-15);
}

#[test]
fn a_custom_list_counts_drawings_not_frames() {
    // Span of 9 frames on twos: drawings on 2, 4, 6 and 8.
    let timing = timing(0.0, 9.0, Chart::Custom(vec![0.4, 0.3, 0.2, 0.9]), Exposure::Twos);
    assert_eq!(timing.drawings_between(), 4);
    let seen: Vec<f64> = (0..=9).map(|f| position(&timing, f64::from(f))).collect();
    assert_eq!(seen, [0.0, 0.0, 0.4, 0.4, 0.3, 0.3, 0.2, 0.2, 0.9, 1.0]);
}

#[test]
fn a_custom_list_of_another_length_is_run_along() {
    let timing = timing(0.0, 8.0, Chart::Custom(vec![0.6]), Exposure::Ones);
    let seen: Vec<f64> = (0..=8).map(|f| position(&timing, f64::from(f))).collect();
    for (found, wanted) in seen.iter().zip([0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1.0]) {
        assert!((found - wanted).abs() < 1e-12, "{seen:?}");
    }
}

#[test]
fn custom_lists_of_every_length_hit_their_entries_exactly() {
    for length in 1..=200_u32 {
        let list: Vec<f64> =
            (0..length).map(|i| 0.05 + 0.9 * f64::from((i * 37) % 101) / 101.0).collect();
        let timing =
            timing(-3.0, f64::from(length) - 2.0, Chart::Custom(list.clone()), Exposure::Ones);
        for (at, wanted) in list.iter().enumerate() {
            assert_eq!(position(&timing, -2.0 + at as f64), *wanted, "{at} of {length}");
        }
        // The same list, used as a chart by itself, as a position parameter does.
        let chart = Chart::Custom(list.clone());
        for (at, wanted) in list.iter().enumerate() {
            let t = (at as f64 + 1.0) / (f64::from(length) + 1.0);
            assert_eq!(chart.position(t), *wanted, "{at} of {length}");
        }
    }
}

#[test]
fn typed_charts() {
    let typed = "0.1 0.3; 50%, 2/3\n1e-1 0 1 100%".parse::<Chart>().unwrap();
    assert_eq!(typed, Chart::Custom(vec![0.1, 0.3, 0.5, 2.0 / 3.0, 0.1, 0.0, 1.0, 1.0]));
    assert_eq!(" ,-0; ".parse::<Chart>().unwrap(), Chart::Custom(vec![0.0]));
}

#[test]
fn typed_charts_name_the_bad_entry() {
    for (typed, entry) in [
        ("0.1 half 0.3", "\"half\" in place 2"),
        ("0.1, 0.2, 1.5", "\"1.5\" in place 3"),
        ("-0.1", "\"-0.1\" in place 1"),
        ("nan", "\"nan\" in place 1"),
        ("inf", "\"inf\" in place 1"),
        ("1/0", "\"1/0\" in place 1"),
        ("0/0", "\"0/0\" in place 1"),
        ("1/2/3", "\"1/2/3\" in place 1"),
        ("50 %", "\"50\" in place 1"),
        ("101%", "\"101%\" in place 1"),
        ("", "empty"),
        (" ; ,", "empty"),
    ] {
        let said = message(typed.parse::<Chart>());
        assert!(said.contains(entry), "{typed:?}: {said}");
    }
    let long = "ß".repeat(500);
    assert!(message(long.parse::<Chart>()).contains(&format!("\"{}…\"", "ß".repeat(40))));
    assert!("0.5 ".repeat(MAX_POSITIONS).parse::<Chart>().is_ok());
    assert!(message("0.5 ".repeat(MAX_POSITIONS + 1).parse::<Chart>()).contains("longer"));
}

#[test]
fn bad_spans_are_refused_with_both_times() {
    let make = |first, last| Timing::new(first, last, Chart::Linear, Exposure::Ones);
    let said = message(make(10.0, 10.0));
    assert!(said.contains("frame 10 while the first key is frame 10"), "{said}");
    assert!(message(make(10.0, 2.0)).contains("Last key"));
    assert!(message(make(f64::NAN, 2.0)).contains("First key"));
    assert!(message(make(0.0, f64::INFINITY)).contains("Last key"));
    assert!(message(make(-2e9, 0.0)).contains("First key"));
    let custom = |list| Timing::new(0.0, 4.0, Chart::Custom(list), Exposure::Ones);
    assert!(message(custom(vec![0.5, f64::NAN])).contains("place 2"));
    assert!(message(custom(vec![])).contains("empty"));
}

#[test]
fn a_time_that_is_no_number_is_refused() {
    let timing = timing(0.0, 4.0, Chart::Linear, Exposure::Ones);
    assert!(message(timing.at(f64::NAN)).contains("not a number"));
}

#[test]
fn positions_next_to_a_key_are_the_key() {
    assert_eq!(SpanPosition::of_position(1e-7).unwrap(), SpanPosition::First);
    assert_eq!(SpanPosition::of_position(1.0 - 1e-7).unwrap(), SpanPosition::Last);
    assert_eq!(SpanPosition::of_position(1e-3).unwrap(), SpanPosition::Between { position: 1e-3 });
    assert!(SpanPosition::of_position(1.1).is_err());
    assert!(SpanPosition::of_position(f64::NAN).is_err());
}

#[test]
fn counts_of_frames_and_drawings() {
    let counts = |first, last, exposure| {
        let timing = timing(first, last, Chart::Linear, exposure);
        (timing.frames_between(), timing.drawings_between())
    };
    assert_eq!(counts(0.0, 1.0, Exposure::Ones), (0, 0));
    assert_eq!(counts(0.0, 0.5, Exposure::Twos), (0, 0));
    assert_eq!(counts(0.0, 8.0, Exposure::Ones), (7, 7));
    assert_eq!(counts(0.0, 8.0, Exposure::Twos), (7, 3));
    assert_eq!(counts(0.0, 9.0, Exposure::Twos), (8, 4));
    assert_eq!(counts(0.0, 8.0, Exposure::Threes), (7, 2));
    assert_eq!(counts(0.25, 8.75, Exposure::Ones), (8, 8));
    assert_eq!(counts(-MAX_TIME, MAX_TIME, Exposure::Ones).0, 1_999_999_999);
}

#[test]
fn the_list_of_frames_agrees_with_asking_frame_by_frame() {
    for chart in CURVES.into_iter().chain([Chart::Custom(vec![0.9, 0.0, 0.4])]) {
        for exposure in [Exposure::Ones, Exposure::Twos, Exposure::Threes] {
            for last in [13.0, 14.0, 21.5, 22.0] {
                let timing = timing(12.5, last, chart.clone(), exposure);
                let frames: Vec<(f64, SpanPosition)> = timing.frames().collect();
                assert_eq!(frames.len(), timing.frames_between() as usize + 2);
                assert_eq!(frames.first(), Some(&(12.5, SpanPosition::First)));
                assert_eq!(frames.last(), Some(&(last, SpanPosition::Last)));
                for (time, place) in frames {
                    assert_eq!(timing.at(time).unwrap(), place, "{timing:?} at {time}");
                }
            }
        }
    }
}

#[test]
fn monotone_charts_stay_monotone_on_every_exposure() {
    for chart in CURVES {
        for exposure in [Exposure::Ones, Exposure::Twos, Exposure::Threes] {
            let timing = timing(0.0, 23.0, chart.clone(), exposure);
            let seen: Vec<f64> =
                (0..=2300).map(|t| position(&timing, f64::from(t) / 100.0)).collect();
            assert!(seen.is_sorted(), "{timing:?}");
            assert_eq!(*seen.last().unwrap(), 1.0);
        }
    }
}

#[test]
fn the_position_moves_as_fast_at_a_key_as_beside_it() {
    let timing = Timing::new(1.0, 9.0, Chart::Linear, Exposure::Ones).unwrap();
    for time in [1.0, 1.5, 5.0, 9.0] {
        assert_eq!(timing.position_per_frame(time).unwrap(), 1.0 / 8.0, "frame {time}");
    }
    for time in [-3.0, 0.5, 9.5, 20.0] {
        assert_eq!(timing.position_per_frame(time).unwrap(), 0.0, "frame {time}");
    }
    let short = Timing::new(2.0, 2.5, Chart::Linear, Exposure::Ones).unwrap();
    assert_eq!(short.position_per_frame(2.25).unwrap(), 2.0);
    assert!(timing.position_per_frame(f64::NAN).is_err());
}
